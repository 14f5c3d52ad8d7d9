"""``GetHistoryOfServiceCalls``: which calls a request selects, and their rows."""

from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain
from operator import itemgetter
from typing import Final

import msgspec
import polars as pl

from callmocks.history.arrivals import Arrivals
from callmocks.history.directory import Directory
from callmocks.history.walltime import datetime_to_ms, day_of, day_start
from callmocks.onec import tables
from callmocks.onec.contract import HISTORY_OPERATION, load_operations
from callmocks.onec.layout import Layout
from callmocks.onec.parameters import ParameterValue, reject_missing, reject_parameter
from callmocks.onec.results import RowSink, require_row_budget
from callmocks.tenants.exchange import Exchange
from callmocks.tenants.worker import LONG_CALLS, run_computation, yield_turn

_FAILED: Final = 2
MAX_PERIOD: Final = timedelta(days=7)
_BATCH_DAYS: Final = 16  # generated at a time; other requests run between them
_CACHED_DAYS: Final = 62
_PIECE_ROWS: Final = 10_000  # rendered at a time
_ROW_BYTES: Final = 200
# Of an unsuccessful call, and of one whose caller is unknown.
_FAILED_CHOICES: Final = ("onec.failed-call-time", "onec.failed-duration", "onec.failed-callee")
_UNKNOWN_CHOICE: Final = "onec.unknown-callers"
_get_row_choices: Final = itemgetter(*_FAILED_CHOICES, _UNKNOWN_CHOICE)
# By parameter the column that it filters.
_FILTERS: Final = {
    "ClientID": "ClientID",
    "ServiceUserID": "ServiceUserID",
    "ServiceID": "ServiceID",
    "SpecialistID": "_specialist",
    "CallResult": "CallResult",
}
# By parameter the identifiers that the service knows.
_KNOWN_IDENTIFIERS: Final[Mapping[str, Callable[[Directory], Iterable[object]]]] = {
    "ClientID": lambda known: chain(
        (client.client_id for client in known.organisations), known.vendor_clients
    ),
    "ServiceUserID": lambda known: chain(
        (user.user_id for user in known.users), known.vendor_users
    ),
    "ServiceID": lambda known: (line.service_id for line in known.lines),
    "SpecialistID": lambda known: chain(
        (operator.specialist_id for operator in known.operators), known.vendor_specialists
    ),
}


class _CallQuery(msgspec.Struct):
    """Calls that start in [from, till), are there by now and match all filters (wall ms)."""

    exchange: Exchange
    layout: Layout
    from_ms: int
    till_ms: int
    now_ms: int
    days: range
    filters: list[tuple[str, ParameterValue]]
    self_check: bool
    cache_key: Hashable  # of the days' rendered rows

    @property
    def arrivals(self) -> Arrivals:
        return self.exchange.tenant.history.arrivals

    def count_calls(self) -> int:
        """Of all calls of its days."""
        generated = self.exchange.tenant.history.generated
        return generated.count_calls(self.days.start, len(self.days)) if self.days else 0


class _RenderedDay(msgspec.Struct):
    """The rows of one day as it was generated, ascending by start."""

    frame: pl.DataFrame
    rows: tables.RenderedRows
    starts: list[int]
    last_end: int
    failed: list[int]  # ``failed[i]``: unsuccessful calls among the first ``i``
    unknown: list[int]  # the same of calls whose caller is unknown
    _indexes: dict[str, dict[ParameterValue, list[int]]] = {}

    @property
    def nbytes(self) -> int:
        return self.rows.nbytes + _ROW_BYTES * len(self.starts)

    def find_positions(self, query: _CallQuery, first: int, last: int) -> Sequence[int]:
        """The rows among ``first`` to ``last`` that match all filters and are there."""
        positions: Sequence[int] = range(first, last)
        for number, (name, value) in enumerate(query.filters):
            rows = self._index_column(name).get(value, [])
            rows = rows[bisect_left(rows, first) : bisect_left(rows, last)]
            positions = sorted(set(positions).intersection(rows)) if number else rows
        lag = query.arrivals.by_view["onec"]
        if self.last_end + lag.max_ms <= query.now_ms:
            return positions
        times = query.arrivals.find_arrivals("onec", self.frame)
        return [position for position in positions if times[position] <= query.now_ms]

    def _index_column(self, name: str) -> dict[ParameterValue, list[int]]:
        index = self._indexes.get(name)
        if index is None:
            index = {}
            for position, cell in enumerate(self.frame[name].to_list()):
                index.setdefault(cell, []).append(position)
            self._indexes[name] = index  # whole: other threads may look at it
        return index


