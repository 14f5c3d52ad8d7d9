"""From the outcome of each call to the times of its legs; the only place where a call gets them.

Generated days and pinned calls follow the same rules::

    incoming    subscriber |--ivr--[attempt][attempt][ answer  talk ][ transfer  talk ]--ivr--|
                parallel                             [rings  ]
                coach                                        |--listens--|
    outgoing    initiator  |[ subscriber rings | talk ]|
    auto        subscriber |rings |--ivr--[attempt][ answer  talk ] …
    internal    initiator  |[ operator rings   | talk ]|
"""

from enum import IntEnum

import msgspec
import numpy as np
from numpy.typing import NDArray

from callmocks.history import reasons
from callmocks.history.columns import (
    BoolColumn,
    CallColumns,
    CallKind,
    DayColumns,
    IntColumn,
    LegColumns,
    LegRole,
    ReleasedBy,
)
from callmocks.history.reasons import OPERATOR_HUNG_UP, SUBSCRIBER_HUNG_UP

IntMatrix = NDArray[np.integer]

MAX_ATTEMPTS = 16


class Slot(IntEnum):
    """Of a call's legs, in the order of their rows."""

    FIRST = 0
    REMOTE = 1  # the called party of a direct call
    ATTEMPT = 2  # and those of the attempts after the first
    PARALLEL = ATTEMPT + MAX_ATTEMPTS  # and one more
    ANSWER = PARALLEL + 2
    TRANSFER = ANSWER + 1
    COACH = TRANSFER + 1


SLOT_COUNT = Slot.COACH + 1

# A transfer comes within 25 minutes of talk, so that no leg begins on another day than its call.
LATEST_TRANSFER_MS = 1_500_000
MAX_DIAL_MS = 2_000  # until the called party's phone rings
MAX_MENU_MS = 1_500  # until the platform answers a call that no operator gets


class CallOutcomes(msgspec.Struct):
    """``reasons[call, slot]`` is the leg's finish reason, -1 where there is no leg."""

    kind: IntColumn
    reasons: IntMatrix

    @classmethod
    def without_legs(cls, call_count: int) -> "CallOutcomes":
        """Incoming calls."""
        no_legs = np.full((call_count, SLOT_COUNT), -1, np.int16, order="F")
        return cls(np.zeros(call_count, np.int8), no_legs)

    def list_attempts(self) -> list[int]:
        """Numbers, from 0, of the attempts that any call has."""
        attempts = self.reasons[:, Slot.ATTEMPT : Slot.PARALLEL] >= 0
        found: list[int] = np.flatnonzero(attempts.any(axis=0)).tolist()
        return found


class CallParameters(msgspec.Struct):
    row: IntColumn
    start: IntColumn
    operators: IntMatrix  # index of the operator by slot; -1 on a subscriber's leg
    user: IntColumn
    vendor: IntColumn
    phone: IntColumn
    line: IntColumn
    ivr_ms: IntColumn  # from the call's start to its first attempt
    attempt_ms: IntMatrix  # [call, MAX_ATTEMPTS]; without a leg it is a pause
    ring_ms: IntColumn  # from the attempt's start to the answer; of an unanswered remote leg, all
    talk_ms: IntColumn
    transfer_ring_ms: IntColumn
    transfer_talk_ms: IntColumn
    coach_delay_ms: IntColumn  # from the answer to the coach's first listening
    after_talk_ms: IntColumn  # the scenario goes on with the subscriber after the operators
    recorded: BoolColumn
    rating: IntColumn
    released_by_platform: BoolColumn
    fax: IntColumn
    first_leg_row: int = 0
    day_offset: IntColumn | None = None  # of each call in a batch, ascending


def build_timeline(day: int, outcomes: CallOutcomes, parameters: CallParameters) -> DayColumns:
    timeline = _Timeline(outcomes, parameters)
    timeline.place_legs()
    legs, slot = timeline.build_legs()
    return DayColumns(day, timeline.build_calls(legs, slot), legs, parameters.day_offset)


