"""Documents that all replicas hold: one store, one order of changes.

A store has an id and a version. Whoever writes says which version his change is made on; when
there is a later one the write is refused, and he has to look first. Whoever reads says which
version he has, and gets what was written and deleted since.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from callmocks.replication.state import TTL

if TYPE_CHECKING:
    from callmocks.replication.connection import Link

THERE = 3
"""Seconds after its last beat for which a replica counts as there."""

Documents = dict[str, bytes]


class Version(NamedTuple):
    """Which store, and how many changes into it. The first change is number 1."""

    id: str = ""
    number: int = 0


class News(NamedTuple):
    """What a reader does not have yet."""

    version: Version
    losses: int
    whole: bool
    """All documents there are, instead of those that were written since."""
    written: Documents
    deleted: list[str]


class Beat(NamedTuple):
    """What a replica hears when it says that it is there."""

    version: Version
    replicas: int


class Committed(NamedTuple):
    """A change that was written."""

    version: Version
    replicas: frozenset[str]
    """Names of those that have to hear of it."""


class Store:
    """The documents in Redis. All methods raise ``StateError``."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._keys = [
            f"callmocks:{name}" for name in ("store", "documents", "changed", "gone", "replicas")
        ]
        self.channel = f"callmocks:{link.database}"
        """Where the store says ``change`` with its id and version, replicas ``heard`` with their
        name and the same."""

    async def changes(self, since: Version) -> News | None:
        """What was written since a version; None when there is no store."""
        found = await self._probe("changes", since.id, since.number)
        if not found:
            return None
        kind, id, number, losses, written, deleted = found
        texts = [key.decode() for key in written[::2]]
        return News(
            Version(id.decode(), number),
            losses,
            kind == b"all",
            dict(zip(texts, written[1::2], strict=True)),
            [key.decode() for key in deleted],
        )

    async def commit(
        self,
        onto: Version,
        written: Mapping[str, bytes],
        deleted: Iterable[str] = (),
        forgotten: Iterable[str] = (),
    ) -> Committed | None:
        """Write a change made on a version; None when there is a later one.

        ``forgotten`` are keys of tenants' state that go with it.
        """
        number, *replicas = await self._link.ask(
            self._link.script(
                "commit",
                [*self._keys, *forgotten],
                [*onto, TTL, self.channel, THERE, len(written), *_flat(written), *deleted],
            )
        )
        if not number:
            return None
        names = frozenset(name.decode() for name in replicas[0])
        return Committed(Version(onto.id, number), names)

    async def found(self, id: str, written: Mapping[str, bytes], of: Version, losses: int) -> bool:
        """Make a store where there is none; False when there is one.

        ``of`` is the version of the store that was lost, as far as it is known here.
        """
        args = [id, *of, losses, TTL, self.channel, len(written), *_flat(written)]
        return bool(await self._probe("found", *args))

    async def beat(self, name: str, kept: Iterable[str] = ()) -> Beat:
        """Say that a replica is there (nobody, when empty), and hear what version there is.

        ``kept`` are keys of tenants' state whose time begins anew.
        """
        id, number, replicas = await self._link.probe(
            self._link.script("beat", [*self._keys, *kept], [name, THERE, TTL])
        )
        return Beat(Version(id.decode(), number), replicas)

    async def leave(self, name: str) -> None:
        """Say that a replica has gone."""
        await self._link.ask(self._link.script("leave", self._keys, [name]))

    async def heard(self, name: str, version: Version) -> None:
        """Say that a replica holds everything up to a version."""
        text = f"heard {name} {version.id} {version.number}"
        await self._link.probe(lambda redis: redis.publish(self.channel, text))

    async def _probe(self, script: str, *args: Any) -> Any:
        return await self._link.probe(self._link.script(script, self._keys, args))


def _flat(documents: Mapping[str, bytes]) -> list[str | bytes]:
    return [part for pair in documents.items() for part in pair]
