"""Pages: templates, the frame around each page, security headers."""

import json
from collections.abc import Iterator
from functools import cache, partial
from itertools import islice
from typing import Any

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from callmocks import __version__
from callmocks.control.dashboard import template_filters
from callmocks.control.dashboard.panels import PROVIDER_TITLES
from callmocks.control.dashboard.texts import LANGUAGES, Texts, find_texts, load_texts, mark_text
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
    "overview": (mark_text("Overview"), ""),
    "history": (mark_text("Call history"), "/calls"),
    "pins": (mark_text("Pinned calls"), "/pins"),
    "journal": (mark_text("Journal"), "/journal"),
    "faults": (mark_text("Faults"), "/faults"),
    "clock": (mark_text("Clock and limits"), "/clock"),
    "assumptions": (mark_text("Assumptions"), "/assumptions"),
}
"""The navigation: name, and path below the tenant's."""
SCRIPT_TEXTS = (
    mark_text("callmocks does not answer; is it still running?"),
    mark_text("Copied"),
    mark_text("Copy"),
    mark_text("Done"),
    mark_text("Live"),
    mark_text("Lost the connection, trying again"),
    mark_text("Not live"),
    mark_text("Pause"),
    mark_text("Paused"),
    mark_text("Press Ctrl+C"),
    mark_text("Resume"),
    mark_text("This entry is not in the journal any more."),
    mark_text("this is not JSON"),
)
"""Of static/*.js, which find them in the page."""
_PROBLEM_TITLES = {404: mark_text("Not found"), 422: mark_text("This cannot be shown")}
_OTHER_PROBLEM = mark_text("Something went wrong")
_SECTION_DOCS = {
    "overview": "dashboard.md",
    "history": "history.md",
    "pins": "history.md#pinned-calls",
    "journal": "control.md",
    "faults": "faults.md",
    "clock": "control.md",
    "assumptions": "reference/assumptions.md",
}
"""Pages of the documentation, by section."""
MAX_PAGE_BYTES = 2_000_000
MAX_LISTED = 500
"""Tenants or faults that a page lists."""


def describe_clock(tenant: Tenant, texts: Texts) -> dict[str, Any]:
    clock = tenant.clock
    modes = {
        "real": texts.gettext("real time"),
        "frozen": texts.gettext("frozen"),
        "offset": texts.gettext("running"),
    }
    mode = modes[clock.mode] + (f" × {clock.speed:g}" if clock.speed > 1 else "")
    return {"now": clock.now(), "speed": clock.speed, "description": mode}


def render_page(
    context: RequestContext, template: str, section: str, model: dict[str, Any], status: int = 200
) -> web.Response:
    """``tenant`` of the model is the page's; a page of all tenants has none."""
    tenant, unmatched = model.get("tenant"), context.registry.unmatched
    texts = find_texts(context)
    frame = {
        "version": __version__,
        "language": texts.language,
        "path": context.request.path_qs,
        "script_texts": json.dumps({each: texts.gettext(each) for each in SCRIPT_TEXTS}),
        "tenants": [each.name for each in islice(context.registry, MAX_LISTED)],
        "sections": () if tenant is None else ("journal",) if tenant is unmatched else SECTIONS,
        "section": section,
        "docs": _SECTION_DOCS.get(section, ""),
        "counts": {} if tenant is None else _count_changes(tenant),
        "clock": None if tenant in (None, unmatched) else describe_clock(tenant, texts),
    }
    page = _template_environment(texts.language).get_template(template)
    body = _join_pieces(page.generate({"tenant": None, **model, "frame": frame}))
    headers = {**SECURITY_HEADERS, "Content-Language": texts.language}
    headers["Content-Type"] = "text/html; charset=utf-8"
    return web.Response(body=body, status=status, headers=headers)


def _join_pieces(pieces: Iterator[str]) -> bytes:
    """A page as long as it may be: of a longer one no more pieces are made."""
    body = bytearray()
    for piece in pieces:
        body += piece.encode()
        if len(body) > MAX_PAGE_BYTES:
            text = (
                f"this page would have more than {MAX_PAGE_BYTES} bytes; the admin API has it all"
            )
            raise ProblemError(422, text)
    return bytes(body)


def render_problem(context: RequestContext, problem: Problem) -> web.Response:
    tenant = context.registry.get(context.request.match_info.get("tenant", ""))
    title = find_texts(context).gettext(_PROBLEM_TITLES.get(problem.status, _OTHER_PROBLEM))
    model = {"tenant": tenant, "problem": problem, "title": title}
    return render_page(context, "problem.html", "", model, problem.status)


def _count_changes(tenant: Tenant) -> dict[str, tuple[int, str]]:
    """By section: a number behind its name, and what it counts."""
    violations = sum(bool(entry.violations) for entry in tenant.journal.read_records())
    return {
        "pins": (len(tenant.history.pins), mark_text("pinned")),
        "journal": (violations, mark_text("with violations")),
        "faults": (len(tenant.faults.list_active()), mark_text("active")),
        "assumptions": (len(tenant.assumptions.changed_choices()), mark_text("changed")),
    }


@cache
def _template_environment(language: str) -> Environment:
    texts = load_texts(language)
    environment = Environment(
        loader=PackageLoader(__package__),
        extensions=["jinja2.ext.i18n"],
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_translations(texts, newstyle=True)  # type: ignore[attr-defined]
    environment.filters |= {**template_filters.FILTERS, "translate": texts.gettext}
    environment.globals |= {
        "PROVIDERS": PROVIDER_TITLES,
        "SECTIONS": SECTIONS,
        "LANGUAGES": LANGUAGES,
        "ngettext": partial(_count, texts),
    }
    return environment


def _count(texts: Texts, one: str, many: str, number: int) -> Markup:
    text = Markup(texts.ngettext(one, many, number))
    return text % {"num": template_filters.format_amount(number)}
