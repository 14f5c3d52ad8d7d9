"""Websockets at several replicas and workers: listed and ended from any of them."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.replicas.conftest import (
    DEADLINE,
    HISTORY_FRAME,
    NOW,
    Client,
    RedisServer,
    ReplicaProcess,
    basic_auth,
    start_replicas,
)


@asynccontextmanager
async def open_sockets(tenant: str, replicas: Sequence[ReplicaProcess]) -> AsyncIterator[list[Any]]:
    """A websocket at each replica."""
    headers = {"Authorization": basic_auth("101", tenant)}
    async with AsyncExitStack() as stack:
        sockets = []
        for replica in replicas:
            url = f"{replica.urls['arm'].replace('http', 'ws')}/{tenant}/service/cc/arm"
            socket = connect(url, additional_headers=headers)
            sockets.append(await stack.enter_async_context(socket))
        yield sockets


async def list_ids(client: Client, replica: ReplicaProcess, tenant: str) -> list[str]:
    found = await client.control(replica, "GET", f"/api/tenants/{tenant}/connections")
    assert found.status == 200, found
    return [each["id"] for each in found.json["connections"]]


async def wait_closed(socket: Any) -> int | None:
    """The code of the close frame; None for a reset."""
    with pytest.raises(ConnectionClosed) as closed:
        await asyncio.wait_for(socket.recv(), DEADLINE)
    return closed.value.rcvd.code if closed.value.rcvd else None


async def test_websockets_of_all_replicas_are_listed_and_ended_at_any(
    three: list[ReplicaProcess], client: Client
) -> None:
    name = await client.tenant(three[0])
    path = f"/api/tenants/{name}/connections"
    async with open_sockets(name, three) as sockets:
        for socket, replica in zip(sockets, three, strict=True):
            await socket.send(HISTORY_FRAME)
            assert await asyncio.wait_for(socket.recv(), DEADLINE)
            shown = (await client.control(replica, "GET", path)).json["connections"]
        assert [(each["operator"], each["frames"]) for each in shown] == [("101", 1)] * 3
        ids = [each["id"] for each in shown]
        for replica in three:
            assert sorted(await list_ids(client, replica, name)) == sorted(ids)
        for id, replica in zip(ids, three, strict=True):
            assert (await client.control(replica, "DELETE", f"{path}/{id}?how=reset")).status == 204
            assert (await client.control(replica, "DELETE", f"{path}/{id}")).status == 404
        assert [await wait_closed(socket) for socket in sockets] == [None] * 3
    async with open_sockets(name, three) as sockets:
        ended = await client.control(three[1], "DELETE", path)
        assert len(ended.json["connections"]) == 3
        assert [await wait_closed(socket) for socket in sockets] == [1001] * 3


async def test_a_deleted_tenant_closes_its_websockets_at_all_replicas(
    three: list[ReplicaProcess], client: Client
) -> None:
    name = await client.tenant(three[0])
    async with open_sockets(name, three) as sockets:
        assert (await client.control(three[2], "DELETE", f"/api/tenants/{name}")).status == 204
        await client.tenant(three[2], name=name)
        assert [await wait_closed(socket) for socket in sockets] == [1001] * 3


async def test_the_faults_of_websockets_count_over_all_replicas(
    three: list[ReplicaProcess], client: Client
) -> None:
    name = await client.tenant(three[0])
    path = f"/api/tenants/{name}/faults"
    async with open_sockets(name, three) as sockets:
        fault = {"provider": "arm", "fault": "idle_close", "params": {"seconds": 0.1}, "times": 2}
        assert (await client.control(three[0], "POST", path, fault)).status == 201
        reads = [asyncio.create_task(socket.recv()) for socket in sockets]
        until, shown = time.monotonic() + DEADLINE, {"met": 0}
        while shown["met"] < 3 and time.monotonic() < until:
            (shown,) = (await client.control(three[1], "GET", path)).json["faults"]
        assert (shown["met"], shown["applied"]) == (3, 2)
        assert len(await list_ids(client, three[2], name)) == 1
        for read in reads:
            read.cancel()
        await asyncio.gather(*reads, return_exceptions=True)


async def test_workers_end_websockets_whichever_serves_them(
    redis: RedisServer, client: Client
) -> None:
    url = redis.take_url()
    with start_replicas(1, "--workers", "2", "--state", url, "--now", NOW) as (workers,):
        async with open_sockets("demo", [workers] * 8) as sockets:
            assert len(await list_ids(client, workers, "demo")) == 8
            await client.control(workers, "DELETE", "/api/tenants/demo/connections")
            assert [await wait_closed(socket) for socket in sockets] == [1001] * 8
        assert await list_ids(client, workers, "demo") == []


async def test_a_replica_that_does_not_answer_is_told(redis: RedisServer, client: Client) -> None:
    url = redis.take_url()
    with start_replicas(2, "--state", url, "--now", NOW) as (first, second):
        async with open_sockets("demo", [first]):
            assert len(await list_ids(client, second, "demo")) == 1
            second.process.send_signal(signal.SIGSTOP)
            try:
                path = "/api/tenants/demo/connections"
                refused = await client.control(first, "GET", path)
            finally:
                second.process.send_signal(signal.SIGCONT)
            assert (refused.status, refused.json["detail"]) == (
                503,
                "1 of 2 replicas has not answered",
            )
            assert len(await list_ids(client, first, "demo")) == 1
