"""Finish reasons of sessions, by the outcomes of their calls (``schemas/cdr/session_*.csv``).

A call whose outcome has several reasons takes them in turn, in the order of the day's calls with
the same outcome, each day from another one on.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from callmocks.contract.resources import load_table
from callmocks.history import ids, reasons
from callmocks.history.columns import BoolColumn, CallKind, DayColumns, LegRole
from callmocks.history.reasons import OPERATOR_HUNG_UP, SUBSCRIBER_HUNG_UP

_TABLE = load_table("cdr/session_finish_reasons.csv")
_OUTCOMES = load_table("cdr/session_outcomes.csv")
# Reasons of legs are among them, so that a session can be shown with its first leg's.
NAMES = tuple(dict.fromkeys((*(row["finish_reason"] for row in _TABLE), *reasons.NAMES)))
INDEX = {name: index for index, name in enumerate(NAMES)}
_OF_LEG = np.array([INDEX[name] for name in reasons.NAMES], np.int16)
_PARALLEL = (reasons.INDEX["another_operator_answer"], reasons.INDEX["operator_answer"])
_SCENARIO_STARTED = reasons.INDEX["scenario_disconnects"]

Reasons = NDArray[np.integer]


def first_leg_reasons(day: DayColumns) -> Reasons:
    """Positions in ``NAMES``."""
    return _OF_LEG[day.calls.reason]


def find_session_reasons(day: DayColumns) -> Reasons:
    """Positions in ``NAMES``; a pinned call has the given reason, or the first of its outcome."""
    calls = day.calls
    outcomes = find_outcomes(day)
    bits = 1 << np.arange(len(_OUTCOMES))
    flags = sum((bit * outcomes[row["outcome"]] for bit, row in zip(bits, _OUTCOMES, strict=True)))
    codes, code = np.unique(calls.reason + (flags << 8), return_inverse=True)
    candidates = [_list_reasons(int(each) & 255, int(each) >> 8) for each in codes]
    sizes = np.array([len(each) for each in candidates], np.int64)
    table = np.zeros((len(codes), max(sizes, default=0)), np.int16)
    for row, each in zip(table, candidates, strict=True):
        row[: len(each)] = each
    turn = np.where(calls.row >= ids.PINNED_SESSION, 0, day.call_days + _count_before(day, code))
    return np.where(
        calls.session_reason >= 0, calls.session_reason, table[code, turn % sizes[code]]
    )


def find_outcomes(day: DayColumns) -> dict[str, BoolColumn]:
    """Of each call; several may hold of one."""
    calls, legs = day.calls, day.legs

    def any_leg(mask: BoolColumn) -> BoolColumn:
        return np.bincount(legs.call[mask], minlength=len(calls.row)) > 0

    operator_leg = (legs.role == LegRole.OPERATOR) | (legs.role == LegRole.TRANSFER)
    picked_up = operator_leg & (legs.connect >= 0)
    by_attempts = (calls.kind == CallKind.INCOMING) | (calls.kind == CallKind.AUTO)
    answered, hung_up = calls.answered >= 0, calls.reason == SUBSCRIBER_HUNG_UP
    tried = any_leg(operator_leg)
    gave_up = any_leg(operator_leg & ~picked_up & (legs.reason == SUBSCRIBER_HUNG_UP))
    unanswered, dialled = by_attempts & ~answered, ~answered & (calls.leg_count > 1)
    ended_by_operator = any_leg(picked_up & (legs.reason == OPERATOR_HUNG_UP))
    return {
        "subscriber_unreached": dialled & (calls.kind == CallKind.OUTGOING),
        "colleague_unreached": dialled & (calls.kind == CallKind.INTERNAL),
        "nobody_answered": unanswered & tried & hung_up & ~gave_up,
        "hung_up_early": unanswered & ~tried & hung_up,
        "interval_exceeded": unanswered & tried & ~hung_up,
        "parallel_phones": any_leg(operator_leg & np.isin(legs.reason, _PARALLEL)),
        "scenario_started": any_leg(picked_up & (legs.reason == _SCENARIO_STARTED)),
        "transfer_unanswered": any_leg((legs.role == LegRole.TRANSFER) & (legs.connect < 0)),
        "operator_hung_up": ended_by_operator
        & ~hung_up
        & (calls.reason != OPERATOR_HUNG_UP)
        & by_attempts,
    }


@cache
def _list_reasons(first_leg_reason: int, flags: int) -> tuple[int, ...]:
    found = [row for bit, row in enumerate(_OUTCOMES) if flags >> bit & 1]
    names: list[str] = []
    if all(row["first_leg_reason"] == "kept" for row in found):
        own = reasons.NAMES[first_leg_reason]
        names = [own, *_load_by_outcome().get(own, ())]
    for row in found:
        names += _load_by_outcome()[row["outcome"]]
    return tuple(INDEX[name] for name in dict.fromkeys(names))


@cache
def _load_by_outcome() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in _TABLE:
        for outcome in row["outcomes"].split():
            found.setdefault(outcome, []).append(row["finish_reason"])
    return found


def _count_before(day: DayColumns, code: Reasons) -> Reasons:
    """For each call: those of its day with the same code that stand before it."""
    offset = np.zeros(len(code), np.int64) if day.day_offset is None else day.day_offset
    order = np.lexsort((code, offset))  # stable
    group = offset[order] * (int(code.max(initial=0)) + 1) + code[order]
    first = np.searchsorted(group, group)
    count = np.empty(len(code), np.int64)
    count[order] = np.arange(len(code)) - first
    return count
