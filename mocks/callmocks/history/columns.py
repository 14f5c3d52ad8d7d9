"""A day of calls as columns: what is drawn, pinned and then seen through the views.

Times are whole milliseconds since the day's midnight; -1 stands for «never» and for «nobody».
Small days are drawn and viewed several at once, because each costs a few milliseconds whatever
its size: then times count from the first day's midnight, and rows begin anew on each day.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from callmocks.history.walltime import DAY_MS

IntColumn = NDArray[np.integer]
BoolColumn = NDArray[np.bool_]


class CallKind(IntEnum):
    """Who calls whom."""

    INCOMING = 0
    OUTGOING = 1
    AUTO = 2
    """The platform dials the subscriber first (обзвон), then an operator."""
    INTERNAL = 3


class LegRole(IntEnum):
    """What a leg is in its session."""

    SUBSCRIBER = 0
    OPERATOR = 1
    INITIATOR = 2
    """The operator who dials."""
    TRANSFER = 3
    COACH = 4


class ReleasedBy(IntEnum):
    """Who ended a leg: the platform, its caller (A) or its callee (B)."""

    SYSTEM = 0
    A = 1
    B = 2


@dataclass(frozen=True, slots=True)
class CallColumns:
    """One row per call, ascending by start."""

    row: IntColumn
    """The call's place in its day: with the day, the session's address."""
    start: IntColumn
    end: IntColumn
    kind: IntColumn
    reason: IntColumn
    """The finish reason of the first leg, which is the session's."""
    user: IntColumn
    """Index of the client's user in the cast; -1 for strangers and anonymous callers."""
    vendor: IntColumn
    """Index of the outsider in the cast's vendor scheme; -1 for own calls."""
    phone: IntColumn
    """The outside party's number; 0 when it is hidden or when there is none."""
    line: IntColumn
    called_operator: IntColumn
    """Index of the operator who is called inside; -1 when the call is not internal."""
    answered: IntColumn
    """When an operator first picked up (an outgoing call: the subscriber)."""
    talk: IntColumn
    """Sum of the operators' talks in milliseconds."""
    first_leg: IntColumn
    """Position of the call's first leg among the day's legs."""
    leg_count: IntColumn
    recorded: BoolColumn


@dataclass(frozen=True, slots=True)
class LegColumns:
    """One row per leg, call by call."""

    row: IntColumn
    call: IntColumn
    """Position of the leg's call among the day's calls."""
    role: IntColumn
    intended_operator: IntColumn
    """Index of the operator the leg was for, whether it reached him or not; -1 on subscribers."""
    operator: IntColumn
    """Index of the operator the leg reached; -1 when it reached no person."""
    start: IntColumn
    connect: IntColumn
    end: IntColumn
    reason: IntColumn
    rang: BoolColumn
    talked: BoolColumn
    released_by: IntColumn
    rating: IntColumn
    """1 to 5; 0 when nobody rated."""
    fax: IntColumn
    """0 none, 1 received, 2 failed."""


@dataclass(frozen=True, slots=True)
class DayColumns:
    """The calls that begin on one day, or on several in a row, and their legs."""

    first_day: int
    """The first day."""
    calls: CallColumns
    legs: LegColumns
    day_offset: IntColumn | None = None
    """By call: how many days after the first it begins; None when there is one day alone."""

    @property
    def call_days(self) -> int | IntColumn:
        """The day of each call."""
        return self.first_day if self.day_offset is None else self.first_day + self.day_offset

    @property
    def leg_days(self) -> int | IntColumn:
        """The day of each leg: its call's."""
        return (
            self.first_day
            if self.day_offset is None
            else self.first_day + self.day_offset[self.legs.call]
        )

    @property
    def nbytes(self) -> int:
        """Memory of the columns."""
        tables = (self.calls, self.legs)
        return sum(getattr(t, name).nbytes for t in tables for name in t.__slots__)


def concat_days(days: Sequence[DayColumns]) -> DayColumns:
    """Days of their own, of which some may be the same one, as a single one, ascending by start."""
    days = sorted(days, key=lambda day: (day.first_day, int(day.calls.start[0])))
    first, later = days[0].first_day, np.array([day.first_day - days[0].first_day for day in days])
    calls, legs = [day.calls for day in days], [day.legs for day in days]
    counts = np.array([len(each.row) for each in calls])
    lengths = np.array([len(each.row) for each in legs])
    joined: dict[str, dict[str, IntColumn]] = {"calls": {}, "legs": {}}
    for name, tables, sizes, times in (
        ("calls", calls, counts, ("start", "end", "answered")),
        ("legs", legs, lengths, ("start", "connect", "end")),
    ):
        moved = np.repeat(later * DAY_MS, sizes)
        for field in fields(tables[0]):
            column = np.concatenate([getattr(table, field.name) for table in tables])
            if field.name in times:
                column = np.where(column < 0, column, column + moved)
            joined[name][field.name] = column
    joined["calls"]["first_leg"] = joined["calls"]["first_leg"] + np.repeat(
        np.cumsum(lengths) - lengths, counts
    )
    joined["legs"]["call"] = joined["legs"]["call"] + np.repeat(np.cumsum(counts) - counts, lengths)
    return DayColumns(
        first,
        CallColumns(**joined["calls"]),  # type: ignore[arg-type]  # flags are flags still
        LegColumns(**joined["legs"]),  # type: ignore[arg-type]
        np.repeat(later, counts),
    )
