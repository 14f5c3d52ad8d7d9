"""The journal of a proxy, read as that of a suite's tenant is: ``/api/tenants/proxy/journal``."""

from __future__ import annotations

import asyncio

import msgspec
from aiohttp import web

from callmocks import __version__
from callmocks.arm import provider as _arm  # noqa: F401 - makes itself known
from callmocks.cdr import provider as cdr_provider
from callmocks.control import journal, problems
from callmocks.control.addresses import Addresses
from callmocks.control.guard import make_guard
from callmocks.control.routing import Call, Desk, Operation, add
from callmocks.onec import provider as _onec  # noqa: F401 - makes itself known
from callmocks.tenants.registry import Registry
from callmocks.tenants.settings import TenantSettings
from callmocks.tenants.tenant_store import Alone


class Health(msgspec.Struct):
    """That the proxy runs."""

    status: str
    version: str


async def health(call: Call) -> Health:
    """The proxy is up."""
    return Health("ok", __version__)


def make_app(registry: Registry) -> web.Application:
    """The application: the routes of the journal, and health."""
    cdr_provider.register()
    app = web.Application(middlewares=[problems.middleware, make_guard("", ())])
    desk = Desk(registry, Addresses(), Alone(registry), TenantSettings("demo"))
    for operation in (
        Operation("GET", "/health", "The proxy is up", health, answer=Health),
        *journal.OPERATIONS,
    ):
        add(app, desk, operation)

    async def end_streams(app: web.Application) -> None:
        streams = list(desk.streams)
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)

    app.on_shutdown.append(end_streams)
    return app
