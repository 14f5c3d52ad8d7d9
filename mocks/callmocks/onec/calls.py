"""``GetHistoryOfServiceCalls``: which calls a request selects, and their rows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from callmocks.errors import TooManyRows
from callmocks.history.history import ROW_BUDGET, History, Part
from callmocks.history.wall import DAY_MS, day_of, day_start, to_ms
from callmocks.onec import tables
from callmocks.onec.contract import served
from callmocks.onec.limits import is_day
from callmocks.onec.parameters import Given, missing, refuse
from callmocks.onec.results import Refusal

if TYPE_CHECKING:
    from callmocks.tenancy.exchange import Exchange

NAME: Final = "GetHistoryOfServiceCalls"
CAP: Final = timedelta(days=7)
"""The longest period that may be asked for by day."""
_STEP_DAYS: Final = 16
"""Days drawn at a time; between them other requests get their turn."""
_KEPT_DAYS: Final = 62
_FILTERS: Final[Mapping[str, str]] = {
    "ClientID": "ClientID",
    "ServiceUserID": "ServiceUserID",
    "ServiceID": "ServiceID",
    "SpecialistID": "_specialist",
    "CallResult": "CallResult",
}
"""Column of the frame that each parameter filters."""


@dataclass(slots=True)
class Selected:
    """Rows ready to be sent, and where they leave the contract (a defect of callmocks)."""

    xml: list[bytes] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Query:
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


async def select(exchange: Exchange, given: Mapping[str, Given], check: bool) -> Selected:
    """The rows a request selects; ``Refusal`` when it may not ask for them.

    ``check`` compares rows with the contract when they are first rendered.
    """
    history = exchange.tenant.history
    begin, end = _period(exchange, given)
    for name in ("ClientID", "ServiceUserID", "ServiceID", "SpecialistID"):
        if name in given:
            _known(exchange, history, name, str(given[name]))
    query = _query(exchange, history, begin, end, given, check)
    _within_budget(exchange, history, query)
    order = exchange.assume("onec.row-order")
    selected = Selected()
    if order == "call-start" and not history.pins:
        await _as_drawn(exchange, history, query, selected)
    else:
        await _as_frame(exchange, history, query, order, selected)
    return selected


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
    days = _days(history, query)
    if len(days) <= _STEP_DAYS:
        return
    looked = sum(map(history.drawn.calls_on, days))
    if looked > ROW_BUDGET:
        reason = str(TooManyRows(ROW_BUDGET))
        exchange.notes.append(reason)
        raise Refusal(exchange.assume("onec.code-too-many-rows"), reason)


async def _parts(history: History, query: _Query) -> AsyncIterator[Part]:
    """The period's rows, day by day; other requests get their turn between some of the days."""
    days = _days(history, query)
    for first in range(days.start, days.stop, _STEP_DAYS):
        if first > days.start:
            await asyncio.sleep(0)
        from_ms = max(query.from_ms, day_start(first))
        till_ms = min(query.till_ms, day_start(first + _STEP_DAYS))
        for part in history.service_call_parts(from_ms, till_ms, query.now_ms):
            yield part


async def _as_drawn(
    exchange: Exchange, history: History, query: _Query, selected: Selected
) -> None:
    """Rows in the order of the days' own frames, rendered once for each day."""
    async for part in _parts(history, query):
        _add_part(exchange, history, query, part, selected)


def _add_part(
    exchange: Exchange, history: History, query: _Query, part: Part, selected: Selected
) -> None:
    rows = _rendered(history, query, part)
    selected.problems += rows.problems
    if query.filters:
        places = _matching(part.rows(), query) + part.first
        if len(places) == 0:
            return
        selected.xml.append(rows.pick(places))
        results = part.frame["CallResult"].gather(places)
    else:
        selected.xml.append(rows.run(part.first, part.last))
        results = part.frame["CallResult"].slice(part.first, part.last - part.first)
    _note_failed(exchange, results)


def _rendered(history: History, query: _Query, part: Part) -> tables.Rows:
    """All rows of a part's frame; those of a whole day are kept for the next request."""

    def make() -> tables.Rows:
        return _render(part.frame, query)

    if part.day is None or not query.keep:
        return make()
    kind = "onec-rows-empty-dates" if query.empty_dates else "onec-rows"
    return history.drawn.kept(kind, part.day, make, lambda made: made.nbytes)


def _render(frame: pl.DataFrame, query: _Query) -> tables.Rows:
    if query.empty_dates:
        answered = pl.when(pl.col("CallResult") == 1).then(pl.col("CallTime"))
        frame = frame.with_columns(CallTime=answered)
    return tables.render(frame, served()[NAME], query.check)


def _matching(frame: pl.DataFrame, query: _Query) -> NDArray[np.int64]:
    """Places of the rows that match all filters."""
    places = np.arange(len(frame), dtype=np.int64)
    for name, value in query.filters:
        if len(places) == 0:
            break
        column = frame[name] if len(places) == len(frame) else frame[name].gather(places)
        places = places[(column == value).arg_true().to_numpy()]
    return places


async def _as_frame(
    exchange: Exchange, history: History, query: _Query, order: str, selected: Selected
) -> None:
    """Rows put in order together: pinned calls stand between drawn ones."""
    frames = [part.rows() async for part in _parts(history, query)]
    if not frames:
        return
    frame = pl.concat(frames, rechunk=False)
    if query.filters:
        frame = frame[_matching(frame, query)]
    by = ["CallTime", "_start"] if order == "call-time" else ["_start"]
    down = order == "call-start-descending"
    frame = frame.sort(*by, "_session_id", descending=down)
    rows = _render(frame, query)
    selected.xml.append(rows.xml)
    selected.problems += rows.problems
    _note_failed(exchange, frame["CallResult"])


def _note_failed(exchange: Exchange, results: pl.Series) -> None:
    if results.max() == 2:
        exchange.assume("onec.failed-call-time")
