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
from callmocks.history.clock import read_stopwatch, unix_time
from callmocks.history.factory import HistoryFactory
from callmocks.history.generator import derive_key
from callmocks.replication import documents, transaction
from callmocks.replication.connection import RedisConnection
from callmocks.replication.document_cache import DocumentCache, get_state_key
from callmocks.replication.state import TTL_SECONDS, LocalState, RedisState
from callmocks.replication.store import DocumentStore, StoreVersion
from callmocks.replication.transaction import Transaction
from callmocks.tenants.registry import Registry
from callmocks.tenants.tenant_store import MutableTenant, ReplicationStatus, TenantDeleted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from callmocks.provider.base import Provider
    from callmocks.replication.documents import TenantSpec
    from callmocks.tenants.settings import TenantSettings
    from callmocks.tenants.tenant import Tenant

T = TypeVar("T")

HEARTBEAT_SECONDS = 0.25
"""Seconds between two questions whether there is news."""
ACKNOWLEDGE_SECONDS = 1.0
"""Seconds for which a writer waits for the other replicas."""
_MAX_ATTEMPTS = 100
"""Of a change that others are always faster than."""

log = logging.getLogger(__name__)


class Replica:
    """A replica's part in the store, between ``join`` and ``leave``."""

    def __init__(self, url: str, providers: Mapping[str, Provider]) -> None:
        self._connection = link = RedisConnection(url)
        self.registry = registry = Registry(
            HistoryFactory(), providers, lambda name: RedisState(link, name), LocalState(link)
        )
        self.replica_name = _make_replica_name()
        self._store = DocumentStore(link)
        self._cache = DocumentCache(registry)
        self._version = StoreVersion()
        self._lock = asyncio.Lock()
        """Held while memory goes from one version to another."""
        self._changed = asyncio.Event()
        self._listening = asyncio.Event()
        self._heard: dict[str, StoreVersion] = {}
        self._hearing = asyncio.Condition()
        self._silent: set[str] = set()
        """Replicas that were waited for in vain and not heard of since."""
        self._replicas = 0
        self._ttl_renewed_at = read_stopwatch()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def replication_status(self) -> ReplicationStatus:
        """With whom the tenants are shared."""
        problem = self._connection.problem or self._cache.problem
        if not problem and self._connection.is_stale:
            problem = str(self._connection.unreachable_error())
        return ReplicationStatus(self._connection.address, self._replicas, problem)

    async def start(self, default_tenant: TenantSettings, calls: Path | None = None) -> None:
        """Take part: load what is there, or begin with the tenant ``demo`` and its pinned calls.

        ``SettingsError`` when the store cannot be used, or replicas there serve another ``demo``.
        """
        birth = documents.make_spec(default_tenant, calls)
        try:
            asked = read_stopwatch()
            await self._load_documents(birth, calls)
            self._connection.mark_synced(asked)
            await self._match_default_tenant(birth, calls)
            steps = (self._subscribe, self._follow_changes, self._send_heartbeat)
            self._tasks = [asyncio.create_task(self._repeat_forever(step)) for step in steps]
            await asyncio.wait_for(self._listening.wait(), 2 * ACKNOWLEDGE_SECONDS)
            await self._send_heartbeat()  # from now on writers wait for this replica
        except (StateError, TimeoutError):
            problem = self._connection.problem or "it does not say what changes"
            raise SettingsError(f"--state: {self._connection.address}: {problem}") from None

    async def stop(self) -> None:
        """Take part no more. What is shared stays with the others, and in the store for a day."""
        running = set(self._tasks)
        while running:  # once is not always enough: libraries have been seen to lose it
            for task in running:
                task.cancel()
            _, running = await asyncio.wait(running, timeout=0.1)
        with suppress(StateError, TimeoutError):
            await asyncio.wait_for(
                self._store.remove_replica(self.replica_name), ACKNOWLEDGE_SECONDS / 2
            )
        await self._connection.close()

    # changes

    async def sync(self) -> None:
        """Come back when memory holds what others changed."""
        await self._connection.wait_synced()

    async def create(self, settings: TenantSettings) -> Tenant:
        """A new tenant, at all replicas."""
        birth = documents.make_spec(settings)
        return await self._run_transaction(
            lambda: transaction.create_transaction(self.registry, birth, self._version.number + 1)
        )

    async def update(self, tenant: Tenant, edit: Callable[[MutableTenant], T]) -> T:
        """Change a tenant at all replicas."""
        return await self._run_transaction(
            lambda: transaction.update_transaction(self._check_exists(tenant), edit)
        )

    async def reset(self, tenant: Tenant) -> None:
        """Bring a tenant's first state back, at all replicas."""
        parts, birth = self._cache.part_names, self._get_spec
        await self._run_transaction(
            lambda: transaction.reset_transaction(
                self._check_exists(tenant), birth(tenant.name), parts(tenant.name)
            )
        )

    async def delete(self, tenant: Tenant) -> None:
        """Take a tenant away, at all replicas."""
        await self._run_transaction(
            lambda: transaction.delete_transaction(
                self.registry, self._check_exists(tenant), self._cache.part_names(tenant.name)
            )
        )

    def _check_exists(self, tenant: Tenant) -> Tenant:
        if self.registry.get(tenant.name) is not tenant:
            raise TenantDeleted(f"tenant {tenant.name!r} was deleted")
        return tenant

    def _get_spec(self, name: str) -> TenantSpec:
        birth = self._cache.get_spec(name)
        assert birth is not None
        return birth

    async def _run_transaction(self, prepare: Callable[[], Transaction[T]]) -> T:
        """Write a change on top of all others, make it in memory, and wait for the replicas."""
        await self._connection.wait_synced()
        async with self._lock:
            for _ in range(_MAX_ATTEMPTS):
                planned = prepare()
                if not planned.documents:
                    return planned.result
                replicas = await self._commit_transaction(planned)
                if replicas is not None:
                    break
                await self._apply_remote_changes()
            else:
                raise StateError(f"others were faster {_MAX_ATTEMPTS} times; nothing was changed")
            written = self._version
        await self._wait_acknowledged(written, replicas)
        return planned.result

    async def _commit_transaction(self, transaction: Transaction[T]) -> frozenset[str] | None:
        """Write a plan and make it real; who has to hear of it, None when others were faster."""
        try:
            done = await self._store.commit_changes(
                self._version,
                transaction.written,
                transaction.deleted,
                transaction.state_keys_to_delete,
            )
        except StateError as error:
            transaction.rollback()
            raise StateError(f"{error}; it may have been changed all the same") from None
        except BaseException:
            transaction.rollback()
            raise
        if done is None:
            transaction.rollback()
            return None
        self._version = done.version
        self._cache.store_documents(transaction.tenant, transaction.documents)
        transaction.apply()
        return done.replicas

    async def _wait_acknowledged(self, version: StoreVersion, replicas: frozenset[str]) -> None:
        waited_for = replicas - {self.replica_name} - self._silent
        self._silent &= replicas
        self._heard = {name: at for name, at in self._heard.items() if name in replicas}

        def late() -> set[str]:
            return {name for name in waited_for if not _includes(self._heard.get(name), version)}

        if not late():
            return
        try:
            async with asyncio.timeout(ACKNOWLEDGE_SECONDS), self._hearing:
                await self._hearing.wait_for(lambda: not late())
        except TimeoutError:
            self._silent |= late()

    # following others

    async def _catch_up(self) -> None:
        async with self._lock:
            await self._apply_remote_changes()

    async def _apply_remote_changes(self) -> None:
        """Bring memory to the store's version, and say so; the lock is held."""
        before = self._version
        news = await self._store.read_changes(before)
        if news is None or (news.is_complete and news.version.number == 1):
            # Redis has lost everything; whoever has the latest version puts it back.
            await self._restore_store()
            news = await self._store.read_changes(self._version)
        if news is not None and news.version != self._version:
            self._cache.apply_changes(news)
            self._version = news.version
        if news is not None:
            self._connection.data_loss_count = news.data_loss_count
        if self._version != before:
            await self._store.acknowledge(self.replica_name, self._version)

    async def _restore_store(self) -> None:
        id, losses = _make_store_id(self.replica_name), self._connection.data_loss_count + 1
        if await self._store.create_store(id, self._cache.all_documents(), self._version, losses):
            self._version = StoreVersion(id, 1)

    async def _repeat_forever(self, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await step()
            except StateError:
                pass  # the link knows
            except Exception:
                log.exception("the shared state cannot be followed")
                self._connection.mark_failed("callmocks has a defect here; its log says more")
            await asyncio.sleep(HEARTBEAT_SECONDS)

    async def _send_heartbeat(self) -> None:
        """Say that this replica is there, and see whether it holds all there is."""
        asked = read_stopwatch()
        due = asked > self._ttl_renewed_at + TTL_SECONDS / 24
        kept = [get_state_key(tenant) for tenant in self.registry] if due else []
        beat = await self._store.record_heartbeat(self.replica_name, kept)
        if due:
            self._ttl_renewed_at = asked
        self._replicas = beat.replicas
        if beat.version != self._version:
            await self._catch_up()
        self._connection.mark_synced(asked)

    async def _subscribe(self) -> None:
        await self._connection.subscribe(self._store.channel, self._on_subscribed, self._on_message)

    def _on_subscribed(self) -> None:
        self._listening.set()
        self._changed.set()

    async def _on_message(self, text: str) -> None:
        word, *names, id, number = text.split()
        version = StoreVersion(id, int(number))
        if word == "change" and not _includes(self._version, version):
            self._changed.set()
        for name in names:
            self._silent.discard(name)
            async with self._hearing:
                self._heard[name] = version
                self._hearing.notify_all()

    async def _follow_changes(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._catch_up()

    # joining

    async def _load_documents(self, spec: TenantSpec, calls: Path | None) -> None:
        for _ in range(_MAX_ATTEMPTS):
            news = await self._store.read_changes(self._version)
            if news is not None:
                self._cache.apply_changes(news)
                if self._cache.problem:
                    raise SettingsError(
                        f"--state: {self._connection.address}: {self._cache.problem}"
                    )
                self._version, self._connection.data_loss_count = news.version, news.data_loss_count
                return
            first = transaction.create_transaction(self.registry, spec, 1, calls)
            id = _make_store_id(self.replica_name)
            if await self._store.create_store(id, first.written, StoreVersion(), 0):
                self._version = StoreVersion(id, 1)
                self._cache.store_documents(first.tenant, first.documents)
                first.apply()
                return
            first.rollback()
        raise StateError("others were always faster")

    async def _match_default_tenant(self, spec: TenantSpec, calls: Path | None) -> None:
        """Have a tenant ``demo`` of these settings, unless others serve another one."""
        name = spec.settings.name
        there = self._cache.get_spec(name)
        differences = [] if there is None else there.describe_differences(spec)
        if not differences:
            return
        if (await self._store.record_heartbeat("")).replicas:
            raise SettingsError(
                f"--state: replicas at {self._connection.address} serve the tenant {name} with "
                f"{', '.join(differences)}; start this one as they were"
            )
        tenant = self.registry.get(name)
        if tenant is not None:
            await self.delete(tenant)
        await self._run_transaction(
            lambda: transaction.create_transaction(
                self.registry, spec, self._version.number + 1, calls
            )
        )


def _includes(held: StoreVersion | None, version: StoreVersion) -> bool:
    return held is not None and held.id == version.id and held.number >= version.number


def _make_replica_name() -> str:
    """A name that nobody else has, and that people can find the replica by."""
    host = socket.gethostname().partition(".")[0] or "replica"
    return f"{host}-{os.getpid()}-{derive_key(host, os.getpid(), unix_time()).hex()[:4]}"


def _make_store_id(name: str) -> str:
    return derive_key("store", name, unix_time()).hex()
