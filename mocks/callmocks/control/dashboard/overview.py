"""The first page of a tenant: what runs, how to reach it, and the latest exchanges."""

from functools import partial
from typing import Any

from aiohttp import web

from callmocks.control.dashboard import charts
from callmocks.control.dashboard.clock import day_progress
from callmocks.control.dashboard.journal import EntryFilter, count_entries, newest_entries
from callmocks.control.dashboard.panels import PANELS, read_limits
from callmocks.control.dashboard.window import read_window
from callmocks.control.routing import RequestContext
from callmocks.tenants.worker import run_if_long

_RECENT_ENTRIES = 6


async def show_overview(context: RequestContext) -> dict[str, Any]:
    """Of the oldest tenant, if the path names none; of all tenants when there is none."""
    named = "tenant" in context.request.match_info
    tenant = context.tenant if named else next(iter(context.registry), None)
    if tenant is None:
        raise web.HTTPSeeOther("/tenants")
    window = read_window(context, tenant)
    addresses = context.app_context.addresses
    limits = await read_limits(tenant, addresses)
    shown = [
        (panel, limit)
        for panel, limit in limits
        if panel.always_show_limits or limit.remaining < limit.maximum
    ]
    history = tenant.history
    calls = partial(charts.ended_sessions, history, window)
    sessions = await run_if_long(calls, history.has_long_days)
    return {
        "tenant": tenant,
        "addresses": addresses,
        "panels": PANELS.values(),
        "settings": tenant.settings,
        "encrypted": (addresses.control or "").startswith("https:"),
        "today": await run_if_long(partial(day_progress, tenant), history.has_long_days),
        "chart": charts.calls_over_time(sessions, window),
        "limits": shown,
        "unused_limits": len(limits) - len(shown),
        "counts": count_entries(tenant.journal),
        "entries": newest_entries(tenant.journal, EntryFilter(), limit=_RECENT_ENTRIES),
        "recent": _RECENT_ENTRIES,
    }
