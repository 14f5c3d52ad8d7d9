"""A page of an operator's history: from the newest row down until it is full."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import NamedTuple

import numpy as np

from callmocks.arm import tag
from callmocks.arm.query import Query
from callmocks.arm.rows import Row, Rows, Style
from callmocks.arm.schema import Fault
from callmocks.history.history import History, Part
from callmocks.history.wall import day_start, from_ms, to_ms

_PAUSE_DAYS = 4
_PAUSE_ROWS = 500


class Page(NamedTuple):
    """Rows, newest first, and the tag that goes on behind the last of them.

    ``faults``: places where our own rows break the schema; there must be none.
    """

    rows: list[Row]
    tag: str | None
    faults: list[Fault]


async def page(
    history: History, operator: str, query: Query, now_ms: int, style: Style, empty_tag: bool
) -> Page:
    """The page a query asks for, as the history looks at an instant.

    ``empty_tag``: an empty page returns the tag it was asked with. ``TooManyRows`` when the row
    budget ends first. Others are let in between days and between bunches of rows.
    """
    taken: list[tuple[Rows, Sequence[int]]] = []
    skip, left = query.offset, query.limit
    for count, (rows, first, last) in enumerate(_days(history, operator, query, now_ms, style)):
        places = _matching(rows, first, last, query, now_ms)
        if skip < len(places):
            some = places[skip : skip + left]
            taken.append((rows, some))
            left -= len(some)
        skip = max(0, skip - len(places))
        if not left:
            break
        if count % _PAUSE_DAYS == _PAUSE_DAYS - 1:
            await asyncio.sleep(0)
    made: list[Row] = []
    faults: list[Fault] = []
    for rows, places in taken:
        for start in range(0, len(places), _PAUSE_ROWS):
            if start:
                await asyncio.sleep(0)
            more, wrong = rows.render(places[start : start + _PAUSE_ROWS], now_ms)
            made += more
            faults += wrong
    if taken:
        return Page(made, _tag(operator, query, taken[-1][0], taken[-1][1][-1]), faults)
    same = query.cursor if empty_tag else None
    return Page([], None if same is None else tag.encode(same), [])


def _days(
    history: History, operator: str, query: Query, now_ms: int, style: Style
) -> Iterator[tuple[Rows, int, int]]:
    """Days with rows in the query's time, newest first; a day's own rows are kept rendered."""
    newest, oldest = now_ms, query.from_ms
    if query.before_ms is not None:
        newest = min(newest, query.before_ms - 1)  # no release comes before its start
    if query.cursor is not None:
        newest = min(newest, to_ms(query.cursor.start) + 999)
    earliest = day_start(history.first_day)
    name = f"arm.rows {operator} {style}"
    for part in history.arm_parts(operator, newest, earliest if oldest is None else oldest):
        rows = _rows(history, name, part, style)
        yield rows, part.first, part.last


def _rows(history: History, name: str, part: Part, style: Style) -> Rows:
    if part.day is None:
        return Rows(part.frame, style)
    return history.drawn.kept(
        name, part.day, lambda: Rows(part.frame, style), lambda made: made.nbytes
    )


def _matching(rows: Rows, first: int, last: int, query: Query, now_ms: int) -> Sequence[int]:
    """Places of the rows that match, in order."""
    first = max(first, _after_cursor(rows, query.cursor))
    if first >= last:
        return range(0)
    by_release = query.before_ms is not None and query.before_column == "_release"
    until = min(now_ms, query.before_ms - 1) if by_release and query.before_ms else now_ms
    ended = query.skip_incomplete or by_release
    if query.match is None and (not ended or rows.finished <= until):
        return range(first, last)
    fits = np.ones(last - first, dtype=np.bool_)
    if ended:
        fits &= rows.releases[first:last] <= until
    if query.match is not None:
        window = rows.frame.slice(first, last - first)
        fits &= window.select(query.match.fill_null(False)).to_series().to_numpy()
    places: list[int] = (np.flatnonzero(fits) + first).tolist()
    return places


def _after_cursor(rows: Rows, cursor: tag.Tag | None) -> int:
    """The first place behind the last row that was sent."""
    if cursor is None:
        return 0
    ascending, second = rows.starts[::-1], to_ms(cursor.start)
    if cursor.after is None:
        return len(rows) - int(np.searchsorted(ascending, second))
    exact, ref = second + cursor.after[0], cursor.after[1]
    behind = len(rows) - int(np.searchsorted(ascending, exact))
    same = len(rows) - int(np.searchsorted(ascending, exact, side="right"))
    for place in range(same, behind):
        if rows.call_ref(place) == ref:
            return place + 1
    return behind


def _tag(operator: str, query: Query, rows: Rows, place: int) -> str:
    """The cursor behind a row; in a second it shares with others, its place among them too."""
    exact = int(rows.starts[place])
    second = exact // 1000
    neighbours = rows.starts[max(place - 1, 0) : place + 2] // 1000
    shared = int((neighbours == second).sum()) > 1
    start = from_ms(exact) - timedelta(milliseconds=exact % 1000)
    after = (exact % 1000, rows.call_ref(place)) if shared else None
    return tag.encode(tag.Tag(start, operator, query.skip_incomplete, query.filters, after))
