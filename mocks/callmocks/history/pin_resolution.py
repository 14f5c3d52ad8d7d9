"""A pinned call as its author writes it, and the plan it asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from callmocks.config import validation
from callmocks.errors import Contradiction, SettingsError
from callmocks.history import reasons
from callmocks.history.clock import parse_moment
from callmocks.history.columns import Kind
from callmocks.history.directory import Cast
from callmocks.history.timeline import ANSWER, ATTEMPT, BESIDE, COACH, FAR, FIRST, TRANSFER
from callmocks.history.walltime import DAYS, day_of, to_ms

_R = reasons.INDEX
_SUBSCRIBER, _OPERATOR = _R["subscriber_disconnects"], _R["operator_disconnects"]
_ALONE = frozenset(reasons.of_place("alone", "subscriber"))
_REFUSED = frozenset(reasons.of_place("alone", "initiator"))
_UNMET = frozenset(reasons.of_place("attempt", "subscriber"))
_ATTEMPT = frozenset(reasons.of_place("attempt", "operator"))
_BESIDE = frozenset(reasons.of_place("beside", "operator"))
_PLATFORM = frozenset(
    _R[name]
    for name in (
        "fax_session_done",
        "incorrect_input",
        "max_transition_count_exceeded",
        "action_interval_exceeded",
    )
)
_DIRECTIONS = {
    "in": Kind.INCOMING,
    "out": Kind.OUTGOING,
    "auto": Kind.AUTO,
    "internal": Kind.INTERNAL,
}
_LONGEST_S = 6 * 3600
_NAMED = 5
"""Operators, lines, users that an error names when another was asked for."""


class PinnedCall(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A call that must exist. Only ``start`` is required; the rest is filled in consistently.

    ``start`` is a naive ISO time of the tenant's wall clock. Operators are internal numbers; a
    line is a virtual number or a 1C ServiceID, a user a 1C ServiceUserID. Seconds may have
    fractions. ``finish_reason`` must appear on a leg of the call; ``talk_seconds`` is the first
    operator's talk, ``wait_seconds`` the time from the start to the answer, or to giving up.
    """

    start: str
    direction: str | None = None
    operator: str | None = None
    to_operator: str | None = None
    client_phone: str | None = None
    anonymous: bool = False
    user: str | None = None
    line: str | None = None
    finish_reason: str | None = None
    answered: bool | None = None
    wait_seconds: float | None = None
    talk_seconds: float | None = None
    transfer_to: str | None = None
    transfer_talk_seconds: float | None = None
    coach: str | None = None
    recorded: bool | None = None
    rating: int | None = None
    vendor: bool = False


@dataclass(slots=True)
class Asked:
    """A pinned call with its names resolved: indexes into the cast, times in milliseconds."""

    call: PinnedCall
    at: int
    """Wall time of the start."""
    kind: Kind
    reason: int
    """-1 when the author leaves it open."""
    answered: bool
    operator: int
    to_operator: int
    transfer_to: int
    coach: int
    user: int
    phone: int
    line: int
    slots: dict[int, int]
    """The plan: finish reason by slot."""


def parse(raw: Any) -> PinnedCall:
    """A pinned call from JSON values; ``Contradiction`` names the field at fault."""
    try:
        return msgspec.convert(raw, PinnedCall)
    except msgspec.ValidationError as error:
        place, reason = validation.told(error, PinnedCall)
        raise Contradiction(place.removeprefix("$.") or "call", reason) from None


def resolve(call: PinnedCall, cast: Cast) -> Asked:
    """Everything a pin names, found in the cast and checked against itself."""
    reason = -1 if call.finish_reason is None else _R.get(call.finish_reason, -2)
    if reason == -2:
        raise Contradiction("finish_reason", f"{call.finish_reason!r} is none of the 64 reasons")
    kind = _kind(call, reason)
    asked = Asked(
        call=call,
        at=_start(call.start),
        kind=kind,
        reason=reason,
        answered=False,
        operator=_operator(call.operator, "operator", cast),
        to_operator=_operator(call.to_operator, "to_operator", cast),
        transfer_to=_operator(call.transfer_to, "transfer_to", cast),
        coach=_operator(call.coach, "coach", cast),
        user=_user(call, kind, cast),
        phone=-1,
        line=_line(call, kind, cast),
        slots={},
    )
    asked.phone = _phone(call, asked, cast)
    _check_numbers(call)
    _check_company(asked)
    asked.answered = _answered(asked)
    asked.slots = _slots(asked)
    _check_slots(asked)
    return asked


def _start(text: str) -> int:
    try:
        at = to_ms(parse_moment(text, "start"))
    except SettingsError as error:
        raise Contradiction("start", str(error).removeprefix("start: ")) from None
    if not 0 <= day_of(at) < DAYS:
        raise Contradiction("start", f"{text} is outside the history, 2015-01-01 to 2034-12-31")
    return at


