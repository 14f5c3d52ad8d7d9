"""Growth: what an answer costs when something about it, or around it, becomes larger.

Cost is the server's CPU time for an answer, one request after another: unlike latency
it hardly depends on what else the machine does. Every experiment starts servers of its own.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import resource
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from typing import Any

from benchmarks.cases import (
    NOW,
    Case,
    arm_case,
    cdr_case,
    history_frame,
    legs_between,
    record_cases,
)
from benchmarks.in_process import measure_journal_costs
from benchmarks.processes import BenchError
from benchmarks.servers import CACHE, MeasuredServer, running_callmocks

RESULTS = CACHE / "growth.json"
DAY = date(2026, 3, 2)
_SIZES = (10_000, 100_000, 1_000_000, 10_000_000, 100_000_000)
# Calls of a mean day of the default world against ``calls_per_day``, which is a weekday's.
_MEAN_SHARE = 0.735
_DAYS = 7305
_WINDOWS = (1, 2, 4, 7, 14, 30, 60, 89)
_BUSY = "6000"  # calls a day that make a million legs of three months

Points = list[tuple[float, float]]


@dataclass
class Chart:
    """Cost in milliseconds of CPU, unless ``y`` is something else, by what grows."""

    name: str
    title: str
    x: str
    y: str = "CPU time of an answer, ms"
    series: dict[str, Points] = field(default_factory=dict)

    def add(self, name: str, x: float, y: float) -> None:
        self.series.setdefault(name, []).append((x, y))


class Probe:
    """Sends requests one by one and measures the server's CPU time for each."""

    def __init__(self, server: MeasuredServer, port: int) -> None:
        self._process = server.process
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def request(self, case: Case, body: bytes) -> bytes:
        self._http.request("POST", case.path, body, case.headers)
        response = self._http.getresponse()
        answer = response.read()
        if response.status != 200 or b'"error":' in answer[:60]:
            raise BenchError(f"{case.name}: {response.status} {answer[:300]!r}")
        return answer

    def median_cost(self, case: Case, bodies: Iterable[bytes]) -> float:
        costs = []
        for body in bodies:
            before = self._process.cpu_seconds
            self.request(case, body)
            costs.append((self._process.cpu_seconds - before) * 1e3)
        return statistics.median(costs)

    def mean_cost(self, case: Case, bodies: Sequence[bytes], times: int = 200) -> float:
        """CPU milliseconds of an answer whose request was sent before."""
        for body in bodies:
            self.request(case, body)
        before = self._process.cpu_seconds
        for number in range(times):
            self.request(case, bodies[number % len(bodies)])
        return (self._process.cpu_seconds - before) / times * 1e3


def measure_size() -> Chart:
    chart = Chart("size", "A page, by the size of the history", "calls in the history")
    for calls in _SIZES:
        per_day = max(1, round(calls / _DAYS / _MEAN_SHARE))
        days = 1 if per_day >= 100 else 89
        with running_callmocks(calls_per_day=str(per_day)) as (server, ports):
            probe = Probe(server, ports["cdr"])
            case = cdr_case("page", b"")
            page = legs_between(_window_of_days(DAY, days), limit=100)
            some = [legs_between(_window_of_days(DAY - timedelta(days=days * n), days), limit=100)
                    for n in range(1, 6)]  # fmt: skip
            rows = json.loads(probe.request(case, page))["result"]["data"]
            one = {"field": "call_session_id", "operator": "=", "value": rows[3]["call_session_id"]}
            address = legs_between(_window_of_days(DAY, days), filter=one)
            points = {
                "100 legs, day asked for before": probe.mean_cost(case, [page]),
                "100 legs, day never asked for": probe.median_cost(case, some),
                "1 session by its id": probe.mean_cost(case, [address]),
            }
        for name, cost in points.items():
            chart.add(name, calls, cost)
    return chart


