"""From what happens in each call to the legs' times: the only place where a call gets its shape.

A ``Plan`` says which legs a call has and how each ends; ``Choices`` say who and how long. Both
hold many calls at once. A drawn day and a pinned call are laid out by the same rules::

    incoming    subscriber |--ivr--[attempt][attempt][ answer  talk ][ transfer  talk ]--ivr--|
                beside                               [rings  ]
                coach                                        |--listens--|
    outgoing    initiator  |[ subscriber rings | talk ]|
    auto        subscriber |rings |--ivr--[attempt][ answer  talk ] …
    internal    initiator  |[ operator rings   | talk ]|
"""

from dataclasses import dataclass

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

IntMatrix = NDArray[np.integer]

MAX_ATTEMPTS = 16
"""Attempts a call can have before it is answered or given up."""
FIRST, REMOTE, ATTEMPT = 0, 1, 2
PARALLEL = ATTEMPT + MAX_ATTEMPTS
ANSWER, TRANSFER, COACH = PARALLEL + 2, PARALLEL + 3, PARALLEL + 4
SLOT_COUNT = COACH + 1
"""Places for legs in a call, in the order of their rows."""

_LATEST_TRANSFER_MS = 1_500_000
"""A talk is handed over within 25 minutes, so that no leg begins on another day than its call."""


@dataclass(slots=True)
class CallOutcomes:
    """What happens. ``reasons[call, slot]`` is the leg's finish reason, -1 where there is none."""

    kind: IntColumn
    reasons: IntMatrix

    @classmethod
    def without_legs(cls, call_count: int) -> "CallOutcomes":
        """Incoming calls without any leg."""
        return cls(
            np.zeros(call_count, np.int8),
            np.full((call_count, SLOT_COUNT), -1, np.int16, order="F"),
        )


@dataclass(slots=True)
class CallParameters:
    """Who takes part and how long everything takes, in milliseconds."""

    row: IntColumn
    start: IntColumn
    operators: IntMatrix
    """Index of the operator for each slot; -1 on a subscriber's leg."""
    user: IntColumn
    vendor: IntColumn
    phone: IntColumn
    line: IntColumn
    ivr_ms: IntColumn
    """From the call's start to its first attempt."""
    attempt_ms: IntMatrix
    """Length of each attempt, ``[call, ATTEMPTS]``."""
    ring_ms: IntColumn
    """From the attempt's start to the answer; of an unanswered far leg, its whole length."""
    talk_ms: IntColumn
    transfer_ring_ms: IntColumn
    transfer_talk_ms: IntColumn
    coach_delay_ms: IntColumn
    """From the answer to the coach's first listening."""
    after_talk_ms: IntColumn
    """The scenario goes on with the subscriber after the operators."""
    recorded: BoolColumn
    rating: IntColumn
    released_by_platform: BoolColumn
    """The platform, not the person, is noted as the one who released."""
    fax: IntColumn
    first_leg_row: int = 0
    """Row of the first leg."""
    day_offset: IntColumn | None = None
    """Days after the first on which each call begins, ascending; None: all on the first."""


@dataclass(slots=True)
class _LegTimes:
    start: IntMatrix
    connect: IntMatrix
    end: IntMatrix


def build_timeline(day: int, outcomes: CallOutcomes, parameters: CallParameters) -> DayColumns:
    """Calls and legs of a day (or of several in a row), in the order of the choices' rows."""
    present = outcomes.reasons >= 0
    answered = _answered_slots(outcomes)
    times = _LegTimes(*(np.full(outcomes.reasons.shape, -1, np.int32, order="F") for _ in range(3)))
    incoming = (outcomes.kind == CallKind.INCOMING) | (outcomes.kind == CallKind.AUTO)
    cursor = _place_remote_leg(outcomes, parameters, answered, times)
    cursor = _place_attempts(outcomes, parameters, cursor, times)
    cursor = _place_answer_and_transfer(outcomes, parameters, answered, cursor, times)
    _place_parallel_and_coach(outcomes, parameters, times)
    _place_first_leg(outcomes, parameters, answered, incoming, cursor, times)
    return _build_columns(day, outcomes, parameters, present, times)


