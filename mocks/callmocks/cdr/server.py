from functools import partial

import msgspec
from aiohttp import web

from callmocks.cdr import media, service
from callmocks.cdr.errors import RpcError
from callmocks.cdr.jsonrpc import (
    MAX_BODY_BYTES,
    MAX_VALUES,
    NULL_ID,
    Envelope,
    ParsedRequest,
    make_error_reply,
)
from callmocks.cdr.provider import CDR, LOGIN, TOKEN
from callmocks.contract.message_size import has_more_values
from callmocks.contract.nesting import is_json_too_deep
from callmocks.provider.bodies import SERVER_LIMITS, BodyTooLarge, read_body
from callmocks.provider.server import ProviderServer
from callmocks.tenants.exchange import Exchange, Reply
from callmocks.tenants.pipeline import Handler
from callmocks.tenants.settings import CDR_PREFIX_DIGITS
from callmocks.tenants.tenant import Tenant
from callmocks.tenants.worker import read_even_without_threads

_MAX_PATH_CHARS = 200
_CONTENT_TYPES = frozenset({"application/json", "application/json; charset=utf-8"})


class CdrServer(ProviderServer):
    def list_routes(self) -> list[web.RouteDef]:
        return [
            web.post(CDR.url_path, self.handle_post),
            web.post(CDR.url_path + "/", self.handle_post),
            *media.make_routes(self.registry),
            web.route("*", "/{path:.*}", self.handle_unknown_path),
        ]

    async def handle_post(self, request: web.Request) -> web.StreamResponse:
        max_depth = self.app[SERVER_LIMITS].nesting
        try:
            body = await read_body(request, MAX_BODY_BYTES)
        except BodyTooLarge as error:
            expected = f"a body of at most {error.limit} bytes"
            return await self._refuse_body(request, expected, "a larger one")
        parsed = await read_even_without_threads(_parse_request, len(body), body)
        if parsed is None:
            return await self._refuse_body(request, f"at most {MAX_VALUES} values", "more")
        tenant = self._find_tenant(parsed.envelope)
        exchange = self.start_exchange(request, tenant, body)
        _note_content_type(request, exchange)
        exchange.parsed = parsed
        handle: Handler = service.handle_request
        if parsed.readable and is_json_too_deep(body, max_depth):
            expected = f"nesting of at most {max_depth} levels"
            handle = partial(_answer_oversized, expected, "a deeper one", parsed.echo_id)
        return await self.respond(request, exchange, handle)

    async def _refuse_body(
        self, request: web.Request, expected: str, got: str
    ) -> web.StreamResponse:
        exchange = self.start_exchange(request)
        answer = partial(_answer_oversized, expected, got, NULL_ID)
        return await self.respond(request, exchange, answer)

    async def handle_unknown_path(self, request: web.Request) -> web.StreamResponse:
        handle = partial(_answer_unknown_path, request.method, request.path)
        return await self.respond(request, self.start_exchange(request), handle)

    async def reject_unread(
        self, exchange: Exchange, status: int, text: str, content_type: str
    ) -> Reply:
        exchange.notes.append(text)
        error = RpcError("parse_error" if status == 400 else "internal_error")
        return make_error_reply(error, status=status)

    def _find_tenant(self, envelope: Envelope) -> Tenant | None:
        params = envelope.params if isinstance(envelope.params, dict) else {}
        login = params.get("login") if envelope.method == "login.user" else None
        if isinstance(login, str):
            return self.registry.find(LOGIN, login)
        token = params.get("access_token")
        if not isinstance(token, str):
            return None
        # A session's token begins with its tenant's digits, so that every replica knows it.
        prefix = token[:CDR_PREFIX_DIGITS]
        return self.registry.find(TOKEN, token) or self.registry.find(TOKEN, prefix)


def _parse_request(body: bytes) -> ParsedRequest | None:
    """None when it has too many values: while they are decoded no other thread runs."""
    return None if has_more_values(body, MAX_VALUES) else ParsedRequest(body)


def _note_content_type(request: web.Request, exchange: Exchange) -> None:
    sent = request.headers.get("Content-Type", "")
    if sent.lower() in _CONTENT_TYPES:
        return
    if (
        request.content_type != "application/json"
        or (request.charset or "utf-8").lower() != "utf-8"
    ):
        sent = sent[:_MAX_PATH_CHARS] or "none"
        text = "application/json; charset=UTF-8"
        exchange.notes.append(f"tolerated: Content-Type: expected {text}, got {sent}")


async def _answer_oversized(
    expected: str, got: str, request_id: msgspec.Raw, exchange: Exchange
) -> Reply:
    exchange.add_violation("filter", expected, got)
    error = RpcError("invalid_parameter_value", "filter", expected=expected)
    return make_error_reply(error, request_id)


async def _answer_unknown_path(method: str, path: str, exchange: Exchange) -> Reply:
    """Another address, or another method at the right one: it belongs into the journal too."""
    known = path.rstrip("/") == CDR.url_path
    text = f"{method} {path[:_MAX_PATH_CHARS]}: "
    text += "the method is POST" if known else "nothing is there"
    exchange.notes.append(text)
    status, headers = (405, {"Allow": "POST"}) if known else (404, {})
    return Reply(f"{text}\n".encode(), status, "text/plain; charset=utf-8", headers)
