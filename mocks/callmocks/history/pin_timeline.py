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
from callmocks.history.pin_resolution import PinnedCall, ResolvedPin
from callmocks.history.raw_columns import RAW_COLUMNS
from callmocks.history.timeline import (
    MAX_MENU_MS,
    CallOutcomes,
    CallParameters,
    Slot,
    build_timeline,
)
from callmocks.history.walltime import DAY_MS, DAYS, day_of, day_start

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
    _set_operators(parameters, pin, employed)
    _set_client(parameters, pin, directory)
    _set_fixed_values(parameters, pin, outcomes)
    limit_ms = (DAYS - day) * DAY_MS
    while True:
        built = build_timeline(day, outcomes, parameters)
        if built.calls.end[0] < limit_ms or not _shorten(parameters, pin.call):
            return built


def _shorten(parameters: CallParameters, call: PinnedCall) -> bool:
    """Halve all times that are left open; False where they are 0 already."""
    times = [parameters.transfer_ring_ms, parameters.after_talk_ms]
    if call.wait_seconds is None:
        times += [parameters.ivr_ms, parameters.ring_ms, parameters.attempt_ms]
    times += [parameters.talk_ms] if call.talk_seconds is None else []
    times += [parameters.transfer_talk_ms] if call.transfer_talk_seconds is None else []
    changed = any(each.any() for each in times)
    for each in times:
        each //= 2
    return changed


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


def _set_operators(parameters: CallParameters, pin: ResolvedPin, employed: BoolColumn) -> None:
    by_slot, named = parameters.operators[0], pin.named_operators

    def replace(operator: int, taken: set[int]) -> int:
        others = (each for each in np.flatnonzero(employed).tolist() if each not in taken)
        return next(others, operator)

    operator = pin.operator
    if operator < 0 and (drawn := int(by_slot[Slot.FIRST])) in named:
        operator = replace(drawn, named)
    if operator >= 0:
        reached = pin.answered or pin.kind != CallKind.INCOMING
        for slot in (Slot.FIRST, Slot.ANSWER) if reached else (Slot.ATTEMPT,):
            by_slot[slot] = operator
    first = int(by_slot[Slot.FIRST])
    # Another telephone that rings: of who answers, or of a colleague.
    if Slot.PARALLEL in pin.slots:
        if pin.slots[Slot.PARALLEL] == _OPERATOR_ANSWERS:
            by_slot[Slot.PARALLEL] = first
        elif by_slot[Slot.PARALLEL] == first:
            by_slot[Slot.PARALLEL] = replace(first, named | {first})
    for slot, operator in (
        (Slot.REMOTE, pin.to_operator),
        (Slot.TRANSFER, pin.transfer_to),
        (Slot.COACH, pin.coach),
    ):
        if operator < 0:
            operator = int(by_slot[slot])
            if operator == first or operator in named:
                operator = replace(operator, named | {first})
        by_slot[slot] = operator


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
    attempt_ms = parameters.attempt_ms[0]
    if Slot.REMOTE in pin.slots:
        parameters.ivr_ms[0], parameters.ring_ms[0] = 0, wait_ms
        return
    if len(pin.slots) == 1:
        menu_ms = min(wait_ms, MAX_MENU_MS) if reasons.ANSWERED[pin.slots[Slot.FIRST]] else 0
        parameters.ivr_ms[0], attempt_ms[0] = menu_ms, wait_ms - menu_ms
        return
    attempts = int((outcomes.reasons[0, Slot.ATTEMPT : Slot.PARALLEL] >= 0).sum())
    # The platform's calls ring twice: at the client and at the operator.
    rings = 0 if not pin.answered else 2 if pin.kind == CallKind.AUTO else 1
    part_ms = wait_ms // (attempts + rings + 1)
    rest_ms = wait_ms - part_ms * (attempts + rings)
    parameters.ivr_ms[0], attempt_ms[:attempts], parameters.ring_ms[0] = part_ms, part_ms, part_ms
    last = (attempt_ms, parameters.ring_ms, parameters.ivr_ms)[rings]
    last[0] = rest_ms
