from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from callmocks.cli.check import (
    FILE,
    add_credential_options,
    add_endpoint_options,
    make_target,
    write_output,
)
from callmocks.config.types import PROVIDER_NAMES
from callmocks.errors import CheckError, SettingsError

if TYPE_CHECKING:
    from callmocks.verification.decisions import Decision


@click.command()
@click.argument("provider", required=False, type=click.Choice(PROVIDER_NAMES), metavar="PROVIDER")
@click.argument("url", required=False)
@add_credential_options
@click.option("--user-id", type=int, help="CDR: the customer's user a partner acts for.")
@click.option("--day", metavar="DATE", help="Whose calls (yesterday; not for ARM).")
@add_endpoint_options
@click.option("--recording", type=FILE, help="Learn from these exchanges instead.")
@click.option("--output", type=FILE, metavar="FILE.toml", help="Write the choices there.")
@click.option(
    "--format", "report_format", type=click.Choice(("text", "json")), default="text", help="(text)"
)
def learn(
    provider: str | None,
    url: str | None,
    day: str | None,
    ca: Path | None,
    recording: Path | None,
    output: Path | None,
    report_format: str,
    **fields: Any,
) -> None:
    """PROVIDER is arm, cdr or onec. Only reads, at most some forty requests; or none at all, with
    a recording. The file of choices is for `serve --assumptions` and `check --assumptions`; what
    is undecided keeps its choice. Exit code 0: it ran, 2: nothing could be asked.
    """
    from callmocks.config.assumption_file import read_assumptions
    from callmocks.contract.assumptions import Assumptions
    from callmocks.verification.choice_report import RENDERERS, render_choices

    kept = read_assumptions(output) if output is not None and output.exists() else {}
    if recording is not None:
        if provider or url:
            raise SettingsError("--recording: leave PROVIDER and URL out")
        decisions, summary = _learn_from_recording(recording, Assumptions(kept)), ""
    elif not provider or not url:
        raise SettingsError("give PROVIDER and URL, or --recording FILE")
    else:
        target = make_target(provider, url, "both", day, ca, output if kept else None, fields)
        decisions, summary = _learn_from_endpoint(provider, target)
    write_output(RENDERERS[report_format](decisions, summary), None)
    if output is not None:
        write_output(render_choices(decisions, kept), output)


def _learn_from_endpoint(provider: str, target: Any) -> tuple[list[Decision], str]:
    from callmocks.verification.learning import learn_from_endpoint

    decisions, report = asyncio.run(learn_from_endpoint(provider, target))
    summary = f"sent: {report.summarize_requests()}"
    if report.stopped:
        summary += f"\nstopped: {report.describe(report.stopped)}"
    return decisions, summary


def _learn_from_recording(path: Path, assumptions: Any) -> list[Decision]:
    from callmocks.verification.learning import learn_from_recording
    from callmocks.verification.recording import read_recording

    recorded = read_recording(path, "--recording")
    decisions = learn_from_recording(recorded, assumptions.choices)
    if not decisions:
        raise CheckError(f"--recording: {path}: no exchange of a provider can be read")
    return decisions
