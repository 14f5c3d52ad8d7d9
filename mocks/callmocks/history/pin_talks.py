"""Who speaks when in pinned calls, and who is free for another one."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from itertools import islice, product
from typing import NamedTuple

import msgspec
import numpy as np
from msgspec.structs import replace

from callmocks.history.columns import CallKind, DayColumns, LegRole
from callmocks.history.walltime import DAYS, day_start


class Talk(msgspec.Struct, frozen=True, gc=False):
    """Of a pinned call; times are wall times in milliseconds."""

    operator: int  # index
    start: int
    end: int
    field: str  # the property of the pin that may name the operator


class OpenTimes(NamedTuple):
    """What a request leaves open: when the call is answered, and how long the talks are."""

    earliest: int  # equal where the wait is given
    latest: int
    talk: bool
    transfer_talk: bool


Candidates = Sequence[Sequence[int]]  # operators for each talk, the likeliest first

_HALVINGS = (0, 1, 2, 3, 4, 6, 8, 30)  # of talks, one after another
_SHORTEST_MS = 1_000  # what they leave
_MAX_MOMENTS = 64
_HOUR_MS = 3_600_000
_END_OF_HISTORY = day_start(DAYS)


def list_talks(day: DayColumns) -> tuple[Talk, ...]:
    """Those of the one call that it holds, in the order of its legs; who listens does not talk."""
    legs, midnight = day.legs, day_start(day.first_day)
    called = "to_operator" if day.calls.kind[0] == CallKind.INTERNAL else "operator"
    fields: dict[int, str] = {LegRole.OPERATOR: called, LegRole.TRANSFER: "transfer_to"}
    talks = (legs.operator >= 0) & (legs.connect >= 0) & (legs.role != LegRole.COACH)
    return tuple(
        Talk(
            int(legs.operator[leg]),
            midnight + int(legs.connect[leg]),
            midnight + int(legs.end[leg]),
            fields.get(int(legs.role[leg]), "operator"),
        )
        for leg in np.flatnonzero(talks)
    )


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
        for talk in talks:
            insort(self._talks.setdefault(talk.operator, []), (talk.start, talk.end, id))

    def remove(self, id: int, talks: Iterable[Talk]) -> None:
        for talk in talks:
            self._talks[talk.operator].remove((talk.start, talk.end, id))

    def clear(self) -> None:
        self._talks.clear()

    def find_overlap(self, talk: Talk) -> tuple[int, int, int] | None:
        """Start, end and call of another talk that its operator has then."""
        talks = self._talks.get(talk.operator, [])
        before = bisect_left(talks, (talk.end,))
        return talks[before - 1] if before and talks[before - 1][1] > talk.start else None

    def choose_operators(self, talks: Sequence[Talk], candidates: Candidates) -> list[Talk] | None:
        """The talks with the first candidates who are free, nobody twice; None where none are."""
        free = []
        for talk, operators in zip(talks, candidates, strict=True):
            moved = (replace(talk, operator=operator) for operator in operators)
            free.append([each for each in moved if self.find_overlap(each) is None])
        for chosen in product(*free):
            if len({talk.operator for talk in chosen}) == len(chosen):
                return list(chosen)
        return None

    def choose_times(
        self, talks: Sequence[Talk], candidates: Candidates, open_times: OpenTimes
    ) -> list[Talk] | None:
        """As ``choose_operators``, earlier or later; where it does not fit, with shorter talks.

        ``talks`` are one, two at the same time, or one and that after a transfer.
        """
        first, last = talks[0], talks[-1]
        moments = self._list_moments(first.start, candidates, open_times)
        transferred = last.field == "transfer_to"
        ring = last.start - first.end  # before the talk after a transfer
        shorter = open_times.talk or (transferred and open_times.transfer_talk)
        for times in _HALVINGS if shorter else _HALVINGS[:1]:
            talk_ms = _halve(first, times if open_times.talk else 0)
            last_ms = _halve(last, times if open_times.transfer_talk else 0)
            for moment in moments:
                end = moment + talk_ms
                moved = [replace(talk, start=moment, end=end) for talk in talks]
                if transferred:
                    moved[-1] = replace(last, start=end + ring, end=end + ring + last_ms)
                found = self.choose_operators(moved, candidates)
                if found is not None and moved[-1].end < _END_OF_HISTORY:
                    return found
        return None

    def _list_moments(self, drawn: int, candidates: Candidates, open_times: OpenTimes) -> list[int]:
        """When the call may be answered: as drawn, earlier, later. Pauses begin as talks end."""
        earliest, latest, *_ = open_times
        ends: set[int] = set()
        for operator in {operator for each in candidates for operator in each}:
            talks = self._talks.get(operator, [])
            first = max(bisect_left(talks, (earliest,)) - 1, 0)
            ends.update(end for _, end, _ in islice(talks, first, bisect_left(talks, (latest,))))
        moments = sorted(end for end in ends if earliest < end <= latest)
        later = bisect_left(moments, drawn)
        moments = [drawn, *reversed(moments[:later]), earliest, *moments[later:]]
        return moments[:_MAX_MOMENTS]


class ClientCalls:
    """Pinned calls by the client's number. Where they were asked for so, they overlap."""

    def __init__(self) -> None:
        self._calls: dict[tuple[int, int], list[tuple[int, int]]] = {}  # by number and hour

    def copy(self) -> ClientCalls:
        other = ClientCalls()
        other._calls = {hour: list(calls) for hour, calls in self._calls.items()}
        return other

    def add(self, phone: int, start: int, end: int) -> None:
        for hour in _list_hours(start, end):
            self._calls.setdefault((phone, hour), []).append((start, end))

    def remove(self, phone: int, start: int, end: int) -> None:
        for hour in _list_hours(start, end):
            self._calls[phone, hour].remove((start, end))

    def clear(self) -> None:
        self._calls.clear()

    def is_busy(self, phone: int, start: int, end: int) -> bool:
        return any(
            begin < end and start < stop
            for hour in _list_hours(start, end)
            for begin, stop in self._calls.get((phone, hour), ())
        )


def _list_hours(start: int, end: int) -> range:
    return range(start // _HOUR_MS, end // _HOUR_MS + 1)


def _halve(talk: Talk, times: int) -> int:
    length = talk.end - talk.start
    return max(length >> times, min(length, _SHORTEST_MS))
