"""All tenants: what each is doing, and a form that makes another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from callmocks.control.dashboard.journal import count_entries
from callmocks.control.dashboard.render import ClockDisplay, render_page
from callmocks.history.world_file import world_names

if TYPE_CHECKING:
    from aiohttp import web

    from callmocks.control.routing import RequestContext
    from callmocks.tenants.settings import TenantSettings


@dataclass(frozen=True, slots=True)
class TenantRow:
    """A tenant in the list."""

    settings: TenantSettings
    clock: ClockDisplay
    entries: int
    violations: int
    faults: int


async def show_tenants(context: RequestContext) -> web.Response:
    """All tenants, oldest first."""
    lines = []
    for tenant in context.registry:
        counts = count_entries(tenant.journal)
        lines.append(
            TenantRow(
                tenant.settings,
                ClockDisplay.for_tenant(tenant),
                counts.entries,
                counts.violations,
                len(tenant.faults.list_active()),
            )
        )
    return render_page(
        context,
        "tenants.html",
        "",
        lines=lines,
        worlds=world_names(),
        defaults=context.app_context.defaults,
    )
