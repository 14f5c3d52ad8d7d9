"""Pages that were requested again soon, as long as nothing in them changes."""

from collections import OrderedDict
from collections.abc import Hashable

import msgspec

from callmocks.arm.rows import CallRow
from callmocks.arm.schema import SchemaViolation
from callmocks.contract.cached_property import cached_property

_MAX_REQUESTED = 256


class CallPage(msgspec.Struct, eq=False, dict=True):
    """Rows, newest first, the tag behind them, and where our own rows break the schema."""

    rows: list[CallRow]
    tag: str | None
    violations: list[SchemaViolation]

    @cached_property
    def json(self) -> bytes:
        return b",".join([row.json for row in self.rows])

    @cached_property
    def xml(self) -> bytes:
        return b"".join([row.xml for row in self.rows])


class PageCache:
    """Pages with the times in which they are valid; the least recently used ones are dropped."""

    def __init__(self, max_rows: int) -> None:
        self._max_rows = max_rows
        self._size = 0
        self._pages: OrderedDict[Hashable, tuple[CallPage, int, int]] = OrderedDict()
        self._requested: set[int] = set()

    def find(self, key: Hashable, now_ms: int) -> CallPage | None:
        page, valid_from, valid_until = self._pages.get(key, (None, 0, 0))
        if page is None or not valid_from <= now_ms < valid_until:
            return None
        self._pages.move_to_end(key)
        return page

    def note_request(self, key: Hashable) -> bool:
        """Whether a page was requested before, among the last ones that were not found."""
        # One that is read once, on a walk, costs less when it is not kept.
        number = hash(key)
        if number in self._requested:
            return True
        if len(self._requested) == _MAX_REQUESTED:
            self._requested.clear()
        self._requested.add(number)
        return False

    def put(self, key: Hashable, page: CallPage, valid_from: int, valid_until: int) -> None:
        if len(page.rows) > self._max_rows // 16:
            return
        replaced = self._pages.pop(key, None)
        self._size += _page_size(page) - (_page_size(replaced[0]) if replaced else 0)
        self._pages[key] = page, valid_from, valid_until
        while self._size > self._max_rows:
            _, (oldest, _, _) = self._pages.popitem(last=False)
            self._size -= _page_size(oldest)


def _page_size(page: CallPage) -> int:
    return len(page.rows) + 1
