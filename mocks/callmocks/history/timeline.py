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
from callmocks.history.columns import Calls, Column, Day, Flags, Kind, Legs, ReleasedBy, Role

Matrix = NDArray[np.integer]

ATTEMPTS = 16
"""Attempts a call can have before it is answered or given up."""
FIRST, FAR, ATTEMPT = 0, 1, 2
BESIDE = ATTEMPT + ATTEMPTS
ANSWER, TRANSFER, COACH = BESIDE + 2, BESIDE + 3, BESIDE + 4
SLOTS = COACH + 1
"""Places for legs in a call, in the order of their rows."""

_LATEST_TRANSFER_MS = 1_500_000
"""A talk is handed over within 25 minutes, so that no leg begins on another day than its call."""


@dataclass(slots=True)
class Plan:
    """What happens. ``reasons[call, slot]`` is the leg's finish reason, -1 where there is none."""

    kind: Column
    reasons: Matrix

    @classmethod
    def blank(cls, calls: int) -> "Plan":
        """Incoming calls without any leg."""
        return cls(np.zeros(calls, np.int8), np.full((calls, SLOTS), -1, np.int16, order="F"))


@dataclass(slots=True)
class Choices:
    """Who takes part and how long everything takes, in milliseconds."""

    row: Column
    start: Column
    operators: Matrix
    """Index of the operator for each slot; -1 on a subscriber's leg."""
    user: Column
    vendor: Column
    phone: Column
    line: Column
    ivr: Column
    """From the call's start to its first attempt."""
    attempt: Matrix
    """Length of each attempt, ``[call, ATTEMPTS]``."""
    ring: Column
    """From the attempt's start to the answer; of an unanswered far leg, its whole length."""
    talk: Column
    transfer_ring: Column
    transfer_talk: Column
    coach_after: Column
    """From the answer to the coach's first listening."""
    after: Column
    """The scenario goes on with the subscriber after the operators."""
    recorded: Flags
    rating: Column
    system: Flags
    """The platform, not the person, is noted as the one who released."""
    fax: Column
    leg_row: int = 0
    """Row of the first leg."""
    later: Column | None = None
    """Days after the first on which each call begins, ascending; None: all on the first."""


@dataclass(slots=True)
class _Times:
    start: Matrix
    connect: Matrix
    end: Matrix


def lay_out(day: int, plan: Plan, choices: Choices) -> Day:
    """Calls and legs of a day (or of several in a row), in the order of the choices' rows."""
    present = plan.reasons >= 0
    answered = _answers(plan)
    times = _Times(*(np.full(plan.reasons.shape, -1, np.int32, order="F") for _ in range(3)))
    incoming = (plan.kind == Kind.INCOMING) | (plan.kind == Kind.AUTO)
    cursor = _first_steps(plan, choices, answered, times)
    cursor = _attempts(plan, choices, cursor, times)
    cursor = _answer_and_transfer(plan, choices, answered, cursor, times)
    _beside_and_coach(plan, choices, times)
    _first_leg(plan, choices, answered, incoming, cursor, times)
    return _columns(day, plan, choices, present, times)


def _answers(plan: Plan) -> Flags:
    """Which slots' legs are picked up: by their reason, or by their place."""
    picked = reasons.ANSWERED[plan.reasons] & (plan.reasons >= 0)
    hung_up = plan.reasons == reasons.INDEX["subscriber_disconnects"]
    for slot in (ANSWER, TRANSFER, COACH):
        picked[:, slot] |= hung_up[:, slot]
    far = hung_up[:, FAR] | picked[:, FAR]
    picked[:, FAR] = far
    direct = (plan.kind == Kind.OUTGOING) | (plan.kind == Kind.INTERNAL)
    picked[:, FIRST] = np.where(direct, far, picked[:, FIRST])
    return picked


def _first_steps(plan: Plan, choices: Choices, answered: Flags, times: _Times) -> Column:
    """The far leg of a direct call, and where the first attempt would begin."""
    start = choices.start.astype(np.int32)
    far = plan.reasons[:, FAR] >= 0
    begins = start + np.minimum(choices.ivr, 2000)
    picked = begins + choices.ring
    _set(times.start, FAR, far, begins)
    _set(times.connect, FAR, far & answered[:, FAR], picked)
    _set(times.end, FAR, far, picked + np.where(answered[:, FAR], choices.talk, 0))
    dialled = np.where(plan.kind == Kind.AUTO, choices.ring, 0)
    return (start + dialled + choices.ivr).astype(np.int32)


