"""The dashboard: pages made on the server over the same tenants that the admin API serves.

::

    browser ── GET /tenants/demo/journal ── PAGES ── view model ── template ── HTML
       │                                             journal.py    journal.html
       ├── GET /static/…                 styles and scripts of this package, nobody else's
       └── PUT, POST, DELETE /api/…      every change, from a form, as anybody else would make it

Pages only read; what changes something is a request to the admin API and stands under its guard.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import import_module

from aiohttp import web

from callmocks.control.problems import RefusedError
from callmocks.control.routing import Call, Desk
from callmocks.errors import SettingsError, TooManyRows

Page = Callable[[Call], Awaitable[web.Response]]

_TENANT = "/tenants/{tenant}"
PAGES = {
    "/": "overview.home",
    "/tenants": "tenants.page",
    _TENANT: "overview.page",
    f"{_TENANT}/calls": "calls.page",
    f"{_TENANT}/calls/{{call}}": "call.page",
    f"{_TENANT}/find": "find.page",
    f"{_TENANT}/arm": "views.arm",
    f"{_TENANT}/cdr": "views.sessions",
    f"{_TENANT}/cdr/legs": "views.legs",
    f"{_TENANT}/onec": "views.onec",
    f"{_TENANT}/journal": "journal.page",
    f"{_TENANT}/journal/rows": "journal.rows",
    f"{_TENANT}/journal/{{entry}}": "journal.entry",
    f"{_TENANT}/faults": "faults.page",
    f"{_TENANT}/clock": "clock.page",
    f"{_TENANT}/assumptions": "assumptions.page",
    "/static/{name}": "static.file",
}
"""Paths and the functions of this package that answer them."""


def add_routes(app: web.Application, desk: Desk) -> None:
    """Serve the dashboard in the control application.

    The modules behind it are imported with the first page: a suite nobody looks at stays small.
    """
    for path, place in PAGES.items():
        app.router.add_get(path, _handler(desk, *place.split(".")))


def _handler(
    desk: Desk, module: str, function: str
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def serve(request: web.Request) -> web.Response:
        call = Call(desk, request)
        try:
            page: Page = getattr(import_module(f"{__name__}.{module}"), function)
            return await page(call)
        except RefusedError as refused:
            return _refusal(call, refused)
        except (SettingsError, TooManyRows) as error:
            return _refusal(call, RefusedError(422, str(error)))

    return serve


def _refusal(call: Call, refused: RefusedError) -> web.Response:
    from callmocks.control.dashboard.render import refusal

    return refusal(call, refused.problem)
