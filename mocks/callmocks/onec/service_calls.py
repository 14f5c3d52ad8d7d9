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
from callmocks.history.walltime import DAY_MS, day_of, day_start, to_ms
from callmocks.onec import tables
from callmocks.onec.contract import served
from callmocks.onec.limits import is_day
from callmocks.onec.parameters import Given, missing, refuse
from callmocks.onec.results import Refusal

if TYPE_CHECKING:
    from callmocks.tenants.exchange import Exchange

NAME: Final = "GetHistoryOfServiceCalls"
_FAILED: Final = 2
CAP: Final = timedelta(days=7)
"""The longest period that may be asked for by day."""
_STEP_DAYS: Final = 16
"""Days drawn at a time; between them other requests get their turn."""
_KEPT_DAYS: Final = 62
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


Put = Callable[[bytes], object]
"""Takes rows that are ready to be sent. The history of a whole contact centre has half a gigabyte:
nobody may keep it in pieces and put it together once more."""


class _Query(NamedTuple):
    """Calls that start in [from, till) of the history, and match all filters."""

    from_ms: int
    till_ms: int
    now_ms: int
    filters: tuple[tuple[str, Given], ...]
    empty_dates: bool
    """CallTime of an unsuccessful call is the empty 1C date."""
    check: bool

    @property
    def keep(self) -> bool:
        """Rendered days are kept for the next request, unless the period would flush them all."""
        return self.till_ms - self.from_ms <= _KEPT_DAYS * DAY_MS


@dataclass(slots=True)
class _Day:
    """The rows of one day as it was drawn, ascending by start, ready to be sent."""

    frame: pl.DataFrame
    rows: tables.Rows
    starts: list[int]
    ends: NDArray[np.int64]
    last_end: int
    """When its last call has ended (wall ms)."""
    failed: list[int]
    """``failed[i]``: unsuccessful calls among the first ``i``."""
    _places: dict[str, dict[Given, list[int]]] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Memory held, the frame's own aside."""
        return self.rows.nbytes + _ROW_BYTES * len(self.starts)

    def places(self, query: _Query, first: int, last: int) -> list[int]:
        """The rows among ``first`` to ``last`` that match all filters and have ended."""
        found: list[int] | None = None
        for name, value in query.filters:
            here = self._index(name).get(value, [])
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

    def _index(self, name: str) -> dict[Given, list[int]]:
        """The rows of each value of a column."""
        index = self._places.get(name)
        if index is None:
            index = self._places[name] = {}
            for place, cell in enumerate(self.frame[name].to_list()):
                index.setdefault(cell, []).append(place)
        return index


async def select(
    exchange: Exchange, given: Mapping[str, Given], check: bool, put: Put
) -> list[str]:
    """Put the rows a request selects; ``Refusal`` when it may not ask for them.

    ``check`` compares rows with the contract when they are first rendered; what comes back is where
    they leave it (a defect of callmocks).
    """
    history = exchange.tenant.history
    begin, end = _period(exchange, given)
    for name in ("ClientID", "ServiceUserID", "ServiceID", "SpecialistID"):
        if name in given:
            _known(exchange, history, name, str(given[name]))
    query = _query(exchange, history, begin, end, given, check)
    _within_budget(exchange, history, query)
    order = exchange.assume("onec.row-order")
    if order == "call-start" and not history.pins:
        return await _as_drawn(exchange, history, query, put)
    return await _as_frame(exchange, history, query, order, put)


def _period(exchange: Exchange, given: Mapping[str, Given]) -> tuple[datetime | None, datetime]:
    begin, end = given.get("PeriodFrom"), given.get("PeriodTo")
    assert begin is None or isinstance(begin, datetime)
    assert end is None or isinstance(end, datetime)
    day = is_day(exchange)
    if begin is None:
        rule = exchange.assume("onec.period-from")
        if rule == "required" or (rule == "required-by-day" and day):
            missing(exchange, "PeriodFrom")
    if end is None:
        after = exchange.assume("onec.missing-period-to") == "seven-days-after"
        end = _later(begin) if after and begin else exchange.now.replace(microsecond=0)
    if begin is None and exchange.assume("onec.missing-period-from") == "seven-days-before":
        begin = max(end, datetime.min + CAP) - CAP
    if day and (begin is None or end - begin > CAP):
        asked = "all of it" if begin is None else str(end - begin)
        refuse(exchange, "onec.code-period-too-long", "PeriodTo", "7 days at most by day", asked)
    if begin is not None and end < begin and exchange.assume("onec.reversed-period") == "refuse":
        refuse(exchange, "onec.code-wrong-value", "PeriodTo", "a time after PeriodFrom", str(end))
    return begin, end


def _later(begin: datetime) -> datetime:
    return min(begin, datetime.max - CAP) + CAP


