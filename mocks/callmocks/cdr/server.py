"""The Data API over HTTP: ``POST /v2.0`` and the records' addresses."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from callmocks.cdr import media, provider, service
from callmocks.cdr.errors import RpcError
from callmocks.tenancy import pipeline
from callmocks.tenancy.exchange import Exchange, Reply
from callmocks.web import BodyTooLarge, origin, read_body, send

if TYPE_CHECKING:
    from callmocks.tenancy.registry import Registry
    from callmocks.tenancy.tenant import Tenant

PATH = "/v2.0"
BODY_BYTES = 16 * 1024 * 1024
"""Longest body (assumed)."""


def make_app(registry: Registry) -> web.Application:
    """The application that serves every tenant of a registry."""
    provider.register()
    app = web.Application()

    async def answer(request: web.Request) -> web.StreamResponse:
        return await send(request, await _answer(registry, request))

    app.add_routes([web.post(PATH, answer), web.post(PATH + "/", answer), *media.routes(registry)])
    return app


async def _answer(registry: Registry, request: web.Request) -> Reply:
    peer, reached = request.remote or "", origin(request)
    try:
        body = await read_body(request, BODY_BYTES)
    except BodyTooLarge:
        exchange = Exchange.of(registry.nobody, "cdr", b"", origin=reached, peer=peer)
        return await pipeline.run(exchange, _too_large)
    read = service.Read(body)
    tenant = _tenant(registry, read) or registry.nobody
    exchange = Exchange.of(tenant, "cdr", body, origin=reached, peer=peer)
    return await pipeline.run(exchange, partial(service.handle, read=read))


def _tenant(registry: Registry, read: service.Read) -> Tenant | None:
    token, login = read.envelope.token, read.envelope.login
    if login is not None:
        return registry.by_cdr_login(login)
    return None if token is None else registry.by_cdr_token(token)


async def _too_large(exchange: Exchange) -> Reply:
    expected = f"a body of at most {BODY_BYTES} bytes"
    exchange.violated("filter", expected, "a larger one")
    return Reply(RpcError("invalid_parameter_value", "filter", expected=expected).answer())
