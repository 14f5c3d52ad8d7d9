"""The Data API over HTTP: ``POST /v2.0`` and the records' addresses."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from callmocks.cdr import media, provider, service
from callmocks.cdr.errors import RpcError
from callmocks.contract.nesting import json_too_deep
from callmocks.provider.http import REFUSAL, BodyTooLarge, bounds_of, origin, read_body, send
from callmocks.tenants import pipeline
from callmocks.tenants.exchange import Exchange, Reply

if TYPE_CHECKING:
    from callmocks.tenants.registry import Registry
    from callmocks.tenants.tenant import Tenant

PATH = "/v2.0"
BODY_BYTES = 2 * 1024 * 1024
"""Longest body (assumed): the largest filter fits, and a list of a million lists does not."""
_SHOWN = 200
"""Characters of a wrong address that are repeated."""


def make_app(registry: Registry) -> web.Application:
    """The application that serves every tenant of a registry."""
    provider.register()
    app = web.Application()

    async def answer(request: web.Request) -> web.StreamResponse:
        return await send(request, await _answer(registry, request))

    async def refusal(request: web.BaseRequest, status: int, text: str) -> web.StreamResponse:
        exchange = Exchange.of(registry.nobody, "cdr", b"", peer=request.remote or "")
        return await send(request, await pipeline.run(exchange, partial(_busy, status, text)))

    async def nowhere(request: web.Request) -> web.StreamResponse:
        exchange = Exchange.of(registry.nobody, "cdr", b"", peer=request.remote or "")
        handle = partial(_nowhere, method=request.method, path=request.path)
        return await send(request, await pipeline.run(exchange, handle))

    app[REFUSAL] = refusal
    app.add_routes([web.post(PATH, answer), web.post(PATH + "/", answer), *media.routes(registry)])
    app.router.add_route("*", "/{path:.*}", nowhere)
    return app


async def _answer(registry: Registry, request: web.Request) -> Reply:
    peer, reached = request.remote or "", origin(request)
    try:
        body = await read_body(request, BODY_BYTES)
    except BodyTooLarge as error:
        exchange = Exchange.of(registry.nobody, "cdr", b"", origin=reached, peer=peer)
        return await pipeline.run(exchange, partial(_too_large, most=error.most))
    read = service.Read(body)
    tenant = _tenant(registry, read) or registry.nobody
    exchange = Exchange.of(tenant, "cdr", body, origin=reached, peer=peer)
    nesting = bounds_of(request).nesting
    if read.error is None and json_too_deep(body, nesting):
        return await pipeline.run(exchange, partial(_too_deep, read=read, most=nesting))
    return await pipeline.run(exchange, partial(service.handle, read=read))


def _tenant(registry: Registry, read: service.Read) -> Tenant | None:
    token, login = read.envelope.token, read.envelope.login
    if login is not None:
        return registry.by_cdr_login(login)
    return None if token is None else registry.by_cdr_token(token)


async def _too_deep(exchange: Exchange, read: service.Read, most: int) -> Reply:
    expected = f"nesting of at most {most} levels"
    exchange.violated("filter", expected, "a deeper one")
    error = RpcError("invalid_parameter_value", "filter", expected=expected)
    return Reply(error.answer(read.envelope.echo_id))


async def _nowhere(exchange: Exchange, method: str, path: str) -> Reply:
    """Another address, or another method at the right one: it belongs into the journal too."""
    known = path.rstrip("/") == PATH
    text = f"{method} {path[:_SHOWN]}: " + ("the method is POST" if known else "nothing is there")
    exchange.notes.append(text)
    status, headers = (405, {"Allow": "POST"}) if known else (404, {})
    return Reply(f"{text}\n".encode(), status, "text/plain; charset=utf-8", headers)


async def _busy(status: int, text: str, exchange: Exchange) -> Reply:
    exchange.notes.append(text)
    return Reply(RpcError("parse_error" if status == 400 else "internal_error").answer(), status)


async def _too_large(exchange: Exchange, most: int) -> Reply:
    expected = f"a body of at most {most} bytes"
    exchange.violated("filter", expected, "a larger one")
    return Reply(RpcError("invalid_parameter_value", "filter", expected=expected).answer())
