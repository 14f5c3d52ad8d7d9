"""How answers leave. The memory of large ones goes with their connection, and has a limit."""

from __future__ import annotations

import asyncio
import gc
import json
import select
import socket
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import connect

from callmocks.history.columns import DayColumns
from callmocks.history.walltime import DAYS, day_of_date
from callmocks.server.connections import GuardedProtocol
from callmocks.tenants import loop_turns
from tests.control.server_client import SOAP, basic
from tests.limited_server import GOOD, LimitedServer, error_text, limited_server
from tests.test_serve import LEGS, get, post, serving

MEBIBYTE = 1024 * 1024
NIGHT, YEAR_AGO = "2026-03-02T23:00:00", "2025-06-01"
OPEN_HISTORY = SOAP.replace(SOAP[SOAP.index("<Property") : SOAP.index("</x:Params")], "").encode()
LEGS_PAGE = json.dumps(
    LEGS | {"params": LEGS["params"] | {"date_from": "2026-01-01 00:00:00", "limit": 10_000}}
).encode()
ARM_PAGE = b'<in><request><filters limit="10000"/></request></in>'
TRUTH = "/api/tenants/demo/truth?from=2026-01-01&till=2026-02-01"
LONG_TRUTH, LONG_TRUTH_DAYS = "/api/tenants/demo/truth?from=2025-06-01&till=2026-01-01", 214
DAY = "from=2026-03-01&till=2026-03-02"
BODIES = {"arm": ARM_PAGE, "cdr": LEGS_PAGE, "onec": OPEN_HISTORY}


