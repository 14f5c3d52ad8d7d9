from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, TypeVar

T = TypeVar("T")

DEFAULT_MAX_BYTES = 512 * 1024 * 1024


class DayCache:
    """Drops the least recently used days, and what was made of them, when the bytes run out.

    It holds no state: what was dropped is generated again bit for bit, so all tenants of a process
    share one cache, and two with the same history share its days.
    """

    def __init__(self, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self.max_bytes = max_bytes
        self.bytes_used = 0
        self._items: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._lock = Lock()

    def get_or_create(
        self, key: Hashable, create: Callable[[], T], size_of: Callable[[T], int]
    ) -> T:
        value: T | None = self.peek(key)
        if value is not None:
            return value
        # Not under the lock: another thread that wants it too makes the same, bit for bit.
        value = create()
        size = size_of(value)
        with self._lock:
            _, replaced = self._items.pop(key, (None, 0))
            self._items[key] = (value, size)
            self.bytes_used += size - replaced
            while self.bytes_used > self.max_bytes and len(self._items) > 1:
                _, (_, freed) = self._items.popitem(last=False)
                self.bytes_used -= freed
        return value

    def peek(self, key: Hashable) -> Any | None:
        """It counts as used."""
        entry = self._items.get(key)
        if entry is None:
            return None
        try:  # noqa: SIM105 - suppress() takes six times as long
            self._items.move_to_end(key)
        except KeyError:  # another thread has dropped it meanwhile
            pass
        return entry[0]

    def clear(self) -> None:
        with self._lock:
            self._items.clear()
            self.bytes_used = 0

    def __len__(self) -> int:
        return len(self._items)