def _attempts(plan: Plan, choices: Choices, cursor: Column, times: _Times) -> Column:
    for number in range(ATTEMPTS):
        slot = ATTEMPT + number
        there = plan.reasons[:, slot] >= 0
        if not there.any():
            continue
        _set(times.start, slot, there, cursor)
        cursor = cursor + np.where(there, choices.attempt[:, number], 0).astype(np.int32)
        _set(times.end, slot, there, cursor)
    return cursor


def _answer_and_transfer(
    plan: Plan, choices: Choices, answered: Flags, cursor: Column, times: _Times
) -> Column:
    handed_over = plan.reasons[:, TRANSFER] >= 0
    talk = np.where(handed_over, np.minimum(choices.talk, _LATEST_TRANSFER_MS), choices.talk)
    for slot, ring, length in (
        (ANSWER, choices.ring, talk),
        (TRANSFER, choices.transfer_ring, choices.transfer_talk),
    ):
        there = plan.reasons[:, slot] >= 0
        picked = there & answered[:, slot]
        _set(times.start, slot, there, cursor)
        _set(times.connect, slot, picked, cursor + ring)
        cursor = cursor + np.where(there, ring + np.where(picked, length, 0), 0).astype(np.int32)
        _set(times.end, slot, there, cursor)
    return cursor


