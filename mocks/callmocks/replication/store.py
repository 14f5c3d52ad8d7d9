"""Documents that all replicas hold: one store, one order of changes.

A store has an id and a version. A change names the version it is based on and is refused when
there is a later one. A reader names the version he has and gets what was written and deleted since.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from callmocks.replication.state import STORE_KEY, TTL_SECONDS

if TYPE_CHECKING:
    from callmocks.replication.connection import RedisConnection

ALIVE_SECONDS = 3  # how long after its last heartbeat a replica counts as alive

Documents = dict[str, bytes]


class StoreVersion(NamedTuple):
    """Which store, and how many changes into it. The first change is number 1."""

    id: str = ""
    number: int = 0

    @property
    def text(self) -> str:
        return f"{self.id} {self.number}" if self.id else ""

    @property
    def next(self) -> StoreVersion:
        return StoreVersion(self.id, self.number + 1)

    def includes(self, other: StoreVersion) -> bool:
        return self.id == other.id and self.number >= other.number

    @classmethod
    def parse(cls, text: bytes) -> StoreVersion:
        id, _, number = text.decode().partition(" ")
        return cls(id, int(number or 0))


class DocumentChanges(NamedTuple):
    version: StoreVersion
    data_loss_count: int
    is_complete: bool  # all documents there are, instead of those written since
    written: Documents
    deleted: list[str]


class Heartbeat(NamedTuple):
    version: StoreVersion
    replicas: int


class DocumentStore:
    """The documents in Redis. All methods raise ``StateError``."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        others = ("documents", "changed", "gone", "replicas")
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
        is_complete, version, data_loss_count, written, deleted = found
        keys = [key.decode() for key in written[::2]]
        return DocumentChanges(
            StoreVersion.parse(version),
            data_loss_count,
            bool(is_complete),
            dict(zip(keys, written[1::2], strict=True)),
            [key.decode() for key in deleted],
        )

    async def commit_changes(
        self,
        base: StoreVersion,
        written: Mapping[str, bytes],
        deleted: Iterable[str] = (),
        state_keys_to_delete: Iterable[str] = (),
    ) -> bool:
        """Write the next version; False, and nothing changes, when the store is not at ``base``."""
        keys = [*self._keys, *state_keys_to_delete]
        args = [base.text, base.next.text, base.next.number, TTL_SECONDS, self.channel]
        args += [len(written), *_flatten_pairs(written), *deleted]
        return bool(await self._connection.run_script("commit", keys, args))

    async def create_store(
        self, id: str, written: Mapping[str, bytes], parent: StoreVersion, data_loss_count: int
    ) -> bool:
        """Create a store where there is none; False when there is one.

        ``parent`` is the version of the lost store that ``written`` was read from.
        """
        args = [StoreVersion(id, 1).text, *parent, data_loss_count, TTL_SECONDS, self.channel]
        return bool(await self._run("create_store", *args, len(written), *_flatten_pairs(written)))

    async def record_heartbeat(self, name: str, state_keys: Iterable[str] = ()) -> Heartbeat:
        """Count a replica as alive (none when the name is empty), even if Redis was down before.

        ``state_keys`` are keys of tenants' state whose time to live starts again.
        """
        keys, args = [*self._keys, *state_keys], [name, ALIVE_SECONDS, TTL_SECONDS]
        found = await self._connection.run_script("heartbeat", keys, args, even_if_down=True)
        version, replicas = found
        return Heartbeat(StoreVersion.parse(version), replicas)

    async def remove_replica(self, name: str) -> None:
        await self._connection.execute(lambda redis: redis.zrem(self._keys[-1], name))

    async def _run(self, script: str, *args: Any) -> Any:
        return await self._connection.run_script(script, self._keys, args)


def _flatten_pairs(documents: Mapping[str, bytes]) -> list[str | bytes]:
    return [part for pair in documents.items() for part in pair]
