"""Long work takes turns in the worker threads, and ends when its client has left."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest

from callmocks.control import calls
from callmocks.history.history import History
from tests.test_serve import LEGS
from tests.test_server_limits import limited_server

FINGERPRINT = b"GET /api/tenants/demo/fingerprint HTTP/1.1\r\nHost: localhost\r\n\r\n"
LONG_FILTER = json.dumps(
    LEGS
    | {
        "params": LEGS["params"]
        | {"filter": {"field": "id", "operator": "in", "value": list(range(15_000))}}
    }
).encode()


class EndlessViews:
    """Stands for the views of a history whose fingerprint takes for ever."""

    def __init__(self) -> None:
        self.begun, self.ended = threading.Semaphore(0), threading.Semaphore(0)

    def encode_views(self, history: History) -> Iterator[bytes]:
        self.begun.release()
        try:
            while True:
                yield b" " * 10_000
        finally:
            self.ended.release()


async def test_long_work_lets_others_have_the_workers_and_ends_with_its_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    views = EndlessViews()
    monkeypatch.setattr(calls, "encode_views", views.encode_views)
    async with limited_server() as server, asyncio.timeout(60):
        async with AsyncExitStack() as clients:
            for _ in range(3):  # more than there are workers
                raw = await clients.enter_async_context(server.raw("control"))
                raw.writer.write(FINGERPRINT)
            for _ in range(3):
                assert await asyncio.to_thread(views.begun.acquire, timeout=30)
            raw = await clients.enter_async_context(server.raw("cdr"))
            status, answer = await raw.request("cdr", LONG_FILTER)
            assert (status, "result" in json.loads(answer)) == (200, True), answer
        for _ in range(3):
            assert await asyncio.to_thread(views.ended.acquire, timeout=30)