def _answered_slots(outcomes: CallOutcomes) -> BoolColumn:
    """Which slots' legs are picked up: by their reason, or by their place."""
    picked = reasons.ANSWERED[outcomes.reasons] & (outcomes.reasons >= 0)
    hung_up = outcomes.reasons == reasons.INDEX["subscriber_disconnects"]
    for slot in (ANSWER, TRANSFER, COACH):
        picked[:, slot] |= hung_up[:, slot]
    far = hung_up[:, REMOTE] | picked[:, REMOTE]
    picked[:, REMOTE] = far
    direct = (outcomes.kind == CallKind.OUTGOING) | (outcomes.kind == CallKind.INTERNAL)
    picked[:, FIRST] = np.where(direct, far, picked[:, FIRST])
    return picked


def _place_remote_leg(
    outcomes: CallOutcomes, parameters: CallParameters, answered: BoolColumn, times: _LegTimes
) -> IntColumn:
    """The far leg of a direct call, and where the first attempt would begin."""
    start = parameters.start.astype(np.int32)
    far = outcomes.reasons[:, REMOTE] >= 0
    begins = start + np.minimum(parameters.ivr_ms, 2000)
    picked = begins + parameters.ring_ms
    _set_where(times.start, REMOTE, far, begins)
    _set_where(times.connect, REMOTE, far & answered[:, REMOTE], picked)
    _set_where(
        times.end, REMOTE, far, picked + np.where(answered[:, REMOTE], parameters.talk_ms, 0)
    )
    dialled = np.where(outcomes.kind == CallKind.AUTO, parameters.ring_ms, 0)
    return (start + dialled + parameters.ivr_ms).astype(np.int32)


def _place_attempts(
    outcomes: CallOutcomes, parameters: CallParameters, cursor: IntColumn, times: _LegTimes
) -> IntColumn:
    for number in range(MAX_ATTEMPTS):
        slot = ATTEMPT + number
        there = outcomes.reasons[:, slot] >= 0
        if not there.any():
            continue
        _set_where(times.start, slot, there, cursor)
        cursor = cursor + np.where(there, parameters.attempt_ms[:, number], 0).astype(np.int32)
        _set_where(times.end, slot, there, cursor)
    return cursor


def _place_answer_and_transfer(
    outcomes: CallOutcomes,
    parameters: CallParameters,
    answered: BoolColumn,
    cursor: IntColumn,
    times: _LegTimes,
) -> IntColumn:
    handed_over = outcomes.reasons[:, TRANSFER] >= 0
    talk = np.where(
        handed_over, np.minimum(parameters.talk_ms, _LATEST_TRANSFER_MS), parameters.talk_ms
    )
    for slot, ring, length in (
        (ANSWER, parameters.ring_ms, talk),
        (TRANSFER, parameters.transfer_ring_ms, parameters.transfer_talk_ms),
    ):
        there = outcomes.reasons[:, slot] >= 0
        picked = there & answered[:, slot]
        _set_where(times.start, slot, there, cursor)
        _set_where(times.connect, slot, picked, cursor + ring)
        cursor = cursor + np.where(there, ring + np.where(picked, length, 0), 0).astype(np.int32)
        _set_where(times.end, slot, there, cursor)
    return cursor


