"""Draws a day: the same bytes for the same seed, world and day, whenever it is asked for."""

import msgspec
import numpy as np

from callmocks.history import reason_blocks
from callmocks.history import traffic as natural
from callmocks.history.columns import Column, Day
from callmocks.history.directory import Cast
from callmocks.history.generator import Generator, Raw, below, derive_key
from callmocks.history.ids import PINNED_SESSION
from callmocks.history.reason_cycle import deal
from callmocks.history.timeline import Plan, lay_out
from callmocks.history.walltime import DAY_MS, DAYS, day_date
from callmocks.history.world import Traffic, World

DATA_VERSION = 1
"""Raised whenever the same seed would give other calls; see CHANGELOG.md."""

TOGETHER_CALLS = 16_000
"""Calls, on average, of the days that are drawn at once; more gain nothing."""
_COUNTS, _CALLS = 1, 2
_WEEKDAYS = (1050, 1020, 1000, 980, 950)
_SATURDAY = 5
_LAST_SATURDAY_HOUR = 20


def history_key(seed: int, world: World) -> bytes:
    """Sixteen bytes that name a history: seed, world (with its calls a day), data version."""
    return derive_key("history", DATA_VERSION, seed, world.fingerprint.hex())


def cast_key(seed: int, world: World) -> bytes:
    """Sixteen bytes that name a cast: seed and people, however many calls they have."""
    people = msgspec.structs.replace(world, calls_per_day=0, traffic=Traffic())
    return derive_key("cast", DATA_VERSION, seed, people.fingerprint.hex())


def no_calls(world: World, cast: Cast) -> Day:
    """A day without calls: what is made of it has the types of every day's."""
    raw, plan = np.zeros((0, natural.USED), np.uint64), Plan.blank(0)
    return lay_out(0, plan, natural.choices(raw, plan, np.zeros(0, np.int64), 0, world, cast))


class Drawer:
    """Draws the days of one history."""

    def __init__(self, key: bytes, world: World, cast: Cast) -> None:
        self._generator = Generator(key)
        self._world = world
        self._cast = cast
        self.counts = self._count_calls()
        self._first_call = np.concatenate(([0], np.cumsum(self.counts)))

    @property
    def together(self) -> int:
        """How many days can be drawn at once; 1 when they are large enough by themselves.

        The times of sixteen days fit into 32 bits. The plan ``finish-reasons`` goes day by day.
        """
        if self._world.traffic.plan == "finish-reasons":
            return 1
        fitting = max(TOGETHER_CALLS // max(self._world.calls_per_day, 1), 1)
        return next(days for days in (16, 8, 4, 2, 1) if days <= fitting)

    def calls(self, first: int, days: int) -> int:
        """How many calls some days in a row have, without drawing them."""
        return int(self._first_call[first + days] - self._first_call[first])

    def draw(self, first: int, days: int = 1) -> Day:
        """The calls of a day (0 is 2015-01-01), ascending by start.

        With ``days``, at most ``together``, of several in a row: the same as one by one.
        """
        if self._world.traffic.plan == "finish-reasons":
            return self._draw_blocks(first)
        counts, number = self.counts[first : first + days], int(self._first_call[first])
        raw = self._raw(first, days)
        later = np.repeat(np.arange(days), counts)
        start = np.sort(later * DAY_MS + self._times(first, days, later, raw))
        plan = natural.plan(raw, deal(self._generator, number, len(raw)), self._world.traffic)
        choices = natural.choices(raw, plan, start, number, self._world, self._cast)
        if days > 1:
            choices.row = choices.row - np.repeat(np.cumsum(counts) - counts, counts)
            choices.later = later
        return lay_out(first, plan, choices)

    def _draw_blocks(self, day: int) -> Day:
        count, first = int(self.counts[day]), int(self._first_call[day])
        raw = self._raw(day, 1)
        plan, start = reason_blocks.plan(raw)
        choices = natural.choices(raw, plan, start, first, self._world, self._cast)
        reason_blocks.hasten(choices, count // reason_blocks.CALLS)
        return lay_out(day, plan, choices)

    def _raw(self, first: int, days: int) -> Raw:
        """A row of numbers for each call, laid out to be read by column."""
        counts = self.counts[first : first + days].tolist()
        columns = np.empty((natural.USED, sum(counts)), np.uint64)
        end = 0
        for day, count in enumerate(counts, first):
            drawn = self._generator.raw(_CALLS, day, count * natural.COLUMNS)
            begin, end = end, end + count
            columns[:, begin:end] = drawn.reshape(count, natural.COLUMNS)[:, : natural.USED].T
        return columns.T

    def _times(self, first: int, days: int, later: Column, raw: Raw) -> Column:
        """Times of day, by the weights of each day's hours."""
        if days == 1:
            return natural.times(raw, self._hours(first))
        by_hours: dict[tuple[int, ...], list[int]] = {}
        for day in range(days):
            by_hours.setdefault(self._hours(first + day), []).append(day)
        times = np.empty(len(raw), np.int64)
        for hours, alike in by_hours.items():
            here = np.isin(later, alike)
            times[here] = natural.times(raw[here], hours)
        return times

    def _count_calls(self) -> Column:
        """Calls of every day: the weekday's share of the mean, up to 12 % more or less."""
        raw = self._generator.raw(_COUNTS, 0, DAYS)
        weekend = self._world.traffic.weekend
        shares = np.array([*_WEEKDAYS, weekend, weekend])
        weekday = (np.arange(DAYS) + day_date(0).weekday()) % 7
        swing = 880 + below(raw, 241)
        dither = below(raw << np.uint64(32), 1_000_000)
        counts = (self._world.calls_per_day * shares[weekday] * swing + dither) // 1_000_000
        if self._world.traffic.plan == "finish-reasons":
            whole = np.maximum((counts + reason_blocks.CALLS // 2) // reason_blocks.CALLS, 1)
            counts = np.where(self._world.calls_per_day > 0, whole * reason_blocks.CALLS, 0)
        most: Column = np.minimum(counts, PINNED_SESSION)
        return most

    def _hours(self, day: int) -> tuple[int, ...]:
        """Weights of the hours in which calls begin; late Saturday is left to the clocks."""
        weekday = day_date(day).weekday()
        traffic = self._world.traffic
        if weekday < _SATURDAY:
            return traffic.weekday_hours
        hours = traffic.weekend_hours
        if weekday == _SATURDAY:
            return tuple(0 if hour > _LAST_SATURDAY_HOUR else w for hour, w in enumerate(hours))
        return hours
