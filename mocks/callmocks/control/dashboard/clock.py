"""A tenant's clock and what follows it: calls that end, sessions that age, limits that reset."""

from functools import partial
from typing import Any

import polars as pl

from callmocks.control.dashboard.panels import read_limits
from callmocks.control.dashboard.texts import find_texts, mark_text
from callmocks.control.routing import RequestContext
from callmocks.history.walltime import DAY_MS, END_OF_HISTORY, datetime_to_ms, ms_to_datetime
from callmocks.tenants.tenant import Tenant
from callmocks.tenants.worker import run_if_long

STEPS = {
    60: mark_text("1 minute"),
    600: mark_text("10 minutes"),
    3600: mark_text("1 hour"),
    86_400: mark_text("1 day"),
    604_800: mark_text("1 week"),
}
"""Seconds that a button moves the clock by."""


async def show_clock(context: RequestContext) -> dict[str, Any]:
    tenant = context.tenant
    return {
        "tenant": tenant,
        "today": await find_day_progress(tenant),
        "steps": STEPS,
        "settings": tenant.settings,
        "session_time_offset": tenant.session_time_offset,
        "limits": await read_limits(tenant, context.app_context.addresses, find_texts(context)),
    }


async def find_day_progress(tenant: Tenant) -> dict[str, Any]:
    """Numbers of calls of the clock's day; ``next`` is when the next one begins."""
    is_long = tenant.history.has_long_days or tenant.history.has_many_pins
    return await run_if_long(partial(_count_calls, tenant), is_long)


def _count_calls(tenant: Tenant) -> dict[str, Any]:
    now = datetime_to_ms(tenant.clock.now())
    midnight = now // DAY_MS * DAY_MS
    calls = tenant.history.sessions_between(midnight, midnight + DAY_MS - 1000, END_OF_HISTORY)
    started, ended = pl.col("_start") <= now, pl.col("_call_end") <= now
    to_come = calls.filter(~started)
    return {
        "ended": calls.filter(ended).height,
        "under_way": calls.filter(started & ~ended).height,
        "to_come": to_come.height,
        "next": ms_to_datetime(int(to_come["_start"][0])) if to_come.height else None,
    }
