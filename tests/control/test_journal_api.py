"""The journal over the admin API, with the Data API's real server behind it."""

import asyncio
import gc
import json
import socket
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest

from callmocks.cdr.provider import CDR
from callmocks.control.server import APP_CONTEXT, make_app
from callmocks.tenants.journal import JournalRecord
from tests.control.conftest import ADDRESSES, ControlClient

JOURNAL = "/api/tenants/demo/journal"


class ApiAndProvider(NamedTuple):
    """The admin API and the Data API of the same tenants."""

    control: ControlClient
    cdr: str

    async def ask(self, method: str, token: str = "demo-token", **params: Any) -> Any:
        request = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": method,
            "params": {"access_token": token, **params},
        }
        async with self.control.session.post(self.cdr, json=request) as answer:
            return await answer.json(content_type=None)

    async def legs(self, **params: Any) -> Any:
        window = {"date_from": "2026-03-02 09:00:00", "date_till": "2026-03-02 10:00:00"}
        return await self.ask("get.call_legs_report", **{**window, **params})

    async def entries(self, query: str = "") -> list[Any]:
        entries: list[Any] = (await self.control.get(JOURNAL + query))["entries"]
        return entries


@pytest.fixture
async def both(control: ControlClient, serve: Any) -> AsyncIterator[ApiAndProvider]:
    url = await serve(CDR.create_app(control.registry))
    yield ApiAndProvider(control, url + "/v2.0")


async def test_an_exchange_is_in_the_journal_with_the_keys_that_scripts_rely_on(
    both: ApiAndProvider,
) -> None:
    await both.legs(limit=3)
    found = await both.control.get(JOURNAL)
    assert found["dropped"] == 0
    (entry,) = found["entries"]
    assert entry.keys() >= {
        *("seq", "at", "provider", "operation", "status", "violations", "assumptions", "faults"),
        *("request", "response", "duration_ms"),
    }
    assert (entry["seq"], entry["provider"], entry["operation"], entry["status"]) == (
        1,
        "cdr",
        "get.call_legs_report",
        200,
    )
    assert entry["at"] == "2026-03-02T12:00:00.000"
    assert entry["violations"] == [] and entry["faults"] == []
    assert "cdr.leg-direction" not in entry["violations"]
    assert json.loads(entry["request"])["params"]["limit"] == 3
    assert len(json.loads(entry["response"])["result"]["data"]) == 3


async def test_a_violation_says_where(both: ApiAndProvider) -> None:
    await both.legs(limit="ten")
    (entry,) = await both.entries()
    (violation,) = entry["violations"]
    assert violation["where"] == "limit" and violation["side"] == "request"
    assert violation["expected"] and "ten" in violation["got"]


async def test_requests_without_a_tenant_are_in_the_journal_of_nobody(both: ApiAndProvider) -> None:
    await both.ask("get.account", token="stolen")
    assert await both.entries() == []
    found = await both.control.get("/api/tenants/nobody/journal")
    assert found["entries"][0]["operation"] == "get.account"
    assert await both.control.call("DELETE", "/api/tenants/nobody/journal") == (204, None)
    assert (await both.control.call("DELETE", "/api/tenants/nobody"))[0] == 404


async def test_entries_are_selected_by_provider_operation_number_and_limit(
    both: ApiAndProvider,
) -> None:
    for method in ("get.account", "no.such", "get.account", "get.account"):
        await both.ask(method)

    async def seqs(query: str) -> list[int]:
        return [entry["seq"] for entry in await both.entries(query)]

    assert await seqs("?operation=get.account") == [1, 3, 4]
    assert await seqs("?provider=arm") == []
    assert await seqs("?provider=cdr&after=2") == [3, 4]
    assert await seqs("?limit=2") == [3, 4]
    assert await seqs("?limit=2&after=0") == [1, 2]
    assert await seqs("?operation=get.account&after=1&limit=1") == [3]
    for wrong in (
        "?limit=0",
        "?limit=1001",
        "?after=-1",
        "?after=x",
        "?sort=1",
        "?limit=1&limit=2",
    ):
        assert (await both.control.call("GET", JOURNAL + wrong))[0] == 422, wrong


async def test_clear(both: ApiAndProvider) -> None:
    await both.ask("get.account")
    assert await both.control.call("DELETE", JOURNAL) == (204, None)
    assert await both.entries() == []


async def verify(both: ApiAndProvider, *expect: Any, **more: Any) -> Any:
    return await both.control.post(JOURNAL + "/verify", {"expect": expect, **more})


