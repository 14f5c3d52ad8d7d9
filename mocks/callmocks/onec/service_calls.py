"""``GetHistoryOfServiceCalls``: which calls a request selects, and their rows."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from callmocks.errors import TooManyRows
from callmocks.history.history import ROW_BUDGET, History
from callmocks.history.walltime import DAY_MS, datetime_to_ms, day_of, day_start
from callmocks.onec import tables
from callmocks.onec.contract import load_operations
from callmocks.onec.limits import is_day
from callmocks.onec.parameters import ParameterValue, reject_missing, reject_parameter
from callmocks.onec.results import ResultCodeError

if TYPE_CHECKING:
    from callmocks.tenants.exchange import Exchange

OPERATION: Final = "GetHistoryOfServiceCalls"
_FAILED: Final = 2
MAX_PERIOD: Final = timedelta(days=7)
"""The longest period that may be asked for by day."""
_BATCH_DAYS: Final = 16
"""Days drawn at a time; between them other requests get their turn."""
_CACHED_DAYS: Final = 62
_ROW_BYTES: Final = 200
"""What a row takes in a day's lists and indexes, about."""
_FILTERS: Final[Mapping[str, str]] = {
    "ClientID": "ClientID",
    "ServiceUserID": "ServiceUserID",
    "ServiceID": "ServiceID",
    "SpecialistID": "_specialist",
    "CallResult": "CallResult",
}
"""Column of the frame that each parameter filters."""


RowSink = Callable[[bytes], object]
"""Takes rows that are ready to be sent. The history of a whole contact centre has half a gigabyte:
nobody may keep it in pieces and put it together once more."""


class _ServiceCallQuery(NamedTuple):
    """Calls that start in [from, till) of the history, and match all filters."""

    from_ms: int
    till_ms: int
    now_ms: int
    filters: tuple[tuple[str, ParameterValue], ...]
    empty_dates: bool
    """CallTime of an unsuccessful call is the empty 1C date."""
    check: bool

    @property
    def cacheable(self) -> bool:
        """Rendered days are kept for the next request, unless the period would flush them all."""
        return self.till_ms - self.from_ms <= _CACHED_DAYS * DAY_MS


@dataclass(slots=True)
class _RenderedDay:
    """The rows of one day as it was drawn, ascending by start, ready to be sent."""

    frame: pl.DataFrame
    rows: tables.RenderedRows
    starts: list[int]
    ends: NDArray[np.int64]
    last_end: int
    """When its last call has ended (wall ms)."""
    failed: list[int]
    """``failed[i]``: unsuccessful calls among the first ``i``."""
    _positions: dict[str, dict[ParameterValue, list[int]]] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Memory held, the frame's own aside."""
        return self.rows.nbytes + _ROW_BYTES * len(self.starts)

    def find_positions(self, query: _ServiceCallQuery, first: int, last: int) -> list[int]:
        """The rows among ``first`` to ``last`` that match all filters and have ended."""
        found: list[int] | None = None
        for name, value in query.filters:
            here = self._index_column(name).get(value, [])
            here = here[bisect_left(here, first) : bisect_left(here, last)]
            if found is not None:
                here = sorted(set(found).intersection(here))
            if not here:
                return []
            found = here
        places: Iterable[int] = range(first, last) if found is None else found
        if self.last_end <= query.now_ms:
            return list(places)
        return [place for place in places if self.ends[place] <= query.now_ms]

    def _index_column(self, name: str) -> dict[ParameterValue, list[int]]:
        """The rows of each value of a column."""
        index = self._positions.get(name)
        if index is None:
            index = self._positions[name] = {}
            for place, cell in enumerate(self.frame[name].to_list()):
                index.setdefault(cell, []).append(place)
        return index


async def select_calls(
    exchange: Exchange,
    parameters: Mapping[str, ParameterValue],
    self_check: bool,
    write_rows: RowSink,
) -> list[str]:
    """Put the rows a request selects; ``Refusal`` when it may not ask for them.

    ``check`` compares rows with the contract when they are first rendered; what comes back is where
    they leave it (a defect of callmocks).
    """
    history = exchange.tenant.history
    begin, end = _resolve_period(exchange, parameters)
    for name in ("ClientID", "ServiceUserID", "ServiceID", "SpecialistID"):
        if name in parameters:
            _check_identifier(exchange, history, name, str(parameters[name]))
    query = _build_query(exchange, history, begin, end, parameters, self_check)
    _check_row_budget(exchange, history, query)
    order = exchange.use_assumption("onec.row-order")
    if order == "call-start" and not history.pins:
        return await _write_generated_days(exchange, history, query, write_rows)
    return await _write_sorted_frame(exchange, history, query, order, write_rows)


