"""Pages: templates, the frame around each page, security headers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from callmocks import __version__
from callmocks.control.dashboard import template_filters
from callmocks.control.dashboard.panels import PROVIDER_TITLES

if TYPE_CHECKING:
    from callmocks.control.problems import Problem
    from callmocks.control.routing import RequestContext
    from callmocks.tenants.tenant import Tenant

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
SECTIONS = {
    "overview": ("Overview", ""),
    "history": ("Call history", "/calls"),
    "journal": ("Journal", "/journal"),
    "faults": ("Faults", "/faults"),
    "clock": ("Clock and limits", "/clock"),
    "assumptions": ("Assumptions", "/assumptions"),
}
"""The navigation: name, and path below the tenant's."""


@dataclass(frozen=True, slots=True)
class ClockDisplay:
    mode: str
    now: datetime
    speed: float

    @classmethod
    def for_tenant(cls, tenant: Tenant) -> ClockDisplay:
        return cls(tenant.clock.mode, tenant.clock.now(), tenant.clock.speed)

    @property
    def description(self) -> str:
        if self.mode == "offset":
            return "running" if self.speed == 1 else f"running × {self.speed:g}"
        return {"real": "real time", "frozen": "frozen"}[self.mode]


def render_page(
    context: RequestContext,
    template: str,
    section: str,
    tenant: Tenant | None = None,
    status: int = 200,
    **model: Any,
) -> web.Response:
    unmatched = context.registry.unmatched
    frame = {
        "version": __version__,
        "tenants": [each.name for each in context.registry],
        "sections": () if tenant is None else ("journal",) if tenant is unmatched else SECTIONS,
        "section": section,
        "counts": {} if tenant is None else _count_changes(tenant),
        "clock": None if tenant in (None, unmatched) else ClockDisplay.for_tenant(tenant),
    }
    return render_fragment(template, status, frame=frame, tenant=tenant, **model)


def render_fragment(template: str, status: int = 200, **model: Any) -> web.Response:
    text = _template_environment().get_template(template).render(**model)
    headers = SECURITY_HEADERS
    return web.Response(text=text, status=status, content_type="text/html", headers=headers)


def render_problem(context: RequestContext, problem: Problem) -> web.Response:
    tenant = context.registry.get(context.request.match_info.get("tenant", ""))
    return render_page(context, "problem.html", "", tenant, problem.status, problem=problem)


def _count_changes(tenant: Tenant) -> dict[str, tuple[int, str]]:
    """By section: a number behind its name, and what it counts."""
    violations = sum(bool(entry.violations) for entry in tenant.journal.read_records())
    return {
        "journal": (violations, "with violations"),
        "faults": (len(tenant.faults.list_active()), "on"),
        "assumptions": (len(tenant.assumptions.changed_choices()), "changed"),
    }


@cache
def _template_environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= template_filters.FILTERS
    environment.globals |= {"PROVIDERS": PROVIDER_TITLES, "SECTIONS": SECTIONS}
    return environment
