"""The control server: the admin API of the running mock server.

::

    request ── request id ── problems ─── guard ─── route ──── handler(context) ── struct ── JSON
               logs.py       problems.py  guard.py  routing.py tenants.py, clock.py, faults.py, …
"""

import asyncio
from collections.abc import Collection
from functools import cache
from typing import Annotated, Any, TextIO

import msgspec
from aiohttp import web
from msgspec import UNSET, UnsetType

from callmocks import __version__
from callmocks.config.server_limits import DEFAULT_LIMITS
from callmocks.control import (
    assumptions,
    calls,
    clock,
    connections,
    contact_centre,
    dashboard,
    faults,
    journal,
    scenario,
    schemas,
    snapshots,
    tenants,
)
from callmocks.control.addresses import Addresses
from callmocks.control.guard import make_guard
from callmocks.control.json_struct import doc
from callmocks.control.log_writer import LogWriter
from callmocks.control.logs import add_request_id, make_logger, make_middleware, make_observer
from callmocks.control.metrics import Metrics, make_registry, observe_exchanges
from callmocks.control.openapi import UNREACHABLE, build_document
from callmocks.control.problems import problem_middleware, render_problem
from callmocks.control.request_bodies import MAX_BODY_BYTES
from callmocks.control.routing import (
    AppContext,
    RequestContext,
    RouteTable,
    add_route,
    render_json,
)
from callmocks.provider.bodies import SERVER_LIMITS
from callmocks.provider.server import ERROR_RESPONSE
from callmocks.tenants.registry import Registry
from callmocks.tenants.settings import TenantSettings
from callmocks.tenants.tenant_store import TenantStore

APP_CONTEXT = web.AppKey("app_context", AppContext)
METRICS = web.AppKey("metrics", Metrics)
TOKEN_REQUIRED = web.AppKey("token_required", bool)


class ReplicaView(msgspec.Struct):
    """One of several replicas."""

    name: str
    store: Annotated[str, doc("Where they share their tenants.")]
    replicas: Annotated[int, doc("How many there are.")]
    problem: Annotated[str, doc("Why it cannot share them at the moment; empty when it can.")]
    last_loss: Annotated[
        str, doc("What the store lost last, and how that ended; empty when it lost nothing.")
    ]


class Health(msgspec.Struct):
    """That the suite runs, and which."""

    status: Annotated[
        str,
        doc(
            "``ok``, or ``degraded`` (with HTTP status 503) when what replicas share is out of "
            "reach."
        ),
    ]
    version: str
    tenants: int
    addresses: Addresses
    log_lines_dropped: Annotated[int, doc("Lines of the log that nothing read from stderr.")]
    replica: Annotated[
        ReplicaView | UnsetType,
        doc("Which of several replicas it is, and how it gets along with the others."),
    ] = UNSET


ROUTES = RouteTable()


@ROUTES.add(
    "GET",
    "/health",
    "The suite is up",
    "server_health",
    response=Health,
    other_statuses={503: UNREACHABLE},
)
async def show_health(context: RequestContext) -> web.Response:
    store = context.app_context.store
    dropped = context.app_context.dropped_log_lines
    health = Health("ok", __version__, len(context.registry), context.addresses, dropped)
    if store.replication_status is not None:
        health.replica = ReplicaView(store.replica_name, *store.replication_status)
        if store.replication_status.problem:
            health.status = "degraded"
    return render_json(health, 200 if health.status == "ok" else 503)


@ROUTES.add("GET", "/metrics", "Numbers for Prometheus", "server_metrics", media=("text/plain",))
async def show_metrics(context: RequestContext) -> web.Response:
    from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

    dropped = context.app_context.dropped_log_lines
    metrics = make_registry(context.registry, context.request.app[METRICS], dropped)
    text = generate_latest(metrics)
    return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})


@ROUTES.add("GET", "/openapi.json", "This API", "server_openapi", response=dict)
async def show_openapi(context: RequestContext) -> web.Response:
    return render_json(find_document(context.request.app))


def find_document(app: web.Application) -> dict[str, Any]:
    body_limit = min(MAX_BODY_BYTES, app.get(SERVER_LIMITS, DEFAULT_LIMITS).body)
    return _cached_document(app[TOKEN_REQUIRED], body_limit)


@cache
def _cached_document(guarded: bool, body_limit: int) -> dict[str, Any]:
    return build_document(ROUTES, guarded=guarded, body_limit=body_limit)


for module in (
    tenants,
    scenario,
    clock,
    faults,
    journal,
    calls,
    contact_centre,
    assumptions,
    connections,
    snapshots,
    schemas,
):
    ROUTES += module.ROUTES


def make_app(
    registry: Registry,
    addresses: Addresses,
    *,
    defaults: TenantSettings | None = None,
    token: str = "",
    hosts: Collection[str] = (),
    log: TextIO | None = None,
    log_writer: LogWriter | None = None,
    store: TenantStore | None = None,
    metrics: Metrics | None = None,
) -> web.Application:
    """The control application over the tenants of a registry.

    ``defaults`` are the settings of a new tenant where a request leaves them out; ``token`` and
    ``hosts`` are for ``guard.make_guard``; ``log`` takes a line of JSON for each request to
    control and for each exchange with a provider; ``log_writer`` counts lines that were dropped;
    ``metrics`` are those that count exchanges already.
    """
    logger = None if log is None else make_logger(log)
    middlewares = [make_middleware(logger), problem_middleware, make_guard(token, hosts)]
    app = web.Application(middlewares=middlewares)
    app[ERROR_RESPONSE] = render_problem
    app.on_response_prepare.append(add_request_id)
    store = store or TenantStore(registry)
    defaults = defaults or TenantSettings("demo")
    app[APP_CONTEXT] = app_context = AppContext(
        registry, addresses, store, defaults, log_writer=log_writer
    )
    app[METRICS] = observe_exchanges(registry) if metrics is None else metrics
    app[TOKEN_REQUIRED] = bool(token)
    if logger is not None:
        registry.observers.append(make_observer(logger))
    for route in ROUTES:
        add_route(app, app_context, route)
    dashboard.add_routes(app, app_context)
    app.on_shutdown.append(_cancel_streams)
    return app


async def _cancel_streams(app: web.Application) -> None:
    streams = list(app[APP_CONTEXT].streams)
    for stream in streams:
        stream.cancel()
    await asyncio.gather(*streams, return_exceptions=True)
