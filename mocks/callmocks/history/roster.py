"""Who works when: shifts and breaks, as functions of the history's key and the day.

Four operators of five work from Monday to Friday, every fifth of these fewer hours; the others
work two days and have two off. A day that nobody would work has a stand-in.
"""

import msgspec
import numpy as np

from callmocks.history import reasons
from callmocks.history.calendar import DayKind, day_kinds
from callmocks.history.columns import BoolColumn, IntColumn
from callmocks.history.directory import Directory
from callmocks.history.generator import (
    Generator,
    RawNumbers,
    integers_below,
    weighted_indexes,
)
from callmocks.history.walltime import FIRST_DATE, day_of_date
from callmocks.history.world import FIRST_HOUR, HourWeights, World

_HABITS, _BREAKS, _VACATIONS = 6, 7, 8  # streams
HOUR_MS, MINUTE_MS = 3_600_000, 60_000
SATURDAY, LAST_SATURDAY_HOUR = 5, 20
_QUARTER_MS = 15 * MINUTE_MS
# A call may begin some minutes before an operator has it.
_EARLIEST_MS = FIRST_HOUR * HOUR_MS + _QUARTER_MS
_RAW_PER_SHIFT = 16
_VACATION_DAYS, _VACATIONS_BEGIN_EVERY = 14, 364
BREAK_STATUSES = {
    "employee_status_break": 62,
    "employee_status_not_at_workplace": 14,
    "employee_status_do_not_disturb": 12,
    "employee_auto_status_do_not_disturb": 6,
    "employee_status_auto_out_call": 6,
}
_STATUSES = np.array([reasons.INDEX[name] for name in BREAK_STATUSES], np.int16)
ON_BREAK = int(_STATUSES[0])
AVAILABLE, NOT_AT_WORK = "employee_status_available", "employee_status_not_at_work"


class Roster(msgspec.Struct, frozen=True):
    """Of some days: matrices [day, operator] and [day, operator, break], in ms from the first
    day's midnight. Who is off has -1; a shorter shift's missing breaks are empty, at its end.
    """

    first_day: int
    start: IntColumn
    end: IntColumn
    break_start: IntColumn
    break_end: IntColumn
    break_status: IntColumn  # a finish reason
    workload: IntColumn  # of each shift, per mille

    @property
    def working(self) -> BoolColumn:
        return self.start >= 0

    @property
    def nbytes(self) -> int:
        return 3 * self.start.nbytes + 3 * self.break_start.nbytes

    def find_statuses(self, ms: int) -> list[str]:
        """Of each operator at a time of the first day: a finish reason, ``employee_status_…``."""
        on_break = (self.break_start[0] <= ms) & (ms < self.break_end[0])
        return [
            reasons.NAMES[self.break_status[0, operator, int(np.argmax(on_break[operator]))]]
            if on_break[operator].any()
            else AVAILABLE
            if on_shift
            else NOT_AT_WORK
            for operator, on_shift in enumerate((self.start[0] <= ms) & (ms < self.end[0]))
        ]


