from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from callmocks.cli.check import (
    FILE,
    add_credential_options,
    add_endpoint_options,
    add_gate_options,
    exit_by_gate,
    make_target,
    read_known_findings,
)

if TYPE_CHECKING:
    from callmocks.contract.findings import Evidence


@click.command()
@click.argument("recording", type=FILE, metavar="FILE.jsonl")
@click.argument("url")
@add_credential_options
@click.option("--user-id", type=int, help="CDR: the customer's user a partner acts for.")
@add_endpoint_options
@add_gate_options
def compare(
    recording: Path,
    url: str,
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
    """FILE.jsonl is a recording of `callmocks proxy`. Only reads, with the credentials given here.
    Its operations stand for probes. Exit code 0: no new findings, 1: new findings, or known ones
    that are gone, 2: it could not be compared.
    """
    from callmocks.verification.comparisons import name_provider, run_comparison
    from callmocks.verification.gate import Gate
    from callmocks.verification.recording import read_recording

    recorded = read_recording(recording, "FILE")
    provider = name_provider(recorded, f"FILE: {recording}")
    target = make_target(provider, url, "both", None, ca, assumptions, fields)
    known = read_known_findings(baseline)
    report, required = asyncio.run(run_comparison(provider, target, recorded, require))
    gate = Gate(known, required, min_evidence)
    exit_by_gate(report, gate, report_format, output, write_baseline)
