"""From any id or number that a client shows to the call behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from aiohttp import web

from callmocks.control.dashboard.render import page as make_page
from callmocks.control.dashboard.window import EVER, read_window
from callmocks.history import ids
from callmocks.history.walltime import DAY_MS, day_start

if TYPE_CHECKING:
    from callmocks.control.dashboard.window import Window
    from callmocks.control.routing import Call
    from callmocks.history.history import History


async def page(call: Call) -> web.Response:
    """The call that was looked for, or what could not be found."""
    tenant, wanted = call.tenant, call.request.query.get("q", "").strip()
    window = read_window(call)
    session = find(tenant.history, wanted, window)
    base = f"/tenants/{tenant.name}/calls"
    if session is not None:
        raise web.HTTPSeeOther(f"{base}/{session}")
    if any(map(str.isdigit, wanted)) and not set(wanted) - set("0123456789+-() "):
        query = {"day": window.day, "span": window.span, "phone": wanted}
        raise web.HTTPSeeOther(f"{base}?{urlencode(query)}")
    return make_page(call, "nothing.html", "history", tenant, wanted=wanted)


def find(history: History, wanted: str, window: Window) -> int | None:
    """Session id of the call that has this id in some view and has begun.

    All ids are addresses but ARM's ``call_ref``, which is looked for in the days of the window.
    """
    session = _address(history, wanted)
    if session is None and wanted.isascii() and wanted.isdigit():
        session = _call_ref(history, wanted, window)
    if session is None:
        return None
    found = history.session(session, EVER)
    begun = not found.is_empty() and int(found["_start"][0]) <= window.now_ms
    return session if begun else None


def _address(history: History, wanted: str) -> int | None:
    record = history.record(wanted)
    if record is not None:
        return record.session_id
    service = history.service_call(wanted, EVER)
    if not service.is_empty():
        session: int | None = service["_session_id"][0]
        return session
    if not (wanted.isascii() and wanted.isdigit() and len(wanted) < 12):
        return None
    number = int(wanted)
    if not history.session(number, EVER).is_empty():
        return number
    return _of_leg(history, number) or _of_communication(history, number)


def _of_leg(history: History, number: int) -> int | None:
    address = ids.leg_address(number)
    if address is None or not history.first_day <= address[0] <= history.last_day:
        return None
    legs = history.legs(*_whole_day(address[0]), EVER)
    found = legs.filter(legs["id"] == number)["call_session_id"].to_list()
    return found[0] if found else None


def _of_communication(history: History, number: int) -> int | None:
    address = ids.communication_address(number)
    if address is None or not history.first_day <= address[0] <= history.last_day:
        return None
    sessions = history.sessions(*_whole_day(address[0]), EVER)
    found = sessions.filter(sessions["communication_id"] == number)["id"].to_list()
    return found[0] if found else None


def _call_ref(history: History, wanted: str, window: Window) -> int | None:
    for operator in history.cast.operators:
        for rows in history.arm_days(operator.number, window.before_ms - 1, window.from_ms):
            legs = rows.filter(rows["call_ref"] == wanted)["_leg_id"].to_list()
            if legs:
                return _of_leg(history, legs[0])
    return None


def _whole_day(day: int) -> tuple[int, int]:
    return day_start(day), day_start(day) + DAY_MS - 1000
