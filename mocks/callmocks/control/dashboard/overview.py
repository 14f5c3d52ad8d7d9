"""The first page of a tenant: what runs, how to reach it, and the latest exchanges."""

from typing import Any

from aiohttp import web

from callmocks.control.dashboard.clock import find_day_progress
from callmocks.control.dashboard.journal import ENDINGS, EntryFilter, count_entries, find_rows
from callmocks.control.dashboard.panels import PANELS, read_limits
from callmocks.control.dashboard.texts import find_texts
from callmocks.control.routing import RequestContext

_RECENT_ENTRIES = 6


async def show_overview(context: RequestContext) -> dict[str, Any]:
    """Of the oldest tenant, if the path names none; of all tenants when there is none."""
    named = "tenant" in context.request.match_info
    tenant = context.tenant if named else next(iter(context.registry), None)
    if tenant is None:
        raise web.HTTPSeeOther("/tenants")
    addresses = context.app_context.addresses
    limits = await read_limits(tenant, addresses, find_texts(context))
    shown = [
        (panel, limit)
        for panel, limit in limits
        if panel.always_show_limits or limit.remaining < limit.maximum
    ]
    return {
        "tenant": tenant,
        "addresses": addresses,
        "panels": PANELS.values(),
        "settings": tenant.settings,
        "encrypted": (addresses.control or "").startswith("https:"),
        "today": await find_day_progress(tenant),
        "texts": find_texts(context),
        "limits": shown,
        "unused_limits": len(limits) - len(shown),
        "counts": count_entries(tenant.journal),
        "rows": await find_rows(tenant.journal, EntryFilter(), limit=_RECENT_ENTRIES),
        "endings": ENDINGS,
        "recent": _RECENT_ENTRIES,
        "snapshots": context.app_context.store.list_snapshots(tenant),
    }
