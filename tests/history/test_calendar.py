"""The production calendar against the published ones."""

from collections import Counter
from datetime import date, timedelta

import pytest

from callmocks.history.cache import DayCache
from callmocks.history.calendar import DayKind, day_kinds, season_factors
from callmocks.history.factory import HistoryFactory
from callmocks.history.walltime import day_of_date
from callmocks.history.world import Calendar
from callmocks.history.world_file import parse_world
from callmocks.tenants.settings import TenantSettings

# Workdays and shortened ones of a year, as the published calendars count them; 2020 without its
# two days of the parade and the vote. Weeks off by the decrees of the pandemic are workdays here.
PUBLISHED = {
    2015: (247, 5), 2016: (247, 2), 2017: (247, 3), 2018: (247, 6), 2019: (247, 6),
    2020: (246, 5), 2021: (247, 4), 2022: (247, 3), 2023: (247, 3), 2024: (248, 5),
    2025: (247, 4), 2026: (247, 4), 2027: (247, 4),
}  # fmt: skip


def days_of(year: int, calendar: Calendar | None = None) -> dict[date, DayKind]:
    kinds, first = day_kinds(calendar or Calendar()), date(year, 1, 1)
    days = [first + timedelta(n) for n in range((date(year + 1, 1, 1) - first).days)]
    return {day: DayKind(int(kinds[day_of_date(day)])) for day in days}


@pytest.mark.parametrize("year", PUBLISHED)
def test_workdays_and_short_days_as_published(year: int) -> None:
    counts = Counter(days_of(year).values())
    short = counts[DayKind.SHORT]
    assert (counts[DayKind.WORKDAY] + short, short) == PUBLISHED[year]
    assert counts[DayKind.HOLIDAY] == 14


def test_the_calendar_of_2024_day_by_day() -> None:
    days = days_of(2024)
    moved = {day for day, kind in days.items() if kind == DayKind.DAY_OFF and day.weekday() < 5}
    worked = {day for day, kind in days.items() if kind < DayKind.DAY_OFF and day.weekday() > 4}
    short = {day for day, kind in days.items() if kind == DayKind.SHORT}
    holidays = {day for day, kind in days.items() if kind == DayKind.HOLIDAY}
    of_2024 = lambda *days: {date(2024, month, day) for month, day in days}  # noqa: E731
    assert moved == of_2024((4, 29), (4, 30), (5, 10), (12, 30), (12, 31))
    assert worked == of_2024((4, 27), (11, 2), (12, 28))
    assert short == of_2024((2, 22), (3, 7), (5, 8), (6, 11), (11, 2))
    assert holidays == of_2024(
        *((1, day) for day in range(1, 9)), (2, 23), (3, 8), (5, 1), (5, 9), (6, 12), (11, 4)
    )


@pytest.mark.parametrize("year", range(2028, 2035))
def test_years_to_come_follow_the_rule(year: int) -> None:
    days = days_of(year)
    off = sum(kind >= DayKind.DAY_OFF for kind in days.values())
    assert 116 <= off <= 119
    for day in (date(year, 1, 8), date(year, 5, 9), date(year, 11, 4)):
        assert days[day] == DayKind.HOLIDAY
    # A holiday that falls on a weekend is made up for by a weekday off, January's two at most.
    expected = sum(date(year, *day).weekday() > 4 for day in ((2, 23), (3, 8), (5, 1), (5, 9)))
    expected += sum(date(year, *day).weekday() > 4 for day in ((6, 12), (11, 4))) + 2
    moved = [day for day, kind in days.items() if kind == DayKind.DAY_OFF and day.weekday() < 5]
    assert len(moved) == expected


def test_a_world_may_have_its_own_calendar_or_none() -> None:
    none = days_of(2026, Calendar(country="none"))
    assert set(none.values()) == {DayKind.WORKDAY, DayKind.DAY_OFF}
    assert none[date(2026, 1, 1)] == DayKind.WORKDAY
    assert all((kind == DayKind.DAY_OFF) == (day.weekday() > 4) for day, kind in none.items())
    own = days_of(
        2026,
        Calendar(
            holidays=(date(2026, 8, 3),),
            workdays=(date(2026, 1, 2), date(2026, 8, 8)),
            short_days=(date(2026, 7, 31),),
        ),
    )
    assert own[date(2026, 8, 3)] == DayKind.HOLIDAY
    assert own[date(2026, 1, 2)] == own[date(2026, 8, 8)] == DayKind.WORKDAY
    assert own[date(2026, 7, 31)] == DayKind.SHORT
    assert own[date(2026, 1, 1)] == DayKind.HOLIDAY


def test_seasons_are_the_months_factors() -> None:
    factors = season_factors(Calendar(seasons=tuple(range(100, 1300, 100))))
    assert factors[day_of_date(date(2026, 1, 31))] == 100
    assert factors[day_of_date(date(2026, 12, 1))] == 1200
    assert 990 < season_factors(Calendar()).mean() < 1010


def count_calls(world_text: str, day: date) -> int:
    world = parse_world(world_text, "mine.toml")
    history = HistoryFactory(DayCache()).create(TenantSettings("calendar"), world)
    return history.generated.count_calls(day_of_date(day))


def test_a_worlds_calendar_decides_how_many_calls_a_day_has() -> None:
    new_year, ordinary = date(2026, 1, 1), date(2026, 9, 3)
    assert count_calls("", new_year) < count_calls("", ordinary) / 4
    none = '[calendar]\ncountry = "none"'
    assert count_calls(none, new_year) > count_calls(none, ordinary) * 3 / 4
    own = "[calendar]\nholidays = [2026-09-03]\nworkdays = [2026-01-01]"
    assert count_calls(own, ordinary) < count_calls(own, new_year) / 4
    closed = f"[calendar]\nseasons = {[0] * 8 + [1000] * 4}"
    assert count_calls(closed, date(2026, 8, 31)) == 0
    assert count_calls(closed, ordinary) > 300