class _Timeline:
    """Times are matrices [call, slot]; ``-1`` stands for no leg, or for one not picked up."""

    def __init__(self, outcomes: CallOutcomes, parameters: CallParameters) -> None:
        self._outcomes = outcomes
        self._parameters = parameters
        self._exists = outcomes.reasons >= 0
        self._direct = _is_direct(outcomes.kind)
        self._picked_up = self._find_picked_up()
        shape = outcomes.reasons.shape
        times = (np.full(shape, -1, np.int32, order="F") for _ in range(3))
        self._start, self._connect, self._end = times

    def place_legs(self) -> None:
        cursor = self._place_remote_leg()
        cursor = self._place_attempts(cursor)
        cursor = self._place_answer_and_transfer(cursor)
        self._place_legs_beside()
        self._place_first_leg(cursor)

    def _find_picked_up(self) -> BoolColumn:
        finish = self._outcomes.reasons
        picked_up = reasons.ANSWERED[finish] & self._exists
        for slot in (Slot.ANSWER, Slot.TRANSFER, Slot.COACH, Slot.REMOTE):
            picked_up[:, slot] |= finish[:, slot] == SUBSCRIBER_HUNG_UP
        first, remote = picked_up[:, Slot.FIRST], picked_up[:, Slot.REMOTE]
        picked_up[:, Slot.FIRST] = np.where(self._direct, remote, first)
        return picked_up

    def _place_leg(
        self, slot: int, start: IntColumn, end: IntColumn, connect: IntColumn | None = None
    ) -> None:
        exists = self._exists[:, slot]
        self._start[:, slot] = np.where(exists, start, -1)
        self._end[:, slot] = np.where(exists, end, -1)
        if connect is not None:
            self._connect[:, slot] = np.where(exists, connect, -1)

    def _place_remote_leg(self) -> IntColumn:
        parameters, picked_up = self._parameters, self._picked_up[:, Slot.REMOTE]
        start = parameters.start.astype(np.int32)
        ring = start + np.minimum(parameters.ivr_ms, MAX_DIAL_MS)
        answer = ring + parameters.ring_ms
        end = answer + np.where(picked_up, parameters.talk_ms, 0)
        self._place_leg(Slot.REMOTE, ring, end, np.where(picked_up, answer, -1))
        dialled = np.where(self._outcomes.kind == CallKind.AUTO, parameters.ring_ms, 0)
        return (start + dialled + parameters.ivr_ms).astype(np.int32)

    def _place_attempts(self, cursor: IntColumn) -> IntColumn:
        lengths = self._parameters.attempt_ms
        attempts = self._exists[:, Slot.ATTEMPT : Slot.PARALLEL] | (lengths > 0)
        for number in np.flatnonzero(attempts.any(axis=0)).tolist():
            end = cursor + lengths[:, number].astype(np.int32)
            self._place_leg(Slot.ATTEMPT + number, cursor, end)
            cursor = end
        return cursor

    def _place_answer_and_transfer(self, cursor: IntColumn) -> IntColumn:
        parameters = self._parameters
        limited = np.minimum(parameters.talk_ms, LATEST_TRANSFER_MS)
        talk = np.where(self._exists[:, Slot.TRANSFER], limited, parameters.talk_ms)
        for slot, ring, length in (
            (Slot.ANSWER, parameters.ring_ms, talk),
            (Slot.TRANSFER, parameters.transfer_ring_ms, parameters.transfer_talk_ms),
        ):
            picked_up = self._picked_up[:, slot]
            spent = np.where(self._exists[:, slot], ring + np.where(picked_up, length, 0), 0)
            end = cursor + spent.astype(np.int32)
            self._place_leg(slot, cursor, end, np.where(picked_up, cursor + ring, -1))
            cursor = end
        return cursor

    def _place_legs_beside(self) -> None:
        answer, end = self._connect[:, Slot.ANSWER], self._end[:, Slot.ANSWER]
        for slot in (Slot.PARALLEL, Slot.PARALLEL + 1):
            self._place_leg(slot, self._start[:, Slot.ANSWER], answer)
        start = answer + np.minimum(self._parameters.coach_delay_ms, (end - answer) // 2)
        self._place_leg(Slot.COACH, start, end, np.minimum(start + 300, end))

    def _place_first_leg(self, cursor: IntColumn) -> None:
        parameters, start = self._parameters, self._parameters.start.astype(np.int32)
        alone = self._exists.sum(axis=1) == 1
        answer, remote = self._connect[:, Slot.ANSWER], self._connect[:, Slot.REMOTE]
        dialled = (self._outcomes.kind == CallKind.AUTO) & ~alone
        connect = np.where(self._direct, remote, answer)
        connect = np.where(dialled, start + parameters.ring_ms, connect)
        by_platform = ~self._direct & self._picked_up[:, Slot.FIRST] & (answer < 0) & ~dialled
        connect = np.where(by_platform, start + np.minimum(parameters.ivr_ms, MAX_MENU_MS), connect)
        end = np.where(self._direct, self._end[:, Slot.REMOTE], cursor + parameters.after_talk_ms)
        end = np.where(alone, np.maximum(connect, start) + parameters.attempt_ms[:, 0], end)
        self._place_leg(Slot.FIRST, start, end, connect)

    def build_legs(self) -> tuple[LegColumns, IntColumn]:
        parameters = self._parameters
        call, slot = np.nonzero(self._exists)
        kind, reason = self._outcomes.kind[call], self._outcomes.reasons[call, slot]
        connect = self._connect[call, slot]
        role = _leg_roles(kind, slot)
        subscriber = role == LegRole.SUBSCRIBER
        intended = np.where(subscriber, -1, parameters.operators[call, slot]).astype(np.int16)
        by_operator = (connect >= 0) & ~subscriber
        has_talk = np.bincount(call[by_operator], minlength=len(parameters.start)) > 0
        talked = np.where(subscriber, (connect >= 0) & has_talk[call], by_operator)
        rated = talked & ((slot == Slot.ANSWER) | (role == LegRole.INITIATOR))
        released = find_releasing_parties(
            reason, role, kind, connect, parameters.released_by_platform[call]
        )
        fax = np.where((slot == Slot.ANSWER) & (connect >= 0), parameters.fax[call], 0)
        remote_reason = self._outcomes.reasons[call, Slot.REMOTE]
        row = parameters.first_leg_row + _rows_by_day(call, parameters.day_offset)
        legs = LegColumns(
            row=row.astype(np.int32),
            call=call.astype(np.int32),
            role=role.astype(np.int8),
            intended_operator=intended,
            operator=np.where(reasons.WITHOUT_EMPLOYEE[reason], -1, intended).astype(np.int16),
            start=self._start[call, slot],
            connect=connect,
            end=self._end[call, slot],
            reason=reason.astype(np.int8),
            rang=find_ringing_legs(reason, role, connect, remote_reason),
            talked=talked,
            released_by=released.astype(np.int8),
            rating=np.where(rated, parameters.rating[call], 0).astype(np.int8),
            fax=fax.astype(np.int8),
        )
        return legs, slot

    def build_calls(self, legs: LegColumns, slot: IntColumn) -> CallColumns:
        parameters, kind = self._parameters, self._outcomes.kind
        talks = (legs.connect >= 0) & (legs.role != LegRole.SUBSCRIBER)
        talks &= legs.role != LegRole.COACH
        never = np.iinfo(np.int32).max
        answered = np.full(len(kind), never, np.int32)
        np.minimum.at(answered, legs.call, np.where(talks, legs.connect, never))
        answered[answered == never] = -1
        # The two legs of an internal call are one talk.
        counted = talks & ~(self._direct[legs.call] & (slot == Slot.REMOTE))
        talk = np.where(counted, legs.end - legs.connect, 0)
        leg_count = self._exists.sum(axis=1)
        remote_operator = parameters.operators[:, Slot.REMOTE]
        called = np.where(kind == CallKind.INTERNAL, remote_operator, -1)
        return CallColumns(
            row=parameters.row.astype(np.int32),
            start=parameters.start.astype(np.int32),
            end=self._end.max(axis=1, initial=-1).astype(np.int32),
            kind=kind.astype(np.int8),
            reason=self._outcomes.reasons[:, Slot.FIRST].astype(np.int8),
            session_reason=np.full(len(kind), -1, np.int16),
            user=parameters.user.astype(np.int32),
            vendor=parameters.vendor.astype(np.int16),
            phone=parameters.phone.astype(np.int64),
            line=parameters.line.astype(np.int16),
            called_operator=called.astype(np.int16),
            answered=answered,
            talk=np.bincount(legs.call, weights=talk, minlength=len(kind)).astype(np.int32),
            first_leg=(np.cumsum(leg_count) - leg_count).astype(np.int32),
            leg_count=leg_count.astype(np.int16),
            recorded=parameters.recorded & (answered >= 0),
        )


def _is_direct(kind: IntColumn) -> BoolColumn:
    direct: BoolColumn = (kind == CallKind.OUTGOING) | (kind == CallKind.INTERNAL)
    return direct


def _rows_by_day(call: IntColumn, day_offset: IntColumn | None) -> IntColumn:
    position = np.arange(len(call))
    if day_offset is None or not len(call):
        return position
    day = day_offset[call]
    first = np.searchsorted(day, np.arange(day[-1] + 1))
    rows: IntColumn = position - first[day]
    return rows


def _leg_roles(kind: IntColumn, slot: IntColumn) -> IntColumn:
    role = np.full(len(slot), LegRole.OPERATOR, np.int8)
    role[slot == Slot.FIRST] = LegRole.SUBSCRIBER
    role[(slot == Slot.FIRST) & _is_direct(kind)] = LegRole.INITIATOR
    role[(slot == Slot.REMOTE) & (kind == CallKind.OUTGOING)] = LegRole.SUBSCRIBER
    role[slot == Slot.TRANSFER] = LegRole.TRANSFER
    role[slot == Slot.COACH] = LegRole.COACH
    return role


def find_ringing_legs(
    reason: IntColumn, role: IntColumn, connect: IntColumn, remote_reason: IntColumn
) -> BoolColumn:
    """A phone rang when it was picked up, when the reason says so, or when the caller gave up."""
    gave_up = (reason == SUBSCRIBER_HUNG_UP) & (role != LegRole.SUBSCRIBER)
    rang = reasons.RANG[reason] | (connect >= 0) | gave_up
    remote_rang = reasons.RANG[remote_reason] | (remote_reason == SUBSCRIBER_HUNG_UP)
    dialled = (remote_reason >= 0) & remote_rang
    result: BoolColumn = np.where(role == LegRole.INITIATOR, dialled, rang)
    return result


def find_releasing_parties(
    reason: IntColumn, role: IntColumn, kind: IntColumn, connect: IntColumn, by_platform: BoolColumn
) -> IntColumn:
    """As ARM shows it: A called, B was called."""
    # The subscriber is A, and the operator B, unless the operator dialled him. The platform
    # releases whatever was not answered, and legs that a transfer or a scenario ends.
    caller = reason == SUBSCRIBER_HUNG_UP
    callee = reason == OPERATOR_HUNG_UP
    dials = (role == LegRole.INITIATOR) & (kind == CallKind.OUTGOING)
    by = np.where(caller, ReleasedBy.A, np.where(callee, ReleasedBy.B, ReleasedBy.SYSTEM))
    by = np.where(dials & caller, ReleasedBy.B, np.where(dials & callee, ReleasedBy.A, by))
    return np.where((connect < 0) | (by_platform & ~dials), ReleasedBy.SYSTEM, by)
