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
class NavigationItem:
    name: str
    href: str
    is_current: bool
    count: int = 0
    counted: str = ""
    """``on``: what is counted."""


@dataclass(frozen=True, slots=True)
class PageFrame:
    version: str
    tenants: list[str]
    tenant: str
    """Empty on pages of all tenants."""
    section_path: str
    """Below a tenant's, to stay in the section with another tenant."""
    sections: list[NavigationItem]
    clock: ClockDisplay | None


@dataclass(frozen=True, slots=True)
class ClockDisplay:
    """A script lets it run on from ``now`` at ``speed``."""

    mode: str
    now: datetime
    speed: float

    @classmethod
    def for_tenant(cls, tenant: Tenant) -> ClockDisplay:
        clock = tenant.clock
        return cls(clock.mode, clock.now(), clock.speed)

    @property
    def description(self) -> str:
        if self.mode == "offset":
            return "running" if self.speed == 1 else f"running × {self.speed:g}"
        return {"real": "real time", "frozen": "frozen"}[self.mode]


def render_page(
    context: RequestContext, template: str, section: str, tenant: Tenant | None = None, **model: Any
) -> web.Response:
    return _render_template(
        template, 200, frame=_page_frame(context, section, tenant), tenant=tenant, **model
    )


def render_fragment(template: str, **model: Any) -> web.Response:
    return _render_template(template, 200, **model)


def render_problem(context: RequestContext, problem: Problem) -> web.Response:
    name = context.request.match_info.get("tenant", "")
    tenant = context.registry.get(name)
    return _render_template(
        "problem.html",
        problem.status,
        frame=_page_frame(context, "", tenant),
        tenant=tenant,
        problem=problem,
    )


def _render_template(template: str, status: int, **model: Any) -> web.Response:
    text = _template_environment().get_template(template).render(**model)
    return web.Response(
        text=text, status=status, content_type="text/html", headers=SECURITY_HEADERS
    )


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
    environment.filters |= {
        "moment": template_filters.format_moment,
        "day": template_filters.format_day,
        "duration": template_filters.format_duration,
        "count": template_filters.format_count,
        "amount": template_filters.format_amount,
        "parameter": template_filters.format_parameter,
        "coded": template_filters.render_code,
        "breakable": template_filters.add_line_breaks,
    }
    environment.globals["PROVIDERS"] = PROVIDER_TITLES
    return environment


def _page_frame(context: RequestContext, section: str, tenant: Tenant | None) -> PageFrame:
    return PageFrame(
        __version__,
        [each.name for each in context.registry],
        "" if tenant is None else tenant.name,
        SECTIONS[section][1] if section else "",
        [] if tenant is None else _navigation(context, section, tenant),
        None if tenant in (None, context.registry.unmatched) else ClockDisplay.for_tenant(tenant),
    )


def _navigation(context: RequestContext, current: str, tenant: Tenant) -> list[NavigationItem]:
    counts = {
        "journal": (
            sum(bool(entry.violations) for entry in tenant.journal.read_records()),
            "with violations",
        ),
        "faults": (len(tenant.faults.list_active()), "on"),
        "assumptions": (len(tenant.assumptions.changed_choices()), "changed"),
    }
    names = ("journal",) if tenant is context.registry.unmatched else tuple(SECTIONS)
    return [
        NavigationItem(
            SECTIONS[name][0],
            f"/tenants/{tenant.name}{SECTIONS[name][1]}",
            name == current,
            *counts.get(name, ()),
        )
        for name in names
    ]
