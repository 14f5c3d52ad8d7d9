"""One of several replicas of a suite: what one changes, all have.

::

    create, change, … ── plan ── store.commit ──▶ Redis ── "change" ──▶ every replica: catch up
                          │   refused: catch up,    │                        │
                          │   plan again            ▼                        ▼
                          └──────────────────▶ make it real           "heard", said to the
                                                    └── wait for ────── writer on that channel

A change is answered when all replicas that are there have heard of it. One that does not say so is
waited for a second; by then it knows that it is out of touch, and answers nothing but errors until
it has caught up (``link.LEASE``).
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from callmocks.errors import SettingsError, StateError
from callmocks.history.clock import machine_time, stopwatch
from callmocks.history.factory import HistoryFactory
from callmocks.history.generator import derive_key
from callmocks.replication import documents, transaction
from callmocks.replication.connection import Link
from callmocks.replication.document_cache import Books, state_key
from callmocks.replication.state import TTL, RedisState, Unshared
from callmocks.replication.store import Store, Version
from callmocks.replication.transaction import Plan
from callmocks.tenants.registry import Registry
from callmocks.tenants.tenant_store import Changing, Gone, Sharing

if TYPE_CHECKING:
    from pathlib import Path

    from callmocks.replication.documents import Birth
    from callmocks.tenants.settings import TenantSettings
    from callmocks.tenants.tenant import Tenant

T = TypeVar("T")

BEAT = 0.25
"""Seconds between two questions whether there is news."""
WAIT = 1.0
"""Seconds for which a writer waits for the other replicas."""
_TRIES = 100
"""Of a change that others are always faster than."""

log = logging.getLogger(__name__)


class Replica:
    """A replica's part in the store, between ``join`` and ``leave``."""

    def __init__(self, url: str) -> None:
        self._link = link = Link(url)
        self.registry = registry = Registry(
            HistoryFactory(), lambda name: RedisState(link, name), Unshared(link)
        )
        self.replica = _name()
        self._store = Store(link)
        self._books = Books(registry)
        self._version = Version()
        self._lock = asyncio.Lock()
        """Held while memory goes from one version to another."""
        self._news = asyncio.Event()
        self._listening = asyncio.Event()
        self._heard: dict[str, Version] = {}
        self._hearing = asyncio.Condition()
        self._silent: set[str] = set()
        """Replicas that were waited for in vain and not heard of since."""
        self._replicas = 0
        self._kept_at = stopwatch()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def sharing(self) -> Sharing:
        """With whom the tenants are shared."""
        problem = self._link.problem or self._books.problem
        if not problem and self._link.out_of_touch:
            problem = str(self._link.error())
        return Sharing(self._link.place, self._replicas, problem)

    async def join(self, demo: TenantSettings, calls: Path | None = None) -> None:
        """Take part: load what is there, or begin with the tenant ``demo`` and its pinned calls.

        ``SettingsError`` when the store cannot be used, or replicas there serve another ``demo``.
        """
        birth = documents.birth(demo, calls)
        try:
            asked = stopwatch()
            await self._load(birth, calls)
            self._link.touch(asked)
            await self._agree(birth, calls)
            steps = (self._listen, self._follow_news, self._beat)
            self._tasks = [asyncio.create_task(self._forever(step)) for step in steps]
            await asyncio.wait_for(self._listening.wait(), 2 * WAIT)
            await self._beat()  # from now on writers wait for this replica
        except (StateError, TimeoutError):
            problem = self._link.problem or "it does not say what changes"
            raise SettingsError(f"--state: {self._link.place}: {problem}") from None

    async def leave(self) -> None:
        """Take part no more. What is shared stays with the others, and in the store for a day."""
        running = set(self._tasks)
        while running:  # once is not always enough: libraries have been seen to lose it
            for task in running:
                task.cancel()
            _, running = await asyncio.wait(running, timeout=0.1)
        with suppress(StateError, TimeoutError):
            await asyncio.wait_for(self._store.leave(self.replica), WAIT / 2)
        await self._link.close()

    # changes

    async def ready(self) -> None:
        """Come back when memory holds what others changed."""
        await self._link.refresh()

    async def create(self, settings: TenantSettings) -> Tenant:
        """A new tenant, at all replicas."""
        birth = documents.birth(settings)
        return await self._write(
            lambda: transaction.making(self.registry, birth, self._version.number + 1)
        )

    async def change(self, tenant: Tenant, make: Callable[[Changing], T]) -> T:
        """Change a tenant at all replicas."""
        return await self._write(lambda: transaction.changing(self._present(tenant), make))

    async def reset(self, tenant: Tenant) -> None:
        """Bring a tenant's first state back, at all replicas."""
        parts, birth = self._books.parts, self._birth
        await self._write(
            lambda: transaction.resetting(
                self._present(tenant), birth(tenant.name), parts(tenant.name)
            )
        )

    async def delete(self, tenant: Tenant) -> None:
        """Take a tenant away, at all replicas."""
        await self._write(
            lambda: transaction.deleting(
                self.registry, self._present(tenant), self._books.parts(tenant.name)
            )
        )

    def _present(self, tenant: Tenant) -> Tenant:
        if self.registry.get(tenant.name) is not tenant:
            raise Gone(f"tenant {tenant.name!r} was deleted")
        return tenant

    def _birth(self, name: str) -> Birth:
        birth = self._books.birth(name)
        assert birth is not None
        return birth

    async def _write(self, make: Callable[[], Plan[T]]) -> T:
        """Write a change on top of all others, make it in memory, and wait for the replicas."""
        await self._link.refresh()
        async with self._lock:
            for _ in range(_TRIES):
                planned = make()
                if not planned.parts:
                    return planned.result
                replicas = await self._commit(planned)
                if replicas is not None:
                    break
                await self._follow()
            else:
                raise StateError(f"others were faster {_TRIES} times; nothing was changed")
            written = self._version
        await self._all_heard(written, replicas)
        return planned.result

    async def _commit(self, planned: Plan[T]) -> frozenset[str] | None:
        """Write a plan and make it real; who has to hear of it, None when others were faster."""
        try:
            done = await self._store.commit(
                self._version, planned.written, planned.deleted, planned.forgotten
            )
        except StateError as error:
            planned.give_up()
            raise StateError(f"{error}; it may have been changed all the same") from None
        except BaseException:
            planned.give_up()
            raise
        if done is None:
            planned.give_up()
            return None
        self._version = done.version
        self._books.note(planned.name, planned.parts)
        planned.make_real()
        return done.replicas

    async def _all_heard(self, version: Version, replicas: frozenset[str]) -> None:
        waited_for = replicas - {self.replica} - self._silent
        self._silent &= replicas
        self._heard = {name: at for name, at in self._heard.items() if name in replicas}

        def late() -> set[str]:
            return {name for name in waited_for if not _is_at(self._heard.get(name), version)}

        if not late():
            return
        try:
            async with asyncio.timeout(WAIT), self._hearing:
                await self._hearing.wait_for(lambda: not late())
        except TimeoutError:
            self._silent |= late()

    # following others

    async def _catch_up(self) -> None:
        async with self._lock:
            await self._follow()

    async def _follow(self) -> None:
        """Bring memory to the store's version, and say so; the lock is held."""
        before = self._version
        news = await self._store.changes(before)
        if news is None or (news.whole and news.version.number == 1):
            # Redis has lost everything; whoever has the latest version puts it back.
            await self._restore()
            news = await self._store.changes(self._version)
        if news is not None and news.version != self._version:
            self._books.take(news)
            self._version = news.version
        if news is not None:
            self._link.losses = news.losses
        if self._version != before:
            await self._store.heard(self.replica, self._version)

    async def _restore(self) -> None:
        id, losses = _new_id(self.replica), self._link.losses + 1
        if await self._store.found(id, self._books.everything(), self._version, losses):
            self._version = Version(id, 1)

    async def _forever(self, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await step()
            except StateError:
                pass  # the link knows
            except Exception:
                log.exception("the shared state cannot be followed")
                self._link.fail("callmocks has a defect here; its log says more")
            await asyncio.sleep(BEAT)

    async def _beat(self) -> None:
        """Say that this replica is there, and see whether it holds all there is."""
        asked = stopwatch()
        due = asked > self._kept_at + TTL / 24
        kept = [state_key(tenant) for tenant in self.registry] if due else []
        beat = await self._store.beat(self.replica, kept)
        if due:
            self._kept_at = asked
        self._replicas = beat.replicas
        if beat.version != self._version:
            await self._catch_up()
        self._link.touch(asked)

    async def _listen(self) -> None:
        await self._link.listen(self._store.channel, self._begin_to_listen, self._hear)

    def _begin_to_listen(self) -> None:
        self._listening.set()
        self._news.set()

    async def _hear(self, said: str) -> None:
        word, *names, id, number = said.split()
        version = Version(id, int(number))
        if word == "change" and not _is_at(self._version, version):
            self._news.set()
        for name in names:
            self._silent.discard(name)
            async with self._hearing:
                self._heard[name] = version
                self._hearing.notify_all()

    async def _follow_news(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            await self._catch_up()

    # joining

    async def _load(self, birth: Birth, calls: Path | None) -> None:
        for _ in range(_TRIES):
            news = await self._store.changes(self._version)
            if news is not None:
                self._books.take(news)
                if self._books.problem:
                    raise SettingsError(f"--state: {self._link.place}: {self._books.problem}")
                self._version, self._link.losses = news.version, news.losses
                return
            first = transaction.making(self.registry, birth, 1, calls)
            id = _new_id(self.replica)
            if await self._store.found(id, first.written, Version(), 0):
                self._version = Version(id, 1)
                self._books.note(first.name, first.parts)
                first.make_real()
                return
            first.give_up()
        raise StateError("others were always faster")

    async def _agree(self, birth: Birth, calls: Path | None) -> None:
        """Have a tenant ``demo`` of these settings, unless others serve another one."""
        name = birth.settings.name
        there = self._books.birth(name)
        differences = [] if there is None else there.differences(birth)
        if not differences:
            return
        if (await self._store.beat("")).replicas:
            raise SettingsError(
                f"--state: replicas at {self._link.place} serve the tenant {name} with "
                f"{', '.join(differences)}; start this one as they were"
            )
        tenant = self.registry.get(name)
        if tenant is not None:
            await self.delete(tenant)
        await self._write(
            lambda: transaction.making(self.registry, birth, self._version.number + 1, calls)
        )


def _is_at(held: Version | None, version: Version) -> bool:
    return held is not None and held.id == version.id and held.number >= version.number


def _name() -> str:
    """A name that nobody else has, and that people can find the replica by."""
    host = socket.gethostname().partition(".")[0] or "replica"
    return f"{host}-{os.getpid()}-{derive_key(host, os.getpid(), machine_time()).hex()[:4]}"


def _new_id(name: str) -> str:
    return derive_key("store", name, machine_time()).hex()
