"""What a test costs its suite: a tenant, a pinned call, a request, an assertion, the deletion.

CPU time of the whole process, so of the test's thread and of the server's; beside it that of as
many bare round trips as the test has, by which figures of two machines can be compared.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Thread
from typing import NamedTuple
from urllib.parse import urlsplit

from aiohttp import web

import callmocks
from benchmarks.processes import BenchError

NOW = "2026-03-02T12:00:00"
ROUND_TRIPS = 5  # tenant, pin, request, assertion, deletion
_TESTS = 50
_WARM_UP = 10
_BODY = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"data": [], "metadata": {}}}).encode()
_HEADERS = {"Content-Type": "application/json"}


class TestCost(NamedTuple):
    """CPU seconds."""

    test: float
    bare: float

    @property
    def ratio(self) -> float:
        return self.test / self.bare


def measure_test_cost(tests: int = _TESTS, warm_up: int = _WARM_UP) -> TestCost:
    """Medians of so many tests in a warm suite, and of bare round trips between them."""
    with callmocks.running(world="empty", now=NOW) as mocks, _bare_server() as address:
        costs = [
            (_measure_cpu(_run_test, mocks, number), _measure_cpu(_exchange_bare, address))
            for number in range(warm_up + tests)
        ][warm_up:]
    return TestCost(*map(statistics.median, zip(*costs, strict=True)))


def format_table(cost: TestCost) -> str:
    """A table in Markdown."""
    head = f"| | CPU ms | × {ROUND_TRIPS} bare round trips |\n|---|--:|--:|"
    row = f"| a test with tenant, pin, request and assertion | {cost.test * 1e3:.1f} | "
    return f"{head}\n{row}{cost.ratio:.1f} |"


def _measure_cpu(action: Callable[..., None], *arguments: object) -> float:
    begun = time.process_time()
    action(*arguments)
    return time.process_time() - begun


def _run_test(mocks: callmocks.Mocks, number: int) -> None:
    with mocks.tenant(limits="off") as tenant:
        cdr = tenant.cdr
        call = cdr.pin("2026-03-02T11:00:00", talk_seconds=61 + number)
        window = {"date_from": "2026-03-02 00:00:00", "date_till": "2026-03-02 12:00:00"}
        params = {"access_token": cdr.token, **window}
        request = {"jsonrpc": "2.0", "id": 1, "method": "get.call_legs_report", "params": params}
        answer = json.loads(_post(cdr.url, json.dumps(request).encode()))
        found = {row["id"] for row in answer["result"]["data"]}
        if found != {leg.leg_id for leg in call.legs}:
            raise BenchError(f"the pinned call is not in {answer}")
        cdr.assert_called("get.call_legs_report", times=1, **window)


def _exchange_bare(url: str) -> None:
    for _ in range(ROUND_TRIPS):
        json.loads(_post(url, _BODY))


def _post(url: str, body: bytes) -> bytes:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc)
    try:
        connection.request("POST", parts.path, body, _HEADERS)
        return connection.getresponse().read()
    finally:
        connection.close()


@contextmanager
def _bare_server() -> Iterator[str]:
    """A handler of aiohttp on a thread of its own, as the suite is; its address."""
    ready: Future[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=await request.read(), content_type="application/json")

    async def serve() -> None:
        app, stopped = web.Application(), asyncio.Event()
        app.router.add_post("/", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        ready.set_result((runner.addresses[0][1], asyncio.get_running_loop(), stopped))
        await stopped.wait()
        await runner.cleanup()

    def run() -> None:
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(serve())

    thread = Thread(target=run, daemon=True)
    thread.start()
    port, loop, stopped = ready.result(10)
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join(10)
