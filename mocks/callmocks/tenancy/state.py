"""The few values that must be exact when several requests (or replicas) meet: sessions, counters.

Everything else a tenant holds changes rarely and is read from memory. These four operations are
asynchronous because a shared store answers over a socket; in one process they never wait.
"""

from typing import Protocol


class State(Protocol):
    """A tenant's own key-value space; keys of two tenants never meet."""

    async def get(self, key: str) -> bytes | None:
        """The value, or None."""

    async def put(self, key: str, value: bytes) -> None:
        """Set a value."""

    async def drop(self, key: str) -> bool:
        """Remove a value or a counter; True when there was one."""

    async def add(self, key: str, amount: int, ceiling: int | None = None) -> int | None:
        """Add to a counter and return its new value.

        With a ceiling the counter stays as it is and None comes back when it would pass it;
        the check and the addition are one step.
        """

    async def clear(self) -> None:
        """Forget everything of this tenant."""


class MemoryState:
    """State of one process."""

    def __init__(self) -> None:
        self._values: dict[str, bytes] = {}
        self._counters: dict[str, int] = {}

    async def get(self, key: str) -> bytes | None:
        """The value, or None."""
        return self._values.get(key)

    async def put(self, key: str, value: bytes) -> None:
        """Set a value."""
        self._values[key] = value

    async def drop(self, key: str) -> bool:
        """Remove a value or a counter; True when there was one."""
        counted = self._counters.pop(key, None) is not None
        return self._values.pop(key, None) is not None or counted

    async def add(self, key: str, amount: int, ceiling: int | None = None) -> int | None:
        """Add to a counter, unless it would pass the ceiling."""
        total = self._counters.get(key, 0) + amount
        if ceiling is not None and total > ceiling:
            return None
        self._counters[key] = total
        return total

    async def clear(self) -> None:
        """Forget everything."""
        self._values.clear()
        self._counters.clear()
