"""``get.call_legs_report``: the legs of the calls that ended, by the start of the leg."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from callmocks.cdr import rows, self_check, tables, window_cache
from callmocks.cdr.rows import JsonChunks
from callmocks.cdr.selection import RowPositions, find_matches, is_latest_first, select_page
from callmocks.cdr.window_cache import WindowDays
from callmocks.history.generator import derive_key
from callmocks.history.walltime import datetime_to_ms

if TYPE_CHECKING:
    from callmocks.cdr.query import ReportQuery
    from callmocks.history.history import History
    from callmocks.tenants.exchange import Exchange

METHOD = "get.call_legs_report"
COLUMN_TYPES_BYTES = 20_000
"""Memory of the columns' types, at most."""
MATCHES_OVERHEAD_BYTES = 300
"""Memory of kept matches beside their places."""
MAX_WARMED_BATCHES = 5
"""Bunches that one query may render ahead for the days its page comes from."""
MAX_WARMED_ROWS = 100_000
"""Rows of the largest window whose days are worth rendering ahead."""

_SECOND = timedelta(seconds=1)


async def report_legs(exchange: Exchange, query: ReportQuery) -> tuple[int, JsonChunks]:
    """How many legs match, and the page of them as a JSON array."""
    start, end, now = compute_window(exchange, query)
    if start > end:
        return 0, (b"[]",)
    wanted = query.filter.must_equal.get("call_session_id")
    if wanted is not None:
        return _report_session(exchange, query, wanted, (start, end + 999, now))
    history = exchange.tenant.history
    history.require_row_budget(start, end, now)
    touched = history.days_in_window(start, end + 1000, now)
    if _is_as_generated(exchange, query):
        if not touched:
            return 0, (b"[]",)
        whole = await window_cache.load_days(exchange, METHOD, touched)
        first, last = window_cache.find_window_positions(history, whole, start, end + 1000)
        return _report_days(exchange, query, whole, range(first, last), now)
    await window_cache.generate_days(exchange, "legs", touched)
    parts = history.slice_legs(start, end, now)
    self_check.check_parts(exchange, METHOD, parts)
    total, found = select_page(
        exchange, query, _apply_direction(exchange, history.join_legs(parts))
    )
    return total, rows.render_rows(found, rows.leg_column_expressions(query.fields))


def _report_days(
    exchange: Exchange, query: ReportQuery, whole: WindowDays, places: range, now: int
) -> tuple[int, JsonChunks]:
    """A report of the legs at some places, which stand and look as they were drawn."""
    history = exchange.tenant.history
    running = window_cache.find_running_positions(history, whole, now)
    begin, end = query.offset, query.offset + query.limit
    found: RowPositions | range = places
    if query.filter.expression is not None or query.sort:
        found = _find_matches(exchange, query, whole, places)
    if len(running):
        found = _exclude_running(found, running, whole.row_count)
    shown = found[begin:end]
    if query.fields == tables.load_leg_fields().default:
        if isinstance(shown, range):
            return len(found), rows.join_array(_render_range(history, whole, shown))
        ready = _get_rendered(history, whole, shown)
        if ready is not None:
            return len(found), rows.join_array(ready)
    some = window_cache.join_days(history, whole)[shown]
    return len(found), rows.render_rows(some, rows.leg_column_expressions(query.fields))


def _exclude_running(
    found: RowPositions | range, running: NDArray[np.int64], size: int
) -> RowPositions:
    """The places found but for those of calls that have not ended."""
    hidden = np.zeros(size, np.bool_)
    hidden[running] = True
    places = np.asarray(found, dtype=np.uint32)
    return places[~hidden[places]]


def get_column_types(history: History) -> dict[str, pl.DataType]:
    """Types of the columns of a legs frame, the record lists included."""

    def build_types() -> dict[str, pl.DataType]:
        return {**history.empty_legs.schema, **dict.fromkeys(rows.RECORDS, pl.List(pl.String))}

    return history.generated.get_or_create(
        "cdr-leg-columns", history.last_day, build_types, lambda _: COLUMN_TYPES_BYTES
    )


def compute_window(exchange: Exchange, query: ReportQuery) -> tuple[int, int, int]:
    """First and last second of the window and the present instant, as wall ms.

    The last one is left out when the tenant holds that windows end before ``date_till``.
    """
    end = query.end
    if exchange.use_assumption("cdr.window-ends") == "before" and end > datetime.min:
        end -= _SECOND
    return datetime_to_ms(query.start), datetime_to_ms(end), datetime_to_ms(exchange.now)


