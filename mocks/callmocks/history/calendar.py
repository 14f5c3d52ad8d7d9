"""Which days are workdays, days off and holidays, and how many calls the seasons bring.

The calendar of Russia is article 112 of its Labour Code with the transfers that the Government
publishes for each year (``fixtures/calendar/russia.csv``). Years without published ones follow the
rule of ``_transfers_by_rule``.
"""

import csv
from collections.abc import Iterator
from datetime import date, timedelta
from enum import IntEnum
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from callmocks.contract.resources import fixture_path
from callmocks.history.generator import Ints
from callmocks.history.walltime import DAYS, FIRST_DATE, LAST_DATE, date_of_day, day_of_date
from callmocks.history.world import Calendar

_DAY = timedelta(days=1)
# Month and day; those of January have transfers of their own.
_JANUARY = tuple((1, day) for day in range(1, 9))
_HOLIDAYS = (*_JANUARY, (2, 23), (3, 8), (5, 1), (5, 9), (6, 12), (11, 4))


class DayKind(IntEnum):
    WORKDAY = 0
    SHORT = 1  # a workday before a holiday
    DAY_OFF = 2  # of a weekend, or transferred from one
    HOLIDAY = 3


@lru_cache(maxsize=64)
def day_kinds(calendar: Calendar) -> NDArray[np.int8]:
    """A ``DayKind`` for each day of a history."""
    kinds = _weekly_kinds() if calendar.country == "none" else _russian_kinds().copy()
    for kind, days in (
        (DayKind.HOLIDAY, calendar.holidays),
        (DayKind.WORKDAY, calendar.workdays),
        (DayKind.SHORT, calendar.short_days),
    ):
        kinds[[day_of_date(day) for day in days]] = kind
    kinds.flags.writeable = False
    return kinds


@lru_cache(maxsize=64)
def season_factors(calendar: Calendar) -> Ints:
    """Per mille of the mean number of calls, for each day of a history."""
    factors: Ints = np.array(calendar.seasons, np.int64)[months_of_days() % 12]
    factors.flags.writeable = False
    return factors


@cache
def months_of_days() -> Ints:
    """Of each day of a history, months since January 1970."""
    days = np.datetime64(FIRST_DATE) + np.arange(DAYS)
    months: Ints = days.astype("datetime64[M]").astype(np.int64)
    months.flags.writeable = False
    return months


def _weekly_kinds() -> NDArray[np.int8]:
    weekdays = (np.arange(DAYS) + FIRST_DATE.weekday()) % 7
    return np.where(weekdays < 5, DayKind.WORKDAY, DayKind.DAY_OFF).astype(np.int8)


@cache
def _russian_kinds() -> NDArray[np.int8]:
    kinds = _weekly_kinds()
    years = range(FIRST_DATE.year, LAST_DATE.year + 1)
    holidays = [day_of_date(date(year, *day)) for year in years for day in _HOLIDAYS]
    kinds[holidays] = DayKind.HOLIDAY
    # The eve of the year after the last is one, too.
    eves = {day - 1 for day in (*holidays, DAYS)}
    published = _read_transfers()
    for year in years:
        transfers = published.get(year) or list(_transfers_by_rule(year, kinds))
        for source, target in transfers:
            kinds[day_of_date(target)] = DayKind.DAY_OFF
            if source and kinds[day_of_date(source)] == DayKind.DAY_OFF:
                kinds[day_of_date(source)] = DayKind.WORKDAY
                if day_of_date(target) in eves:  # the short hours move with the day
                    kinds[day_of_date(source)] = DayKind.SHORT
        _move_weekend_holidays(year, kinds, {source for source, _ in transfers})
    for eve in eves:
        if eve >= 0 and kinds[eve] == DayKind.WORKDAY:
            kinds[eve] = DayKind.SHORT
    return kinds


def _move_weekend_holidays(
    year: int, kinds: NDArray[np.int8], transferred: set[date | None]
) -> None:
    """A holiday on a weekend, January aside, makes the next workday a day off."""
    for month_and_day in _HOLIDAYS[len(_JANUARY) :]:
        holiday = date(year, *month_and_day)
        if holiday.weekday() >= 5 and holiday not in transferred:
            kinds[_next_workday(day_of_date(holiday), kinds)] = DayKind.DAY_OFF


def _transfers_by_rule(year: int, kinds: NDArray[np.int8]) -> Iterator[tuple[date | None, date]]:
    """The two weekend days of the January holidays go to 31 December, 2 and 10 May or after."""
    weekend = [day for day in (date(year, *each) for each in _JANUARY) if day.weekday() >= 5]
    targets = [date(year, 12, 31)] if date(year, 12, 31).weekday() < 5 else []
    targets += [
        date_of_day(_next_workday(day_of_date(date(year, 5, day)), kinds)) for day in (1, 9)
    ]
    yield from zip(weekend[:2], targets, strict=False)


def _next_workday(day: int, kinds: NDArray[np.int8]) -> int:
    return next(later for later in range(day + 1, DAYS) if kinds[later] == DayKind.WORKDAY)


def _read_transfers() -> dict[int, list[tuple[date | None, date]]]:
    transfers: dict[int, list[tuple[date | None, date]]] = {}
    with fixture_path("calendar/russia.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            source = date.fromisoformat(row["from"]) if row["from"] else None
            target = date.fromisoformat(row["to"])
            transfers.setdefault(target.year, []).append((source, target))
    return transfers