class RosterBuilder:
    def __init__(self, generator: Generator, world: World, directory: Directory) -> None:
        self._generator = generator
        self._rules = world.roster
        operators = directory.operators
        self._count = len(operators)
        self._workload = np.array([each.workload for each in operators])
        self._kinds = day_kinds(world.calendar)
        self._first_day = np.array([day_of_date(each.first_day) for each in operators])
        self._last_day = np.array(
            [day_of_date(each.last_day) if each.last_day else 1_000_000 for each in operators]
        )
        self._unplanned = world.traffic.plan != "natural"
        # Where weekends are as busy as other days, the days off are spread over the week.
        self._whole_week = world.traffic.weekend > 500
        self._opening, closing = find_opening_hours(world.traffic.weekday_hours)
        if world.traffic.weekday_hours[self._opening // HOUR_MS - 1] == 0:
            self._opening += _QUARTER_MS  # no call begins before, and some wait
        index = np.arange(self._count)
        self._rotating = np.isin(index % 5, (1, 4))
        part_time = index % 5 == 3
        span = closing - self._opening
        usual = min(self._rules.shift_hours * HOUR_MS, span)
        length = np.where(part_time, usual * 2 // 3 // _QUARTER_MS * _QUARTER_MS, usual)
        longer = min(usual + 3 * HOUR_MS, span)
        self._length = np.where(self._rotating & (not self._whole_week), longer, length)
        self._length = np.maximum(self._length, min(span, HOUR_MS))
        raw = generator.draw_raw(_HABITS, 0, 2 * self._count).reshape(2, -1)
        # Early and late shifts take turns, so that every hour has somebody.
        turn = (integers_below(raw[0], 120) + index * 618) % 1000
        slack = (span - self._length) // _QUARTER_MS
        self._begin = self._opening + (turn * (slack + 1) // 1000) * _QUARTER_MS
        rank = np.cumsum(self._rotating) - 1
        self._phase = np.where(self._rotating, rank % 2 * 2, 0)

    def are_employed(self, first: int, days: int) -> BoolColumn:
        day = np.arange(first, first + days)[:, None]
        employed: BoolColumn = (day >= self._first_day) & (day <= self._last_day)
        return employed

    def build(self, first: int, days: int) -> Roster:
        working = self._choose_working(first, days)
        midnight = (np.arange(days) * 24 * HOUR_MS)[:, None]
        weekday = (np.arange(first, first + days) + FIRST_DATE.weekday()) % 7
        limit = np.where(weekday == SATURDAY, LAST_SATURDAY_HOUR + 1, 23)[:, None] * HOUR_MS
        end = np.minimum(self._begin + self._length, limit)
        begin = np.maximum(np.minimum(self._begin, end - HOUR_MS // 2), _EARLIEST_MS)
        start = np.where(working, begin + midnight, -1)
        end = np.where(working, end + midnight, -1)
        raw = self._draw_days(first, days)
        workload = self._workload * (800 + integers_below(raw[..., 12], 401)) // 1000
        return Roster(first, start, end, *self._place_breaks(start, end, raw), workload)

    def _choose_working(self, first: int, days: int) -> BoolColumn:
        day = np.arange(first, first + days)[:, None]
        index = np.arange(self._count)
        weekday = (day + FIRST_DATE.weekday()) % 7
        if self._whole_week:
            working = (weekday + 2 * index) % 7 < 5
        else:
            weekly = np.isin(self._kinds[first : first + days], (DayKind.WORKDAY, DayKind.SHORT))
            working = np.where(self._rotating, (day + self._phase) % 4 < 2, weekly[:, None])
        employed = self.are_employed(first, days)
        if self._unplanned:
            return np.zeros_like(employed)
        chosen = working & employed
        if self._rules.vacation and self._count > 3:
            chosen &= ~self._on_vacation(first, days)
        for offset in np.flatnonzero(chosen.sum(axis=1) < np.minimum(employed.sum(axis=1), 2)):
            others = np.flatnonzero(employed[offset] & ~chosen[offset])
            chosen[offset, others[(first + offset) % len(others)]] = True
        return chosen

    def _on_vacation(self, first: int, days: int) -> BoolColumn:
        """Twice in 52 weeks, for two weeks."""
        day = np.arange(first, first + days)[:, None]
        year = day // _VACATIONS_BEGIN_EVERY
        on_vacation = np.zeros((days, self._count), np.bool_)
        rounds = _VACATIONS_BEGIN_EVERY // _VACATION_DAYS
        turn = day % _VACATIONS_BEGIN_EVERY // _VACATION_DAYS
        for each in np.unique(year):
            raw = self._generator.draw_raw(_VACATIONS, int(each), self._count)
            one = integers_below(raw, rounds)
            other = (one + rounds // 2 - 3 + integers_below(raw << np.uint64(32), 7)) % rounds
            on_vacation |= (year == each) & ((turn == one) | (turn == other))
        # Examples log in as the first operator.
        on_vacation[:, 0] = False
        return on_vacation

    def _draw_days(self, first: int, days: int) -> RawNumbers:
        size = self._count * _RAW_PER_SHIFT
        rows = [self._generator.draw_raw(_BREAKS, first + day, size) for day in range(days)]
        return np.stack(rows).reshape(days, self._count, _RAW_PER_SHIFT)

    def _place_breaks(
        self, start: IntColumn, end: IntColumn, raw: RawNumbers
    ) -> tuple[IntColumn, IntColumn, IntColumn]:
        """Evenly, give or take ten minutes; the middle one is the longest."""
        count = self._rules.breaks
        length = end - start
        fitting = np.minimum(length // (2 * HOUR_MS), count)
        number = np.arange(count)
        exists = number < fitting[..., None]
        part = length[..., None] * (number + 1) // (fitting[..., None] + 1)
        shift = integers_below(raw[..., 0:count], 20) - 10
        short = 10 + integers_below(raw[..., 4 : 4 + count], 4) * 5
        lunch = 30 + integers_below(raw[..., 4 : 4 + count], 2) * 15
        minutes = np.where(number == fitting[..., None] // 2, lunch, short)
        begin = (start[..., None] + part) // (5 * MINUTE_MS) * (5 * MINUTE_MS) + shift * MINUTE_MS
        till = begin + minutes * MINUTE_MS
        drawn = weighted_indexes(raw[..., 8 : 8 + count], tuple(BREAK_STATUSES.values()))
        status = np.where(number == fitting[..., None] // 2, ON_BREAK, _STATUSES[drawn])
        at_end = np.broadcast_to(end[..., None], begin.shape)
        return np.where(exists, begin, at_end), np.where(exists, till, at_end), status


def find_opening_hours(weights: HourWeights) -> tuple[int, int]:
    """In ms of the day: the hours that 96 % of the calls come in."""
    total, passed = sum(weights), np.cumsum(weights)
    opening = int(np.argmax(passed * 50 > total))
    closing = int(np.argmax(passed * 50 >= total * 49)) + 1
    return opening * HOUR_MS, max(closing, opening + 1) * HOUR_MS
