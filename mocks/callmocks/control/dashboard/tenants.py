"""All tenants: what each is doing, and a form that makes another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from callmocks.control.dashboard.journal import count
from callmocks.control.dashboard.render import ClockFace
from callmocks.control.dashboard.render import page as make_page
from callmocks.history.world import world_names

if TYPE_CHECKING:
    from aiohttp import web

    from callmocks.control.routing import Call
    from callmocks.tenants.settings import TenantSettings


@dataclass(frozen=True, slots=True)
class Line:
    """A tenant in the list."""

    settings: TenantSettings
    clock: ClockFace
    entries: int
    violations: int
    faults: int


async def page(call: Call) -> web.Response:
    """All tenants, oldest first."""
    lines = []
    for tenant in call.registry:
        counts = count(tenant.journal)
        lines.append(
            Line(
                tenant.settings,
                ClockFace.of(tenant),
                counts.entries,
                counts.violations,
                len(tenant.faults.listing()),
            )
        )
    return make_page(
        call,
        "tenants.html",
        "",
        lines=lines,
        worlds=world_names(),
        defaults=call.desk.defaults,
    )
