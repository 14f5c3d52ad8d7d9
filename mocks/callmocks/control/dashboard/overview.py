"""The first page of a tenant: what runs, how to reach it, and what happened last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from callmocks.control.dashboard import charts, journal
from callmocks.control.dashboard import snippets as requests
from callmocks.control.dashboard.clock import calls_today
from callmocks.control.dashboard.limits import limits_left
from callmocks.control.dashboard.render import page as make_page
from callmocks.control.dashboard.window import Window
from callmocks.history.walltime import day_of, to_ms

if TYPE_CHECKING:
    from callmocks.control.routing import Call
    from callmocks.tenants.tenant import Tenant

_RECENT = 6
"""Entries of the journal that are shown."""


async def home(call: Call) -> web.Response:
    """The oldest tenant's page, or that of all tenants when there is none."""
    first = next(iter(call.registry), None)
    if first is None:
        raise web.HTTPSeeOther("/tenants")
    return await _page(call, first)


async def page(call: Call) -> web.Response:
    """A tenant's page."""
    return await _page(call, call.tenant)


async def _page(call: Call, tenant: Tenant) -> web.Response:
    window = _today(tenant)
    addresses = call.desk.addresses
    snippets = requests.everyday(tenant, addresses)
    operators = [each.number for each in tenant.history.cast.operators if not each.deleted]
    limits = await limits_left(addresses, tenant)
    return make_page(
        call,
        "overview.html",
        "overview",
        tenant,
        addresses=addresses,
        settings=tenant.settings,
        operators=operators,
        snippets=snippets,
        encrypted=(addresses.control or "").startswith("https:"),
        today=calls_today(tenant),
        chart=charts.over_time(charts.ended_sessions(tenant.history, window), window),
        window=window,
        limits=[each for each in limits if each.provider == "cdr" or each.left < each.most],
        untouched=sum(each.provider != "cdr" and each.left == each.most for each in limits),
        counts=journal.count(tenant.journal),
        entries=journal.newest(tenant.journal, journal.Wish(), most=_RECENT),
        recent=_RECENT,
    )


def _today(tenant: Tenant) -> Window:
    """The clock's day, or the history's nearest."""
    history, now = tenant.history, to_ms(tenant.clock.now())
    day = min(max(day_of(now), history.first_day), history.last_day)
    return Window(day, day, 1, now, history.first_day, history.last_day)
