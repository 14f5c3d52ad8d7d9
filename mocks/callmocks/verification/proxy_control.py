"""The journal of a proxy, read as that of a suite's tenant is: ``/api/tenants/proxy/journal``."""

from __future__ import annotations

import asyncio

import msgspec
from aiohttp import web

from callmocks import __version__
from callmocks.control import journal, problems
from callmocks.control.addresses import Addresses
from callmocks.control.guard import make_guard
from callmocks.control.routing import AppContext, RequestContext, Route, add_route
from callmocks.tenants.registry import Registry
from callmocks.tenants.settings import TenantSettings
from callmocks.tenants.tenant_store import LocalTenantStore


class ProxyHealth(msgspec.Struct):
    """That the proxy runs."""

    status: str
    version: str


async def get_health(call: RequestContext) -> ProxyHealth:
    """The proxy is up."""
    return ProxyHealth("ok", __version__)


def make_app(registry: Registry) -> web.Application:
    """The application: the routes of the journal, and health."""
    app = web.Application(middlewares=[problems.problem_middleware, make_guard("", ())])
    desk = AppContext(registry, Addresses(), LocalTenantStore(registry), TenantSettings("demo"))
    for operation in (
        Route(
            "GET", "/health", "The proxy is up", get_health, "proxy_health", response=ProxyHealth
        ),
        *journal.ROUTES,
    ):
        add_route(app, desk, operation)

    async def end_streams(app: web.Application) -> None:
        streams = list(desk.streams)
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)

    app.on_shutdown.append(end_streams)
    return app
