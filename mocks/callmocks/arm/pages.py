"""A page of an operator's history: from the newest row down until it is full."""

import asyncio
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from callmocks.arm import tag
from callmocks.arm.query import CallHistoryQuery
from callmocks.arm.rows import ROW_BYTES, CallRow, OperatorRows, RenderOptions
from callmocks.arm.schema import SchemaViolation
from callmocks.history.history import FrameSlice, History
from callmocks.history.walltime import datetime_to_ms, day_of, day_start, ms_to_datetime

# Generated days, or parts that are rendered already, between which others are served.
_YIELD_EVERY_DAYS = 4
_YIELD_EVERY_ROWS = 500


@dataclass(eq=False)
class CallPage:
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

    def find(self, key: Hashable, now_ms: int) -> CallPage | None:
        page, valid_from, valid_until = self._pages.get(key, (None, 0, 0))
        if page is None or not valid_from <= now_ms < valid_until:
            return None
        self._pages.move_to_end(key)
        return page

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


_page_cache = PageCache(max_rows=16_384)


class PageRequest(NamedTuple):
    operator: str
    query: CallHistoryQuery
    now_ms: int
    options: RenderOptions
    repeat_tag: bool
    """An empty page returns the tag of its request."""
    plain_tag: bool
    """Tags have the documented properties alone."""


async def get_page(history: History, request: PageRequest) -> CallPage:
    """``TooManyRows`` when the row budget ends before the page is full.

    Other requests are served between days and between batches of rows.
    """
    # A page stays the same until a call of the operator begins or ends, so a client that polls gets
    # the cached one. Pinned calls come and go: with them no page is cached.
    if history.pins:
        return await _build_page(history, request)
    operator, query, now_ms, *choices = request
    comparable = query[:-1]  # the condition follows from the filters, and has no equality
    key = (history.key, history.first_day, operator, comparable, *choices)
    page = _page_cache.find(key, now_ms)
    if page is None:
        page = await _build_page(history, request)
        _page_cache.put(key, page, now_ms, _next_change_ms(history, operator, query, now_ms))
    return page


async def _build_page(history: History, request: PageRequest) -> CallPage:
    query, now_ms = request.query, request.now_ms
    selected = await _select_rows(history, request)
    if not selected:
        repeated = query.cursor if request.repeat_tag else None
        return CallPage([], tag.encode(repeated) if repeated else None, [])
    rendered: list[CallRow] = []
    violations: list[SchemaViolation] = []
    for rows, positions in selected:
        for start in range(0, len(positions), _YIELD_EVERY_ROWS):
            if start:
                await asyncio.sleep(0)
            more, found = rows.render(positions[start : start + _YIELD_EVERY_ROWS], now_ms)
            rendered += more
            violations += found
    last_rows, last_positions = selected[-1]
    next_tag = _make_tag(request, last_rows, last_positions[-1])
    return CallPage(rendered, next_tag, violations)


async def _select_rows(
    history: History, request: PageRequest
) -> list[tuple[OperatorRows, Sequence[int]]]:
    operator, query, now_ms, options = request[:4]
    selected: list[tuple[OperatorRows, Sequence[int]]] = []
    skip, left = query.offset, query.limit
    cache_name = ("arm.rows", operator, options)
    since_yield = 0
    for part in _iter_parts(history, operator, query, now_ms):
        cached = _find_rendered(history, cache_name, part)
        rows = cached or OperatorRows(part.frame, options)
        positions = _match_rows(rows, part.first, part.last, query, now_ms)
        if skip < len(positions):
            taken = positions[skip : skip + left]
            selected.append((cached or _cache_rows(history, cache_name, part, rows), taken))
            left -= len(taken)
        skip = max(0, skip - len(positions))
        if not left:
            break
        since_yield += 1 if cached else part.days
        if since_yield >= _YIELD_EVERY_DAYS:
            since_yield = 0
            await asyncio.sleep(0)
    return selected


