"""A page of an operator's history: from the newest row down until it is full."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Sequence
from datetime import timedelta
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from callmocks.arm import tag
from callmocks.arm.query import CallHistoryQuery
from callmocks.arm.rows import CallRow, OperatorRows, RenderOptions
from callmocks.arm.schema import SchemaViolation
from callmocks.history.history import FrameSlice, History
from callmocks.history.walltime import datetime_to_ms, day_of, day_start, ms_to_datetime

_YIELD_EVERY_DAYS = 4
"""Days looked at, or parts at hand, between which nobody is let in."""
_YIELD_EVERY_ROWS = 500


class CallPage:
    """Rows, newest first, and the tag that goes on behind the last of them.

    ``faults``: places where our own rows break the schema; there must be none.
    """

    def __init__(
        self, rows: list[CallRow], tag: str | None, violations: list[SchemaViolation]
    ) -> None:
        self.rows = rows
        self.tag = tag
        self.violations = violations

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def json(self) -> bytes:
        """The rows as the items of a JSON array."""
        return b",".join([row.json for row in self.rows])

    @cached_property
    def xml(self) -> bytes:
        """The rows as elements."""
        return b"".join([row.xml for row in self.rows])


class _CachedPage(NamedTuple):
    """A page that stays as it is from one instant until just before another."""

    page: CallPage
    valid_from_ms: int
    valid_until_ms: int


class PageCache:
    """Pages made lately, the least used gone first; what is dropped is made again, the same."""

    def __init__(self, max_rows: int) -> None:
        self._max_rows = max_rows
        self._rows = 0
        self._pages: OrderedDict[Hashable, _CachedPage] = OrderedDict()

    def find(self, key: Hashable, now_ms: int) -> CallPage | None:
        kept = self._pages.get(key)
        if kept is None or not kept.valid_from_ms <= now_ms < kept.valid_until_ms:
            return None
        self._pages.move_to_end(key)
        return kept.page

    def put(self, key: Hashable, cached: _CachedPage) -> None:
        if len(cached.page) > self._max_rows // 16:
            return
        before = self._pages.pop(key, None)
        self._rows += len(cached.page) + 1 - (0 if before is None else len(before.page) + 1)
        self._pages[key] = cached
        while self._rows > self._max_rows:
            _, oldest = self._pages.popitem(last=False)
            self._rows -= len(oldest.page) + 1


_page_cache = PageCache(max_rows=16_384)


async def get_page(
    history: History,
    operator: str,
    query: CallHistoryQuery,
    now_ms: int,
    options: RenderOptions,
    empty_tag: bool,
) -> CallPage:
    """The page a query asks for, as the history looks at an instant.

    ``empty_tag``: an empty page returns the tag it was asked with. ``TooManyRows`` when the row
    budget ends first. Others are let in between days and between bunches of rows.

    A page stays the same until a call of the operator begins or ends, so a client that polls gets
    the one made for it before. Pinned calls come and go: with them every page is made anew.
    """
    if history.pins:
        return await _build_page(history, operator, query, now_ms, options, empty_tag)
    key = (history.key, history.first_day, operator, query.cache_key, options, empty_tag)
    found = _page_cache.find(key, now_ms)
    if found is None:
        found = await _build_page(history, operator, query, now_ms, options, empty_tag)
        until = _next_change_ms(history, operator, query, now_ms)
        _page_cache.put(key, _CachedPage(found, now_ms, until))
    return found


async def _build_page(
    history: History,
    operator: str,
    query: CallHistoryQuery,
    now_ms: int,
    options: RenderOptions,
    empty_tag: bool,
) -> CallPage:
    taken: list[tuple[OperatorRows, Sequence[int]]] = []
    skip, left = query.offset, query.limit
    name = ("arm.rows", operator, options)
    looked = 0
    for part in _iter_parts(history, operator, query, now_ms):
        ready = _find_rendered(history, name, part)
        rows = ready or OperatorRows(part.frame, options)
        places = _match_rows(rows, part.first, part.last, query, now_ms)
        if skip < len(places):
            some = places[skip : skip + left]
            taken.append((ready or _cache_rows(history, name, part, rows), some))
            left -= len(some)
        skip = max(0, skip - len(places))
        if not left:
            break
        looked += 1 if ready else part.days
        if looked >= _YIELD_EVERY_DAYS:
            looked = 0
            await asyncio.sleep(0)
    made: list[CallRow] = []
    faults: list[SchemaViolation] = []
    for rows, places in taken:
        for start in range(0, len(places), _YIELD_EVERY_ROWS):
            if start:
                await asyncio.sleep(0)
            more, wrong = rows.render(places[start : start + _YIELD_EVERY_ROWS], now_ms)
            made += more
            faults += wrong
    if taken:
        return CallPage(made, _make_tag(operator, query, taken[-1][0], taken[-1][1][-1]), faults)
    same = query.cursor if empty_tag else None
    return CallPage([], None if same is None else tag.encode(same), [])


def _next_change_ms(history: History, operator: str, query: CallHistoryQuery, now_ms: int) -> int:
    """The first instant after ``now_ms`` at which the page may look otherwise, midnight at most.

    Finished calls change nothing until the next one ends. When unfinished ones are shown, that is
    when the next one begins, and while one lasts its durations grow.
    """
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
        lambda found: 2 * found[0].nbytes,
    )
    ended = int(releases.searchsorted(now_ms, side="right"))
    times, at = releases, ended
    if not query.skip_incomplete:
        times, at = starts, int(starts.searchsorted(now_ms, side="right"))
        if at > ended:  # more have begun than have ended
            return now_ms
    return min(int(times[at]), midnight) if at < len(times) else midnight


def _iter_parts(
    history: History, operator: str, query: CallHistoryQuery, now_ms: int
) -> Iterator[FrameSlice]:
    """Days with rows in the query's time, newest first."""
    newest, oldest = now_ms, query.from_ms
    if query.before_ms is not None:
        newest = min(newest, query.before_ms - 1)  # no release comes before its start
    if query.cursor is not None:
        newest = min(newest, datetime_to_ms(query.cursor.start) + 999)
    earliest = day_start(history.first_day)
    return history.slice_arm_rows(operator, newest, earliest if oldest is None else oldest)


