"""Start: time to ready, memory idle, the first answer of each provider, against bare imports.

Each round starts the imports alone, then callmocks some times, each in a clean environment, one
after another. The caches of the system and of Python are warm.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.cases import (
    DAY,
    NOW,
    Case,
    arm_case,
    cdr_case,
    fetch_answer,
    fetch_frame,
    legs_between,
    onec_case,
)
from benchmarks.processes import BenchError

LIBRARIES = (
    "import aiohttp.web, lxml.etree, numpy, polars, spyne.application, jsonrpcserver, msgspec, "
    "click"
)
_HOLD_IMPORTS = f"{LIBRARIES}; print('ready', flush=True); input()"
_PORTS = [part for name in ("arm", "cdr", "onec", "control") for part in (f"--{name}-port", "0")]
_SERVE = ("-m", "callmocks", "serve", "--json", "--now", NOW, *_PORTS)
_SETTLE_SECONDS = 2.0
_STOP_SECONDS = 10
_PAGE = os.sysconf("SC_PAGE_SIZE")

ReportProgress = Callable[[str], None]


@dataclass
class StartFigures:
    """Seconds, and bytes of memory; a figure a round."""

    wall: list[float] = field(default_factory=list)  # to the readiness line
    cpu: list[float] = field(default_factory=list)  # to the readiness line
    idle: list[int] = field(default_factory=list)
    answers: dict[str, list[float]] = field(default_factory=dict)  # from ready to the answer


class _StartedProcess:
    def __init__(self, python: str, arguments: Sequence[str]) -> None:
        self._begun = time.perf_counter()
        self._process = subprocess.Popen(
            [python, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_clean_environment(),
        )

    def wait_until_ready(self) -> tuple[float, float, bytes]:
        """Seconds of wall and CPU time that it took, and the line it printed."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        wall = time.perf_counter() - self._begun
        if not line:
            raise BenchError(f"it ended with code {self._process.wait()}: {self._process.args!r}")
        ticks = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return wall, sum(map(int, ticks[11:13])) / os.sysconf("SC_CLK_TCK"), line

    @property
    def rss(self) -> int:
        return int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]) * _PAGE

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate(timeout=_STOP_SECONDS)


def measure_start(
    python: str,
    rounds: int,
    report_progress: ReportProgress,
    first_requests: Mapping[str, Sequence[Case]],
    settle: float = _SETTLE_SECONDS,
) -> tuple[StartFigures, StartFigures]:
    """The figures of the imports, and those of callmocks."""
    imports, callmocks = StartFigures(), StartFigures()
    for number in range(1, rounds + 1):
        with (
            _started(python, ("-c", _HOLD_IMPORTS), imports) as (bare, _),
            _started(python, _SERVE, callmocks) as (server, _),
        ):
            time.sleep(settle)
            imports.idle.append(bare.rss)
            callmocks.idle.append(server.rss)
        for name, cases in first_requests.items():
            with _started(python, _SERVE, callmocks) as (_, ports):
                begun = time.perf_counter()
                for case in cases:
                    _request_rows(case, ports[case.provider])
                seconds = time.perf_counter() - begun
                callmocks.answers.setdefault(name, []).append(seconds)
        report_progress(f"round {number} of {rounds}")
    return imports, callmocks


def measure_help(python: str, rounds: int) -> list[float]:
    """CPU seconds of ``callmocks --help``."""
    seconds = []
    for _ in range(rounds):
        before = os.times()
        command = [python, "-m", "callmocks", "--help"]
        subprocess.run(command, env=_clean_environment(), capture_output=True, check=True)
        after = os.times()
        user = after.children_user - before.children_user
        seconds.append(user + after.children_system - before.children_system)
    return seconds


def measure_table(python: str, rounds: int, report_progress: ReportProgress) -> str:
    """Measure; the figures as a table in Markdown: medians, and the least in brackets."""
    measure_start(python, 1, lambda _: None, FIRST_REQUESTS)  # warms the caches
    helps = measure_help(python, rounds)
    return _format_table(*measure_start(python, rounds, report_progress, FIRST_REQUESTS), helps)


def _format_table(imports: StartFigures, callmocks: StartFigures, helps: list[float]) -> str:
    rows = ["| | callmocks | imports alone | ratio | at most |", "|---|--:|--:|--:|--:|"]
    for title, ours, bare, limit in (
        ("ready, s", callmocks.wall, imports.wall, "1.3"),
        ("… CPU, s", callmocks.cpu, imports.cpu, ""),
        (
            "idle, MB",
            [size / 1e6 for size in callmocks.idle],
            [size / 1e6 for size in imports.idle],
            "1.12",
        ),
    ):
        ratio = statistics.median(ours) / statistics.median(bare)
        least = f"({min(ours) / min(bare):.2f})"
        rows.append(
            f"| {title} | {_format(ours)} | {_format(bare)} | {ratio:.2f} {least} | {limit} |"
        )
    for name, seconds in callmocks.answers.items():
        answers = [1000 * each for each in seconds]
        limit = "100" if len(FIRST_REQUESTS[name]) == 1 else ""
        rows.append(f"| first answer, {name}, ms | {_format(answers, 0)} | | | {limit} |")
    rows.append(f"| `callmocks --help`, CPU, s | {_format(helps)} | | | 0.1 |")
    return "\n".join(rows)


def _format(figures: Sequence[float], digits: int = 2) -> str:
    return f"{statistics.median(figures):.{digits}f} ({min(figures):.{digits}f})"


_FIRST = (
    cdr_case("cdr-first", legs_between(DAY, limit=100)),
    onec_case("onec-first", *map(datetime.fromisoformat, DAY)),
    arm_case("arm-first", (0,)),
)
FIRST_REQUESTS = {
    "CDR legs of a day": _FIRST[:1],
    "1C calls of a day": _FIRST[1:2],
    "ARM login and history": _FIRST[2:],
    "all three, one after another": _FIRST,
}
_ROW = {"cdr": b'"call_session_id"', "onec": b"<row>", "arm": b'"call_history"'}


def _request_rows(case: Case, port: int) -> None:
    answer = fetch_frame(case, port) if case.transport == "frame" else fetch_answer(case, port)[2]
    if _ROW[case.provider] not in answer:
        raise BenchError(f"{case.name}: no rows in the answer {answer[:300]!r}")


@contextmanager
def _started(
    python: str, arguments: Sequence[str], figures: StartFigures
) -> Iterator[tuple[_StartedProcess, dict[str, int]]]:
    """A process that is ready, and the ports of its servers."""
    process = _StartedProcess(python, arguments)
    try:
        wall, cpu, line = process.wait_until_ready()
        figures.wall.append(wall)
        figures.cpu.append(cpu)
        urls = json.loads(line) if line.startswith(b"{") else {}
        ports = {name: urlsplit(urls[name]).port or 0 for name in ("arm", "cdr", "onec") if urls}
        yield process, ports
    finally:
        process.stop()


def _clean_environment() -> dict[str, str]:
    """As ``env -i``, but for where the package is when it is not installed."""
    return {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
