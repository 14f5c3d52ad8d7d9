"""``get.call_legs_report``: the legs of the calls that ended, by the start of the leg."""

from datetime import datetime, timedelta
from functools import partial

import msgspec
import numpy as np
import polars as pl

from callmocks.cdr import late_calls, rows, self_check, tables, window_cache
from callmocks.cdr.filters import ColumnTypes
from callmocks.cdr.openrpc import Params
from callmocks.cdr.query import ReportQuery, parse_query
from callmocks.cdr.rows import JsonChunks, MethodData
from callmocks.cdr.selection import RowPositions, find_matches, is_latest_first, select_page
from callmocks.cdr.window_cache import Span, WindowDays
from callmocks.history.generator import derive_key
from callmocks.history.history import History, require_row_budget
from callmocks.history.walltime import datetime_to_ms
from callmocks.tenants.exchange import Exchange
from callmocks.tenants.worker import (
    FEW_CALLS,
    LONG_CALLS,
    LONG_REQUEST_BYTES,
    run_computation,
    run_in_worker,
    yield_turn,
)

METHOD = "get.call_legs_report"
COLUMN_TYPES_BYTES = 20_000
MATCHES_OVERHEAD_BYTES = 300
EMPTY = MethodData((b"[]",), 0, 0)


async def get_call_legs_report(exchange: Exchange, params: Params) -> MethodData:
    query, span, is_long = await prepare_report(
        exchange, METHOD, params, get_column_types, address="call_session_id"
    )
    return await run_computation(_report(query, span), is_long)


async def prepare_report(
    exchange: Exchange, method: str, params: Params, types: ColumnTypes, address: str
) -> tuple[ReportQuery, Span, bool]:
    """The query, its window, and whether its rows take too long for the event loop.

    ``address`` is the field by which a row's day is known: the window's calls are not searched.
    """
    is_long = len(exchange.request) > LONG_REQUEST_BYTES
    if is_long:
        query = await run_in_worker(partial(parse_query, exchange, method, params, types))
    else:
        query = parse_query(exchange, method, params, types)
    span, history = _compute_window(query), exchange.tenant.history
    if address in query.filter.must_equal:
        is_long = is_long or history.has_long_days
    else:
        query.call_count = history.count_window_calls(*span)
    is_long = is_long or query.call_count > LONG_CALLS or history.has_many_pins
    if _count_visited_calls(query, history) > FEW_CALLS:
        await yield_turn()
    return query, span, is_long


def _count_visited_calls(query: ReportQuery, history: History) -> int:
    if query.sort or query.filter.expression is not None or history.pins:
        return query.call_count
    return min(query.call_count, query.limit)


async def _report(query: ReportQuery, span: Span) -> MethodData:
    exchange, (start, end, now) = query.exchange, span
    exchange.use_assumption("cdr.ended-calls")
    if start > end:
        return EMPTY
    sessions = query.filter.must_equal.get("call_session_id")
    if sessions is not None:
        return _report_session(query, sessions, span)
    history = exchange.tenant.history
    require_row_budget(query.call_count)
    days = history.days_in_window(start, end + 1000, now)
    if _is_as_generated(query):
        if not days:
            return EMPTY
        window = await window_cache.load_days(exchange, METHOD, days)
        lag = history.arrivals.records.max_ms
        if not (lag and late_calls.lacks_records(exchange, window.last_end, now)):
            return _report_days(query, window, span)
    await window_cache.generate_days(exchange, "legs", days)
    slices = history.slice_legs(start, end, now)
    data = _report_frame(query, history.join_legs(slices), now)
    self_check.check_slices(exchange, METHOD, slices, data)
    return data


def get_column_types(history: History) -> dict[str, pl.DataType]:
    def build_types() -> dict[str, pl.DataType]:
        return {
            **history.generated.empty_frame("legs").schema,
            **dict.fromkeys(rows.RECORDS, pl.List(pl.String)),
        }

    return history.generated.get_or_create(
        "cdr-leg-columns", history.last_day, build_types, lambda _: COLUMN_TYPES_BYTES
    )


def _compute_window(query: ReportQuery) -> Span:
    end = query.end
    if query.exchange.use_assumption("cdr.window-ends") == "before" and end > datetime.min:
        end -= timedelta(seconds=1)
    return datetime_to_ms(query.start), datetime_to_ms(end), datetime_to_ms(query.exchange.now)


