"""``get.call_legs_report``: the legs of the calls that ended, by the start of the leg."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from callmocks.cdr import rows, self_check, tables, window_cache
from callmocks.cdr.query import ReportQuery, parse_query
from callmocks.cdr.rows import JsonChunks, MethodData
from callmocks.cdr.selection import RowPositions, find_matches, is_latest_first, select_page
from callmocks.cdr.window_cache import WindowDays
from callmocks.history.generator import derive_key
from callmocks.history.history import History
from callmocks.history.walltime import datetime_to_ms
from callmocks.tenants.exchange import Exchange

METHOD = "get.call_legs_report"
COLUMN_TYPES_BYTES = 20_000
MATCHES_OVERHEAD_BYTES = 300
EMPTY = MethodData((b"[]",), 0)

_SECOND = timedelta(seconds=1)


async def get_call_legs_report(exchange: Exchange, params: dict[str, Any]) -> MethodData:
    query = parse_query(exchange, METHOD, params, get_column_types)
    start, end, now = compute_window(exchange, query)
    if start > end:
        return EMPTY
    sessions = query.filter.must_equal.get("call_session_id")
    if sessions is not None:
        return _report_session(exchange, query, sessions, (start, end + 999, now))
    history = exchange.tenant.history
    history.require_row_budget(start, end, now)
    days = history.days_in_window(start, end + 1000, now)
    if _is_as_generated(exchange, query):
        if not days:
            return EMPTY
        window = await window_cache.load_days(exchange, METHOD, days)
        found = window_cache.find_positions(history, window, start, end + 1000, now)
        return _report_days(exchange, query, window, *found)
    await window_cache.generate_days(exchange, "legs", days)
    slices = history.slice_legs(start, end, now)
    self_check.check_slices(exchange, METHOD, slices)
    return _report_frame(exchange, query, history.join_legs(slices))


def get_column_types(history: History) -> dict[str, pl.DataType]:
    """Types of the columns of a legs frame, the record lists included."""

    def build_types() -> dict[str, pl.DataType]:
        return {**history.empty_legs.schema, **dict.fromkeys(rows.RECORDS, pl.List(pl.String))}

    return history.generated.get_or_create(
        "cdr-leg-columns", history.last_day, build_types, lambda _: COLUMN_TYPES_BYTES
    )


def compute_window(exchange: Exchange, query: ReportQuery) -> tuple[int, int, int]:
    """First and last second of the window, and now, as wall ms."""
    end = query.end
    if exchange.use_assumption("cdr.window-ends") == "before" and end > datetime.min:
        end -= _SECOND
    return datetime_to_ms(query.start), datetime_to_ms(end), datetime_to_ms(exchange.now)


def _is_as_generated(exchange: Exchange, query: ReportQuery) -> bool:
    """Whether rows have the order and the values with which their days were generated."""
    return (
        not exchange.tenant.history.pins
        and exchange.use_assumption("cdr.leg-direction") == "leg"
        and (bool(query.sort) or exchange.use_assumption("cdr.default-order") == "ascending")
    )


def _report_days(
    exchange: Exchange,
    query: ReportQuery,
    window: WindowDays,
    positions: range,
    running: NDArray[np.int64],
) -> MethodData:
    history = exchange.tenant.history
    found: RowPositions | range = positions
    if query.sort or query.filter.expression is not None:
        found = _find_matches(exchange, query, window, positions)
    if len(running):
        found = _exclude_running(found, running, window.row_count)
    page = found[query.offset : query.offset + query.limit]
    body: JsonChunks | None = None
    if query.fields == tables.load_fields(METHOD).default:
        if isinstance(page, range):
            body = rows.render_range(history, window, page)
        else:
            body = rows.render_if_cached(history, window, page)
    if body is None:
        frame = window_cache.join_days(history, window)[page]
        body = rows.render_rows(frame, rows.leg_column_expressions(query.fields))
    return MethodData(body, len(found))


def _exclude_running(
    found: RowPositions | range, running: NDArray[np.int64], row_count: int
) -> RowPositions:
    hidden = np.zeros(row_count, np.bool_)
    hidden[running] = True
    positions = np.asarray(found, dtype=np.uint32)
    return positions[~hidden[positions]]


def _find_matches(
    exchange: Exchange, query: ReportQuery, window: WindowDays, positions: range
) -> RowPositions:
    """Found once and kept: the next page needs no new search."""
    history, first, last = exchange.tenant.history, positions.start, positions.stop
    choices = sorted(exchange.tenant.assumptions.changed_choices().items())
    key = derive_key(msgspec.json.encode((query.sent, choices, first, last))).hex()
    if query.sort:  # what is kept rests on these too
        exchange.use_assumption("cdr.sort-nulls")
        is_latest_first(exchange, query)

    def find_uncached() -> RowPositions:
        frame = window_cache.join_days(history, window)
        found = find_matches(exchange, query, frame.slice(first, last - first))
        assert found is not None  # there is a filter or a sort
        return found + np.uint32(first) if first else found

    return history.generated.get_or_create(
        f"cdr-found to {window.days[-1]}, {len(window.days)} {key}",
        window.days[0],
        find_uncached,
        lambda found: MATCHES_OVERHEAD_BYTES + found.nbytes,
    )


def _report_session(
    exchange: Exchange, query: ReportQuery, sessions: set[int], window: tuple[int, int, int]
) -> MethodData:
    """The id of a session is an address: nothing is searched."""
    start, before, now = window
    history = exchange.tenant.history
    if len(sessions) > 1:
        return _report_frame(exchange, query, history.empty_legs)
    (session,) = sessions
    located = history.leg_positions(session, now)
    if located is None:  # pinned, or none at all
        frame = history.legs_of_session(session, now)
        self_check.check_frame(exchange, METHOD, frame)
        frame = frame.filter(pl.col("_start").is_between(start, before))
        return _report_frame(exchange, query, frame)
    day, positions = located
    view = history.generated.get_view("legs", day)
    self_check.check_day(exchange, METHOD, day, view.frame)
    found = [position for position in positions if start <= view.starts[position] <= before]
    if (
        query.filter.is_single_equality
        and not query.sort
        and _is_as_generated(exchange, query)
        and query.fields == tables.load_fields(METHOD).default
    ):
        page = found[query.offset : query.offset + query.limit]
        return MethodData(rows.render_day_rows(history, day, page), len(found))
    return _report_frame(exchange, query, view.frame[found])


def _report_frame(exchange: Exchange, query: ReportQuery, frame: pl.DataFrame) -> MethodData:
    if exchange.use_assumption("cdr.leg-direction") == "session":
        frame = frame.with_columns(direction="_session_direction")
    total, page = select_page(exchange, query, frame)
    return MethodData(rows.render_rows(page, rows.leg_column_expressions(query.fields)), total)