async def select_calls(
    exchange: Exchange,
    parameters: Mapping[str, ParameterValue],
    is_day: bool,
    layout: Layout,
    write_rows: RowSink,
) -> list[str]:
    """Returns where written rows leave the contract; ``ResultCodeError`` instead of the rows."""
    begin, end = resolve_period(exchange, parameters, is_day)
    _check_identifiers(exchange, parameters)
    query = _build_query(exchange, layout, begin, end, parameters)
    call_count, history = query.count_calls(), exchange.tenant.history
    require_row_budget(exchange, call_count)
    order = exchange.use_assumption("onec.row-order")
    if order == "call-start" and not history.pins:
        if len(query.days) == 1 and call_count <= LONG_CALLS:
            return _write_generated_day(query, query.days.start, write_rows)
        steps = _write_generated_days(query, write_rows)
    else:
        steps = _write_sorted_frame(query, order, write_rows)
    return await run_computation(steps, call_count > LONG_CALLS or history.has_many_pins)


def resolve_period(
    exchange: Exchange, parameters: Mapping[str, ParameterValue], is_day: bool
) -> tuple[datetime | None, datetime]:
    begin, end = parameters.get("PeriodFrom"), parameters.get("PeriodTo")
    assert begin is None or isinstance(begin, datetime)
    assert end is None or isinstance(end, datetime)
    if begin is None:
        rule = exchange.use_assumption("onec.period-from")
        if rule == "required" or (rule == "required-by-day" and is_day):
            reject_missing(exchange, "PeriodFrom")
    if end is None:
        after = exchange.use_assumption("onec.missing-period-to") == "seven-days-after"
        end = exchange.now.replace(microsecond=0)
        if after and begin:
            end = min(begin, datetime.max - MAX_PERIOD) + MAX_PERIOD
    if begin is None and exchange.use_assumption("onec.missing-period-from") == "seven-days-before":
        begin = max(end, datetime.min + MAX_PERIOD) - MAX_PERIOD
    if is_day and (begin is None or end - begin > MAX_PERIOD):
        code, expected = "onec.code-period-too-long", "7 days at most by day"
        got = "all of it" if begin is None else str(end - begin)
        reject_parameter(exchange, code, "PeriodTo", expected, got)
    reversed_period = begin is not None and end < begin
    if reversed_period and exchange.use_assumption("onec.reversed-period") == "refuse":
        code, expected = "onec.code-wrong-value", "a time after PeriodFrom"
        reject_parameter(exchange, code, "PeriodTo", expected, str(end))
    return begin, end


def _check_identifiers(exchange: Exchange, parameters: Mapping[str, ParameterValue]) -> None:
    known = exchange.tenant.history.directory
    for name, list_identifiers in _KNOWN_IDENTIFIERS.items():
        uuid = parameters.get(name)
        if uuid is None or uuid in list_identifiers(known):
            continue
        if exchange.use_assumption("onec.unknown-uuid") == "refuse":
            expected = "an identifier of this service"
            reject_parameter(exchange, "onec.code-bad-uuid", name, expected, str(uuid))