async def test_verify_counts_matching_requests(both: ApiAndProvider) -> None:
    for _ in range(3):
        await both.legs(limit=5)
    legs = {"provider": "cdr", "operation": "get.call_legs_report"}
    assert (await verify(both, legs))["ok"] is True
    assert (await verify(both, {**legs, "times": 3}))["ok"] is True
    assert (await verify(both, {**legs, "at_least": 2, "at_most": 3}))["ok"] is True
    assert (await verify(both, {**legs, "status": 200, "violations": False}))["ok"] is True
    many = await verify(both, {**legs, "times": 1})
    assert many["ok"] is False
    (result,) = many["results"]
    assert (result["found"], result["seqs"]) == (3, [1, 2, 3])
    assert result["reason"] == "once expected at most, 3 times found"
    assert (await verify(both, {"operation": "logout.user", "times": 0}))["ok"] is True
    assert (await verify(both, legs, after=3))["ok"] is False


async def test_verify_compares_fields(both: ApiAndProvider) -> None:
    await both.legs(limit=5, offset=10, filter={"field": "id", "operator": "=", "value": 1})
    good = {
        "params.limit": 5,
        "params.filter": {"field": "id", "operator": "=", "value": 1},
        "params.sort": None,
        "id": 1,
    }
    assert (await verify(both, {"fields": good}))["ok"] is True
    for wrong in ({"params.limit": "5"}, {"params.limit": 6}, {"params.limit": None}):
        assert (await verify(both, {"fields": wrong}))["ok"] is False, wrong


async def test_verify_shows_the_nearest_requests_with_a_diff(both: ApiAndProvider) -> None:
    await both.ask("get.account")
    await both.legs(limit=5, offset=0)
    await both.legs(limit=6, offset=0)
    await both.legs(limit=7, offset=9)
    answer = await verify(
        both,
        {
            "operation": "get.call_legs_report",
            "fields": {"params.limit": 7, "params.offset": 0},
        },
    )
    assert answer["ok"] is False
    (result,) = answer["results"]
    assert result["found"] == 0 and result["reason"] == "once expected at least, 0 times found"
    assert result["nearest"] == [
        {"seq": 4, "differences": [{"field": "params.offset", "expected": 0, "got": 9}]},
        {"seq": 3, "differences": [{"field": "params.limit", "expected": 7, "got": 6}]},
        {"seq": 2, "differences": [{"field": "params.limit", "expected": 7, "got": 5}]},
    ]


async def test_verify_checks_the_order(both: ApiAndProvider) -> None:
    for method in ("get.account", "get.customer_users", "get.account"):
        await both.ask(method)
    account, users = {"operation": "get.account"}, {"operation": "get.customer_users"}
    for good in ([account, users], [users, account], [account, users, account]):
        assert (await verify(both, *good, in_order=True))["ok"] is True, good
    for bad in ([users, users], [users, account, users], [account] * 3):
        answer = await verify(both, *bad, in_order=True)
        assert answer["ok"] is False, bad
        assert "no match after number" in answer["results"][-1]["reason"]


async def events(stream: Any) -> AsyncIterator[tuple[int, Any]]:
    """Server-sent events by the specification."""
    number = 0
    async for raw in stream.content:
        line = raw.decode().rstrip("\n")
        if line.startswith("id: "):
            number = int(line[4:])
        elif line.startswith("data: "):
            yield number, json.loads(line[6:])


async def test_the_stream_shows_an_entry_the_moment_it_is_written(both: ApiAndProvider) -> None:
    await both.ask("get.account")
    async with both.control.session.get(both.control.url + JOURNAL + "/stream") as stream:
        assert stream.content_type == "text/event-stream"
        coming = events(stream)
        await asyncio.sleep(0.05)
        await both.legs(limit=1)
        number, entry = await asyncio.wait_for(anext(coming), 2)
    assert number == entry["seq"] == 2
    assert entry == (await both.entries("?after=1"))[0]


async def test_a_stream_resumes_after_the_last_event(both: ApiAndProvider) -> None:
    for _ in range(4):
        await both.ask("get.account")
    url = both.control.url + JOURNAL + "/stream"
    for query, headers, first in (
        ("?after=0", {}, 1),
        ("", {"Last-Event-ID": "3"}, 4),
        ("?after=0", {"Last-Event-ID": "2"}, 3),
    ):
        async with both.control.session.get(url + query, headers=headers) as stream:
            assert (await asyncio.wait_for(anext(events(stream)), 2))[0] == first
    status, _ = await both.control.call("GET", JOURNAL + "/stream", headers={"Last-Event-ID": "x"})
    assert status == 422


