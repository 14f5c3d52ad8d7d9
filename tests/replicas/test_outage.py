"""Redis stops, hangs, comes back empty; one replica loses it alone; one is killed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import websockets
from aiohttp import ClientError
from websockets.exceptions import InvalidStatus

from tests.replicas.conftest import (
    DEADLINE,
    FORBIDDEN,
    HISTORY,
    HISTORY_FRAME,
    LEGS,
    NOW,
    Client,
    HttpAnswer,
    RedisServer,
    ReplicaProcess,
    basic_auth,
    start_replicas,
)


@pytest.fixture(scope="module")
def volatile_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis that forgets everything when it stops, as in docker-compose.yml."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def stoppable_redis(volatile_redis: RedisServer) -> Iterator[RedisServer]:
    """The same, running again after each test."""
    yield volatile_redis
    if not volatile_redis.is_running:
        volatile_redis.start()


@pytest.fixture(scope="module")
def trio(volatile_redis: RedisServer) -> Iterator[list[ReplicaProcess]]:
    with start_replicas(3, "--state", volatile_redis.url, "--now", NOW) as running:
        yield running


async def assert_all_unavailable(
    client: Client, replica: ReplicaProcess, name: str
) -> list[HttpAnswer]:
    """Assert that each provider and control answer their kind of error; the answers."""
    rpc = {"jsonrpc": "2.0", "id": "a", "method": "get.account"}
    body = rpc | {"params": {"access_token": f"{name}-token"}}
    cdr = await client.request("POST", replica.urls["cdr"], body)
    assert (cdr.status, cdr.json["id"]) == (200, "a")
    assert (cdr.json["error"]["code"], cdr.json["error"]["data"]["mnemonic"]) == (
        -32603,
        "internal_error",
    )
    login = {"Authorization": basic_auth("101", name)}
    arm = await client.arm(replica, name, "operator_call_history", HISTORY, **login)
    assert (arm.status, arm.type) == (503, "text/xml")
    assert b"<error" in arm.body and b"shared state" in arm.body
    onec = await client.onec(replica, name, "DepartmentRead")
    assert onec.status == 500
    assert b"Fault>" in onec.body and b"shared state" in onec.body
    payload = {"name": "never"}
    control = await client.control(replica, "POST", "/api/tenants", payload)
    assert (control.status, control.type) == (503, "application/problem+json")
    assert control.headers["Retry-After"] == "1"
    looked = await client.control(replica, "GET", f"/api/tenants/{name}/clock")
    assert looked.status == 503
    health = await client.control(replica, "GET", "/health")
    assert (health.status, health.json["status"]) == (503, "degraded")
    assert health.json["replica"]["problem"]
    return [cdr, arm, onec, control, health]


async def read_journal(client: Client, replica: ReplicaProcess, name: str) -> list[dict[str, Any]]:
    found = await client.control(replica, "GET", f"/api/tenants/{name}/journal")
    assert found.status == 200
    entries: list[dict[str, Any]] = found.json["entries"]
    return entries


async def test_redis_stops_and_comes_back_with_nothing(
    stoppable_redis: RedisServer, trio: list[ReplicaProcess], client: Client
) -> None:
    name = await client.tenant(trio[0], seed=5, cdr={"day_limit": 100}, limits="documented")
    path = f"/api/tenants/{name}"
    pinned = (await client.control(trio[1], "POST", f"{path}/calls", {"start": NOW})).json
    await client.control(trio[2], "POST", f"{path}/clock/advance", {"seconds": 3600})
    fault = {"provider": "onec", "fault": "status", "params": {"status": 418}}
    await client.control(trio[2], "POST", f"{path}/faults", fault)
    opened = await client.rpc(trio[0], "login.user", login=name, password=name)
    token = opened["data"]["access_token"]
    before = await client.rpc(trio[0], "get.call_legs_report", access_token=token, **LEGS)

    stoppable_redis.stop()
    await asyncio.sleep(1.1)  # what was known for sure is so no more
    for replica in trio:
        answers = await assert_all_unavailable(client, replica, name)
        assert b"Connection refused" in answers[1].body
        last = (await read_journal(client, replica, name))[-1]
        assert "Connection refused" in last["notes"][0]
        assert last["violations"] == []
    url = f"{trio[0].urls['arm']}/{name}/service/cc/arm".replace("http", "ws")
    with pytest.raises(InvalidStatus, match="503"):
        async with websockets.connect(
            url, additional_headers={"Authorization": basic_auth("101", name)}
        ):
            pass

    stoppable_redis.start()
    for replica in trio:
        await client.wait_healthy(replica)
    for replica in trio:
        shown = (await client.control(replica, "GET", f"{path}/clock")).json["now"]
        assert shown == "2026-03-02T13:00:00"
        assert (await client.control(replica, "GET", f"{path}/calls")).json["calls"] == [pinned]
        assert (await client.onec(replica, name, "DepartmentRead")).status == 418
        after = await client.rpc(
            replica, "get.call_legs_report", access_token=f"{name}-token", **LEGS
        )
        assert after["data"] == before["data"]
        ended = await client.rpc(replica, "get.account", access_token=token)
        assert ended == "access_token_invalid", "sessions lived in Redis alone"
    again = await client.rpc(trio[0], "login.user", login=name, password=name)
    assert again["data"]["access_token"] != token, "nobody finds himself in another's session"
    for replica in trio:
        answer = await client.rpc(
            replica, "get.account", access_token=again["data"]["access_token"]
        )
        assert answer["data"]


async def test_a_websocket_outlives_redis(
    stoppable_redis: RedisServer, trio: list[ReplicaProcess], client: Client
) -> None:
    name = await client.tenant(trio[0])
    url = f"{trio[1].urls['arm']}/{name}/service/cc/arm".replace("http", "ws")
    login = {"Authorization": basic_auth("101", name)}
    async with websockets.connect(url, additional_headers=login) as socket:
        await socket.send(HISTORY_FRAME)
        assert b"0001200" in _to_bytes(await socket.recv())[:19]
        stoppable_redis.stop()
        await asyncio.sleep(0.1)
        await socket.send(HISTORY_FRAME)
        assert b"0001503" in _to_bytes(await socket.recv())[:19]
        stoppable_redis.start()
        for replica in trio:
            await client.wait_healthy(replica)
        await socket.send(HISTORY_FRAME)
        assert b"0001401" in _to_bytes(await socket.recv())[:19], "its session was in Redis"


def _to_bytes(message: str | bytes) -> bytes:
    return message.encode() if isinstance(message, str) else message


async def test_a_hanging_redis_delays_no_request(
    stoppable_redis: RedisServer, trio: list[ReplicaProcess], client: Client
) -> None:
    name = await client.tenant(trio[0], limits="documented")
    opened = await client.rpc(trio[0], "login.user", login=name, password=name)

    async def ask_all() -> tuple[list[Any], float]:
        """The answers to thirty requests at once, and seconds."""
        begun = time.monotonic()
        token = {"access_token": f"{name}-token"}
        asked = (client.rpc(replica, "get.account", **token) for replica in trio * 10)
        return await asyncio.gather(*asked), time.monotonic() - begun

    _, usual = await ask_all()
    stoppable_redis.suspend()
    try:
        answers, seconds = await ask_all()
        # Redis is waited for once, for a second, and not by each request after the other.
        assert seconds < 3 + 3 * usual
        assert set(answers) == {"internal_error"}
        for replica in trio:
            await assert_all_unavailable(client, replica, name)
    finally:
        stoppable_redis.resume()
    for replica in trio:
        await client.wait_healthy(replica)
        token = opened["data"]["access_token"]
        assert (await client.rpc(replica, "get.account", access_token=token))["data"]


async def test_a_redis_that_keeps_what_it_holds_ends_no_session(
    tmp_path_factory: pytest.TempPathFactory, client: Client
) -> None:
    server = RedisServer(tmp_path_factory.mktemp("redis"), persistent=True)
    server.start()
    try:
        with start_replicas(1, "--state", server.url, "--now", NOW, "--only", "cdr") as (replica,):
            opened = await client.rpc(replica, "login.user", login="demo", password="demo")
            token = opened["data"]["access_token"]
            server.stop()
            assert await client.rpc(replica, "get.account", access_token=token) == "internal_error"
            server.start()
            await client.wait_healthy(replica)
            answer = await client.rpc(replica, "get.account", access_token=token)
            assert answer["metadata"]["limits"]["day_remaining"] == 2998
    finally:
        server.stop()


@asynccontextmanager
async def cuttable_proxy(port: int) -> AsyncIterator[Any]:
    """A port that leads to another one, until it is cut; ``True`` mends it."""
    writers: set[asyncio.StreamWriter] = set()
    whole = asyncio.Event()
    whole.set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not whole.is_set():
            writer.close()
            return
        try:
            onward, back = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        writers.update((writer, back))
        await asyncio.gather(pump(reader, back), pump(onward, writer))

    def cut(mend: bool = False) -> None:
        if mend:
            whole.set()
            return
        whole.clear()
        for writer in writers:
            writer.close()
        writers.clear()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    cut.port = server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    yield cut
    cut()
    server.close()


async def test_a_replica_that_alone_is_cut_off_answers_nothing_stale_and_catches_up(
    stoppable_redis: RedisServer, trio: list[ReplicaProcess], client: Client
) -> None:
    name = await client.tenant(trio[0], world="empty", limits="off")
    path = f"/api/tenants/{name}"
    async with cuttable_proxy(stoppable_redis.port) as cut:
        url = f"redis://127.0.0.1:{cut.port}/0"
        starting = start_replicas(1, "--state", url, "--now", NOW)
        (alone,) = await asyncio.to_thread(starting.__enter__)
        try:
            answer = await client.rpc(alone, "get.account", access_token=f"{name}-token")
            assert answer["data"]
            cut()
            made = await client.control(trio[0], "POST", f"{path}/faults", FORBIDDEN)
            assert made.status == 201
            seen = await client.rpc(alone, "get.account", access_token=f"{name}-token")
            assert seen == "internal_error", "the fault is on, and it cannot know"
            for replica in trio:
                answer = await client.rpc(replica, "get.account", access_token=f"{name}-token")
                assert answer == "forbidden"
            pinned = await client.control(trio[1], "POST", f"{path}/calls", {"start": NOW})
            await client.control(trio[2], "POST", "/api/tenants", {"name": "unheard-of"})
            await client.control(trio[2], "DELETE", "/api/tenants/unheard-of")
            await assert_all_unavailable(client, alone, name)
            cut(mend=True)
            await client.wait_healthy(alone)
            seen = await client.rpc(alone, "get.account", access_token=f"{name}-token")
            assert seen == "forbidden"
            listed = await client.control(alone, "GET", f"{path}/calls")
            assert listed.json["calls"] == [pinned.json]
        finally:
            await asyncio.to_thread(starting.__exit__, None, None, None)


async def test_a_replica_killed_under_load_makes_no_answer_wrong(
    trio: list[ReplicaProcess], client: Client
) -> None:
    most = 900
    name = await client.tenant(
        trio[0],
        seed=3,
        now=NOW,
        limits="documented",
        cdr={"day_limit": most, "minute_limit": 10**6},
    )
    report = {"access_token": f"{name}-token", **LEGS, "limit": 20}
    expected = (await client.rpc(trio[0], "get.call_legs_report", **report))["data"]
    left: list[int] = []
    lost = 0
    killed = asyncio.Event()

    async def load(place: int) -> None:
        nonlocal lost
        for number in range(45):
            replica = trio[(place + number) % 3]
            if killed.is_set() and replica is trio[2]:
                replica = trio[number % 2]  # as a balancer would
            try:
                answer = await client.rpc(replica, "get.call_legs_report", **report)
            except (ClientError, OSError):
                assert replica is trio[2]
                lost += 1
                continue
            if answer != "limit_exceeded":
                assert answer["data"] == expected
                left.append(answer["metadata"]["limits"]["day_remaining"])
            if len(left) == most // 4 and not killed.is_set():
                trio[2].kill()
                killed.set()

    async def count_replicas() -> object:
        health = await client.control(trio[0], "GET", "/health")
        return health.json["replica"]["replicas"]

    await asyncio.gather(*(load(place) for place in range(24)))
    assert killed.is_set()
    assert len(left) == len(set(left)), "no point was given twice"
    assert most - 1 - lost <= len(left) <= most - 1
    made = await client.control(trio[0], "POST", f"/api/tenants/{name}/faults", FORBIDDEN)
    assert made.status == 201
    for replica in trio[:2]:
        answer = await client.rpc(replica, "get.account", access_token=f"{name}-token")
        assert answer == "forbidden"
    async with asyncio.timeout(DEADLINE):
        while await count_replicas() != 2:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