def _query(
    exchange: Exchange,
    history: History,
    begin: datetime | None,
    end: datetime,
    given: Mapping[str, Given],
    check: bool,
) -> _Query:
    """The period in milliseconds: a call's start counts in whole seconds, as 1C has it."""
    bounds = exchange.assume("onec.period-bounds")
    from_ms = day_start(history.first_day) if begin is None else to_ms(begin)
    till_ms = to_ms(end)
    if begin is not None and bounds in ("both-excluded", "to-included"):
        from_ms += 1000
    if bounds in ("both-included", "to-included"):
        till_ms += 1000
    return _Query(
        from_ms,
        till_ms,
        to_ms(exchange.now),
        tuple((_FILTERS[name], value) for name, value in given.items() if name in _FILTERS),
        exchange.tenant.assumptions.choice("onec.failed-call-time") == "empty-date",
        check,
    )


def _known(exchange: Exchange, history: History, name: str, uuid: str) -> None:
    """Note the assumption an unknown id rests on; refuse it where the tenant wants that."""
    cast = history.cast
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
    if not known and exchange.assume("onec.unknown-uuid") == "refuse":
        refuse(exchange, "onec.code-bad-uuid", name, "an identifier of this service", uuid)


def _days(history: History, query: _Query) -> range:
    last = min(day_of(query.till_ms - 1), day_of(query.now_ms), history.last_day)
    return range(max(day_of(query.from_ms), history.first_day), last + 1)


def _within_budget(exchange: Exchange, history: History, query: _Query) -> None:
    if query.till_ms - query.from_ms <= _STEP_DAYS * DAY_MS:
        return
    days = _days(history, query)
    if days and history.drawn.calls_on(days.start, len(days)) > ROW_BUDGET:
        reason = str(TooManyRows(ROW_BUDGET))
        exchange.notes.append(reason)
        raise Refusal(exchange.assume("onec.code-too-many-rows"), reason)


async def _as_drawn(exchange: Exchange, history: History, query: _Query, put: Put) -> list[str]:
    """Rows in the order of the days' own frames, rendered once for each day."""
    days, drawn = _days(history, query), history.drawn
    problems: list[str] = []
    for first, count in drawn.stretches(days):
        if first > days.start:
            await asyncio.sleep(0)  # others get their turn
        stretch = range(first, first + count)
        if count > 1 and any(drawn.look(_kind(query), day) is None for day in stretch):
            drawn.views("onec", stretch)  # small days are drawn together
        for day in stretch:
            if drawn.calls_on(day):
                made = _day(history, query, day)
                problems += made.rows.problems
                _put_day(exchange, made, query, put)
    return problems


def _put_day(exchange: Exchange, day: _Day, query: _Query, put: Put) -> None:
    first = bisect_left(day.starts, query.from_ms)
    last = bisect_left(day.starts, query.till_ms, first)
    if first == last:
        return
    if query.filters or day.last_end > query.now_ms:
        places = day.places(query, first, last)
        put(day.rows.pick(places))
        failed = any(day.failed[place + 1] > day.failed[place] for place in places)
    else:
        put(day.rows.run(first, last))
        failed = day.failed[last] > day.failed[first]
    if failed:
        exchange.assume("onec.failed-call-time")


def _day(history: History, query: _Query, day: int) -> _Day:
    """A day's rows; kept for the next request, unless a long period would flush all others."""

    def make() -> _Day:
        view = history.drawn.service_calls(day)
        failed = (view.frame["CallResult"] == _FAILED).cum_sum().to_list()
        rows = _render(view.frame, query)
        ends = view.frame["_end"].to_numpy()
        return _Day(view.frame, rows, view.starts.tolist(), ends, view.last_end, [0, *failed])

    if not query.keep:
        return make()
    return history.drawn.kept(_kind(query), day, make, _bytes)


def _kind(query: _Query) -> str:
    return f"onec-rows {query.empty_dates=} {query.check=}"


def _bytes(day: _Day) -> int:
    return day.nbytes


def _render(frame: pl.DataFrame, query: _Query) -> tables.Rows:
    if query.empty_dates:
        answered = pl.when(pl.col("CallResult") != _FAILED).then(pl.col("CallTime"))
        frame = frame.with_columns(CallTime=answered)
    return tables.render(frame, served()[NAME], query.check)


async def _as_frame(
    exchange: Exchange, history: History, query: _Query, order: str, put: Put
) -> list[str]:
    """Rows put in order together: pinned calls stand between drawn ones."""
    frames = []
    days = _days(history, query)
    for first in range(days.start, days.stop, _STEP_DAYS):
        if first > days.start:
            await asyncio.sleep(0)  # others get their turn
        from_ms = max(query.from_ms, day_start(first))
        till_ms = min(query.till_ms, day_start(first + _STEP_DAYS))
        parts = history.service_call_parts(from_ms, till_ms, query.now_ms)
        frames += [part.rows() for part in parts]
    if not frames:
        return []
    frame = pl.concat(frames, rechunk=False)
    if query.filters:
        frame = frame.filter(pl.col(name) == value for name, value in query.filters)
    by = ["CallTime", "_start"] if order == "call-time" else ["_start"]
    down = order == "call-start-descending"
    frame = frame.sort(*by, "_session_id", descending=down)
    rows = _render(frame, query)
    put(rows.xml)
    if frame["CallResult"].max() == _FAILED:
        exchange.assume("onec.failed-call-time")
    return list(rows.problems)
