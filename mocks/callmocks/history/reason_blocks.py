"""The plan ``finish-reasons``: the day is made of blocks of 29 calls and 64 legs, each reason once.

Blocks never interleave, so every aligned run of 64 legs, in order of start, holds all 64 reasons.
Twenty-five calls have a single leg. Four have the reasons that need other legs::

    subscriber_disconnects         7 attempts, transfer_disconnects, operator_not_responsible
    incorrect_input                7 attempts, two parallel phones, scenario_disconnects
    action_interval_exceeded       8 attempts, no answer
    max_transition_count_exceeded  7 attempts, operator_disconnects
"""

import numpy as np

from callmocks.history import reasons
from callmocks.history.columns import CallKind, IntColumn
from callmocks.history.generator import RawNumbers, integers_below
from callmocks.history.timeline import CallOutcomes, CallParameters, Slot

BLOCK_CALLS = 29
# The hours that no change of clocks touches on any day of the week.
FIRST_MS, LAST_MS = 5 * 3_600_000, 21 * 3_600_000
# Attempts of each call, and its other reasons by slot.
_MULTI_LEG_CALLS: tuple[tuple[int, dict[int, str]], ...] = (
    (
        7,
        {
            Slot.FIRST: "subscriber_disconnects",
            Slot.ANSWER: "transfer_disconnects",
            Slot.TRANSFER: "operator_not_responsible",
        },
    ),
    (
        7,
        {
            Slot.FIRST: "incorrect_input",
            Slot.PARALLEL: "another_operator_answer",
            Slot.PARALLEL + 1: "operator_answer",
            Slot.ANSWER: "scenario_disconnects",
        },
    ),
    (8, {Slot.FIRST: "action_interval_exceeded"}),
    (7, {Slot.FIRST: "max_transition_count_exceeded", Slot.ANSWER: "operator_disconnects"}),
)
_START, _SHUFFLE = 0, 1
_ODD_MULTIPLIERS = np.arange(1, 2 * 64, 2, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)


def draw_outcomes(raw: RawNumbers) -> tuple[CallOutcomes, IntColumn]:
    block_ms = _block_length(len(raw) // BLOCK_CALLS)
    number = np.arange(len(raw))
    block, position = number // BLOCK_CALLS, number % BLOCK_CALLS
    window = np.where(position < len(_MULTI_LEG_CALLS), block_ms // 16, block_ms)
    delay = integers_below(raw[:, _START], window)
    start = FIRST_MS + block * block_ms + delay
    outcomes = CallOutcomes.without_legs(len(raw))
    for first_call in range(0, len(raw), BLOCK_CALLS):
        _fill_block(outcomes, first_call, raw[first_call : first_call + BLOCK_CALLS, _SHUFFLE])
    order = np.argsort(start, kind="stable")
    outcomes.kind, outcomes.reasons = outcomes.kind[order], outcomes.reasons[order]
    return outcomes, start[order]


def compress_to_block(parameters: CallParameters, block_count: int) -> None:
    """Shorten what comes before a call's last leg, so that the leg still begins in its block."""
    block_ms = _block_length(block_count)
    parameters.ivr_ms = np.minimum(parameters.ivr_ms, block_ms // 32)
    parameters.ring_ms = np.minimum(parameters.ring_ms, block_ms // 8)
    parameters.talk_ms = np.minimum(parameters.talk_ms, block_ms // 4)
    parameters.attempt_ms = np.minimum(parameters.attempt_ms, block_ms // 4)


def _block_length(block_count: int) -> int:
    return (LAST_MS - FIRST_MS) // max(block_count, 1)


def _fill_block(outcomes: CallOutcomes, first_call: int, shuffle: RawNumbers) -> None:
    """Four multi-leg calls, then one single-leg call per remaining reason."""
    elsewhere = reasons.INDEX["operator_not_responsible"]
    attempts = np.array([r for r in reasons.reasons_at("attempt", "operator") if r != elsewhere])
    order = np.argsort(np.resize(shuffle, len(attempts)) * _ODD_MULTIPLIERS[: len(attempts)])
    attempts = attempts[order]
    for call, (count, names) in enumerate(_MULTI_LEG_CALLS, first_call):
        for slot, name in names.items():
            outcomes.reasons[call, slot] = reasons.INDEX[name]
        outcomes.reasons[call, Slot.ATTEMPT : Slot.ATTEMPT + count] = attempts[:count]
        attempts = attempts[count:]
    single = [
        *((reason, CallKind.INCOMING) for reason in reasons.reasons_at("alone", "subscriber")),
        *((reason, CallKind.OUTGOING) for reason in reasons.reasons_at("alone", "initiator")),
        *((reason, CallKind.AUTO) for reason in reasons.reasons_at("attempt", "subscriber")),
        (reasons.INDEX["fax_session_done"], CallKind.INCOMING),
    ]
    order = np.argsort(shuffle[len(_MULTI_LEG_CALLS) :], kind="stable")
    for (reason, kind), position in zip(single, order, strict=True):
        call = first_call + len(_MULTI_LEG_CALLS) + position
        outcomes.reasons[call, Slot.FIRST] = reason
        internal = reasons.NAMES[reason].startswith("internal_call")
        outcomes.kind[call] = CallKind.INTERNAL if internal else kind
