from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from callmocks.cli.check import FILE, write_output
from callmocks.config.settings import ServeSettings
from callmocks.errors import SettingsError


@click.group()
def scenario() -> None:
    """A scenario file holds tenants: settings, calls, faults, choices and clocks."""


@scenario.command()
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="FILE…")
def check(files: tuple[Path, ...]) -> None:
    """Say what is wrong with scenario files, each mistake with its place and what would fit.

    Exit code 0: they can be served together, 2: there are mistakes.
    """
    from callmocks.server.planned_tenants import check_planned_tenants, plan_tenants
    from callmocks.tenants.scenario import ScenarioError

    try:
        planned = plan_tenants(ServeSettings(scenario=files), setting="")
        asyncio.run(check_planned_tenants(planned.values()))
    except ScenarioError as error:
        for mistake in error.mistakes:
            click.echo(str(mistake), err=True)
        sys.exit(2)
    for tenant in planned.values():
        if tenant.found is not None:
            found = tenant.found.scenario
            counts = f"{len(found.calls)} calls, {len(found.faults)} faults"
            click.echo(f"{tenant.found.source}: tenant {found.name}: {counts}")


@scenario.command()
@click.option("--tenant", default="demo", metavar="NAME", help="(demo)")
@click.option(
    "--url", default="http://127.0.0.1:8080", metavar="URL", help="Of control; port 8080 here."
)
@click.option("--output", "-o", required=True, metavar="FILE", help="Ends with .toml or .json.")
def export(tenant: str, url: str, output: str) -> None:
    """Write all that a tenant of a running server holds to a scenario file."""
    import msgspec

    from callmocks.testing.admin_client import AdminClient

    path = Path(output)
    if path.suffix not in (".toml", ".json"):
        raise SettingsError(f"--output: {output}: write a .toml or .json file")
    found = AdminClient(url).get(f"/api/tenants/{tenant}/scenario")
    document = {"tenants": [found]}
    if path.suffix == ".json":
        text = msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
    else:
        import tomli_w

        text = tomli_w.dumps(document, multiline_strings=False).encode()
    write_output(text, path)
