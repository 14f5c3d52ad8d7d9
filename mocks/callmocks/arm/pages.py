"""A page of an operator's history: from the newest row down until it is full."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from callmocks.arm import tag
from callmocks.arm.matching import CallMatcher
from callmocks.arm.page_cache import CallPage, PageCache
from callmocks.arm.query import CallHistoryQuery
from callmocks.arm.row_cache import Positions, RowCache, Selection, as_index
from callmocks.arm.rows import CallRow, RenderOptions
from callmocks.history.history import History
from callmocks.history.slices import LegSlice
from callmocks.history.views.arm import OperatorLegs, find_call_ref
from callmocks.history.walk_index import WalkIndex
from callmocks.history.walltime import DAY_MS, datetime_to_ms, day_of, day_start, ms_to_datetime
from callmocks.tenants.worker import PieceTimer, run_computation, run_if_long, yield_turn

# Rows that are rendered, after which others are served.
YIELD_EVERY_ROWS = 150


_page_cache = PageCache(max_rows=16_384)
_row_cache = RowCache(max_rows=32_768)


class PageRequest(NamedTuple):
    operator: str
    query: CallHistoryQuery
    now_ms: int
    options: RenderOptions
    repeat_tag: bool
    """An empty page returns the tag of its request."""
    plain_tag: bool
    """Tags have the documented properties alone."""
    hide_late: bool = False
    """A call that has ended is not shown before its row is there, not even as running."""
    early_records: bool = False
    """A row names its record before that is there."""


async def get_page(history: History, request: PageRequest) -> CallPage:
    """``TooManyRows`` when the row budget ends before the page is full.

    Other requests are served between days and between batches of rows.
    """
    is_long = history.has_long_days or history.has_many_pins
    # A page stays the same until a call of the operator begins or ends, so a client that polls gets
    # the cached one. Pinned calls come and go: with them no page is cached.
    if history.pins:
        return await run_computation(_build_page(history, request), is_long)
    operator, query, now_ms, *choices = request
    key = (history.key, history.first_day, history.arrivals.arm_key, operator, query, *choices)
    page = _page_cache.find(key, now_ms)
    if page is None:
        revision = history.pins.revision
        page = await run_computation(_build_page(history, request), is_long)
        if history.pins.revision == revision and _page_cache.note_request(key):
            find_change = partial(_next_change_ms, history, request)
            _page_cache.put(key, page, now_ms, await run_if_long(find_change, is_long))
    return page


async def _build_page(history: History, request: PageRequest) -> CallPage:
    query, now_ms = request.query, request.now_ms
    selected = await _select_rows(history, request)
    if not selected:
        repeated = query.cursor if request.repeat_tag else None
        return CallPage([], tag.encode(repeated) if repeated else None, [])
    rows: list[CallRow] = []
    scope, find_final = (history.key, request.options), partial(_find_final, history, now_ms)
    build_frame = partial(_build_frame, history, request)
    for batch in _split_selection(selected, YIELD_EVERY_ROWS):
        if rows:
            await yield_turn()
        rows += _row_cache.render(batch, build_frame, find_final, scope, request.options, now_ms)
    last_part, last_positions = selected[-1]
    legs, position = last_part.legs, int(last_positions[-1])
    next_tag = _make_tag(history, request, legs, position, rows[-1].call_ref)
    return CallPage(rows, next_tag, [each for row in rows for each in row.violations])


def _find_final(
    history: History, now_ms: int, part: LegSlice, positions: Positions
) -> list[bool] | None:
    """Which rows do not change any more; None when all of the part are such."""
    # Pinned calls come and go.
    arrivals, is_cached = history.arrivals, part.day is not None
    if is_cached and part.last_release + arrivals.arm.max_ms + arrivals.records.max_ms <= now_ms:
        return None
    _, final_times = _find_arm_times(history, part.legs, as_index(positions))
    final: list[bool] = (final_times <= (now_ms if is_cached else -1)).tolist()
    return final


def _find_arm_times(
    history: History, legs: OperatorLegs, chosen: slice | NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if not history.arrivals.has_arm_lags:
        return legs.release[chosen], legs.release[chosen]
    return history.arrivals.find_arm_times(legs.take(chosen))


def _build_frame(history: History, request: PageRequest, legs: OperatorLegs) -> pl.DataFrame:
    """``_release`` is when the row of the finished call is there."""
    frame = history.generated.build_arm_rows(legs)
    if not history.arrivals.has_arm_lags:
        return frame
    shown, final = history.arrivals.find_arm_times(legs)
    frame = frame.with_columns(_release=shown)
    if request.early_records:
        return frame
    present = pl.Series(final <= request.now_ms)
    return frame.with_columns(_record=pl.when(present).then("_record"))


def _split_selection(selected: list[Selection], max_rows: int) -> Iterator[list[Selection]]:
    batch: list[Selection] = []
    left = max_rows
    for part, positions in selected:
        while len(positions) > left:
            yield [*batch, (part, positions[:left])]
            batch, positions, left = [], positions[left:], max_rows
        batch.append((part, positions))
        left -= len(positions)
    yield batch


async def _select_rows(history: History, request: PageRequest) -> list[Selection]:
    operator, query, now_ms = request[:3]
    matcher = CallMatcher(query, history.directory, history.operator_index(operator))
    if not matcher.can_match:
        return []
    selected: list[Selection] = []
    skip, left = query.offset, query.limit
    # Of days in which every call has ended, a query without conditions takes all.
    takes_all = matcher.keeps_all and query.cursor is None and query.before_ms is None
    settled_ms = now_ms - history.arrivals.arm.max_ms if takes_all else -1
    is_indexed = takes_all and query.skip_incomplete and query.from_ms is None
    if is_indexed and not history.pins and not history.arrivals.has_arm_lags:
        parts, skip = _iter_parts_behind(history, request)
    else:
        parts = _iter_parts(history, operator, query, now_ms)
    timer = PieceTimer()
    for part in parts:
        positions: Positions = range(part.first, part.last)
        if part.last_release > settled_ms:
            positions = _match_legs(history, part, request, matcher)
        if skip < len(positions):
            selected.append((part, positions[skip : skip + left]))
            left -= len(selected[-1][1])
        skip = max(0, skip - len(positions))
        await timer.yield_when_due()
        if not left:
            break
    return selected


class _PageChanges(NamedTuple):
    """Ascending wall ms of an operator's calls, up to the end of a day."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]  # until then a call is shown as running
    rows: NDArray[np.int64]  # rows of finished calls come, and their records

    @property
    def nbytes(self) -> int:
        return sum(times.nbytes for times in self)


