"""From any id or number that a client shows to the call behind it."""

from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from callmocks.contract.numerals import parse_natural
from callmocks.control.dashboard.window import DayWindow, read_window
from callmocks.control.routing import RequestContext
from callmocks.history import ids
from callmocks.history.history import History
from callmocks.history.walltime import END_OF_HISTORY, day_start
from callmocks.tenants.worker import yield_turn


async def find_call(context: RequestContext) -> dict[str, Any]:
    tenant, wanted = context.tenant, context.request.query.get("q", "").strip()
    window = read_window(context, tenant)
    session = await find_session(tenant.history, wanted, window)
    base = f"/tenants/{tenant.name}/calls"
    if session is not None:
        raise web.HTTPSeeOther(f"{base}/{session}")
    if any(map(str.isdigit, wanted)) and not set(wanted) - set("0123456789+-() "):
        query = {"day": window.day, "span": window.span, "phone": wanted}
        raise web.HTTPSeeOther(f"{base}?{urlencode(query)}")
    return {"tenant": tenant, "wanted": wanted}


async def find_session(history: History, identifier: str, window: DayWindow) -> int | None:
    """Session id of the call that has this id in some view and has begun.

    All ids are addresses but ARM's ``call_ref``, which is looked for in the days of the window.
    """
    session = _session_of_id(history, identifier)
    if session is None and identifier.isascii() and identifier.isdigit():
        session = await _session_of_call_ref(history, identifier, window)
    if session is None:
        return None
    found = history.find_session(session, END_OF_HISTORY)
    begun = not found.is_empty() and int(found["_start"][0]) <= window.now_ms
    return session if begun else None


def _session_of_id(history: History, identifier: str) -> int | None:
    record = history.find_record(identifier)
    if record is not None:
        return record.session_id
    service = history.find_service_call(identifier, END_OF_HISTORY)
    if not service.is_empty():
        session: int | None = service["_session_id"][0]
        return session
    number = parse_natural(identifier)
    if number is None:
        return None
    if not history.find_session(number, END_OF_HISTORY).is_empty():
        return number
    return _session_of_leg(history, number) or _session_of_communication(history, number)


def _session_of_leg(history: History, leg_id: int) -> int | None:
    if (bounds := _day_bounds(history, ids.leg_address(leg_id))) is None:
        return None
    legs = history.legs_between(*bounds, END_OF_HISTORY)
    found = legs.filter(legs["id"] == leg_id)["call_session_id"].to_list()
    return found[0] if found else None


def _session_of_communication(history: History, communication_id: int) -> int | None:
    if (bounds := _day_bounds(history, ids.communication_address(communication_id))) is None:
        return None
    sessions = history.sessions_between(*bounds, END_OF_HISTORY)
    found = sessions.filter(sessions["communication_id"] == communication_id)["id"].to_list()
    return found[0] if found else None


def _day_bounds(history: History, address: tuple[int, int] | None) -> tuple[int, int] | None:
    """First and last second in which the leg or call of an id can start, if the history has it."""
    if address is None or not history.first_day <= address[0] <= history.last_day:
        return None
    # Legs of a pinned call may start on the day after the call.
    return day_start(address[0]), day_start(address[0] + 2) - 1000


async def _session_of_call_ref(history: History, call_ref: str, window: DayWindow) -> int | None:
    for operator in history.directory.operators:
        for rows in history.arm_frames(operator.number, window.till_ms - 1, window.from_ms):
            legs = rows.filter(rows["call_ref"] == call_ref)["_leg_id"].to_list()
            if legs:
                return _session_of_leg(history, legs[0])
            await yield_turn()
    return None
