"""Who calls: clients, strangers, and those who ring again after a call that was lost.

A number has one call at a time: who would have two is somebody else.
"""

from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace

from callmocks.history.call_parameters import (
    draw_clients,
    forget_strangers,
)
from callmocks.history.columns import BoolColumn, CallKind, DayColumns, IntColumn
from callmocks.history.directory import Directory
from callmocks.history.episodes import OUTAGES, DayPlan
from callmocks.history.generator import (
    Generator,
    RawNumbers,
    integers_below,
    interpolate_quantiles,
)
from callmocks.history.phone_numbers import draw_phone_numbers
from callmocks.history.raw_columns import RawColumn
from callmocks.history.walltime import DAY_MS
from callmocks.history.world import World

_STRANGERS = 10  # stream
# Strangers who call again and again, and the per mille of strangers' calls that are theirs.
_REGULAR_STRANGERS, _REGULAR = 600, 550
_REPEAT_AFTER_MS = (15_000, 60_000, 150_000, 330_000, 700_000, 1_300_000)
_REPEAT_WITHIN_MS = 1_780_000
_ROUNDS = 3
# What ``CallerBook.assign`` reads of a call's numbers.
CALLER_COLUMNS = (
    *(RawColumn.USER, RawColumn.PARTY, RawColumn.PHONE, RawColumn.VENDOR),
    *(RawColumn.STRANGER, RawColumn.REPEAT),
)


class CallerBook:
    def __init__(self, generator: Generator, world: World, directory: Directory) -> None:
        self._traffic = world.traffic
        self._user_numbers = directory.user_numbers
        self._known_days = directory.known_days
        self._vendors = len(directory.vendor_users)
        self._lines = len(directory.lines)
        strangers = generator.draw_raw(_STRANGERS, 0, _REGULAR_STRANGERS)
        self._strangers = draw_phone_numbers(strangers)

    def assign(
        self, day: DayColumns, raw: RawNumbers, excluded: BoolColumn, plans: Sequence[DayPlan]
    ) -> DayColumns:
        """Calls that are excluded neither repeat others nor are repeated; a number that a call has
        already is kept.
        """
        calls = day.calls
        user, vendor, phone = draw_clients(
            raw, calls.kind, self._traffic, self._user_numbers, self._vendors
        )
        self._use_regular_strangers(user, vendor, phone, raw)
        user = forget_strangers(user, day.call_days, self._known_days)
        fixed = calls.phone > 0
        user[fixed], vendor[fixed], phone[fixed] = -1, -1, calls.phone[fixed]
        source = self._find_sources(day, raw, excluded, phone > 0)
        line = calls.line[source]
        user, vendor, phone = user[source], vendor[source], phone[source]
        for turn in range(_ROUNDS):  # in heavy traffic strangers may have one number too
            double = np.flatnonzero(_find_doubles(phone, calls.start, calls.end) & ~fixed)
            if not len(double):
                break
            user[double] = vendor[double] = -1
            drawn = raw[double, RawColumn.STRANGER] * np.uint64(2 * turn + 1)
            phone[double] = draw_phone_numbers(drawn)
        self._avoid_outages(line, day, excluded, plans)
        changed = replace(
            calls,
            user=user.astype(np.int32),
            vendor=vendor.astype(np.int16),
            phone=phone.astype(np.int64),
            line=line.astype(np.int16),
        )
        return replace(day, calls=changed)

    def _use_regular_strangers(
        self, user: IntColumn, vendor: IntColumn, phone: IntColumn, raw: RawNumbers
    ) -> None:
        stranger = (user < 0) & (vendor < 0) & (phone > 0)
        regular = stranger & (integers_below(raw[:, RawColumn.STRANGER], 1000) < _REGULAR)
        numbers = raw[regular, RawColumn.STRANGER] << np.uint64(32)
        first = integers_below(numbers, _REGULAR_STRANGERS)
        # The lesser of two: some ring often, others once in a year.
        second = integers_below(raw[regular, RawColumn.PHONE] << np.uint64(32), _REGULAR_STRANGERS)
        phone[regular] = self._strangers[np.minimum(first, second)]

    def _find_sources(
        self, day: DayColumns, raw: RawNumbers, excluded: BoolColumn, named: BoolColumn
    ) -> IntColumn:
        """The call whose caller each call has: its own, or a lost one that it repeats."""
        calls = day.calls
        lost = (calls.kind == CallKind.INCOMING) & (calls.answered < 0) & named & ~excluded
        repeated = lost & (integers_below(raw[:, RawColumn.REPEAT], 1000) < self._traffic.repeat)
        may_repeat = (calls.kind == CallKind.INCOMING) | (calls.kind == CallKind.OUTGOING)
        later = np.flatnonzero(may_repeat & ~excluded)
        origin = np.flatnonzero(repeated)
        delays = interpolate_quantiles(
            raw[origin, RawColumn.REPEAT] << np.uint64(32), _REPEAT_AFTER_MS
        )
        end = calls.end[origin].astype(np.int64)
        latest = end + _REPEAT_WITHIN_MS
        if isinstance(day.call_days, int):
            until = np.full(len(origin), DAY_MS)
        else:
            until = (day.call_days[origin] - day.first_day + 1) * DAY_MS
        latest = np.minimum(latest, until - 1)
        starts = calls.start[later].astype(np.int64)
        position = np.searchsorted(starts, end + delays)
        source = np.arange(len(calls.row))
        free = np.ones(len(later) + 1, np.bool_)
        free[-1] = False
        pending = np.arange(len(origin))
        padded = np.append(starts, 1 << 60)
        for _ in range(_ROUNDS):
            at = np.minimum(position[pending], len(later))
            usable = free[at] & (padded[at] <= latest[pending])
            chosen, first = np.unique(at[usable], return_index=True)
            free[chosen] = False
            taken = np.flatnonzero(usable)[first]
            source[later[chosen]] = origin[pending[taken]]
            pending = np.delete(pending, taken)
            position[pending] += 1
        return _follow(source)

    def _avoid_outages(
        self, line: IntColumn, day: DayColumns, excluded: BoolColumn, plans: Sequence[DayPlan]
    ) -> None:
        """Calls that go on during the outage of a line are on the next one."""
        for offset, plan in enumerate(plans):
            for episode in plan.episodes:
                if episode.scope in OUTAGES and episode.line >= 0:
                    begin, end = (offset * DAY_MS + ms for ms in (episode.begin, episode.end))
                    first, last = np.searchsorted(day.calls.start, (begin, end))
                    inside = slice(first, last)
                    moved = (line[inside] == episode.line) & ~excluded[inside]
                    line[inside] = np.where(moved, (episode.line + 1) % self._lines, line[inside])


def _follow(source: IntColumn) -> IntColumn:
    """The first call of each chain."""
    while True:
        further = source[source]
        if np.array_equal(further, source):
            return source
        source = further


def _find_doubles(phone: IntColumn, start: IntColumn, end: IntColumn) -> BoolColumn:
    """Calls that begin while another one of their number lasts, by whole seconds."""
    order = np.lexsort((start, phone))
    of_phone, begin = phone[order], start[order].astype(np.int64) // 1000
    rank = np.cumsum(np.concatenate(([0], of_phone[1:] != of_phone[:-1]))[: len(order)]) << 33
    last = np.maximum.accumulate(rank + end[order] // 1000) if len(order) else rank
    double = np.zeros(len(order), np.bool_)
    double[order[1:]] = (rank + begin)[1:] <= last[:-1]
    return double & (phone > 0)
