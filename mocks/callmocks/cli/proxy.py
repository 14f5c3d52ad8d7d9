from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from callmocks.cli.check import write_output
from callmocks.cli.serve import (
    exit_on_stop_signals,
    make_stop_event,
    print_message,
    write_stderr_in_background,
)
from callmocks.cli.validate import contract_option
from callmocks.config.types import PROVIDER_NAMES
from callmocks.errors import SettingsError

if TYPE_CHECKING:
    from callmocks.contract.findings import Evidence
    from callmocks.verification.proxy_server import ProxyServer

_FILE = click.Path(path_type=Path, dir_okay=False)
_PORT = click.IntRange(0, 65535)


@click.command()
@click.argument("provider", type=click.Choice(PROVIDER_NAMES), metavar="PROVIDER")
@click.argument("upstream")
@click.option("--host", default="127.0.0.1", help="Address to listen on (127.0.0.1).")
@click.option("--port", type=_PORT, help="Port; 0 takes a free one (9086, 9087, 9088).")
@click.option("--control-port", type=_PORT, help="Port of the journal; there is none without it.")
@click.option("--record", type=_FILE, help="Write what goes by there, masked.")
@click.option(
    "--record-unknown",
    type=click.Choice(("hash", "masked")),
    default="hash",
    help="What no contract has, and what cannot be read: by length and hash (hash), or masked.",
)
@contract_option
@click.option(
    "--fail-on",
    type=click.Choice(("documented", "observed", "assumed")),
    help="Exit with 1 when there were findings of this evidence or a stronger one.",
)
@click.option("--report", type=click.Choice(("junit", "json")), help="Write what was found …")
@click.option("--output", type=_FILE, help="… there, when the proxy ends.")
@click.option("--ca", type=_FILE, help="PEM file with the certificates to trust.")
@click.option("--json", "as_json", is_flag=True, help="Say where it is as one line of JSON.")
def proxy(
    provider: str,
    upstream: str,
    port: int | None,
    ca: Path | None,
    as_json: bool,
    fail_on: Evidence | None,
    report: str | None,
    output: Path | None,
    **fields: Any,
) -> None:
    """Relay between a client and a provider and check both against the contract.

    PROVIDER is arm, cdr or onec; UPSTREAM is its address, with its path:
    https://dataapi.example/v2.0. Until SIGINT or SIGTERM; violations of the
    contract are printed on stderr.
    """
    if (report is None) != (output is None):
        raise SettingsError("--report and --output: use both, the form and the file")
    from callmocks.server.providers import PROVIDERS
    from callmocks.verification.http_client import load_ca, parse_url_option
    from callmocks.verification.proxy_server import ProxyServer, ProxySettings

    served = PROVIDERS[provider]
    address = parse_url_option(upstream, "UPSTREAM", ("http", "https")).rstrip("/")
    port = served.proxy_port if port is None else port
    settings = ProxySettings(served, address, port=port, tls=load_ca(ca), **fields)
    exit_on_stop_signals()
    with write_stderr_in_background() as log_writer:
        server = ProxyServer(settings, print_message, log_writer)
        asyncio.run(_run_proxy(server, as_json))
    found = server.processor.report
    if report is not None:
        render = found.render_json if report == "json" else found.render_junit
        write_output(render(fail_on), output)
    sys.exit(1 if found.count_failures(fail_on) else 0)


async def _run_proxy(proxy: ProxyServer, as_json: bool) -> None:
    settings = proxy.settings
    async with proxy:
        stopped = make_stop_event()
        facts = {
            "proxy": proxy.url,
            "provider": settings.provider.name,
            "upstream": settings.upstream,
            "control": proxy.control_url or None,
            "record": None if settings.record is None else str(settings.record),
        }
        shown = [f"  {name:9}{value}" for name, value in facts.items() if value and name != "proxy"]
        text = "\n".join([f"callmocks proxy is ready: {proxy.url}", *shown])
        print(json.dumps(facts) if as_json else text, flush=True)
        await stopped.wait()
    count = proxy.processor.exchange_count
    plural = "" if count == 1 else "s"
    print_message(f"{count} exchange{plural}, {proxy.processor.violation_count} with findings")
