"""The comparison: every case against every server, runs interleaved, one table."""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import load
from benchmarks.cases import TITLES, Case, fetch_answer, record_cases
from benchmarks.load import LoadRun
from benchmarks.processes import BenchError
from benchmarks.servers import (
    CACHE,
    MeasuredServer,
    install_peers,
    prepare_python,
    select_peers,
    start_bare_aiohttp,
    start_callmocks,
    start_peer,
)

_SETTLE_SECONDS = 2

ReportProgress = Callable[[str], None]


@dataclass(frozen=True)
class ComparisonPlan:
    """How much is measured."""

    cases: tuple[str, ...]
    peers: tuple[str, ...] = ()
    """Names of peers; none: all there are."""
    rounds: int = 5
    seconds: float = 4
    """Length of a run."""
    warmup: float = 6
    """Load before a case's first run, seconds: a Java machine compiles while it serves."""
    starts: int = 3


@dataclass
class CaseResult:
    """A case on a server: its runs, and the CPU time of each request in seconds."""

    case: Case
    server: MeasuredServer
    same_bytes: bool = True
    failed: str = ""
    """What went wrong in a run; no run follows."""
    runs: list[LoadRun] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @property
    def rps(self) -> float:
        return statistics.median(run.rps for run in self.runs)

    def quantile(self, name: str) -> float:
        """``p50`` or ``p99`` in seconds."""
        return statistics.median(run.p50 if name == "p50" else run.p99 for run in self.runs)

    @property
    def cpu_seconds(self) -> float:
        return statistics.median(self.cpu)


@dataclass
class ComparisonReport:
    """Everything that was measured, and what was left out by name and reason."""

    results: list[CaseResult]
    absent: list[str]
    load: tuple[float, float]
    """The machine's load average before and after."""


def run_comparison(plan: ComparisonPlan, report_progress: ReportProgress) -> ComparisonReport:
    if shutil.which("wrk") is None:
        raise BenchError("wrk is not installed (Debian: apt-get install wrk)")
    CACHE.mkdir(exist_ok=True)
    before = os.getloadavg()[0]
    absent: list[str] = []
    servers: list[MeasuredServer] = []
    try:
        python = prepare_python()
        callmocks, ports = start_callmocks(plan.starts, python)
        servers.append(callmocks)
        stubs = record_cases(ports, plan.cases)
        callmocks.process.stop()  # it has answered: its idle memory is that of a fresh one
        callmocks, _ = start_callmocks(1, python)
        callmocks.start_times = servers.pop().start_times
        servers.append(callmocks)
        _settle_and_pause(callmocks)
        servers += _start_other_servers(plan, stubs, python, absent, report_progress)
        results = list(_measure_cases(plan, stubs, servers, report_progress))
        absent += [
            f"{m.server.name} in {m.case.name} after {len(m.runs)} runs: {m.failed}"
            for m in results
            if m.failed
        ]
        for server in servers:
            server.final_bytes = server.process.rss
    finally:
        for server in servers:
            server.process.stop()
    return ComparisonReport(results, absent, (before, os.getloadavg()[0]))


def _start_other_servers(
    plan: ComparisonPlan,
    stubs: list[Case],
    python: str,
    absent: list[str],
    report_progress: ReportProgress,
) -> Iterator[MeasuredServer]:
    """Bare aiohttp and the peers, each started while the others are paused."""
    bare = start_bare_aiohttp(stubs, plan.starts, python)
    _settle_and_pause(bare)
    yield bare
    peers = select_peers([] if plan.peers == ("none",) else plan.peers)
    if plan.peers == ("none",):
        return
    try:
        modules = install_peers()
    except BenchError as problem:
        absent += [f"{peer.name}: {problem}" for peer in peers]
        return
    for peer in peers:
        report_progress(f"start {peer.name}")
        try:
            server = start_peer(peer, modules, stubs, plan.starts)
        except BenchError as problem:
            absent.append(f"{peer.name}: {problem}")
            continue
        _settle_and_pause(server)
        yield server


