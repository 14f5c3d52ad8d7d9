"""The few values that must be exact when several requests (or replicas) meet: sessions, counters.

Everything else a tenant holds changes rarely and is read from memory. These operations are
asynchronous because a shared store answers over a socket; in one process they never wait. Each is
one step: nothing else happens to the tenant's values in the midst of it.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class CounterIncrement(NamedTuple):
    """An addition to a counter, which must not take it past the ceiling."""

    key: str
    amount: int
    limit: int | None = None


class CounterTotals(NamedTuple):
    """What counters stand at."""

    values: tuple[int, ...]
    rejected_index: int | None = None
    """The first step that would have passed its ceiling; then nothing was added at all."""


class State(Protocol):
    """A tenant's own key-value space; keys of two tenants never meet.

    A shared one raises ``StateError`` when its store cannot be reached.
    """

    @property
    def data_loss_count(self) -> int:
        """How often the store lost all it held; whoever numbers things must not begin anew."""

    @property
    def is_stale(self) -> bool:
        """Others may have changed what this process has not heard of: ask for ``refresh``."""

    async def sync(self) -> None:
        """Hear what others changed; ``StateError`` when that cannot be."""

    async def get(self, key: str) -> bytes | None:
        """The value, or None."""

    async def put(self, key: str, value: bytes) -> None:
        """Set a value."""

    async def compare_and_set(self, key: str, expected: bytes | None, value: bytes) -> bytes | None:
        """Set a value if it is as it was (None: not there), and return what stands there now."""

    async def delete(self, key: str) -> bool:
        """Remove a value or a counter; True when there was one."""

    async def add(self, key: str, amount: int, limit: int | None = None) -> int | None:
        """Add to a counter and return its new value.

        With a ceiling the counter stays as it is and None comes back when it would pass it.
        """

    async def add_all(self, increments: Sequence[CounterIncrement]) -> CounterTotals:
        """Make all additions or none of them."""

    async def add_to_bounded_set(self, key: str, member: str, limit: int) -> bool:
        """Whether a member is on a list; it joins as long as the list has fewer than ``most``."""

    async def delete_all(self) -> None:
        """Forget everything of this tenant."""


class MemoryState:
    """State of one process."""

    data_loss_count = 0
    is_stale = False

    def __init__(self) -> None:
        self._values: dict[str, bytes] = {}
        self._counters: dict[str, int] = {}
        self._sets: dict[str, set[str]] = {}

    async def sync(self) -> None:
        """There is nobody else."""

    async def get(self, key: str) -> bytes | None:
        """The value, or None."""
        return self._values.get(key)

    async def put(self, key: str, value: bytes) -> None:
        """Set a value."""
        self._values[key] = value

    async def compare_and_set(self, key: str, expected: bytes | None, value: bytes) -> bytes | None:
        """Set a value if it is as it was."""
        if self._values.get(key) == expected:
            self._values[key] = value
        return self._values.get(key)

    async def delete(self, key: str) -> bool:
        """Remove a value, a counter or a list; True when there was one."""
        value, counter = self._values.pop(key, None), self._counters.pop(key, None)
        members = self._sets.pop(key, None)
        return not (value is None and counter is None and members is None)

    async def add(self, key: str, amount: int, limit: int | None = None) -> int | None:
        """Add to a counter, unless it would pass the ceiling."""
        total = self._counters.get(key, 0) + amount
        if limit is not None and total > limit:
            return None
        if amount:
            self._counters[key] = total
        return total

    async def add_all(self, increments: Sequence[CounterIncrement]) -> CounterTotals:
        """Make all additions or none of them; no two are to one counter."""
        held = tuple(self._counters.get(step.key, 0) for step in increments)
        totals = tuple(value + step.amount for value, step in zip(held, increments, strict=True))
        for place, (total, step) in enumerate(zip(totals, increments, strict=True)):
            if step.limit is not None and total > step.limit:
                return CounterTotals(held, place)
        for total, step in zip(totals, increments, strict=True):
            if step.amount:
                self._counters[step.key] = total
        return CounterTotals(totals)

    async def add_to_bounded_set(self, key: str, member: str, limit: int) -> bool:
        """Whether a member is on a list that has room for ``most``."""
        members = self._sets.get(key, set())
        if member not in members and len(members) < limit:
            self._sets[key] = members = members | {member}
        return member in members

    async def delete_all(self) -> None:
        """Forget everything."""
        self._values.clear()
        self._counters.clear()
        self._sets.clear()
