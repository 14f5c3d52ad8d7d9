"""Memory: idle, after many requests, during large answers. Figures are those of the process."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks import load
from benchmarks.cases import between, cdr_case, long_legs, record
from benchmarks.processes import Server
from benchmarks.servers import CACHE, Subject, serving

_MIX = ("cdr-1", "cdr-100", "cdr-30-days", "onec-1", "onec-100", "arm-50", "arm-50-pages")
_MONTHS = ("2025-12-01 00:00:00", "2026-02-28 23:59:59")
_STEP_SECONDS = 5
_MOST_SECONDS = 1200
_SETTLE_SECONDS = 3

Print = Callable[[str], None]


def run(requests: int, say: Print) -> str:
    """Measure; the figures as a table in Markdown."""
    rows = ["| | MB |", "|---|--:|"]
    for name, bytes_held in _figures(requests, say):
        rows.append(f"| {name} | {bytes_held / 1e6:.0f} |")
        say(rows[-1])
    return "\n".join(rows)


def _figures(requests: int, say: Print) -> Iterator[tuple[str, int]]:
    with serving() as (subject, ports):
        time.sleep(_SETTLE_SECONDS)
        yield "idle", subject.server.rss
        yield from _many(requests, subject, ports, say)
    with serving() as (subject, ports):
        case, page = cdr_case("page", b""), between(_MONTHS, limit=10_000)
        _ask(ports["cdr"], case.path, page)
        settled = subject.server.rss
        peak = _peak(subject.server, lambda: _ask(ports["cdr"], case.path, page))
        yield "after a page of 10 000 rows, its days at hand", settled
        yield "the most during the next such page", peak
    with serving(calls_per_day="6000") as (subject, ports):
        case = cdr_case("months", b"")
        whole = long_legs(20, _MONTHS)
        peak = _peak(subject.server, lambda: _ask(ports["cdr"], case.path, whole))
        yield "the most during the first look at three months of a million legs", peak
        yield "after it", subject.server.rss
        again = [long_legs(21 + number, _MONTHS) for number in range(10)]
        peak = _peak(subject.server, lambda: _ask_all(ports["cdr"], case.path, again))
        yield "the most during ten more, each with another filter", peak


def _many(
    requests: int, subject: Subject, ports: dict[str, int], say: Print
) -> Iterator[tuple[str, int]]:
    """Memory while a mix of requests is sent, at some points on the way."""
    cases = record(ports, _MIX)
    (CACHE / "work").mkdir(parents=True, exist_ok=True)
    sent, begun, marks = 0, time.perf_counter(), [requests // 10, requests // 2, requests]
    while marks and time.perf_counter() - begun < _MOST_SECONDS:
        for case in cases:
            port, path = ports[case.provider], case.path
            sent += load.run(case, port, _STEP_SECONDS, CACHE / "work", path).requests
        if sent >= marks[0]:  # behind the whole mix: the journal holds the same each time
            marks = [mark for mark in marks if mark > sent]
            yield f"after {sent:,} requests".replace(",", " "), subject.server.rss
    if marks:
        say(f"stopped after {_MOST_SECONDS} s and {sent} requests")
        yield f"after {sent:,} requests".replace(",", " "), subject.server.rss


def _peak(server: Server, work: Callable[[], object]) -> int:
    """The most memory while something is done."""
    Path(f"/proc/{server.pid}/clear_refs").write_text("5", encoding="ascii")
    work()
    return server.peak_rss


def _ask_all(port: int, path: str, bodies: Sequence[bytes]) -> None:
    for body in bodies:
        _ask(port, path, body)


def _ask(port: int, path: str, body: bytes) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("POST", path, body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    assert response.status == 200
    assert b'"error":' not in response.read()[:80]
    connection.close()
