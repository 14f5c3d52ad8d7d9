"""Sessions and counters of tenants in Redis: a hash for each tenant, every operation one step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from callmocks.history.generator import derive_key
from callmocks.tenants.state import MemoryState, Step, Totals

if TYPE_CHECKING:
    from callmocks.replication.connection import Link

TTL = 86_400
"""Seconds that Redis keeps anything after the last replica has gone."""


class RedisState:
    """State of a tenant that all replicas share."""

    def __init__(self, link: Link, tenant: str) -> None:
        self._link = link
        self._tenant = tenant
        self.era = ""
        """Which life of the tenant: what its last life left is never seen again."""

    @property
    def key(self) -> str:
        """The key of the hash."""
        return f"callmocks:state:{self._tenant}:{self.era}"

    @property
    def losses(self) -> int:
        """How often the store lost all it held."""
        return self._link.losses

    @property
    def out_of_touch(self) -> bool:
        """Whether others may have changed what this replica has not heard of."""
        return self._link.out_of_touch

    async def refresh(self) -> None:
        """Hear what others changed."""
        await self._link.refresh()

    async def get(self, key: str) -> bytes | None:
        """The value, or None."""
        return cast(
            "bytes | None",
            await self._link.ask(lambda redis: redis.hget(self.key, f"v:{key}")),
        )

    async def put(self, key: str, value: bytes) -> None:
        """Set a value."""
        await self._run("put", f"v:{key}", value)

    async def swap(self, key: str, before: bytes | None, after: bytes) -> bytes | None:
        """Set a value if it is as it was."""
        expected = b"" if before is None else b"=" + before
        return cast("bytes | None", await self._run("swap", f"v:{key}", after, expected))

    async def drop(self, key: str) -> bool:
        """Remove a value, a counter or a list."""
        fields = [f"{kind}:{key}" for kind in "vcl"]
        return bool(await self._link.ask(lambda redis: redis.hdel(self.key, *fields)))

    async def add(self, key: str, amount: int, ceiling: int | None = None) -> int | None:
        """Add to a counter, unless it would pass the ceiling."""
        totals = await self.add_all([Step(key, amount, ceiling)])
        return totals.values[0] if totals.refused is None else None

    async def add_all(self, steps: Sequence[Step]) -> Totals:
        """Make all additions or none of them."""
        args: list[str | int] = []
        for key, amount, ceiling in steps:
            args += [f"c:{key}", amount, "" if ceiling is None else ceiling]
        refused, *values = await self._run("add", *args)
        return Totals(tuple(values), None if refused < 0 else refused)

    async def enlist(self, key: str, member: str, most: int) -> bool:
        """Whether a member is on a list that has room for ``most``."""
        mark = derive_key("member", member).hex() + ","
        return bool(await self._run("enlist", f"l:{key}", mark, most))

    async def clear(self) -> None:
        """Forget everything of this tenant's life."""
        await self._link.ask(lambda redis: redis.unlink(self.key))

    async def _run(self, script: str, *args: str | bytes | int) -> list[int]:
        return cast(
            "list[int]", await self._link.ask(self._link.script(script, [self.key], [TTL, *args]))
        )


class Unshared(MemoryState):
    """State of ``nobody``, which every replica has for itself, in touch as the others are."""

    def __init__(self, link: Link) -> None:
        super().__init__()
        self._link = link

    @property
    def out_of_touch(self) -> bool:  # type: ignore[override]
        """Whether others may have made the tenant that was asked for."""
        return self._link.out_of_touch

    async def refresh(self) -> None:
        """Hear what others changed."""
        await self._link.refresh()