def _kind(call: PinnedCall, reason: int) -> Kind:
    """The direction asked for, or the one that the other fields imply."""
    implied = Kind.INCOMING
    if reason in _REFUSED or reason in _UNMET:
        implied = Kind.OUTGOING
    inside = reason >= 0 and reasons.NAMES[reason].startswith("internal_call")
    if call.to_operator is not None or inside:
        implied = Kind.INTERNAL
    if call.direction is None:
        return implied
    kind = _DIRECTIONS.get(call.direction)
    if kind is None:
        raise Contradiction("direction", f"{call.direction!r} is not in, out, auto or internal")
    return kind


def _operator(number: str | None, field: str, cast: Cast) -> int:
    return _find(number, field, cast.operators, lambda person: (person.number,), "operator")


def _line(call: PinnedCall, kind: Kind, cast: Cast) -> int:
    if call.line is not None and kind == Kind.INTERNAL:
        raise Contradiction("line", "an internal call uses no line")
    return _find(
        call.line, "line", cast.lines, lambda x: (x.virtual_phone_number, x.service_id), "line"
    )


def _user(call: PinnedCall, kind: Kind, cast: Cast) -> int:
    user = _find(call.user, "user", cast.users, lambda x: (x.user_id,), "user")
    if user < 0 and call.client_phone is not None:
        numbers = [person.phone for person in cast.users]
        user = numbers.index(call.client_phone) if call.client_phone in numbers else -1
    if user >= 0 and (kind == Kind.INTERNAL or call.vendor or call.anonymous):
        raise Contradiction("user", "an internal, anonymous or vendor-scheme call has no own user")
    return user


def _find(
    wanted: str | None,
    field: str,
    things: Sequence[Any],
    names: Callable[[Any], tuple[str, ...]],
    what: str,
) -> int:
    if wanted is None:
        return -1
    for index, thing in enumerate(things):
        if wanted in names(thing):
            return index
    some = ", ".join(names(each)[0] for each in things[:_NAMED]) or "none"
    more = ", …" if len(things) > _NAMED else ""
    raise Contradiction(field, f"the world has no {what} {wanted!r}; there are {some}{more}")


def _phone(call: PinnedCall, asked: Asked, cast: Cast) -> int:
    """The client's number; 0 when hidden, -1 when any will do."""
    if call.anonymous:
        if call.client_phone is not None:
            raise Contradiction("client_phone", "an anonymous caller shows no number")
        if asked.kind != Kind.INCOMING:
            raise Contradiction("anonymous", "only an incoming call can be anonymous")
        return 0
    if call.client_phone is None:
        return int(cast.users[asked.user].phone) if asked.user >= 0 else -1
    if asked.kind == Kind.INTERNAL:
        raise Contradiction("client_phone", "an internal call has no client")
    if not (call.client_phone.isascii() and call.client_phone.isdigit()):
        raise Contradiction("client_phone", f"{call.client_phone!r} is not digits alone")
    if not 5 <= len(call.client_phone) <= 15 or call.client_phone.startswith("0"):
        raise Contradiction("client_phone", f"{call.client_phone!r} is not 5 to 15 digits from 1-9")
    if asked.user >= 0 and call.user and cast.users[asked.user].phone != call.client_phone:
        raise Contradiction("client_phone", "it is not the number of the user named")
    return int(call.client_phone)


def _check_numbers(call: PinnedCall) -> None:
    for field in ("wait_seconds", "talk_seconds", "transfer_talk_seconds"):
        value = getattr(call, field)
        if value is not None and not 0 <= value <= _LONGEST_S:
            raise Contradiction(field, f"{value} is not 0 to {_LONGEST_S} seconds")
    if call.rating is not None and not 1 <= call.rating <= 5:
        raise Contradiction("rating", f"{call.rating} is not 1 to 5")
    if call.transfer_talk_seconds is not None and call.transfer_to is None:
        raise Contradiction("transfer_talk_seconds", "nobody is named in transfer_to")


def _check_company(asked: Asked) -> None:
    """Who cannot take part together."""
    call = asked.call
    if asked.to_operator >= 0 and asked.kind != Kind.INTERNAL:
        raise Contradiction("to_operator", "only an internal call has one")
    if asked.operator >= 0 and asked.operator in (
        asked.to_operator,
        asked.transfer_to,
        asked.coach,
    ):
        raise Contradiction("operator", f"{call.operator} takes part twice")
    if asked.transfer_to >= 0 and asked.transfer_to == asked.coach:
        raise Contradiction("coach", f"{call.coach} takes part twice")
    if asked.kind in (Kind.OUTGOING, Kind.INTERNAL):
        for field in ("transfer_to", "coach"):
            if getattr(call, field) is not None:
                raise Contradiction(field, "only calls that reach operators one by one have it")
    if call.vendor and asked.kind == Kind.INTERNAL:
        raise Contradiction("vendor", "an internal call is not in 1C-Connect")


