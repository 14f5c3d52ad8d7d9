"""The plan ``finish-reasons``: the day is made of blocks of 29 calls and 64 legs, each reason once.

Blocks never interleave, so every aligned run of 64 legs, in order of start, holds all 64 reasons.
Twenty-five calls have one leg alone. Four carry the reasons that need company::

    subscriber_disconnects         7 attempts, transfer_disconnects, operator_not_responsible
    incorrect_input                7 attempts, two phones beside, scenario_disconnects
    action_interval_exceeded       8 attempts, nobody answers
    max_transition_count_exceeded  7 attempts, operator_disconnects
"""

import numpy as np

from callmocks.history import reasons
from callmocks.history.columns import CallKind, IntColumn
from callmocks.history.generator import RawNumbers, integers_below
from callmocks.history.timeline import (
    ANSWER,
    ATTEMPT,
    FIRST,
    PARALLEL,
    TRANSFER,
    CallOutcomes,
    CallParameters,
)

BLOCK_CALLS = 29
FIRST_MS, LAST_MS = 5 * 3_600_000, 21 * 3_600_000
"""The hours that no change of clocks touches on any day of the week."""
_MULTI_LEG_CALLS = 4
_R = reasons.INDEX
_MULTI_LEG_REASONS = (
    {
        FIRST: "subscriber_disconnects",
        ANSWER: "transfer_disconnects",
        TRANSFER: "operator_not_responsible",
    },
    {
        FIRST: "incorrect_input",
        PARALLEL: "another_operator_answer",
        PARALLEL + 1: "operator_answer",
        ANSWER: "scenario_disconnects",
    },
    {FIRST: "action_interval_exceeded"},
    {FIRST: "max_transition_count_exceeded", ANSWER: "operator_disconnects"},
)
_ATTEMPTS = (7, 7, 8, 7)
_START, _SHUFFLE = 0, 1


def draw_outcomes(raw: RawNumbers) -> tuple[CallOutcomes, IntColumn]:
    """What happens in each call of whole blocks, and its start in the day, both by start."""
    blocks = len(raw) // BLOCK_CALLS
    slot = (LAST_MS - FIRST_MS) // max(blocks, 1)
    number = np.arange(len(raw))
    block, place = number // BLOCK_CALLS, number % BLOCK_CALLS
    within = np.where(
        place < _MULTI_LEG_CALLS,
        integers_below(raw[:, _START], slot // 16),
        integers_below(raw[:, _START], slot),
    )
    start = FIRST_MS + block * slot + within
    made = CallOutcomes.without_legs(len(raw))
    for each in range(blocks):
        _fill_block(
            made, each * BLOCK_CALLS, raw[each * BLOCK_CALLS : (each + 1) * BLOCK_CALLS, _SHUFFLE]
        )
    order = np.argsort(start, kind="stable")
    made.kind, made.reasons = made.kind[order], made.reasons[order]
    return made, start[order]


def compress_to_block(parameters: CallParameters, block_count: int) -> None:
    """Shorten what comes before a call's last leg, so that the leg still begins in its block."""
    slot = (LAST_MS - FIRST_MS) // max(block_count, 1)
    parameters.ivr_ms = np.minimum(parameters.ivr_ms, slot // 32)
    parameters.ring_ms = np.minimum(parameters.ring_ms, slot // 8)
    parameters.talk_ms = np.minimum(parameters.talk_ms, slot // 4)
    parameters.attempt_ms = np.minimum(parameters.attempt_ms, slot // 4)


def _fill_block(outcomes: CallOutcomes, first_call: int, shuffle: RawNumbers) -> None:
    """One block: four calls with company, then the reasons that stand alone."""
    attempts = np.array(
        [
            r
            for r in reasons.reasons_at("attempt", "operator")
            if r != _R["operator_not_responsible"]
        ]
    )
    attempts = attempts[
        np.argsort(np.resize(shuffle, len(attempts)) * _ODD_MULTIPLIERS[: len(attempts)])
    ]
    dealt = 0
    for call, (placed, count) in enumerate(zip(_MULTI_LEG_REASONS, _ATTEMPTS, strict=True)):
        row = outcomes.reasons[first_call + call]
        for slot, name in placed.items():
            row[slot] = _R[name]
        row[ATTEMPT : ATTEMPT + count] = attempts[dealt : dealt + count]
        dealt += count
    alone = [
        *((reason, CallKind.INCOMING) for reason in reasons.reasons_at("alone", "subscriber")),
        *((reason, CallKind.OUTGOING) for reason in reasons.reasons_at("alone", "initiator")),
        *((reason, CallKind.AUTO) for reason in reasons.reasons_at("attempt", "subscriber")),
        (_R["fax_session_done"], CallKind.INCOMING),
    ]
    order = np.argsort(shuffle[_MULTI_LEG_CALLS:], kind="stable")
    for (reason, kind), place in zip(alone, order, strict=True):
        outcomes.reasons[first_call + _MULTI_LEG_CALLS + place, FIRST] = reason
        inside = reasons.NAMES[reason].startswith("internal_call")
        outcomes.kind[first_call + _MULTI_LEG_CALLS + place] = CallKind.INTERNAL if inside else kind


_ODD_MULTIPLIERS = np.arange(1, 2 * 64, 2, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
