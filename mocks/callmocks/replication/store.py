"""Documents that all replicas hold: one store, one order of changes.

A store has an id and a version. Whoever writes says which version his change is made on; when
there is a later one the write is refused, and he has to look first. Whoever reads says which
version he has, and gets what was written and deleted since.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from callmocks.replication.state import TTL_SECONDS

if TYPE_CHECKING:
    from callmocks.replication.connection import RedisConnection

ALIVE_SECONDS = 3
"""Seconds after its last beat for which a replica counts as there."""

Documents = dict[str, bytes]


class StoreVersion(NamedTuple):
    """Which store, and how many changes into it. The first change is number 1."""

    id: str = ""
    number: int = 0


class DocumentChanges(NamedTuple):
    """What a reader does not have yet."""

    version: StoreVersion
    data_loss_count: int
    is_complete: bool
    """All documents there are, instead of those that were written since."""
    written: Documents
    deleted: list[str]


class Heartbeat(NamedTuple):
    """What a replica hears when it says that it is there."""

    version: StoreVersion
    replicas: int


class CommitResult(NamedTuple):
    """A change that was written."""

    version: StoreVersion
    replicas: frozenset[str]
    """Names of those that have to hear of it."""


class DocumentStore:
    """The documents in Redis. All methods raise ``StateError``."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self._keys = [
            f"callmocks:{name}" for name in ("store", "documents", "changed", "gone", "replicas")
        ]
        self.channel = f"callmocks:{connection.database}"
        """Where the store says ``change`` with its id and version, replicas ``heard`` with their
        name and the same."""

    async def read_changes(self, since: StoreVersion) -> DocumentChanges | None:
        """What was written since a version; None when there is no store."""
        found = await self._run_script("changes", since.id, since.number)
        if not found:
            return None
        kind, id, number, losses, written, deleted = found
        texts = [key.decode() for key in written[::2]]
        return DocumentChanges(
            StoreVersion(id.decode(), number),
            losses,
            kind == b"all",
            dict(zip(texts, written[1::2], strict=True)),
            [key.decode() for key in deleted],
        )

    async def commit_changes(
        self,
        base: StoreVersion,
        written: Mapping[str, bytes],
        deleted: Iterable[str] = (),
        state_keys_to_delete: Iterable[str] = (),
    ) -> CommitResult | None:
        """Write a change made on a version; None when there is a later one.

        ``forgotten`` are keys of tenants' state that go with it.
        """
        number, *replicas = await self._connection.execute(
            self._connection.script_command(
                "commit",
                [*self._keys, *state_keys_to_delete],
                [
                    *base,
                    TTL_SECONDS,
                    self.channel,
                    ALIVE_SECONDS,
                    len(written),
                    *_flatten_pairs(written),
                    *deleted,
                ],
            )
        )
        if not number:
            return None
        names = frozenset(name.decode() for name in replicas[0])
        return CommitResult(StoreVersion(base.id, number), names)

    async def create_store(
        self, id: str, written: Mapping[str, bytes], parent: StoreVersion, data_loss_count: int
    ) -> bool:
        """Make a store where there is none; False when there is one.

        ``of`` is the version of the store that was lost, as far as it is known here.
        """
        args = [
            id,
            *parent,
            data_loss_count,
            TTL_SECONDS,
            self.channel,
            len(written),
            *_flatten_pairs(written),
        ]
        return bool(await self._run_script("found", *args))

    async def record_heartbeat(self, name: str, state_keys: Iterable[str] = ()) -> Heartbeat:
        """Say that a replica is there (nobody, when empty), and hear what version there is.

        ``kept`` are keys of tenants' state whose time begins anew.
        """
        id, number, replicas = await self._connection.execute_always(
            self._connection.script_command(
                "beat", [*self._keys, *state_keys], [name, ALIVE_SECONDS, TTL_SECONDS]
            )
        )
        return Heartbeat(StoreVersion(id.decode(), number), replicas)

    async def remove_replica(self, name: str) -> None:
        """Say that a replica has gone."""
        await self._connection.execute(self._connection.script_command("leave", self._keys, [name]))

    async def acknowledge(self, name: str, version: StoreVersion) -> None:
        """Say that a replica holds everything up to a version."""
        text = f"heard {name} {version.id} {version.number}"
        await self._connection.execute_always(lambda redis: redis.publish(self.channel, text))

    async def _run_script(self, script: str, *args: Any) -> Any:
        return await self._connection.execute_always(
            self._connection.script_command(script, self._keys, args)
        )


def _flatten_pairs(documents: Mapping[str, bytes]) -> list[str | bytes]:
    return [part for pair in documents.items() for part in pair]
