"""``get.call_legs_report``: the legs of the calls that ended, by the start of the leg."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl

from callmocks.cdr import rows, selfcheck, tables
from callmocks.cdr.rows import Rendered
from callmocks.cdr.select import page
from callmocks.history import ids
from callmocks.history.wall import to_ms

if TYPE_CHECKING:
    from callmocks.cdr.query import Query
    from callmocks.history.history import History, Part
    from callmocks.tenancy.exchange import Exchange

COLUMNS_BYTES = 20_000
"""Memory of the columns' types, at most."""
WARMING = 3000
"""Rows that one query may render ahead for the days its page comes from."""

_SECOND = timedelta(seconds=1)


def report(exchange: Exchange, query: Query) -> tuple[int, bytes]:
    """How many legs match, and the page of them as a JSON array."""
    history = exchange.tenant.history
    start, end, now = window(exchange, query)
    if start > end:
        return 0, b"[]"
    by_session = exchange.assume("cdr.leg-direction") == "session"
    wanted = query.filter.must_equal.get("call_session_id")
    if wanted is not None:
        return _of_session(exchange, query, wanted)
    parts = history.leg_parts(start, end, now)
    selfcheck.check_parts(exchange, "get.call_legs_report", parts)
    if _plain(exchange, query) and not history.pins and not by_session:
        return sum(part.last - part.first for part in parts), _walk(history, query, parts)
    frame = history.legs(start, end, now)
    total, found = page(exchange, query, _shown(frame, by_session))
    return total, _render(history, query, found, by_session)


def columns(history: History) -> dict[str, pl.DataType]:
    """Types of the columns of a legs frame, the record lists included."""

    def make() -> dict[str, pl.DataType]:
        return {**history.no_legs.schema, **dict.fromkeys(rows.RECORDS, pl.List(pl.String))}

    return history.drawn.kept("cdr-leg-columns", history.last_day, make, lambda _: COLUMNS_BYTES)


def window(exchange: Exchange, query: Query) -> tuple[int, int, int]:
    """First and last second of the window and the present instant, as wall ms.

    The last one is left out when the tenant holds that windows end before ``date_till``.
    """
    end = query.end
    if exchange.assume("cdr.window-ends") == "before" and end > datetime.min:
        end -= _SECOND
    return to_ms(query.start), to_ms(end), to_ms(exchange.now)


def _plain(exchange: Exchange, query: Query) -> bool:
    """Whether the page is a stretch of the history, as it is drawn and rendered."""
    return (
        query.filter.expression is None
        and not query.sort
        and query.fields == tables.legs().default
        and exchange.assume("cdr.default-order") == "ascending"
    )


def _walk(history: History, query: Query, parts: list[Part]) -> bytes:
    """The page of an unfiltered report: whole days are stepped over."""
    skip, wanted = query.offset, query.limit
    found: list[bytes] = []
    for part in parts:
        size = part.last - part.first
        if skip >= size or not wanted:
            skip = max(skip - size, 0)
            continue
        first = part.first + skip
        last = min(part.last, first + wanted)
        found += _stretch(history, query, part, first, last)
        wanted -= last - first
        skip = 0
    return rows.array(found)


def _stretch(history: History, query: Query, part: Part, first: int, last: int) -> list[bytes]:
    ready = None if part.day is None else rows.rendered_day(history, part.day, query.fields)
    if ready is not None:
        return ready.rows[first:last]
    body = rows.render(part.frame.slice(first, last - first), rows.leg_columns(query.fields))
    return [body[1:-1]] if last > first else []


def _of_session(exchange: Exchange, query: Query, wanted: set[int]) -> tuple[int, bytes]:
    """The id of a session is an address: nothing is searched."""
    start, end, now = window(exchange, query)
    history = exchange.tenant.history
    by_session = exchange.assume("cdr.leg-direction") == "session"
    frame = history.no_legs
    if len(wanted) == 1:
        frame = history.legs_of_session(next(iter(wanted)), now)
        selfcheck.check_frame(exchange, "get.call_legs_report", frame)
        inside = frame["_start"].is_between(start, end + 999)
        frame = frame if inside.all() else frame.filter(inside)
    total, found = page(exchange, query, _shown(frame, by_session))
    return total, _render(history, query, found, by_session)


def _shown(frame: pl.DataFrame, by_session: bool) -> pl.DataFrame:
    """The legs with the direction the tenant holds true: each leg's own, or its session's."""
    return frame.with_columns(direction="_session_direction") if by_session else frame


def _render(history: History, query: Query, found: pl.DataFrame, by_session: bool) -> bytes:
    if query.fields == tables.legs().default and not by_session:
        ready = _ready(history, found)
        if ready is not None:
            return rows.array(ready)
    return rows.render(found, rows.leg_columns(query.fields))


def _ready(history: History, found: pl.DataFrame) -> list[bytes] | None:
    """Rendered rows of legs from anywhere, None when too much would have to be rendered first.

    Every query warms a few of its days, so the next ones find them.
    """
    numbers: list[int] = found["id"].to_list()
    addresses = {number: ids.leg_address(number) for number in numbers}
    days = {address[0] for address in addresses.values() if address is not None}
    budget = WARMING + len(numbers)
    by_day: dict[int, Rendered] = {}
    for day in days:
        ready = history.drawn.look("cdr-json", day)
        if ready is None:
            budget -= len(history.drawn.legs(day).frame)
            ready = rows.rendered_day(history, day, tables.legs().default) if budget > 0 else None
        if ready is None:
            return None
        by_day[day] = ready
    found_rows = [
        by_day[address[0]].by_id.get(number) if address is not None else None
        for number, address in addresses.items()
    ]
    whole = [row for row in found_rows if row is not None]
    return whole if len(whole) == len(numbers) else None
