"""Sessions and counters of tenants in Redis: a hash for each tenant, every operation one step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from callmocks.history.generator import derive_key
from callmocks.tenants.state import CounterIncrement, CounterTotals, MemoryState

if TYPE_CHECKING:
    from callmocks.replication.connection import RedisConnection

TTL_SECONDS = 86_400
"""Seconds that Redis keeps anything after the last replica has gone."""


class RedisState:
    """State of a tenant that all replicas share."""

    def __init__(self, connection: RedisConnection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant
        self.incarnation = ""
        """Which life of the tenant: what its last life left is never seen again."""

    @property
    def hash_key(self) -> str:
        """The key of the hash."""
        return f"callmocks:state:{self._tenant}:{self.incarnation}"

    @property
    def data_loss_count(self) -> int:
        """How often the store lost all it held."""
        return self._connection.data_loss_count

    @property
    def is_stale(self) -> bool:
        """Whether others may have changed what this replica has not heard of."""
        return self._connection.is_stale

    async def sync(self) -> None:
        """Hear what others changed."""
        await self._connection.wait_synced()

    async def get(self, key: str) -> bytes | None:
        """The value, or None."""
        return cast(
            "bytes | None",
            await self._connection.execute(lambda redis: redis.hget(self.hash_key, f"v:{key}")),
        )

    async def put(self, key: str, value: bytes) -> None:
        """Set a value."""
        await self._run_script("put", f"v:{key}", value)

    async def compare_and_set(self, key: str, expected: bytes | None, value: bytes) -> bytes | None:
        """Set a value if it is as it was."""
        expected = b"" if expected is None else b"=" + expected
        return cast("bytes | None", await self._run_script("swap", f"v:{key}", value, expected))

    async def delete(self, key: str) -> bool:
        """Remove a value, a counter or a list."""
        fields = [f"{kind}:{key}" for kind in "vcl"]
        return bool(
            await self._connection.execute(lambda redis: redis.hdel(self.hash_key, *fields))
        )

    async def add(self, key: str, amount: int, limit: int | None = None) -> int | None:
        """Add to a counter, unless it would pass the ceiling."""
        totals = await self.add_all([CounterIncrement(key, amount, limit)])
        return totals.values[0] if totals.rejected_index is None else None

    async def add_all(self, increments: Sequence[CounterIncrement]) -> CounterTotals:
        """Make all additions or none of them."""
        args: list[str | int] = []
        for key, amount, ceiling in increments:
            args += [f"c:{key}", amount, "" if ceiling is None else ceiling]
        refused, *values = await self._run_script("add", *args)
        return CounterTotals(tuple(values), None if refused < 0 else refused)

    async def add_to_bounded_set(self, key: str, member: str, limit: int) -> bool:
        """Whether a member is on a list that has room for ``most``."""
        mark = derive_key("member", member).hex() + ","
        return bool(await self._run_script("enlist", f"l:{key}", mark, limit))

    async def delete_all(self) -> None:
        """Forget everything of this tenant's life."""
        await self._connection.execute(lambda redis: redis.unlink(self.hash_key))

    async def _run_script(self, script: str, *args: str | bytes | int) -> list[int]:
        return cast(
            "list[int]",
            await self._connection.execute(
                self._connection.script_command(script, [self.hash_key], [TTL_SECONDS, *args])
            ),
        )


class LocalState(MemoryState):
    """State of ``nobody``, which every replica has for itself, in touch as the others are."""

    def __init__(self, connection: RedisConnection) -> None:
        super().__init__()
        self._connection = connection

    @property
    def is_stale(self) -> bool:  # type: ignore[override]
        """Whether others may have made the tenant that was asked for."""
        return self._connection.is_stale

    async def sync(self) -> None:
        """Hear what others changed."""
        await self._connection.wait_synced()
