"""All tenants: what each is doing, and a form that makes another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callmocks.control.dashboard.journal import count_entries
from callmocks.control.dashboard.render import ClockDisplay, render_page
from callmocks.history.world_file import world_names

if TYPE_CHECKING:
    from aiohttp import web

    from callmocks.control.routing import RequestContext


async def show_tenants(context: RequestContext) -> web.Response:
    return render_page(
        context,
        "tenants.html",
        "",
        tenants=[
            (tenant, ClockDisplay.for_tenant(tenant), count_entries(tenant.journal))
            for tenant in context.registry
        ],
        worlds=world_names(),
        defaults=context.app_context.defaults,
    )