def _place_parallel_and_coach(
    outcomes: CallOutcomes, parameters: CallParameters, times: _LegTimes
) -> None:
    for slot in (PARALLEL, PARALLEL + 1):
        there = outcomes.reasons[:, slot] >= 0
        _set_where(times.start, slot, there, times.start[:, ANSWER])
        _set_where(times.end, slot, there, times.connect[:, ANSWER])
    there = outcomes.reasons[:, COACH] >= 0
    answer, end = times.connect[:, ANSWER], times.end[:, ANSWER]
    begins = answer + np.minimum(parameters.coach_delay_ms, (end - answer) // 2)
    _set_where(times.start, COACH, there, begins)
    _set_where(times.connect, COACH, there, np.minimum(begins + 300, end))
    _set_where(times.end, COACH, there, end)


def _place_first_leg(
    outcomes: CallOutcomes,
    parameters: CallParameters,
    answered: BoolColumn,
    incoming: BoolColumn,
    cursor: IntColumn,
    times: _LegTimes,
) -> None:
    """The first leg spans its session; it is connected when somebody or something answers."""
    there = outcomes.reasons[:, FIRST] >= 0
    alone = (outcomes.reasons >= 0).sum(axis=1) == 1
    start = parameters.start.astype(np.int32)
    spoken = times.connect[:, ANSWER] >= 0
    dialled = (outcomes.kind == CallKind.AUTO) & ~alone
    _set_where(times.start, FIRST, there, start)
    connect = np.where(incoming, times.connect[:, ANSWER], times.connect[:, REMOTE])
    connect = np.where(dialled, start + parameters.ring_ms, connect)
    by_platform = incoming & answered[:, FIRST] & ~spoken & ~dialled
    connect = np.where(by_platform, start + np.minimum(parameters.ivr_ms, 1500), connect)
    end = np.where(incoming, cursor + parameters.after_talk_ms, times.end[:, REMOTE])
    end = np.where(alone, np.maximum(connect, start) + parameters.attempt_ms[:, 0], end)
    _set_where(times.connect, FIRST, there, connect)
    _set_where(times.end, FIRST, there, end)


def _build_columns(
    day: int,
    outcomes: CallOutcomes,
    parameters: CallParameters,
    present: BoolColumn,
    times: _LegTimes,
) -> DayColumns:
    legs, slot = _build_legs(outcomes, parameters, present, times)
    return DayColumns(
        day,
        _build_calls(outcomes, parameters, present, times, legs, slot),
        legs,
        parameters.day_offset,
    )


def _build_legs(
    outcomes: CallOutcomes, parameters: CallParameters, present: BoolColumn, times: _LegTimes
) -> tuple[LegColumns, IntColumn]:
    """The legs in rows, and the slot each came from."""
    call, slot = np.nonzero(present)
    reason = outcomes.reasons[call, slot]
    start, connect, end = (m[call, slot] for m in (times.start, times.connect, times.end))
    role = _leg_roles(outcomes.kind[call], slot)
    asked = np.where(role == LegRole.SUBSCRIBER, -1, parameters.operators[call, slot]).astype(
        np.int16
    )
    operator = np.where(reasons.WITHOUT_EMPLOYEE[reason], -1, asked).astype(np.int16)
    by_person = (connect >= 0) & (role != LegRole.SUBSCRIBER)
    met = np.bincount(call[by_person], minlength=len(outcomes.kind)) > 0
    talked = np.where(role == LegRole.SUBSCRIBER, (connect >= 0) & met[call], by_person)
    rated = talked & ((slot == ANSWER) | (role == LegRole.INITIATOR))
    released = _released_by(
        reason, role, outcomes.kind[call], connect, parameters.released_by_platform[call]
    )
    legs = LegColumns(
        row=(parameters.first_leg_row + _rows_by_day(call, parameters.day_offset)).astype(np.int32),
        call=call.astype(np.int32),
        role=role.astype(np.int8),
        intended_operator=asked,
        operator=operator,
        start=start,
        connect=connect,
        end=end,
        reason=reason.astype(np.int8),
        rang=_legs_that_rang(reason, role, connect, outcomes, call),
        talked=talked,
        released_by=released.astype(np.int8),
        rating=np.where(rated, parameters.rating[call], 0).astype(np.int8),
        fax=np.where((slot == ANSWER) & (connect >= 0), parameters.fax[call], 0).astype(np.int8),
    )
    return legs, slot


def _rows_by_day(call: IntColumn, day_offset: IntColumn | None) -> IntColumn:
    """Each leg's place among the legs of its day."""
    place = np.arange(len(call))
    if day_offset is None or not len(call):
        return place
    day = day_offset[call]
    first = np.searchsorted(day, np.arange(day[-1] + 1))
    rows: IntColumn = place - first[day]
    return rows


def _build_calls(
    outcomes: CallOutcomes,
    parameters: CallParameters,
    present: BoolColumn,
    times: _LegTimes,
    legs: LegColumns,
    slot: IntColumn,
) -> CallColumns:
    """The calls in rows: what their legs amount to."""
    direct = (outcomes.kind == CallKind.OUTGOING) | (outcomes.kind == CallKind.INTERNAL)
    spoken = (legs.connect >= 0) & (legs.role != LegRole.SUBSCRIBER) & (legs.role != LegRole.COACH)
    length, never = len(outcomes.kind), np.iinfo(np.int32).max
    first_answer = np.full(length, never, np.int32)
    np.minimum.at(first_answer, legs.call, np.where(spoken, legs.connect, never))
    first_answer[first_answer == never] = -1
    once = spoken & ~(direct[legs.call] & (slot == REMOTE))
    talk = np.where(once, legs.end - legs.connect, 0)
    counts = present.sum(axis=1)
    return CallColumns(
        row=parameters.row.astype(np.int32),
        start=parameters.start.astype(np.int32),
        end=times.end.max(axis=1, initial=-1).astype(np.int32),
        kind=outcomes.kind.astype(np.int8),
        reason=outcomes.reasons[:, FIRST].astype(np.int8),
        user=parameters.user.astype(np.int32),
        vendor=parameters.vendor.astype(np.int16),
        phone=parameters.phone.astype(np.int64),
        line=parameters.line.astype(np.int16),
        called_operator=np.where(
            outcomes.kind == CallKind.INTERNAL, parameters.operators[:, REMOTE], -1
        ).astype(np.int16),
        answered=first_answer,
        talk=np.bincount(legs.call, weights=talk, minlength=length).astype(np.int32),
        first_leg=(np.cumsum(counts) - counts).astype(np.int32),
        leg_count=counts.astype(np.int16),
        recorded=parameters.recorded & (first_answer >= 0),
    )


def _leg_roles(kind: IntColumn, slot: IntColumn) -> IntColumn:
    direct = (kind == CallKind.OUTGOING) | (kind == CallKind.INTERNAL)
    role = np.full(len(slot), LegRole.OPERATOR, np.int8)
    role[slot == FIRST] = LegRole.SUBSCRIBER
    role[(slot == FIRST) & direct] = LegRole.INITIATOR
    role[(slot == REMOTE) & (kind == CallKind.OUTGOING)] = LegRole.SUBSCRIBER
    role[slot == TRANSFER] = LegRole.TRANSFER
    role[slot == COACH] = LegRole.COACH
    return role


def _legs_that_rang(
    reason: IntColumn, role: IntColumn, connect: IntColumn, outcomes: CallOutcomes, call: IntColumn
) -> BoolColumn:
    """A phone rang when it was picked up, when the reason says so, or when the caller gave up."""
    hung_up = (reason == reasons.INDEX["subscriber_disconnects"]) & (role != LegRole.SUBSCRIBER)
    own = reasons.RANG[reason] | (connect >= 0) | hung_up
    far = outcomes.reasons[call, REMOTE]
    dialled = (role == LegRole.INITIATOR) & (far >= 0)
    far_rang = reasons.RANG[far] | (far == reasons.INDEX["subscriber_disconnects"])
    rang: BoolColumn = np.where(role == LegRole.INITIATOR, dialled & far_rang, own)
    return rang


def _released_by(
    reason: IntColumn, role: IntColumn, kind: IntColumn, connect: IntColumn, system: BoolColumn
) -> IntColumn:
    """Who released, as the workplace shows it: A called, B was called.

    The subscriber is A, and the operator B, unless the operator dialled him. The platform releases
    whatever was not answered, and legs that a transfer or a scenario ends.
    """
    caller = reason == reasons.INDEX["subscriber_disconnects"]
    callee = reason == reasons.INDEX["operator_disconnects"]
    dials = (role == LegRole.INITIATOR) & (kind == CallKind.OUTGOING)
    by = np.where(caller, ReleasedBy.A, np.where(callee, ReleasedBy.B, ReleasedBy.SYSTEM))
    by = np.where(dials & caller, ReleasedBy.B, np.where(dials & callee, ReleasedBy.A, by))
    return np.where((connect < 0) | (system & ~dials), ReleasedBy.SYSTEM, by)


def _set_where(matrix: IntMatrix, slot: int, mask: BoolColumn, values: IntColumn) -> None:
    matrix[:, slot] = np.where(mask, values, matrix[:, slot])