def _build_query(
    exchange: Exchange,
    layout: Layout,
    begin: datetime | None,
    end: datetime,
    values: Mapping[str, ParameterValue],
) -> _CallQuery:
    # A call's start counts in whole seconds, as 1C has it.
    history = exchange.tenant.history
    bounds = exchange.use_assumption("onec.period-bounds")
    from_ms = day_start(history.first_day) if begin is None else datetime_to_ms(begin)
    till_ms, now_ms = datetime_to_ms(end), datetime_to_ms(exchange.now)
    if begin is not None and bounds in ("both-excluded", "to-included"):
        from_ms += 1000
    if bounds in ("both-included", "to-included"):
        till_ms += 1000
    first_day = max(day_of(from_ms), history.first_day)
    last_day = min(day_of(min(till_ms - 1, now_ms)), history.last_day)
    days = range(first_day, last_day + 1)
    filters = [(_FILTERS[name], value) for name, value in values.items() if name in _FILTERS]
    self_check = exchange.tenant.settings.self_check
    choices = _get_row_choices(exchange.tenant.assumptions.choices)
    key = ("onec-rows", choices, self_check, layout.indented)
    return _CallQuery(exchange, layout, from_ms, till_ms, now_ms, days, filters, self_check, key)


async def _write_generated_days(query: _CallQuery, write_rows: RowSink) -> list[str]:
    generated, days = query.exchange.tenant.history.generated, query.days
    if len(days) > _CACHED_DAYS:
        return await _write_uncached_days(query, write_rows)
    with_calls = set(generated.days_with_calls(days.start, days.stop - 1))
    violations: list[str] = []
    for first, count in generated.split_into_batches(days):
        if first > days.start:
            await yield_turn()
        batch = range(first, first + count)
        if count > 1 and any(generated.peek(query.cache_key, day) is None for day in batch):
            generated.get_views("onec", batch)  # small days are generated together
        for day in filter(with_calls.__contains__, batch):
            violations += _write_generated_day(query, day, write_rows)
    return violations


async def _write_uncached_days(query: _CallQuery, write_rows: RowSink) -> list[str]:
    """Nothing is kept: a long period would evict all other days."""
    generated, violations = query.exchange.tenant.history.generated, dict[str, None]()
    first_day, last_day = query.days.start, query.days.stop - 1
    for first, count in generated.split_into_batches(
        generated.days_with_calls(first_day, last_day)
    ):
        await yield_turn()
        frame = generated.build_view("onec", first, count)
        frame = _apply_row_choices(frame, query)
        in_period = pl.col("_start").is_between(query.from_ms, query.till_ms, closed="left")
        matches = [pl.col(name) == value for name, value in query.filters]
        frame = query.arrivals.keep_shown("onec", frame.filter(in_period, *matches), query.now_ms)
        for piece in frame.iter_slices(_PIECE_ROWS):
            rows = _render_frame(piece, query)
            write_rows(rows.xml, len(piece))
            violations |= dict.fromkeys(rows.violations)
        failed = frame["CallResult"].eq(_FAILED).any()
        _use_row_choices(query, failed, bool(frame["_unknown"].any()))
    return list(violations)


def _write_generated_day(query: _CallQuery, day: int, write_rows: RowSink) -> list[str]:
    rendered = query.exchange.tenant.history.generated.peek(query.cache_key, day)
    if rendered is None:
        rendered = _render_day(query, day)
    _write_day(rendered, query, write_rows)
    return list(rendered.rows.violations)


def _write_day(day: _RenderedDay, query: _CallQuery, write_rows: RowSink) -> None:
    first = bisect_left(day.starts, query.from_ms)
    last = bisect_left(day.starts, query.till_ms, first)
    if first == last:
        return
    lag = query.exchange.tenant.history.arrivals.by_view["onec"]
    if query.filters or day.last_end + lag.max_ms > query.now_ms:
        positions = day.find_positions(query, first, last)
        write_rows(day.rows.get_rows(positions), len(positions))
        failed = any(day.failed[position + 1] > day.failed[position] for position in positions)
        unknown = any(day.unknown[position + 1] > day.unknown[position] for position in positions)
    else:
        write_rows(day.rows.get_range(first, last), last - first)
        failed = day.failed[last] > day.failed[first]
        unknown = day.unknown[last] > day.unknown[first]
    _use_row_choices(query, failed, unknown)


