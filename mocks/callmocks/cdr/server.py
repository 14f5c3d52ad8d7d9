"""The Data API over HTTP: ``POST /v2.0`` and the records' addresses."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from callmocks.cdr import media, service
from callmocks.cdr.errors import RpcError
from callmocks.cdr.provider import CDR, LOGIN, TOKEN
from callmocks.contract.nesting import is_json_too_deep
from callmocks.provider.http import (
    ERROR_RESPONSE,
    BodyTooLarge,
    limits_of,
    read_body,
    request_origin,
    send_reply,
)
from callmocks.tenants import pipeline
from callmocks.tenants.exchange import Exchange, Reply
from callmocks.tenants.settings import CDR_PREFIX_DIGITS

if TYPE_CHECKING:
    from callmocks.tenants.registry import Registry
    from callmocks.tenants.tenant import Tenant

PATH = "/v2.0"
MAX_BODY_BYTES = 2 * 1024 * 1024
"""Longest body (assumed): the largest filter fits, and a list of a million lists does not."""
_MAX_PATH_CHARS = 200
"""Characters of a wrong address that are repeated."""


def make_app(registry: Registry) -> web.Application:
    """The application that serves every tenant of a registry."""
    app = web.Application()

    async def handle_post(request: web.Request) -> web.StreamResponse:
        return await send_reply(request, await _answer_post(registry, request))

    async def handle_rejected(
        request: web.BaseRequest, status: int, text: str
    ) -> web.StreamResponse:
        exchange = Exchange.start(registry.unmatched, CDR, b"", peer=request.remote or "")
        return await send_reply(
            request, await pipeline.run(exchange, partial(_answer_rejected, status, text))
        )

    async def handle_unknown_path(request: web.Request) -> web.StreamResponse:
        exchange = Exchange.start(registry.unmatched, CDR, b"", peer=request.remote or "")
        handle = partial(_answer_unknown_path, method=request.method, path=request.path)
        return await send_reply(request, await pipeline.run(exchange, handle))

    app[ERROR_RESPONSE] = handle_rejected
    app.add_routes(
        [
            web.post(PATH, handle_post),
            web.post(PATH + "/", handle_post),
            *media.make_routes(registry),
        ]
    )
    app.router.add_route("*", "/{path:.*}", handle_unknown_path)
    return app


async def _answer_post(registry: Registry, request: web.Request) -> Reply:
    peer, reached = request.remote or "", request_origin(request)
    try:
        body = await read_body(request, MAX_BODY_BYTES)
    except BodyTooLarge as error:
        exchange = Exchange.start(registry.unmatched, CDR, b"", origin=reached, peer=peer)
        return await pipeline.run(exchange, partial(_answer_too_large, most=error.limit))
    read = service.ParsedRequest(body)
    tenant = _find_tenant(registry, read) or registry.unmatched
    exchange = Exchange.start(tenant, CDR, body, origin=reached, peer=peer)
    nesting = limits_of(request).nesting
    if read.error is None and is_json_too_deep(body, nesting):
        return await pipeline.run(exchange, partial(_answer_too_deep, read=read, most=nesting))
    return await pipeline.run(exchange, partial(service.handle, read=read))


def _find_tenant(registry: Registry, read: service.ParsedRequest) -> Tenant | None:
    token, login = read.envelope.token, read.envelope.login
    if login is not None:
        return registry.find(LOGIN, login)
    if token is None:
        return None
    # A session's token begins with its tenant's digits, so that every replica knows it.
    return registry.find(TOKEN, token) or registry.find(TOKEN, token[:CDR_PREFIX_DIGITS])


async def _answer_too_deep(exchange: Exchange, read: service.ParsedRequest, most: int) -> Reply:
    expected = f"nesting of at most {most} levels"
    exchange.add_violation("filter", expected, "a deeper one")
    error = RpcError("invalid_parameter_value", "filter", expected=expected)
    return Reply(error.encode_response(read.envelope.echo_id))


async def _answer_unknown_path(exchange: Exchange, method: str, path: str) -> Reply:
    """Another address, or another method at the right one: it belongs into the journal too."""
    known = path.rstrip("/") == PATH
    text = f"{method} {path[:_MAX_PATH_CHARS]}: " + (
        "the method is POST" if known else "nothing is there"
    )
    exchange.notes.append(text)
    status, headers = (405, {"Allow": "POST"}) if known else (404, {})
    return Reply(f"{text}\n".encode(), status, "text/plain; charset=utf-8", headers)


async def _answer_rejected(status: int, text: str, exchange: Exchange) -> Reply:
    exchange.notes.append(text)
    return Reply(
        RpcError("parse_error" if status == 400 else "internal_error").encode_response(), status
    )


async def _answer_too_large(exchange: Exchange, most: int) -> Reply:
    expected = f"a body of at most {most} bytes"
    exchange.add_violation("filter", expected, "a larger one")
    return Reply(RpcError("invalid_parameter_value", "filter", expected=expected).encode_response())
