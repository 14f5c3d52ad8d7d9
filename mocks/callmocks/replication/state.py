"""Sessions and counters of tenants in Redis: one hash for each tenant."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from callmocks.history.generator import make_random_key
from callmocks.tenants.state import (
    CounterIncrement,
    CounterTotals,
    StaleTenantsError,
    State,
    StateDump,
)

if TYPE_CHECKING:
    from callmocks.replication.connection import RedisConnection
    from callmocks.replication.store import StoreVersion

STORE_KEY = "callmocks:documents"
TTL_SECONDS = 86_400  # how long Redis keeps anything after the last replica has gone


class LocalCopy(Protocol):
    """The tenants in this process's memory."""

    connection: RedisConnection
    version: StoreVersion

    async def catch_up(self, stale: StoreVersion) -> None:
        """Bring memory to the store's version, unless it has left ``stale`` already."""


class RedisState(State):
    """State of a tenant that all replicas share.

    A request gets a copy (``for_request``), whose first operation compares the version of the
    store with the one memory had when the request began, in the same step.
    """

    def __init__(self, local: LocalCopy, tenant: str) -> None:
        self._local = local
        self._tenant = tenant
        self._base: StoreVersion | None = None
        self.incarnation = ""  # keys of earlier incarnations are never read

    @property
    def hash_key(self) -> str:
        return f"callmocks:state:{self._tenant}:{self.incarnation}"

    def make_salt(self) -> str:
        return make_random_key().hex()

    def for_request(self) -> RedisState:
        state = copy(self)
        state._base = self._local.version
        return state

    async def confirm(self) -> None:
        if self._base is not None:
            await self._run("compare")

    async def get(self, key: str) -> bytes | None:
        value: bytes | None = await self._run("get", f"v:{key}")
        return value

    async def put(self, key: str, value: bytes) -> None:
        await self._run("put", f"v:{key}", value)

    async def compare_and_set(self, key: str, expected: bytes | None, value: bytes) -> bytes | None:
        marked = b"" if expected is None else b"=" + expected
        found: bytes | None = await self._run("compare_and_set", f"v:{key}", value, marked)
        return found

    async def delete(self, key: str) -> bool:
        return bool(await self._run("delete", *(f"{kind}:{key}" for kind in "vcl")))

    async def add(self, key: str, amount: int, limit: int | None = None) -> int | None:
        totals = await self.add_all([CounterIncrement(key, amount, limit)])
        return totals.values[0] if totals.rejected_index is None else None

    async def add_all(self, increments: Sequence[CounterIncrement]) -> CounterTotals:
        args: list[str | int] = []
        for key, amount, limit in increments:
            args += [f"c:{key}", amount, "" if limit is None else limit]
        rejected, *values = await self._run("add", *args)
        return CounterTotals(tuple(values), None if rejected < 0 else rejected)

    async def add_to_bounded_set(self, key: str, member: str, limit: int) -> bool:
        return bool(await self._run("add_to_set", f"l:{key}", f"{member},", limit))

    async def read_all(self) -> StateDump:
        fields = await self._run("read_all")
        dump = StateDump()
        for field, value in zip(fields[::2], fields[1::2], strict=True):
            kind, _, key = field.decode().partition(":")
            if kind == "v":
                dump.values[key] = value
            elif kind == "c":
                dump.counters[key] = int(value)
            else:
                dump.sets[key] = set(value.decode().split(",")[:-1])
        return dump

    async def replace_all(self, dump: StateDump) -> None:
        fields: list[str | bytes | int] = []
        for kind in (dump.values, dump.counters):
            for key, value in kind.items():
                fields += [f"{'c' if isinstance(value, int) else 'v'}:{key}", value]
        for key, members in dump.sets.items():
            fields += [f"l:{key}", "".join(f"{member}," for member in sorted(members))]
        await self._run("replace_all", *fields)

    async def delete_all(self) -> None:
        await self._run("delete_all")

    async def _run(self, operation: str, *args: str | bytes | int) -> Any:
        base = self._base
        text = "" if base is None else base.text
        found = await self._local.connection.run_script(
            "state", [STORE_KEY, self.hash_key], [text, operation, TTL_SECONDS, *args]
        )
        if found is None:
            assert base is not None
            raise StaleTenantsError(partial(self._local.catch_up, base))
        self._base = None  # current when the request began; later changes are concurrent with it
        return found[0]
