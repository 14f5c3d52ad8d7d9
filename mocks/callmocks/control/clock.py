"""A tenant's clock over the admin API."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from callmocks.control.problems import RefusedError
from callmocks.control.routing import Call, Moment, Operation
from callmocks.history.clock import parse_moment
from callmocks.tenants.tenant import Tenant
from callmocks.tenants.tenant_store import Changing

FIRST, LAST = datetime(1970, 1, 2), datetime(2199, 12, 31)
"""Where a clock can be set; the history itself reaches from 2015 to 2034."""

Mode = Literal["real", "frozen", "offset"]


class ClockView(msgspec.Struct):
    """What a tenant's clock shows."""

    mode: Mode
    """``real`` (the machine's time), ``frozen``, or ``offset`` (runs from a chosen moment)."""
    now: str
    """The tenant's wall time, without a zone."""
    speed: float
    """Wall seconds a second: 0 when frozen, 1 when real."""


class ClockSetting(msgspec.Struct, forbid_unknown_fields=True):
    """How a clock shall go on: ``{"now": …}`` alone freezes, ``{"mode": "real"}`` releases."""

    now: Moment | None = None
    """A wall time such as ``2026-03-02T12:00:00``; without it, what the clock shows."""
    mode: Mode | None = None
    """When left out: ``offset`` if a speed is given, otherwise ``frozen``."""
    speed: Annotated[float, Meta(gt=0, le=86_400)] | None = None
    """Wall seconds a second, for ``offset``; 1 when left out."""
    keep_sessions: bool = False
    """Sessions and tokens do not age by the jump, so that nobody is logged out by it."""


class Advance(msgspec.Struct, forbid_unknown_fields=True):
    """How far to move a clock."""

    seconds: Annotated[float, Meta(ge=-4e9, le=4e9)]
    """Ahead, or back when negative. A real clock becomes an offset one."""
    keep_sessions: bool = False
    """Sessions and tokens do not age by the move, so that nobody is logged out by it."""


async def show(call: Call) -> ClockView:
    """What the clock shows."""
    return view(call.tenant)


async def change(call: Call) -> ClockView:
    """Freeze, release or run the clock."""
    wish: ClockSetting = call.body
    await call.change(lambda tenant: _change_kept(tenant, wish))
    return view(call.tenant)


def _change_kept(tenant: Changing, wish: ClockSetting) -> None:
    before = tenant.clock.now()
    _change(tenant, wish)
    if wish.keep_sessions:
        tenant.keep_sessions((tenant.clock.now() - before).total_seconds())


def _change(tenant: Changing, wish: ClockSetting) -> None:
    if wish.mode == "real":
        if wish.now is not None or wish.speed is not None:
            raise RefusedError(422, "mode real takes neither now nor speed", where="$.mode")
        tenant.clock.release()
        return
    start = tenant.clock.now() if wish.now is None else parse_moment(wish.now, "$.now")
    check(start, "$.now")
    if wish.mode == "offset" or (wish.mode is None and wish.speed is not None):
        tenant.clock.run(start, wish.speed or 1.0)
    elif wish.speed is not None:
        raise RefusedError(422, "a frozen clock has no speed", where="$.speed")
    elif wish.mode is None and wish.now is None:
        raise RefusedError(422, "say now, mode or speed", where="$")
    else:
        tenant.clock.freeze(start)


async def advance(call: Call) -> ClockView:
    """Move the clock."""
    wish: Advance = call.body
    await call.change(lambda tenant: _advance(tenant, wish))
    return view(call.tenant)


def _advance(tenant: Changing, wish: Advance) -> None:
    check(tenant.clock.now() + timedelta(seconds=wish.seconds), "$.seconds")
    tenant.clock.advance(wish.seconds)
    if wish.keep_sessions:
        tenant.keep_sessions(wish.seconds)


def check(moment: datetime, where: str) -> None:
    """422 for a time no clock can be set to."""
    if not FIRST <= moment <= LAST:
        raise RefusedError(422, f"{moment} is not within {FIRST} … {LAST}", where=where)


def view(tenant: Tenant) -> ClockView:
    """A clock as the admin API shows it."""
    return msgspec.convert(tenant.clock.describe(), ClockView)


OPERATIONS = [
    Operation("GET", "/api/tenants/{tenant}/clock", "What the clock shows", show, answer=ClockView),
    Operation(
        "PUT",
        "/api/tenants/{tenant}/clock",
        "Freeze, release or run the clock",
        change,
        body=ClockSetting,
        answer=ClockView,
    ),
    Operation(
        "POST",
        "/api/tenants/{tenant}/clock/advance",
        "Move the clock",
        advance,
        body=Advance,
        answer=ClockView,
    ),
]
