"""Pinned calls whose legs are given one by one, as a recording has them."""

from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from callmocks.errors import Contradiction
from callmocks.history import reasons
from callmocks.history.columns import (
    ROLE_NAMES,
    CallColumns,
    CallKind,
    DayColumns,
    LegColumns,
    LegRole,
)
from callmocks.history.reasons import SUBSCRIBER_HUNG_UP
from callmocks.history.timeline import find_releasing_parties, find_ringing_legs

MAX_LEGS = 64
MAX_LEG_SECONDS = 86_400
_ROLES = {name: role for role, name in enumerate(ROLE_NAMES)}
_FAX_RECEIVED = reasons.INDEX["fax_session_done"]
_SCENARIO_STARTED = reasons.INDEX["scenario_disconnects"]


class PinnedLeg(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A leg of a pinned call. Times are seconds after the call's start and may have fractions.

    ``role`` is ``subscriber``, ``operator``, ``initiator`` (who dials), ``transfer`` or ``coach``;
    ``operator`` is an internal number.
    """

    role: str
    start: float
    end: float
    finish_reason: str
    connect: float | None = None
    operator: str | None = None
    rating: int | None = None


class ResolvedLeg(msgspec.Struct, frozen=True):
    """Times in milliseconds after the call's start; -1 stands for none."""

    role: int
    operator: int
    start: int
    connect: int
    end: int
    reason: int
    rating: int


def resolve_legs(
    legs: Sequence[PinnedLeg], kind: int, find_operator: Callable[[str | None, str], int]
) -> list[ResolvedLeg]:
    """``Contradiction`` names the leg and the property."""
    if not 1 <= len(legs) <= MAX_LEGS:
        raise Contradiction("legs", f"{len(legs)} are not 1 to {MAX_LEGS}")
    direct = kind in (CallKind.OUTGOING, CallKind.INTERNAL)
    first = LegRole.INITIATOR if direct else LegRole.SUBSCRIBER
    found = [_resolve_leg(leg, f"legs[{index}]", find_operator) for index, leg in enumerate(legs)]
    for index, leg in enumerate(found):
        if (leg.role == LegRole.INITIATOR) != (direct and index == 0):
            text = "the first leg of an outgoing or internal call, and no other, has an initiator"
            raise Contradiction(f"legs[{index}].role", text)
    if found[0].role != first:
        raise Contradiction(
            "legs[0].role", f"the call begins with a leg of the {ROLE_NAMES[first]}"
        )
    if found[0].start != 0:
        raise Contradiction("legs[0].start", "the first leg begins with the call, at 0")
    return found


def _resolve_leg(
    leg: PinnedLeg, path: str, find_operator: Callable[[str | None, str], int]
) -> ResolvedLeg:
    def refuse_if(wrong: bool, field: str, reason: str) -> None:
        if wrong:
            raise Contradiction(f"{path}.{field}", reason)

    role = _ROLES.get(leg.role)
    refuse_if(role is None, "role", f"{leg.role!r} is none of {', '.join(_ROLES)}")
    assert role is not None
    reason = reasons.INDEX.get(leg.finish_reason, -1)
    text = f"{leg.finish_reason!r} is none of the 64 reasons"
    refuse_if(reason < 0, "finish_reason", text)
    connect = leg.start if leg.connect is None else leg.connect
    refuse_if(leg.start < 0, "start", f"{leg.start} is before the call")
    refuse_if(connect < leg.start, "connect", f"{connect} is before the leg's start")
    refuse_if(leg.end < connect, "end", f"{leg.end} is before what comes before it")
    refuse_if(leg.end > MAX_LEG_SECONDS, "end", f"{leg.end} is more than {MAX_LEG_SECONDS} seconds")
    subscriber = role == LegRole.SUBSCRIBER
    refuse_if(subscriber and leg.operator is not None, "operator", "a subscriber's leg has none")
    missing = role == LegRole.INITIATOR and leg.operator is None
    refuse_if(missing, "operator", "the initiator is an operator")
    rated = leg.rating is not None and not 1 <= leg.rating <= 5
    refuse_if(rated, "rating", f"{leg.rating} is not 1 to 5")
    return ResolvedLeg(
        role,
        find_operator(leg.operator, f"{path}.operator"),
        round(leg.start * 1000),
        -1 if leg.connect is None else round(leg.connect * 1000),
        round(leg.end * 1000),
        reason,
        leg.rating or 0,
    )


class GivenCall(msgspec.Struct, frozen=True):
    """What a call with given legs is besides them; -1 stands for none, ``phone`` 0 for hidden."""

    kind: int
    start: int  # milliseconds since midnight
    user: int
    phone: int
    line: int
    called_operator: int  # of an internal call
    recorded: bool
    session_reason: int


def build_given_call(
    day: int, call: GivenCall, legs: Sequence[ResolvedLeg], row: int, first_leg_row: int
) -> DayColumns:
    role = np.array([leg.role for leg in legs], np.int8)
    reason = np.array([leg.reason for leg in legs], np.int8)
    intended = np.array([leg.operator for leg in legs], np.int16)
    start, end = (
        call.start + np.array([getattr(leg, name) for leg in legs], np.int32)
        for name in ("start", "end")
    )
    connected = np.array([leg.connect >= 0 for leg in legs])
    connect = np.where(connected, call.start + np.array([leg.connect for leg in legs]), -1)
    by_operator = connected & (role != LegRole.SUBSCRIBER)
    kinds, nobody = np.full(len(legs), call.kind), np.zeros(len(legs), np.bool_)
    remote = next((leg.reason for leg in legs[1:] if leg.role != LegRole.COACH), -1)
    remotes = np.full(len(legs), remote)
    columns = LegColumns(
        row=np.arange(first_leg_row, first_leg_row + len(legs), dtype=np.int32),
        call=np.zeros(len(legs), np.int32),
        role=role,
        intended_operator=intended,
        operator=np.where(reasons.WITHOUT_EMPLOYEE[reason], -1, intended).astype(np.int16),
        start=start,
        connect=connect.astype(np.int32),
        end=end,
        reason=reason,
        rang=find_ringing_legs(reason, role, connect, remotes),
        talked=np.where(role == LegRole.SUBSCRIBER, connected & by_operator.any(), by_operator),
        released_by=find_releasing_parties(reason, role, kinds, connect, nobody).astype(np.int8),
        rating=np.array([leg.rating for leg in legs], np.int8),
        fax=_find_faxes(legs),
    )
    return DayColumns(day, _build_call(call, legs, columns, row), columns)


def _find_faxes(legs: Sequence[ResolvedLeg]) -> np.ndarray:
    first = legs[0].reason
    result = 1 if first == _FAX_RECEIVED else 2 if first == SUBSCRIBER_HUNG_UP else 0
    started = [leg.connect >= 0 and leg.reason == _SCENARIO_STARTED for leg in legs]
    return np.array([result if each else 0 for each in started], np.int8)


def _build_call(
    call: GivenCall, given: Sequence[ResolvedLeg], legs: LegColumns, row: int
) -> CallColumns:
    internal = call.kind == CallKind.INTERNAL
    talks = (legs.connect >= 0) & (legs.role != LegRole.SUBSCRIBER) & (legs.role != LegRole.COACH)
    # The two legs of an internal call are one talk.
    counted = talks & ~(internal & (legs.role == LegRole.OPERATOR))
    values = {
        "row": row,
        "start": call.start,
        "end": legs.end.max(),
        "kind": call.kind,
        "reason": given[0].reason,
        "session_reason": call.session_reason,
        "user": call.user,
        "vendor": -1,
        "phone": call.phone,
        "line": call.line,
        "called_operator": call.called_operator,
        "answered": legs.connect[talks].min() if talks.any() else -1,
        "talk": (legs.end - legs.connect)[counted].sum(),
        "first_leg": 0,
        "leg_count": len(given),
        "recorded": call.recorded and bool(talks.any()),
    }
    dtypes = {"phone": np.int64, "kind": np.int8, "reason": np.int8, "recorded": np.bool_}
    shorts = ("vendor", "line", "called_operator", "leg_count", "session_reason")
    dtypes |= dict.fromkeys(shorts, np.int16)
    return CallColumns(
        **{name: np.array([value], dtypes.get(name, np.int32)) for name, value in values.items()}
    )
