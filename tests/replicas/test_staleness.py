"""Replicas that learn of changes by requests alone never answer from before a change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import websockets
from websockets.exceptions import ConnectionClosed

from callmocks.config.settings import ServeSettings
from callmocks.replication import replica
from callmocks.server.mock_server import MockServer
from tests.replicas.conftest import (
    ENVELOPE,
    FORBIDDEN,
    HISTORY_FRAME,
    NOW,
    PORTS,
    Client,
    RedisServer,
    ReplicaProcess,
    basic_auth,
)


@pytest.fixture
async def two(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[list[ReplicaProcess]]:
    """Replicas without notifications, and with heartbeats that come too late."""

    async def hear_nothing(_: replica.Replica) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(replica.Replica, "_subscribe", hear_nothing)
    monkeypatch.setattr(replica, "HEARTBEAT_SECONDS", 600)
    ports: dict[str, Any] = dict.fromkeys((f"{name}_port" for name in PORTS), 0)
    settings = ServeSettings(state=redis.take_url(), now=NOW, **ports)
    async with MockServer(settings) as one, MockServer(settings) as other:
        await asyncio.sleep(0.1)  # their first heartbeats
        yield [ReplicaProcess(None, server.urls) for server in (one, other)]  # type: ignore[arg-type]


async def test_a_new_tenant_is_found_by_the_next_request(
    two: list[ReplicaProcess], client: Client
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"<in><request><filters "
        await asyncio.sleep(0.05)
        yield b"limit='5' offset='0'/></request></in>"

    for name, replica_index in (("t-cdr", 1), ("t-onec", 1), ("t-arm", 0), ("t-control", 0)):
        first, second = two[1 - replica_index], two[replica_index]
        await client.tenant(first, name=name)
        if name == "t-cdr":
            assert (await client.rpc(second, "get.account", access_token=f"{name}-token"))["data"]
        elif name == "t-onec":
            assert b"SUCCESS" in (await client.onec(second, name, "DepartmentRead")).body
        elif name == "t-arm":
            url = f"{second.urls['arm']}/{name}/service/cc/arm/operator_call_history"
            login = {"Authorization": basic_auth("101", name), "Content-Type": "text/xml"}
            async with client.session.post(url, data=chunks(), headers=login) as answer:
                assert answer.status == 200
        else:
            for path in ("", "/journal", "/calls"):
                found = await client.control(second, "GET", f"/api/tenants/{name}{path}")
                assert found.status == 200
            page = await client.request("GET", f"{second.urls['control']}/tenants/{name}/clock")
            assert page.status == 200


async def test_every_change_holds_for_the_next_request(
    two: list[ReplicaProcess], client: Client
) -> None:
    one, other = two
    name = await client.tenant(one, now=NOW, world="empty", limits="off")
    path, token = f"/api/tenants/{name}", {"access_token": f"{name}-token"}
    for first, second in (two, two[::-1]) * 3:
        made = (await client.control(first, "POST", f"{path}/faults", FORBIDDEN)).json
        assert await client.rpc(second, "get.account", **token) == "forbidden"
        await client.control(second, "DELETE", f"{path}/faults/{made['id']}")
        assert (await client.rpc(first, "get.account", **token))["data"]
        await client.control(first, "POST", f"{path}/clock/advance", {"seconds": 60})
        shown = (await client.control(second, "GET", f"{path}/clock")).json["now"]
        assert shown == (await client.control(first, "GET", f"{path}/clock")).json["now"]
        pinned = (await client.control(second, "POST", f"{path}/calls", {"start": NOW})).json
        listed = (await client.control(first, "GET", f"{path}/calls")).json["calls"]
        assert [call["id"] for call in listed] == [pinned["id"]]
        await client.control(first, "POST", f"{path}/reset")
        assert (await client.control(second, "GET", f"{path}/calls")).json["calls"] == []
    await client.control(one, "DELETE", path)
    assert await client.rpc(other, "get.account", **token) == "access_token_invalid"


async def test_a_frame_on_an_open_websocket_meets_a_new_fault(
    two: list[ReplicaProcess], client: Client
) -> None:
    one, other = two
    name = await client.tenant(one)
    url = f"{other.urls['arm']}/{name}/service/cc/arm".replace("http", "ws")
    login = {"Authorization": basic_auth("101", name)}
    async with websockets.connect(url, additional_headers=login) as socket:
        await socket.send(HISTORY_FRAME)
        assert b"0001200" in bytes(await socket.recv(decode=False))[:19]
        fault = {"provider": "arm", "fault": "command_error"}
        made = await client.control(one, "POST", f"/api/tenants/{name}/faults", fault)
        assert made.status == 201
        await socket.send(HISTORY_FRAME)
        assert b"error" in bytes(await socket.recv(decode=False))
        assert (await client.control(one, "DELETE", f"/api/tenants/{name}")).status == 204
        with pytest.raises(ConnectionClosed, match="1001"):
            await socket.send(HISTORY_FRAME)
            assert b"0001404" in bytes(await socket.recv(decode=False))[:19]
            await socket.recv(decode=False)
    journal = await client.control(other, "GET", f"/api/tenants/{name}/journal")
    assert journal.status == 404


async def test_a_request_that_runs_again_is_in_the_journal_once(
    two: list[ReplicaProcess], client: Client
) -> None:
    one, other = two
    name = await client.tenant(one, limits="documented", cdr={"day_limit": 100})
    path, token = f"/api/tenants/{name}", {"access_token": f"{name}-token"}
    for number in range(1, 6):
        await client.control(one, "POST", f"{path}/clock/advance", {"seconds": 0.001})
        answer = await client.rpc(other, "get.account", **token)
        assert answer["metadata"]["limits"]["day_remaining"] == 100 - number
    found = (await client.control(other, "GET", f"{path}/journal")).json
    assert len(found["entries"]) == 5


async def test_a_tenant_created_while_a_body_comes_in_is_found(
    two: list[ReplicaProcess], client: Client
) -> None:
    one, other = two
    body = ENVELOPE.format(operation="DepartmentRead", params="").encode()

    async def chunks() -> AsyncIterator[bytes]:
        yield body[:100]
        await client.tenant(one, name="late")
        yield body[100:]

    headers = {"Content-Type": "text/xml", "Authorization": basic_auth("late", "late")}
    async with client.session.post(other.urls["onec"], data=chunks(), headers=headers) as answer:
        assert answer.status == 200
        assert b"SUCCESS" in await answer.read()


async def test_a_body_that_is_too_large_is_rejected_by_a_stale_replica_too(
    two: list[ReplicaProcess], client: Client
) -> None:
    one, other = two
    name = await client.tenant(one)
    await client.rpc(other, "get.account", access_token=f"{name}-token")
    await client.control(one, "POST", f"/api/tenants/{name}/clock/advance", {"seconds": 1})

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield b"x" * 65536

    async with client.session.post(other.urls["cdr"], data=chunks()) as answer:
        error = (await answer.json())["error"]["data"]
        assert (error["mnemonic"], error["field"]) == ("invalid_parameter_value", "filter")
