"""The dashboard: pages made on the server over the same tenants that the admin API serves.

::

    browser ── GET /tenants/demo/journal ── PAGES ── model ──────── template ── HTML
       │                                             journal.py    journal.html
       ├── GET /static/…                 styles and scripts of this package
       └── PUT, POST, DELETE /api/…      every change: a form sends it to the admin API
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib import import_module

from aiohttp import web

from callmocks.control.problems import ProblemError
from callmocks.control.routing import AppContext, RequestContext
from callmocks.errors import SettingsError, StateError, TooManyRows

Page = Callable[[RequestContext], Awaitable[web.Response]]

_TENANT = "/tenants/{tenant}"
PAGES = {
    "/": "overview.show_home",
    "/tenants": "tenants.show_tenants",
    _TENANT: "overview.show_overview",
    f"{_TENANT}/calls/{{call}}": "call.show_call",
    f"{_TENANT}/find": "find.find_call",
    f"{_TENANT}/{{list:calls|arm|cdr/legs|cdr|onec}}": "lists.show_list",
    f"{_TENANT}/journal": "journal.show_journal",
    f"{_TENANT}/journal/rows": "journal.show_rows",
    f"{_TENANT}/journal/{{entry}}": "journal.show_entry",
    f"{_TENANT}/faults": "faults.show_faults",
    f"{_TENANT}/clock": "clock.show_clock",
    f"{_TENANT}/assumptions": "assumptions.show_assumptions",
    "/static/{name}": "static_files.serve_file",
}
"""Paths and the functions of this package that handle them."""


def add_routes(app: web.Application, app_context: AppContext) -> None:
    """The modules of the pages are imported with the first request for one."""
    for path, handler in PAGES.items():
        app.router.add_get(path, _make_handler(app_context, *handler.split(".")))


def _make_handler(
    app_context: AppContext, module: str, function: str
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle_request(request: web.Request) -> web.Response:
        context = RequestContext(app_context, request)
        with suppress(StateError):  # the pages say what is wrong
            await app_context.store.sync()
        try:
            page: Page = getattr(import_module(f"{__name__}.{module}"), function)
            return await page(context)
        except ProblemError as error:
            return _render_problem(context, error)
        except (SettingsError, TooManyRows) as error:
            return _render_problem(context, ProblemError(422, str(error)))

    return handle_request


def _render_problem(context: RequestContext, error: ProblemError) -> web.Response:
    from callmocks.control.dashboard.render import render_problem

    return render_problem(context, error.problem)