def _settle_and_pause(server: MeasuredServer) -> None:
    time.sleep(_SETTLE_SECONDS)
    server.idle_bytes = server.process.rss
    server.process.pause()


def _measure_cases(
    plan: ComparisonPlan,
    stubs: Sequence[Case],
    servers: Sequence[MeasuredServer],
    report_progress: ReportProgress,
) -> Iterator[CaseResult]:
    for stub in stubs:
        row = [CaseResult(stub, server) for server in servers if _serves_case(server, stub)]
        for turn in range(plan.rounds):
            for result in [each for each in row if not each.failed]:
                report_progress(f"{stub.name}, run {turn + 1}: {result.server.name}")
                try:
                    _run_once(plan, result, first=turn == 0)
                except BenchError as problem:
                    if result.server.kind in ("callmocks", "bare"):
                        raise
                    result.failed = str(problem)
                    report_progress(f"  {problem}")
        yield from row


def _serves_case(server: MeasuredServer, stub: Case) -> bool:
    peer = server.kind in ("general", "other")
    return server.address(stub) is not None and not (peer and stub.transport == "frame")


def _run_once(plan: ComparisonPlan, result: CaseResult, *, first: bool) -> None:
    process, case = result.server.process, result.case
    address = result.server.address(case)
    assert address is not None
    port, path = address
    process.resume()
    try:
        if first:
            result.same_bytes = _returns_recorded_bytes(result, port, path)
            load.run_load(case, port, plan.warmup, CACHE / "work", path)
        before = process.cpu_seconds
        run = load.run_load(case, port, plan.seconds, CACHE / "work", path)
        result.runs.append(run)
        result.cpu.append((process.cpu_seconds - before) / run.requests)
    finally:
        process.pause()


def _returns_recorded_bytes(result: CaseResult, port: int, path: str) -> bool:
    case = result.case
    if case.transport == "frame":
        return True
    status, _, body = fetch_answer(case, port, path)
    if status != 200:
        raise BenchError(f"{result.server.name}: {case.name} is answered with {status}")
    return body == case.answer


def format_table(report: ComparisonReport) -> str:
    """Markdown, the best of each case first."""
    head = (
        "case | server | requests/s | p50 ms | p99 ms | CPU µs/request | × general | × bare aiohttp"
        " | start s | idle MB | final MB"
    )
    lines = [f"| {head} |", "|---|---|" + "--:|" * 9]
    measured = [m for m in report.results if m.runs]
    for name in dict.fromkeys(m.case.name for m in measured):
        row = [m for m in measured if m.case.name == name]
        fastest = max((m.rps for m in row if m.server.kind == "general"), default=None)
        bare = next((m.rps for m in row if m.server.kind == "bare"), None)
        for each in sorted(row, key=lambda m: -m.rps):
            lines.append(_format_row(each, fastest, bare))
    lines += ["", *(f"Left out: {text}." for text in report.absent)]
    before, after = report.load
    lines.append(f"Load average of the machine: {before:.1f} before, {after:.1f} after.")
    return "\n".join(lines)


def _format_row(result: CaseResult, fastest: float | None, bare: float | None) -> str:
    server = result.server
    name = f"**{server.name}**" if server.kind == "callmocks" else server.name
    cells = [
        TITLES[result.case.name],
        name + ("" if result.same_bytes else " (other bytes)"),
        f"{result.rps:.0f}",
        f"{result.quantile('p50') * 1e3:.2f}",
        f"{result.quantile('p99') * 1e3:.2f}",
        f"{result.cpu_seconds * 1e6:.0f}",
        "" if fastest is None else f"{result.rps / fastest:.2f}",
        "" if bare is None else f"{result.rps / bare:.2f}",
        f"{server.start_seconds:.2f}",
        f"{server.idle_bytes / 1e6:.0f}",
        f"{server.final_bytes / 1e6:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def save_table(report: ComparisonReport, text: str) -> Path:
    file = CACHE / "compare.md"
    file.write_text(text + "\n", encoding="utf-8")
    return file