def _find_rendered(history: History, name: Hashable, part: FrameSlice) -> OperatorRows | None:
    """Rows of a part that were rendered, at least some of them, for an earlier page."""
    if part.day is None:
        return None
    found: OperatorRows | None = history.generated.peek((name, part.days), part.day)
    return found


def _cache_rows(
    history: History, name: Hashable, part: FrameSlice, rows: OperatorRows
) -> OperatorRows:
    """Rows that are about to be rendered, kept for the next page when they are a day's own."""
    if part.day is None:
        return rows
    key = (name, part.days)
    return history.generated.get_or_create(key, part.day, lambda: rows, lambda made: made.nbytes)


def _match_rows(
    rows: OperatorRows, first: int, last: int, query: CallHistoryQuery, now_ms: int
) -> Sequence[int]:
    """Places of the rows that match, in order."""
    first = max(first, _position_after(rows, query.cursor))
    if first >= last:
        return range(0)
    by_release = query.before_ms is not None and query.before_column == "_release"
    until = min(now_ms, query.before_ms - 1) if by_release and query.before_ms else now_ms
    ended = query.skip_incomplete or by_release
    if query.condition is None and (not ended or rows.last_release <= until):
        return range(first, last)
    fits = np.ones(last - first, dtype=np.bool_)
    if ended:
        fits &= rows.releases[first:last] <= until
    if query.condition is not None:
        window = rows.frame.slice(first, last - first)
        fits &= window.select(query.condition.fill_null(False)).to_series().to_numpy()
    places: list[int] = (np.flatnonzero(fits) + first).tolist()
    return places


def _position_after(rows: OperatorRows, cursor: tag.PagingTag | None) -> int:
    """The first place behind the last row that was sent."""
    if cursor is None:
        return 0
    ascending, second = rows.starts[::-1], datetime_to_ms(cursor.start)
    if cursor.after is None:
        return len(rows) - int(np.searchsorted(ascending, second))
    exact, ref = second + cursor.after[0], cursor.after[1]
    behind = len(rows) - int(np.searchsorted(ascending, exact))
    same = len(rows) - int(np.searchsorted(ascending, exact, side="right"))
    for place in range(same, behind):
        if rows.get_call_ref(place) == ref:
            return place + 1
    return behind


def _make_tag(operator: str, query: CallHistoryQuery, rows: OperatorRows, position: int) -> str:
    """The cursor behind a row; in a second it shares with others, its place among them too."""
    exact = int(rows.starts[position])
    second, around = exact // 1000, rows.starts[max(position - 1, 0) : position + 2].tolist()
    shared = sum(each // 1000 == second for each in around) > 1
    start = ms_to_datetime(exact) - timedelta(milliseconds=exact % 1000)
    after = (exact % 1000, rows.get_call_ref(position)) if shared else None
    return tag.encode(tag.PagingTag(start, operator, query.skip_incomplete, query.filters, after))
