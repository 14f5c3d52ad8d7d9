"""``get.call_legs_report``: the legs of the calls that ended, by the start of the leg."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import polars as pl

from callmocks.cdr import rows, selfcheck, tables
from callmocks.cdr.rows import Pieces
from callmocks.cdr.select import matches, page
from callmocks.history.generator import derive_key
from callmocks.history.wall import to_ms

if TYPE_CHECKING:
    from callmocks.cdr.query import Query
    from callmocks.history.history import History, Part
    from callmocks.tenancy.exchange import Exchange

METHOD = "get.call_legs_report"
COLUMNS_BYTES = 20_000
"""Memory of the columns' types, at most."""
MATCHES_BYTES = 300
"""Memory of kept matches beside their places."""
LARGEST_JOIN = 200_000
"""Rows of joined days that are kept in one piece: in many pieces each costs its own overhead."""
WARMING = 3000
"""Rows that one query may render ahead for the days its page comes from."""

_SECOND = timedelta(seconds=1)


def report(exchange: Exchange, query: Query) -> tuple[int, Pieces]:
    """How many legs match, and the page of them as a JSON array."""
    start, end, now = window(exchange, query)
    if start > end:
        return 0, (b"[]",)
    wanted = query.filter.must_equal.get("call_session_id")
    if wanted is not None:
        return _of_session(exchange, query, wanted, (start, end + 999, now))
    history = exchange.tenant.history
    as_drawn, by_default = _as_drawn(exchange, query), query.fields == tables.legs().default
    history.require_budget(start, end, now)
    parts = history.leg_parts(start, end, now)
    selfcheck.check_parts(exchange, METHOD, parts)
    if as_drawn and by_default and query.filter.expression is None and not query.sort:
        return sum(part.last - part.first for part in parts), _walk(history, query, parts)
    name = _whole_days(history, parts)
    frame = history.join(parts) if name is None else _joined(history, parts, name)
    if as_drawn and name is not None:
        found = _kept_matches(exchange, query, frame, parts, name)
    else:
        frame = _shown(exchange, frame)
        found = matches(exchange, query, frame)
    if found is None:
        some = frame.slice(query.offset, query.limit)
        return len(frame), rows.render(some, rows.leg_columns(query.fields))
    places = found.slice(query.offset, query.limit)
    ready = _ready(history, parts, places) if as_drawn and by_default else None
    if ready is not None:
        return len(found), rows.array(ready)
    return len(found), rows.render(frame[places], rows.leg_columns(query.fields))


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


def _whole_days(history: History, parts: list[Part]) -> str | None:
    """A name for what is made of whole drawn days in a row; None for any other parts."""
    whole = [part.day for part in parts if (part.first, part.last) == (0, len(part.frame))]
    days = [day for day in whole if day is not None]
    if len(days) < len(parts) or len(days) < 2 or sum(p.last for p in parts) > LARGEST_JOIN:
        return None
    return f"to {days[-1]}"


def _joined(history: History, parts: list[Part], name: str) -> pl.DataFrame:
    """Whole days as one frame in one piece, joined once and kept."""
    first = parts[0].day or 0
    make = history.join
    return history.drawn.kept(
        f"cdr-joined {name}", first, lambda: make(parts).rechunk(), _frame_bytes
    )


def _kept_matches(
    exchange: Exchange, query: Query, frame: pl.DataFrame, parts: list[Part], name: str
) -> pl.Series | None:
    """The matches among whole days, found once and kept: the next page needs no new search."""
    if query.filter.expression is None and not query.sort:
        return None
    chosen = sorted(exchange.tenant.assumptions.chosen().items())
    key = derive_key(msgspec.json.encode((query.asked, chosen))).hex()
    if query.sort:
        exchange.assume("cdr.sort-nulls")
    return exchange.tenant.history.drawn.kept(
        f"cdr-found {name} {key}",
        parts[0].day or 0,
        lambda: matches(exchange, query, frame),
        lambda made: MATCHES_BYTES + (0 if made is None else int(made.estimated_size())),
    )


def _frame_bytes(frame: pl.DataFrame) -> int:
    return int(frame.estimated_size())


def _as_drawn(exchange: Exchange, query: Query) -> bool:
    """Whether rows stand in the order and have the values with which their days were drawn."""
    return (
        not exchange.tenant.history.pins
        and exchange.assume("cdr.leg-direction") == "leg"
        and (bool(query.sort) or exchange.assume("cdr.default-order") == "ascending")
    )


def _walk(history: History, query: Query, parts: list[Part]) -> Pieces:
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
    ready = None if part.day is None else rows.rendered_day(history, part.day)
    if ready is not None:
        return ready[first:last]
    some = part.frame.slice(first, last - first)
    return [body[1:-1] for body in rows.render(some, rows.leg_columns(query.fields))]


def _ready(history: History, parts: list[Part], found: pl.Series) -> list[bytes] | None:
    """Rendered rows from anywhere, None when too much would have to be rendered first.

    Every query warms a few of its days, so the next ones find them.
    """
    ends = np.cumsum([part.last - part.first for part in parts])
    place = found.to_numpy().astype(np.int64)
    which = np.searchsorted(ends, place, side="right")
    firsts = np.array([part.last for part in parts], dtype=np.int64) - ends
    budget = WARMING + len(found)
    by_part: dict[int, list[bytes]] = {}
    for number in np.unique(which).tolist():
        day = parts[number].day
        ready = None if day is None else rows.day_at_hand(history, day)
        if ready is None and day is not None:
            budget -= len(parts[number].frame)
            ready = rows.rendered_day(history, day) if budget > 0 else None
        if ready is None:
            return None
        by_part[number] = ready
    inside = (place + firsts[which]).tolist()
    return [by_part[number][at] for number, at in zip(which.tolist(), inside, strict=True)]


def _of_session(
    exchange: Exchange, query: Query, wanted: set[int], span: tuple[int, int, int]
) -> tuple[int, Pieces]:
    """The id of a session is an address: nothing is searched."""
    start, before, now = span
    history = exchange.tenant.history
    frame = history.no_legs
    if len(wanted) == 1:
        session = next(iter(wanted))
        located = history.leg_places(session, now)
        if located is not None:
            day, at = located
            view = history.drawn.legs(day)
            selfcheck.check_day(exchange, METHOD, day, view.frame)
            at = [one for one in at if start <= view.starts[one] <= before]
            plain = query.filter.alone and not query.sort and _as_drawn(exchange, query)
            if plain and query.fields == tables.legs().default:
                ready = rows.rendered_day(history, day)
                if ready is not None:
                    shown = at[query.offset : query.offset + query.limit]
                    return len(at), rows.array([ready[one] for one in shown])
            frame = view.frame[at]
        else:  # pinned, or none at all
            frame = history.legs_of_session(session, now)
            selfcheck.check_frame(exchange, METHOD, frame)
            frame = frame.filter(pl.col("_start").is_between(start, before))
    total, found = page(exchange, query, _shown(exchange, frame))
    return total, rows.render(found, rows.leg_columns(query.fields))


def _shown(exchange: Exchange, frame: pl.DataFrame) -> pl.DataFrame:
    """The legs with the direction the tenant holds true: each leg's own, or its session's."""
    if exchange.assume("cdr.leg-direction") == "session":
        return frame.with_columns(direction="_session_direction")
    return frame
