"""Draws a day: the same bytes for the same seed, world and day, whenever it is asked for."""

import msgspec
import numpy as np

from callmocks.history import reason_blocks
from callmocks.history import traffic as natural
from callmocks.history.columns import DayColumns, IntColumn
from callmocks.history.directory import Directory
from callmocks.history.generator import Generator, RawNumbers, derive_key, integers_below
from callmocks.history.ids import PINNED_SESSION
from callmocks.history.reason_cycle import assign_reasons
from callmocks.history.timeline import CallOutcomes, build_timeline
from callmocks.history.walltime import DAY_MS, DAYS, date_of_day
from callmocks.history.world import Traffic, World

DATA_VERSION = 1
"""Raised whenever the same seed would give other calls; see CHANGELOG.md."""

BATCH_CALLS = 16_000
"""Calls, on average, of the days that are drawn at once; more gain nothing."""
_COUNTS, _CALLS = 1, 2
_WEEKDAYS = (1050, 1020, 1000, 980, 950)
_SATURDAY = 5
_LAST_SATURDAY_HOUR = 20


def history_key(seed: int, world: World) -> bytes:
    """Sixteen bytes that name a history: seed, world (with its calls a day), data version."""
    return derive_key("history", DATA_VERSION, seed, world.fingerprint.hex())


def directory_key(seed: int, world: World) -> bytes:
    """Sixteen bytes that name a cast: seed and people, however many calls they have."""
    people = msgspec.structs.replace(world, calls_per_day=0, traffic=Traffic())
    return derive_key("cast", DATA_VERSION, seed, people.fingerprint.hex())


def make_empty_day(world: World, directory: Directory) -> DayColumns:
    """A day without calls: what is made of it has the types of every day's."""
    raw, plan = np.zeros((0, natural.USED_COLUMNS), np.uint64), CallOutcomes.without_legs(0)
    return build_timeline(
        0, plan, natural.draw_parameters(raw, plan, np.zeros(0, np.int64), 0, world, directory)
    )


class DayGenerator:
    """Draws the days of one history."""

    def __init__(self, key: bytes, world: World, directory: Directory) -> None:
        self._generator = Generator(key)
        self._world = world
        self._directory = directory
        self.calls_by_day = self._draw_calls_by_day()
        self._first_call = np.concatenate(([0], np.cumsum(self.calls_by_day)))

    @property
    def days_per_batch(self) -> int:
        """How many days can be drawn at once; 1 when they are large enough by themselves.

        The times of sixteen days fit into 32 bits. The plan ``finish-reasons`` goes day by day.
        """
        if self._world.traffic.plan == "finish-reasons":
            return 1
        fitting = max(BATCH_CALLS // max(self._world.calls_per_day, 1), 1)
        return next(days for days in (16, 8, 4, 2, 1) if days <= fitting)

    def count_calls(self, first: int, days: int) -> int:
        """How many calls some days in a row have, without drawing them."""
        return int(self._first_call[first + days] - self._first_call[first])

    def generate(self, first: int, days: int = 1) -> DayColumns:
        """The calls of a day (0 is 2015-01-01), ascending by start.

        With ``days``, at most ``together``, of several in a row: the same as one by one.
        """
        if self._world.traffic.plan == "finish-reasons":
            return self._generate_reason_blocks(first)
        counts, number = self.calls_by_day[first : first + days], int(self._first_call[first])
        raw = self._draw_raw(first, days)
        later = np.repeat(np.arange(days), counts)
        start = np.sort(later * DAY_MS + self._draw_start_times(first, days, later, raw))
        plan = natural.draw_outcomes(
            raw, assign_reasons(self._generator, number, len(raw)), self._world.traffic
        )
        choices = natural.draw_parameters(raw, plan, start, number, self._world, self._directory)
        if days > 1:
            choices.row = choices.row - np.repeat(np.cumsum(counts) - counts, counts)
            choices.day_offset = later
        return build_timeline(first, plan, choices)

    def _generate_reason_blocks(self, day: int) -> DayColumns:
        count, first = int(self.calls_by_day[day]), int(self._first_call[day])
        raw = self._draw_raw(day, 1)
        plan, start = reason_blocks.draw_outcomes(raw)
        choices = natural.draw_parameters(raw, plan, start, first, self._world, self._directory)
        reason_blocks.compress_to_block(choices, count // reason_blocks.BLOCK_CALLS)
        return build_timeline(day, plan, choices)

    def _draw_raw(self, first: int, days: int) -> RawNumbers:
        """A row of numbers for each call, laid out to be read by column."""
        counts = self.calls_by_day[first : first + days].tolist()
        columns = np.empty((natural.USED_COLUMNS, sum(counts)), np.uint64)
        end = 0
        for day, count in enumerate(counts, first):
            drawn = self._generator.draw_raw(_CALLS, day, count * natural.RAW_COLUMNS)
            begin, end = end, end + count
            columns[:, begin:end] = drawn.reshape(count, natural.RAW_COLUMNS)[
                :, : natural.USED_COLUMNS
            ].T
        return columns.T

    def _draw_start_times(
        self, first: int, days: int, day_offset: IntColumn, raw: RawNumbers
    ) -> IntColumn:
        """Times of day, by the weights of each day's hours."""
        if days == 1:
            return natural.draw_start_times(raw, self._hour_weights(first))
        by_hours: dict[tuple[int, ...], list[int]] = {}
        for day in range(days):
            by_hours.setdefault(self._hour_weights(first + day), []).append(day)
        times = np.empty(len(raw), np.int64)
        for hours, alike in by_hours.items():
            here = np.isin(day_offset, alike)
            times[here] = natural.draw_start_times(raw[here], hours)
        return times

    def _draw_calls_by_day(self) -> IntColumn:
        """Calls of every day: the weekday's share of the mean, up to 12 % more or less."""
        raw = self._generator.draw_raw(_COUNTS, 0, DAYS)
        weekend = self._world.traffic.weekend
        shares = np.array([*_WEEKDAYS, weekend, weekend])
        weekday = (np.arange(DAYS) + date_of_day(0).weekday()) % 7
        swing = 880 + integers_below(raw, 241)
        dither = integers_below(raw << np.uint64(32), 1_000_000)
        counts = (self._world.calls_per_day * shares[weekday] * swing + dither) // 1_000_000
        if self._world.traffic.plan == "finish-reasons":
            whole = np.maximum(
                (counts + reason_blocks.BLOCK_CALLS // 2) // reason_blocks.BLOCK_CALLS, 1
            )
            counts = np.where(self._world.calls_per_day > 0, whole * reason_blocks.BLOCK_CALLS, 0)
        most: IntColumn = np.minimum(counts, PINNED_SESSION)
        return most

    def _hour_weights(self, day: int) -> tuple[int, ...]:
        """Weights of the hours in which calls begin; late Saturday is left to the clocks."""
        weekday = date_of_day(day).weekday()
        traffic = self._world.traffic
        if weekday < _SATURDAY:
            return traffic.weekday_hours
        hours = traffic.weekend_hours
        if weekday == _SATURDAY:
            return tuple(0 if hour > _LAST_SATURDAY_HOUR else w for hour, w in enumerate(hours))
        return hours
