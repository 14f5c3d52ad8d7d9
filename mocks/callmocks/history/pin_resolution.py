"""A pinned call as its author writes it, and the legs that follow from it."""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from callmocks.config import validation
from callmocks.contract.quoting import quote_text
from callmocks.contract.similar_names import suggest_name
from callmocks.errors import Contradiction, SettingsError
from callmocks.history import reasons
from callmocks.history.clock import parse_wall_time
from callmocks.history.columns import CALL_DIRECTIONS, CallKind, LegRole
from callmocks.history.directory import Directory
from callmocks.history.ids import PINS_PER_DAY
from callmocks.history.pin_legs import PinnedLeg, ResolvedLeg, resolve_legs
from callmocks.history.pin_talks import Talk
from callmocks.history.reasons import OPERATOR_HUNG_UP, SUBSCRIBER_HUNG_UP
from callmocks.history.timeline import Slot
from callmocks.history.views import session_reasons
from callmocks.history.walltime import DAYS, FIRST_DATE, LAST_DATE, datetime_to_ms, day_of

_R = reasons.INDEX
_ALONE = frozenset(reasons.reasons_at("alone", "subscriber"))
_REFUSED = frozenset(reasons.reasons_at("alone", "initiator"))
_UNREACHED = frozenset(reasons.reasons_at("attempt", "subscriber"))
_ATTEMPT = frozenset(reasons.reasons_at("attempt", "operator"))
_PARALLEL = frozenset(reasons.reasons_at("beside", "operator"))
_BY_PLATFORM = frozenset(reasons.ENDED_BY_PLATFORM)
_MAX_SECONDS = 6 * 3600
_MAX_SUGGESTIONS = 5
# What the legs tell, where they are given.
_FIELDS_OF_LEGS = (
    *("operator", "finish_reason", "answered", "wait_seconds", "talk_seconds"),
    *("transfer_to", "transfer_talk_seconds", "coach", "rating", "vendor"),
)


