"""What an operator does at a moment, and who is free for how long.

All times are ms from the first day's midnight; a duty is a row of ``working_time``.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from callmocks.history import reasons
from callmocks.history.columns import BoolColumn, IntColumn
from callmocks.history.directory import Directory
from callmocks.history.episodes import DayPlan
from callmocks.history.generator import RawNumbers, integers_below
from callmocks.history.roster import Roster
from callmocks.history.walltime import DAY_MS
from callmocks.history.working_time import DUTY_BITS, WorkingTime

_R = reasons.INDEX
_ROUNDS = 6
_TRIES = 4
# Between two calls of an operator, so that whole seconds show no overlap either.
_SPACING_MS = 1000
AFTER_CALL_MS = 119_000
_NEVER = 1 << 40
_BUSY = np.array([_R["operator_busy"], _R["employee_busy"]])
_AFTER_CALL = _R["employee_busy_after_call"]
_PROTOCOL = _R["phone_protocol_not_allowed_by_status"]
_OFF_DUTY = np.array(
    [
        *[_R["employee_status_not_at_work"]] * 5,
        *[_R["employee_inactive_by_schedule"]] * 3,
        *[_R["employee_phone_inactive_by_schedule"]] * 2,
    ]
)
_GROUP_OFF = np.array(
    [
        *[_R["group_inactive_by_schedule"]] * 3,
        _R["phone_group_inactive_by_schedule"],
    ]
)


class Requests(msgspec.Struct, frozen=True):
    """Calls for an operator who is at work from ``start`` to ``connect`` and free until ``end``."""

    day_offset: IntColumn
    start: IntColumn
    connect: IntColumn
    end: IntColumn
    raw: RawNumbers


class Availability:
    def __init__(
        self,
        directory: Directory,
        roster: Roster,
        plans: Sequence[DayPlan],
        time: WorkingTime,
        talks: tuple[IntColumn, IntColumn, IntColumn, IntColumn, IntColumn],
    ) -> None:
        """``talks``: duty, start, connect, end and end of the work after it, by duty and start."""
        self._time = time
        self._roster = roster
        self._duty, start, self._connect, self._end, self._free = talks
        self._keys = (self._duty << DUTY_BITS) + start
        self._taken = self._keys
        self._taken_end = (self._duty << DUTY_BITS) + self._free
        self._operators = time.operators
        working = roster.working
        self._present = np.argsort(~working, axis=1, kind="stable")
        self._present_count = working.sum(axis=1)
        self._episodes = _list_episodes(plans, time.operators)
        self._group_of = directory.operator_groups
        self._group_hours = self._find_group_hours(roster, len(directory.groups))

    def reserve(self, requests: Requests) -> IntColumn:
        """An operator for each request, or -1; who is found has no other call meanwhile."""
        operator = np.full(len(requests.raw), -1, np.int64)
        pending = np.flatnonzero(self._present_count[requests.day_offset] > 1)
        for number in range(_ROUNDS):
            duty = self._choose(requests.day_offset[pending], requests.raw[pending], number)
            base = duty << DUTY_BITS
            start, end = base + requests.start[pending], base + requests.end[pending] + _SPACING_MS
            piece, found = self._time.find_piece(duty, requests.start[pending])
            chosen = np.flatnonzero(found)
            piece, wanted = piece[chosen], pending[chosen]
            fits = requests.connect[wanted] < self._time.end[piece]
            fits &= requests.end[wanted] <= self._time.talk_limit[piece]
            chosen = chosen[fits]
            chosen = chosen[self._are_untaken(start[chosen], end[chosen])]
            chosen = chosen[np.argsort(start[chosen], kind="stable")]
            ends = np.maximum.accumulate(end[chosen]) if len(chosen) else end[chosen]
            chosen = chosen[np.concatenate(([True], start[chosen][1:] >= ends[:-1]))[: len(chosen)]]
            operator[pending[chosen]] = duty[chosen] % self._operators
            self._take(start[chosen], end[chosen])
            pending = np.delete(pending, chosen)
        return operator

    def _are_untaken(self, start: IntColumn, end: IntColumn) -> BoolColumn:
        if not len(self._taken):
            return np.ones(len(start), np.bool_)
        after = np.searchsorted(self._taken, start, side="right")
        free = (after == 0) | (self._taken_end[after - 1] <= start)
        next_one = np.minimum(after, len(self._taken) - 1)
        untaken: BoolColumn = free & ((after == len(self._taken)) | (self._taken[next_one] >= end))
        return untaken

    def _take(self, start: IntColumn, end: IntColumn) -> None:
        position = np.searchsorted(self._taken, start)
        self._taken = np.insert(self._taken, position, start)
        self._taken_end = np.insert(self._taken_end, position, end)

    def _choose(self, day_offset: IntColumn, raw: RawNumbers, number: int) -> IntColumn:
        drawn = raw * np.uint64(0x9E3779B97F4A7C15 + 2 * number)
        position = integers_below(drawn, self._present_count[day_offset])
        duty: IntColumn = day_offset * self._operators + self._present[day_offset, position]
        return duty

    def find_refusals(
        self, day_offset: IntColumn, time: IntColumn, raw: RawNumbers, caller: IntColumn
    ) -> tuple[IntColumn, IntColumn]:
        """An operator who could not take a call at a time, and the reason; -1 where none is found.

        Whoever is in a call is preferred. Where a colleague dials (``caller``, else -1), nobody
        else will do.
        """
        present = self._present_count[day_offset] > 0
        duty = np.stack([self._choose(day_offset, raw, number) for number in range(_TRIES)], axis=1)
        moment = np.broadcast_to(time[:, None], duty.shape)
        busy, after_call = self._are_busy(duty, moment)
        away = self._find_absence_reasons(duty, moment, raw)
        episode = self._find_episode_reasons(duty, moment)
        engaged = (busy | after_call) & (episode < 0)
        engaged &= duty % self._operators != caller[:, None]
        suitable = engaged | (((away >= 0) | (episode >= 0)) & (caller < 0)[:, None])
        rank = np.where(engaged, 0, np.where(suitable, 1, 2))
        pick = rank.argmin(axis=1)
        rows = np.arange(len(duty))
        reason = np.where(
            busy, _BUSY[(raw >> np.uint64(7)).astype(np.int64) & 1][:, None], _AFTER_CALL
        )
        reason = np.where(engaged, reason, np.where(episode >= 0, episode, away))
        found = present & suitable[rows, pick]
        operator = np.where(found, duty[rows, pick] % self._operators, -1)
        return operator, np.where(found, reason[rows, pick], -1)

    def _are_busy(self, duty: IntColumn, time: IntColumn) -> tuple[BoolColumn, BoolColumn]:
        """Who speaks in a call, and who has work after one."""
        if not len(self._keys):
            nobody = np.zeros(duty.shape, np.bool_)
            return nobody, nobody
        last = np.searchsorted(self._keys, (duty << DUTY_BITS) + time, side="right") - 1
        begun = (last >= 0) & (self._duty[last] == duty) & (self._connect[last] >= 0)
        end = self._end[last]
        speaks = begun & (self._connect[last] <= time) & (time < end)
        until = np.minimum(self._free[last], end + AFTER_CALL_MS)
        return speaks, begun & (end <= time) & (time < until)

    def _find_absence_reasons(self, duty: IntColumn, time: IntColumn, raw: RawNumbers) -> IntColumn:
        roster = self._roster
        drawn = (raw >> np.uint64(9)).astype(np.int64) & 0xFFFF
        by_duty = (len(roster.start) * self._operators, roster.break_start.shape[2])
        break_start = roster.break_start.reshape(by_duty)[duty]
        break_end = roster.break_end.reshape(by_duty)[duty]
        on_break = (break_start <= time[..., None]) & (time[..., None] < break_end)
        status = roster.break_status.reshape(by_duty)[duty]
        reason = np.where(on_break, status, -1).max(axis=2, initial=-1)
        by_protocol = (drawn % 8 == 0)[:, None]
        reason = np.where((reason >= 0) & by_protocol, _PROTOCOL, reason)
        start, end = roster.start.reshape(-1)[duty], roster.end.reshape(-1)[duty]
        off_duty = (time < start) | (time >= end)
        offset, operator = duty // self._operators, duty % self._operators
        group = self._group_of[operator]
        begin, until = self._group_hours
        group_off = (time < begin[group, offset]) | (time >= until[group, offset])
        by_group = group_off & (drawn % 2 == 0)[:, None]
        own = _OFF_DUTY[drawn // 8 % len(_OFF_DUTY)][:, None]
        of_group = _GROUP_OFF[drawn // 2 % len(_GROUP_OFF)][:, None]
        return np.where(off_duty, np.where(by_group, of_group, own), reason)

    def _find_episode_reasons(self, duty: IntColumn, time: IntColumn) -> IntColumn:
        reason = np.full(duty.shape, -1, np.int64)
        for of_duty, begin, end, each in self._episodes:
            reason[(duty == of_duty) & (begin <= time) & (time < end)] = each
        return reason

    def _find_group_hours(self, roster: Roster, groups: int) -> tuple[IntColumn, IntColumn]:
        """From when until when anybody of a group works, by group and day."""
        begin = np.full((groups, len(roster.start)), _NEVER)
        end = np.full_like(begin, -1)
        np.minimum.at(begin, self._group_of, np.where(roster.working, roster.start, _NEVER).T)
        np.maximum.at(end, self._group_of, roster.end.T)
        return begin, end


def _list_episodes(plans: Sequence[DayPlan], operators: int) -> list[tuple[int, int, int, int]]:
    """Duty, begin, end and reason of what refuses calls to an operator."""
    return [
        (
            offset * operators + episode.operator,
            offset * DAY_MS + episode.begin,
            offset * DAY_MS + episode.end,
            episode.reason,
        )
        for offset, plan in enumerate(plans)
        for episode in plan.episodes
        if episode.operator >= 0 and episode.stops_incoming
    ]
