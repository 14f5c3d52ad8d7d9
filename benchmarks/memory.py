"""Memory: idle, after many requests, during large answers. Figures are those of the process."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks import load
from benchmarks.cases import cdr_case, legs_between, longest_legs, record_cases
from benchmarks.processes import ServerProcess
from benchmarks.servers import CACHE, MeasuredServer, running_callmocks

_CASE_MIX = ("cdr-1", "cdr-100", "cdr-30-days", "onec-1", "onec-100", "arm-50", "arm-50-pages")
_MONTHS = ("2025-12-01 00:00:00", "2026-02-28 23:59:59")
_STEP_SECONDS = 5
_MAX_SECONDS = 1200
_SETTLE_SECONDS = 3

ReportProgress = Callable[[str], None]


def measure_memory(requests: int, report_progress: ReportProgress) -> str:
    """Measure; the figures as a table in Markdown."""
    rows = ["| | MB |", "|---|--:|"]
    for name, bytes_held in _measure_figures(requests, report_progress):
        rows.append(f"| {name} | {bytes_held / 1e6:.0f} |")
        report_progress(rows[-1])
    return "\n".join(rows)


def _measure_figures(requests: int, report_progress: ReportProgress) -> Iterator[tuple[str, int]]:
    with running_callmocks() as (server, ports):
        time.sleep(_SETTLE_SECONDS)
        yield "idle", server.process.rss
        yield from _measure_many_requests(requests, server, ports, report_progress)
    with running_callmocks() as (server, ports):
        case, page = cdr_case("page", b""), legs_between(_MONTHS, limit=10_000)
        _send_request(ports["cdr"], case.path, page)
        settled = server.process.rss
        peak = _peak_memory(server.process, lambda: _send_request(ports["cdr"], case.path, page))
        yield "after a page of 10 000 rows, its days at hand", settled
        yield "the most during the next such page", peak
    with running_callmocks(calls_per_day="6000") as (server, ports):
        case = cdr_case("months", b"")
        whole = longest_legs(20, _MONTHS)
        peak = _peak_memory(server.process, lambda: _send_request(ports["cdr"], case.path, whole))
        yield "the most during the first look at three months of a million legs", peak
        yield "after it", server.process.rss
        again = [longest_legs(21 + number, _MONTHS) for number in range(10)]
        peak = _peak_memory(server.process, lambda: _send_all(ports["cdr"], case.path, again))
        yield "the most during ten more, each with another filter", peak


def _measure_many_requests(
    requests: int, server: MeasuredServer, ports: dict[str, int], report_progress: ReportProgress
) -> Iterator[tuple[str, int]]:
    """Memory while a mix of requests is sent, at some points on the way."""
    cases = record_cases(ports, _CASE_MIX)
    (CACHE / "work").mkdir(parents=True, exist_ok=True)
    sent, begun, marks = 0, time.perf_counter(), [requests // 10, requests // 2, requests]
    while marks and time.perf_counter() - begun < _MAX_SECONDS:
        for case in cases:
            port, path = ports[case.provider], case.path
            sent += load.run_load(case, port, _STEP_SECONDS, CACHE / "work", path).requests
        if sent >= marks[0]:  # behind the whole mix: the journal holds the same each time
            marks = [mark for mark in marks if mark > sent]
            yield f"after {sent:,} requests".replace(",", " "), server.process.rss
    if marks:
        report_progress(f"stopped after {_MAX_SECONDS} s and {sent} requests")
        yield f"after {sent:,} requests".replace(",", " "), server.process.rss


def _peak_memory(server: ServerProcess, action: Callable[[], object]) -> int:
    """The most memory while something is done."""
    Path(f"/proc/{server.pid}/clear_refs").write_text("5", encoding="ascii")
    action()
    return server.peak_rss


def _send_all(port: int, path: str, bodies: Sequence[bytes]) -> None:
    for body in bodies:
        _send_request(port, path, body)


def _send_request(port: int, path: str, body: bytes) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("POST", path, body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    assert response.status == 200
    assert b'"error":' not in response.read()[:80]
    connection.close()
