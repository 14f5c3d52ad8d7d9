from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from callmocks.config.types import PROVIDER_NAMES, parse_date
from callmocks.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from callmocks.verification.report import CheckReport

_FILE = click.Path(path_type=Path, dir_okay=False)
_REPORT = click.Choice(("text", "json", "junit"))
F = TypeVar("F", bound="Callable[..., Any]")


def _credential_options(command: F) -> F:
    for name, text in (
        ("cookie", "ARM: NAME=VALUE of a session, instead of them."),
        ("token", "CDR: a token, instead of login and password."),
        ("password", "His password."),
        ("login", "Operator (ARM), login (CDR) or user (1C)."),
    ):
        variable = f"CALLMOCKS_CHECK_{name.upper()}"
        command = click.option(
            f"--{name}", default="", envvar=variable, metavar="TEXT", help=f"{text} [{variable}]"
        )(command)
    return command


@click.command()
@click.argument("provider", type=click.Choice(PROVIDER_NAMES), metavar="PROVIDER")
@click.argument("url")
@_credential_options
@click.option("--user-id", type=int, help="CDR: the customer's user a partner acts for.")
@click.option("--day", metavar="DATE", help="Whose calls (yesterday; not for ARM).")
@click.option(
    "--transport",
    type=click.Choice(("both", "http", "websocket")),
    default="both",
    help="ARM: what to check (both; an address ws://… means websocket).",
)
@click.option("--timeout", type=click.FloatRange(0.1, 600), default=10.0, help="Seconds (10).")
@click.option("--ca", type=_FILE, help="PEM file with the certificates to trust.")
@click.option("--format", "report_format", type=_REPORT, default="text", help="(text)")
@click.option("--output", type=_FILE, help="Write the report there instead of to stdout.")
def check(
    provider: str,
    url: str,
    day: str | None,
    transport: str,
    ca: Path | None,
    report_format: str,
    output: Path | None,
    **target_fields: Any,
) -> None:
    """Check a running provider, or a mock of one, against the contract.

    PROVIDER is arm, cdr or onec. Only reads, a few dozen requests. Exit code 0: no
    findings, 1: findings, 2: nothing could be checked.
    """
    from callmocks.server.providers import PROVIDERS
    from callmocks.verification.checks import run_check
    from callmocks.verification.http_client import load_ca, parse_url_option
    from callmocks.verification.runner import CheckTarget

    served = PROVIDERS[provider]
    address = parse_url_option(url, "URL", served.url_schemes).rstrip("/")
    transports = _choose_transports(address, transport)
    try:
        date = None if day is None else parse_date(day)
    except SettingsError as error:
        raise SettingsError(f"--day: {error}") from None
    target = CheckTarget(address, day=date, transports=transports, tls=load_ca(ca), **target_fields)
    option = served.credential_option
    credential = getattr(target, option) if option else ""
    if not (target.login and target.password) and not credential:
        other = f" or --{option}" if option else ""
        raise SettingsError(f"--login and --password{other}: credentials are missing")
    served.check_endpoint(address, credential)
    report = asyncio.run(run_check(provider, target))
    _write_report(report, report_format, output)
    sys.exit(1 if report.finding_count else 0)


def _choose_transports(url: str, chosen: str) -> tuple[str, ...]:
    if url.startswith("ws"):
        if chosen == "http":
            raise SettingsError("--transport: http, but the address is that of a websocket")
        return ("websocket",)
    return ("http", "websocket") if chosen == "both" else (chosen,)


def _write_report(report: CheckReport, report_format: str, output: Path | None) -> None:
    content = {
        "text": lambda: report.render_text().encode() + b"\n",
        "json": lambda: report.render_json() + b"\n",
        "junit": report.render_junit,
    }[report_format]()
    if output is None:
        sys.stdout.write(content.decode("utf-8"))
        sys.stdout.flush()
        return
    try:
        output.write_bytes(content)
    except OSError as error:
        raise SettingsError(f"--output: {output}: {error.strerror}") from None
