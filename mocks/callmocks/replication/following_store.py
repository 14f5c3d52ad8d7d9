"""What is in memory follows what others write to the store, and restores what the store loses."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from callmocks.errors import StateError
from callmocks.history.clock import read_stopwatch, unix_time
from callmocks.history.factory import HistoryFactory
from callmocks.history.generator import derive_key
from callmocks.replication import recovery
from callmocks.replication.connection import RedisConnection
from callmocks.replication.document_cache import DocumentCache
from callmocks.replication.recovery import Divergence
from callmocks.replication.replicated_store import ReplicatedStore
from callmocks.replication.state import RedisState
from callmocks.replication.store import (
    ALIVE_SECONDS,
    NO_STORE,
    DocumentChanges,
    Documents,
    DocumentStore,
    StoreVersion,
    make_stamp,
)
from callmocks.replication.version_vector import VersionVector
from callmocks.tenants.registry import Registry

if TYPE_CHECKING:
    from callmocks.provider.base import Provider

MAX_ATTEMPTS = 100  # while other replicas are always faster

log = logging.getLogger(__name__)


class FollowingStore(ReplicatedStore):
    def __init__(self, connection: RedisConnection, providers: Mapping[str, Provider]) -> None:
        self.connection = connection
        super().__init__(Registry(HistoryFactory(), providers, lambda name: RedisState(self, name)))
        host, number = socket.gethostname().partition(".")[0] or "replica", os.getpid()
        self.replica_name = f"{host}-{number}-{derive_key(host, number, unix_time()).hex()[:4]}"
        self._version = StoreVersion()
        self._vector = VersionVector()  # of the changes that memory is made of
        self._writer = make_stamp()  # of its next changes, which follow from those before them
        self._first, self._note = 0, ""  # of the store that memory follows: see DocumentChanges
        self._last_loss = ""
        self._lost_tenants: dict[str, Documents] = {}  # that are to be put back
        self._damaged_since = 0.0
        self._store = DocumentStore(self.connection)
        self._cache = DocumentCache(self.registry)
        self._lock = asyncio.Lock()  # held while memory goes from one version to another
        self._catching_up: asyncio.Task[None] | None = None

    @property
    def version(self) -> StoreVersion:
        """What the tenants in memory are at."""
        return self._version

    @version.setter
    def version(self, version: StoreVersion) -> None:
        self._version = version
        self._vector = self._vector.add(version.number, version.stamp)

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

    async def catch_up(self, stale: StoreVersion) -> None:
        """Bring memory to the store's version, unless it has left ``stale`` already."""
        if self.version == stale:
            await asyncio.shield(self._start_catching_up(stale))

    def _start_catching_up(self, stale: StoreVersion) -> asyncio.Task[None]:
        """One for all who need it, which goes on when a client does not wait for it."""
        if self._catching_up is None or self._catching_up.done():
            self._catching_up = asyncio.create_task(self._apply_when_free(stale))
            self._catching_up.add_done_callback(_retrieve_error)
        return self._catching_up

    async def _apply_when_free(self, stale: StoreVersion) -> None:
        async with self._lock:
            if self.version == stale:
                await self._apply_remote_changes()

    async def _apply_remote_changes(self) -> None:
        """Called while the lock is held."""
        try:
            for _ in range(MAX_ATTEMPTS):
                changes = await self._store.read_changes(self.version)
                if changes is not None and changes.is_whole and changes.includes_since:
                    await self._follow(changes)
                elif not await self._recover(changes):
                    continue
                self._damaged_since = 0.0
                await self._put_back_lost_tenants()
                return
            raise StateError(f"others were faster {MAX_ATTEMPTS} times")
        except StateError:
            raise
        except Exception:
            log.exception("the shared state cannot be followed")
            text = "callmocks has a defect here; its log says more"
            raise self.connection.mark_failed(text) from None

    async def _follow(self, changes: DocumentChanges) -> None:
        prepared = await self._cache.prepare_changes(changes)
        if changes.note not in ("", self._note):
            self._report_loss(changes.note)
        self._first, self._note = changes.first, changes.note
        self._cache.apply_changes(prepared)
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
            await self._follow(changes)
            return True
        lost = recovery.find_lost_tenants(self._cache, divergence, changes.written)
        self._lost_tenants |= lost
        await self._follow(changes)
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
        version = StoreVersion(make_stamp(), divergence.last_number + 1, make_stamp())
        note = (
            f"{divergence.describe()}{divergence.describe_rest()}; "
            f"{self.replica_name} restored it as {version.number}"
        )
        present = self._cache.all_documents()
        if not await self._store.create_store(version, present, replaced, self._vector, note):
            return False
        self.version, self._first, self._note = version, version.number, note
        self._report_loss(note)
        return True

    async def _rebuild_store(self, found: DocumentChanges) -> None:
        """From the documents that it has: no replica that is alive has all of them."""
        kept, incomplete = recovery.drop_incomplete_tenants(found.written)
        number = max(found.vector.last_number, recovery.find_last_creation(kept))
        vector = found.vector if found.vector.writers else VersionVector(forgotten=number)
        version = StoreVersion(make_stamp(), number + 1, make_stamp())
        note = (
            f"Redis had lost some of its keys; {self.replica_name} rebuilt it as {version.number} "
            f"from the {len(kept)} documents that were there"
        )
        if incomplete:
            note += f", without the tenants {', '.join(incomplete)}, whose settings were not"
        if await self._store.create_store(version, kept, found.version, vector, note):
            self._note = note  # reported here, not when it is followed
            self._report_loss(note)

    async def _put_back_lost_tenants(self) -> None:
        while self._lost_tenants:
            name, parts = next(iter(self._lost_tenants.items()))
            if self.registry.get(name) is not None:  # by another replica that had it
                del self._lost_tenants[name]
                continue
            number = self.version.number + 1
            found = await recovery.prepare_lost_tenant(self.registry, parts, number)
            if isinstance(found, str):
                self._report_loss(f"tenant {name} cannot be put back: {found}")
            else:
                written = {f"{name}/{part}": document for part, document in found.items()}
                prepared = await self._cache.prepare_written(written)
                if not await self._write_version(written):
                    return  # the heartbeat notices that others were faster, and comes back
                self._cache.apply_changes(prepared)
            del self._lost_tenants[name]

    def _report_loss(self, text: str) -> None:
        self._last_loss = text
        log.warning("callmocks: %s", text)


def _retrieve_error(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()  # nobody may have waited for it
