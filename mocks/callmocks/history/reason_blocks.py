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
from callmocks.history.columns import Column, Kind
from callmocks.history.generator import Raw, below
from callmocks.history.timeline import ANSWER, ATTEMPT, BESIDE, FIRST, TRANSFER, Choices, Plan

CALLS = 29
FIRST_MS, LAST_MS = 5 * 3_600_000, 21 * 3_600_000
"""The hours that no change of clocks touches on any day of the week."""
_TOGETHER = 4
_R = reasons.INDEX
_PLACED = (
    {
        FIRST: "subscriber_disconnects",
        ANSWER: "transfer_disconnects",
        TRANSFER: "operator_not_responsible",
    },
    {
        FIRST: "incorrect_input",
        BESIDE: "another_operator_answer",
        BESIDE + 1: "operator_answer",
        ANSWER: "scenario_disconnects",
    },
    {FIRST: "action_interval_exceeded"},
    {FIRST: "max_transition_count_exceeded", ANSWER: "operator_disconnects"},
)
_ATTEMPTS = (7, 7, 8, 7)
_START, _SHUFFLE = 0, 1


def plan(raw: Raw) -> tuple[Plan, Column]:
    """What happens in each call of whole blocks, and its start in the day, both by start."""
    blocks = len(raw) // CALLS
    slot = (LAST_MS - FIRST_MS) // max(blocks, 1)
    number = np.arange(len(raw))
    block, place = number // CALLS, number % CALLS
    within = np.where(
        place < _TOGETHER, below(raw[:, _START], slot // 16), below(raw[:, _START], slot)
    )
    start = FIRST_MS + block * slot + within
    made = Plan.blank(len(raw))
    for each in range(blocks):
        _fill(made, each * CALLS, raw[each * CALLS : (each + 1) * CALLS, _SHUFFLE])
    order = np.argsort(start, kind="stable")
    made.kind, made.reasons = made.kind[order], made.reasons[order]
    return made, start[order]


def hasten(choices: Choices, blocks: int) -> None:
    """Shorten what comes before a call's last leg, so that the leg still begins in its block."""
    slot = (LAST_MS - FIRST_MS) // max(blocks, 1)
    choices.ivr = np.minimum(choices.ivr, slot // 32)
    choices.ring = np.minimum(choices.ring, slot // 8)
    choices.talk = np.minimum(choices.talk, slot // 4)
    choices.attempt = np.minimum(choices.attempt, slot // 4)


def _fill(made: Plan, begin: int, shuffle: Raw) -> None:
    """One block: four calls with company, then the reasons that stand alone."""
    attempts = np.array(
        [r for r in reasons.of_place("attempt", "operator") if r != _R["operator_not_responsible"]]
    )
    attempts = attempts[np.argsort(np.resize(shuffle, len(attempts)) * _ODD[: len(attempts)])]
    dealt = 0
    for call, (placed, count) in enumerate(zip(_PLACED, _ATTEMPTS, strict=True)):
        row = made.reasons[begin + call]
        for slot, name in placed.items():
            row[slot] = _R[name]
        row[ATTEMPT : ATTEMPT + count] = attempts[dealt : dealt + count]
        dealt += count
    alone = [
        *((reason, Kind.INCOMING) for reason in reasons.of_place("alone", "subscriber")),
        *((reason, Kind.OUTGOING) for reason in reasons.of_place("alone", "initiator")),
        *((reason, Kind.AUTO) for reason in reasons.of_place("attempt", "subscriber")),
        (_R["fax_session_done"], Kind.INCOMING),
    ]
    order = np.argsort(shuffle[_TOGETHER:], kind="stable")
    for (reason, kind), place in zip(alone, order, strict=True):
        made.reasons[begin + _TOGETHER + place, FIRST] = reason
        inside = reasons.NAMES[reason].startswith("internal_call")
        made.kind[begin + _TOGETHER + place] = Kind.INTERNAL if inside else kind


_ODD = np.arange(1, 2 * 64, 2, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
