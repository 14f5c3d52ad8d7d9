"""The comparison: every case against every subject, runs interleaved, one table."""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import load
from benchmarks.cases import TITLES, Case, fetch, record
from benchmarks.load import Run
from benchmarks.processes import BenchError
from benchmarks.servers import (
    CACHE,
    Subject,
    chosen,
    install,
    own_python,
    start_callmocks,
    start_ceiling,
    start_peer,
)

_SETTLE_SECONDS = 2

Print = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
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
class Measured:
    """A case on a subject: its runs, and the CPU time of each request in seconds."""

    case: Case
    subject: Subject
    same_bytes: bool = True
    failed: str = ""
    """What went wrong in a run; no run follows."""
    runs: list[Run] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @property
    def rps(self) -> float:
        """Requests a second, the median of the runs."""
        return statistics.median(run.rps for run in self.runs)

    def quantile(self, name: str) -> float:
        """``p50`` or ``p99`` in seconds, the median of the runs."""
        return statistics.median(run.p50 if name == "p50" else run.p99 for run in self.runs)

    @property
    def cpu_seconds(self) -> float:
        """CPU time of a request, the median of the runs."""
        return statistics.median(self.cpu)


@dataclass
class Report:
    """Everything that was measured, and what was left out by name and reason."""

    measured: list[Measured]
    absent: list[str]
    load: tuple[float, float]
    """The machine's load average before and after."""


def compare(plan: Plan, say: Print) -> Report:
    """Measure; ``say`` is told what goes on."""
    if shutil.which("wrk") is None:
        raise BenchError("wrk is not installed (Debian: apt-get install wrk)")
    CACHE.mkdir(exist_ok=True)
    before = os.getloadavg()[0]
    absent: list[str] = []
    subjects: list[Subject] = []
    try:
        python = own_python()
        callmocks, ports = start_callmocks(plan.starts, python)
        subjects.append(callmocks)
        stubs = record(ports, plan.cases)
        callmocks.server.stop()  # it has answered: its idle memory is that of a fresh one
        callmocks, _ = start_callmocks(1, python)
        callmocks.starts = subjects.pop().starts
        subjects.append(callmocks)
        _rest(callmocks)
        subjects += _others(plan, stubs, python, absent, say)
        measured = list(_measure(plan, stubs, subjects, say))
        absent += [
            f"{m.subject.name} in {m.case.name} after {len(m.runs)} runs: {m.failed}"
            for m in measured
            if m.failed
        ]
        for subject in subjects:
            subject.final = subject.server.rss
    finally:
        for subject in subjects:
            subject.server.stop()
    return Report(measured, absent, (before, os.getloadavg()[0]))


def _others(
    plan: Plan, stubs: list[Case], python: str, absent: list[str], say: Print
) -> Iterator[Subject]:
    """The ceiling and the peers, each started while the others stand still."""
    ceiling = start_ceiling(stubs, plan.starts, python)
    _rest(ceiling)
    yield ceiling
    peers = chosen([] if plan.peers == ("none",) else plan.peers)
    if plan.peers == ("none",):
        return
    try:
        modules = install()
    except BenchError as problem:
        absent += [f"{peer.name}: {problem}" for peer in peers]
        return
    for peer in peers:
        say(f"start {peer.name}")
        try:
            subject = start_peer(peer, modules, stubs, plan.starts)
        except BenchError as problem:
            absent.append(f"{peer.name}: {problem}")
            continue
        _rest(subject)
        yield subject


def _rest(subject: Subject) -> None:
    """Note its idle memory and let it stand still until its turn comes."""
    time.sleep(_SETTLE_SECONDS)
    subject.idle = subject.server.rss
    subject.server.pause()


def _measure(
    plan: Plan, stubs: Sequence[Case], subjects: Sequence[Subject], say: Print
) -> Iterator[Measured]:
    for stub in stubs:
        row = [Measured(stub, subject) for subject in subjects if _serves(subject, stub)]
        for turn in range(plan.rounds):
            for measured in [each for each in row if not each.failed]:
                say(f"{stub.name}, run {turn + 1}: {measured.subject.name}")
                try:
                    _one_run(plan, measured, first=turn == 0)
                except BenchError as problem:
                    if measured.subject.kind in ("callmocks", "ceiling"):
                        raise
                    measured.failed = str(problem)
                    say(f"  {problem}")
        yield from row


def _serves(subject: Subject, stub: Case) -> bool:
    peer = subject.kind in ("general", "other")
    return subject.place(stub) is not None and not (peer and stub.transport == "frame")


def _one_run(plan: Plan, measured: Measured, *, first: bool) -> None:
    server, case = measured.subject.server, measured.case
    place = measured.subject.place(case)
    assert place is not None
    port, path = place
    server.resume()
    try:
        if first:
            measured.same_bytes = _same(measured, port, path)
            load.run(case, port, plan.warmup, CACHE / "work", path)
        before = server.cpu_seconds
        run = load.run(case, port, plan.seconds, CACHE / "work", path)
        measured.runs.append(run)
        measured.cpu.append((server.cpu_seconds - before) / run.requests)
    finally:
        server.pause()


def _same(measured: Measured, port: int, path: str) -> bool:
    """Whether the subject returns the recorded bytes."""
    case = measured.case
    if case.transport == "frame":
        return True
    status, _, body = fetch(case, port, path)
    if status != 200:
        raise BenchError(f"{measured.subject.name}: {case.name} is answered with {status}")
    return body == case.answer


def table(report: Report) -> str:
    """The report as one table in Markdown, best of each case first."""
    head = (
        "case | server | requests/s | p50 ms | p99 ms | CPU µs/request | × general | × ceiling"
        " | start s | idle MB | final MB"
    )
    lines = [f"| {head} |", "|---|---|" + "--:|" * 9]
    told = [m for m in report.measured if m.runs]
    for name in dict.fromkeys(m.case.name for m in told):
        row = [m for m in told if m.case.name == name]
        fastest = max((m.rps for m in row if m.subject.kind == "general"), default=None)
        ceiling = next((m.rps for m in row if m.subject.kind == "ceiling"), None)
        for each in sorted(row, key=lambda m: -m.rps):
            lines.append(_line(each, fastest, ceiling))
    lines += ["", *(f"Left out: {text}." for text in report.absent)]
    before, after = report.load
    lines.append(f"Load average of the machine: {before:.1f} before, {after:.1f} after.")
    return "\n".join(lines)


def _line(measured: Measured, fastest: float | None, ceiling: float | None) -> str:
    subject = measured.subject
    name = f"**{subject.name}**" if subject.kind == "callmocks" else subject.name
    cells = [
        TITLES[measured.case.name],
        name + ("" if measured.same_bytes else " (other bytes)"),
        f"{measured.rps:.0f}",
        f"{measured.quantile('p50') * 1e3:.2f}",
        f"{measured.quantile('p99') * 1e3:.2f}",
        f"{measured.cpu_seconds * 1e6:.0f}",
        "" if fastest is None else f"{measured.rps / fastest:.2f}",
        "" if ceiling is None else f"{measured.rps / ceiling:.2f}",
        f"{subject.start:.2f}",
        f"{subject.idle / 1e6:.0f}",
        f"{subject.final / 1e6:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def save(report: Report, text: str) -> Path:
    """Keep the table under the cache; where it is."""
    file = CACHE / "compare.md"
    file.write_text(text + "\n", encoding="utf-8")
    return file
