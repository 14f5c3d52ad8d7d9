"""Who spoke with whom and what was recorded: worked out once for all three views."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from callmocks.history import ids
from callmocks.history.columns import BoolColumn, CallKind, DayColumns, IntColumn, LegRole


@dataclass(frozen=True, slots=True)
class Talks:
    """The operators' talks of a day.

    A *talk* is an operator's leg that was picked up, a coach's excepted; of an internal call it
    is the dialling operator's leg. ``first`` and ``last`` give each call's talks as positions
    among the legs (-1 when there was none); a call has at most two.
    """

    is_talk: BoolColumn
    first: IntColumn
    last: IntColumn


def find_talks(day: DayColumns) -> Talks:
    """The talks of a day's calls."""
    legs, calls = day.legs, day.calls
    inner = (calls.kind[legs.call] == CallKind.INTERNAL) & (legs.role == LegRole.OPERATOR)
    is_talk = (legs.connect >= 0) & (legs.role != LegRole.SUBSCRIBER) & (legs.role != LegRole.COACH)
    is_talk &= ~inner
    position = np.flatnonzero(is_talk)
    first = np.full(len(calls.row), len(legs.row), np.int64)
    last = np.full(len(calls.row), -1, np.int64)
    np.minimum.at(first, legs.call[position], position)
    np.maximum.at(last, legs.call[position], position)
    return Talks(is_talk, np.where(last < 0, -1, first), last)


def record_columns(
    key: bytes, day: DayColumns, talks: Talks
) -> tuple[pl.Series, pl.Series, pl.Series]:
    """Record ids of every leg: its own talk's, and of the session's first and second talk.

    Null where nothing was recorded.
    """
    legs = day.legs
    recorded = talks.is_talk & day.calls.recorded[legs.call]
    position = np.flatnonzero(recorded)
    made = _make_record_ids(key, day, position).append(pl.Series([None], dtype=pl.String))
    place = np.full(len(legs.row) + 1, len(position), np.int64)
    place[position] = np.arange(len(position))
    first, last = talks.first[legs.call], talks.last[legs.call]
    second = np.where(last != first, last, -1)
    own = np.where(talks.is_talk, np.arange(len(legs.row)), -1)
    inner = (legs.role == LegRole.OPERATOR) & (day.calls.kind[legs.call] == CallKind.INTERNAL)
    own = np.where(inner & (legs.connect >= 0), first, own)
    return tuple(made.gather(place[which].astype(np.uint32)) for which in (own, first, second))  # type: ignore[return-value]


def own_record_column(key: bytes, day: DayColumns, talks: Talks, position: IntColumn) -> pl.Series:
    """Record ids of the legs at some positions: their own talks'; null where there is none."""
    legs, calls = day.legs, day.calls
    call = legs.call[position]
    inner = (legs.role[position] == LegRole.OPERATOR) & (calls.kind[call] == CallKind.INTERNAL)
    talk = np.where(talks.is_talk[position], position, -1)
    talk = np.where(inner & (legs.connect[position] >= 0), talks.first[call], talk)
    there = np.flatnonzero((talk >= 0) & calls.recorded[call])
    made = _make_record_ids(key, day, talk[there]).append(pl.Series([None], dtype=pl.String))
    place = np.full(len(position), len(there), np.uint32)
    place[there] = np.arange(len(there))
    return made.gather(place)


def _make_record_ids(key: bytes, day: DayColumns, talk: IntColumn) -> pl.Series:
    """Record ids of the talks at some positions among the legs."""
    legs = day.legs
    days = day.leg_days
    some = days if isinstance(days, int) else days[talk]
    numbers = ids.leg_id(some, legs.row[talk])
    return pl.Series(ids.record_ids(key, numbers, (legs.end - legs.connect)[talk]), dtype=pl.String)
