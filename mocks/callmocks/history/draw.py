"""Draws a day: the same bytes for the same seed, world and day, whenever it is asked for."""

import msgspec
import numpy as np

from callmocks.history import blocks, natural
from callmocks.history.cast import Cast
from callmocks.history.columns import Column, Day
from callmocks.history.deck import deal
from callmocks.history.generator import Generator, below, derive_key
from callmocks.history.ids import PINNED_SESSION
from callmocks.history.layout import lay_out
from callmocks.history.wall import DAYS, day_date
from callmocks.history.world import Traffic, World

DATA_VERSION = 1
"""Raised whenever the same seed would give other calls; see CHANGELOG.md."""

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


class Drawer:
    """Draws the days of one history."""

    def __init__(self, key: bytes, world: World, cast: Cast) -> None:
        self._generator = Generator(key)
        self._world = world
        self._cast = cast
        self.counts = self._count_calls()
        self._first_call = np.cumsum(self.counts) - self.counts

    def draw(self, day: int) -> Day:
        """The calls of a day (0 is 2015-01-01), ascending by start."""
        count, first = int(self.counts[day]), int(self._first_call[day])
        raw = self._generator.raw(_CALLS, day, count * natural.COLUMNS)
        raw = np.asfortranarray(raw.reshape(count, natural.COLUMNS))  # read by column
        if self._world.traffic.plan == "finish-reasons":
            plan, start = blocks.plan(raw)
        else:
            start = natural.starts(raw, self._hours(day))
            dealt = deal(self._generator, first, count)
            plan = natural.plan(raw, dealt, self._world.traffic)
        choices = natural.choices(raw, plan, start, first, self._world, self._cast)
        if self._world.traffic.plan == "finish-reasons":
            blocks.hasten(choices, count // blocks.CALLS)
        return lay_out(day, plan, choices)

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
            whole = np.maximum((counts + blocks.CALLS // 2) // blocks.CALLS, 1)
            counts = np.where(self._world.calls_per_day > 0, whole * blocks.CALLS, 0)
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
