"""Talks of pinned calls by operator, and who is free for another one."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from callmocks.history.columns import CallKind, DayColumns, LegRole
from callmocks.history.walltime import day_start


class Talk(NamedTuple):
    """Of a pinned call; times are wall times in milliseconds."""

    operator: int  # index
    start: int
    end: int
    field: str  # the property of the pin that may name the operator


def list_talks(day: DayColumns) -> list[Talk]:
    """Those of the one call that it holds, in the order of its legs; who listens does not talk."""
    legs, midnight = day.legs, day_start(day.first_day)
    called = "to_operator" if day.calls.kind[0] == CallKind.INTERNAL else "operator"
    fields: dict[int, str] = {LegRole.OPERATOR: called, LegRole.TRANSFER: "transfer_to"}
    talks = (legs.operator >= 0) & (legs.connect >= 0) & (legs.role != LegRole.COACH)
    return [
        Talk(
            int(legs.operator[leg]),
            midnight + int(legs.connect[leg]),
            midnight + int(legs.end[leg]),
            fields.get(int(legs.role[leg]), "operator"),
        )
        for leg in np.flatnonzero(talks)
    ]


class OperatorTalks:
    """All pinned calls' talks. No two of one operator overlap."""

    def __init__(self) -> None:
        # By operator's index, ascending: start, end, and the pinned call's id.
        self._talks: dict[int, list[tuple[int, int, int]]] = {}

    def copy(self) -> OperatorTalks:
        other = OperatorTalks()
        other._talks = {operator: list(talks) for operator, talks in self._talks.items()}
        return other

    def add(self, id: int, talks: Iterable[Talk]) -> None:
        for operator, start, end, _ in talks:
            insort(self._talks.setdefault(operator, []), (start, end, id))

    def remove(self, id: int, talks: Iterable[Talk]) -> None:
        for operator, start, end, _ in talks:
            self._talks[operator].remove((start, end, id))

    def clear(self) -> None:
        self._talks.clear()

    def find_overlap(self, talk: Talk) -> int | None:
        """The id of the pinned call in which the operator speaks then."""
        talks = self._talks.get(talk.operator, [])
        before = bisect_left(talks, (talk.end,))
        return talks[before - 1][2] if before and talks[before - 1][1] > talk.start else None

    def choose_operators(
        self, talks: Sequence[Talk], candidates: Sequence[int]
    ) -> tuple[int, ...] | None:
        """For each talk another candidate, the first ones who are free; None where none are."""
        free = [
            [each for each in candidates if self.find_overlap(talk._replace(operator=each)) is None]
            for talk in talks
        ]
        return next((each for each in product(*free) if len({*each}) == len(each)), None)
