"""A tenant's clock over the admin API."""

from datetime import datetime, timedelta
from typing import Annotated

import msgspec

from callmocks.control.json_struct import doc
from callmocks.control.problems import ProblemError
from callmocks.control.routing import TENANT, RequestContext, RouteTable
from callmocks.errors import SettingsError
from callmocks.history.clock import check_clock_range
from callmocks.tenants.contents import apply_clock_state
from callmocks.tenants.scenario import ClockMode, ClockState
from callmocks.tenants.tenant import Tenant
from callmocks.tenants.tenant_store import MutableTenant


class ClockView(msgspec.Struct):
    """What a tenant's clock shows."""

    mode: Annotated[
        ClockMode,
        doc(
            "``real`` (the machine's time), ``frozen``, or ``offset`` (runs from a chosen moment)."
        ),
    ]
    now: Annotated[str, doc("The tenant's wall time, without a zone.")]
    speed: Annotated[float, doc("Wall seconds a second: 0 when frozen, 1 when real.")]


class ClockSetting(ClockState, kw_only=True):
    """How a clock shall go on: ``{"now": …}`` alone freezes, ``{"mode": "real"}`` releases."""

    keep_sessions: Annotated[
        bool, doc("Sessions and tokens do not age by the jump, so that nobody is logged out by it.")
    ] = False


class Advance(msgspec.Struct, forbid_unknown_fields=True):
    """How far to move a clock."""

    seconds: Annotated[
        float,
        doc("Ahead, or back when negative. A real clock becomes an offset one.", ge=-4e9, le=4e9),
    ]
    keep_sessions: Annotated[
        bool, doc("Sessions and tokens do not age by the move, so that nobody is logged out by it.")
    ] = False


_CLOCK = f"{TENANT}/clock"
ROUTES = RouteTable()


@ROUTES.add("GET", _CLOCK, "What the clock shows", "clock_show")
async def show_clock(context: RequestContext) -> ClockView:
    return describe_clock(context.tenant)


@ROUTES.add("PUT", _CLOCK, "Freeze, release or run the clock", "clock_change", body=ClockSetting)
async def set_clock(context: RequestContext) -> ClockView:
    setting: ClockSetting = context.body

    def change(tenant: MutableTenant) -> None:
        before = tenant.clock.now()
        apply_clock_state(tenant.clock, setting)
        if setting.keep_sessions:
            tenant.keep_sessions((tenant.clock.now() - before).total_seconds())

    await context.change_tenant(change)
    return describe_clock(context.tenant)


@ROUTES.add("POST", f"{_CLOCK}/advance", "Move the clock", "clock_advance", body=Advance)
async def advance_clock(context: RequestContext) -> ClockView:
    advance: Advance = context.body

    def change(tenant: MutableTenant) -> None:
        check_range(tenant.clock.now() + timedelta(seconds=advance.seconds), "$.seconds")
        tenant.clock.advance(advance.seconds)
        if advance.keep_sessions:
            tenant.keep_sessions(advance.seconds)

    await context.change_tenant(change)
    return describe_clock(context.tenant)


def check_range(moment: datetime, where: str) -> None:
    try:
        check_clock_range(moment, where)
    except SettingsError as error:
        raise ProblemError(422, str(error).removeprefix(f"{where}: "), where=where) from None


def describe_clock(tenant: Tenant) -> ClockView:
    return msgspec.convert(tenant.clock.describe_state(), ClockView)
