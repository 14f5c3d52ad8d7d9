"""The first page of a tenant: what runs, how to reach it, and the latest exchanges."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from callmocks.control.dashboard import charts, journal
from callmocks.control.dashboard.clock import day_progress
from callmocks.control.dashboard.panels import PANELS, read_limits
from callmocks.control.dashboard.render import render_page
from callmocks.control.dashboard.window import read_window

if TYPE_CHECKING:
    from callmocks.control.routing import RequestContext
    from callmocks.tenants.tenant import Tenant

_RECENT_ENTRIES = 6


async def show_home(context: RequestContext) -> web.Response:
    """The oldest tenant's page, or that of all tenants when there is none."""
    first = next(iter(context.registry), None)
    if first is None:
        raise web.HTTPSeeOther("/tenants")
    return await _render_overview(context, first)


async def show_overview(context: RequestContext) -> web.Response:
    return await _render_overview(context, context.tenant)


async def _render_overview(context: RequestContext, tenant: Tenant) -> web.Response:
    window = read_window(context, tenant)
    addresses = context.app_context.addresses
    limits = await read_limits(tenant, addresses)
    shown = [
        (panel, limit)
        for panel, limit in limits
        if panel.always_show_limits or limit.remaining < limit.maximum
    ]
    return render_page(
        context,
        "overview.html",
        "overview",
        tenant,
        addresses=addresses,
        panels=PANELS.values(),
        settings=tenant.settings,
        encrypted=(addresses.control or "").startswith("https:"),
        today=day_progress(tenant),
        chart=charts.calls_over_time(charts.ended_sessions(tenant.history, window), window),
        limits=shown,
        unused_limits=len(limits) - len(shown),
        counts=journal.count_entries(tenant.journal),
        entries=journal.newest_entries(
            tenant.journal, journal.EntryFilter(), limit=_RECENT_ENTRIES
        ),
        recent=_RECENT_ENTRIES,
    )
