"""From a resolved pin to its call: what the pin fixes, over what is drawn for the rest."""

import numpy as np

from callmocks.history import reasons
from callmocks.history.call_parameters import (
    draw_lengths_of_outcomes,
    draw_operators,
    draw_parameters,
    draw_parties,
)
from callmocks.history.columns import BoolColumn, CallKind, DayColumns
from callmocks.history.directory import Directory
from callmocks.history.generated_days import GeneratedDays
from callmocks.history.generator import Generator
from callmocks.history.pin_legs import GivenCall, build_given_call
from callmocks.history.pin_resolution import ResolvedPin
from callmocks.history.raw_columns import RAW_COLUMNS
from callmocks.history.timeline import CallOutcomes, CallParameters, Slot, build_timeline
from callmocks.history.walltime import day_of, day_start

_STREAM = 5
_OPERATOR_ANSWERS = reasons.INDEX["operator_answer"]


def build_pinned_call(
    generator: Generator, pin: ResolvedPin, row: int, first_leg_row: int, generated: GeneratedDays
) -> DayColumns:
    day, directory = day_of(pin.start_ms), generated.directory
    if pin.legs:
        start_ms, recorded = pin.start_ms - day_start(day), bool(pin.call.recorded)
        parties = pin.user, max(pin.phone, 0), pin.line, pin.to_operator
        given = GivenCall(pin.kind, start_ms, *parties, recorded, pin.session_reason)
        return build_given_call(day, given, pin.legs, row, first_leg_row)
    outcomes = CallOutcomes.without_legs(1)
    outcomes.kind[0] = pin.kind
    for slot, reason in pin.slots.items():
        outcomes.reasons[0, slot] = reason
    raw = generator.draw_raw(_STREAM, (day << 20) | row, RAW_COLUMNS).reshape(1, -1)
    start = np.array([pin.start_ms - day_start(day)])
    world = generated.world
    parameters = draw_parameters(raw, outcomes, world)
    draw_lengths_of_outcomes(parameters, raw, outcomes, world.waiting)
    employed = generated.find_employed(day)
    draw_operators(parameters, raw, outcomes, directory, employed)
    draw_parties(parameters, raw, outcomes, world.traffic, directory)
    parameters.start = start
    parameters.row, parameters.first_leg_row = np.array([row]), first_leg_row
    _set_operators(parameters, pin, outcomes, employed)
    _set_client(parameters, pin, directory)
    _set_fixed_values(parameters, pin, outcomes)
    return build_timeline(day, outcomes, parameters)


def _set_fixed_values(parameters: CallParameters, pin: ResolvedPin, outcomes: CallOutcomes) -> None:
    call = pin.call
    if pin.line >= 0:
        parameters.line[0] = pin.line
    if call.wait_seconds is not None:
        _distribute_wait(parameters, pin, outcomes, round(call.wait_seconds * 1000))
    for column, value, factor in (
        (parameters.talk_ms, call.talk_seconds, 1000),
        (parameters.transfer_talk_ms, call.transfer_talk_seconds, 1000),
        (parameters.recorded, call.recorded, 1),
        (parameters.rating, call.rating, 1),
    ):
        if value is not None:
            column[0] = round(value * factor)
    parameters.released_by_platform[0] = False


def _set_operators(
    parameters: CallParameters, pin: ResolvedPin, outcomes: CallOutcomes, employed: BoolColumn
) -> None:
    by_slot, named = parameters.operators[0], pin.named_operators
    others = [index for index in np.flatnonzero(employed).tolist() if index not in named]
    operator = pin.operator
    if operator < 0 and by_slot[Slot.FIRST] in named:
        operator = next(iter(others), operator)
    if operator >= 0:
        reached = pin.answered or pin.kind != CallKind.INCOMING
        for slot in (Slot.FIRST, Slot.ANSWER) if reached else (Slot.ATTEMPT,):
            by_slot[slot] = operator
    # Another telephone that rings: of who answers, or of a colleague.
    if outcomes.reasons[0, Slot.PARALLEL] == _OPERATOR_ANSWERS:
        by_slot[Slot.PARALLEL] = by_slot[Slot.ANSWER]
    elif by_slot[Slot.PARALLEL] == by_slot[Slot.ANSWER]:
        free = (index for index in others if index != by_slot[Slot.ANSWER])
        by_slot[Slot.PARALLEL] = next(free, by_slot[Slot.PARALLEL])
    for slot, operator in (
        (Slot.REMOTE, pin.to_operator),
        (Slot.TRANSFER, pin.transfer_to),
        (Slot.COACH, pin.coach),
    ):
        if operator >= 0:
            by_slot[slot] = operator
        elif by_slot[slot] in named or by_slot[slot] == by_slot[Slot.FIRST]:
            free = (index for index in others if index != by_slot[Slot.FIRST])
            by_slot[slot] = next(free, by_slot[slot])


def _set_client(parameters: CallParameters, pin: ResolvedPin, directory: Directory) -> None:
    call, internal = pin.call, pin.kind == CallKind.INTERNAL
    parameters.vendor[0] = max(int(parameters.vendor[0]), 0) if call.vendor else -1
    if call.anonymous or call.vendor or internal:
        parameters.user[0] = -1
    elif pin.user >= 0 or pin.phone >= 0:
        parameters.user[0] = pin.user
    if pin.phone >= 0:
        parameters.phone[0] = pin.phone
    elif not call.vendor and not internal:
        # A known user, so that the call is in all three views.
        if parameters.user[0] < 0:
            parameters.user[0] = int(parameters.phone[0]) % len(directory.users)
        parameters.phone[0] = int(directory.users[int(parameters.user[0])].phone)


def _distribute_wait(
    parameters: CallParameters, pin: ResolvedPin, outcomes: CallOutcomes, wait_ms: int
) -> None:
    if pin.kind in (CallKind.OUTGOING, CallKind.INTERNAL):
        parameters.ivr_ms[0], parameters.ring_ms[0] = 0, wait_ms
        return
    attempts = int((outcomes.reasons[0, Slot.ATTEMPT : Slot.PARALLEL] >= 0).sum())
    parts = attempts + (2 if pin.answered else 1)
    parameters.ivr_ms[0] = wait_ms // parts
    parameters.attempt_ms[0, :attempts] = wait_ms // parts
    last = wait_ms - (parts - 1) * (wait_ms // parts)
    (parameters.ring_ms if pin.answered else parameters.attempt_ms[0])[0] = last