def _answered(asked: Asked) -> bool:
    """Whether people spoke: as asked, or as the other fields imply."""
    call, reason = asked.call, asked.reason
    implies = {
        "talk_seconds": call.talk_seconds is not None,
        "transfer_to": call.transfer_to is not None,
        "coach": call.coach is not None,
        "rating": call.rating is not None,
        "recorded": bool(call.recorded),
        "finish_reason": reason >= 0 and (bool(reasons.TALKED[reason]) or reason in _BESIDE),
    }
    if call.answered is False:
        for field, spoken in implies.items():
            if spoken:
                raise Contradiction(field, "the call is not answered")
        return False
    silent = _ALONE | _REFUSED | _UNMET
    if reason in silent:
        fields = [field for field, spoken in implies.items() if spoken]
        if call.answered or fields:
            field = fields[0] if fields else "answered"
            raise Contradiction(field, f"nobody speaks in a call ended by {call.finish_reason}")
        return False
    if call.answered or any(implies.values()):
        return True
    return reason < 0 or reason == _SUBSCRIBER or (reason not in _ATTEMPT | _PLATFORM)


def _slots(asked: Asked) -> dict[int, int]:
    if asked.kind in (Kind.OUTGOING, Kind.INTERNAL):
        return _direct_slots(asked)
    if asked.kind == Kind.AUTO and not asked.answered:
        reason = asked.reason if asked.reason >= 0 else _R["subscriber_not_responsible"]
        return {FIRST: reason}
    reason = asked.reason
    if not asked.answered:
        if reason in _ALONE or reason in _PLATFORM or reason in _REFUSED or reason in _UNMET:
            return {FIRST: reason}
        return {FIRST: _SUBSCRIBER, ATTEMPT: reason if reason in _ATTEMPT else _SUBSCRIBER}
    ends = reason if reason in (_SUBSCRIBER, _OPERATOR) else _SUBSCRIBER
    slots = {FIRST: ends, ANSWER: ends}
    if reason in _ATTEMPT:
        slots[ATTEMPT] = reason
    elif reason in _BESIDE:
        slots[BESIDE] = reason
    elif reason in _PLATFORM:
        slots |= {FIRST: reason, ANSWER: _R["scenario_disconnects"]}
    elif reason == _R["scenario_disconnects"]:
        slots |= {FIRST: _R["fax_session_done"], ANSWER: reason}
    if asked.transfer_to >= 0 or reason == _R["transfer_disconnects"]:
        slots |= {ANSWER: _R["transfer_disconnects"], TRANSFER: ends}
    if asked.coach >= 0:
        slots[COACH] = slots[ANSWER] if slots[ANSWER] in (_SUBSCRIBER, _OPERATOR) else _OPERATOR
    return slots


def _direct_slots(asked: Asked) -> dict[int, int]:
    """Calls an operator dials: to a client, or to another operator."""
    reason = asked.reason
    if reason in _REFUSED:
        return {FIRST: reason}
    if asked.answered:
        ends = reason if reason >= 0 else _SUBSCRIBER
        return {FIRST: ends, FAR: ends}
    inside = asked.kind == Kind.INTERNAL
    unmet = "operator_not_responsible" if inside else "subscriber_not_responsible"
    reason = reason if reason >= 0 else _R[unmet]
    return {FIRST: reason, FAR: reason}


def _check_slots(asked: Asked) -> None:
    """Every reason must be one that its leg may have, by the agreement table."""
    direct = asked.kind in (Kind.OUTGOING, Kind.INTERNAL)
    far = "operator" if asked.kind == Kind.INTERNAL else "subscriber"
    kinds = {FIRST: "initiator" if direct else "subscriber", FAR: far, TRANSFER: "transfer"}
    for slot, reason in asked.slots.items():
        kind = "coach" if slot == COACH else kinds.get(slot, "operator")
        if kind not in reasons.leg_kinds(reason):
            raise Contradiction(
                "finish_reason",
                f"{reasons.NAMES[reason]} cannot end the {kind}'s leg of this call",
            )
    alone = len(asked.slots) == 1 and asked.kind != Kind.OUTGOING
    if alone and asked.operator >= 0 and not direct:
        raise Contradiction("operator", "the call ends before any operator is tried")
    if not direct and asked.kind == Kind.INCOMING and asked.reason in _UNMET | _REFUSED:
        raise Contradiction("direction", "an incoming call cannot end so")