def _resolve_period(
    exchange: Exchange, parameters: Mapping[str, ParameterValue]
) -> tuple[datetime | None, datetime]:
    begin, end = parameters.get("PeriodFrom"), parameters.get("PeriodTo")
    assert begin is None or isinstance(begin, datetime)
    assert end is None or isinstance(end, datetime)
    day = is_day(exchange)
    if begin is None:
        rule = exchange.use_assumption("onec.period-from")
        if rule == "required" or (rule == "required-by-day" and day):
            reject_missing(exchange, "PeriodFrom")
    if end is None:
        after = exchange.use_assumption("onec.missing-period-to") == "seven-days-after"
        end = _add_week(begin) if after and begin else exchange.now.replace(microsecond=0)
    if begin is None and exchange.use_assumption("onec.missing-period-from") == "seven-days-before":
        begin = max(end, datetime.min + MAX_PERIOD) - MAX_PERIOD
    if day and (begin is None or end - begin > MAX_PERIOD):
        asked = "all of it" if begin is None else str(end - begin)
        reject_parameter(
            exchange, "onec.code-period-too-long", "PeriodTo", "7 days at most by day", asked
        )
    if (
        begin is not None
        and end < begin
        and exchange.use_assumption("onec.reversed-period") == "refuse"
    ):
        reject_parameter(
            exchange, "onec.code-wrong-value", "PeriodTo", "a time after PeriodFrom", str(end)
        )
    return begin, end


def _add_week(begin: datetime) -> datetime:
    return min(begin, datetime.max - MAX_PERIOD) + MAX_PERIOD


def _build_query(
    exchange: Exchange,
    history: History,
    begin: datetime | None,
    end: datetime,
    parameters: Mapping[str, ParameterValue],
    self_check: bool,
) -> _ServiceCallQuery:
    """The period in milliseconds: a call's start counts in whole seconds, as 1C has it."""
    bounds = exchange.use_assumption("onec.period-bounds")
    from_ms = day_start(history.first_day) if begin is None else datetime_to_ms(begin)
    till_ms = datetime_to_ms(end)
    if begin is not None and bounds in ("both-excluded", "to-included"):
        from_ms += 1000
    if bounds in ("both-included", "to-included"):
        till_ms += 1000
    return _ServiceCallQuery(
        from_ms,
        till_ms,
        datetime_to_ms(exchange.now),
        tuple((_FILTERS[name], value) for name, value in parameters.items() if name in _FILTERS),
        exchange.tenant.assumptions.get_choice("onec.failed-call-time") == "empty-date",
        self_check,
    )


def _check_identifier(exchange: Exchange, history: History, name: str, uuid: str) -> None:
    """Note the assumption an unknown id rests on; refuse it where the tenant wants that."""
    cast = history.directory
    if name == "ClientID":
        known = any(uuid == client.client_id for client in cast.organisations)
        known = known or uuid in cast.vendor_clients
    elif name == "ServiceUserID":
        known = any(uuid == user.user_id for user in cast.users) or uuid in cast.vendor_users
    elif name == "ServiceID":
        known = any(uuid == line.service_id for line in cast.lines)
    else:
        known = any(uuid == person.specialist_id for person in cast.operators)
        known = known or uuid in cast.vendor_specialists
    if not known and exchange.use_assumption("onec.unknown-uuid") == "refuse":
        reject_parameter(
            exchange, "onec.code-bad-uuid", name, "an identifier of this service", uuid
        )


def _get_day_range(history: History, query: _ServiceCallQuery) -> range:
    last = min(day_of(query.till_ms - 1), day_of(query.now_ms), history.last_day)
    return range(max(day_of(query.from_ms), history.first_day), last + 1)


