"""Redis comes back from long ago, or without keys, to replicas that slept or just started."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from callmocks.config.settings import ServeSettings
from callmocks.replication import following_store, version_vector
from callmocks.server.mock_server import MockServer
from tests.replicas.conftest import NOW, Client, ReplicaProcess
from tests.replicas.schedules import (
    FREE_PORTS,
    KEYS,
    Schedule,
    SnapshotRedis,
    running_schedule,
)

# Changes after which replicas could once no more tell what they had seen.
MANY = pytest.mark.parametrize("changes", [12, pytest.param(2100, marks=pytest.mark.slow)])


@pytest.fixture(autouse=True)
def few_writers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(version_vector, "MAX_WRITERS", 2)


async def pin_call(client: Client, replica: ReplicaProcess, tenant: str, minute: int = 0) -> None:
    start = f"2026-03-02T10:{minute:02}:00"
    path = f"/api/tenants/{tenant}/calls"
    assert (await client.control(replica, "POST", path, {"start": start})).status == 201


async def count_pins(client: Client, replica: ReplicaProcess, tenant: str) -> int:
    found = await client.control(replica, "GET", f"/api/tenants/{tenant}/calls")
    assert found.status == 200, found
    return len(found.json["calls"])


async def move_clock(client: Client, writers: list[ReplicaProcess], tenant: str, n: int) -> None:
    for each in range(1, n + 1):
        body = {"now": f"2026-03-02T12:{each % 60:02}:00"}
        path = f"/api/tenants/{tenant}/clock"
        answer = await client.control(writers[each % len(writers)], "PUT", path, body)
        assert answer.status == 200, answer


async def read_loss(client: Client, replica: ReplicaProcess) -> str:
    await client.wait_healthy(replica)  # on a busy machine it may be out of touch for a moment
    health = await client.control(replica, "GET", "/health")
    assert health.status == 200, health
    return str(health.json["replica"]["last_loss"])


@asynccontextmanager
async def joined(redis: SnapshotRedis) -> AsyncIterator[ReplicaProcess]:
    settings = ServeSettings(state=redis.url, now=NOW, world="empty", **FREE_PORTS)
    async with MockServer(settings) as server:
        yield ReplicaProcess(None, server.urls)  # type: ignore[arg-type]


def flush(redis: SnapshotRedis) -> None:
    with redis.client(0) as server:
        server.flushall()


@MANY
async def test_what_a_snapshot_of_long_ago_lacks_is_restored(changes: int, client: Client) -> None:
    async with running_schedule(0, client, 2) as there:
        one, two = there.replicas
        for name in ("keep", "doomed"):
            await client.tenant(one, name=name, world="empty")
        there.redis.snapshot()
        await pin_call(client, one, "keep")
        deleted = await client.control(two, "DELETE", "/api/tenants/doomed")
        assert deleted.status == 204
        await move_clock(client, there.replicas, "demo", changes)
        await there.mend_all()
        await there.restart()
        await there.mend_all()
        for replica in there.replicas:
            assert await count_pins(client, replica, "keep") == 1
            gone = await client.control(replica, "GET", "/api/tenants/doomed/clock")
            assert gone.status == 404
            clock = (await client.control(replica, "GET", "/api/tenants/demo/clock")).json
            assert clock["now"].startswith(f"2026-03-02T12:{changes % 60:02}:00")
            loss = await read_loss(client, replica)
            assert f"Redis had lost changes 4 to {5 + changes}; " in loss
        await there.check()


@MANY
async def test_a_replica_that_was_away_does_not_bring_back_a_deleted_tenant(
    changes: int, client: Client
) -> None:
    async with running_schedule(0, client, 2) as there:
        one, two = there.replicas
        await client.tenant(one, name="doomed", world="empty")
        await there.mend_all()
        there.cuts[1]()
        assert (await client.control(one, "DELETE", "/api/tenants/doomed")).status == 204
        await move_clock(client, [one], "demo", changes)
        flush(there.redis)
        await client.wait_healthy(one)
        there.cuts[1](mend=True)
        await there.mend_all()
        names = {tenant.name for tenant in there.stores[1].registry}
        assert names == {"demo"}
        for replica in (one, two):
            assert "restored it as" in await read_loss(client, replica)
        await there.check()


@pytest.mark.parametrize("keys", [("documents",), KEYS], ids=["documents", "all"])
async def test_a_replica_that_slept_restores_what_one_began_anew_without(
    keys: tuple[str, ...], client: Client
) -> None:
    async with running_schedule(0, client, 1) as there:
        (one,) = there.replicas
        await client.tenant(one, name="t1", world="empty")
        for minute in (0, 10):
            await pin_call(client, one, "demo", minute)
        there.cuts[0]()
        for key in (*keys, "replicas"):  # nor does its last heartbeat hold anyone up
            there.redis.delete(key)
        async with joined(there.redis) as new:
            assert await count_pins(client, new, "demo") == 0
            there.cuts[0](mend=True)
            await there.mend_all()
            for replica in (one, new):
                assert await count_pins(client, replica, "demo") == 2
                assert await count_pins(client, replica, "t1") == 0
                loss = await read_loss(client, replica)
                assert "restored it as" in loss and "others" not in loss
        await there.check()


@pytest.fixture
async def stopped_redis(
    client: Client, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[SnapshotRedis]:
    """The last replica has left; the tenants t1, with a pinned call, and t2 are there."""
    redis = SnapshotRedis(tmp_path_factory.mktemp("redis"))
    redis.start()
    try:
        async with joined(redis) as one:
            for name in ("t1", "t2", "t3"):
                await client.tenant(one, name=name, world="empty")
            await pin_call(client, one, "t1")
            assert (await client.control(one, "DELETE", "/api/tenants/t3")).status == 204
        yield redis
    finally:
        redis.stop()


@pytest.mark.parametrize("key", KEYS)
async def test_the_next_replica_keeps_the_documents_that_are_there(
    key: str, stopped_redis: SnapshotRedis, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    stopped_redis.delete(key)
    for _ in range(2):
        async with joined(stopped_redis) as one:
            loss = await read_loss(client, one)
            tenants = (await client.control(one, "GET", "/api/tenants")).json["tenants"]
            names = {each["name"] for each in tenants}
            if key == "documents":
                assert loss == "Redis had lost its documents, and no replica had them"
                assert names == {"demo"}
            else:
                assert names == {"demo", "t1", "t2"}
                assert await count_pins(client, one, "t1") == 1
                assert ("from the 5 documents that were there" in loss) == (key != "replicas")
            assert loss in caplog.text
            name = await client.tenant(one, world="empty")  # it takes changes again
            assert (await client.control(one, "DELETE", f"/api/tenants/{name}")).status == 204


async def test_what_was_lost_of_the_documents_is_said(
    stopped_redis: SnapshotRedis, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with stopped_redis.client(0) as server:
        assert server.hdel("callmocks:documents", "t1/tenant") == 1
    async with joined(stopped_redis) as one:
        tenants = (await client.control(one, "GET", "/api/tenants")).json["tenants"]
        assert {each["name"] for each in tenants} == {"demo", "t2"}
        loss = await read_loss(client, one)
        assert "without the tenants t1, whose settings were not" in loss
        assert loss in caplog.text


@pytest.mark.parametrize(
    ("key", "loss"),
    [
        ("changed", "rebuilt it as 3 from the 2 documents that were there"),
        ("documents", "Redis had lost some of its keys; change 2 of others went with them; "),
    ],
)
async def test_a_replica_that_is_behind_does_not_overwrite_newer_documents(
    key: str, loss: str, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of keys that were deleted, with the replica that had written last gone for good."""
    monkeypatch.setattr(following_store, "ALIVE_SECONDS", 0.3)
    async with running_schedule(0, client, 1) as there:
        (one,) = there.replicas
        await there.mend_all()
        there.cuts[0]()
        async with joined(there.redis) as other:
            await client.tenant(other, name="newer", world="empty")
        there.redis.delete(key)
        there.cuts[0](mend=True)
        await there.mend_all()
        names = {tenant.name for tenant in there.stores[0].registry}
        assert names == ({"demo", "newer"} if key == "changed" else {"demo"})
        assert loss in await read_loss(client, one)
        await there.check()