def _beside_and_coach(plan: Plan, choices: Choices, times: _Times) -> None:
    for slot in (BESIDE, BESIDE + 1):
        there = plan.reasons[:, slot] >= 0
        _set(times.start, slot, there, times.start[:, ANSWER])
        _set(times.end, slot, there, times.connect[:, ANSWER])
    there = plan.reasons[:, COACH] >= 0
    answer, end = times.connect[:, ANSWER], times.end[:, ANSWER]
    begins = answer + np.minimum(choices.coach_after, (end - answer) // 2)
    _set(times.start, COACH, there, begins)
    _set(times.connect, COACH, there, np.minimum(begins + 300, end))
    _set(times.end, COACH, there, end)


def _first_leg(
    plan: Plan,
    choices: Choices,
    answered: Flags,
    incoming: Flags,
    cursor: Column,
    times: _Times,
) -> None:
    """The first leg spans its session; it is connected when somebody or something answers."""
    there = plan.reasons[:, FIRST] >= 0
    alone = (plan.reasons >= 0).sum(axis=1) == 1
    start = choices.start.astype(np.int32)
    spoken = times.connect[:, ANSWER] >= 0
    dialled = (plan.kind == Kind.AUTO) & ~alone
    _set(times.start, FIRST, there, start)
    connect = np.where(incoming, times.connect[:, ANSWER], times.connect[:, FAR])
    connect = np.where(dialled, start + choices.ring, connect)
    by_platform = incoming & answered[:, FIRST] & ~spoken & ~dialled
    connect = np.where(by_platform, start + np.minimum(choices.ivr, 1500), connect)
    end = np.where(incoming, cursor + choices.after, times.end[:, FAR])
    end = np.where(alone, np.maximum(connect, start) + choices.attempt[:, 0], end)
    _set(times.connect, FIRST, there, connect)
    _set(times.end, FIRST, there, end)


def _columns(day: int, plan: Plan, choices: Choices, present: Flags, times: _Times) -> Day:
    legs, slot = _legs(plan, choices, present, times)
    return Day(day, _calls(plan, choices, present, times, legs, slot), legs, choices.later)


def _legs(plan: Plan, choices: Choices, present: Flags, times: _Times) -> tuple[Legs, Column]:
    """The legs in rows, and the slot each came from."""
    call, slot = np.nonzero(present)
    reason = plan.reasons[call, slot]
    start, connect, end = (m[call, slot] for m in (times.start, times.connect, times.end))
    role = _roles(plan.kind[call], slot)
    asked = np.where(role == Role.SUBSCRIBER, -1, choices.operators[call, slot]).astype(np.int16)
    operator = np.where(reasons.WITHOUT_EMPLOYEE[reason], -1, asked).astype(np.int16)
    by_person = (connect >= 0) & (role != Role.SUBSCRIBER)
    met = np.bincount(call[by_person], minlength=len(plan.kind)) > 0
    talked = np.where(role == Role.SUBSCRIBER, (connect >= 0) & met[call], by_person)
    rated = talked & ((slot == ANSWER) | (role == Role.INITIATOR))
    released = _released_by(reason, role, plan.kind[call], connect, choices.system[call])
    legs = Legs(
        row=(choices.leg_row + _rows(call, choices.later)).astype(np.int32),
        call=call.astype(np.int32),
        role=role.astype(np.int8),
        asked=asked,
        operator=operator,
        start=start,
        connect=connect,
        end=end,
        reason=reason.astype(np.int8),
        rang=_rang(reason, role, connect, plan, call),
        talked=talked,
        released_by=released.astype(np.int8),
        rating=np.where(rated, choices.rating[call], 0).astype(np.int8),
        fax=np.where((slot == ANSWER) & (connect >= 0), choices.fax[call], 0).astype(np.int8),
    )
    return legs, slot


def _rows(call: Column, later: Column | None) -> Column:
    """Each leg's place among the legs of its day."""
    place = np.arange(len(call))
    if later is None or not len(call):
        return place
    day = later[call]
    first = np.searchsorted(day, np.arange(day[-1] + 1))
    rows: Column = place - first[day]
    return rows


def _calls(
    plan: Plan, choices: Choices, present: Flags, times: _Times, legs: Legs, slot: Column
) -> Calls:
    """The calls in rows: what their legs amount to."""
    direct = (plan.kind == Kind.OUTGOING) | (plan.kind == Kind.INTERNAL)
    spoken = (legs.connect >= 0) & (legs.role != Role.SUBSCRIBER) & (legs.role != Role.COACH)
    length, never = len(plan.kind), np.iinfo(np.int32).max
    first_answer = np.full(length, never, np.int32)
    np.minimum.at(first_answer, legs.call, np.where(spoken, legs.connect, never))
    first_answer[first_answer == never] = -1
    once = spoken & ~(direct[legs.call] & (slot == FAR))
    talk = np.where(once, legs.end - legs.connect, 0)
    counts = present.sum(axis=1)
    return Calls(
        row=choices.row.astype(np.int32),
        start=choices.start.astype(np.int32),
        end=times.end.max(axis=1, initial=-1).astype(np.int32),
        kind=plan.kind.astype(np.int8),
        reason=plan.reasons[:, FIRST].astype(np.int8),
        user=choices.user.astype(np.int32),
        vendor=choices.vendor.astype(np.int16),
        phone=choices.phone.astype(np.int64),
        line=choices.line.astype(np.int16),
        peer=np.where(plan.kind == Kind.INTERNAL, choices.operators[:, FAR], -1).astype(np.int16),
        answered=first_answer,
        talk=np.bincount(legs.call, weights=talk, minlength=length).astype(np.int32),
        first_leg=(np.cumsum(counts) - counts).astype(np.int32),
        legs=counts.astype(np.int16),
        recorded=choices.recorded & (first_answer >= 0),
    )


def _roles(kind: Column, slot: Column) -> Column:
    direct = (kind == Kind.OUTGOING) | (kind == Kind.INTERNAL)
    role = np.full(len(slot), Role.OPERATOR, np.int8)
    role[slot == FIRST] = Role.SUBSCRIBER
    role[(slot == FIRST) & direct] = Role.INITIATOR
    role[(slot == FAR) & (kind == Kind.OUTGOING)] = Role.SUBSCRIBER
    role[slot == TRANSFER] = Role.TRANSFER
    role[slot == COACH] = Role.COACH
    return role


def _rang(reason: Column, role: Column, connect: Column, plan: Plan, call: Column) -> Flags:
    """A phone rang when it was picked up, when the reason says so, or when the caller gave up."""
    hung_up = (reason == reasons.INDEX["subscriber_disconnects"]) & (role != Role.SUBSCRIBER)
    own = reasons.RANG[reason] | (connect >= 0) | hung_up
    far = plan.reasons[call, FAR]
    dialled = (role == Role.INITIATOR) & (far >= 0)
    far_rang = reasons.RANG[far] | (far == reasons.INDEX["subscriber_disconnects"])
    rang: Flags = np.where(role == Role.INITIATOR, dialled & far_rang, own)
    return rang


def _released_by(
    reason: Column, role: Column, kind: Column, connect: Column, system: Flags
) -> Column:
    """Who released, as the workplace shows it: A called, B was called.

    The subscriber is A, and the operator B, unless the operator dialled him. The platform releases
    whatever was not answered, and legs that a transfer or a scenario ends.
    """
    caller = reason == reasons.INDEX["subscriber_disconnects"]
    callee = reason == reasons.INDEX["operator_disconnects"]
    dials = (role == Role.INITIATOR) & (kind == Kind.OUTGOING)
    by = np.where(caller, ReleasedBy.A, np.where(callee, ReleasedBy.B, ReleasedBy.SYSTEM))
    by = np.where(dials & caller, ReleasedBy.B, np.where(dials & callee, ReleasedBy.A, by))
    return np.where((connect < 0) | (system & ~dials), ReleasedBy.SYSTEM, by)


def _set(matrix: Matrix, slot: int, where: Flags, values: Column) -> None:
    matrix[:, slot] = np.where(where, values, matrix[:, slot])
