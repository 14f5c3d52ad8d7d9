"""A pinned call as its author writes it, and the legs that follow from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from callmocks.config import validation
from callmocks.errors import Contradiction, SettingsError
from callmocks.history import reasons
from callmocks.history.clock import parse_wall_time
from callmocks.history.columns import CALL_DIRECTIONS, CallKind
from callmocks.history.directory import Directory
from callmocks.history.reasons import OPERATOR_HUNG_UP, SUBSCRIBER_HUNG_UP
from callmocks.history.timeline import ANSWER, ATTEMPT, COACH, FIRST, PARALLEL, REMOTE, TRANSFER
from callmocks.history.walltime import DAYS, datetime_to_ms, day_of

_R = reasons.INDEX
_ALONE = frozenset(reasons.reasons_at("alone", "subscriber"))
_REFUSED = frozenset(reasons.reasons_at("alone", "initiator"))
_UNREACHED = frozenset(reasons.reasons_at("attempt", "subscriber"))
_ATTEMPT = frozenset(reasons.reasons_at("attempt", "operator"))
_PARALLEL = frozenset(reasons.reasons_at("beside", "operator"))
_HUNG_UP = (SUBSCRIBER_HUNG_UP, OPERATOR_HUNG_UP)
_BY_PLATFORM = frozenset(reasons.ENDED_BY_PLATFORM)
_MAX_SECONDS = 6 * 3600
_MAX_SUGGESTIONS = 5


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
class ResolvedPin:
    """Operators, user and line are indexes in the directory; -1 stands for what is left open."""

    call: PinnedCall
    start_ms: int
    kind: CallKind
    reason: int
    answered: bool
    operator: int
    to_operator: int
    transfer_to: int
    coach: int
    user: int
    phone: int
    line: int
    slots: dict[int, int]  # finish reason by slot


def parse_pin(raw: Any) -> PinnedCall:
    """``Contradiction`` names the field at fault."""
    try:
        return msgspec.convert(raw, PinnedCall)
    except msgspec.ValidationError as error:
        path, reason = validation.describe_error(error, PinnedCall)
        raise Contradiction(path.removeprefix("$.") or "call", reason) from None


def resolve_pin(call: PinnedCall, directory: Directory) -> ResolvedPin:
    """``Contradiction`` when it names what the directory has not, or contradicts itself."""
    reason = -1 if call.finish_reason is None else _R.get(call.finish_reason, -2)
    if reason == -2:
        raise Contradiction("finish_reason", f"{call.finish_reason!r} is none of the 64 reasons")
    kind = _resolve_kind(call, reason)
    pin = ResolvedPin(
        call=call,
        start_ms=_parse_start(call.start),
        kind=kind,
        reason=reason,
        answered=False,
        operator=_find_operator(call.operator, "operator", directory),
        to_operator=_find_operator(call.to_operator, "to_operator", directory),
        transfer_to=_find_operator(call.transfer_to, "transfer_to", directory),
        coach=_find_operator(call.coach, "coach", directory),
        user=_find_user(call, kind, directory),
        phone=-1,
        line=_find_line(call, kind, directory),
        slots={},
    )
    pin.phone = _resolve_phone(call, pin, directory)
    _check_numbers(call)
    _check_participants(pin)
    pin.answered = _is_answered(pin)
    pin.slots = _resolve_slots(pin)
    _check_slot_reasons(pin)
    return pin


def _parse_start(text: str) -> int:
    try:
        start_ms = datetime_to_ms(parse_wall_time(text, "start"))
    except SettingsError as error:
        raise Contradiction("start", str(error).removeprefix("start: ")) from None
    if not 0 <= day_of(start_ms) < DAYS:
        raise Contradiction("start", f"{text} is outside the history, 2015-01-01 to 2034-12-31")
    return start_ms


def _resolve_kind(call: PinnedCall, reason: int) -> CallKind:
    implied = CallKind.INCOMING
    if reason in _REFUSED or reason in _UNREACHED:
        implied = CallKind.OUTGOING
    internal = reason >= 0 and reasons.NAMES[reason].startswith("internal_call")
    if call.to_operator is not None or internal:
        implied = CallKind.INTERNAL
    if call.direction is None:
        return implied
    kind = CALL_DIRECTIONS.get(call.direction)
    if kind is None:
        raise Contradiction("direction", f"{call.direction!r} is not in, out, auto or internal")
    return kind


def _find_operator(number: str | None, field: str, directory: Directory) -> int:
    return _find_index(
        number, field, directory.operators, lambda operator: (operator.number,), "operator"
    )


def _find_line(call: PinnedCall, kind: CallKind, directory: Directory) -> int:
    if call.line is not None and kind == CallKind.INTERNAL:
        raise Contradiction("line", "an internal call uses no line")
    return _find_index(
        call.line,
        "line",
        directory.lines,
        lambda line: (line.virtual_phone_number, line.service_id),
        "line",
    )


def _find_user(call: PinnedCall, kind: CallKind, directory: Directory) -> int:
    user = _find_index(call.user, "user", directory.users, lambda user: (user.user_id,), "user")
    if user < 0 and call.client_phone is not None:
        numbers = [each.phone for each in directory.users]
        user = numbers.index(call.client_phone) if call.client_phone in numbers else -1
    if user >= 0 and (kind == CallKind.INTERNAL or call.vendor or call.anonymous):
        raise Contradiction("user", "an internal, anonymous or vendor-scheme call has no own user")
    return user


def _find_index(
    name: str | None,
    field: str,
    entries: Sequence[Any],
    names_of: Callable[[Any], tuple[str, ...]],
    noun: str,
) -> int:
    if name is None:
        return -1
    for index, entry in enumerate(entries):
        if name in names_of(entry):
            return index
    some = ", ".join(names_of(entry)[0] for entry in entries[:_MAX_SUGGESTIONS]) or "none"
    more = ", …" if len(entries) > _MAX_SUGGESTIONS else ""
    raise Contradiction(field, f"the world has no {noun} {name!r}; there are {some}{more}")


def _resolve_phone(call: PinnedCall, pin: ResolvedPin, directory: Directory) -> int:
    """The client's number; 0 when hidden, -1 when any will do."""
    if call.anonymous:
        if call.client_phone is not None:
            raise Contradiction("client_phone", "an anonymous caller shows no number")
        if pin.kind != CallKind.INCOMING:
            raise Contradiction("anonymous", "only an incoming call can be anonymous")
        return 0
    if call.client_phone is None:
        return int(directory.users[pin.user].phone) if pin.user >= 0 else -1
    if pin.kind == CallKind.INTERNAL:
        raise Contradiction("client_phone", "an internal call has no client")
    if not (call.client_phone.isascii() and call.client_phone.isdigit()):
        raise Contradiction("client_phone", f"{call.client_phone!r} is not digits alone")
    if not 5 <= len(call.client_phone) <= 15 or call.client_phone.startswith("0"):
        raise Contradiction("client_phone", f"{call.client_phone!r} is not 5 to 15 digits from 1-9")
    if pin.user >= 0 and call.user and directory.users[pin.user].phone != call.client_phone:
        raise Contradiction("client_phone", "it is not the number of the user named")
    return int(call.client_phone)