def measure_window() -> Chart:
    chart = Chart("window", "Filter and sort, by the length of the window", "days")
    for per_day, centre in (("400", "400 calls a day"), (_BUSY, f"{_BUSY} calls a day")):
        with running_callmocks(calls_per_day=per_day) as (server, ports):
            probe, case = Probe(server, ports["cdr"]), cdr_case("window", b"")
            for number, days in enumerate(_WINDOWS):
                first = DAY - timedelta(days=200 * (number + 1))
                cold = probe.median_cost(case, [_sorted_legs(_window_of_days(first, days), 20)])
                again = [_sorted_legs(_window_of_days(first, days), 30 + n) for n in range(20)]
                points = {
                    f"{centre}, never asked for": cold,
                    f"{centre}, another filter": probe.median_cost(case, again),
                    f"{centre}, next page": probe.mean_cost(case, again[:1], 50),
                }
                for name, cost in points.items():
                    chart.add(name, days, cost)
    return chart


def measure_offset() -> Chart:
    chart = Chart("offset", "A page of 100 legs among a million, by its offset", "offset")
    with running_callmocks(calls_per_day=_BUSY) as (server, ports):
        probe, case = Probe(server, ports["cdr"]), cdr_case("offset", b"")
        months = _window_of_days(date(2025, 12, 1), 90)
        for at in (0, 100, 1_000, 10_000, 30_000, 100_000):  # the greatest there is
            plain = legs_between(months, limit=100, offset=at)
            chart.add("as drawn", at, probe.mean_cost(case, [plain], 50))
            page = _sorted_legs(months, 20, offset=at)
            cost = probe.mean_cost(case, [page], 50)
            chart.add("filtered and sorted", at, cost)
    return chart


def measure_selectivity() -> Chart:
    chart = Chart("selectivity", "Filter and sort over 30 days, by matches", "matches")
    with running_callmocks(calls_per_day=_BUSY) as (server, ports):
        probe, case = Probe(server, ports["cdr"]), cdr_case("selectivity", b"")
        month = _window_of_days(date(2026, 1, 1), 30)
        for seconds in (-1, 30, 120, 300, 600, 1200, 2400):
            bodies = [_sorted_legs(month, seconds, below=10**6 + n) for n in range(21)]
            found = json.loads(probe.request(case, bodies[0]))["result"]["metadata"]["total_items"]
            cost = probe.median_cost(case, bodies[1:])
            chart.add("another filter each time", max(found, 1), cost)
    return chart


def measure_walk() -> Chart:
    """A search of the workplace that goes back through the years and finds nothing."""
    chart = Chart(
        "walk", "A workplace's search that finds nothing, by the years it goes back", "years"
    )
    for years in (1, 2, 4, 6, 8, 9):
        history_from = f"{2026 - years}-03-10"
        with running_callmocks(history_from=history_from) as (server, ports):
            frames = _WorkplaceClient(server, ports["arm"])
            first = frames.request_cost({"limit": "50", "number": "79161234567"})
            again = frames.request_cost({"limit": "50", "number": "79161234568"})
            frames.close()
        chart.add("days never asked for", years, first)
        chart.add("again, another number", years, again)
    return chart


def measure_tenants() -> Chart:
    chart = Chart("tenants", "A page of 100 legs, by the number of tenants", "tenants")
    for many, name in ((False, "same seed"), (True, "each its own seed")):
        with running_callmocks() as (server, ports):
            probe, case = Probe(server, ports["cdr"]), cdr_case("tenants", b"")
            made = 0
            for count in (1, 10, 100, 1000):
                while made < count:
                    made += 1
                    _make_tenant(ports["control"], f"t{made}", made if many else 42)
                bodies = [
                    legs_between(
                        _window_of_days(DAY, 1), limit=100, access_token=f"t{number + 1}-token"
                    )
                    for number in range(count)
                ]
                cost = probe.mean_cost(case, bodies, max(200, count))
                chart.add(name, count, cost)
                chart.add(f"memory, MB, {name}", count, server.process.rss / 1e6)
    return chart


def measure_websockets() -> Chart:
    chart = Chart("websockets", "A frame of 50 rows, by open websockets", "open websockets")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    with running_callmocks(max_connections="1200") as (server, ports):
        clients: list[_WorkplaceClient] = []
        for count in (1, 10, 100, 250, 500, 1000):
            while len(clients) < count:
                clients.append(_WorkplaceClient(server, ports["arm"]))
                clients[-1].request({"limit": "50"})
            chart.add("CPU time of a frame, ms", count, _mean_frame_cost(server, clients))
            chart.add("memory, MB", count, server.process.rss / 1e6)
        for client in clients:
            client.close()
    chart.y = "see the lines' names"
    return chart


