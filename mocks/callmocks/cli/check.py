from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from callmocks.config.types import PROVIDER_NAMES, parse_date
from callmocks.errors import SettingsError

if TYPE_CHECKING:
    from callmocks.contract.findings import Evidence
    from callmocks.verification.baseline import KnownFinding
    from callmocks.verification.gate import Gate
    from callmocks.verification.report import CheckReport
    from callmocks.verification.runner import CheckTarget

FILE = click.Path(path_type=Path, dir_okay=False)
_REPORT = click.Choice(("text", "json", "junit"))
F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


def add_credential_options(command: F) -> F:
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


def add_endpoint_options(command: F) -> F:
    for option in (
        click.option(
            "--websocket-path",
            default="",
            metavar="PATH",
            help="ARM: of the websocket, below the domain.",
        ),
        click.option("--ca", type=FILE, help="PEM file with the certificates to trust."),
        click.option(
            "--timeout", type=click.FloatRange(0.1, 600), default=10.0, help="Seconds (10)."
        ),
    ):
        command = option(command)
    return command


def add_gate_options(command: F) -> F:
    for option in (
        click.option("--output", type=FILE, help="Write the report there instead of to stdout."),
        click.option("--format", "report_format", type=_REPORT, default="text", help="(text)"),
        click.option(
            "--min-evidence",
            type=click.Choice(("documented", "observed", "assumed")),
            default="assumed",
            help="Count findings of this evidence and stronger (assumed).",
        ),
        click.option(
            "--require",
            metavar="PROBE,…",
            help="Exit with 2 when one of them is skipped (those of rows; an empty text: none).",
        ),
        click.option(
            "--write-baseline", type=FILE, help="Write what is found there, and exit with 0."
        ),
        click.option("--baseline", type=FILE, help="Known findings: count only the others."),
        click.option("--assumptions", type=FILE, help="Judge by these choices of the ledger."),
    ):
        command = option(command)
    return command


@click.command()
@click.argument("provider", type=click.Choice(PROVIDER_NAMES), metavar="PROVIDER")
@click.argument("url")
@add_credential_options
@click.option("--user-id", type=int, help="CDR: the customer's user a partner acts for.")
@click.option("--day", metavar="DATE", help="Whose calls (yesterday; not for ARM).")
@click.option(
    "--transport",
    type=click.Choice(("both", "http", "websocket")),
    default="both",
    help="ARM: what to check (both; an address ws://… means websocket).",
)
@add_endpoint_options
@add_gate_options
def check(
    provider: str,
    url: str,
    day: str | None,
    transport: str,
    ca: Path | None,
    assumptions: Path | None,
    baseline: Path | None,
    write_baseline: Path | None,
    require: str | None,
    min_evidence: Evidence,
    report_format: str,
    output: Path | None,
    **fields: Any,
) -> None:
    """PROVIDER is arm, cdr or onec. Only reads, a few dozen requests. Exit code 0: no new
    findings, 1: new findings, or known ones that are gone, 2: it could not be checked.
    """
    from callmocks.verification.checks import (
        choose_required_probes,
        refuse_unknown_probes,
        run_check,
    )
    from callmocks.verification.gate import Gate

    target = make_target(provider, url, transport, day, ca, assumptions, fields)
    known = read_known_findings(baseline)
    refuse_unknown_probes(provider, target, known)
    gate = Gate(known, choose_required_probes(provider, target, require), min_evidence)
    report = asyncio.run(run_check(provider, target))
    exit_by_gate(report, gate, report_format, output, write_baseline)


def read_known_findings(baseline: Path | None) -> dict[str, KnownFinding]:
    from callmocks.verification.baseline import read_baseline

    return {} if baseline is None else read_baseline(baseline, "--baseline")


def exit_by_gate(
    report: CheckReport,
    gate: Gate,
    report_format: str,
    output: Path | None,
    write_baseline: Path | None,
) -> NoReturn:
    from callmocks.verification.render_report import RENDERERS

    write_output(RENDERERS[report_format](report, gate), output)
    if write_baseline is not None:
        _update_baseline(report, gate, write_baseline)
        sys.exit(0)
    sys.exit(gate.choose_exit_code(report))


def make_target(
    provider: str,
    url: str,
    transport: str,
    day: str | None,
    ca: Path | None,
    assumptions: Path | None,
    fields: dict[str, Any],
) -> CheckTarget:
    from callmocks.config.assumption_file import read_assumptions
    from callmocks.contract.assumptions import Assumptions
    from callmocks.server.providers import PROVIDERS
    from callmocks.verification.http_client import load_ca, parse_url_option
    from callmocks.verification.runner import CheckTarget

    served = PROVIDERS[provider]
    address = parse_url_option(url, "URL", served.url_schemes).rstrip("/")
    transports = _choose_transports(address, transport)
    date = None if day is None else _parse_option("--day", parse_date, day)
    chosen = _parse_option("--assumptions", read_assumptions, assumptions) if assumptions else {}
    target = CheckTarget(
        address,
        day=date,
        transports=transports,
        tls=load_ca(ca),
        assumptions=Assumptions(chosen),
        **fields,
    )
    option = served.credential_option
    credential = getattr(target, option) if option else ""
    if not (target.login and target.password) and not credential:
        other = f" or --{option}" if option else ""
        raise SettingsError(f"--login and --password{other}: credentials are missing")
    served.check_endpoint(address, credential)
    return target


def _parse_option(option: str, parse: Callable[[Any], T], value: Any) -> T:
    try:
        return parse(value)
    except SettingsError as error:
        raise SettingsError(f"{option}: {error}") from None


def _update_baseline(report: CheckReport, gate: Gate, path: Path) -> None:
    """What stood there before keeps its reasons."""
    from callmocks.verification.baseline import read_baseline, write_baseline
    from callmocks.verification.gate import Gate

    known = read_baseline(path, "--write-baseline") if path.exists() else {}
    wider = Gate(known | dict(gate.baseline), gate.required, gate.min_evidence)
    write_baseline(path, wider.list_known(report))


def _choose_transports(url: str, chosen: str) -> tuple[str, ...]:
    if url.startswith("ws"):
        if chosen == "http":
            raise SettingsError("--transport: http, but the address is that of a websocket")
        return ("websocket",)
    return ("http", "websocket") if chosen == "both" else (chosen,)


def write_output(content: bytes, output: Path | None) -> None:
    if output is None:
        sys.stdout.write(content.decode("utf-8"))
        sys.stdout.flush()
        return
    try:
        output.write_bytes(content)
    except OSError as error:
        raise SettingsError(f"--output: {output}: {error.strerror}") from None