def _check_numbers(call: PinnedCall) -> None:
    for field in ("wait_seconds", "talk_seconds", "transfer_talk_seconds"):
        value = getattr(call, field)
        if value is not None and not 0 <= value <= _MAX_SECONDS:
            raise Contradiction(field, f"{value} is not 0 to {_MAX_SECONDS} seconds")
    if call.rating is not None and not 1 <= call.rating <= 5:
        raise Contradiction("rating", f"{call.rating} is not 1 to 5")
    if call.transfer_talk_seconds is not None and call.transfer_to is None:
        raise Contradiction("transfer_talk_seconds", "nobody is named in transfer_to")


def _check_participants(pin: ResolvedPin) -> None:
    call = pin.call
    if pin.to_operator >= 0 and pin.kind != CallKind.INTERNAL:
        raise Contradiction("to_operator", "only an internal call has one")
    if pin.operator >= 0 and pin.operator in (
        pin.to_operator,
        pin.transfer_to,
        pin.coach,
    ):
        raise Contradiction("operator", f"{call.operator} takes part twice")
    if pin.transfer_to >= 0 and pin.transfer_to == pin.coach:
        raise Contradiction("coach", f"{call.coach} takes part twice")
    if pin.kind in (CallKind.OUTGOING, CallKind.INTERNAL):
        for field in ("transfer_to", "coach"):
            if getattr(call, field) is not None:
                raise Contradiction(field, "only calls that reach operators one by one have it")
    if call.vendor and pin.kind == CallKind.INTERNAL:
        raise Contradiction("vendor", "an internal call is not in 1C-Connect")