def _next_change_ms(history: History, operator: str, query: CallHistoryQuery, now_ms: int) -> int:
    """The first instant after ``now_ms`` at which the page may change, midnight at most."""
    # It changes when the next call ends. When unfinished calls are shown, it changes when the next
    # call begins, and while one lasts, at once: its durations grow.
    day = day_of(now_ms)
    midnight = day_start(day + 1)

    def load_changes() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        frames = list(history.arm_frames(operator, midnight - 1, day_start(day - 1)))
        columns = [
            [frame[name].to_numpy() for frame in frames] or [np.zeros(0, np.int64)]
            for name in ("_start", "_release")
        ]
        starts, releases = (np.sort(np.concatenate(times)) for times in columns)
        return starts, releases

    starts, releases = history.generated.get_or_create(
        f"arm.changes {operator} {history.first_day}",
        day,
        load_changes,
        lambda changes: 2 * changes[0].nbytes,
    )
    times, next_index = releases, int(releases.searchsorted(now_ms, side="right"))
    if not query.skip_incomplete:
        ended = next_index
        times, next_index = starts, int(starts.searchsorted(now_ms, side="right"))
        if next_index > ended:  # more have begun than have ended
            return now_ms
    return min(int(times[next_index]), midnight) if next_index < len(times) else midnight


def _iter_parts(
    history: History, operator: str, query: CallHistoryQuery, now_ms: int
) -> Iterator[FrameSlice]:
    newest, oldest = now_ms, query.from_ms
    if query.before_ms is not None:
        newest = min(newest, query.before_ms - 1)  # no release comes before its start
    if query.cursor is not None:
        newest = min(newest, datetime_to_ms(query.cursor.start) + 999)
    earliest = day_start(history.first_day)
    return history.slice_arm_rows(operator, newest, earliest if oldest is None else oldest)


def _find_rendered(history: History, name: Hashable, part: FrameSlice) -> OperatorRows | None:
    if part.day is None:
        return None
    cached: OperatorRows | None = history.generated.peek((name, part.days), part.day)
    return cached


def _cache_rows(
    history: History, name: Hashable, part: FrameSlice, rows: OperatorRows
) -> OperatorRows:
    # Rows of pinned calls are not cached.
    if part.day is None:
        return rows
    key = (name, part.days)
    size = ROW_BYTES * len(rows)
    return history.generated.get_or_create(key, part.day, lambda: rows, lambda _: size)


def _match_rows(
    rows: OperatorRows, first: int, last: int, query: CallHistoryQuery, now_ms: int
) -> Sequence[int]:
    first = max(first, _position_after(rows, query.cursor))
    if first >= last:
        return range(0)
    by_release = query.before_ms is not None and query.before_column == "_release"
    until = min(now_ms, query.before_ms - 1) if by_release and query.before_ms else now_ms
    ended = query.skip_incomplete or by_release
    if query.condition is None and (not ended or rows.last_release <= until):
        return range(first, last)
    matches = np.ones(last - first, dtype=np.bool_)
    if ended:
        matches &= rows.releases[first:last] <= until
    if query.condition is not None:
        frame = rows.frame.slice(first, last - first)
        matches &= frame.select(query.condition.fill_null(False)).to_series().to_numpy()
    positions: list[int] = (np.flatnonzero(matches) + first).tolist()
    return positions


def _position_after(rows: OperatorRows, cursor: tag.PagingTag | None) -> int:
    if cursor is None:
        return 0
    ascending, second = rows.starts[::-1], datetime_to_ms(cursor.start)
    if cursor.after is None:
        return len(rows) - int(np.searchsorted(ascending, second))
    exact, ref = second + cursor.after[0], cursor.after[1]
    behind = len(rows) - int(np.searchsorted(ascending, exact))
    same_start = len(rows) - int(np.searchsorted(ascending, exact, side="right"))
    for position in range(same_start, behind):
        if rows.get_call_ref(position) == ref:
            return position + 1
    return behind


def _make_tag(request: PageRequest, rows: OperatorRows, position: int) -> str:
    """The cursor behind a row; with what tells it from other rows of its second, if any."""
    operator, query, exact = request.operator, request.query, int(rows.starts[position])
    neighbours = rows.starts[max(position - 1, 0) : position + 2].tolist()
    shared = sum(each // 1000 == exact // 1000 for each in neighbours) > 1
    start = ms_to_datetime(exact) - timedelta(milliseconds=exact % 1000)
    if request.plain_tag:
        return tag.encode(tag.PagingTag(start, operator, query.skip_incomplete))
    after = (exact % 1000, rows.get_call_ref(position)) if shared else None
    return tag.encode(tag.PagingTag(start, operator, query.skip_incomplete, query.filters, after))
