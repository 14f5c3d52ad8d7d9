"""The 64 finish reasons, read from the contract's tables.

A reason is an index into ``NAMES``, the order of ``schemas/cdr/finish_reasons.csv``. What a leg
that ended so must look like is in ``schemas/cdr/reason_agreement.csv``.
"""

from functools import cache

import numpy as np

from callmocks.contract.resources import load_table

_TABLE = load_table("cdr/finish_reasons.csv")
AGREEMENT = {row["finish_reason"]: row for row in load_table("cdr/reason_agreement.csv")}

NAMES: tuple[str, ...] = tuple(row["finish_reason"] for row in _TABLE)
DESCRIPTIONS: tuple[str, ...] = tuple(row["description_ru"] for row in _TABLE)
INDEX: dict[str, int] = {name: index for index, name in enumerate(NAMES)}
SUBSCRIBER_HUNG_UP = INDEX["subscriber_disconnects"]
OPERATOR_HUNG_UP = INDEX["operator_disconnects"]
ENDED_BY_PLATFORM = tuple(
    INDEX[name]
    for name in (
        "fax_session_done",
        "incorrect_input",
        "max_transition_count_exceeded",
        "action_interval_exceeded",
    )
)


def _agreement_flags(name: str, value: str) -> np.ndarray:
    return np.array([AGREEMENT[reason][name] == value for reason in NAMES])


RANG = _agreement_flags("rang", "yes")  # whether it was picked up or not
ANSWERED = _agreement_flags("answered", "yes")
TALKED = _agreement_flags("talked", "yes")
WITHOUT_EMPLOYEE = _agreement_flags("employee", "no")
CAUSE = np.array([int(AGREEMENT[reason]["cause"]) for reason in NAMES], dtype=np.int16)
CAUSE_TEXT = {int(row["code"]): row["description"] for row in load_table("cdr/release_causes.csv")}


@cache
def membership_table(reasons: tuple[int, ...]) -> np.ndarray:
    """By reason; False for -1, which is none."""
    table = np.zeros(len(NAMES) + 1, np.bool_)
    table[list(reasons)] = True
    return table


@cache
def reasons_at(place: str, leg: str) -> tuple[int, ...]:
    """Reasons that a leg of that kind can have at a place: ``alone``, ``attempt``, ``beside``, …"""
    return tuple(
        index
        for index, name in enumerate(NAMES)
        if AGREEMENT[name]["place"] == place and leg in AGREEMENT[name]["legs"].split("|")
    )


def allowed_leg_kinds(reason: int) -> tuple[str, ...]:
    return tuple(AGREEMENT[NAMES[reason]]["legs"].split("|"))
