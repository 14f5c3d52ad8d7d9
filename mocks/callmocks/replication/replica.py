"""One of several replicas of a suite: what one changes, all have.

A request compares the version that memory has with the store's in the step that reads or changes
its tenant's state (``state.py``), so a change is answered when Redis has it: a replica that does
not have it yet catches up and runs the request again. The published version is for what waits
without a request, such as streams of a deleted tenant.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from callmocks.errors import SettingsError, StateError
from callmocks.history.clock import read_stopwatch, unix_time
from callmocks.history.factory import HistoryFactory
from callmocks.history.generator import derive_key
from callmocks.replication import documents
from callmocks.replication.connection import RedisConnection
from callmocks.replication.document_cache import DocumentCache, get_state
from callmocks.replication.documents import TenantSpec
from callmocks.replication.state import TTL_SECONDS, RedisState
from callmocks.replication.store import DocumentStore, StoreVersion
from callmocks.replication.transaction import (
    Transaction,
    create_transaction,
    delete_transaction,
    reset_transaction,
    update_transaction,
)
from callmocks.tenants.registry import Registry
from callmocks.tenants.settings import TenantSettings
from callmocks.tenants.tenant import Tenant
from callmocks.tenants.tenant_store import (
    MutableTenant,
    ReplicationStatus,
    TenantDeleted,
    TenantStore,
)

if TYPE_CHECKING:
    from callmocks.provider.base import Provider

T = TypeVar("T")

HEARTBEAT_SECONDS = 0.25
_STOP_SECONDS = 0.5
_MAX_ATTEMPTS = 100  # of a change while other replicas are always faster

log = logging.getLogger(__name__)


class Replica(TenantStore):
    def __init__(self, url: str, providers: Mapping[str, Provider]) -> None:
        self.connection = RedisConnection(url)
        super().__init__(Registry(HistoryFactory(), providers, lambda name: RedisState(self, name)))
        host, number = socket.gethostname().partition(".")[0] or "replica", os.getpid()
        self.replica_name = f"{host}-{number}-{derive_key(host, number, unix_time()).hex()[:4]}"
        self.version = StoreVersion()  # what the tenants in memory are at
        self.data_loss_count = 0
        self._store = DocumentStore(self.connection)
        self._cache = DocumentCache(self.registry)
        self._lock = asyncio.Lock()  # held while memory goes from one version to another
        self._replicas = 0
        self._ttl_renewed_at = read_stopwatch()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def replication_status(self) -> ReplicationStatus:
        problem = self.connection.problem or self._cache.problem
        return ReplicationStatus(self.connection.address, self._replicas, problem)

    async def start(self, default_tenant: TenantSettings, calls: Path | None = None) -> None:
        """Load what is there, or begin with the default tenant and its pinned calls.

        ``SettingsError`` when the store cannot be used, or other replicas have another default
        tenant.
        """
        spec = documents.make_spec(default_tenant, calls)
        try:
            await self._load_documents(spec, calls)
            await self._match_default_tenant(spec, calls)
            await self._send_heartbeat()
        except StateError as error:
            raise self._settings_error(self.connection.problem or str(error)) from None
        steps = (self._send_heartbeat, self._subscribe)
        self._tasks = [asyncio.create_task(self._repeat_forever(step)) for step in steps]

    async def stop(self) -> None:
        """Leave. What is shared stays with the others, and in the store for a day."""
        running = set(self._tasks)
        while running:  # repeatedly: some library code swallows CancelledError
            for task in running:
                task.cancel()
            _, running = await asyncio.wait(running, timeout=0.1)
        with suppress(StateError, TimeoutError):
            await asyncio.wait_for(self._store.remove_replica(self.replica_name), _STOP_SECONDS)
        await self.connection.close()

    # changes

    async def sync(self) -> None:
        version = self.version
        if not await self._store.is_current(version):
            await self.catch_up(version)

    async def create(self, settings: TenantSettings) -> Tenant:
        spec = documents.make_spec(settings)
        return await self._run_transaction(
            lambda: create_transaction(self.registry, spec, self.version.next.number)
        )

    async def update(self, tenant: Tenant, edit: Callable[[MutableTenant], T]) -> T:
        return await self._run_transaction(lambda: update_transaction(self._check(tenant), edit))

    async def reset(self, tenant: Tenant) -> None:
        await self._run_transaction(lambda: reset_transaction(self._check(tenant), self._cache))

    async def delete(self, tenant: Tenant) -> None:
        await self._run_transaction(
            lambda: delete_transaction(self.registry, self._check(tenant), self._cache)
        )

    def _check(self, tenant: Tenant) -> Tenant:
        if self.registry.get(tenant.name) is not tenant:
            raise TenantDeleted(f"tenant {tenant.name!r} was deleted")
        return tenant

    async def _run_transaction(self, prepare: Callable[[], Transaction[T]]) -> T:
        async with self._lock:
            for _ in range(_MAX_ATTEMPTS):
                transaction = prepare()
                if await self._commit_transaction(transaction):
                    return transaction.result
                await self._apply_remote_changes()
        raise StateError(f"others were faster {_MAX_ATTEMPTS} times; nothing was changed")

    async def _commit_transaction(self, transaction: Transaction[T]) -> bool:
        """False when other replicas were faster."""
        if not transaction.documents:
            return await self._store.is_current(self.version)
        try:
            changed = transaction.written, transaction.deleted, transaction.state_keys_to_delete
            done = await self._store.commit_changes(self.version, *changed)
        except StateError as error:
            transaction.rollback()
            raise StateError(f"{error}; it may have been changed all the same") from None
        except BaseException:
            transaction.rollback()
            raise
        if not done:
            transaction.rollback()
            return False
        self.version = self.version.next
        self._cache.store_documents(transaction.tenant, transaction.documents)
        transaction.apply()
        return True

    # following others

    async def catch_up(self, stale: StoreVersion) -> None:
        """Bring memory to the store's version, unless it has left ``stale`` already."""
        async with self._lock:
            if self.version == stale:
                await self._apply_remote_changes()

    async def _apply_remote_changes(self) -> None:
        """Called while the lock is held."""
        try:
            changes = await self._store.read_changes(self.version)
            if changes is None or (changes.is_complete and changes.version.number == 1):
                # Redis lost its data; the replica with the latest version restores it.
                id, present = _make_store_id(self.replica_name), self._cache.all_documents()
                losses = self.data_loss_count + 1
                if await self._store.create_store(id, present, self.version, losses):
                    self.version = StoreVersion(id, 1)
                changes = await self._store.read_changes(self.version)
            if changes is None:
                return
            self.data_loss_count = changes.data_loss_count
            if changes.version != self.version:
                self._cache.apply_changes(changes)
                self.version = changes.version
        except StateError:
            raise
        except Exception:
            log.exception("the shared state cannot be followed")
            text = "callmocks has a defect here; its log says more"
            raise self.connection.mark_failed(text) from None

    async def _repeat_forever(self, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            with suppress(StateError):  # the connection has the reason
                await step()
            await asyncio.sleep(HEARTBEAT_SECONDS)

    async def _send_heartbeat(self) -> None:
        now = read_stopwatch()
        is_due = now > self._ttl_renewed_at + TTL_SECONDS / 24
        state_keys = [get_state(tenant).hash_key for tenant in self.registry] if is_due else []
        heartbeat = await self._store.record_heartbeat(self.replica_name, state_keys)
        if is_due:
            self._ttl_renewed_at = now
        self._replicas = heartbeat.replicas
        if heartbeat.version != self.version:
            await self.catch_up(self.version)

    async def _subscribe(self) -> None:
        async def on_published(text: bytes) -> None:
            version = self.version
            if not version.includes(StoreVersion.parse(text)):
                await self.catch_up(version)

        await self.connection.subscribe(self._store.channel, on_published)

    # joining

    async def _load_documents(self, spec: TenantSpec, calls: Path | None) -> None:
        for _ in range(_MAX_ATTEMPTS):
            changes = await self._store.read_changes(self.version)
            if changes is not None:
                self._cache.apply_changes(changes)
                if self._cache.problem:
                    raise self._settings_error(self._cache.problem)
                self.version, self.data_loss_count = changes.version, changes.data_loss_count
                return
            first = create_transaction(self.registry, spec, 1, calls)
            id = _make_store_id(self.replica_name)
            if await self._store.create_store(id, first.written, StoreVersion(), 0):
                self.version = StoreVersion(id, 1)
                self._cache.store_documents(first.tenant, first.documents)
                first.apply()
                return
            first.rollback()
        raise StateError("others were always faster")

    async def _match_default_tenant(self, spec: TenantSpec, calls: Path | None) -> None:
        name = spec.settings.name
        present = self._cache.get_spec(name)
        differences = [] if present is None else present.describe_differences(spec)
        if not differences:
            return
        if (await self._store.record_heartbeat("")).replicas:
            raise SettingsError(
                f"--state: replicas at {self.connection.address} serve the tenant {name} with "
                f"{', '.join(differences)}; start this one as they were"
            )
        tenant = self.registry.get(name)
        if tenant is not None:
            await self.delete(tenant)
        await self._run_transaction(
            lambda: create_transaction(self.registry, spec, self.version.next.number, calls)
        )

    def _settings_error(self, reason: str) -> SettingsError:
        return SettingsError(f"--state: {self.connection.address}: {reason}")


def _make_store_id(name: str) -> str:
    return derive_key("store", name, unix_time()).hex()
