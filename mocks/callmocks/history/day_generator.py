"""Generates a day: the same bytes for the same seed, world and day, whenever that is."""

import numpy as np

from callmocks.history import reason_blocks
from callmocks.history.calendar import DayKind, day_kinds, season_factors
from callmocks.history.call_parameters import (
    draw_lengths_of_outcomes,
    draw_operators,
    draw_parameters,
    draw_parties,
    forget_strangers,
)
from callmocks.history.columns import DayColumns, IntColumn
from callmocks.history.contact_centre import ContactCentre
from callmocks.history.directory import Directory
from callmocks.history.generator import Generator, RawNumbers, integers_below
from callmocks.history.ids import PINNED_SESSION
from callmocks.history.raw_columns import RAW_COLUMNS, USED_COLUMNS
from callmocks.history.roster import LAST_SATURDAY_HOUR, SATURDAY
from callmocks.history.timeline import CallOutcomes, build_timeline
from callmocks.history.walltime import DAYS, date_of_day
from callmocks.history.world import World

# Calls, on average, of the days of a batch; more gain nothing.
BATCH_CALLS = 16_000
_COUNTS, _CALLS = 1, 2  # streams


def make_empty_day(world: World) -> DayColumns:
    raw, outcomes = np.zeros((0, USED_COLUMNS), np.uint64), CallOutcomes.without_legs(0)
    return build_timeline(0, outcomes, draw_parameters(raw, outcomes, world))


class DayGenerator:
    """Generates the days of one history; day 0 is 2015-01-01."""

    def __init__(self, key: bytes, world: World, directory: Directory) -> None:
        self._generator = Generator(key)
        self._world = world
        self._directory = directory
        self._in_blocks = world.traffic.plan == "finish-reasons"
        self._kinds = day_kinds(world.calendar)
        self.calls_by_day = self._draw_calls_by_day()
        # Of memoryviews, single numbers are read in a third of the time.
        self._calls_before = np.concatenate(([0], np.cumsum(self.calls_by_day))).data
        self._days_with_calls = np.flatnonzero(self.calls_by_day)
        with_calls = np.cumsum(self.calls_by_day > 0)
        self._days_with_calls_before = np.concatenate(([0], with_calls)).data
        self.centre = ContactCentre(self._generator, world, directory, self.calls_by_day)

    @property
    def days_per_batch(self) -> int:
        """1 where a day is large enough by itself; the times of 16 days fit into 32 bits."""
        if self._in_blocks:
            return 1
        fitting = max(BATCH_CALLS // max(self._world.calls_per_day, 1), 1)
        return next(days for days in (16, 8, 4, 2, 1) if days <= fitting)

    def count_calls(self, first: int, days: int) -> int:
        return self._calls_before[first + days] - self._calls_before[first]

    def days_with_calls(self, first: int, last: int) -> list[int]:
        if last < first:
            return []
        begin, end = self._days_with_calls_before[first], self._days_with_calls_before[last + 1]
        days: list[int] = self._days_with_calls[begin:end].tolist()
        return days

    def generate(self, first: int, days: int = 1) -> DayColumns:
        """A day, or a batch of at most ``days_per_batch``: the same calls as one by one."""
        raw = self._draw_raw(first, days)
        if self._in_blocks:
            return self._generate_blocks(first, raw)
        day_offset = np.repeat(np.arange(days), self.calls_by_day[first : first + days])
        weights = np.array([self._hour_weights(first + offset) for offset in range(days)])
        return self.centre.generate(first, day_offset, raw, weights)

    def _generate_blocks(self, day: int, raw: RawNumbers) -> DayColumns:
        outcomes, start = reason_blocks.draw_outcomes(raw)
        world, directory = self._world, self._directory
        parameters = draw_parameters(raw, outcomes, world)
        draw_lengths_of_outcomes(parameters, raw, outcomes, world.waiting)
        employed = self.centre.are_employed(day, 1)[0]
        draw_operators(parameters, raw, outcomes, directory, employed)
        draw_parties(parameters, raw, outcomes, world.traffic, directory)
        known_days = directory.known_days
        parameters.user = forget_strangers(parameters.user, day, known_days)
        parameters.start = start
        reason_blocks.compress_to_block(parameters, len(raw) // reason_blocks.BLOCK_CALLS)
        return build_timeline(day, outcomes, parameters)

    def _draw_raw(self, first: int, days: int) -> RawNumbers:
        counts = self.calls_by_day[first : first + days].tolist()
        columns = np.empty((USED_COLUMNS, sum(counts)), np.uint64)
        end = 0
        for day, count in enumerate(counts, first):
            raw = self._generator.draw_raw(_CALLS, day, count * RAW_COLUMNS)
            rows = raw.reshape(count, RAW_COLUMNS)
            begin, end = end, end + count
            columns[:, begin:end] = rows[:, :USED_COLUMNS].T
        return columns.T

    def _draw_calls_by_day(self) -> IntColumn:
        """The weekday's share of the mean and the season's, up to 12 % more or less."""
        mean, traffic = self._world.calls_per_day, self._world.traffic
        raw = self._generator.draw_raw(_COUNTS, 0, DAYS)
        weekday = (np.arange(DAYS) + date_of_day(0).weekday()) % 7
        factors = np.array(traffic.weekdays)
        # A Saturday that is worked instead of another day is as a Friday, a Monday off as any.
        share = np.where(weekday < SATURDAY, factors[weekday], factors[SATURDAY - 1])
        day_off = np.where(weekday < SATURDAY, 1000, factors[weekday]) * traffic.weekend // 1000
        share = np.where(self._kinds == DayKind.SHORT, share * traffic.short_day // 1000, share)
        share = np.where(self._kinds == DayKind.DAY_OFF, day_off, share)
        share = np.where(self._kinds == DayKind.HOLIDAY, traffic.holiday, share)
        share = share * season_factors(self._world.calendar) // 1000
        swing = 880 + integers_below(raw, 241)
        dither = integers_below(raw << np.uint64(32), 1_000_000)
        counts = (mean * share * swing + dither) // 1_000_000
        if self._in_blocks:
            size = reason_blocks.BLOCK_CALLS
            blocks = np.maximum((counts + size // 2) // size, 1)
            counts = np.where(mean > 0, blocks * size, 0)
        limited: IntColumn = np.minimum(counts, PINNED_SESSION)
        return limited

    def _hour_weights(self, day: int) -> tuple[int, ...]:
        """Late Saturday has no calls: clocks change then."""
        works = self._kinds[day] in (DayKind.WORKDAY, DayKind.SHORT)
        traffic = self._world.traffic
        weights = traffic.weekday_hours if works else traffic.weekend_hours
        if date_of_day(day).weekday() == SATURDAY:
            return weights[: LAST_SATURDAY_HOUR + 1] + (0,) * (23 - LAST_SATURDAY_HOUR)
        return weights
