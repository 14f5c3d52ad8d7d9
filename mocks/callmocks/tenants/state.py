"""The few values that must be exact when several requests (or replicas) meet: sessions, counters.

Everything else a tenant holds changes rarely and is read from memory. These operations are
asynchronous because a shared store answers over a socket; in one process they never wait. Each is
one step: nothing else happens to the tenant's values in the midst of it.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Step(NamedTuple):
    """An addition to a counter, which must not take it past the ceiling."""

    key: str
    amount: int
    ceiling: int | None = None


class Totals(NamedTuple):
    """What counters stand at."""

    values: tuple[int, ...]
    refused: int | None = None
    """The first step that would have passed its ceiling; then nothing was added at all."""


class State(Protocol):
    """A tenant's own key-value space; keys of two tenants never meet.

    A shared one raises ``StateError`` when its store cannot be reached.
    """

    @property
    def losses(self) -> int:
        """How often the store lost all it held; whoever numbers things must not begin anew."""

    @property
    def out_of_touch(self) -> bool:
        """Others may have changed what this process has not heard of: ask for ``refresh``."""

    async def refresh(self) -> None:
        """Hear what others changed; ``StateError`` when that cannot be."""

    async def get(self, key: str) -> bytes | None:
        """The value, or None."""

    async def put(self, key: str, value: bytes) -> None:
        """Set a value."""

    async def swap(self, key: str, before: bytes | None, after: bytes) -> bytes | None:
        """Set a value if it is as it was (None: not there), and return what stands there now."""

    async def drop(self, key: str) -> bool:
        """Remove a value or a counter; True when there was one."""

    async def add(self, key: str, amount: int, ceiling: int | None = None) -> int | None:
        """Add to a counter and return its new value.

        With a ceiling the counter stays as it is and None comes back when it would pass it.
        """

    async def add_all(self, steps: Sequence[Step]) -> Totals:
        """Make all additions or none of them."""

    async def enlist(self, key: str, member: str, most: int) -> bool:
        """Whether a member is on a list; it joins as long as the list has fewer than ``most``."""

    async def clear(self) -> None:
        """Forget everything of this tenant."""


class MemoryState:
    """State of one process."""

    losses = 0
    out_of_touch = False

    def __init__(self) -> None:
        self._values: dict[str, bytes] = {}
        self._counters: dict[str, int] = {}
        self._lists: dict[str, set[str]] = {}

    async def refresh(self) -> None:
        """There is nobody else."""

    async def get(self, key: str) -> bytes | None:
        """The value, or None."""
        return self._values.get(key)

    async def put(self, key: str, value: bytes) -> None:
        """Set a value."""
        self._values[key] = value

    async def swap(self, key: str, before: bytes | None, after: bytes) -> bytes | None:
        """Set a value if it is as it was."""
        if self._values.get(key) == before:
            self._values[key] = after
        return self._values.get(key)

    async def drop(self, key: str) -> bool:
        """Remove a value, a counter or a list; True when there was one."""
        value, counter = self._values.pop(key, None), self._counters.pop(key, None)
        members = self._lists.pop(key, None)
        return not (value is None and counter is None and members is None)

    async def add(self, key: str, amount: int, ceiling: int | None = None) -> int | None:
        """Add to a counter, unless it would pass the ceiling."""
        total = self._counters.get(key, 0) + amount
        if ceiling is not None and total > ceiling:
            return None
        if amount:
            self._counters[key] = total
        return total

    async def add_all(self, steps: Sequence[Step]) -> Totals:
        """Make all additions or none of them; no two are to one counter."""
        held = tuple(self._counters.get(step.key, 0) for step in steps)
        totals = tuple(value + step.amount for value, step in zip(held, steps, strict=True))
        for place, (total, step) in enumerate(zip(totals, steps, strict=True)):
            if step.ceiling is not None and total > step.ceiling:
                return Totals(held, place)
        for total, step in zip(totals, steps, strict=True):
            if step.amount:
                self._counters[step.key] = total
        return Totals(totals)

    async def enlist(self, key: str, member: str, most: int) -> bool:
        """Whether a member is on a list that has room for ``most``."""
        members = self._lists.get(key, set())
        if member not in members and len(members) < most:
            self._lists[key] = members = members | {member}
        return member in members

    async def clear(self) -> None:
        """Forget everything."""
        self._values.clear()
        self._counters.clear()
        self._lists.clear()