class PinnedCall(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A call that must exist. Only ``start`` is required; the rest is filled in consistently.

    ``start`` is a naive ISO time of the tenant's wall clock. Operators are internal numbers; a
    line is a virtual number or a 1C ServiceID, a user a 1C ServiceUserID. Seconds may have
    fractions. ``finish_reason`` must appear on a leg of the call; ``talk_seconds`` is the first
    operator's talk, ``wait_seconds`` the time from the start to the answer, or to giving up.
    ``number`` counts the pinned calls of a day from 1 and decides the ids; it is the next one when
    it is left out. With ``legs`` all legs are given one by one, nothing is filled in, and who takes
    part and how it ends stands in them alone; ``session_finish_reason`` may be given then.
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
    number: Annotated[int, Meta(ge=1, le=PINS_PER_DAY)] | None = None
    legs: list[PinnedLeg] | None = None
    session_finish_reason: str | None = None


class ResolvedPin(msgspec.Struct):
    """Operators, user and line are indexes in the directory; -1 stands for what is left open."""

    call: PinnedCall
    start_ms: int
    kind: int
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
    session_reason: int = -1
    legs: list[ResolvedLeg] = []

    @property
    def is_direct(self) -> bool:
        return self.kind in (CallKind.OUTGOING, CallKind.INTERNAL)

    @property
    def named_operators(self) -> set[int]:
        return {self.operator, self.to_operator, self.transfer_to, self.coach} - {-1}

    def name_choice(
        self, drawn: Sequence[Talk], chosen: Sequence[Talk], directory: Directory
    ) -> None:
        """Put into the request in what the chosen talks differ from those drawn."""
        named: dict[str, str | float] = {}
        for old, new in zip(drawn, chosen, strict=True):
            transferred, length = new.field == "transfer_to", new.end - new.start
            shorter = length != old.end - old.start
            if new.operator != old.operator or (transferred and shorter):
                named[new.field] = directory.operators[new.operator].number
                setattr(self, new.field, new.operator)
            if shorter:
                named["transfer_talk_seconds" if transferred else "talk_seconds"] = length / 1000
        if chosen[0].start != drawn[0].start:
            named["wait_seconds"] = (chosen[0].start - self.start_ms) / 1000
        self.call = msgspec.structs.replace(self.call, **named)


def parse_pin(raw: Any) -> PinnedCall:
    """``Contradiction`` names the field at fault."""
    try:
        return validation.convert_document(raw, PinnedCall)
    except validation.Misfit as misfit:
        raise Contradiction(misfit.path.removeprefix("$.") or "call", misfit.reason) from None


def resolve_pin(call: PinnedCall, directory: Directory) -> ResolvedPin:
    reason = -1 if call.finish_reason is None else _R.get(call.finish_reason, -2)
    if reason == -2:
        hint = suggest_name(call.finish_reason or "", _R)
        text = f"{quote_text(call.finish_reason or '')} is none of the 64 reasons; {hint}"
        raise Contradiction("finish_reason", text)
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
    if call.legs is not None:
        _check_given_legs(call)
        pin.session_reason = _find_session_reason(call)
        find_operator = partial(_find_operator, directory=directory)
        pin.legs = resolve_legs(call.legs, kind, find_operator)
        if kind == CallKind.INTERNAL and pin.to_operator < 0:
            called = [leg.operator for leg in pin.legs if leg.role == LegRole.OPERATOR]
            pin.to_operator = called[0] if called else -1
            _refuse_if(pin.to_operator < 0, "to_operator", "the legs do not tell who is called")
        return pin
    alone = call.session_finish_reason is not None
    _refuse_if(alone, "session_finish_reason", "only a call with legs has its own")
    _check_numbers(call)
    _check_participants(pin)
    pin.answered = _is_answered(pin)
    pin.slots = _resolve_slots(pin)
    _check_slot_reasons(pin)
    return pin


def _refuse_if(contradiction: bool, field: str, reason: str) -> None:
    if contradiction:
        raise Contradiction(field, reason)


def _parse_start(text: str) -> int:
    try:
        start_ms = datetime_to_ms(parse_wall_time(text, "start"))
    except SettingsError as error:
        raise Contradiction("start", str(error).removeprefix("start: ")) from None
    outside = not 0 <= day_of(start_ms) < DAYS
    _refuse_if(outside, "start", f"{text} is outside the history, {FIRST_DATE} to {LAST_DATE}")
    return start_ms


def _resolve_kind(call: PinnedCall, reason: int) -> int:
    if call.direction is not None:
        unknown = call.direction not in CALL_DIRECTIONS
        text = f"{call.direction!r} is not in, out, auto or internal"
        _refuse_if(unknown, "direction", text)
        return CALL_DIRECTIONS[call.direction]
    internal = reason >= 0 and reasons.NAMES[reason].startswith("internal_call")
    if call.to_operator is not None or internal:
        return CallKind.INTERNAL
    return CallKind.OUTGOING if reason in _REFUSED | _UNREACHED else CallKind.INCOMING


def _find_operator(number: str | None, field: str, directory: Directory) -> int:
    return _find_index(number, field, directory.operators_by_number, "operator")


def _find_line(call: PinnedCall, kind: int, directory: Directory) -> int:
    internal = kind == CallKind.INTERNAL
    _refuse_if(call.line is not None and internal, "line", "an internal call uses no line")
    return _find_index(call.line, "line", directory.lines_by_name, "line")


def _find_user(call: PinnedCall, kind: int, directory: Directory) -> int:
    user = _find_index(call.user, "user", directory.users_by_id, "user")
    if user < 0 and call.client_phone is not None and call.legs is None:
        user = directory.users_by_phone.get(call.client_phone, -1)
    has_no_user = kind == CallKind.INTERNAL or call.vendor or call.anonymous
    text = "an internal, anonymous or vendor-scheme call has no own user"
    if call.user is None:
        text = f"it is the number of a user; {text}"
    _refuse_if(user >= 0 and has_no_user, "client_phone" if call.user is None else "user", text)
    return user


def _find_index(name: str | None, field: str, indexes: Mapping[str, int], noun: str) -> int:
    if name is None:
        return -1
    if name in indexes:
        return indexes[name]
    some = ", ".join(islice(indexes, _MAX_SUGGESTIONS)) or "none"
    more = ", …" if len(indexes) > _MAX_SUGGESTIONS else ""
    raise Contradiction(field, f"the world has no {noun} {name!r}; there are {some}{more}")


def _resolve_phone(call: PinnedCall, pin: ResolvedPin, directory: Directory) -> int:
    """The client's number; 0 when hidden, -1 when any will do."""
    field, phone = "client_phone", call.client_phone
    if call.anonymous:
        _refuse_if(phone is not None, field, "an anonymous caller shows no number")
        outgoing = pin.kind != CallKind.INCOMING
        _refuse_if(outgoing, "anonymous", "only an incoming call can be anonymous")
        return 0
    if phone is None:
        return int(directory.users[pin.user].phone) if pin.user >= 0 else -1
    digits = phone.isascii() and phone.isdigit()
    fits = 5 <= len(phone) <= 15 and not phone.startswith("0")
    other = pin.user >= 0 and call.user and directory.users[pin.user].phone != phone
    other = other and call.legs is None  # in what was recorded, people have several numbers
    _refuse_if(pin.kind == CallKind.INTERNAL, field, "an internal call has no client")
    _refuse_if(not digits, field, f"{phone!r} is not digits alone")
    _refuse_if(not fits, field, f"{phone!r} is not 5 to 15 digits from 1-9")
    _refuse_if(bool(other), field, "it is not the number of the user named")
    return int(phone)


def _check_given_legs(call: PinnedCall) -> None:
    _refuse_if(call.direction is None, "direction", "with legs it has to be given")
    has_line = call.line is not None or call.direction == "internal"
    _refuse_if(not has_line, "line", "with legs it has to be given")
    for name in _FIELDS_OF_LEGS:
        _refuse_if(getattr(call, name) not in (None, False), name, "with legs it stands in them")


def _find_session_reason(call: PinnedCall) -> int:
    name = call.session_finish_reason
    if name is None:
        return -1
    unknown = name not in session_reasons.INDEX
    _refuse_if(unknown, "session_finish_reason", f"{name!r} is no reason of sessions")
    return session_reasons.INDEX[name]


def _check_numbers(call: PinnedCall) -> None:
    for field in ("wait_seconds", "talk_seconds", "transfer_talk_seconds"):
        value = getattr(call, field)
        wrong = value is not None and not 0 <= value <= _MAX_SECONDS
        _refuse_if(wrong, field, f"{value} is not 0 to {_MAX_SECONDS} seconds")
    wrong = call.rating is not None and not 1 <= call.rating <= 5
    _refuse_if(wrong, "rating", f"{call.rating} is not 1 to 5")


def _check_participants(pin: ResolvedPin) -> None:
    call, internal = pin.call, pin.kind == CallKind.INTERNAL
    others = (pin.to_operator, pin.transfer_to, pin.coach)
    twice = pin.operator >= 0 and pin.operator in others
    coach_twice = pin.coach >= 0 and pin.transfer_to == pin.coach
    misplaced = pin.to_operator >= 0 and not internal
    _refuse_if(misplaced, "to_operator", "only an internal call has one")
    _refuse_if(twice, "operator", f"{call.operator} takes part twice")
    _refuse_if(coach_twice, "coach", f"{call.coach} takes part twice")
    if pin.is_direct:
        for field in ("transfer_to", "coach"):
            text = "only calls that reach operators one by one have it"
            _refuse_if(getattr(call, field) is not None, field, text)
    _refuse_if(call.vendor and internal, "vendor", "an internal call is not in 1C-Connect")


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
    fields = [field for field, implied in implied_by.items() if implied]
    if call.answered is False:
        if fields:
            raise Contradiction(fields[0], "the call is not answered")
        return False
    if reason in _ALONE | _REFUSED | _UNREACHED:
        fields += ["answered"] if call.answered else []
        if fields:
            raise Contradiction(fields[0], f"nobody speaks in a call ended by {call.finish_reason}")
        return False
    if call.answered or fields:
        return True
    return reason < 0 or reason == SUBSCRIBER_HUNG_UP or (reason not in _ATTEMPT | _BY_PLATFORM)


def _resolve_slots(pin: ResolvedPin) -> dict[int, int]:
    if pin.is_direct:
        return _resolve_direct_slots(pin)
    reason = pin.reason
    if pin.kind == CallKind.AUTO and not pin.answered:
        return {Slot.FIRST: reason if reason >= 0 else _R["subscriber_not_responsible"]}
    if not pin.answered:
        if reason in _ALONE | _BY_PLATFORM | _REFUSED | _UNREACHED:
            return {Slot.FIRST: reason}
        attempt = reason if reason in _ATTEMPT else SUBSCRIBER_HUNG_UP
        return {Slot.FIRST: SUBSCRIBER_HUNG_UP, Slot.ATTEMPT: attempt}
    hung_up = OPERATOR_HUNG_UP if reason == OPERATOR_HUNG_UP else SUBSCRIBER_HUNG_UP
    slots: dict[int, int] = {Slot.FIRST: hung_up, Slot.ANSWER: hung_up}
    if reason in _ATTEMPT:
        slots[Slot.ATTEMPT] = reason
    elif reason in _PARALLEL:
        slots[Slot.PARALLEL] = reason
    elif reason in _BY_PLATFORM:
        slots |= {Slot.FIRST: reason, Slot.ANSWER: _R["scenario_disconnects"]}
    elif reason == _R["scenario_disconnects"]:
        slots |= {Slot.FIRST: _R["fax_session_done"], Slot.ANSWER: reason}
    if pin.transfer_to >= 0 or reason == _R["transfer_disconnects"]:
        slots |= {Slot.ANSWER: _R["transfer_disconnects"], Slot.TRANSFER: hung_up}
    if pin.coach >= 0:
        by_subscriber = slots[Slot.ANSWER] == SUBSCRIBER_HUNG_UP
        slots[Slot.COACH] = SUBSCRIBER_HUNG_UP if by_subscriber else OPERATOR_HUNG_UP
    return slots


def _resolve_direct_slots(pin: ResolvedPin) -> dict[int, int]:
    reason = pin.reason
    if reason in _REFUSED:
        return {Slot.FIRST: reason}
    if reason < 0:
        called = "operator" if pin.kind == CallKind.INTERNAL else "subscriber"
        reason = SUBSCRIBER_HUNG_UP if pin.answered else _R[f"{called}_not_responsible"]
    return {Slot.FIRST: reason, Slot.REMOTE: reason}


def _check_slot_reasons(pin: ResolvedPin) -> None:
    alone = pin.call.transfer_talk_seconds is not None and Slot.TRANSFER not in pin.slots
    _refuse_if(alone, "transfer_talk_seconds", "nobody is named in transfer_to")
    direct = pin.is_direct
    leg_kinds: dict[int, str] = {
        Slot.FIRST: "initiator" if direct else "subscriber",
        Slot.REMOTE: "operator" if pin.kind == CallKind.INTERNAL else "subscriber",
        Slot.TRANSFER: "transfer",
        Slot.COACH: "coach",
    }
    for slot, reason in pin.slots.items():
        kind = leg_kinds.get(slot, "operator")
        text = f"{reasons.NAMES[reason]} cannot end the {kind}'s leg of this call"
        _refuse_if(kind not in reasons.allowed_leg_kinds(reason), "finish_reason", text)
    alone = len(pin.slots) == 1 and not direct
    text = "the call ends before any operator is tried"
    _refuse_if(alone and pin.operator >= 0, "operator", text)
    outgoing = pin.kind == CallKind.INCOMING and pin.reason in _UNREACHED | _REFUSED
    _refuse_if(outgoing, "direction", "an incoming call cannot end so")
