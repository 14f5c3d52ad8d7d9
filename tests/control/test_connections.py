"""Open websockets of the workplace: listed, ended, refused, closed when idle."""

import asyncio
import socket
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
from aiohttp import ClientSession
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.control.server_client import Client, basic
from tests.control.test_arm_faults import exchange_frame, make_request

TENANT = "/api/tenants/demo"


async def call(client: Client, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    url = client.urls["control"] + TENANT + path
    async with client.http.request(method, url, json=body) as answer:
        return answer.status, await answer.json() if answer.status != 204 else None


async def listed(client: Client) -> list[dict[str, Any]]:
    status, found = await call(client, "GET", "/connections")
    assert status == 200
    connections: list[dict[str, Any]] = found["connections"]
    return connections


async def close_code(socket: Any) -> tuple[int, str]:
    """Of the close frame that the server sends next."""
    with pytest.raises(ConnectionClosed) as closed:
        await asyncio.wait_for(socket.recv(), 2)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code, closed.value.rcvd.reason


async def test_open_websockets_are_listed_with_what_came_of_them(client: Client) -> None:
    assert await listed(client) == []
    async with client.workplace() as first:
        await client.advance(60)
        async with client.workplace() as second:
            await exchange_frame(second)
            await client.advance(30)
            await exchange_frame(second)
            await client.advance(5)
            await asyncio.wait_for(await first.ping(), 2)
            older, newer = await listed(client)
        assert older.pop("id") != newer.pop("id")
        assert older == {
            "operator": "101",
            "since": "2026-03-02T12:00:00.000",
            "frames": 0,
            "last_seen": "2026-03-02T12:01:35.000",
        }
        assert newer == {
            "operator": "101",
            "since": "2026-03-02T12:01:00.000",
            "frames": 2,
            "last_seen": "2026-03-02T12:01:30.000",
        }
        assert len(await listed(client)) == 1
    assert await listed(client) == []


async def test_one_or_all_are_closed_with_1001(client: Client) -> None:
    async with client.workplace() as first, client.workplace() as second:
        one, other = await listed(client)
        assert await call(client, "DELETE", f"/connections/{one['id']}") == (204, None)
        assert await close_code(first) == (1001, "ended by the admin API")
        await exchange_frame(second)
        assert await call(client, "DELETE", "/connections?how=close") == (
            200,
            {"connections": [other | {"frames": 1}]},
        )
        assert (await close_code(second))[0] == 1001
    assert await call(client, "DELETE", "/connections") == (200, {"connections": []})


async def test_a_reset_is_a_tcp_reset(client: Client) -> None:
    """By a plain socket: RST, and not one byte of a close frame."""
    address = urlsplit(client.urls["arm"])
    raw = socket.create_connection((address.hostname, address.port or 0), timeout=2)
    raw.sendall(
        b"GET /demo/service/cc/arm HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += await asyncio.to_thread(raw.recv, 4096)
    assert b" 101 " in head
    (shown,) = await listed(client)
    assert shown["operator"] is None
    assert (await call(client, "DELETE", "/connections?how=reset"))[0] == 200
    with pytest.raises(ConnectionResetError):
        await asyncio.to_thread(raw.recv, 1)
    raw.close()
    async with client.workplace() as other:
        (shown,) = await listed(client)
        await call(client, "DELETE", f"/connections/{shown['id']}?how=reset")
        with pytest.raises(ConnectionClosed) as ended:
            await asyncio.wait_for(other.recv(), 2)
        assert ended.value.rcvd is None


async def test_what_cannot_be_ended_is_refused(client: Client) -> None:
    status, problem = await call(client, "DELETE", "/connections/none")
    assert (status, problem["where"], problem["detail"]) == (
        404,
        "connection",
        "no connection 'none'",
    )
    status, problem = await call(client, "DELETE", "/connections?how=softly")
    assert (status, problem["where"]) == (422, "$.how")
    assert (await call(client, "DELETE", "/connections?who=me"))[0] == 422


async def test_a_client_that_does_not_read_is_ended_too(client: Client) -> None:
    async with client.workplace() as stuck:
        stuck.transport.pause_reading()
        for number in range(100):
            await stuck.send(make_request(number, 300))
        frames = -1
        while frames < (frames := (await listed(client))[0]["frames"]):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        assert 0 < frames < 100
        tasks = len(asyncio.all_tasks())
        await call(client, "DELETE", "/connections")
        async with asyncio.timeout(5):
            while len(asyncio.all_tasks()) >= tasks:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        stuck.transport.abort()


async def test_a_deleted_tenant_closes_its_websockets(client: Client) -> None:
    async with client.workplace() as opened:
        assert (await call(client, "DELETE", ""))[0] == 204
        assert await close_code(opened) == (1001, "the tenant was deleted")


async def test_a_reset_tenant_keeps_its_websockets(client: Client) -> None:
    async with client.workplace() as opened:
        await call(client, "POST", "/reset")
        assert len(await listed(client)) == 1
        assert (await exchange_frame(opened))[16:19] == b"401"


async def test_an_idle_websocket_is_closed(client: Client) -> None:
    async with client.workplace() as idle, client.workplace() as busy:
        await client.fault("arm", "idle_close", {"seconds": 0.3})
        for _ in range(6):
            await asyncio.sleep(0.1)
            await asyncio.wait_for(await busy.ping(), 2)
        assert await close_code(idle) == (1001, "idle")
        assert len(await listed(client)) == 1
        _, answer = await call(client, "GET", "/journal")
        (entry,) = answer["entries"]
        shown = {name: entry[name] for name in ("operation", "status", "faults", "ended")}
        assert shown == {
            "operation": "idle",
            "status": 1001,
            "faults": ["idle_close"],
            "ended": "closed",
        }
        assert "101" in entry["notes"][0]
        assert (await close_code(busy))[0] == 1001


async def test_so_many_idle_websockets_are_closed_as_the_fault_says(client: Client) -> None:
    async with client.workplace() as first, client.workplace() as second:
        await client.fault("arm", "idle_close", {"seconds": 0.05}, skip=1, times=1)
        await client.fault("arm", "idle_close", {"seconds": 0})
        assert (await close_code(second))[0] == 1001
        await asyncio.sleep(0.3)
        await exchange_frame(first)
        _, answer = await call(client, "GET", "/faults")
        assert [(each["met"], each["applied"]) for each in answer["faults"]] == [(2, 1), (0, 0)]


async def test_a_websocket_that_waits_for_an_answer_is_not_idle(client: Client) -> None:
    async with client.workplace() as waiting:
        await client.fault("arm", "delay", {"ms": 400}, times=1)
        await client.fault("arm", "idle_close", {"seconds": 0.15})
        await exchange_frame(waiting)
        assert (await close_code(waiting))[0] == 1001


async def test_an_upgrade_is_refused_and_the_next_one_is_not(client: Client) -> None:
    await client.fault("arm", "refuse_upgrade", times=1)
    await client.fault("arm", "refuse_upgrade", {"status": 429}, times=1)
    for status in (503, 429):
        with pytest.raises(InvalidStatus) as refused:
            await client.workplace()
        assert refused.value.response.status_code == status
        root = ElementTree.fromstring(refused.value.response.body or b"")
        assert b"the websocket is refused" in ElementTree.tostring(root)
        assert await client.applied() == ["refuse_upgrade"]
    async with client.workplace() as opened:
        await exchange_frame(opened)


async def test_other_requests_do_not_meet_the_faults_of_connections(client: Client) -> None:
    await client.fault("arm", "refuse_upgrade")
    await client.fault("arm", "idle_close", {"seconds": 1})
    await client.fault("arm", "status", {"status": 418}, operation="upgrade")
    url = client.urls["arm"] + "/demo/service/cc/arm/operator_call_history"
    async with ClientSession() as session:
        request = "<in><request><filters limit='1'/></request></in>"
        async with session.post(url, data=request, headers=basic("101")) as answer:
            assert answer.status == 200
    _, answer = await call(client, "GET", "/faults")
    assert [each["met"] for each in answer["faults"]] == [0, 0, 0]