async def test_a_replica_that_is_behind_does_not_overwrite_what_was_just_restored(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(following_store, "ALIVE_SECONDS", 0.3)
    async with running_schedule(0, client, 1) as there:
        there.cuts[0]()
        async with joined(there.redis) as other:
            await client.tenant(other, name="newer", world="empty")
            flush(there.redis)
            async with asyncio.timeout(10):
                while "restored it as 3" not in await read_loss(client, other):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        there.redis.delete("writers")
        there.cuts[0](mend=True)
        await there.mend_all()
        assert {tenant.name for tenant in there.stores[0].registry} == {"demo", "newer"}
        assert caplog.text.count("rebuilt it as 4 from the 2 documents") == 1
        await there.check()


@asynccontextmanager
async def others_going_on(client: Client) -> AsyncIterator[Schedule]:
    """A replica is cut off from a Redis that lost its change, where another one made a tenant."""
    async with running_schedule(0, client, 1) as there:
        (one,) = there.replicas
        await client.tenant(one, name="mine", world="empty")
        there.cuts[0]()
        await there.restart()
        async with joined(there.redis) as other:
            await client.tenant(other, name="theirs", world="empty")
        yield there


async def test_changes_of_others_that_go_with_their_documents_are_said(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(version_vector, "MAX_WRITERS", 10)
    monkeypatch.setattr(following_store, "ALIVE_SECONDS", 0.3)
    async with others_going_on(client) as there:
        (one,) = there.replicas
        there.redis.delete("documents")
        there.cuts[0](mend=True)
        await there.mend_all()
        assert {tenant.name for tenant in there.stores[0].registry} == {"demo", "mine"}
        loss = await read_loss(client, one)
        assert "Redis had lost change 2; change 2 of others went with them; " in loss
        await there.check()


async def test_a_lost_tenant_whose_credential_was_taken_is_not_put_back(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(version_vector, "MAX_WRITERS", 10)
    async with running_schedule(0, client, 1) as there:
        (one,) = there.replicas
        same = {"world": "empty", "cdr": {"token": "the-same-token"}}
        await client.tenant(one, name="mine", **same)
        there.cuts[0]()
        await there.restart()
        async with joined(there.redis) as other:
            await client.tenant(other, name="theirs", **same)
        there.cuts[0](mend=True)
        await there.mend_all()
        assert {tenant.name for tenant in there.stores[0].registry} == {"demo", "theirs"}
        loss = await read_loss(client, one)
        assert loss.startswith("tenant mine cannot be put back: ")
        await there.check()


async def test_what_was_lost_before_keys_were_is_put_back(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(version_vector, "MAX_WRITERS", 10)
    async with others_going_on(client) as there:
        (one,) = there.replicas
        there.redis.delete("changed")
        async with joined(there.redis) as new:
            assert "from the 2 documents that were there" in await read_loss(client, new)
            there.cuts[0](mend=True)
            await there.mend_all()
        names = {tenant.name for tenant in there.stores[0].registry}
        assert names == {"demo", "mine", "theirs"}
        loss = await read_loss(client, one)
        assert "Redis had lost change 2, and others went on; " in loss
        await there.check()
