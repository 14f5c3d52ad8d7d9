"""Documents that all replicas hold: one store, one order of changes.

A store has an id and a version. A change names the version it is based on and is refused when
there is a later one. A reader names the version he has and gets what was written and deleted since.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from callmocks.history.generator import make_random_key
from callmocks.replication import version_vector
from callmocks.replication.state import STORE_KEY, TTL_SECONDS
from callmocks.replication.version_vector import VersionVector

if TYPE_CHECKING:
    from callmocks.replication.connection import RedisConnection

ALIVE_SECONDS = 3  # how long after its last heartbeat a replica counts as alive

Documents = dict[str, bytes]


class StoreVersion(NamedTuple):
    """Which store, how many changes into it, and whose the last is. The first is number 1.

    Two changes of one number have other writers: a store that came back from a snapshot goes on
    from an earlier number. A writer is a replica until it loses a change (``version_vector.py``),
    and each creation of a store is one of its own.
    """

    id: str = ""
    number: int = 0
    stamp: str = ""  # random: of the writer

    @property
    def text(self) -> str:
        return f"{self.id} {self.number} {self.stamp}" if self.id else ""

    def make_next(self, writer: str) -> StoreVersion:
        return StoreVersion(self.id, self.number + 1, writer)

    def includes(self, other: StoreVersion) -> bool:
        return self.id == other.id and self.number >= other.number

    @classmethod
    def parse(cls, text: bytes) -> StoreVersion:
        parts = text.decode().split()
        id, number, stamp = [*parts, *("", "0", "")[len(parts) :]]
        return cls(id, int(number), stamp)


def make_stamp() -> str:
    return make_random_key()[:8].hex()


NO_STORE: Final = StoreVersion()
_NO_CHANGES: Final = VersionVector()


class DocumentChanges(NamedTuple):
    version: StoreVersion  # NO_STORE when others deleted it, and left some documents or keys
    first: int  # number of the store's version when it was created
    note: str  # why it was created
    is_complete: bool  # all documents there are, instead of those written since
    includes_since: bool  # what the caller has is an earlier version of it
    is_whole: bool  # none of its keys was deleted by others
    written: Documents
    deleted: list[str]
    vector: VersionVector


class Heartbeat(NamedTuple):
    version: StoreVersion
    replicas: int
    is_whole: bool
    run_id: str  # of Redis: another one after each start


class DocumentStore:
    """The documents in Redis. All methods raise ``StateError``."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self.database = connection.database
        others = ("changed", "gone", "writers", "replicas")
        self._keys = [STORE_KEY, *(f"callmocks:{name}" for name in others)]
        self.channel = f"callmocks:{connection.database}"  # channels are not per database

    async def is_current(self, version: StoreVersion) -> bool:
        args = (version.text, "compare", TTL_SECONDS)
        return await self._connection.run_script("state", [STORE_KEY, ""], args) is not None

    async def read_changes(self, since: StoreVersion) -> DocumentChanges | None:
        """None when there is no store."""
        found = await self._run("read_changes", *since)
        if not found:
            return None
        flags, text, first, note, forgotten, written, deleted, writers = found
        is_complete, includes_since, is_whole = map(bool, flags)
        version = StoreVersion.parse(text)
        keys = [key.decode() for key in written[::2]]
        pairs = zip(keys, written[1::2], strict=True)
        last = zip(writers[::2], map(int, writers[1::2]), strict=True)
        # Whose the changes were is lost with the key: all up to the last one count as included.
        vector = VersionVector(
            {stamp.decode(): number for stamp, number in last},
            forgotten if writers else version.number,
        )
        return DocumentChanges(
            version,
            first,
            note.decode(),
            is_complete,
            includes_since,
            is_whole,
            {key: document for key, document in pairs if document is not None},
            [key.decode() for key in deleted],
            vector.add(version.number, version.stamp) if version.id else vector,
        )

    async def commit_changes(
        self,
        base: StoreVersion,
        following: StoreVersion,
        written: Mapping[str, bytes],
        deleted: Iterable[str] = (),
        state_keys_to_delete: Iterable[str] = (),
    ) -> bool:
        """Write the version after ``base``; False, and no change, if the store is not at that."""
        keys = [*self._keys, *state_keys_to_delete]
        args = [base.text, following.text, following.number, TTL_SECONDS, self.channel]
        args += [version_vector.MAX_WRITERS, len(written), *_flatten_pairs(written), *deleted]
        return bool(await self._connection.run_script("commit", keys, args))

    async def create_store(
        self,
        version: StoreVersion,
        written: Mapping[str, bytes],
        replaced: StoreVersion = NO_STORE,
        vector: VersionVector = _NO_CHANGES,
        note: str = "",
    ) -> bool:
        """Create a store; False when the present one is not ``replaced``.

        ``vector``: the changes that led to ``written``.
        """
        args = [replaced.text, version.text, version.number, note, TTL_SECONDS, self.channel]
        writers = [part for pair in vector.writers.items() for part in pair]
        counted: list[int | str | bytes] = [len(vector.writers), *writers]
        counted += [len(written), *_flatten_pairs(written)]
        limits = version_vector.MAX_WRITERS, vector.forgotten
        return bool(await self._run("create_store", *args, *limits, *counted))

    async def record_heartbeat(self, name: str, state_keys: Iterable[str] = ()) -> Heartbeat:
        """Count a replica as alive (none when the name is empty), even if Redis was down before.

        ``state_keys`` are keys of tenants' state whose time to live starts again.
        """
        keys, args = [*self._keys, *state_keys], [name, ALIVE_SECONDS, TTL_SECONDS]
        found = await self._connection.run_script("heartbeat", keys, args, even_if_down=True)
        version, replicas, is_whole, run_id = found
        return Heartbeat(StoreVersion.parse(version), replicas, bool(is_whole), run_id.decode())

    async def remove_replica(self, name: str) -> None:
        await self._connection.execute(lambda redis: redis.zrem(self._keys[-1], name))

    async def _run(self, script: str, *args: Any) -> Any:
        return await self._connection.run_script(script, self._keys, args)


def _flatten_pairs(documents: Mapping[str, bytes]) -> list[str | bytes]:
    return [part for pair in documents.items() for part in pair]
