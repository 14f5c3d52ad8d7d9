"""From a view model to a response: templates, the frame around each page, the headers of pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from callmocks import __version__
from callmocks.control.dashboard import template_filters

if TYPE_CHECKING:
    from callmocks.control.problems import Problem
    from callmocks.control.routing import Call
    from callmocks.tenants.tenant import Tenant

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Of every page: nothing from elsewhere, nothing inline, in nobody's frame."""

SECTIONS = {
    "overview": ("Overview", ""),
    "history": ("Call history", "/calls"),
    "journal": ("Journal", "/journal"),
    "faults": ("Faults", "/faults"),
    "clock": ("Clock and limits", "/clock"),
    "assumptions": ("Assumptions", "/assumptions"),
}
"""The navigation: name by section, and the path below the tenant's."""


@dataclass(frozen=True, slots=True)
class Section:
    """An entry of the navigation; ``count`` is shown behind it when not 0."""

    name: str
    href: str
    here: bool
    count: int = 0
    counted: str = ""
    """What the count counts."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around every page."""

    version: str
    tenants: list[str]
    tenant: str
    """The tenant whose page it is; empty on pages of all."""
    below: str
    """Path of the section below a tenant's, to stay in it with another tenant."""
    sections: list[Section]
    clock: ClockFace | None


@dataclass(frozen=True, slots=True)
class ClockFace:
    """What a tenant's clock shows; a script lets it go on from ``now`` at ``speed``."""

    mode: str
    now: datetime
    speed: float

    @classmethod
    def of(cls, tenant: Tenant) -> ClockFace:
        """The clock of a tenant, read now."""
        clock = tenant.clock
        return cls(clock.mode, clock.now(), clock.speed)

    @property
    def says(self) -> str:
        """The mode in words."""
        if self.mode == "offset":
            return "running" if self.speed == 1 else f"running × {self.speed:g}"
        return {"real": "real time", "frozen": "frozen"}[self.mode]


def page(
    call: Call, template: str, section: str, tenant: Tenant | None = None, **model: Any
) -> web.Response:
    """A page: the template filled with the model, within the frame."""
    return _response(template, 200, frame=_frame(call, section, tenant), tenant=tenant, **model)


def fragment(template: str, **model: Any) -> web.Response:
    """A part of a page, for scripts."""
    return _response(template, 200, **model)


def refusal(call: Call, problem: Problem) -> web.Response:
    """A page that says what is wrong with its address."""
    name = call.request.match_info.get("tenant", "")
    tenant = call.registry.get(name)
    return _response(
        "problem.html",
        problem.status,
        frame=_frame(call, "", tenant),
        tenant=tenant,
        problem=problem,
    )


def _response(template: str, status: int, **model: Any) -> web.Response:
    text = _environment().get_template(template).render(**model)
    return web.Response(text=text, status=status, content_type="text/html", headers=HEADERS)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= {
        "moment": template_filters.moment,
        "day": template_filters.day,
        "duration": template_filters.duration,
        "count": template_filters.count,
        "amount": template_filters.amount,
        "bytes": template_filters.size,
        "coded": template_filters.coded,
        "breakable": template_filters.breakable,
    }
    environment.globals["PROVIDERS"] = template_filters.PROVIDERS
    return environment


def _frame(call: Call, section: str, tenant: Tenant | None) -> Frame:
    return Frame(
        __version__,
        [each.name for each in call.registry],
        "" if tenant is None else tenant.name,
        SECTIONS[section][1] if section else "",
        [] if tenant is None else _sections(call, section, tenant),
        None if tenant in (None, call.registry.nobody) else ClockFace.of(tenant),
    )


def _sections(call: Call, here: str, tenant: Tenant) -> list[Section]:
    counts = {
        "journal": (
            sum(bool(entry.violations) for entry in tenant.journal.lines()),
            "with violations",
        ),
        "faults": (len(tenant.faults.listing()), "on"),
        "assumptions": (len(tenant.assumptions.chosen()), "changed"),
    }
    shown_here = ("journal",) if tenant is call.registry.nobody else tuple(SECTIONS)
    return [
        Section(
            SECTIONS[name][0],
            f"/tenants/{tenant.name}{SECTIONS[name][1]}",
            name == here,
            *counts.get(name, ()),
        )
        for name in shown_here
    ]
