"""A tenant's clock and what follows it: calls that end, sessions that age, limits that refill."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from callmocks.control.dashboard.limits import limits_left
from callmocks.control.dashboard.render import page as make_page
from callmocks.control.dashboard.window import EVER
from callmocks.history.walltime import DAY_MS, from_ms, to_ms

if TYPE_CHECKING:
    from datetime import datetime

    from aiohttp import web

    from callmocks.control.routing import Call
    from callmocks.tenants.tenant import Tenant

STEPS = {60: "1 minute", 600: "10 minutes", 3600: "1 hour", 86_400: "1 day", 604_800: "1 week"}
"""Seconds that a button moves the clock by."""


@dataclass(frozen=True, slots=True)
class Today:
    """Calls of the clock's day."""

    ended: int
    under_way: int
    to_come: int
    next: datetime | None
    """When the next one begins."""


async def page(call: Call) -> web.Response:
    """The clock."""
    tenant = call.tenant
    return make_page(
        call,
        "clock.html",
        "clock",
        tenant,
        today=calls_today(tenant),
        steps=STEPS,
        settings=tenant.settings,
        kept=tenant.sessions_kept,
        limits=await limits_left(call.desk.addresses, tenant),
    )


def calls_today(tenant: Tenant) -> Today:
    """How far the day has come."""
    now = to_ms(tenant.clock.now())
    midnight = now // DAY_MS * DAY_MS
    calls = tenant.history.sessions(midnight, midnight + DAY_MS - 1000, EVER)
    started, ended = pl.col("_start") <= now, pl.col("_call_end") <= now
    to_come = calls.filter(~started)
    return Today(
        calls.filter(ended).height,
        calls.filter(started & ~ended).height,
        to_come.height,
        from_ms(int(to_come["_start"][0])) if to_come.height else None,
    )
