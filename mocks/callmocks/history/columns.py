"""A day of calls as columns: what is generated or pinned, and then shown by the views.

Times are whole milliseconds since the day's midnight; -1 stands for "never" and for "none".
In a batch of days times count from the first day's midnight, and each day has rows from 0.
Indexes of people and things are positions in the directory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from callmocks.history.walltime import DAY_MS, day_start

IntColumn = NDArray[np.integer]
BoolColumn = NDArray[np.bool_]


# Plain numbers, not enumerations: with a member of those NumPy compares a column five times slower.


class CallKind:
    INCOMING: Final = 0
    OUTGOING: Final = 1
    AUTO: Final = 2  # the platform dials the subscriber first (обзвон), then an operator
    INTERNAL: Final = 3


CALL_DIRECTIONS = {
    "in": CallKind.INCOMING,
    "out": CallKind.OUTGOING,
    "auto": CallKind.AUTO,
    "internal": CallKind.INTERNAL,
}


class LegRole:
    SUBSCRIBER: Final = 0
    OPERATOR: Final = 1
    INITIATOR: Final = 2  # the operator who dials
    TRANSFER: Final = 3
    COACH: Final = 4


ROLE_NAMES = ("subscriber", "operator", "initiator", "transfer", "coach")


class ReleasedBy:
    """The platform, the caller (A) or the called party (B)."""

    SYSTEM: Final = 0
    A: Final = 1
    B: Final = 2


# gc=False here, for pinned calls and for people: they are many and never part of a cycle, so that
# a full collection of garbage, which stops all threads, need not look at them.
class CallColumns(msgspec.Struct, frozen=True, gc=False):
    """One row per call, ascending by start."""

    row: IntColumn  # with the day, the address in the session's id
    start: IntColumn
    end: IntColumn
    kind: IntColumn
    reason: IntColumn  # of the first leg
    session_reason: IntColumn  # where it is given; -1: by the outcome
    user: IntColumn  # -1 for unknown and anonymous callers
    vendor: IntColumn  # index among the users of the vendor scheme
    phone: IntColumn  # the outside party's number; 0 when hidden or internal
    line: IntColumn
    called_operator: IntColumn  # of an internal call
    answered: IntColumn  # when an operator first picked up (an outgoing call: the subscriber)
    talk: IntColumn  # sum of the operators' talks
    first_leg: IntColumn  # position among the legs
    leg_count: IntColumn
    recorded: BoolColumn


class LegColumns(msgspec.Struct, frozen=True, gc=False):
    row: IntColumn
    call: IntColumn  # position among the calls
    role: IntColumn
    intended_operator: IntColumn  # whether the leg reached him or not
    operator: IntColumn
    start: IntColumn
    connect: IntColumn
    end: IntColumn
    reason: IntColumn
    rang: BoolColumn
    talked: BoolColumn
    released_by: IntColumn
    rating: IntColumn  # 1 to 5, 0 for none
    fax: IntColumn  # 0 none, 1 received, 2 failed


class DayColumns(msgspec.Struct, frozen=True, gc=False):
    first_day: int
    calls: CallColumns
    legs: LegColumns
    day_offset: IntColumn | None = None  # of each call in a batch

    def __len__(self) -> int:
        """Of calls."""
        return len(self.calls.row)

    @property
    def call_starts(self) -> IntColumn:
        """Wall times in ms, ascending."""
        return day_start(self.first_day) + self.calls.start.astype(np.int64)

    @property
    def call_days(self) -> int | IntColumn:
        return self.first_day if self.day_offset is None else self.first_day + self.day_offset

    def days_of_calls(self, call: IntColumn) -> int | IntColumn:
        """Of the calls at some positions."""
        days = self.call_days
        return days if isinstance(days, int) else days[call]

    @property
    def leg_days(self) -> int | IntColumn:
        return self.days_of_calls(self.legs.call)

    def slice_calls(self, first: int, last: int) -> DayColumns:
        """Calls by position, with their legs."""
        if last - first == len(self):
            return self
        chosen = slice(first, last)
        calls = {name: getattr(self.calls, name)[chosen] for name in CallColumns.__struct_fields__}
        count = calls["leg_count"]
        first_leg = np.cumsum(count) - count
        positions = np.repeat(calls["first_leg"] - first_leg, count) + np.arange(count.sum())
        legs = {name: getattr(self.legs, name)[positions] for name in LegColumns.__struct_fields__}
        calls["first_leg"] = first_leg
        legs["call"] = np.repeat(np.arange(len(count)), count)
        offset = None if self.day_offset is None else self.day_offset[chosen]
        return DayColumns(self.first_day, CallColumns(**calls), LegColumns(**legs), offset)

    @property
    def nbytes(self) -> int:
        tables = (self.calls, self.legs)
        return sum(
            getattr(table, name).nbytes for table in tables for name in table.__struct_fields__
        )


def concat_days(days: Sequence[DayColumns]) -> DayColumns:
    """Days, of which some may be the same one, as a batch; calls by start, then as given."""
    if len(days) == 1:
        return days[0]
    days = sorted(days, key=lambda day: (day.first_day, int(day.calls.start[0])))
    first_day = days[0].first_day
    day_offset = np.array([day.first_day - first_day for day in days])
    call_counts = np.array([len(day.calls.row) for day in days])
    leg_counts = np.array([len(day.legs.row) for day in days])
    calls = _concat_columns([day.calls for day in days], day_offset, ("start", "end", "answered"))
    legs = _concat_columns([day.legs for day in days], day_offset, ("start", "connect", "end"))
    calls["first_leg"] += np.repeat(np.cumsum(leg_counts) - leg_counts, call_counts)
    legs["call"] += np.repeat(np.cumsum(call_counts) - call_counts, leg_counts)
    day_offset = np.repeat(day_offset, call_counts)
    return DayColumns(first_day, CallColumns(**calls), LegColumns(**legs), day_offset)


def _concat_columns(
    tables: Sequence[CallColumns] | Sequence[LegColumns],
    day_offset: IntColumn,
    times: tuple[str, ...],
) -> dict[str, Any]:
    shift = np.repeat(day_offset * DAY_MS, [len(table.row) for table in tables])
    names = tables[0].__struct_fields__
    columns = {name: np.concatenate([getattr(table, name) for table in tables]) for name in names}
    for name in times:
        columns[name] = np.where(columns[name] < 0, columns[name], columns[name] + shift)
    return columns
