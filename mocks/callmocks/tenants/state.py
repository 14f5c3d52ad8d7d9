"""Sessions and counters: what must be exact when requests or replicas compete.

Each operation is atomic. They are asynchronous for a shared store; in one process they never wait.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import NamedTuple, TypeVar

import msgspec

from callmocks.contract.garbage import drop_frames
from callmocks.errors import StateError

T = TypeVar("T")


class CounterIncrement(NamedTuple):
    key: str
    amount: int
    limit: int | None = None


class CounterTotals(NamedTuple):
    values: tuple[int, ...]
    rejected_index: int | None = None  # the first above its limit; then nothing was added at all


class StateDump(msgspec.Struct, frozen=True):
    """All of a state, by key."""

    values: dict[str, bytes] = {}
    counters: dict[str, int] = {}
    sets: dict[str, set[str]] = {}


class StaleTenantsError(StateError):
    """Another replica changed tenants; the request, which is to be run again, changed nothing."""

    def __init__(self, catch_up: Callable[[], Awaitable[None]]) -> None:
        super().__init__("other replicas have changed tenants")
        self.catch_up = catch_up


async def rerun_when_stale(attempt: Callable[[], Awaitable[T]]) -> T:
    while True:
        try:
            return await attempt()
        except StaleTenantsError as stale:
            with suppress(StateError):  # the next attempt answers it in the provider's shape
                await drop_frames(stale).catch_up()


class State:
    """Of one tenant, in memory.

    ``replication.state`` overrides it: values that all replicas share, ``StateError`` when their
    store cannot be reached.
    """

    def __init__(self) -> None:
        self._values: dict[str, bytes] = {}
        self._counters: dict[str, int] = {}
        self._sets: dict[str, set[str]] = {}

    def make_salt(self) -> str:
        """Include this in tokens: a counter that came back from a snapshot must repeat none."""
        return ""

    def for_request(self) -> State:
        """Its first operation raises ``StaleTenantsError`` when memory is not up to date."""
        return self

    async def confirm(self) -> None:
        """Compare as a first operation does, if there was none."""

    async def get(self, key: str) -> bytes | None:
        return self._values.get(key)

    async def put(self, key: str, value: bytes) -> None:
        self._values[key] = value

    async def compare_and_set(self, key: str, expected: bytes | None, value: bytes) -> bytes | None:
        """Set a value if it is the expected one (None: absent), and return the present one."""
        if self._values.get(key) == expected:
            self._values[key] = value
        return self._values.get(key)

    async def delete(self, key: str) -> bool:
        """Remove a value, a counter or a set; True when there was one."""
        found = [kind.pop(key, None) for kind in (self._values, self._counters, self._sets)]
        return any(each is not None for each in found)

    async def add(self, key: str, amount: int, limit: int | None = None) -> int | None:
        """Add to a counter and return its value; None, and no addition, above the limit."""
        total = self._counters.get(key, 0) + amount
        if limit is not None and total > limit:
            return None
        if amount:
            self._counters[key] = total
        return total

    async def add_all(self, increments: Sequence[CounterIncrement]) -> CounterTotals:
        """Make all additions or none of them; no two are to one counter."""
        before = tuple(self._counters.get(each.key, 0) for each in increments)
        after = tuple(value + each.amount for value, each in zip(before, increments, strict=True))
        for index, (total, each) in enumerate(zip(after, increments, strict=True)):
            if each.limit is not None and total > each.limit:
                return CounterTotals(before, index)
        for total, each in zip(after, increments, strict=True):
            if each.amount:
                self._counters[each.key] = total
        return CounterTotals(after)

    async def add_to_bounded_set(self, key: str, member: str, limit: int) -> bool:
        """Whether a member is in a set; it is added while the set has fewer than ``limit``.

        Members of a set have one length, and no comma.
        """
        members = self._sets.get(key, set())
        if member not in members and len(members) < limit:
            self._sets[key] = members = members | {member}
        return member in members

    async def swap(self, key: str, value: bytes) -> bytes | None:
        """Set a value and return what it was; not atomic."""
        before = await self.get(key)
        await self.put(key, value)
        return before

    async def read_all(self) -> StateDump:
        sets = {key: set(members) for key, members in self._sets.items()}
        return StateDump(dict(self._values), dict(self._counters), sets)

    async def replace_all(self, dump: StateDump) -> None:
        self._values, self._counters = dict(dump.values), dict(dump.counters)
        self._sets = {key: set(members) for key, members in dump.sets.items()}

    async def delete_all(self) -> None:
        self._values.clear()
        self._counters.clear()
        self._sets.clear()
