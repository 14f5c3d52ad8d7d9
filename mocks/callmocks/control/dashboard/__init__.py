"""The dashboard: pages made on the server over the same tenants that the admin API serves.

::

    browser ── GET /tenants/demo/journal ── PAGES ── model ──────── template ── HTML
       │                                             journal.py    journal.html
       ├── GET /static/…                 styles and scripts of this package
       └── PUT, POST, DELETE /api/…      every change: a form sends it to the admin API
"""

from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from callmocks.contract.kept_modules import keep_modules
from callmocks.control.answers import PendingAnswer
from callmocks.control.problems import Problem, ProblemError
from callmocks.control.routing import AppContext, RequestContext
from callmocks.errors import SettingsError, StateError, TooManyRows
from callmocks.tenants.worker import run_computation

Page = Callable[[RequestContext], Coroutine[Any, Any, dict[str, Any] | web.Response]]

_TENANT = "/tenants/{tenant}"
PAGES = {
    "/": ("overview.show_overview", "overview.html", "overview"),
    "/tenants": ("tenants.show_tenants", "tenants.html", ""),
    _TENANT: ("overview.show_overview", "overview.html", "overview"),
    f"{_TENANT}/calls/{{call}}": ("call.show_call", "call.html", "history"),
    f"{_TENANT}/find": ("find.find_call", "nothing.html", "history"),
    f"{_TENANT}/{{list:calls|arm|cdr/legs|cdr|onec}}": ("lists.show_list", "list.html", "history"),
    f"{_TENANT}/journal": ("journal.show_journal", "journal.html", "journal"),
    f"{_TENANT}/journal/rows": ("journal.show_rows", "journal_rows.html", "journal"),
    f"{_TENANT}/journal/{{entry}}": ("journal.show_entry", "entry.html", "journal"),
    f"{_TENANT}/pins": ("pins.show_pins", "pins.html", "pins"),
    f"{_TENANT}/faults": ("faults.show_faults", "faults.html", "faults"),
    f"{_TENANT}/clock": ("clock.show_clock", "clock.html", "clock"),
    f"{_TENANT}/assumptions": ("assumptions.show_assumptions", "assumptions.html", "assumptions"),
    "/openapi": ("api.show_api", "api.html", ""),
    "/docs": ("documentation.list_pages", "docs.html", ""),
    "/docs/{page:.+}": ("documentation.show_page", "doc.html", ""),
    "/language/{language}": ("texts.switch_language", "", ""),
    "/static/{name}": ("static_files.serve_file", "", ""),
}
"""By path: the function of this package that makes the model, the template, the section."""


def add_routes(app: web.Application, app_context: AppContext) -> None:
    for path, page in PAGES.items():
        app.router.add_get(path, _make_handler(app_context, *page))
    app.middlewares.append(_make_not_found_page(app_context))


def _make_not_found_page(app_context: AppContext) -> Middleware:
    @web.middleware
    async def show_not_found(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPNotFound:
            # Programs get a problem document, as from the rest of the admin API.
            for_people = "text/html" in request.headers.get("Accept", "")
            if not for_people or request.path.startswith("/api/"):
                raise
        problem = ProblemError(404, f"no page {request.path!r}").problem
        context = RequestContext(app_context, request, PendingAnswer(request))
        return _render_problem(context, problem)

    return show_not_found


def _make_handler(
    app_context: AppContext, page: str, template: str, section: str
) -> Callable[[web.Request], Awaitable[web.Response]]:
    module, _, function = page.partition(".")

    async def handle_request(request: web.Request) -> web.Response:
        context = RequestContext(app_context, request, PendingAnswer(request))
        with suppress(StateError):  # the pages say what is wrong
            await app_context.store.sync()
        try:
            make_model: Page = getattr(_load_module(module), function)
            # Pages of the history wait for nothing but the days they show.
            model = await run_computation(make_model(context), section == "history")
            if isinstance(model, web.Response):
                return model
            render_page = _load_module("render").render_page
            rendered: web.Response = render_page(context, template, section, model)
            return rendered
        except ProblemError as error:
            return _render_problem(context, error.problem)
        except (SettingsError, TooManyRows) as error:
            return _render_problem(context, ProblemError(422, str(error)).problem)

    return handle_request


def _render_problem(context: RequestContext, problem: Problem) -> web.Response:
    response: web.Response = _load_module("render").render_problem(context, problem)
    return response


@cache
def _load_module(name: str) -> ModuleType:
    # With the first request for a page: the templates and their library take time to load.
    with keep_modules():
        return import_module(f"{__name__}.{name}")
