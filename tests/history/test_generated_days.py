"""What a drawn day is like: sizes, hours, times that agree, rare reasons."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import pytest
from numpy.typing import NDArray

from callmocks.contract.resources import load_table
from callmocks.history import reasons
from callmocks.history.cache import DayCache
from callmocks.history.calendar import DayKind, day_kinds
from callmocks.history.columns import ROLE_NAMES, CallKind, LegRole
from callmocks.history.directory import Directory
from callmocks.history.factory import HistoryFactory
from callmocks.history.generated_days import GeneratedDays
from callmocks.history.history import History
from callmocks.history.walltime import DAYS, date_of_day, day_of_date, day_start, ms_to_datetime
from callmocks.tenants.settings import TenantSettings

from .conftest import MakeHistory

YEAR = range(day_of_date(date(2026, 1, 1)), day_of_date(date(2027, 1, 1)))


def reasons_in_order(history: History, days: Iterable[int]) -> NDArray[np.int64]:
    """Reasons of all legs by exact start, then row, as the default order of the CDR has them."""
    found = []
    for day in days:
        legs = history.generated.get_day(day).legs
        found.append(legs.reason[np.lexsort((legs.row, legs.start))])
    return np.concatenate(found)


def test_people_that_are_being_drawn_hold_up_no_other_world(make_history: MakeHistory) -> None:
    ready = make_history().generated
    started, drawn, seen = Event(), Event(), Event()

    def draw_slowly() -> Directory:
        started.set()
        drawn.wait(60)
        return ready.directory

    def read_other() -> None:
        assert other.directory is ready.directory
        seen.set()

    slow = GeneratedDays(b"1" * 16, ready.world, draw_slowly, DayCache())
    other = GeneratedDays(b"2" * 16, ready.world, lambda: ready.directory, DayCache())
    threads = [Thread(target=lambda: slow.directory, daemon=True)]
    threads[0].start()
    started.wait(60)
    threads.append(Thread(target=read_other, daemon=True))
    threads[1].start()
    was_seen = seen.wait(10)
    drawn.set()
    for thread in threads:
        thread.join()
    assert was_seen


def test_the_mean_of_weekdays_is_the_calls_per_day(make_history: MakeHistory) -> None:
    for wanted in (40, 400, 4000):
        history = make_history(calls_per_day=wanted)
        kinds = day_kinds(history.world.calendar)
        counts = [
            history.generated.count_calls(day) for day in YEAR if kinds[day] == DayKind.WORKDAY
        ]
        assert abs(sum(counts) / len(counts) / wanted - 1) < 0.02


def test_a_call_has_about_2_3_legs(history: History) -> None:
    days = [history.generated.get_day(day) for day in YEAR]
    calls = sum(len(day.calls.row) for day in days)
    legs = sum(len(day.legs.row) for day in days)
    assert 2.2 < legs / calls < 2.4


@pytest.mark.parametrize(
    "seed", [42, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 7))]
)
def test_every_calendar_month_holds_all_64_finish_reasons(
    make_history: MakeHistory, seed: int
) -> None:
    history = make_history(seed=seed)
    for month in range(1, 13):
        days = range(day_of_date(date(2026, month, 1)), day_of_date(date(2026, month, 1)) + 31)
        order = reasons_in_order(history, (day for day in days if date_of_day(day).month == month))
        missing = set(range(64)) - set(order.tolist())
        assert not missing, (month, [reasons.NAMES[reason] for reason in missing])


@pytest.mark.parametrize(
    "text",
    [
        "[sizes]\noperators = 2\nlines = 1\n[roster]\nbreaks = 0\nshift_hours = 2\n[traffic]\n",
        "[sizes]\noperators = 30\n[traffic]\ntalk_ms = [21000000, 21600000]\ninternal = 400",
        "[traffic]\nweekend = 1000\noutgoing = 1000\ninternal = 0\nauto_outgoing = 0",
    ],
)
def test_calls_come_at_the_hours_of_their_world(text: str, tmp_path: Path) -> None:
    """Whatever the hours are, and however little time the operators have in them."""
    weekday, weekend = [0] * 24, [0] * 24
    weekday[20], weekday[22], weekend[9] = 9, 3, 1
    hours = f"weekday_hours = {weekday}\nweekend_hours = {weekend}\n"
    file = tmp_path / "world.toml"
    file.write_text(text.replace("[traffic]\n", f"[traffic]\n{hours}"))
    history = HistoryFactory(DayCache()).create(TenantSettings("odd", world=str(file)))
    kinds = day_kinds(history.world.calendar)
    for number in YEAR[:60]:
        day = history.generated.get_day(number)
        allowed = {20, 22} if kinds[number] < DayKind.DAY_OFF else {9}
        assert len(day.calls.row) == history.generated.count_calls(number)
        assert set((day.calls.start // 3_600_000).tolist()) <= allowed


@pytest.mark.parametrize("calls", [30, 400, 50_000])
def test_finish_reasons_world_holds_all_64_in_every_aligned_block(
    make_history: MakeHistory, calls: int
) -> None:
    history = make_history(world="finish-reasons", calls_per_day=calls)
    order = reasons_in_order(history, YEAR[:3])
    assert len(order) % 64 == 0 and len(order)
    for begin in range(0, len(order), 64):
        assert len(set(order[begin : begin + 64].tolist())) == 64


def test_a_number_has_one_call_at_a_time_in_the_heaviest_traffic(
    make_history: MakeHistory, tmp_path: Path
) -> None:
    """Thousands of strangers in one hour, of whom some would have drawn one number."""
    world = tmp_path / "hour.toml"
    world.write_text(
        "calls_per_day = 40_000\n[sizes]\noperators = 2\norganisations = 1\n[traffic]\n"
        f"anonymous = 0\nweekday_hours = {[int(hour == 13) for hour in range(24)]}",
        encoding="utf-8",
    )
    calls = make_history(world=str(world)).generated.get_day(YEAR[70]).calls
    order = np.lexsort((calls.start, calls.phone))
    phone, start, end = calls.phone[order], calls.start[order], calls.end[order]
    again = (phone[1:] == phone[:-1]) & (phone[1:] > 0)
    assert not (again & (start[1:] // 1000 < end[:-1] // 1000)).any()


def test_a_planned_refusal_comes_when_the_world_has_calls(
    make_history: MakeHistory, tmp_path: Path
) -> None:
    weights = [int(5 < hour < 22 and hour % 2) for hour in range(24)]
    world = tmp_path / "gaps.toml"
    world.write_text(
        f"calls_per_day = 100\n[traffic]\nweekend = 0\nholiday = 0\nweekday_hours = {weights}\n"
        "[roster]\nbreaks = 4",
        encoding="utf-8",
    )
    history = make_history(world=str(world))
    for day in YEAR[::2]:
        hours = history.generated.get_day(day).calls.start // 3_600_000
        assert all(weights[hour] for hour in hours.tolist())


def test_the_empty_world_has_no_calls(make_history: MakeHistory) -> None:
    history = make_history(world="empty")
    assert sum(history.generated.count_calls(day) for day in range(DAYS)) == 0
    assert len(history.legs_between(day_start(0), day_start(DAYS) - 1000, day_start(DAYS))) == 0


@pytest.mark.parametrize("world", ["default", "edge-cases", "finish-reasons"])
def test_times_agree_within_every_leg_and_call(make_history: MakeHistory, world: str) -> None:
    history = make_history(world=world)
    for number in YEAR[::7]:
        day = history.generated.get_day(number)
        legs, calls = day.legs, day.calls
        answered = legs.connect >= 0
        assert (legs.end >= legs.start).all()
        assert (legs.connect[answered] >= legs.start[answered]).all()
        assert (legs.connect[answered] <= legs.end[answered]).all()
        assert (legs.start >= calls.start[legs.call]).all()
        assert (legs.end <= calls.end[legs.call]).all()
        assert legs.start.max() < 86_400_000, "a leg starts on its call's day"
        assert (np.diff(calls.start) >= 0).all()
        assert calls.leg_count.sum() == len(legs.row)


def test_every_leg_of_a_year_agrees_with_its_finish_reason(history: History) -> None:
    rules = {row["finish_reason"]: row for row in load_table("cdr/reason_agreement.csv")}
    seen: Counter[str] = Counter()
    for number in YEAR:
        day = history.generated.get_day(number)
        legs = day.legs
        size = day.calls.leg_count[legs.call]
        for reason in np.unique(legs.reason):
            rule = rules[reasons.NAMES[reason]]
            of_reason = legs.reason == reason
            kinds = {ROLE_NAMES[role] for role in np.unique(legs.role[of_reason])}
            assert kinds <= set(rule["legs"].split("|")), rule
            subscriber = legs.role == LegRole.SUBSCRIBER
            for flag, values in (
                ("answered", legs.connect >= 0),
                ("talked", legs.talked),
                ("employee", legs.operator >= 0),
            ):
                chosen = (
                    values[of_reason & ~subscriber] if flag == "employee" else values[of_reason]
                )
                if rule[flag] == "yes":
                    assert chosen.all() or rule["place"] == "talk", (flag, rule)
                if rule[flag] == "no":
                    assert not chosen.any(), (flag, rule)
            if rule["place"] == "alone":
                assert (size[of_reason] == 1).all(), rule
            seen[reasons.NAMES[reason]] += int(of_reason.sum())
    assert len(seen) == 64


def test_no_call_starts_when_a_zone_changes_its_clocks(history: History) -> None:
    """In any zone people live in: 2015 to 2034, every hour that is skipped or comes twice."""
    starts = {}
    for name in sorted(available_timezones() - {"Antarctica/Casey"}):
        for begin, end in clock_changes(ZoneInfo(name)):
            day = day_of_date(begin.date())
            if not 0 <= day < DAYS:
                continue
            if day not in starts:
                starts[day] = day_start(day) + history.generated.get_day(day).calls.start.astype(
                    np.int64
                )
            moments = starts[day]
            low, high = (
                (m - datetime(1970, 1, 1)) // timedelta(milliseconds=1) for m in (begin, end)
            )
            inside = moments[(moments >= low) & (moments < high)]
            assert not len(inside), (name, begin, ms_to_datetime(int(inside[0])))


def clock_changes(zone: ZoneInfo) -> Iterator[list[datetime]]:
    """Wall times at which each change of a zone begins and ends (naive)."""

    def utc_offset(moment: datetime) -> timedelta:
        return moment.astimezone(zone).utcoffset() or timedelta()

    step, moment = timedelta(days=7), datetime(2015, 1, 1, tzinfo=UTC)
    while moment.year < 2035:
        offsets = utc_offset(moment), utc_offset(moment + step)
        if offsets[0] != offsets[1]:
            low, high = moment, moment + step
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) / 2
                if utc_offset(middle) == offsets[0]:
                    low = middle
                else:
                    high = middle
            change = high.replace(second=0, microsecond=0)
            yield sorted((change + offset).replace(tzinfo=None) for offset in offsets)
        moment += step


def test_only_answered_legs_talk_and_talks_add_up(history: History) -> None:
    for number in YEAR[::11]:
        day = history.generated.get_day(number)
        legs, calls = day.legs, day.calls
        for call in range(len(calls.row)):
            of_reason = range(
                int(calls.first_leg[call]), int(calls.first_leg[call] + calls.leg_count[call])
            )
            direct = calls.kind[call] in (CallKind.OUTGOING, CallKind.INTERNAL)
            talks = [
                int(legs.end[i] - legs.connect[i])
                for i in of_reason
                if legs.connect[i] >= 0
                and (
                    legs.role[i] == LegRole.INITIATOR
                    if direct
                    else legs.role[i] in (LegRole.OPERATOR, LegRole.TRANSFER)
                )
            ]
            assert sum(talks) == calls.talk[call]
            assert (calls.answered[call] >= 0) == bool(talks)
