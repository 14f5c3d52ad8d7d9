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
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from callmocks.errors import SettingsError, StateError
from callmocks.history.clock import read_stopwatch, unix_time
from callmocks.history.factory import HistoryFactory
from callmocks.history.generator import derive_key
from callmocks.replication import documents, recovery
from callmocks.replication.connection import RedisConnection
from callmocks.replication.document_cache import DocumentCache, get_state
from callmocks.replication.documents import TenantSpec
from callmocks.replication.recovery import Divergence
from callmocks.replication.remote_connections import RemoteConnections
from callmocks.replication.replicated_store import ReplicatedStore
from callmocks.replication.state import TTL_SECONDS, RedisState
from callmocks.replication.store import (
    ALIVE_SECONDS,
    NO_STORE,
    DocumentChanges,
    Documents,
    DocumentStore,
    StoreVersion,
    make_stamp,
)
from callmocks.replication.transaction import Transaction, create_transaction
from callmocks.replication.version_vector import VersionVector
from callmocks.tenants.registry import Registry
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
_MAX_ATTEMPTS = 100  # of a change while other replicas are always faster

log = logging.getLogger(__name__)


class Replica(ReplicatedStore):
    def __init__(self, url: str, providers: Mapping[str, Provider]) -> None:
        self.connection = RedisConnection(url)
        super().__init__(Registry(HistoryFactory(), providers, lambda name: RedisState(self, name)))
        host, number = socket.gethostname().partition(".")[0] or "replica", os.getpid()
        self.replica_name = f"{host}-{number}-{derive_key(host, number, unix_time()).hex()[:4]}"
        self._version = StoreVersion()
        self._vector = VersionVector()  # of the changes that memory is made of
        self._writer = make_stamp()  # of its next changes, which follow from those before them
        self._first, self._note = 0, ""  # of the store that memory follows: see DocumentChanges
        self._last_loss = ""
        self._lost_tenants: dict[str, Documents] = {}  # that are to be put back
        self._run_id = ""
        self._damaged_since = 0.0
        self._store = DocumentStore(self.connection)
        self._cache = DocumentCache(self.registry)
        self._remote_connections = RemoteConnections(self.connection, self._store, self.registry)
        self._lock = asyncio.Lock()  # held while memory goes from one version to another
        self._replicas = 0
        self._ttl_renewed_at = read_stopwatch()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def version(self) -> StoreVersion:
        """What the tenants in memory are at."""
        return self._version

    @version.setter
    def version(self, version: StoreVersion) -> None:
        self._version = version
        self._vector = self._vector.add(version.number, version.stamp)

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

    async def _run_transaction(
        self, prepare: Callable[[], Transaction[T]], *, is_long: bool = False
    ) -> T:
        async with self._lock:
            for _ in range(_MAX_ATTEMPTS):
                transaction = await run_if_long(prepare, is_long)
                if await self._commit_transaction(transaction):
                    return transaction.result
                await self._apply_remote_changes()
        raise StateError(f"others were faster {_MAX_ATTEMPTS} times; nothing was changed")

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

    async def _write_version(
        self, written: Documents, deleted: Iterable[str] = (), state_keys: Iterable[str] = ()
    ) -> bool:
        """False when other replicas were faster; else memory is to be brought to it at once."""
        base, following = self.version, self.version.make_next(self._writer)
        try:
            done = await self._store.commit_changes(base, following, written, deleted, state_keys)
        except BaseException:
            # It may have been made: the next one of its number must not pass for it.
            self._writer = make_stamp()
            raise
        if done:
            self.version = following
        return done

    # following others

    async def catch_up(self, stale: StoreVersion) -> None:
        """Bring memory to the store's version, unless it has left ``stale`` already."""
        async with self._lock:
            if self.version == stale:
                await self._apply_remote_changes()

    async def _apply_remote_changes(self) -> None:
        """Called while the lock is held."""
        try:
            for _ in range(_MAX_ATTEMPTS):
                changes = await self._store.read_changes(self.version)
                histories = [] if changes is None else await self._cache.load_histories(changes)
                if changes is not None and changes.is_whole and changes.includes_since:
                    self._follow(changes)
                elif not await self._recover(changes):
                    continue
                histories.clear()
                self._damaged_since = 0.0
                await self._put_back_lost_tenants()
                return
            raise StateError(f"others were faster {_MAX_ATTEMPTS} times")
        except StateError:
            raise
        except Exception:
            log.exception("the shared state cannot be followed")
            text = "callmocks has a defect here; its log says more"
            raise self.connection.mark_failed(text) from None

    def _follow(self, changes: DocumentChanges) -> None:
        if changes.note not in ("", self._note):
            self._report_loss(changes.note)
        self._first, self._note = changes.first, changes.note
        if changes.version != self.version or changes.is_complete:
            self._cache.apply_changes(changes)
            self.version = changes.version
        self._vector = changes.vector

    async def _recover(self, changes: DocumentChanges | None) -> bool:
        """The store lacks what this replica has. False when another one was faster."""
        divergence = Divergence(self.version, self._first, self._vector, changes)
        if divergence.can_restore:
            return await self._restore_store(divergence)
        assert changes is not None
        if not changes.is_whole:
            if not self._waited_for_others():
                raise StateError("another replica restores the shared state")
            if not recovery.has_tenants(changes.written):
                return await self._restore_store(divergence)
            await self._rebuild_store(changes)
            return False
        self._writer = make_stamp()
        if divergence.loses_nothing:
            self._follow(changes)
            return True
        lost = recovery.find_lost_tenants(self._cache, divergence, changes.written)
        self._lost_tenants |= lost
        self._follow(changes)
        self._report_loss(
            f"{divergence.describe()}, and others went on; {self.replica_name} puts back "
            f"{len(lost)} tenants, its other changes since are lost"
        )
        return True

    def _waited_for_others(self) -> bool:
        """Whether nobody restored a store of which keys were deleted, in the time they have."""
        now = read_stopwatch()
        self._damaged_since = self._damaged_since or now
        return now - self._damaged_since > ALIVE_SECONDS

    async def _restore_store(self, divergence: Divergence) -> bool:
        replaced = NO_STORE if divergence.store is None else divergence.store.version
        version = StoreVersion(make_stamp(), divergence.next_number, make_stamp())
        note = f"{divergence.describe()}; {self.replica_name} restored it as {version.number}"
        present = self._cache.all_documents()
        if not await self._store.create_store(version, present, replaced, self._vector, note):
            return False
        self.version, self._first, self._note = version, version.number, note
        self._report_loss(note)
        return True

    async def _rebuild_store(self, found: DocumentChanges) -> None:
        """From the documents that it has: no replica that is alive has all of them."""
        kept, incomplete = recovery.drop_incomplete_tenants(found.written)
        number = max(found.version.number, recovery.find_last_creation(kept))
        vector = found.vector._replace(forgotten=max(found.vector.forgotten, number))
        version = StoreVersion(make_stamp(), number + 1, make_stamp())
        note = (
            f"Redis had lost some of its keys; {self.replica_name} rebuilt it as {version.number} "
            f"from the {len(kept)} documents that were there"
        )
        if incomplete:
            note += f", without the tenants {', '.join(incomplete)}, whose settings were not"
        if await self._store.create_store(version, kept, found.version, vector, note):
            self._report_loss(note)

    async def _put_back_lost_tenants(self) -> None:
        while self._lost_tenants:
            name, parts = next(iter(self._lost_tenants.items()))
            if self.registry.get(name) is not None:  # by another replica that had it
                del self._lost_tenants[name]
                continue
            number = self.version.number + 1
            found = recovery.prepare_lost_tenant(self.registry, parts, number)
            if isinstance(found, str):
                self._report_loss(f"tenant {name} cannot be put back: {found}")
            else:
                written = {f"{name}/{part}": document for part, document in found.items()}
                if not await self._write_version(written):
                    return  # the heartbeat notices that others were faster, and comes back
                self._cache.apply_written(written)
            del self._lost_tenants[name]

    def _report_loss(self, text: str) -> None:
        self._last_loss = text
        log.warning("callmocks: %s", text)

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
            await self.catch_up(self.version)
        self._run_id = heartbeat.run_id

    async def _subscribe(self) -> None:
        async def on_published(text: bytes) -> None:
            version = self.version
            if not version.includes(StoreVersion.parse(text)):
                await self.catch_up(version)

        await self.connection.subscribe(self._store.channel, on_published)

    # joining

    async def _load_documents(self, spec: TenantSpec, fill: FillTenant | None) -> None:
        for attempt in range(_MAX_ATTEMPTS):
            changes = await self._store.read_changes(self.version)
            if changes is not None and changes.is_whole:
                histories = await self._cache.load_histories(changes)
                self._cache.apply_changes(changes)
                histories.clear()
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
