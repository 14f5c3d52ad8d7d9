"""Long work takes turns in the worker threads, and ends when its client has left."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack
from datetime import date, timedelta
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import polars as pl
import pytest
import xmlschema

from callmocks.arm import pages, schema
from callmocks.cdr import jsonrpc
from callmocks.contract import structs
from callmocks.control import calls, scenario
from callmocks.history import columns, factory, history, pins
from callmocks.history.columns import DayColumns
from callmocks.history.generated_days import GeneratedDays
from callmocks.history.history import History
from callmocks.tenants import worker
from callmocks.tenants.worker import PieceTimer
from tests.control.server_client import SOAP, basic
from tests.limited_server import ARM, PATHS, LimitedServer, error_text, limited_server
from tests.test_serve import LEGS, get, serving_from_start

XML = {"Content-Type": "text/xml"}

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

    def encode_views(self, _: History) -> Iterator[bytes]:
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


async def test_a_search_through_many_days_ends_with_its_client(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, ended = threading.Semaphore(0), threading.Semaphore(0)

    def arm_frames(*_: object) -> Iterator[pl.DataFrame]:
        try:
            while True:
                begun.release()
                yield pl.DataFrame({"call_ref": ["1"], "_leg_id": [1]})
        finally:
            ended.release()

    monkeypatch.setattr(History, "arm_frames", arm_frames)
    async with limited_server() as server, asyncio.timeout(60):
        async with server.raw("control") as raw:
            raw.writer.write(
                b"GET /tenants/demo/find?q=7&span=7 HTTP/1.1\r\nHost: localhost\r\n\r\n"
            )
            assert await asyncio.to_thread(begun.acquire, timeout=30)
        assert await asyncio.to_thread(ended.acquire, timeout=30)


async def test_a_list_of_long_days_ends_with_its_client_at_the_next_day(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, days = threading.Semaphore(0), list[int]()
    get_day = GeneratedDays.get_day

    def wait_until_client_left(generated: GeneratedDays, day: int) -> DayColumns:
        days.append(day)
        begun.release()
        has_left, end = worker._disconnect_check.get(), time.monotonic() + 30
        while not has_left() and time.monotonic() < end:
            time.sleep(0.01)
        return get_day(generated, day)

    monkeypatch.setattr(GeneratedDays, "get_day", wait_until_client_left)
    monkeypatch.setattr(History, "has_long_days", True)
    path = b"/tenants/demo/cdr/legs?span=7"
    async with limited_server() as server, asyncio.timeout(60):
        async with server.raw("control") as raw:
            raw.writer.write(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert await asyncio.to_thread(begun.acquire, timeout=30)
        await asyncio.to_thread(begun.acquire, timeout=0.5)
    assert len(days) == 1


async def test_frames_of_many_pins_are_not_made_on_the_event_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(history, "MANY_PINS", 1)
    threads: list[str] = []

    def concat_days(days: Sequence[DayColumns]) -> DayColumns:
        threads.append(threading.current_thread().name)
        return columns.concat_days(days)

    monkeypatch.setattr(pins, "concat_days", concat_days)
    window = "from=2026-03-02T00:00:00&till=2026-03-03T00:00:00"
    async with limited_server() as server, aiohttp.ClientSession() as client:
        urls = server.suite.urls
        tenant = f"{urls['control']}/api/tenants/demo"
        sessions = {**LEGS, "method": "get.calls_report"}
        arm, leg = urls["arm"] + PATHS["arm"], 0
        fax = urls["arm"] + "/demo/service/cc/arm/fax/101/{}.pdf"
        requests: dict[str, Callable[[], Any]] = {
            "legs": lambda: client.post(urls["cdr"], json=LEGS),
            "sessions": lambda: client.post(urls["cdr"], json=sessions),
            "1C": lambda: client.post(urls["onec"], data=SOAP, headers=XML | basic("demo")),
            "ARM": lambda: client.post(arm, data=ARM, headers=XML | basic("101")),
            "fax": lambda: client.get(fax.format(leg), headers=basic("101")),
            "truth": lambda: client.get(f"{tenant}/truth?{window}"),
            "overview": lambda: client.get(f"{urls['control']}/tenants/demo"),
            "clock": lambda: client.get(f"{urls['control']}/tenants/demo/clock"),
            "calls": lambda: client.get(f"{urls['control']}/tenants/demo/calls"),
        }
        for minute in (1, 2):
            call = {"start": f"2026-03-02T09:{minute:02}:00", "answered": False}
            await client.post(f"{tenant}/calls", json=call)
        for minute, (name, send) in enumerate(requests.items(), start=10):
            call = {"start": f"2026-03-02T09:{minute:02}:00", "answered": False}
            async with client.post(f"{tenant}/calls", json=call) as pinned:
                assert pinned.status == 201
                leg = (await pinned.json())["cdr"]["leg_ids"][0]
            threads.clear()
            async with send() as answer:
                expected = 404 if name == "fax" else 200
                assert answer.status == expected, (name, await answer.text())
                await answer.read()
            assert set(threads) == {"callmocks worker"}, name


async def test_a_long_request_is_decoded_once_and_beside_the_loop_whatever_faults_are_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decoded: list[tuple[str, str, bool]] = []

    class RecordedDecoder:
        def __init__(self, name: str) -> None:
            self.name, self.decoder = name, getattr(jsonrpc, name)

        def decode(self, body: bytes) -> Any:
            if len(memoryview(body)) > worker.LONG_REQUEST_BYTES:
                decoded.append((self.name, threading.current_thread().name, gc.isenabled()))
            return self.decoder.decode(body)

    whole, members = "_envelope_decoder", "_members_decoder"
    for name in (whole, members):
        monkeypatch.setattr(jsonrpc, name, RecordedDecoder(name))
    cases: dict[str, tuple[dict[str, Any], int]] = {
        "status": ({}, 1),
        "token_expired": ({}, 1),
        "rpc_error": ({"mnemonic": "limit_exceeded"}, 1),
        "wrong_id": ({}, 1),
        "missing_rows": ({}, 2),  # it makes another request
    }
    page = LONG_FILTER.replace(b'"limit"', b'"offset": 5, "limit"')
    async with limited_server() as server, server.raw("cdr") as raw, aiohttp.ClientSession() as it:
        faults = server.suite.urls["control"] + "/api/tenants/demo/faults"
        for fault, (params, count) in cases.items():
            for _ in range(3):
                body = {"provider": "cdr", "fault": fault, "params": params}
                async with it.post(faults, json=body) as answer:
                    assert answer.status == 201, await answer.text()
            decoded.clear()
            status, _ = await raw.request("cdr", page)
            assert status == (503 if fault == "status" else 200)
            found = [each for each in decoded if each[0] == whole]
            assert found == [(whole, "callmocks worker", False)] * count, fault
            assert {thread for _, thread, _ in decoded} == {"callmocks worker"}, fault
            decoded.clear()
            await raw.request("cdr", json.dumps(LEGS).encode())  # its answer is long
            assert {thread for _, thread, _ in decoded} <= {"callmocks worker"}, fault
            assert bool(decoded) == (fault == "wrong_id"), fault
            async with it.delete(faults) as answer:
                assert answer.status == 204


async def test_a_page_with_a_call_that_was_pinned_while_it_was_made_is_not_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    phone = "79990001122"
    call = {"start": "2026-03-02T11:00:00", "operator": "101", "client_phone": phone}
    async with limited_server(world="empty") as server, server.raw("arm") as raw:
        tenant = server.suite.registry.get("demo")
        assert tenant is not None

        async def pin_meanwhile(page: Coroutine[Any, Any, Any], _: bool) -> Any:
            tenant.pins.add(call)
            try:
                return await page
            finally:
                tenant.pins.clear()

        with monkeypatch.context() as changed:
            changed.setattr(pages, "run_computation", pin_meanwhile)
            for _ in range(2):  # a page that is requested once is not kept
                _, page = await raw.request("arm")
                assert phone.encode() in page
        _, page = await raw.request("arm")
        assert phone.encode() not in page and b"<history" in page


async def test_the_explainer_of_invalid_documents_is_not_loaded_on_the_event_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads: list[str] = []

    class RecordedSchema(xmlschema.XMLSchema):
        def __init__(self, *args: Any, **options: Any) -> None:
            threads.append(threading.current_thread().name)
            super().__init__(*args, **options)

    schema.get_schema.cache_clear()
    monkeypatch.setattr(xmlschema, "XMLSchema", RecordedSchema)
    async with limited_server() as server, server.raw("arm") as raw:
        for limit in ("five", "six"):
            status, answer = await raw.request("arm", ARM.replace(b'"1"', f'"{limit}"'.encode()))
            assert (status, limit in error_text("arm", answer)) == (200, True), answer
    assert set(threads) == {"callmocks worker"}


async def test_other_calls_of_many_people_are_not_prepared_on_the_event_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads: list[str] = []

    class RecordedDays(GeneratedDays):
        def prepare(self) -> None:
            threads.append(threading.current_thread().name)
            super().prepare()

    monkeypatch.setattr(factory, "GeneratedDays", RecordedDays)
    many = {"sizes": {"organisations": 600}}
    async with limited_server() as server, aiohttp.ClientSession() as client:
        tenants = server.suite.urls["control"] + "/api/tenants"
        for number in (1, 2):
            body = {"name": f"t{number}", "calls_per_day": number, "world": many}
            async with client.post(tenants, json=body) as made:
                assert made.status == 201, await made.text()
    assert threads == ["callmocks worker"] * 2


async def _expect_a_free_worker(server: LimitedServer, begun: threading.Semaphore) -> None:
    """While the first slow work runs; the second has not begun."""
    assert await asyncio.to_thread(begun.acquire, timeout=30)
    async with server.raw("cdr") as raw:
        status, answer = await raw.request("cdr", LONG_FILTER)
    assert (status, "result" in json.loads(answer)) == (200, True), answer
    assert not begun.acquire(blocking=False)


async def test_work_that_cannot_be_cut_leaves_a_thread_to_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, may_end = threading.Semaphore(0), threading.Event()

    class BlockedDays(GeneratedDays):
        def prepare(self) -> None:
            begun.release()
            assert may_end.wait(30)
            super().prepare()

    monkeypatch.setattr(factory, "GeneratedDays", BlockedDays)
    async with limited_server() as server, aiohttp.ClientSession() as client:
        tenants = server.suite.urls["control"] + "/api/tenants"
        created = [
            asyncio.ensure_future(client.post(tenants, json={"name": f"t{n}", "world": world}))
            for n, world in enumerate({"sizes": {"organisations": size}} for size in (600, 601))
        ]
        await _expect_a_free_worker(server, begun)
        may_end.set()
        for creation in created:
            async with await creation as made:
                assert made.status == 201, await made.text()


@pytest.mark.parametrize("request_line", ["PUT scenario", "POST calls"])
async def test_pinning_of_many_calls_ends_with_the_client_and_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch, request_line: str
) -> None:
    count = 100
    added: list[int] = []
    allowed: list[bool] = []
    half, may_go_on = threading.Semaphore(0), threading.Event()
    add_numbered = pins.Pins.add_numbered

    def add_watched(self: pins.Pins, numbered: pins.NumberedPin) -> pins.Pin:
        added.append(numbered.sequence)
        if len(added) == count // 2:
            half.release()
            allowed.append(may_go_on.wait(10))
        return add_numbered(self, numbered)

    monkeypatch.setattr(pins.Pins, "add_numbered", add_watched)
    days = [date(2026, 3, 2) - timedelta(days=n) for n in range(count)]
    pinned = [{"start": f"{day}T12:00:00"} for day in days]
    method, path = request_line.split()
    body = json.dumps({"seed": 9, "calls": pinned})
    if path == "calls":
        body = "\n".join(map(json.dumps, pinned))
    head = f"{method} /api/tenants/demo/{path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}"
    head += f"\r\nContent-Type: {'application/x-ndjson' if path == 'calls' else 'application/json'}"
    async with limited_server() as server, aiohttp.ClientSession() as client:
        tenants = server.suite.urls["control"] + "/api/tenants"
        async with client.post(tenants, json={"name": "other"}) as created:
            assert created.status == 201
        async with server.raw("control") as raw:
            raw.writer.write(f"{head}\r\n\r\n{body}".encode())
            assert await asyncio.to_thread(half.acquire, timeout=30)
            async with client.put(f"{tenants}/other/scenario", json={"seed": 3}) as changed:
                assert (changed.status, allowed) == (200, []), await changed.text()
        async with client.get(f"{tenants}/demo/scenario") as shown:
            before = await shown.json()
        may_go_on.set()
        async with client.put(f"{tenants}/other/scenario", json={"calls": pinned[:1]}) as changed:
            assert changed.status == 200, await changed.text()
        async with client.get(f"{tenants}/demo/scenario") as shown:
            assert (await shown.json(), before["seed"], len(added)) == (before, 42, count // 2 + 1)


async def test_scenarios_of_listed_worlds_leave_a_thread_to_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, may_end = threading.Semaphore(0), threading.Event()

    def omit_defaults(value: Any) -> Any:
        begun.release()
        assert may_end.wait(30)
        return structs.omit_defaults(value)

    async with limited_server() as server, aiohttp.ClientSession() as client:
        tenants = server.suite.urls["control"] + "/api/tenants"
        body = {"name": "listed", "world": {"sizes": {"organisations": 3}}}
        async with client.post(tenants, json=body) as created:
            assert created.status == 201, await created.text()
        monkeypatch.setattr(scenario, "omit_defaults", omit_defaults)
        shown = [asyncio.ensure_future(client.get(f"{tenants}/listed/scenario")) for _ in range(2)]
        await _expect_a_free_worker(server, begun)
        may_end.set()
        for each in shown:
            async with await each as got:
                document = await got.json()
                assert (got.status, document["world"]) == (200, body["world"]), document


async def test_blank_lines_let_others_have_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[str] = []

    class RecordedTimer(PieceTimer):
        async def yield_when_due(self) -> None:
            turns.append(threading.current_thread().name)
            await super().yield_when_due()

    monkeypatch.setattr(calls, "PieceTimer", RecordedTimer)
    async with limited_server() as server, aiohttp.ClientSession() as client:
        url = server.suite.urls["control"] + "/api/tenants/demo/calls"
        body, headers = b" \n" * 100_000 + b"?", {"Content-Type": "application/x-ndjson"}
        async with client.post(url, data=BytesIO(body), headers=headers) as answer:
            problem = await answer.json(content_type=None)
    assert (answer.status, problem["line"]) == (400, 100_001), problem
    assert turns == ["callmocks worker"] * 100


async def test_a_thread_that_cannot_be_started_is_an_error_and_the_next_request_tries_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse_start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async with (
        limited_server() as server,
        server.raw("cdr") as raw,
        server.raw("onec") as soap,
        aiohttp.ClientSession() as it,
    ):
        faults = server.suite.urls["control"] + "/api/tenants/demo/faults"
        for _ in range(2):
            with monkeypatch.context() as refused:
                refused.setattr(worker, "_threads", 0)
                refused.setattr(threading.Thread, "start", refuse_start)
                for _ in range(3):  # more than there are workers
                    _, answer = await raw.request("cdr", LONG_FILTER)
                    assert error_text("cdr", answer) == "internal_error", answer
                status, answer = await soap.request("onec", SOAP.encode() + b" " * 70_000)
                assert status == 500 and "no thread" in error_text("onec", answer), answer
            async with it.post(faults, json={"provider": "cdr", "fault": "wrong_id"}) as made:
                assert made.status == 201
        _, answer = await raw.request("cdr", LONG_FILTER)
        assert "result" in json.loads(answer), answer


def test_a_server_ends_without_a_word_about_work_that_waits() -> None:
    arguments = "--calls-per-day", "200000", "--now", "2026-03-02T12:00:00"
    with serving_from_start(*arguments) as (process, urls), ExitStack() as clients:
        address = urlsplit(urls["control"])
        for _ in range(6):
            client = socket.create_connection((address.hostname, address.port))
            clients.enter_context(client).sendall(FINGERPRINT)
        get(urls["control"] + "/health")
        process.terminate()
        _, errors = process.communicate(timeout=30)
        assert (process.returncode, errors) == (0, b"")
