"""The control server: the admin API of the running suite.

::

    request ── request id ── guard ── problems ── route ── handler(Call) ── struct ── JSON
               logs.py       guard.py problems.py route.py tenants.py, clock.py, faults.py, …
"""

import asyncio
from collections.abc import Collection
from functools import cache
from typing import Annotated, Any, TextIO

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, UnsetType

from callmocks import __version__
from callmocks.control import (
    assumptions,
    calls,
    clock,
    dashboard,
    faults,
    journal,
    logs,
    problems,
    tenants,
)
from callmocks.control.addresses import Addresses
from callmocks.control.guard import make_guard
from callmocks.control.metrics import Metrics, make_registry
from callmocks.control.openapi import build_document
from callmocks.control.routing import (
    AppContext,
    RequestContext,
    Route,
    add_route,
    json_response,
)
from callmocks.provider.server import ERROR_RESPONSE
from callmocks.tenants.registry import Registry
from callmocks.tenants.settings import TenantSettings
from callmocks.tenants.tenant_store import LocalTenantStore, TenantStore

APP_CONTEXT = web.AppKey("desk", AppContext)
"""What handlers work with, for pages that are not part of the API."""
METRICS = web.AppKey("meter", Metrics)
TOKEN_REQUIRED = web.AppKey("guarded", bool)


class ReplicaView(msgspec.Struct):
    """One of several replicas."""

    name: str
    store: Annotated[str, Meta(description="Where they share their tenants.")]
    replicas: Annotated[int, Meta(description="How many there are.")]
    problem: Annotated[
        str, Meta(description="Why it cannot share them at the moment; empty when it can.")
    ]


class Health(msgspec.Struct):
    """That the suite runs, and which."""

    status: Annotated[
        str,
        Meta(
            description="``ok``, or ``degraded`` (with HTTP status 503) when what replicas share "
            "is out of reach."
        ),
    ]
    version: str
    tenants: int
    addresses: Addresses
    replica: Annotated[
        ReplicaView | UnsetType,
        Meta(description="Which of several replicas it is, and how it gets along with the others."),
    ] = UNSET


async def show_health(context: RequestContext) -> web.Response:
    changes = context.app_context.store
    found = Health("ok", __version__, len(context.registry), context.addresses)
    if changes.replication_status is not None:
        found.replica = ReplicaView(changes.replica_name, *changes.replication_status)
        if changes.replication_status.problem:
            found.status = "degraded"
    return json_response(found, 200 if found.status == "ok" else 503)


async def show_metrics(context: RequestContext) -> web.Response:
    from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

    text = generate_latest(make_registry(context.registry, context.request.app[METRICS]))
    return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})


async def show_openapi(context: RequestContext) -> web.Response:
    return json_response(_cached_document(context.request.app[TOKEN_REQUIRED]))


@cache
def _cached_document(guarded: bool) -> dict[str, Any]:
    return build_document(ROUTES, guarded=guarded)


ROUTES = [
    Route(
        "GET",
        "/health",
        "The suite is up",
        show_health,
        "server_health",
        response=Health,
        other_statuses={503: "What replicas share cannot be reached now"},
    ),
    Route(
        "GET",
        "/metrics",
        "Numbers for Prometheus",
        show_metrics,
        "server_metrics",
        media="text/plain",
    ),
    Route("GET", "/openapi.json", "This API", show_openapi, "server_openapi", response=dict),
    *tenants.ROUTES,
    *clock.ROUTES,
    *faults.ROUTES,
    *journal.ROUTES,
    *calls.ROUTES,
    *assumptions.ROUTES,
]


def make_app(
    registry: Registry,
    addresses: Addresses,
    *,
    defaults: TenantSettings | None = None,
    token: str = "",
    hosts: Collection[str] = (),
    log: TextIO | None = None,
    store: TenantStore | None = None,
) -> web.Application:
    """The control application over the tenants of a registry.

    ``addresses`` says where the other servers are; the admin API hands them out with a tenant.
    ``defaults`` are the settings of a new tenant where its maker says nothing. ``token`` and
    ``hosts`` are for ``guard.make_guard``. ``log`` takes a line of JSON for each request to
    control and for each exchange with a provider. ``changes`` is how tenants are changed, when
    others share them.
    """
    logger = None if log is None else logs.make_logger(log)
    app = web.Application(
        middlewares=[
            logs.make_middleware(logger),
            problems.problem_middleware,
            make_guard(token, hosts),
        ],
    )
    app[ERROR_RESPONSE] = problems.render_problem
    store = store or LocalTenantStore(registry)
    app[APP_CONTEXT] = desk = AppContext(
        registry, addresses, store, defaults or TenantSettings("demo")
    )
    app[METRICS] = meter = Metrics()
    app[TOKEN_REQUIRED] = bool(token)
    registry.observers.append(meter.count_exchange)
    if logger is not None:
        registry.observers.append(logs.make_observer(logger))
    for operation in ROUTES:
        add_route(app, desk, operation)
    dashboard.add_routes(app, desk)
    app.on_shutdown.append(_cancel_streams)
    return app


async def _cancel_streams(app: web.Application) -> None:
    """Streams have no end of their own; the server's is theirs."""
    streams = list(app[APP_CONTEXT].streams)
    for stream in streams:
        stream.cancel()
    await asyncio.gather(*streams, return_exceptions=True)