def _find_matches(
    exchange: Exchange, query: ReportQuery, whole: WindowDays, places: range
) -> RowPositions:
    """The matches among some places, found once and kept: the next page needs no new search."""
    history, first, last = exchange.tenant.history, places.start, places.stop
    chosen = sorted(exchange.tenant.assumptions.changed_choices().items())
    key = derive_key(msgspec.json.encode((query.sent, chosen, first, last))).hex()
    if query.sort:
        exchange.use_assumption("cdr.sort-nulls")
        is_latest_first(exchange, query)

    def find_uncached() -> RowPositions:
        frame = window_cache.join_days(history, whole)
        found = find_matches(exchange, query, frame.slice(first, last - first))
        assert found is not None  # there is a filter or a sort
        return found + np.uint32(first) if first else found

    return history.generated.get_or_create(
        f"cdr-found to {whole.days[-1]}, {len(whole.days)} {key}",
        whole.days[0],
        find_uncached,
        lambda made: MATCHES_OVERHEAD_BYTES + made.nbytes,
    )


def _is_as_generated(exchange: Exchange, query: ReportQuery) -> bool:
    """Whether rows stand in the order and have the values with which their days were drawn."""
    return (
        not exchange.tenant.history.pins
        and exchange.use_assumption("cdr.leg-direction") == "leg"
        and (bool(query.sort) or exchange.use_assumption("cdr.default-order") == "ascending")
    )


def _render_range(history: History, whole: WindowDays, places: range) -> list[bytes]:
    """Rendered rows that stand one after another."""
    runs: list[tuple[tuple[int, int], int, int]] = []
    at = places.start
    while at < places.stop:
        number = int(whole.ends.searchsorted(at, side="right"))
        begin, end = whole.first_position(number), int(whole.ends[number])
        bunch, inside = divmod(at - begin, rows.BATCH_ROWS)
        stop = min(places.stop, end, at - inside + rows.BATCH_ROWS)
        runs.append(((whole.days[number], bunch), inside, inside + stop - at))
        at = stop
    made = rows.get_batches(history, [key for key, _, _ in runs])
    if len(runs) == 1:
        key, first, last = runs[0]
        return made[key][first:last]
    return [row for key, first, last in runs for row in made[key][first:last]]


def _get_rendered(history: History, whole: WindowDays, found: RowPositions) -> list[bytes] | None:
    """Rendered rows from anywhere, None when too much would have to be rendered first.

    A query warms a few bunches, so that the next ones find them, unless there are very many.
    """
    which = whole.ends.searchsorted(found, side="right")
    begins = np.where(which > 0, whole.ends[which - 1], 0)
    bunches, inside = np.divmod(found - begins, rows.BATCH_ROWS)
    days_of = [whole.days[number] for number in which.tolist()]
    wanted = list(zip(days_of, bunches.tolist(), strict=True))
    ready, cold = rows.get_cached(history, set(wanted))
    if cold:
        if whole.row_count > MAX_WARMED_ROWS:
            return None
        ready |= rows.render_batches(history, cold[:MAX_WARMED_BATCHES])
        if len(cold) > MAX_WARMED_BATCHES:
            return None
    return [ready[key][at] for key, at in zip(wanted, inside.tolist(), strict=True)]


def _report_session(
    exchange: Exchange, query: ReportQuery, wanted: set[int], span: tuple[int, int, int]
) -> tuple[int, JsonChunks]:
    """The id of a session is an address: nothing is searched."""
    start, before, now = span
    history = exchange.tenant.history
    frame = history.empty_legs
    if len(wanted) == 1:
        session = next(iter(wanted))
        located = history.leg_positions(session, now)
        if located is not None:
            day, at = located
            view = history.generated.legs_view(day)
            self_check.check_day(exchange, METHOD, day, view.frame)
            at = [one for one in at if start <= view.starts[one] <= before]
            plain = (
                query.filter.is_single_equality
                and not query.sort
                and _is_as_generated(exchange, query)
            )
            if plain and query.fields == tables.load_leg_fields().default:
                shown = at[query.offset : query.offset + query.limit]
                return len(at), rows.join_array(rows.get_rows_at(history, day, shown))
            frame = view.frame[at]
        else:  # pinned, or none at all
            frame = history.legs_of_session(session, now)
            self_check.check_frame(exchange, METHOD, frame)
            frame = frame.filter(pl.col("_start").is_between(start, before))
    total, found = select_page(exchange, query, _apply_direction(exchange, frame))
    return total, rows.render_rows(found, rows.leg_column_expressions(query.fields))


def _apply_direction(exchange: Exchange, frame: pl.DataFrame) -> pl.DataFrame:
    """The legs with the direction the tenant holds true: each leg's own, or its session's."""
    if exchange.use_assumption("cdr.leg-direction") == "session":
        return frame.with_columns(direction="_session_direction")
    return frame
