"""Days that were drawn stay at hand until others need their memory."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")

DEFAULT_MAX_BYTES = 512 * 1024 * 1024


class DayCache:
    """Least recently used things go first when the bytes run out.

    Nothing in here is state: whatever was dropped is drawn again bit for bit, so all tenants of a
    process share one cache, and two with the same history share its days.
    """

    def __init__(self, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self.max_bytes = max_bytes
        self.bytes_used = 0
        self._items: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()

    def get_or_create(
        self, key: Hashable, create: Callable[[], T], size_of: Callable[[T], int]
    ) -> T:
        """The thing under a key, made when it is not there; ``size`` tells its bytes."""
        found = self._items.get(key)
        if found is not None:
            self._items.move_to_end(key)
            kept: T = found[0]
            return kept
        made = create()
        cost = size_of(made)
        self._items[key] = (made, cost)
        self.bytes_used += cost
        while self.bytes_used > self.max_bytes and len(self._items) > 1:
            _, (_, freed) = self._items.popitem(last=False)
            self.bytes_used -= freed
        return made

    def peek(self, key: Hashable) -> Any | None:
        """The thing under a key when it is there; it counts as used."""
        found = self._items.get(key)
        if found is None:
            return None
        self._items.move_to_end(key)
        return found[0]

    def clear(self) -> None:
        """Drop everything."""
        self._items.clear()
        self.bytes_used = 0

    def __len__(self) -> int:
        return len(self._items)