def _is_as_generated(query: ReportQuery) -> bool:
    """Whether rows have the order and the values with which their days were generated."""
    exchange = query.exchange
    return (
        not exchange.tenant.history.pins
        and exchange.use_assumption("cdr.leg-direction") == "leg"
        and _wav_choice(query) == rows.OWN_WAV_IDS
        and (bool(query.sort) or exchange.use_assumption("cdr.default-order") == "ascending")
    )


def _wav_choice(query: ReportQuery) -> str:
    shown = "wav_call_records" in query.fields
    return query.exchange.use_assumption("cdr.wav-records") if shown else rows.OWN_WAV_IDS


def _report_days(query: ReportQuery, window: WindowDays, span: Span) -> MethodData:
    history = query.exchange.tenant.history
    found: RowPositions | range
    found, running = window_cache.find_positions(history, window, span)
    if query.sort or query.filter.expression is not None:
        found = _find_matches(query, window, found)
    if len(running):
        hidden = np.zeros(window.row_count, np.bool_)
        hidden[running] = True
        positions = np.asarray(found, dtype=np.uint32)
        found = positions[~hidden[positions]]
    page = found[query.offset : query.offset + query.limit]
    body: JsonChunks | None = None
    if query.fields == tables.load_fields(METHOD).default:
        if isinstance(page, range):
            body = rows.render_range(history, window, page)
        else:
            body = rows.render_cached(history, window, page)
    if body is None:
        frame = window_cache.join_days(history, window)[page]
        body = rows.render_rows(frame, rows.leg_column_expressions(query.fields))
    return MethodData(body, len(found), len(page))


def _find_matches(query: ReportQuery, window: WindowDays, positions: range) -> RowPositions:
    """Found once and kept: the next page needs no new search."""
    exchange = query.exchange
    history, first, last = exchange.tenant.history, positions.start, positions.stop
    choices = sorted(exchange.tenant.assumptions.changed_choices().items())
    key = derive_key(msgspec.json.encode((query.sent, choices, first, last))).hex()
    if query.sort:  # what is kept rests on these too
        exchange.use_assumption("cdr.sort-nulls")
        is_latest_first(query)

    def find_uncached() -> RowPositions:
        frame = window_cache.join_days(history, window)
        found = find_matches(query, frame.slice(first, last - first))
        assert found is not None  # there is a filter or a sort
        return found + np.uint32(first) if first else found

    return history.generated.get_or_create(
        f"cdr-found to {window.days[-1]}, {len(window.days)} {key}",
        window.days[0],
        find_uncached,
        lambda found: MATCHES_OVERHEAD_BYTES + found.nbytes,
    )


def _report_session(query: ReportQuery, sessions: set[int], span: Span) -> MethodData:
    """The id of a session is an address: nothing is searched."""
    start, end, now = span
    exchange, history = query.exchange, query.exchange.tenant.history
    if len(sessions) > 1:
        return _report_frame(query, history.generated.empty_frame("legs"), now)
    (session,) = sessions
    located = history.leg_positions(session, now)
    if located is None:  # pinned, or none at all
        frame = history.legs_of_session(session, now)
        self_check.check_frame(exchange, METHOD, frame)
        frame = frame.filter(pl.col("_start").is_between(start, end + 999))
        return _report_frame(query, frame, now)
    day, view, positions = located
    self_check.check_frame(exchange, METHOD, view.frame, day)
    found = [position for position in positions if start <= view.starts[position] < end + 1000]
    plain = query.filter.condition_count == 1 and not query.sort
    if plain and history.arrivals.records.max_ms:
        plain = not late_calls.lacks_records(exchange, view.last_end, now)
    if plain and _is_as_generated(query) and query.fields == tables.load_fields(METHOD).default:
        page = found[query.offset : query.offset + query.limit]
        body = rows.render_day_rows(history, day, page)
        return MethodData(body, len(found), len(page))
    return _report_frame(query, view.frame[found], now)


def _report_frame(query: ReportQuery, frame: pl.DataFrame, now: int) -> MethodData:
    frame = late_calls.hide_records(query.exchange, "legs", frame, now)
    if query.exchange.use_assumption("cdr.leg-direction") == "session":
        frame = frame.with_columns(direction="_session_direction")
    total, page = select_page(query, frame)
    wav_choice = _wav_choice(query)
    if len(page) <= rows.FEW_ROWS:
        body = rows.render_few_rows(page, query.fields, wav_choice)
    else:
        columns = rows.leg_column_expressions(query.fields, wav_choice)
        body = rows.render_rows(page, columns)
    return MethodData(body, total, len(page))
