"""What the comparison measured, kept as JSON with one run of a case on a server a line.

Tables are made of what the file holds, so that the two agree to the last digit.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.load import LoadRun


@dataclass
class CaseResult:
    """A case on a server: its runs, and the CPU seconds of a request in each."""

    case: str
    server: str
    kind: str
    start_seconds: float
    idle_bytes: int
    other_bytes: bool = False
    """Whether it answers with other bytes of the same meaning."""
    failed: str = ""
    """What went wrong in a run; no run follows."""
    final_bytes: int = 0
    runs: list[LoadRun] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @property
    def rps(self) -> float:
        return statistics.median(run.rps for run in self.runs)

    @property
    def p50(self) -> float:
        return statistics.median(run.p50 for run in self.runs)

    @property
    def p99(self) -> float:
        return statistics.median(run.p99 for run in self.runs)

    @property
    def cpu_seconds(self) -> float:
        return statistics.median(self.cpu)


@dataclass
class ComparisonReport:
    """Everything that was measured, and what was left out by name and reason."""

    results: list[CaseResult]
    absent: list[str]
    places: dict[str, int]
    """Place of the asked request among the twelve expectations, by case."""
    load: tuple[float, float]
    """The machine's load average before and after."""
    seconds: float

    def measured(self, case: str, *kinds: str) -> list[CaseResult]:
        """Those of a case that ran, of some kinds or all, the least CPU time first."""
        chosen = [m for m in self.results if m.runs and m.case == case]
        chosen = [m for m in chosen if not kinds or m.kind in kinds]
        return sorted(chosen, key=lambda m: m.cpu_seconds)

    @property
    def cases(self) -> list[str]:
        return list(dict.fromkeys(m.case for m in self.results if m.runs))


def save_report(report: ComparisonReport, file: Path) -> None:
    """Times in seconds but for ``cpu_us``: microseconds of CPU time a request."""
    parts = {
        "load_average": [round(value, 2) for value in report.load],
        "seconds": round(report.seconds),
        "places": report.places,
        "absent": report.absent,
    }
    head = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in parts.items()]
    servers = ",\n".join(json.dumps(_describe_server(result)) for result in report.results)
    runs = ",\n".join(json.dumps(line) for line in _list_runs(report.results))
    text = ",\n".join([*head, f'"servers": [\n{servers}\n]', f'"runs": [\n{runs}\n]'])
    file.write_text(f"{{{text}}}\n", encoding="utf-8")


def load_report(file: Path) -> ComparisonReport:
    stored = json.loads(file.read_text(encoding="utf-8"))
    results = [CaseResult(**server) for server in stored["servers"]]
    by_key = {(m.case, m.server, m.kind): m for m in results}
    for line in stored["runs"]:
        result = by_key[line["case"], line["server"], line["kind"]]
        numbers = (line[name] for name in ("requests", "seconds", "p50", "p99"))
        result.runs.append(LoadRun(*numbers))
        result.cpu.append(line["cpu_us"] / 1e6)
    before, after = stored["load_average"]
    return ComparisonReport(
        results, stored["absent"], stored["places"], (before, after), stored["seconds"]
    )


def _describe_server(result: CaseResult) -> dict[str, Any]:
    names = ("case", "server", "kind", "idle_bytes", "final_bytes", "other_bytes")
    start = round(result.start_seconds, 3)
    return {name: getattr(result, name) for name in names} | {"start_seconds": start}


def _list_runs(results: Sequence[CaseResult]) -> Iterator[dict[str, Any]]:
    for result in results:
        for number, (run, cpu) in enumerate(zip(result.runs, result.cpu, strict=True), 1):
            yield {
                "case": result.case,
                "server": result.server,
                "kind": result.kind,
                "run": number,
                "requests": run.requests,
                "seconds": round(run.seconds, 3),
                "p50": round(run.p50, 6),
                "p99": round(run.p99, 6),
                "cpu_us": round(cpu * 1e6, 1),
            }
