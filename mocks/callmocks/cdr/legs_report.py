"""``get.call_legs_report``: the legs of the calls that ended, by the start of the leg."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from callmocks.cdr import rows, self_check, tables, window_cache
from callmocks.cdr.rows import Pieces
from callmocks.cdr.selection import Places, latest_first, matches, page
from callmocks.cdr.window_cache import Days
from callmocks.history.generator import derive_key
from callmocks.history.walltime import to_ms

if TYPE_CHECKING:
    from callmocks.cdr.query import Query
    from callmocks.history.history import History
    from callmocks.tenants.exchange import Exchange

METHOD = "get.call_legs_report"
COLUMNS_BYTES = 20_000
"""Memory of the columns' types, at most."""
MATCHES_BYTES = 300
"""Memory of kept matches beside their places."""
WARMING = 5
"""Bunches that one query may render ahead for the days its page comes from."""
WARMED = 100_000
"""Rows of the largest window whose days are worth rendering ahead."""

_SECOND = timedelta(seconds=1)


async def report(exchange: Exchange, query: Query) -> tuple[int, Pieces]:
    """How many legs match, and the page of them as a JSON array."""
    start, end, now = window(exchange, query)
    if start > end:
        return 0, (b"[]",)
    wanted = query.filter.must_equal.get("call_session_id")
    if wanted is not None:
        return _of_session(exchange, query, wanted, (start, end + 999, now))
    history = exchange.tenant.history
    history.require_budget(start, end, now)
    touched = history.days_of(start, end + 1000, now)
    if _as_drawn(exchange, query):
        if not touched:
            return 0, (b"[]",)
        whole = await window_cache.gathered(exchange, METHOD, touched)
        first, last = window_cache.window(history, whole, start, end + 1000)
        return _of_days(exchange, query, whole, range(first, last), now)
    await window_cache.warm(exchange, "legs", touched)
    parts = history.leg_parts(start, end, now)
    self_check.check_parts(exchange, METHOD, parts)
    total, found = page(exchange, query, _shown(exchange, history.join(parts)))
    return total, rows.render(found, rows.leg_columns(query.fields))


def _of_days(
    exchange: Exchange, query: Query, whole: Days, places: range, now: int
) -> tuple[int, Pieces]:
    """A report of the legs at some places, which stand and look as they were drawn."""
    history = exchange.tenant.history
    running = window_cache.running(history, whole, now)
    begin, end = query.offset, query.offset + query.limit
    found: Places | range = places
    if query.filter.expression is not None or query.sort:
        found = _matches(exchange, query, whole, places)
    if len(running):
        found = _without(found, running, whole.size)
    shown = found[begin:end]
    if query.fields == tables.legs().default:
        if isinstance(shown, range):
            return len(found), rows.array(_run(history, whole, shown))
        ready = _ready(history, whole, shown)
        if ready is not None:
            return len(found), rows.array(ready)
    some = window_cache.joined(history, whole)[shown]
    return len(found), rows.render(some, rows.leg_columns(query.fields))


def _without(found: Places | range, running: NDArray[np.int64], size: int) -> Places:
    """The places found but for those of calls that have not ended."""
    hidden = np.zeros(size, np.bool_)
    hidden[running] = True
    places = np.asarray(found, dtype=np.uint32)
    return places[~hidden[places]]


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


def _matches(exchange: Exchange, query: Query, whole: Days, places: range) -> Places:
    """The matches among some places, found once and kept: the next page needs no new search."""
    history, first, last = exchange.tenant.history, places.start, places.stop
    chosen = sorted(exchange.tenant.assumptions.chosen().items())
    key = derive_key(msgspec.json.encode((query.asked, chosen, first, last))).hex()
    if query.sort:
        exchange.assume("cdr.sort-nulls")
        latest_first(exchange, query)

    def find() -> Places:
        frame = window_cache.joined(history, whole)
        found = matches(exchange, query, frame.slice(first, last - first))
        assert found is not None  # there is a filter or a sort
        return found + np.uint32(first) if first else found

    return history.drawn.kept(
        f"cdr-found to {whole.days[-1]}, {len(whole.days)} {key}",
        whole.days[0],
        find,
        lambda made: MATCHES_BYTES + made.nbytes,
    )


def _as_drawn(exchange: Exchange, query: Query) -> bool:
    """Whether rows stand in the order and have the values with which their days were drawn."""
    return (
        not exchange.tenant.history.pins
        and exchange.assume("cdr.leg-direction") == "leg"
        and (bool(query.sort) or exchange.assume("cdr.default-order") == "ascending")
    )


def _run(history: History, whole: Days, places: range) -> list[bytes]:
    """Rendered rows that stand one after another."""
    runs: list[tuple[tuple[int, int], int, int]] = []
    at = places.start
    while at < places.stop:
        number = int(whole.ends.searchsorted(at, side="right"))
        begin, end = whole.begin(number), int(whole.ends[number])
        bunch, inside = divmod(at - begin, rows.BUNCH)
        stop = min(places.stop, end, at - inside + rows.BUNCH)
        runs.append(((whole.days[number], bunch), inside, inside + stop - at))
        at = stop
    made = rows.of(history, [key for key, _, _ in runs])
    if len(runs) == 1:
        key, first, last = runs[0]
        return made[key][first:last]
    return [row for key, first, last in runs for row in made[key][first:last]]


def _ready(history: History, whole: Days, found: Places) -> list[bytes] | None:
    """Rendered rows from anywhere, None when too much would have to be rendered first.

    A query warms a few bunches, so that the next ones find them, unless there are very many.
    """
    which = whole.ends.searchsorted(found, side="right")
    begins = np.where(which > 0, whole.ends[which - 1], 0)
    bunches, inside = np.divmod(found - begins, rows.BUNCH)
    days_of = [whole.days[number] for number in which.tolist()]
    wanted = list(zip(days_of, bunches.tolist(), strict=True))
    ready, cold = rows.at_hand(history, set(wanted))
    if cold:
        if whole.size > WARMED:
            return None
        ready |= rows.make(history, cold[:WARMING])
        if len(cold) > WARMING:
            return None
    return [ready[key][at] for key, at in zip(wanted, inside.tolist(), strict=True)]


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
            self_check.check_day(exchange, METHOD, day, view.frame)
            at = [one for one in at if start <= view.starts[one] <= before]
            plain = query.filter.alone and not query.sort and _as_drawn(exchange, query)
            if plain and query.fields == tables.legs().default:
                shown = at[query.offset : query.offset + query.limit]
                return len(at), rows.array(rows.at_places(history, day, shown))
            frame = view.frame[at]
        else:  # pinned, or none at all
            frame = history.legs_of_session(session, now)
            self_check.check_frame(exchange, METHOD, frame)
            frame = frame.filter(pl.col("_start").is_between(start, before))
    total, found = page(exchange, query, _shown(exchange, frame))
    return total, rows.render(found, rows.leg_columns(query.fields))


def _shown(exchange: Exchange, frame: pl.DataFrame) -> pl.DataFrame:
    """The legs with the direction the tenant holds true: each leg's own, or its session's."""
    if exchange.assume("cdr.leg-direction") == "session":
        return frame.with_columns(direction="_session_direction")
    return frame