def _next_change_ms(history: History, request: PageRequest) -> int:
    """The first instant after ``now_ms`` at which the page may change, midnight at most."""
    # It changes when the row of a call comes, or its record. When unfinished calls are shown, it
    # changes when the next call begins, and while one lasts, at once: its durations grow.
    query, now_ms = request.query, request.now_ms
    changes = _get_changes(history, request)
    times = [day_start(day_of(now_ms) + 1), *_first_after(changes.rows, now_ms)]
    if not query.skip_incomplete:
        begun = int(changes.starts.searchsorted(now_ms, side="right"))
        if begun > int(changes.ends.searchsorted(now_ms, side="right")):
            return now_ms
        times += _first_after(changes.starts, now_ms)
    return min(times)


def _get_changes(history: History, request: PageRequest) -> _PageChanges:
    day, lags = day_of(request.now_ms), (history.arrivals.arm_key, request.hide_late)
    changes: _PageChanges = history.generated.get_or_create(
        ("arm.changes", request.operator, history.first_day, lags),
        day,
        partial(_load_changes, history, request.operator, day, request.hide_late),
        lambda changes: changes.nbytes,
    )
    return changes


def _load_changes(history: History, operator: str, day: int, hide_late: bool) -> _PageChanges:
    # A call lasts less than a day; then its row may be late, and its record after that.
    arrivals = history.arrivals
    first_day = day - 1 - -(-(arrivals.arm.max_ms + arrivals.records.max_ms) // DAY_MS)
    parts = history.slice_operator_legs(operator, day_start(day + 1) - 1, day_start(first_day))
    legs = [part.legs.take(slice(part.first, part.last)) for part in parts]
    starts = _sort_times(each.start for each in legs)
    releases = _sort_times(each.release for each in legs)
    if not arrivals.has_arm_lags:
        return _PageChanges(starts, releases, releases)
    times = [arrivals.find_arm_times(each) for each in legs]
    shown = _sort_times(shown for shown, _ in times)
    rows = _sort_times([shown, *(final for _, final in times)])
    return _PageChanges(starts, releases if hide_late else shown, rows)


def _sort_times(parts: Iterable[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.sort(np.concatenate([np.zeros(0, np.int64), *parts]))


def _first_after(times: NDArray[np.int64], now_ms: int) -> list[int]:
    index = int(times.searchsorted(now_ms, side="right"))
    return [int(times[index])] if index < len(times) else []


def _iter_parts(
    history: History, operator: str, query: CallHistoryQuery, now_ms: int
) -> Iterator[LegSlice]:
    newest, oldest = now_ms, query.from_ms
    if query.before_ms is not None:
        newest = min(newest, query.before_ms - 1)  # no release comes before its start
    if query.cursor is not None:
        newest = min(newest, datetime_to_ms(query.cursor.start) + 999)
    earliest = day_start(history.first_day)
    return history.slice_operator_legs(operator, newest, earliest if oldest is None else oldest)


def _iter_parts_behind(history: History, request: PageRequest) -> tuple[Iterator[LegSlice], int]:
    """The parts from the one on that holds the offset's row, and rows of it to skip.

    Of a query that takes all finished calls, without pins and lags.
    """
    operator, query, now_ms = request[:3]
    today = day_of(now_ms)
    index = history.get_walk_index(
        operator, today, lambda: WalkIndex(_get_changes(history, request).ends.tolist())
    )
    row = query.offset + index.count_unreleased(now_ms)
    step = index.find_step(row)
    # Those that are hidden are of today and of the day before.
    if step is None or step.day >= today:
        step = None
    parts = history.slice_operator_legs(operator, now_ms, day_start(history.first_day), index, step)
    return parts, query.offset if step is None else row - step.rows


def _match_legs(
    history: History, part: LegSlice, request: PageRequest, matcher: CallMatcher
) -> Positions:
    query, legs, first, last = request.query, part.legs, part.first, part.last
    if query.cursor is not None:
        first = _position_after(history.key, part, query.cursor)
    if first >= last:
        return range(0)
    matches = _find_visible(history, request, part, first)
    if matcher.keeps_all and matches is None:
        return range(first, last)
    if matches is None:
        matches = np.ones(last - first, np.bool_)
    if not matcher.keeps_all:
        matches &= matcher.match(legs.take(slice(first, last)))
    return np.flatnonzero(matches) + first


def _find_visible(
    history: History, request: PageRequest, part: LegSlice, first: int
) -> NDArray[np.bool_] | None:
    """Which legs the dates of the query and its ``skip_incomplete`` leave; None: all of them."""
    query, now_ms, lag = request.query, request.now_ms, history.arrivals.arm
    by_release = query.before_ms is not None and query.before_column == "_release"
    finished = query.skip_incomplete or by_release
    if not finished and not (request.hide_late and lag.max_ms):
        return None
    chosen, visible = slice(first, part.last), None
    if part.last_release + lag.max_ms > now_ms:
        visible = _find_arm_times(history, part.legs, chosen)[0] <= now_ms
        if not finished:
            visible |= part.legs.release[chosen] > now_ms
    if by_release and query.before_ms is not None and part.last_release >= query.before_ms:
        ended = part.legs.release[chosen] < query.before_ms
        return ended if visible is None else visible & ended
    return visible


def _position_after(key: bytes, part: LegSlice, cursor: tag.PagingTag) -> int:
    legs, first, last = part[:3]
    second = datetime_to_ms(cursor.start)
    if cursor.after is None:
        return last - legs.count_started_before(first, last, second)
    exact, ref = second + cursor.after[0], cursor.after[1]
    behind = last - legs.count_started_before(first, last, exact)
    same_start = last - legs.count_started_before(first, last, exact + 1)
    for position in range(same_start, behind):
        if find_call_ref(key, legs, position) == ref:
            return position + 1
    return behind


def _make_tag(
    history: History, request: PageRequest, legs: OperatorLegs, position: int, call_ref: str
) -> str:
    """The cursor behind a row; with what tells it from other rows of its second, if any."""
    query, around = request.query, slice(max(position - 1, 0), position + 2)
    starts, operators = legs.start[around].tolist(), legs.operator[around].tolist()
    exact, operator = starts[position - around.start], operators[position - around.start]
    agent, second = history.directory.operators[operator].agent_id, exact // 1000
    start = ms_to_datetime(second * 1000)
    if request.plain_tag:
        return tag.encode(tag.PagingTag(start, agent, query.skip_incomplete))
    pairs = zip(starts, operators, strict=True)
    seconds = [each // 1000 for each, other in pairs if other == operator]
    after = (exact % 1000, call_ref) if seconds.count(second) > 1 else None
    return tag.encode(tag.PagingTag(start, agent, query.skip_incomplete, query.filters, after))
