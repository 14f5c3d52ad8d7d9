"""The calls of some days of an ordinary contact centre.

First the answered and the dialled calls find operators who have time for them; what is left
over, and what nobody was to answer, is lost. Then attempts, transfers and colleagues are found
for the moments when they are needed.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from msgspec.structs import fields

from callmocks.history import outages, reasons
from callmocks.history.availability import Availability, Requests
from callmocks.history.call_parameters import draw_lengths_of_outcomes, draw_parameters
from callmocks.history.callers import CALLER_COLUMNS, CallerBook
from callmocks.history.columns import CallKind, DayColumns, IntColumn
from callmocks.history.directory import Directory
from callmocks.history.engagements import DutyLoads, Placement
from callmocks.history.episodes import LEAD_MS, DayPlan
from callmocks.history.generator import (
    RawNumbers,
    integers_below,
    interpolate_quantiles,
    weighted_indexes,
)
from callmocks.history.raw_columns import RawColumn
from callmocks.history.reasons import SUBSCRIBER_HUNG_UP
from callmocks.history.roster import HOUR_MS, Roster
from callmocks.history.timeline import (
    LATEST_TRANSFER_MS,
    MAX_DIAL_MS,
    SLOT_COUNT,
    Slot,
    build_timeline,
)
from callmocks.history.traffic import (
    LAST_ATTEMPT,
    NATURAL_ATTEMPTS,
    NO_ANSWER,
    REFUSED,
    OutcomeDraw,
)
from callmocks.history.walltime import DAY_MS
from callmocks.history.working_time import WorkingTime
from callmocks.history.world import World

_R = reasons.INDEX
_WORK_AFTER_MS = (3_000, 12_000, 25_000, 45_000, 90_000)
# An operator who was idle for less had somebody waiting.
_IDLE_MS = 20_000
# Between two calls of an operator, besides the work after one.
_SPACING_MS = 2_000
_USED_SLOTS = (*range(Slot.ATTEMPT + NATURAL_ATTEMPTS), *range(Slot.PARALLEL, SLOT_COUNT))
# Of calls that want an operator: call, slot, and when he must be there, picks up and is free again.
_Wanted = tuple[IntColumn, IntColumn, IntColumn, IntColumn, IntColumn]


class CallDraft:
    """Calls in the order of their raw numbers, until they are sorted by start."""

    def __init__(
        self,
        world: World,
        directory: Directory,
        roster: Roster,
        plans: Sequence[DayPlan],
        day_offset: IntColumn,
        raw: RawNumbers,
        hour_weights: IntColumn,
    ) -> None:
        self._directory = directory
        self._waiting = world.waiting
        self._hour_weights = hour_weights
        self._roster = roster
        self._plans = plans
        self._day_offset = day_offset
        self._raw = raw
        self._time = WorkingTime(roster, plans, len(directory.lines), hour_weights)
        self._draw = OutcomeDraw(raw, world)
        self._outcomes = self._draw.draw()
        self._reasons = self._outcomes.reasons
        self._planned = np.zeros(len(raw), np.bool_)
        self._put_planned_outcomes()
        self._parameters = draw_parameters(raw, self._outcomes, world)
        # Colleagues are brief, and so is who takes a call over.
        internal = self._outcomes.kind == CallKind.INTERNAL
        self._parameters.talk_ms //= np.where(internal, 4, 1)
        self._parameters.transfer_talk_ms //= 2
        self._connect = np.full(len(raw), -1)
        self._end = np.full(len(raw), -1)

    def _put_planned_outcomes(self) -> None:
        first = np.searchsorted(self._day_offset, np.arange(len(self._plans)))
        self._planned_rows = [
            (int(row) + number, call)
            for row, plan in zip(first, self._plans, strict=True)
            for number, call in enumerate(plan.calls)
        ]
        for row, call in self._planned_rows:
            self._planned[row] = True
            self._reasons[row] = -1
            self._reasons[row, Slot.FIRST] = call.reason
            self._outcomes.kind[row] = call.kind

    def place_calls(self) -> None:
        table, parameters = self._reasons, self._parameters
        has_operator = (table[:, Slot.ANSWER] >= 0) | (table[:, Slot.REMOTE] >= 0)
        calls = np.flatnonzero(has_operator)
        dial, ring, talk, work_after = self._measure(calls)
        length = dial + ring + talk + work_after + _SPACING_MS
        workload = self._roster.workload.reshape(-1)
        loads = DutyLoads(self._time, self._hour_weights, workload)
        hours = self._raw[calls, RawColumn.HOUR]
        placement = loads.place(np.arange(len(calls)), self._day_offset[calls], length, hours)
        self._leave_out(np.delete(calls, placement.call))
        self._draw.add_attempts()
        self._put_planned_attempts()
        draw_lengths_of_outcomes(parameters, self._raw, self._outcomes, self._waiting)
        parameters.start = self._draw_start_times(self._hour_weights)
        self._set_talks(calls[placement.call], placement, work_after[placement.call])
        for row, call in self._planned_rows:
            lead = LEAD_MS if call.attempt >= 0 else 0
            midnight = int(self._day_offset[row]) * DAY_MS
            parameters.start[row], parameters.ivr_ms[row] = midnight + call.time - lead, lead

    def _measure(self, calls: IntColumn) -> tuple[IntColumn, IntColumn, IntColumn, IntColumn]:
        """Dialling, ringing, talk and the work after it, of calls with an operator."""
        table, parameters = self._reasons[calls], self._parameters
        direct = table[:, Slot.REMOTE] >= 0
        reason = np.where(direct, table[:, Slot.REMOTE], table[:, Slot.ANSWER])
        reached = reasons.TALKED[reason] | (reason == SUBSCRIBER_HUNG_UP)
        dial = np.where(direct, np.minimum(parameters.ivr_ms[calls], MAX_DIAL_MS), 0)
        talk = np.where(reached, parameters.talk_ms[calls], 0)
        limited = np.minimum(talk, LATEST_TRANSFER_MS)
        talk = np.where(table[:, Slot.TRANSFER] >= 0, limited, talk)
        work = interpolate_quantiles(self._raw[calls, RawColumn.WORK_AFTER], _WORK_AFTER_MS)
        return dial, parameters.ring_ms[calls], talk, np.where(reached, work, 0)

    def _leave_out(self, calls: IntColumn) -> None:
        auto = self._outcomes.kind[calls] == CallKind.AUTO
        self._draw.fail_auto_calls(calls[auto])
        self._draw.miss(calls[~auto])

    def _put_planned_attempts(self) -> None:
        operators = self._parameters.operators
        for row, call in self._planned_rows:
            self._reasons[row, Slot.ATTEMPT :] = -1
            if call.attempt >= 0:
                self._reasons[row, Slot.ATTEMPT] = call.attempt
                operators[row, Slot.ATTEMPT] = call.operator
            elif call.operator >= 0:
                operators[row, Slot.FIRST] = call.operator
                operators[row, Slot.REMOTE] = (call.operator + 1) % len(self._directory.operators)

    def _draw_start_times(self, hour_weights: IntColumn) -> IntColumn:
        cumulative = np.zeros((len(hour_weights), 25), np.int64)
        np.cumsum(hour_weights, axis=1, out=cumulative[:, 1:])
        target = integers_below(self._raw[:, RawColumn.HOUR], cumulative[self._day_offset, -1])
        if len(hour_weights) == 1:
            hour = np.searchsorted(cumulative[0], target, side="right") - 1
        else:
            base = np.arange(len(hour_weights))[:, None] << 40
            keys = (cumulative[:, 1:] + base).reshape(-1)
            found = np.searchsorted(keys, target + (self._day_offset << 40), side="right")
            hour = found - 24 * self._day_offset
        within = integers_below(self._raw[:, RawColumn.TIME_IN_HOUR], HOUR_MS)
        return self._day_offset * DAY_MS + hour * HOUR_MS + within

    def _set_talks(self, calls: IntColumn, placement: Placement, work_after: IntColumn) -> None:
        parameters, start = self._parameters, placement.start
        dial, ring, talk, _ = self._measure(calls)
        room = np.maximum(self._time.end[placement.piece] - start - 1000, 0)
        dial = np.minimum(dial, room)
        ring = np.minimum(ring, room - dial)
        connect = start + dial + ring
        limit = self._time.talk_limit[placement.piece]
        reached = work_after > 0
        talk = np.minimum(talk, np.maximum(limit - connect, 0))
        end = connect + talk
        direct = self._reasons[calls, Slot.REMOTE] >= 0
        parameters.ring_ms[calls], parameters.talk_ms[calls] = ring, talk
        parameters.ivr_ms[calls[direct]] = dial[direct]
        self._connect[calls], self._end[calls] = connect, end
        operator = placement.duty % self._time.operators
        for slot in (Slot.FIRST, Slot.ANSWER, Slot.PARALLEL + 1):
            parameters.operators[calls, slot] = operator
        self._set_waits(
            calls[~direct], start[~direct], operator[~direct], placement.idle_before[~direct]
        )
        parameters.start[calls[direct]] = start[direct]
        connected = np.where(reached, connect, -1)
        talks = (placement.duty, start, connected, end, end + work_after + _SPACING_MS // 2)
        self._availability = Availability(
            self._directory, self._roster, self._plans, self._time, talks
        )

    def _set_waits(
        self, calls: IntColumn, answering: IntColumn, operator: IntColumn, idle: IntColumn
    ) -> None:
        """From the moment when the answering operator's phone rings back to the call's start."""
        parameters, table = self._parameters, self._reasons
        queued = idle < _IDLE_MS
        wait = interpolate_quantiles(self._raw[calls, RawColumn.QUEUE], self._waiting.queue_ms)
        parameters.attempt_ms[calls[queued], NATURAL_ATTEMPTS - 1] = wait[queued]
        table[calls[queued], LAST_ATTEMPT] = _R["call_enqueued"]
        parameters.operators[calls, LAST_ATTEMPT] = operator
        dialled = np.where(
            self._outcomes.kind[calls] == CallKind.AUTO, parameters.ring_ms[calls], 0
        )
        attempts = parameters.attempt_ms[calls, :NATURAL_ATTEMPTS].sum(axis=1)
        offset = self._day_offset[calls]
        earliest = self._time.opened[offset, answering // HOUR_MS - offset * 24]
        for day, end in outages.list_closed_times(self._plans, len(self._directory.lines)):
            later = (offset == day) & (end <= answering)
            earliest = np.where(later, np.maximum(earliest, end), earliest)
        short = dialled + parameters.ivr_ms[calls] + attempts > answering - earliest
        hurried = calls[short]
        table[hurried, Slot.ATTEMPT : Slot.PARALLEL] = -1
        parameters.attempt_ms[hurried] = 0
        attempts = np.where(short, 0, attempts)
        parameters.start[calls] = answering - dialled - parameters.ivr_ms[calls] - attempts

    def find_colleagues(self) -> None:
        """Operators for attempts, transfers, parallel telephones, internal calls and coaching."""
        table, parameters = self._reasons, self._parameters
        starts = self._time_attempts()
        attempts = table[:, Slot.ATTEMPT : Slot.ATTEMPT + NATURAL_ATTEMPTS]
        rings = reasons.membership_table((NO_ANSWER, _R["timeout"], SUBSCRIBER_HUNG_UP))[attempts]
        rings[self._planned] = False
        call, number = np.nonzero(rings)
        start, length = starts[call, number], parameters.attempt_ms[call, number]
        wanted: list[_Wanted] = [
            (call, Slot.ATTEMPT + number, start, start + length, start + length)
        ]
        wanted += [self._list_transfers(), *self._list_companions(), self._list_internal_calls()]
        call, slot, start, connect, end = (
            np.concatenate(each) for each in zip(*wanted, strict=True)
        )
        offset, raw = self._day_offset[call], self._mix(call, slot)
        operator = self._availability.reserve(Requests(offset, start, connect, end, raw))
        found = operator >= 0
        parameters.operators[call[found], slot[found]] = operator[found]
        self._give_up(call[~found], slot[~found])
        self._refuse(starts)

    def _mix(self, call: IntColumn, slot: IntColumn) -> RawNumbers:
        odd = (2 * slot + 1).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        mixed: RawNumbers = self._raw[call, RawColumn.OPERATOR] * odd
        return mixed

    def _time_attempts(self) -> IntColumn:
        """When each attempt begins, by call and number."""
        parameters = self._parameters
        lengths = parameters.attempt_ms[:, :NATURAL_ATTEMPTS].astype(np.int64)
        dialled = np.where(self._outcomes.kind == CallKind.AUTO, parameters.ring_ms, 0)
        first = parameters.start + dialled + parameters.ivr_ms
        return first[:, None] + np.cumsum(lengths, axis=1) - lengths

    def _list_transfers(self) -> _Wanted:
        reason = self._reasons[:, Slot.TRANSFER]
        call = np.flatnonzero((reason >= 0) & (reason != REFUSED))
        start = self._end[call]
        ringing = start + self._parameters.transfer_ring_ms[call]
        talk = np.where(reason[call] == NO_ANSWER, 0, self._parameters.transfer_talk_ms[call])
        return call, np.full(len(call), Slot.TRANSFER), start, ringing, ringing + talk

    def _list_companions(self) -> Iterator[_Wanted]:
        call = np.flatnonzero(self._reasons[:, Slot.PARALLEL] >= 0)
        start, connect = self._connect[call] - self._parameters.ring_ms[call], self._connect[call]
        yield call, np.full(len(call), Slot.PARALLEL), start, connect, connect
        call = np.flatnonzero(self._reasons[:, Slot.COACH] >= 0)
        connect, end = self._connect[call], self._end[call]
        start = connect + np.minimum(self._parameters.coach_delay_ms[call], (end - connect) // 2)
        yield call, np.full(len(call), Slot.COACH), start, np.minimum(start + 300, end), end

    def _list_internal_calls(self) -> _Wanted:
        reason = self._reasons[:, Slot.REMOTE]
        internal = (self._outcomes.kind == CallKind.INTERNAL) & (reason >= 0) & (reason != REFUSED)
        call = np.flatnonzero(internal)
        start = self._connect[call] - self._parameters.ring_ms[call]
        return call, np.full(len(call), Slot.REMOTE), start, self._connect[call], self._end[call]

    def _give_up(self, call: IntColumn, slot: IntColumn) -> None:
        """Legs for which nobody was found do not come; an attempt leaves a pause."""
        transfer, remote = slot == Slot.TRANSFER, slot == Slot.REMOTE
        self._draw.cancel_transfers(call[transfer])
        self._draw.dial_outside(call[remote])
        others = ~transfer & ~remote
        self._reasons[call[others], slot[others]] = -1

    def _refuse(self, starts: IntColumn) -> None:
        """Whom a call could not reach at once, and why."""
        table, parameters = self._reasons, self._parameters
        last = Slot.ATTEMPT + NATURAL_ATTEMPTS
        attempts = (table[:, Slot.ATTEMPT : last] == REFUSED) & ~self._planned[:, None]
        call, number = np.nonzero(attempts)
        transfers = np.flatnonzero(table[:, Slot.TRANSFER] == REFUSED)
        remote = table[:, Slot.REMOTE] == REFUSED
        internal = np.flatnonzero(remote & (self._outcomes.kind == CallKind.INTERNAL))
        dialled = self._connect[internal] - parameters.ring_ms[internal]
        time = np.concatenate((starts[call, number], self._end[transfers], dialled))
        slot = np.repeat((Slot.TRANSFER, Slot.REMOTE), (len(transfers), len(internal)))
        slot = np.concatenate((Slot.ATTEMPT + number, slot))
        call = np.concatenate((call, transfers, internal))
        direct = slot >= Slot.PARALLEL
        direct |= slot == Slot.REMOTE
        own = np.where(direct, parameters.operators[call, Slot.FIRST], -1)
        operator, reason = self._availability.find_refusals(
            self._day_offset[call], time, self._mix(call, slot), own
        )
        found = operator >= 0
        table[call[found], slot[found]] = reason[found]
        # His colleague is busy, not he who dialled.
        table[call[found & (slot == Slot.REMOTE)], Slot.FIRST] = SUBSCRIBER_HUNG_UP
        parameters.operators[call[found], slot[found]] = operator[found]
        self._give_up(call[~found], slot[~found])

    def apply_outages(self) -> None:
        parameters, table = self._parameters, self._reasons
        answered = (table[:, Slot.ANSWER] >= 0) | (table[:, Slot.REMOTE] >= 0)
        lost = ~answered & ~self._planned
        parameters.line = self._draw_lines()
        changed = (self._plans, self._outcomes, parameters, lost)
        outages.replace_auto_calls(*changed)
        self._failed = self._planned | outages.fail_calls(*changed, self._raw)
        for row, call in self._planned_rows:
            if call.line >= 0:
                parameters.line[row] = call.line
        # Whoever waited in vain while nobody could be tried has a single leg that lasts so long.
        alone = (table >= 0).sum(axis=1) == 1
        waiting = np.flatnonzero(
            alone & lost & ~self._failed & (table[:, Slot.FIRST] == SUBSCRIBER_HUNG_UP)
        )
        waited = parameters.ivr_ms[waiting] + parameters.attempt_ms[waiting, :NATURAL_ATTEMPTS].sum(
            axis=1
        )
        parameters.attempt_ms[waiting] = 0
        parameters.attempt_ms[waiting, 0] = waited

    def _draw_lines(self) -> IntColumn:
        """The first line has the most calls."""
        count = len(self._directory.lines)
        weights = [max(8 - 2 * index, 2) for index in range(count)]
        return weighted_indexes(self._raw[:, RawColumn.LINE], weights)

    def build(self, first: int, callers: CallerBook) -> DayColumns:
        parameters, outcomes = self._parameters, self._outcomes
        order = np.argsort(parameters.start, kind="stable")
        outcomes.kind = outcomes.kind[order]
        outcomes.reasons = _sort_rows(outcomes.reasons, order)
        for field in fields(parameters):
            value = getattr(parameters, field.name)
            if isinstance(value, np.ndarray):
                setattr(parameters, field.name, _sort_rows(value, order))
        counts = np.bincount(self._day_offset, minlength=len(self._plans))
        parameters.row = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
        parameters.day_offset = self._day_offset if len(self._plans) > 1 else None
        day = build_timeline(first, outcomes, parameters)
        raw = np.empty(self._raw.shape, np.uint64, order="F")
        for column in CALLER_COLUMNS:
            raw[:, column] = self._raw[order, column]
        for row, call in self._planned_rows:
            if call.number:
                day.calls.phone[np.flatnonzero(order == row)] = call.number
        return callers.assign(day, raw, self._failed[order], self._plans)


def _sort_rows(values: np.ndarray, order: IntColumn) -> np.ndarray:
    """In place where an ordinary contact centre leaves many columns empty."""
    if values.ndim == 1:
        return values[order]
    for column in _USED_SLOTS if values.shape[1] == SLOT_COUNT else range(NATURAL_ATTEMPTS):
        values[:, column] = values[order, column]
    return values
