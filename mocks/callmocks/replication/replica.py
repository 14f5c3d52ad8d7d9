"""One of several replicas of a suite: what one changes, all have.

A request compares the version that memory has with the store's in the step that reads or changes
its tenant's state (``state.py``), so a change is answered when Redis has it: a replica that does
not have it yet catches up and runs the request again. The published version is for what waits
without a request, such as streams of a deleted tenant.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from callmocks.errors import SettingsError, StateError
from callmocks.history.clock import read_stopwatch
from callmocks.replication import documents, recovery
from callmocks.replication.connection import RedisConnection
from callmocks.replication.document_cache import get_state
from callmocks.replication.documents import TenantSpec
from callmocks.replication.following_store import MAX_ATTEMPTS, FollowingStore
from callmocks.replication.remote_connections import RemoteConnections
from callmocks.replication.state import TTL_SECONDS
from callmocks.replication.store import NO_STORE, StoreVersion, make_stamp
from callmocks.replication.transaction import Transaction, create_transaction
from callmocks.tenants.settings import TenantSettings
from callmocks.tenants.tenant_store import ReplicationStatus
from callmocks.tenants.worker import run_if_long

if TYPE_CHECKING:
    from callmocks.provider.base import Provider
    from callmocks.tenants.contents import FillTenant

T = TypeVar("T")

HEARTBEAT_SECONDS = 0.25
_STOP_SECONDS = 0.5
_RESTORE_ATTEMPTS = 20  # of a heartbeat each, for others to restore what was deleted

log = logging.getLogger(__name__)


class Replica(FollowingStore):
    def __init__(self, url: str, providers: Mapping[str, Provider]) -> None:
        super().__init__(RedisConnection(url), providers)
        self._run_id = ""
        self._remote_connections = RemoteConnections(self.connection, self._store, self.registry)
        self._replicas = 0
        self._ttl_renewed_at = read_stopwatch()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def replication_status(self) -> ReplicationStatus:
        problem = self.connection.problem or self._cache.problem
        if self._damaged_since and not problem:
            problem = "keys of the shared state were deleted; a replica that has them restores it"
        return ReplicationStatus(self.connection.address, self._replicas, problem, self._last_loss)

    async def start(
        self,
        default_tenant: TenantSettings,
        fill: FillTenant | None = None,
        calls: Path | None = None,
        *,
        keep_found: bool = False,
    ) -> None:
        """Load what is there, or begin with the default tenant and what ``fill`` puts in.

        ``calls`` is the file that ``fill`` reads. ``SettingsError`` when the store cannot be used,
        or, unless ``keep_found``, when other replicas have another default tenant.
        """
        spec = documents.make_spec(default_tenant, calls)
        try:
            await self._load_documents(spec, fill)
            if not keep_found:
                await self._match_default_tenant(spec, fill)
            await self._send_heartbeat()
        except StateError as error:
            raise self._settings_error(self.connection.problem or str(error)) from None
        steps = (self._send_heartbeat, self._subscribe, self._remote_connections.serve)
        self._tasks = [asyncio.create_task(self._repeat_forever(step)) for step in steps]

    async def stop(self) -> None:
        """Leave. What is shared stays with the others, and in the store for a day."""
        running = {*self._tasks, *([self._catching_up] if self._catching_up else [])}
        while running:  # repeatedly: some library code swallows CancelledError
            for task in running:
                task.cancel()
            _, running = await asyncio.wait(running, timeout=0.1)
        with suppress(StateError, TimeoutError):
            await asyncio.wait_for(self._store.remove_replica(self.replica_name), _STOP_SECONDS)
        await self.connection.close()

    # changes

    async def sync(self) -> None:
        for _ in range(2):  # the first may have begun before what is to be seen was written
            version = self.version
            if not await self._store.is_current(version):
                await self.catch_up(version)

    async def _run_transaction(
        self, prepare: Callable[[], Transaction[T]], *, is_long: bool = False
    ) -> T:
        for _ in range(MAX_ATTEMPTS):
            async with self._lock:
                base = self.version
                transaction = await run_if_long(prepare, is_long)
                if await self._commit_transaction(transaction):
                    return transaction.result
            await self.catch_up(base)
        raise StateError(f"others were faster {MAX_ATTEMPTS} times; nothing was changed")

    async def _commit_transaction(self, transaction: Transaction[T]) -> bool:
        """False when other replicas were faster."""
        if not transaction.documents:
            return await self._store.is_current(self.version)
        try:
            await transaction.write_new_state()
            changed = transaction.written, transaction.deleted, transaction.state_keys_to_delete
            done = await self._write_version(*changed)
        except StateError as error:
            transaction.rollback()
            raise StateError(f"{error}; it may have been changed all the same") from None
        except BaseException:
            transaction.rollback()
            raise
        if not done:
            await transaction.cancel()
            return False
        self._cache.store_documents(transaction.tenant, transaction.documents)
        transaction.apply()
        return True

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
        if self._run_id not in ("", heartbeat.run_id):
            log.warning("callmocks: Redis was restarted")
            self._run_id = ""
        is_current = heartbeat.version == self.version and heartbeat.is_whole
        if not is_current or self._lost_tenants or not self._run_id:
            # It may take long, and a replica whose heartbeat is late counts as gone.
            catching_up = self._start_catching_up(self.version)
            await asyncio.wait([catching_up], timeout=HEARTBEAT_SECONDS)
            if not catching_up.done():
                return
            catching_up.result()
        self._run_id = heartbeat.run_id

    async def _subscribe(self) -> None:
        async def on_published(text: bytes) -> None:
            version = self.version
            if not version.includes(StoreVersion.parse(text)):
                await self.catch_up(version)

        await self.connection.subscribe(self._store.channel, on_published)

    # joining

    async def _load_documents(self, spec: TenantSpec, fill: FillTenant | None) -> None:
        for attempt in range(MAX_ATTEMPTS):
            changes = await self._store.read_changes(self.version)
            if changes is not None and changes.is_whole:
                self._cache.apply_changes(await self._cache.prepare_changes(changes))
                if self._cache.problem:
                    raise self._settings_error(self._cache.problem)
                self.version, self._first = changes.version, changes.first
                self._vector, self._note = changes.vector, changes.note
                self._last_loss = changes.note
                return
            note = ""
            if changes is not None:  # keys are missing: a replica that has them puts them back
                if (
                    attempt < _RESTORE_ATTEMPTS
                    and (await self._store.record_heartbeat("")).replicas
                ):
                    await asyncio.sleep(HEARTBEAT_SECONDS)
                    continue
                if recovery.has_tenants(changes.written):
                    await self._rebuild_store(changes)
                    continue
                note = "Redis had lost its documents, and no replica had them"
                self._report_loss(note)
            replaced = NO_STORE if changes is None else changes.version
            number = replaced.number + 1
            first = create_transaction(self.registry, spec, number, fill)
            version = StoreVersion(make_stamp(), number, make_stamp())
            await first.write_new_state()
            if await self._store.create_store(version, first.written, replaced, note=note):
                self.version, self._first, self._note = version, number, note
                self._cache.store_documents(first.tenant, first.documents)
                first.apply()
                return
            first.rollback()
        raise StateError("others were always faster")

    async def _match_default_tenant(self, spec: TenantSpec, fill: FillTenant | None) -> None:
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
            lambda: create_transaction(self.registry, spec, self.version.number + 1, fill)
        )

    def _settings_error(self, reason: str) -> SettingsError:
        return SettingsError(f"--state: {self.connection.address}: {reason}")
