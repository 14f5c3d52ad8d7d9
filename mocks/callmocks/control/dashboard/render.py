"""Pages: templates, the frame around each page, security headers."""

from functools import cache
from itertools import islice
from typing import Any

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from callmocks import __version__
from callmocks.control.dashboard import template_filters
from callmocks.control.dashboard.panels import PROVIDER_TITLES
from callmocks.control.problems import Problem, ProblemError
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
MAX_PAGE_BYTES = 2_000_000
MAX_LISTED = 500
"""Tenants or faults that a page lists."""


def describe_clock(tenant: Tenant) -> dict[str, Any]:
    clock = tenant.clock
    running = "running" if clock.speed == 1 else f"running × {clock.speed:g}"
    modes = {"real": "real time", "frozen": "frozen", "offset": running}
    return {"now": clock.now(), "speed": clock.speed, "description": modes[clock.mode]}


def render_page(
    context: RequestContext, template: str, section: str, model: dict[str, Any], status: int = 200
) -> web.Response:
    """``tenant`` of the model is the page's; a page of all tenants has none."""
    tenant, unmatched = model.get("tenant"), context.registry.unmatched
    frame = {
        "version": __version__,
        "tenants": [each.name for each in islice(context.registry, MAX_LISTED)],
        "sections": () if tenant is None else ("journal",) if tenant is unmatched else SECTIONS,
        "section": section,
        "counts": {} if tenant is None else _count_changes(tenant),
        "clock": None if tenant in (None, unmatched) else describe_clock(tenant),
    }
    page = _template_environment().get_template(template)
    body = page.render({"tenant": None, **model, "frame": frame}).encode()
    if len(body) > MAX_PAGE_BYTES:
        reason = f"this page would have more than {MAX_PAGE_BYTES} bytes; the admin API has it all"
        raise ProblemError(422, reason)
    headers = {**SECURITY_HEADERS, "Content-Type": "text/html; charset=utf-8"}
    return web.Response(body=body, status=status, headers=headers)


def render_problem(context: RequestContext, problem: Problem) -> web.Response:
    tenant = context.registry.get(context.request.match_info.get("tenant", ""))
    model = {"tenant": tenant, "problem": problem}
    return render_page(context, "problem.html", "", model, problem.status)


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
