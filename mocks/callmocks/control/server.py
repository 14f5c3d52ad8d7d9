"""The control server: the admin API of the running suite.

::

    request ── request id ── guard ── problems ── route ── handler(Call) ── struct ── JSON
               logs.py       guard.py problems.py route.py tenants.py, clock.py, faults.py, …
"""

import asyncio
from collections.abc import Collection
from functools import cache
from typing import Any, TextIO

import msgspec
from aiohttp import web
from msgspec import UNSET, UnsetType

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
from callmocks.control.metrics import Meter, make_registry
from callmocks.control.openapi import document
from callmocks.control.routing import Call, Desk, Operation, add, json_response
from callmocks.provider.http import REFUSAL
from callmocks.tenants.registry import Registry
from callmocks.tenants.settings import TenantSettings
from callmocks.tenants.tenant_store import Alone, Changes

DESK = web.AppKey("desk", Desk)
"""What handlers work with, for pages that are not part of the API."""
METER = web.AppKey("meter", Meter)
GUARDED = web.AppKey("guarded", bool)


class ReplicaView(msgspec.Struct):
    """One of several replicas."""

    name: str
    store: str
    """Where they share their tenants."""
    replicas: int
    """How many there are."""
    problem: str
    """Why it cannot share them at the moment; empty when it can."""


class Health(msgspec.Struct):
    """That the suite runs, and which."""

    status: str
    """``ok``, or ``degraded`` (with HTTP status 503) when what replicas share is out of reach."""
    version: str
    tenants: int
    addresses: Addresses
    replica: ReplicaView | UnsetType = UNSET
    """Which of several replicas it is, and how it gets along with the others."""


async def health(call: Call) -> web.Response:
    """The suite is up."""
    changes = call.desk.changes
    found = Health("ok", __version__, len(call.registry), call.addresses)
    if changes.sharing is not None:
        found.replica = ReplicaView(changes.replica, *changes.sharing)
        if changes.sharing.problem:
            found.status = "degraded"
    return json_response(found, 200 if found.status == "ok" else 503)


async def metrics(call: Call) -> web.Response:
    """Numbers for Prometheus."""
    from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

    text = generate_latest(make_registry(call.registry, call.request.app[METER]))
    return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})


async def openapi(call: Call) -> web.Response:
    """A description of this API."""
    return json_response(_document(call.request.app[GUARDED]))


@cache
def _document(guarded: bool) -> dict[str, Any]:
    return document(OPERATIONS, guarded=guarded)


OPERATIONS = [
    Operation(
        "GET",
        "/health",
        "The suite is up",
        health,
        answer=Health,
        also={503: "What replicas share cannot be reached now"},
    ),
    Operation("GET", "/metrics", "Numbers for Prometheus", metrics, media="text/plain"),
    Operation("GET", "/openapi.json", "This API", openapi, answer=dict),
    *tenants.OPERATIONS,
    *clock.OPERATIONS,
    *faults.OPERATIONS,
    *journal.OPERATIONS,
    *calls.OPERATIONS,
    *assumptions.OPERATIONS,
]


def make_app(
    registry: Registry,
    addresses: Addresses,
    *,
    defaults: TenantSettings | None = None,
    token: str = "",
    hosts: Collection[str] = (),
    log: TextIO | None = None,
    changes: Changes | None = None,
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
            problems.middleware,
            make_guard(token, hosts),
        ],
    )
    app[REFUSAL] = problems.refusal
    changes = changes or Alone(registry)
    app[DESK] = desk = Desk(registry, addresses, changes, defaults or TenantSettings("demo"))
    app[METER] = meter = Meter()
    app[GUARDED] = bool(token)
    registry.observers.append(meter.observe)
    if logger is not None:
        registry.observers.append(logs.make_observer(logger))
    for operation in OPERATIONS:
        add(app, desk, operation)
    dashboard.add_routes(app, desk)
    app.on_shutdown.append(_end_streams)
    return app


async def _end_streams(app: web.Application) -> None:
    """Streams have no end of their own; the server's is theirs."""
    streams = list(app[DESK].streams)
    for stream in streams:
        stream.cancel()
    await asyncio.gather(*streams, return_exceptions=True)
