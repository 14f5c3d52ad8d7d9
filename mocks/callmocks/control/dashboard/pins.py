"""Pinned calls: a form for another, and those there are."""

from itertools import islice
from typing import Any, NamedTuple

import msgspec

from callmocks.control.calls import describe_batch
from callmocks.control.dashboard.render import MAX_LISTED
from callmocks.control.dashboard.texts import find_texts, mark_text
from callmocks.control.routing import RequestContext
from callmocks.history import reasons
from callmocks.history.columns import CALL_DIRECTIONS
from callmocks.history.directory import Directory
from callmocks.history.pin_legs import PinnedLeg
from callmocks.history.pin_resolution import PinnedCall
from callmocks.history.walltime import datetime_to_ms, ms_to_datetime

_FIELDS = {
    "start": mark_text("required, by the tenant's clock"),
    "direction": mark_text("empty: what the other fields say, else in"),
    "operator": mark_text("internal number of who speaks first; of an outgoing call, who dials"),
    "to_operator": mark_text("of an internal call: internal number of who is called"),
    "line": mark_text("virtual number or ServiceID of 1C"),
    "client_phone": mark_text("5 to 15 digits, not from 0"),
    "user": mark_text("ServiceUserID of a known client"),
    "anonymous": mark_text("the client shows no number"),
    "answered": mark_text("empty: what the finish reason says, else yes"),
    "wait_seconds": mark_text("0 to 21600, until the answer or giving up"),
    "talk_seconds": mark_text("0 to 21600, of the first operator"),
    "finish_reason": mark_text("of a leg of the call"),
    "transfer_to": mark_text("internal number of who gets the call"),
    "transfer_talk_seconds": mark_text("0 to 21600, of who got the call"),
    "coach": mark_text("internal number of who listens"),
    "recorded": mark_text("empty: as the world says"),
    "rating": mark_text("1 to 5, by the client"),
    "vendor": mark_text("in 1C, client and specialist are those of another company"),
    "legs": mark_text("a JSON list, instead of the fields above; nothing is filled in"),
    "session_finish_reason": mark_text("with legs: that of the session, otherwise by its outcome"),
    "number": mark_text("which pinned call of its day it is, from 1; empty: the next"),
}
_GROUPS = {
    mark_text("When and who"): ("start", "direction", "operator", "to_operator", "line"),
    mark_text("Client"): ("client_phone", "user", "anonymous", "vendor"),
    mark_text("What happened"): (
        "answered",
        "wait_seconds",
        "talk_seconds",
        "finish_reason",
        "recorded",
        "rating",
    ),
    mark_text("Others in the call"): ("transfer_to", "transfer_talk_seconds", "coach"),
    mark_text("Leg by leg"): ("legs", "session_finish_reason", "number"),
}
_LEGS = """[{"role": "subscriber", "start": 0, "end": 9, "finish_reason": "no_money"}]"""
_OPERATORS = ("operator", "to_operator", "transfer_to", "coach")


class PinField(NamedTuple):
    """``choices`` are what would fit, each with its meaning; ``kind`` is the type of its JSON."""

    name: str
    kind: str
    hint: str
    choices: list[tuple[str, str]]
    example: str


async def show_pins(context: RequestContext) -> dict[str, Any]:
    tenant, texts = context.tenant, find_texts(context)
    history, now = tenant.history, tenant.clock.now()
    pins = history.pins.list_all()
    shown = pins[-MAX_LISTED:][::-1]
    # Ten minutes ago: most calls that begin then have ended.
    start = ms_to_datetime(datetime_to_ms(now) // 60_000 * 60_000 - 600_000)
    fields = _make_fields(history.directory, start.isoformat())
    return {
        "tenant": tenant,
        "groups": [
            (texts.gettext(title), [fields[name] for name in names])
            for title, names in _GROUPS.items()
        ],
        "calls": describe_batch(history, shown) if shown else [],
        "unlisted": len(pins) - len(shown),
        "now": now.isoformat(),
    }


def _make_fields(directory: Directory, start: str) -> dict[str, PinField]:
    operators = [(each.number, each.full_name) for each in _first(directory.operators)]
    lines = [(each.virtual_phone_number, each.name) for each in _first(directory.lines)]
    users = list(_first(directory.users))
    choices = {
        **dict.fromkeys(_OPERATORS, operators),
        "line": lines,
        "user": [(each.user_id, each.full_name) for each in users],
        "client_phone": [(each.phone, each.full_name) for each in users],
        "direction": [(name, "") for name in CALL_DIRECTIONS],
        "finish_reason": list(zip(reasons.NAMES, reasons.DESCRIPTIONS, strict=True)),
        "rating": [(str(number), "") for number in range(1, 6)],
    }
    choices["session_finish_reason"] = choices["finish_reason"]
    examples = {"start": start, "legs": _LEGS}
    kinds = {field.name: _find_kind(field.type) for field in msgspec.structs.fields(PinnedCall)}
    return {
        name: PinField(
            name,
            kinds[name],
            hint,
            choices.get(name, []),
            examples.get(name) or next((value for value, _ in choices.get(name, [])), ""),
        )
        for name, hint in _FIELDS.items()
    }


def _first(rows: tuple[Any, ...]) -> Any:
    return islice(rows, MAX_LISTED)


def _find_kind(annotation: Any) -> str:
    kinds = {
        str: "text",
        str | None: "text",
        bool: "flag",
        bool | None: "choice",
        list[PinnedLeg] | None: "json",
    }
    return kinds.get(annotation, "number")