def _check_row_budget(exchange: Exchange, history: History, query: _ServiceCallQuery) -> None:
    if query.till_ms - query.from_ms <= _BATCH_DAYS * DAY_MS:
        return
    days = _get_day_range(history, query)
    if days and history.generated.count_calls(days.start, len(days)) > ROW_BUDGET:
        reason = str(TooManyRows(ROW_BUDGET))
        exchange.notes.append(reason)
        raise ResultCodeError(exchange.use_assumption("onec.code-too-many-rows"), reason)


async def _write_generated_days(
    exchange: Exchange, history: History, query: _ServiceCallQuery, write_rows: RowSink
) -> list[str]:
    """Rows in the order of the days' own frames, rendered once for each day."""
    days, drawn = _get_day_range(history, query), history.generated
    problems: list[str] = []
    for first, count in drawn.split_into_batches(days):
        if first > days.start:
            await asyncio.sleep(0)  # others get their turn
        stretch = range(first, first + count)
        if count > 1 and any(drawn.peek(_make_cache_key(query), day) is None for day in stretch):
            drawn.get_views("onec", stretch)  # small days are drawn together
        for day in stretch:
            if drawn.count_calls(day):
                made = _get_rendered_day(history, query, day)
                problems += made.rows.violations
                _write_day(exchange, made, query, write_rows)
    return problems


def _write_day(
    exchange: Exchange, day: _RenderedDay, query: _ServiceCallQuery, write_rows: RowSink
) -> None:
    first = bisect_left(day.starts, query.from_ms)
    last = bisect_left(day.starts, query.till_ms, first)
    if first == last:
        return
    if query.filters or day.last_end > query.now_ms:
        places = day.find_positions(query, first, last)
        write_rows(day.rows.get_rows(places))
        failed = any(day.failed[place + 1] > day.failed[place] for place in places)
    else:
        write_rows(day.rows.get_range(first, last))
        failed = day.failed[last] > day.failed[first]
    if failed:
        exchange.use_assumption("onec.failed-call-time")


def _get_rendered_day(history: History, query: _ServiceCallQuery, day: int) -> _RenderedDay:
    """A day's rows; kept for the next request, unless a long period would flush all others."""

    def render_day() -> _RenderedDay:
        view = history.generated.service_calls_view(day)
        failed = (view.frame["CallResult"] == _FAILED).cum_sum().to_list()
        rows = _render_frame(view.frame, query)
        ends = view.frame["_end"].to_numpy()
        return _RenderedDay(
            view.frame, rows, view.starts.tolist(), ends, view.last_end, [0, *failed]
        )

    if not query.cacheable:
        return render_day()
    return history.generated.get_or_create(_make_cache_key(query), day, render_day, _get_size)


def _make_cache_key(query: _ServiceCallQuery) -> str:
    return f"onec-rows {query.empty_dates=} {query.check=}"


def _get_size(day: _RenderedDay) -> int:
    return day.nbytes


def _render_frame(frame: pl.DataFrame, query: _ServiceCallQuery) -> tables.RenderedRows:
    if query.empty_dates:
        answered = pl.when(pl.col("CallResult") != _FAILED).then(pl.col("CallTime"))
        frame = frame.with_columns(CallTime=answered)
    return tables.render_rows(frame, load_operations()[OPERATION], query.check)


async def _write_sorted_frame(
    exchange: Exchange, history: History, query: _ServiceCallQuery, order: str, write_rows: RowSink
) -> list[str]:
    """Rows put in order together: pinned calls stand between drawn ones."""
    frames = []
    days = _get_day_range(history, query)
    for first in range(days.start, days.stop, _BATCH_DAYS):
        if first > days.start:
            await asyncio.sleep(0)  # others get their turn
        from_ms = max(query.from_ms, day_start(first))
        till_ms = min(query.till_ms, day_start(first + _BATCH_DAYS))
        parts = history.slice_service_calls(from_ms, till_ms, query.now_ms)
        frames += [part.to_frame() for part in parts]
    if not frames:
        return []
    frame = pl.concat(frames, rechunk=False)
    if query.filters:
        frame = frame.filter(pl.col(name) == value for name, value in query.filters)
    by = ["CallTime", "_start"] if order == "call-time" else ["_start"]
    down = order == "call-start-descending"
    frame = frame.sort(*by, "_session_id", descending=down)
    rows = _render_frame(frame, query)
    write_rows(rows.xml)
    if frame["CallResult"].max() == _FAILED:
        exchange.use_assumption("onec.failed-call-time")
    return list(rows.violations)
