"""Seeded random orders of what befalls replicas and their Redis, and what must hold in the end."""

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

from callmocks.config.settings import ServeSettings
from callmocks.errors import SettingsError
from callmocks.replication.replica import Replica
from callmocks.server.mock_server import MockServer
from tests.replicas.conftest import NOW, PORTS, Client, RedisServer, ReplicaProcess
from tests.replicas.test_outage import cuttable_proxy

STEPS, REPLICAS = 18, 3
KEYS = ("documents", "changed", "gone", "writers", "replicas")
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

    def flush(self) -> None:
        with self.client(0) as client:
            client.flushall()


@dataclass
class Schedule:
    """One run: what it does next is drawn, what was answered is remembered."""

    seed: int
    redis: SnapshotRedis
    client: Client
    cuts: list[Any]
    servers: dict[int, MockServer] = field(default_factory=dict)  # of those cuts
    created: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)  # perhaps
    certainly_deleted: set[str] = field(default_factory=set)
    pinned: list[tuple[str, Any]] = field(default_factory=list)
    clocks: dict[str, set[str]] = field(default_factory=dict)  # what each may show
    tokens: list[str] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)
    first_store: str = ""
    done: list[str] = field(default_factory=lambda: ["start"])

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    @property
    def replicas(self) -> list[ReplicaProcess]:
        return [ReplicaProcess(None, each.urls) for each in self.servers.values()]  # type: ignore[arg-type]

    @property
    def stores(self) -> list[Replica]:
        return [each._replica for each in self.servers.values() if each._replica is not None]

    async def run(self) -> None:
        steps = [self.create] * 4 + [self.log_in] * 2 + [self.pin] * 2 + [self.move_clock] * 2
        steps += [self.change, self.delete, self.delete, self.snapshot, self.snapshot]
        steps += [self.restart, self.restart, self.kill, self.flush, self.delete_key]
        steps += [self.cut, self.cut, self.mend, self.mend, self.stop_replica, self.start_replica]
        for _ in range(STEPS):
            step = self.random.choice(steps)
            self.done.append(step.__name__)
            await step()
        self.done.append("end")
        await self.mend_all()

    async def start_server(self, place: int) -> None:
        url = f"redis://127.0.0.1:{self.cuts[place].port}/0"
        server = MockServer(ServeSettings(state=url, now=NOW, world="empty", **FREE_PORTS))
        await server.start()
        self.servers[place] = server
        (store,) = (each for each in self.stores if each is server._replica)
        self.losses.append(store.replication_status.last_loss)
        report = store._report_loss

        def keep_loss(text: str) -> None:
            self.losses.append(text)
            report(text)

        setattr(store, "_report_loss", keep_loss)  # noqa: B010
        self.first_store = self.first_store or store.version.id

    async def start_all(self) -> None:
        async with asyncio.timeout(60):
            while len(self.servers) < len(self.cuts):
                with suppress(SettingsError):  # Redis is asked for a second, while others start
                    await self.start_server(len(self.servers))

    async def stop_all(self) -> None:
        for server in self.servers.values():
            await server.stop()

    async def start_replica(self) -> None:
        for place in range(len(self.cuts)):
            if place not in self.servers:
                self.cuts[place](mend=True)
                with suppress(SettingsError):  # no Redis
                    await self.start_server(place)

    async def stop_replica(self) -> None:
        """One whose changes another has: what nobody has cannot be restored."""
        place = self.random.choice(sorted(self.servers))
        number, stamp = (mine := self.servers[place]._replica).version[1:]  # type: ignore[union-attr]
        others = (each for each in self.stores if each is not mine)
        if any(each._vector.includes(number, stamp) for each in others):
            self.done[-1] += f" {place}"
            await self.servers.pop(place).stop()

    def pick(self) -> ReplicaProcess:
        place = self.random.choice(sorted(self.servers))
        self.done[-1] += f" at {place}"
        return ReplicaProcess(None, self.servers[place].urls)  # type: ignore[arg-type]

    def pick_tenant(self) -> str:
        return self.random.choice(["demo", *sorted(self.created - self.deleted)])

    async def create(self) -> None:
        name = f"t{self.seed}-{len(self.done)}"
        body = {"name": name, "world": "empty"}
        answer = await self.client.control(self.pick(), "POST", "/api/tenants", body)
        assert answer.status in (201, 503), answer
        self.done[-1] += f" {name} {answer.status}"
        if answer.status == 201:
            self.created.add(name)

    async def delete(self) -> None:
        for name in self.random.sample(sorted(self.created), min(1, len(self.created))):
            self.deleted.add(name)  # whatever is answered: it may be gone
            answer = await self.client.control(self.pick(), "DELETE", f"/api/tenants/{name}")
            self.done[-1] += f" {name} {answer.status}"
            if answer.status == 204:
                self.certainly_deleted.add(name)

    async def change(self) -> None:
        fault = {"provider": "onec", "fault": "status", "params": {"status": 418}}
        path = f"/api/tenants/{self.pick_tenant()}/faults"
        await self.client.control(self.pick(), "POST", path, fault)

    async def pin(self) -> None:
        tenant, minute = self.pick_tenant(), len(self.done)
        call = {"start": f"2026-03-02T10:{minute:02}:00", "answered": False}
        path = f"/api/tenants/{tenant}/calls"
        answer = await self.client.control(self.pick(), "POST", path, call)
        self.done[-1] += f" {tenant} {answer.status}"
        if answer.status == 201:
            self.pinned.append((tenant, answer.json))

    async def move_clock(self) -> None:
        tenant = self.pick_tenant()
        path = f"/api/tenants/{tenant}/clock"
        for _ in range(self.random.choice([1, 6])):
            now = f"2026-03-02T13:{self.random.randrange(60):02}:00"
            answer = await self.client.control(self.pick(), "PUT", path, {"now": now})
            possible = set() if answer.status == 200 else self.clocks.get(tenant, {NOW})
            self.clocks[tenant] = possible | {now}
        self.done[-1] += f" {tenant} {answer.status}"

    async def log_in(self) -> None:
        answer = await self.client.rpc(self.pick(), "login.user", login="demo", password="demo")
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

    async def flush(self) -> None:
        if self.redis.is_running:
            await asyncio.to_thread(self.redis.flush)

    async def cut(self) -> None:
        self.cuts[index := self.random.randrange(len(self.cuts))]()
        self.done[-1] += f" {index}"

    async def mend(self) -> None:
        self.cuts[index := self.random.randrange(len(self.cuts))](mend=True)
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
        await self.start_replica()
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

    async def check_changes(self) -> None:
        """Unless others went on, all is there that the steps did."""
        if any("others went on" in each for each in self.losses):
            return
        names = {tenant.name for tenant in self.stores[0].registry}
        assert not names & self.certainly_deleted
        one = self.replicas[0]
        for tenant in names:
            path = f"/api/tenants/{tenant}"
            shown = (await self.client.control(one, "GET", f"{path}/clock")).json["now"]
            assert shown in self.clocks.get(tenant, {NOW}), tenant
            calls = (await self.client.control(one, "GET", f"{path}/calls")).json["calls"]
            assert all(pin in calls for owner, pin in self.pinned if owner == tenant), tenant


@asynccontextmanager
async def running_schedule(
    seed: int, client: Client, number: int = REPLICAS
) -> AsyncIterator[Schedule]:
    with tempfile.TemporaryDirectory() as folder:
        redis = SnapshotRedis(Path(folder))
        redis.start()
        try:
            async with AsyncExitStack() as stack:
                proxies = [cuttable_proxy(redis.port) for _ in range(number)]
                cuts = [await stack.enter_async_context(proxy) for proxy in proxies]
                schedule = Schedule(seed, redis, client, cuts)
                stack.push_async_callback(schedule.stop_all)
                await schedule.start_all()
                redis.snapshot()
                yield schedule
        finally:
            with suppress(ProcessLookupError):
                redis.stop()
