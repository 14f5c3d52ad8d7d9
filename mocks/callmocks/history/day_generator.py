"""Generates a day: the same bytes for the same seed, world and day, whenever that is."""

import msgspec
import numpy as np

from callmocks.history import reason_blocks, traffic
from callmocks.history.call_parameters import draw_parameters
from callmocks.history.columns import DayColumns, IntColumn
from callmocks.history.directory import Directory
from callmocks.history.generator import Generator, RawNumbers, derive_key, integers_below
from callmocks.history.ids import PINNED_SESSION
from callmocks.history.raw_columns import RAW_COLUMNS, USED_COLUMNS
from callmocks.history.reason_cycle import assign_reasons
from callmocks.history.timeline import CallOutcomes, build_timeline
from callmocks.history.walltime import DAY_MS, DAYS, date_of_day
from callmocks.history.world import Traffic, World

# Raised whenever the same seed would give other calls; see CHANGELOG.md.
DATA_VERSION = 2

# Calls, on average, of the days of a batch; more gain nothing.
BATCH_CALLS = 16_000
_COUNTS, _CALLS = 1, 2  # streams
_WEEKDAYS = (1050, 1020, 1000, 980, 950)
_SATURDAY = 5
_LAST_SATURDAY_HOUR = 20


def history_key(seed: int, world: World) -> bytes:
    """Sixteen bytes that name a history: seed, world (with its calls a day), data version."""
    return derive_key("history", DATA_VERSION, seed, world.fingerprint.hex())


def directory_key(seed: int, world: World) -> bytes:
    """Sixteen bytes that name a directory: seed and people, however many calls they have."""
    people = msgspec.structs.replace(world, calls_per_day=0, traffic=Traffic())
    return derive_key("cast", DATA_VERSION, seed, people.fingerprint.hex())


def make_empty_day(world: World, directory: Directory) -> DayColumns:
    raw, outcomes = np.zeros((0, USED_COLUMNS), np.uint64), CallOutcomes.without_legs(0)
    start = np.zeros(0, np.int64)
    parameters = draw_parameters(raw, outcomes, start, 0, world, directory)
    return build_timeline(0, outcomes, parameters)


class DayGenerator:
    """Generates the days of one history; day 0 is 2015-01-01."""

    def __init__(self, key: bytes, world: World, directory: Directory) -> None:
        self._generator = Generator(key)
        self._world = world
        self._directory = directory
        self._in_blocks = world.traffic.plan == "finish-reasons"
        self.calls_by_day = self._draw_calls_by_day()
        self._first_call = np.concatenate(([0], np.cumsum(self.calls_by_day)))

    @property
    def days_per_batch(self) -> int:
        """1 where a day is large enough by itself; the times of 16 days fit into 32 bits."""
        if self._in_blocks:
            return 1
        fitting = max(BATCH_CALLS // max(self._world.calls_per_day, 1), 1)
        return next(days for days in (16, 8, 4, 2, 1) if days <= fitting)

    def count_calls(self, first: int, days: int) -> int:
        return int(self._first_call[first + days] - self._first_call[first])

    def generate(self, first: int, days: int = 1) -> DayColumns:
        """A day, or a batch of at most ``days_per_batch``: the same calls as one by one."""
        raw, first_call = self._draw_raw(first, days), int(self._first_call[first])
        counts = self.calls_by_day[first : first + days]
        day_offset = np.repeat(np.arange(days), counts)
        if self._in_blocks:
            outcomes, start = reason_blocks.draw_outcomes(raw)
        else:
            time_of_day = self._draw_start_times(first, days, day_offset, raw)
            start = np.sort(day_offset * DAY_MS + time_of_day)
            forced = assign_reasons(self._generator, first_call, len(raw))
            outcomes = traffic.OutcomeDraw(raw, forced, self._world.traffic).draw()
        parameters = draw_parameters(raw, outcomes, start, first_call, self._world, self._directory)
        if self._in_blocks:
            reason_blocks.compress_to_block(parameters, len(raw) // reason_blocks.BLOCK_CALLS)
        if days > 1:
            parameters.row = parameters.row - np.repeat(np.cumsum(counts) - counts, counts)
            parameters.day_offset = day_offset
        return build_timeline(first, outcomes, parameters)

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

    def _draw_start_times(
        self, first: int, days: int, day_offset: IntColumn, raw: RawNumbers
    ) -> IntColumn:
        if days == 1:
            return traffic.draw_start_times(raw, self._hour_weights(first))
        by_weights: dict[tuple[int, ...], list[int]] = {}
        for offset in range(days):
            by_weights.setdefault(self._hour_weights(first + offset), []).append(offset)
        times = np.empty(len(raw), np.int64)
        for weights, offsets in by_weights.items():
            calls = np.isin(day_offset, offsets)
            times[calls] = traffic.draw_start_times(raw[calls], weights)
        return times

    def _draw_calls_by_day(self) -> IntColumn:
        """The weekday's share of the mean, up to 12 % more or less."""
        mean, weekend = self._world.calls_per_day, self._world.traffic.weekend
        raw = self._generator.draw_raw(_COUNTS, 0, DAYS)
        shares = np.array([*_WEEKDAYS, weekend, weekend])
        weekday = (np.arange(DAYS) + date_of_day(0).weekday()) % 7
        swing = 880 + integers_below(raw, 241)
        dither = integers_below(raw << np.uint64(32), 1_000_000)
        counts = (mean * shares[weekday] * swing + dither) // 1_000_000
        if self._in_blocks:
            size = reason_blocks.BLOCK_CALLS
            blocks = np.maximum((counts + size // 2) // size, 1)
            counts = np.where(mean > 0, blocks * size, 0)
        limited: IntColumn = np.minimum(counts, PINNED_SESSION)
        return limited

    def _hour_weights(self, day: int) -> tuple[int, ...]:
        """Late Saturday has no calls: clocks change then."""
        weekday = date_of_day(day).weekday()
        if weekday < _SATURDAY:
            return self._world.traffic.weekday_hours
        weights = self._world.traffic.weekend_hours
        if weekday == _SATURDAY:
            return weights[: _LAST_SATURDAY_HOUR + 1] + (0,) * (23 - _LAST_SATURDAY_HOUR)
        return weights
