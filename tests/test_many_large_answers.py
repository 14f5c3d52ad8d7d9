"""Many clients that ask for large answers at once: others are served between their bytes."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import web
from websockets.asyncio.client import connect

from callmocks.arm import frames
from callmocks.tenants import loop_turns
from callmocks.tenants.worker import SMALL_ANSWER_BYTES
from tests.control.server_client import basic
from tests.limited_server import limited_server
from tests.tenants.test_loop_turns import counted_turns
from tests.test_large_answers import BODIES, NIGHT, YEAR_AGO

CLIENTS = 20
FRAME = frames.encode_request(
    "0001",
    "operator_call_history",
    json.dumps(
        [{"_name": "in", "_content": [{"_name": "request", "_content": [
            {"_name": "filters", "_attributes": {"limit": "2000"}}]}]}]
    ).encode(),
)  # fmt: skip
ARM_PAGE = b'<in><request><filters limit="2000"/></request></in>'

TRUTH = "/api/tenants/demo/truth?from=2026-02-23&till=2026-03-03"
Method = Callable[..., Awaitable[None]]


@pytest.mark.parametrize("name", ["frame", "arm", "cdr", "control"])
async def test_each_of_many_large_answers_has_a_turn_of_the_loop(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_turns, "PIECE_SECONDS", -1.0)  # one piece in a turn
    sent_in = list[int]()
    async with limited_server(now=NIGHT, history_from=YEAR_AGO) as there, AsyncExitStack() as stack:
        turn = await stack.enter_async_context(counted_turns())

        def watch(owner: type, method_name: str) -> None:
            method: Method = getattr(owner, method_name)

            async def send(self: Any, body: bytes, *args: Any) -> None:
                if len(body) > SMALL_ANSWER_BYTES:
                    sent_in.append(turn.number)
                await method(self, body, *args)

            monkeypatch.setattr(owner, method_name, send)

        watch(web.WebSocketResponse, "send_frame")
        watch(web.StreamResponse, "write")
        if name == "frame":
            url = there.suite.urls["arm"].replace("http", "ws") + "/demo/service/cc/arm"
            options: dict[str, Any] = {"compression": None, "max_size": None}
            sockets = [
                await stack.enter_async_context(
                    connect(url, additional_headers=basic("101"), **options)
                )
                for _ in range(CLIENTS)
            ]
            for socket in sockets:
                await socket.send(FRAME)
            lengths = [len(await socket.recv()) for socket in sockets]
        else:
            raws = [await stack.enter_async_context(there.raw(name)) for _ in range(CLIENTS)]
            body = {**BODIES, "arm": ARM_PAGE, "control": b""}[name]
            for raw in raws:
                head = raw.head(name, len(body))
                if name == "control":
                    head = f"GET {TRUTH} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
                raw.writer.write(head + body)
            lengths = [len((await raw.answer(30))[1]) for raw in raws]
    assert min(lengths) > SMALL_ANSWER_BYTES
    assert len(sent_in) >= CLIENTS
    assert len({*sent_in}) == len(sent_in)
