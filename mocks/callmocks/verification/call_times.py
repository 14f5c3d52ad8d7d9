"""Milliseconds of a recorded call: exact times that show the seconds that were recorded.

What is recorded is cut to whole seconds, each value by itself. Every value is a range for the
difference of two times; a shortest path finds times that are in all ranges.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

SECOND = 1000
_GRID_MS = 100  # steps in which lengths of talks are tried


@dataclass(frozen=True, slots=True)
class RecordedLeg:
    """In whole seconds; ``start`` and ``connect`` after the second in which the call began."""

    start: int
    connect: int | None
    talk: int
    total: int
    is_talk: bool  # an operator's, neither a coach's nor the called one's of an internal call
    is_answer: bool  # the same, and the called one's too


@dataclass(frozen=True, slots=True)
class RecordedSession:
    """In whole seconds; None where it was not recorded. ``finish`` as the legs' starts."""

    finish: int | None = None
    total: int | None = None
    wait: int | None = None
    total_wait: int | None = None
    talk: int | None = None
    clean_talk: int | None = None


@dataclass(frozen=True, slots=True)
class LegTimes:
    """Milliseconds after the second in which the call began."""

    start: int
    connect: int | None
    end: int


class TimeRanges:
    """``least <= x[b] - x[a] <= most`` for pairs of times; ``x[0]`` is 0."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._edges: list[tuple[int, int, int]] = []

    def copy(self) -> "TimeRanges":
        other = TimeRanges(self._size)
        other._edges = [*self._edges]
        return other

    def add(self, a: int, b: int, least: int, most: int | None = None) -> None:
        self._edges.append((a, b, least))
        if most is not None:
            self._edges.append((b, a, -most))

    def add_seconds(self, a: int, b: int, seconds: int) -> None:
        self.add(a, b, seconds * SECOND, seconds * SECOND + SECOND - 1)

    def solve(self) -> list[int] | None:
        """The earliest times; None when there are none."""
        times = [0] * self._size
        for _ in range(self._size + 1):
            changed = False
            for a, b, least in self._edges:
                if times[a] + least > times[b]:
                    times[b] = times[a] + least
                    changed = True
            if not changed:
                return times if times[0] == 0 else None
        return None


def find_times(legs: Sequence[RecordedLeg], session: RecordedSession) -> list[LegTimes] | None:
    """None when no times show all that was recorded."""
    if any(leg.connect is None and leg.talk for leg in legs):
        return None
    for is_joined in (True, False):
        for ranges in _iter_systems(legs, session, is_joined):
            times = ranges.solve()
            if times is not None and _fits_sums(legs, session, times):
                return [
                    LegTimes(
                        times[_start(index)],
                        None if leg.connect is None else times[_start(index) + 1],
                        times[_end(index)],
                    )
                    for index, leg in enumerate(legs)
                ]
    return None


def _start(leg: int) -> int:
    return 1 + 3 * leg


def _end(leg: int) -> int:
    return 3 + 3 * leg


def _iter_systems(
    legs: Sequence[RecordedLeg], session: RecordedSession, is_joined: bool
) -> Iterator[TimeRanges]:
    ranges = _make_ranges(legs, session)
    if is_joined:
        _join_times(ranges, legs)
    yield ranges
    talks = [index for index, leg in enumerate(legs) if leg.is_talk]
    if len(talks) not in (1, 2) or session.clean_talk is None:
        return
    # Sums and remainders of lengths are no difference of two times: lengths are tried one by one.
    base = sum(legs[index].talk for index in talks) * SECOND
    for parts in product(range(0, SECOND, _GRID_MS), repeat=len(talks)):
        least, most = base + sum(parts), base + sum(parts) + len(parts) * (_GRID_MS - 1)
        if {least // SECOND, most // SECOND} != {session.clean_talk}:
            continue
        fixed = ranges.copy()
        for index, part in zip(talks, parts, strict=True):
            length = legs[index].talk * SECOND + part
            fixed.add(_start(index) + 1, _end(index), length, length + _GRID_MS - 1)
        if session.total_wait is not None:
            wait = session.total_wait * SECOND
            fixed.add(_start(0), _end(_last_leg(legs)), wait + most, wait + SECOND - 1 + least)
        yield fixed


def _make_ranges(legs: Sequence[RecordedLeg], session: RecordedSession) -> TimeRanges:
    ranges = TimeRanges(1 + 3 * len(legs))
    ranges.add(0, _start(0), 0, SECOND - 1)
    for index, leg in enumerate(legs):
        start, connect, end = _start(index), _start(index) + 1, _end(index)
        ranges.add_seconds(0, start, leg.start)
        ranges.add(_start(0), start, 0)
        ranges.add_seconds(start, end, leg.total)
        if leg.connect is None:
            ranges.add(start, connect, 0, 0)
            continue
        ranges.add_seconds(0, connect, leg.connect)
        ranges.add(start, connect, 0)
        ranges.add(connect, end, 0)
        ranges.add_seconds(connect, end, leg.talk)
    _add_session(ranges, legs, session)
    return ranges


def _add_session(ranges: TimeRanges, legs: Sequence[RecordedLeg], session: RecordedSession) -> None:
    begin, last = _start(0), _end(_last_leg(legs))
    for index in range(len(legs)):
        ranges.add(_end(index), last, 0)
    if session.finish is not None:
        ranges.add_seconds(0, last, session.finish)
    if session.total is not None:
        ranges.add_seconds(begin, last, session.total)
    answers = [index for index, leg in enumerate(legs) if leg.is_answer]
    talks = [index for index, leg in enumerate(legs) if leg.is_talk]
    if not answers:
        if session.wait is not None:
            ranges.add_seconds(begin, last, session.wait)
        return
    first = min(answers, key=lambda index: legs[index].connect or 0)
    for index in answers:
        ranges.add(_start(first) + 1, _start(index) + 1, 0)
    if session.wait is not None:
        ranges.add_seconds(begin, _start(first) + 1, session.wait)
    if session.talk is not None and talks:
        ranges.add_seconds(_start(talks[0]) + 1, _end(talks[-1]), session.talk)


def _join_times(ranges: TimeRanges, legs: Sequence[RecordedLeg]) -> None:
    """What happened at once in most calls: they end with the last talk, one leg follows another."""
    last = _end(_last_leg(legs))
    ends = [leg.start + leg.total for leg in legs]
    answers = [index for index, leg in enumerate(legs) if leg.is_answer]
    for index in answers[-1:]:
        if max(ends) - ends[index] <= 1:
            ranges.add(last, _end(index), 0)
    for before, after in zip(range(1, len(legs)), range(2, len(legs)), strict=False):
        if 0 <= legs[after].start - ends[before] <= 1:
            ranges.add(_end(before), _start(after), 0, 0)


def _last_leg(legs: Sequence[RecordedLeg]) -> int:
    ends = [leg.start + leg.total for leg in legs]
    return ends.index(max(ends))


def _fits_sums(legs: Sequence[RecordedLeg], session: RecordedSession, times: list[int]) -> bool:
    lengths = [
        times[_end(index)] - times[_start(index) + 1]
        for index, leg in enumerate(legs)
        if leg.is_talk
    ]
    talk, total = sum(lengths), times[_end(_last_leg(legs))] - times[_start(0)]
    clean = session.clean_talk in (None, talk // SECOND)
    return clean and session.total_wait in (None, (total - talk) // SECOND)