async def test_a_stream_ends_with_its_tenant(both: ApiAndProvider) -> None:
    await both.control.post("/api/tenants", {"name": "acme", "world": "empty"})
    url = both.control.url + "/api/tenants/acme/journal/stream"
    async with both.control.session.get(url) as stream:
        await asyncio.sleep(0.05)
        await both.control.call("DELETE", "/api/tenants/acme")
        assert (await asyncio.wait_for(stream.content.read(), 2)).startswith(b": following")


async def test_streams_do_not_keep_the_server_from_stopping(
    control: ControlClient, serve: Any
) -> None:
    from aiohttp import web

    runner = web.AppRunner(make_app(control.registry, ADDRESSES), shutdown_timeout=30)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}{JOURNAL}/stream"
    async with control.session.get(url) as stream:
        await stream.content.readline()
        await asyncio.wait_for(runner.cleanup(), 2)


async def test_an_answer_has_16_mebibytes_at_most_and_says_where_to_go_on(
    both: ApiAndProvider,
) -> None:
    for _ in range(50):  # each six times as long in JSON
        async with both.control.session.post(both.cdr, data=b"\x01" * 60_000) as answer:
            assert answer.status == 200
    nobody, read, answers = "/api/tenants/nobody/journal", list[int](), 0
    query: str | None = ""
    while query is not None:
        async with both.control.session.get(both.control.url + nobody + query) as answer:
            raw = await answer.read()
        assert len(raw) < 16.1 * 1024 * 1024
        found = json.loads(raw)
        read += [entry["seq"] for entry in found["entries"]]
        query, answers = (f"?after={found['next']}" if "next" in found else None), answers + 1
    assert read == [*range(1, 51)] and answers > 1
    assert "next" not in await both.control.get(nobody + "?limit=5")
    for _ in range(3):
        await both.ask("get.account", x="x" * 60_000)
    questions = {"expect": [{"fields": {"params.x": 1}, "unlisted": True}] * 300}
    url = both.control.url + JOURNAL + "/verify"
    async with both.control.session.post(url, json=questions) as answer:
        raw = await answer.read()
    assert len(raw) < 16.1 * 1024 * 1024
    assert len(json.loads(raw)["results"]) == 300


async def test_a_reader_of_a_stream_who_takes_nothing_pins_no_entry_and_is_dropped(
    both: ApiAndProvider, serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callmocks.control.journal.UNREAD_SECONDS", 0.5)
    app = make_app(both.control.registry, ADDRESSES)
    port = int((await serve(app)).rsplit(":", 1)[1])
    tenant = both.control.registry.get("demo")
    assert tenant is not None
    with socket.create_connection(("127.0.0.1", port)) as reader:
        reader.sendall(f"GET {JOURNAL}/stream HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        while not app[APP_CONTEXT].streams:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        for _ in range(250):  # more than the buffers of sockets hold
            await both.ask("get.account", padding="x" * 60_000)
        tenant.journal.delete_entries()
        gc.collect()
        kept = [each for each in gc.get_objects() if issubclass(type(each), JournalRecord)]
        assert sum(b"padding" in each.request for each in kept) <= 1
        del kept
        async with asyncio.timeout(30):
            while app[APP_CONTEXT].streams:  # noqa: ASYNC110
                await asyncio.sleep(0.05)


async def test_at_most_32_readers_follow_journals(both: ApiAndProvider) -> None:
    url, streams = both.control.url + JOURNAL + "/stream", []
    for _ in range(32):
        stream = await both.control.session.get(url)
        assert stream.status == 200
        streams.append(stream)
    status, problem = await both.control.call("GET", "/api/tenants/nobody/journal/stream")
    assert (status, problem["detail"]) == (503, "32 readers follow journals already")
    for stream in streams:
        stream.close()
    streams.clear()
    async with asyncio.timeout(5):  # nothing is written to them, and a heartbeat is far
        while len(streams) < 32:
            stream = await both.control.session.get(url)
            if stream.status == 200:
                streams.append(stream)
    for stream in streams:
        stream.close()


async def test_a_stream_ends_when_its_reader_has_left(both: ApiAndProvider, serve: Any) -> None:
    app = make_app(both.control.registry, ADDRESSES)
    async with both.control.session.get(f"{await serve(app)}{JOURNAL}/stream") as stream:
        assert await stream.content.readline() == b": following\n"
        assert len(app[APP_CONTEXT].streams) == 1
        stream.close()
    async with asyncio.timeout(5):
        while app[APP_CONTEXT].streams:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
