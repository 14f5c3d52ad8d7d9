from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from callmocks.cdr import media, service
from callmocks.cdr.errors import RpcError
from callmocks.cdr.jsonrpc import NULL_ID, ParsedRequest, make_error_reply
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
    import msgspec

    from callmocks.cdr.jsonrpc import Envelope
    from callmocks.tenants.registry import Registry
    from callmocks.tenants.tenant import Tenant

PATH = "/v2.0"
MAX_BODY_BYTES = 2 * 1024 * 1024
"""Longest body (assumed): the largest filter fits, and a list of a million lists does not."""
_MAX_PATH_CHARS = 200


def make_app(registry: Registry) -> web.Application:
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
        handle = partial(_answer_unknown_path, request.method, request.path)
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
    peer, origin = request.remote or "", request_origin(request)
    try:
        body = await read_body(request, MAX_BODY_BYTES)
    except BodyTooLarge as error:
        exchange = Exchange.start(registry.unmatched, CDR, b"", origin=origin, peer=peer)
        expected = f"a body of at most {error.limit} bytes"
        handle: pipeline.Handler = partial(_answer_oversized, expected, "a larger one", NULL_ID)
        return await pipeline.run(exchange, handle)
    max_depth = limits_of(request).nesting
    parsed = ParsedRequest(body)
    tenant = _find_tenant(registry, parsed.envelope) or registry.unmatched
    exchange = Exchange.start(tenant, CDR, body, origin=origin, peer=peer)
    handle = partial(service.handle_request, parsed=parsed)
    if parsed.readable and is_json_too_deep(body, max_depth):
        expected = f"nesting of at most {max_depth} levels"
        handle = partial(_answer_oversized, expected, "a deeper one", parsed.echo_id)
    return await pipeline.run(exchange, handle)


def _find_tenant(registry: Registry, envelope: Envelope) -> Tenant | None:
    params = envelope.params if isinstance(envelope.params, dict) else {}
    login = params.get("login") if envelope.method == "login.user" else None
    if isinstance(login, str):
        return registry.find(LOGIN, login)
    token = params.get("access_token")
    if not isinstance(token, str):
        return None
    # A session's token begins with its tenant's digits, so that every replica knows it.
    return registry.find(TOKEN, token) or registry.find(TOKEN, token[:CDR_PREFIX_DIGITS])


async def _answer_oversized(
    expected: str, got: str, request_id: msgspec.Raw, exchange: Exchange
) -> Reply:
    exchange.add_violation("filter", expected, got)
    error = RpcError("invalid_parameter_value", "filter", expected=expected)
    return make_error_reply(error, request_id)


async def _answer_unknown_path(method: str, path: str, exchange: Exchange) -> Reply:
    """Another address, or another method at the right one: it belongs into the journal too."""
    known = path.rstrip("/") == PATH
    text = f"{method} {path[:_MAX_PATH_CHARS]}: "
    text += "the method is POST" if known else "nothing is there"
    exchange.notes.append(text)
    status, headers = (405, {"Allow": "POST"}) if known else (404, {})
    return Reply(f"{text}\n".encode(), status, "text/plain; charset=utf-8", headers)


async def _answer_rejected(status: int, text: str, exchange: Exchange) -> Reply:
    exchange.notes.append(text)
    error = RpcError("parse_error" if status == 400 else "internal_error")
    return make_error_reply(error, status=status)