def read_rss(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


@contextmanager
def sent_request(url: str, body: bytes, user: str = "") -> Iterator[socket.socket]:
    """A connection that has sent a request; its kernel takes little of the answer."""
    parts = urlsplit(url)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.settimeout(30)
        client.connect((parts.hostname, parts.port))
        method = "POST" if body else "GET"
        lines = [f"{method} {parts.path}?{parts.query} HTTP/1.1", "Host: localhost"]
        lines += [f"Content-Length: {len(body)}", "Content-Type: text/xml"]
        lines += [f"{name}: {value}" for name, value in basic(user).items() if user]
        client.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        yield client


def abandon_answers(urls: dict[str, str], onec_count: int, cdr_count: int) -> None:
    for _ in range(onec_count):
        with sent_request(urls["onec"], OPEN_HISTORY, "demo") as client:
            client.recv(1)  # the answer has begun to come
    for _ in range(cdr_count):
        with sent_request(urls["cdr"], LEGS_PAGE) as client:
            client.recv(1)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_the_memory_of_abandoned_answers_goes_with_their_connections() -> None:
    with serving("--now", NIGHT, "--history-from", YEAR_AGO, "--limits", "off") as (process, urls):
        headers = {"Content-Type": "text/xml", **basic("demo")}
        assert len(post(urls["onec"], OPEN_HISTORY, **headers)) > 30 * MEBIBYTE
        assert len(post(urls["cdr"], LEGS_PAGE)) > 4 * MEBIBYTE
        abandon_answers(urls, 2, 2)  # the allocator keeps what the first ones took, some 50 MiB
        time.sleep(1)
        before = read_rss(process.pid)
        abandon_answers(urls, 7, 20)
        # A second; while other processes keep the machine busy, the server gets there later.
        deadline = time.monotonic() + 30
        while read_rss(process.pid) - before >= 64 * MEBIBYTE and time.monotonic() < deadline:
            time.sleep(0.2)
        assert read_rss(process.pid) - before < 64 * MEBIBYTE
        with sent_request(urls["onec"], OPEN_HISTORY, "demo"):
            time.sleep(0.05)  # gone before there is an answer
        journal = urls["control"] + "/api/tenants/demo/journal?provider=onec&limit=1"
        deadline = time.monotonic() + 10
        while "disconnected" not in str((last := json.loads(get(journal))["entries"][-1])["notes"]):
            assert time.monotonic() < deadline, last["notes"]
            time.sleep(0.02)
        assert last["response_bytes"] < MEBIBYTE


async def test_large_answers_have_a_limit_together_and_one_alone_always_passes() -> None:
    night = {"now": NIGHT, "history_from": YEAR_AGO}
    async with limited_server(max_sending=MEBIBYTE, **night) as there:
        with sent_request(there.suite.urls["onec"], OPEN_HISTORY, "demo") as client:
            await asyncio.to_thread(client.recv, 1)
            for name, body in BODIES.items():
                status, answer = await _request(there, name, body)
                assert status == 503, (name, len(answer))
                assert "internal_error" in str(answer) or "bytes together" in str(answer)
            status, answer = await _request(there, "control", b"", TRUTH)
            assert (status, "bytes together" in error_text("control", answer)) == (503, True)
            for name in ("arm", "cdr", "onec"):  # small ones need no room
                async with there.raw(name) as raw:
                    assert (await raw.request(name, GOOD[name]))[0] == 200
        for name, body in BODIES.items():  # the stuck one has gone
            status, answer = await _request(there, name, body)
            assert (status, len(answer) > MEBIBYTE) == (200, True), name
        status, answer = await _request(there, "control", b"", TRUTH)
        assert (status, len(answer) > MEBIBYTE) == (200, True)


async def test_a_truth_counts_while_it_is_made_and_ends_when_its_client_has_left() -> None:
    night = {"now": NIGHT, "history_from": YEAR_AGO}
    async with limited_server(max_sending=MEBIBYTE, **night) as there:
        demo = there.suite.registry.get("demo")
        assert demo is not None
        made, get_day = list[int](), demo.history.generated.get_day

        def note_day(day: int) -> DayColumns:
            made.append(day)
            return get_day(day)

        demo.history.generated.get_day = note_day  # type: ignore[method-assign]
        with sent_request(there.suite.urls["control"] + LONG_TRUTH, b""):
            while len(made) < 10:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            status, answer = await _request(there, "control", b"", TRUTH)
            assert (status, b"bytes together" in answer) == (503, True)
        async with asyncio.timeout(30):
            while (await _request(there, "control", b"", TRUTH))[0] == 503:
                pass
        others = set(range(day_of_date(date(2026, 1, 1)), DAYS))
        assert len({*made} - others) < LONG_TRUTH_DAYS


@pytest.mark.parametrize(
    "path",
    ["", *(f"/demo/{name}" for name in ("calls", "scenario", "fingerprint", "journal")),
     *(f"/demo/{name}?{DAY}" for name in ("truth", "roster", "episodes"))],
)  # fmt: skip
async def test_no_large_answer_of_control_is_made_for_a_client_that_has_left(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with limited_server() as there:
        pin = b'{"start": "2026-03-02T11:00:00"}'
        async with there.raw("control") as raw:
            raw.writer.write(
                b"POST /api/tenants/demo/calls HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Length: %d\r\n\r\n%b" % (len(pin), pin)
            )
            assert (await raw.answer(30))[0] == 201
        async with there.raw("cdr") as raw:  # for the journal
            assert (await raw.request("cdr"))[0] == 200
        for name in ("PIECE_SECONDS", "SHARED_PIECE_SECONDS"):  # each piece is a long one
            monkeypatch.setattr(loop_turns, name, 0.0)
        monkeypatch.setattr(GuardedProtocol, "has_disconnected", lambda _: True)
        status, answer = await _request(there, "control", b"", f"/api/tenants{path}")
        assert (status, "disconnected" in error_text("control", answer)) == (503, True)


async def test_nothing_is_left_over_of_answers_that_a_stop_interrupts() -> None:
    with warnings.catch_warnings(record=True) as found, ExitStack() as clients:
        warnings.simplefilter("always")
        async with limited_server(now=NIGHT) as there:
            for _ in range(5):  # more than there are threads
                clients.enter_context(sent_request(there.suite.urls["control"] + LONG_TRUTH, b""))
            assert (await _request(there, "control", b"", "/health"))[0] == 200
        gc.collect()
    assert [each for each in found if "never awaited" in str(each.message)] == []


async def _request(there: Any, name: str, body: bytes, path: str = "") -> tuple[int, bytes]:
    async with there.raw(name) as raw:
        head = raw.head(name, len(body))
        if path:
            head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        raw.writer.write(head + body)
        found: tuple[int, bytes] = await raw.answer(30)
        return found


@pytest.mark.parametrize("name", ["cdr", "onec"])
async def test_answers_to_requests_that_came_together_leave_together(name: str) -> None:
    async with limited_server() as server, server.raw(name) as one, server.raw(name) as other:
        for client in (one, other):
            assert (await client.request(name))[0] == 200
        left = watch_answers(server, one.writer.transport, other.writer.transport)
        for client in (one, other):
            client.writer.write(client.head(name, len(GOOD[name])) + GOOD[name])
        assert [(await client.answer())[0] for client in (one, other)] == [200, 200]
        assert left == [False, False]


async def test_answers_to_frames_that_came_together_leave_together() -> None:
    async with limited_server() as server:
        url = server.suite.urls["arm"].replace("http", "ws") + "/demo/service/cc/arm"
        head = basic("101")
        async with (
            connect(url, additional_headers=head) as one,
            connect(url, additional_headers=head) as other,
        ):
            body = json.dumps([{"_name": "in", "_content": [{"_name": "request"}]}])
            frame = f"01{48 + len(body):010}0001{'operator_call_history':32}{body}"
            for client in (one, other):
                await client.send(frame)
                await client.recv()
            left = watch_answers(server, one.transport, other.transport)
            for client in (one, other):
                await client.send(frame)
            for client in (one, other):
                assert str(await client.recv())[12:19] == "0001200"
            assert left == [False, False]


def watch_answers(server: LimitedServer, *clients: asyncio.BaseTransport) -> list[bool]:
    """Filled, as each exchange is recorded, with whether an answer has left."""
    left: list[bool] = []
    numbers = [client.get_extra_info("socket").fileno() for client in clients]
    server.suite.registry.observers.append(
        lambda *_: left.append(bool(select.select(numbers, [], [], 0)[0]))
    )
    return left
