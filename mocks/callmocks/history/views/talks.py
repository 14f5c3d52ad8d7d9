"""The operators' talks and their records, as all three views show them."""

import msgspec
import numpy as np
import polars as pl

from callmocks.history import ids
from callmocks.history.columns import BoolColumn, CallKind, DayColumns, IntColumn, LegRole
from callmocks.history.views.lookups import Lookup


class Talks(msgspec.Struct, frozen=True):
    """A *talk* is an operator's leg that was picked up, a coach's excepted.

    Of an internal call it is the dialling operator's leg. ``first`` and ``last`` are positions of
    each call's talks among the legs (-1 for none); a call has at most two.
    """

    is_talk: BoolColumn
    first: IntColumn
    last: IntColumn


def find_talks(day: DayColumns) -> Talks:
    legs, calls = day.legs, day.calls
    is_talk = (legs.connect >= 0) & (legs.role != LegRole.SUBSCRIBER) & (legs.role != LegRole.COACH)
    is_talk &= ~_is_called_inside(day)
    position = np.flatnonzero(is_talk)
    first = np.full(len(calls.row), len(legs.row), np.int64)
    last = np.full(len(calls.row), -1, np.int64)
    np.minimum.at(first, legs.call[position], position)
    np.maximum.at(last, legs.call[position], position)
    return Talks(is_talk, np.where(last < 0, -1, first), last)


class LegRecords(msgspec.Struct, frozen=True):
    """Positions among the ids of records, leg by leg, -1 where nothing was recorded."""

    ids: Lookup
    own: IntColumn  # of the leg's own talk
    first: IntColumn  # of the session's first talk
    second: IntColumn


def find_leg_records(key: bytes, day: DayColumns, talks: Talks) -> LegRecords:
    legs = day.legs
    recorded = np.flatnonzero(talks.is_talk & day.calls.recorded[legs.call])
    index = np.full(len(legs.row) + 1, -1, np.int64)
    index[recorded] = np.arange(len(recorded))
    first, last = talks.first[legs.call], talks.last[legs.call]
    own = _own_talks(day, talks, np.arange(len(legs.row)))
    second = np.where(last != first, last, -1)
    record_ids = Lookup(_make_record_ids(key, day, recorded), pl.String)
    return LegRecords(record_ids, index[own], index[first], index[second])


def find_recorded_talks(day: DayColumns, leg: IntColumn) -> tuple[IntColumn, IntColumn]:
    """Leg id (-1 for none) and milliseconds of the recorded talk of legs at some positions."""
    legs, days = day.legs, day.leg_days
    talk = _own_talks(day, find_talks(day), leg)
    talk = np.where(day.calls.recorded[legs.call[leg]], talk, -1)
    leg_ids = ids.leg_id(days if isinstance(days, int) else days[talk], legs.row[talk])
    return np.where(talk >= 0, leg_ids, -1), (legs.end - legs.connect)[talk]


def _own_talks(day: DayColumns, talks: Talks, leg: IntColumn) -> IntColumn:
    talk = np.where(talks.is_talk[leg], leg, -1)
    called = _is_called_inside(day)[leg] & (day.legs.connect[leg] >= 0)
    return np.where(called, talks.first[day.legs.call[leg]], talk)


def _is_called_inside(day: DayColumns) -> BoolColumn:
    internal = day.calls.kind[day.legs.call] == CallKind.INTERNAL
    called: BoolColumn = internal & (day.legs.role == LegRole.OPERATOR)
    return called


def _make_record_ids(key: bytes, day: DayColumns, talk: IntColumn) -> list[str]:
    """Of the talks at some positions among the legs."""
    legs, days = day.legs, day.leg_days
    leg_ids = ids.leg_id(days if isinstance(days, int) else days[talk], legs.row[talk])
    return ids.record_ids(key, leg_ids, (legs.end - legs.connect)[talk])
