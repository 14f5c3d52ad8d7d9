"""Redis comes back from a snapshot, loses keys, is killed, is cut off: in seeded random orders.

Replicas run in this process, each behind a connection that can be cut; Redis is a real process. In
the end all replicas hold the same as the store, every tenant that was acknowledged is there or was
deleted, no token was given twice, and what was lost was said.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from callmocks.config.settings import ServeSettings
from callmocks.errors import SettingsError
from callmocks.replication.documents import SPEC_KEY
from callmocks.replication.replica import Replica
from callmocks.replication.store import make_stamp
from callmocks.server.mock_server import MockServer
from tests.replicas.conftest import NOW, PORTS, Client, RedisServer, ReplicaProcess
from tests.replicas.test_outage import cuttable_proxy

STEPS, REPLICAS = 14, 3
KEYS = ("documents", "changed", "gone", "writers", "replicas")
QUICK = (1, 2, 3)
CONCURRENT_SCHEDULES = 3
FREE_PORTS: dict[str, Any] = dict.fromkeys((f"{name}_port" for name in PORTS), 0)


class SnapshotRedis(RedisServer):
    """A Redis that keeps what it wrote at its last snapshot, and nothing since."""

    def snapshot(self) -> None:
        with self.client(0) as client:
            client.save()

    def kill(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def delete(self, key: str) -> None:
        with self.client(0) as client:
            client.delete(f"callmocks:{key}")


@dataclass
class Schedule:
    """One run: what it does next is drawn, what was answered is remembered."""

    seed: int
    redis: SnapshotRedis
    client: Client
    replicas: list[ReplicaProcess]
    stores: list[Replica]
    cuts: list[Any]
    created: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)
    tokens: list[str] = field(default_factory=list)
    first_store: str = ""
    done: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.first_store = self.stores[0].version.id

    async def run(self) -> None:
        steps = [self.create] * 5 + [self.log_in] * 3 + [self.change, self.delete]
        steps += [self.snapshot, self.snapshot, self.restart, self.restart, self.kill]
        steps += [self.cut, self.mend, self.mend, self.delete_key]
        for _ in range(STEPS):
            step = self.random.choice(steps)
            self.done.append(step.__name__)
            await step()
        self.done.append("end")
        await self.mend_all()

    def pick(self) -> int:
        return self.random.randrange(len(self.replicas))

    async def create(self) -> None:
        name, index = f"t{self.seed}-{len(self.done)}", self.pick()
        body = {"name": name, "world": "empty"}
        answer = await self.client.control(self.replicas[index], "POST", "/api/tenants", body)
        assert answer.status in (201, 503), answer
        if answer.status == 201:
            self.created.add(name)
            self.done[-1] += f" {name} at {index}"

    async def delete(self) -> None:
        for name in self.random.sample(sorted(self.created), min(1, len(self.created))):
            self.deleted.add(name)  # whatever is answered: it may be gone
            await self.client.control(self.replicas[self.pick()], "DELETE", f"/api/tenants/{name}")
            self.done[-1] += f" {name}"

    async def change(self) -> None:
        fault = {"provider": "onec", "fault": "status", "params": {"status": 418}}
        path = f"/api/tenants/{self.random.choice(['demo', *sorted(self.created)])}/faults"
        await self.client.control(self.replicas[self.pick()], "POST", path, fault)

    async def log_in(self) -> None:
        answer = await self.client.rpc(
            self.replicas[self.pick()], "login.user", login="demo", password="demo"
        )
        if isinstance(answer, dict):
            self.tokens.append(answer["data"]["access_token"])

    async def snapshot(self) -> None:
        if self.redis.is_running:
            await asyncio.to_thread(self.redis.snapshot)

    async def kill(self) -> None:
        if self.redis.is_running:
            await asyncio.to_thread(self.redis.kill)

    async def restart(self) -> None:
        await self.kill()
        await asyncio.to_thread(self.redis.start)
        await asyncio.sleep(self.random.choice([0, 0, 0.3]))

    async def cut(self) -> None:
        self.cuts[index := self.pick()]()
        self.done[-1] += f" {index}"

    async def mend(self) -> None:
        self.cuts[index := self.pick()](mend=True)
        self.done[-1] += f" {index}"
        await asyncio.sleep(self.random.choice([0, 0.3]))

    async def delete_key(self) -> None:
        if self.redis.is_running:
            key = self.random.choice(KEYS)
            await asyncio.to_thread(self.redis.delete, key)
            self.done[-1] += f" {key}"

    async def mend_all(self) -> None:
        if not self.redis.is_running:
            await asyncio.to_thread(self.redis.start)
        for cut in self.cuts:
            cut(mend=True)
        async with asyncio.timeout(20):
            while not await self.is_settled():  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def is_settled(self) -> bool:
        """All are healthy and at the same version, and nothing is left to put back."""
        for replica in self.replicas:
            if (await self.client.control(replica, "GET", "/health")).status != 200:
                return False
        beat = await self.stores[0]._store.record_heartbeat("")
        versions = {beat.version, *(each.version for each in self.stores)}
        left = any(each._lost_tenants for each in self.stores)
        return beat.is_whole and len(versions) == 1 and not left

    async def check(self) -> None:
        held = [each._cache.all_documents() for each in self.stores]
        with self.redis.client(0) as client:
            fields = {key.decode(): v for key, v in client.hgetall("callmocks:documents").items()}
        stored = {key: document for key, document in fields.items() if "/" in key}
        assert held == [stored] * len(held)
        names = [{tenant.name for tenant in each.registry} for each in self.stores]
        assert names == [names[0]] * len(names)
        assert self.created - self.deleted <= names[0]
        assert len(set(self.tokens)) == len(self.tokens)
        for replica in self.replicas:
            health = await self.client.control(replica, "GET", "/health")
            said = health.json["replica"]["last_loss"]
            assert said or self.stores[0].version.id == self.first_store


@asynccontextmanager
async def running_schedule(
    seed: int, client: Client, number: int = REPLICAS
) -> AsyncIterator[Schedule]:
    with tempfile.TemporaryDirectory() as folder:
        redis = SnapshotRedis(Path(folder))
        redis.start()
        try:
            async with AsyncExitStack() as stack:
                replicas, stores, cuts = [], [], []
                for _ in range(number):
                    cut = await stack.enter_async_context(cuttable_proxy(redis.port))
                    url = f"redis://127.0.0.1:{cut.port}/0"
                    settings = ServeSettings(state=url, now=NOW, world="empty", **FREE_PORTS)
                    server = await stack.enter_async_context(MockServer(settings))
                    assert server._replica is not None
                    replicas.append(ReplicaProcess(None, server.urls))  # type: ignore[arg-type]
                    stores.append(server._replica)
                    cuts.append(cut)
                redis.snapshot()
                yield Schedule(seed, redis, client, replicas, stores, cuts)
        finally:
            with suppress(ProcessLookupError):
                redis.stop()


async def run_schedule(seed: int, client: Client) -> None:
    async with running_schedule(seed, client) as schedule:
        try:
            await schedule.run()
            await schedule.check()
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
async def test_replicas_agree_after_whatever_befell_redis(seed: int, client: Client) -> None:
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
