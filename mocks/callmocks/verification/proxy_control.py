"""The admin API of a proxy: its journal, at ``/api/tenants/proxy/journal``, and its health."""

import asyncio

import msgspec
from aiohttp import web

from callmocks import __version__
from callmocks.control import journal, problems
from callmocks.control.addresses import Addresses
from callmocks.control.guard import make_guard
from callmocks.control.log_writer import LogWriter
from callmocks.control.routing import AppContext, RequestContext, Route, add_route
from callmocks.tenants.registry import Registry
from callmocks.tenants.settings import TenantSettings
from callmocks.tenants.tenant_store import TenantStore


class ProxyHealth(msgspec.Struct):
    status: str
    version: str
    log_lines_dropped: int


async def get_health(context: RequestContext) -> ProxyHealth:
    return ProxyHealth("ok", __version__, context.app_context.dropped_log_lines)


def make_app(registry: Registry, log_writer: LogWriter | None = None) -> web.Application:
    app = web.Application(middlewares=[problems.problem_middleware, make_guard("", ())])
    context = AppContext(
        registry,
        Addresses(),
        TenantStore(registry),
        TenantSettings("demo"),
        log_writer=log_writer,
    )
    health = ("GET", "/health", "The proxy is up", get_health, "proxy_health")
    for route in (Route(*health, response=ProxyHealth), *journal.ROUTES):
        add_route(app, context, route)

    async def end_streams(_: web.Application) -> None:
        for stream in (streams := list(context.streams)):
            stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)

    app.on_shutdown.append(end_streams)
    return app
