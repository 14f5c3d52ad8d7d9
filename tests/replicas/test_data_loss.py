"""Redis comes back from a snapshot, loses keys, is killed, is cut off: in seeded random orders.

Replicas run in this process, each behind a connection that can be cut; Redis is a real process. In
the end all replicas hold the same as the store, every tenant that was acknowledged is there or was
deleted, no token was given twice, and what was lost was said. Of all else (pinned calls, clocks,
deletions) nothing that was acknowledged is lost unless others went on without it.
"""

from __future__ import annotations

import asyncio
import os
import random
from typing import Any

import pytest

from callmocks.config.settings import ServeSettings
from callmocks.errors import SettingsError
from callmocks.replication import version_vector
from callmocks.replication.documents import SPEC_KEY
from callmocks.replication.store import make_stamp
from callmocks.server.mock_server import MockServer
from tests.replicas.conftest import NOW, Client, ReplicaProcess
from tests.replicas.schedules import FREE_PORTS, running_schedule

QUICK = (1, 2, 3)
CONCURRENT_SCHEDULES = 3


async def run_schedule(seed: int, client: Client) -> None:
    async with running_schedule(seed, client) as schedule:
        try:
            await schedule.run()
            await schedule.check()
            await schedule.check_changes()
        except BaseException:
            print(f"seed {seed}: {'; '.join(schedule.done)}")
            print([(each.version, each.replication_status) for each in schedule.stores])
            raise


async def test_what_a_snapshot_lacks_is_restored_and_said(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_schedule(0, client) as there:
        one, two, three = there.replicas
        for _ in range(3):
            await there.log_in()
        there.redis.snapshot()
        path = "/api/tenants/after"
        await client.tenant(one, name="after", seed=5, world="empty")
        made = await client.control(two, "POST", f"{path}/calls", {"start": NOW})
        assert made.status == 201
        for _ in range(3):
            await there.log_in()
        await asyncio.sleep(0.1)
        await there.restart()
        await there.mend_all()
        for replica in (one, two, three):
            assert (await client.control(replica, "GET", f"{path}/calls")).json["calls"]
            health = (await client.control(replica, "GET", "/health")).json
            assert health["status"] == "ok"
            assert "Redis had lost changes 2 to 3; " in health["replica"]["last_loss"]
        assert "Redis had lost changes 2 to 3; " in caplog.text
        for _ in range(6):
            await there.log_in()
        await there.check()
        assert len(there.tokens) == 12


async def test_what_others_wrote_after_a_loss_stays_and_lost_tenants_are_put_back(
    client: Client,
) -> None:
    async with running_schedule(0, client) as there:
        one, two, _ = there.replicas
        there.cuts[1]()
        there.cuts[2]()
        await client.tenant(one, name="seen-by-one", world="empty")
        there.cuts[0]()
        await there.restart()
        there.cuts[1](mend=True)
        await client.wait_healthy(two)
        await client.tenant(two, name="seen-by-two", world="empty")
        await there.mend_all()
        for store in there.stores:
            assert {tenant.name for tenant in store.registry} == {
                "demo",
                "seen-by-one",
                "seen-by-two",
            }
        health = (await client.control(one, "GET", "/health")).json
        assert "Redis had lost change 2, and others went on" in health["replica"]["last_loss"]
        await there.check()


async def test_a_replica_that_starts_while_keys_are_missing_is_ready_when_they_are_restored(
    client: Client,
) -> None:
    async with running_schedule(0, client) as there:
        await client.tenant(there.replicas[0], name="listed", world="empty")
        there.redis.delete("documents")
        settings = ServeSettings(state=there.redis.url, now=NOW, world="empty", **FREE_PORTS)
        async with MockServer(settings) as late:
            assert late.registry.get("listed") is not None
        await there.mend_all()
        await there.check()


async def test_a_replica_without_a_tenant_that_the_store_lists_is_not_ready(
    client: Client,
) -> None:
    """As when a newer version wrote it: what it needs cannot be read here."""
    async with running_schedule(0, client) as there:
        writer = there.stores[0]
        for document, told in (
            (b"{}", "tenant newer cannot be followed: Object missing required field"),
            (None, "tenant newer is missing here"),
        ):
            written = {"newer/faults": b"[]"} | (
                {} if document is None else {f"newer/{SPEC_KEY}": document}
            )
            base = writer.version
            assert await writer._store.commit_changes(base, base.make_next(make_stamp()), written)
            for replica in there.replicas:
                health = await wait_for_status(client, replica, 503)
                assert health["status"] == "degraded"
                assert health["replica"]["problem"].startswith(told)
            assert (await client.rpc(there.replicas[0], "get.account", access_token="demo-token"))[
                "data"
            ]  # what it has is served on
            settings = ServeSettings(state=there.redis.url, now=NOW, world="empty", **FREE_PORTS)
            with pytest.raises(SettingsError, match=f"--state: .*: {told}"):
                async with MockServer(settings):
                    pass
            base = writer.version
            assert await writer._store.commit_changes(
                base, base.make_next(make_stamp()), {}, written
            )
            for replica in there.replicas:
                await wait_for_status(client, replica, 200)


async def wait_for_status(client: Client, replica: ReplicaProcess, status: int) -> Any:
    async with asyncio.timeout(20):
        while (health := await client.control(replica, "GET", "/health")).status != status:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return health.json


@pytest.mark.parametrize("seed", QUICK)
async def test_replicas_agree_after_whatever_befell_redis(
    seed: int, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(version_vector, "MAX_WRITERS", 2)
    await run_schedule(seed, client)


@pytest.mark.slow
async def test_replicas_agree_after_a_hundred_random_schedules(client: Client) -> None:
    first = int(os.environ.get("CALLMOCKS_TEST_SEED", random.randrange(10**6)))
    print(f"the first of a hundred seeds: {first}")
    free = asyncio.Semaphore(CONCURRENT_SCHEDULES)  # half of their time they wait

    async def run_when_free(seed: int) -> None:
        async with free:
            await run_schedule(seed, client)

    async with asyncio.timeout(500), asyncio.TaskGroup() as schedules:
        for seed in range(first, first + 100):
            schedules.create_task(run_when_free(seed))
