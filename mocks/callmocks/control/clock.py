"""A tenant's clock over the admin API."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from callmocks.control.problems import ProblemError
from callmocks.control.routing import ApiOperation, RequestContext, WallTime
from callmocks.history.clock import parse_wall_time
from callmocks.tenants.tenant import Tenant
from callmocks.tenants.tenant_store import MutableTenant

EARLIEST, LATEST = datetime(1970, 1, 2), datetime(2199, 12, 31)
"""Where a clock can be set; the history itself reaches from 2015 to 2034."""

ClockMode = Literal["real", "frozen", "offset"]


class ClockView(msgspec.Struct):
    """What a tenant's clock shows."""

    mode: ClockMode
    """``real`` (the machine's time), ``frozen``, or ``offset`` (runs from a chosen moment)."""
    now: str
    """The tenant's wall time, without a zone."""
    speed: float
    """Wall seconds a second: 0 when frozen, 1 when real."""


class ClockSetting(msgspec.Struct, forbid_unknown_fields=True):
    """How a clock shall go on: ``{"now": …}`` alone freezes, ``{"mode": "real"}`` releases."""

    now: WallTime | None = None
    """A wall time such as ``2026-03-02T12:00:00``; without it, what the clock shows."""
    mode: ClockMode | None = None
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


async def show_clock(context: RequestContext) -> ClockView:
    """What the clock shows."""
    return describe_clock(context.tenant)


async def set_clock(context: RequestContext) -> ClockView:
    """Freeze, release or run the clock."""
    wish: ClockSetting = context.body
    await context.change_tenant(lambda tenant: _set_clock_and_sessions(tenant, wish))
    return describe_clock(context.tenant)


def _set_clock_and_sessions(tenant: MutableTenant, setting: ClockSetting) -> None:
    before = tenant.clock.now()
    _set_clock(tenant, setting)
    if setting.keep_sessions:
        tenant.keep_sessions((tenant.clock.now() - before).total_seconds())


def _set_clock(tenant: MutableTenant, setting: ClockSetting) -> None:
    if setting.mode == "real":
        if setting.now is not None or setting.speed is not None:
            raise ProblemError(422, "mode real takes neither now nor speed", where="$.mode")
        tenant.clock.follow_machine()
        return
    start = tenant.clock.now() if setting.now is None else parse_wall_time(setting.now, "$.now")
    check_range(start, "$.now")
    if setting.mode == "offset" or (setting.mode is None and setting.speed is not None):
        tenant.clock.run(start, setting.speed or 1.0)
    elif setting.speed is not None:
        raise ProblemError(422, "a frozen clock has no speed", where="$.speed")
    elif setting.mode is None and setting.now is None:
        raise ProblemError(422, "say now, mode or speed", where="$")
    else:
        tenant.clock.freeze(start)


async def advance_clock(context: RequestContext) -> ClockView:
    """Move the clock."""
    wish: Advance = context.body
    await context.change_tenant(lambda tenant: _advance_clock(tenant, wish))
    return describe_clock(context.tenant)


def _advance_clock(tenant: MutableTenant, advance: Advance) -> None:
    check_range(tenant.clock.now() + timedelta(seconds=advance.seconds), "$.seconds")
    tenant.clock.advance(advance.seconds)
    if advance.keep_sessions:
        tenant.keep_sessions(advance.seconds)


def check_range(moment: datetime, where: str) -> None:
    """422 for a time no clock can be set to."""
    if not EARLIEST <= moment <= LATEST:
        raise ProblemError(422, f"{moment} is not within {EARLIEST} … {LATEST}", where=where)


def describe_clock(tenant: Tenant) -> ClockView:
    """A clock as the admin API shows it."""
    return msgspec.convert(tenant.clock.describe_state(), ClockView)


OPERATIONS = [
    ApiOperation(
        "GET", "/api/tenants/{tenant}/clock", "What the clock shows", show_clock, response=ClockView
    ),
    ApiOperation(
        "PUT",
        "/api/tenants/{tenant}/clock",
        "Freeze, release or run the clock",
        set_clock,
        body=ClockSetting,
        response=ClockView,
    ),
    ApiOperation(
        "POST",
        "/api/tenants/{tenant}/clock/advance",
        "Move the clock",
        advance_clock,
        body=Advance,
        response=ClockView,
    ),
]