def measure_journal() -> Chart:
    chart = Chart("journal", "An exchange with the journal and without", "", "CPU time, µs")
    with running_callmocks() as (_, ports):
        cases = record_cases(ports, ("cdr-1", "cdr-100", "onec-1", "onec-100", "arm-50"))
    chart.series = asyncio.run(measure_journal_costs(cases))
    return chart


EXPERIMENTS: dict[str, Callable[[], Chart]] = {
    made.__name__.removeprefix("measure_"): made
    for made in (
        measure_size,
        measure_window,
        measure_offset,
        measure_selectivity,
        measure_walk,
        measure_tenants,
        measure_websockets,
        measure_journal,
    )
}


def run_experiments(names: Sequence[str], report_progress: Callable[[str], None]) -> None:
    """Make experiments and keep what came out beside the earlier ones."""
    CACHE.mkdir(exist_ok=True)
    charts = load_charts()
    for name in names:
        report_progress(f"growth: {name}")
        began = time.perf_counter()
        charts[name] = EXPERIMENTS[name]()
        report_progress(f"  {time.perf_counter() - began:.0f} s")
        RESULTS.write_text(
            json.dumps({name: asdict(chart) for name, chart in charts.items()}), encoding="utf-8"
        )


def load_charts() -> dict[str, Chart]:
    """What was measured so far, by experiment."""
    if not RESULTS.exists():
        return {}
    raw: dict[str, dict[str, Any]] = json.loads(RESULTS.read_text(encoding="utf-8"))
    charts = {name: Chart(**values) for name, values in raw.items()}
    for chart in charts.values():
        chart.series = {
            name: [(point[0], point[1]) for point in points]
            for name, points in chart.series.items()
        }
    return charts


class _WorkplaceClient:
    def __init__(self, server: MeasuredServer, port: int) -> None:
        from websockets.sync.client import connect

        case = arm_case("one", (0,))
        url = f"ws://127.0.0.1:{port}{case.path}"
        self._process = server.process
        self._socket = connect(
            url, additional_headers=case.headers, compression=None, max_size=None
        )

    def request(self, attributes: dict[str, str]) -> bytes:
        self._socket.send(history_frame(attributes).decode())
        answer = self._socket.recv(timeout=120)
        return answer.encode() if isinstance(answer, str) else answer

    def request_cost(self, attributes: dict[str, str]) -> float:
        before = self._process.cpu_seconds
        self.request(attributes)
        return (self._process.cpu_seconds - before) * 1e3

    def close(self) -> None:
        self._socket.close()


def _mean_frame_cost(
    server: MeasuredServer, clients: list[_WorkplaceClient], times: int = 500
) -> float:
    """CPU milliseconds of a frame, with one client after another."""
    before = server.process.cpu_seconds
    for number in range(times):
        clients[number % len(clients)].request({"limit": "50"})
    return (server.process.cpu_seconds - before) / times * 1e3


def _sorted_legs(
    window: tuple[str, str], seconds: int, offset: int = 0, below: int = 10**6
) -> bytes:
    """The longest legs among those between some lengths in seconds."""
    filters = [
        {"field": "total_duration", "operator": ">", "value": seconds},
        {"field": "total_duration", "operator": "<", "value": below},
    ]
    order = [{"field": "total_duration", "order": "desc"}]
    both = {"filters": filters, "condition": "and"}
    return legs_between(window, limit=100, offset=offset, filter=both, sort=order)


def _window_of_days(first: date, days: int) -> tuple[str, str]:
    last = first + timedelta(days=days - 1)
    return f"{first} 00:00:00", f"{last} 23:59:59"


def _make_tenant(port: int, name: str, seed: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    body = json.dumps({"name": name, "seed": seed, "limits": "off", "now": NOW})
    connection.request("POST", "/api/tenants", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    answer = response.read()
    connection.close()
    if response.status != 201:
        raise BenchError(f"tenant {name}: {response.status} {answer[:200]!r}")
