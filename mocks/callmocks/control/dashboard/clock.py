"""A tenant's clock and what follows it: calls that end, sessions that age, limits that reset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from callmocks.control.dashboard.panels import read_limits
from callmocks.control.dashboard.render import render_page
from callmocks.control.dashboard.window import END_OF_HISTORY
from callmocks.history.walltime import DAY_MS, datetime_to_ms, ms_to_datetime

if TYPE_CHECKING:
    from datetime import datetime

    from aiohttp import web

    from callmocks.control.routing import RequestContext
    from callmocks.tenants.tenant import Tenant

STEPS = {60: "1 minute", 600: "10 minutes", 3600: "1 hour", 86_400: "1 day", 604_800: "1 week"}
"""Seconds that a button moves the clock by."""


@dataclass(frozen=True, slots=True)
class DayProgress:
    """Calls of the clock's day; ``next`` is when the next one begins."""

    ended: int
    under_way: int
    to_come: int
    next: datetime | None


async def show_clock(context: RequestContext) -> web.Response:
    tenant = context.tenant
    return render_page(
        context,
        "clock.html",
        "clock",
        tenant,
        today=day_progress(tenant),
        steps=STEPS,
        settings=tenant.settings,
        session_time_offset=tenant.session_time_offset,
        limits=await read_limits(tenant, context.app_context.addresses),
    )


def day_progress(tenant: Tenant) -> DayProgress:
    now = datetime_to_ms(tenant.clock.now())
    midnight = now // DAY_MS * DAY_MS
    calls = tenant.history.sessions_between(midnight, midnight + DAY_MS - 1000, END_OF_HISTORY)
    started, ended = pl.col("_start") <= now, pl.col("_call_end") <= now
    to_come = calls.filter(~started)
    return DayProgress(
        calls.filter(ended).height,
        calls.filter(started & ~ended).height,
        to_come.height,
        ms_to_datetime(int(to_come["_start"][0])) if to_come.height else None,
    )