def _is_answered(pin: ResolvedPin) -> bool:
    call, reason = pin.call, pin.reason
    implied_by = {
        "talk_seconds": call.talk_seconds is not None,
        "transfer_to": call.transfer_to is not None,
        "coach": call.coach is not None,
        "rating": call.rating is not None,
        "recorded": bool(call.recorded),
        "finish_reason": reason >= 0 and (bool(reasons.TALKED[reason]) or reason in _PARALLEL),
    }
    if call.answered is False:
        for field, implied in implied_by.items():
            if implied:
                raise Contradiction(field, "the call is not answered")
        return False
    silent = _ALONE | _REFUSED | _UNREACHED
    if reason in silent:
        fields = [field for field, implied in implied_by.items() if implied]
        if call.answered or fields:
            field = fields[0] if fields else "answered"
            raise Contradiction(field, f"nobody speaks in a call ended by {call.finish_reason}")
        return False
    if call.answered or any(implied_by.values()):
        return True
    return reason < 0 or reason == SUBSCRIBER_HUNG_UP or (reason not in _ATTEMPT | _BY_PLATFORM)


def _resolve_slots(pin: ResolvedPin) -> dict[int, int]:
    if pin.kind in (CallKind.OUTGOING, CallKind.INTERNAL):
        return _resolve_direct_slots(pin)
    if pin.kind == CallKind.AUTO and not pin.answered:
        reason = pin.reason if pin.reason >= 0 else _R["subscriber_not_responsible"]
        return {FIRST: reason}
    reason = pin.reason
    if not pin.answered:
        if reason in _ALONE or reason in _BY_PLATFORM or reason in _REFUSED or reason in _UNREACHED:
            return {FIRST: reason}
        return {
            FIRST: SUBSCRIBER_HUNG_UP,
            ATTEMPT: reason if reason in _ATTEMPT else SUBSCRIBER_HUNG_UP,
        }
    hung_up = reason if reason in _HUNG_UP else SUBSCRIBER_HUNG_UP
    slots = {FIRST: hung_up, ANSWER: hung_up}
    if reason in _ATTEMPT:
        slots[ATTEMPT] = reason
    elif reason in _PARALLEL:
        slots[PARALLEL] = reason
    elif reason in _BY_PLATFORM:
        slots |= {FIRST: reason, ANSWER: _R["scenario_disconnects"]}
    elif reason == _R["scenario_disconnects"]:
        slots |= {FIRST: _R["fax_session_done"], ANSWER: reason}
    if pin.transfer_to >= 0 or reason == _R["transfer_disconnects"]:
        slots |= {ANSWER: _R["transfer_disconnects"], TRANSFER: hung_up}
    if pin.coach >= 0:
        slots[COACH] = (
            slots[ANSWER]
            if slots[ANSWER] in (SUBSCRIBER_HUNG_UP, OPERATOR_HUNG_UP)
            else OPERATOR_HUNG_UP
        )
    return slots


def _resolve_direct_slots(pin: ResolvedPin) -> dict[int, int]:
    reason = pin.reason
    if reason in _REFUSED:
        return {FIRST: reason}
    if pin.answered:
        hung_up = reason if reason >= 0 else SUBSCRIBER_HUNG_UP
        return {FIRST: hung_up, REMOTE: hung_up}
    internal = pin.kind == CallKind.INTERNAL
    unreached = "operator_not_responsible" if internal else "subscriber_not_responsible"
    reason = reason if reason >= 0 else _R[unreached]
    return {FIRST: reason, REMOTE: reason}


def _check_slot_reasons(pin: ResolvedPin) -> None:
    direct = pin.kind in (CallKind.OUTGOING, CallKind.INTERNAL)
    remote = "operator" if pin.kind == CallKind.INTERNAL else "subscriber"
    kinds = {FIRST: "initiator" if direct else "subscriber", REMOTE: remote, TRANSFER: "transfer"}
    for slot, reason in pin.slots.items():
        kind = "coach" if slot == COACH else kinds.get(slot, "operator")
        if kind not in reasons.allowed_leg_kinds(reason):
            raise Contradiction(
                "finish_reason",
                f"{reasons.NAMES[reason]} cannot end the {kind}'s leg of this call",
            )
    alone = len(pin.slots) == 1 and pin.kind != CallKind.OUTGOING
    if alone and pin.operator >= 0 and not direct:
        raise Contradiction("operator", "the call ends before any operator is tried")
    if not direct and pin.kind == CallKind.INCOMING and pin.reason in _UNREACHED | _REFUSED:
        raise Contradiction("direction", "an incoming call cannot end so")