def _use_row_choices(query: _CallQuery, failed: bool, unknown: bool) -> None:
    """``failed`` and ``unknown``: whether there are rows of such calls."""
    for assumption in _FAILED_CHOICES if failed else ():
        query.exchange.use_assumption(assumption)
    choices = query.exchange.tenant.assumptions.choices
    if unknown or choices[_UNKNOWN_CHOICE] == "absent":
        query.exchange.use_assumption(_UNKNOWN_CHOICE)


def _render_day(query: _CallQuery, day: int) -> _RenderedDay:
    generated = query.exchange.tenant.history.generated

    def render() -> _RenderedDay:
        view = generated.get_view("onec", day)
        frame = _apply_row_choices(view.frame, query)
        failed = [0, *(frame["CallResult"] == _FAILED).cum_sum().to_list()]
        unknown = [0, *frame["_unknown"].cum_sum().to_list()]
        rows, starts = _render_frame(frame, query), frame["_start"].to_list()
        return _RenderedDay(frame, rows, starts, view.last_end, failed, unknown)

    return generated.get_or_create(query.cache_key, day, render, lambda new: new.nbytes)


def _apply_row_choices(frame: pl.DataFrame, query: _CallQuery) -> pl.DataFrame:
    """The rows as the tenant's choices have them."""
    choices = query.exchange.tenant.assumptions.choices
    failed = pl.col("CallResult") == _FAILED
    changed: dict[str, pl.Expr] = {}
    if choices["onec.failed-call-time"] == "empty-date":
        changed["CallTime"] = pl.when(~failed).then(pl.col("CallTime"))
    if choices["onec.failed-duration"] == "whole-call":
        whole = (pl.col("_end") - pl.col("_start")) // 1000
        changed["Duration"] = pl.when(failed).then(whole).otherwise(pl.col("Duration"))
    if choices["onec.failed-callee"] == "nil":
        kept = ~(failed & pl.col("_incoming"))
        changed |= {name: pl.when(kept).then(pl.col(name)) for name in ("CalleeID", "_specialist")}
    if choices[_UNKNOWN_CHOICE] == "with-line":
        changed["ServiceID"] = pl.col("_line")
    elif choices[_UNKNOWN_CHOICE] == "absent":
        frame = frame.filter(~pl.col("_unknown"))
    return frame.with_columns(**changed) if changed else frame


def _render_frame(frame: pl.DataFrame, query: _CallQuery) -> tables.RenderedRows:
    columns = load_operations()[HISTORY_OPERATION].columns
    return tables.render_rows(frame, columns, query.layout, query.self_check)


async def _write_sorted_frame(query: _CallQuery, order: str, write_rows: RowSink) -> list[str]:
    history, frames = query.exchange.tenant.history, []
    for first in range(query.days.start, query.days.stop, _BATCH_DAYS):
        if first > query.days.start:
            await yield_turn()
        from_ms = max(query.from_ms, day_start(first))
        till_ms = min(query.till_ms, day_start(first + _BATCH_DAYS))
        slices = history.slice_service_calls(from_ms, till_ms, query.now_ms)
        frames += [each.to_frame() for each in slices]
    if not frames:
        return []
    frame = _apply_row_choices(pl.concat(frames, rechunk=False), query)
    if query.filters:
        frame = frame.filter(pl.col(name) == value for name, value in query.filters)
    by = ["CallTime", "_start"] if order == "call-time" else ["_start"]
    frame = frame.sort(*by, "_session_id", descending=order == "call-start-descending")
    violations: dict[str, None] = {}
    for piece in frame.iter_slices(_PIECE_ROWS):
        await yield_turn()
        rows = _render_frame(piece, query)
        write_rows(rows.xml, len(piece))
        violations |= dict.fromkeys(rows.violations)
    _use_row_choices(query, frame["CallResult"].max() == _FAILED, bool(frame["_unknown"].any()))
    return list(violations)
