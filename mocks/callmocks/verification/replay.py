"""``callmocks serve --replay FILE``: the answers of a recording, to whoever asks the same.

::

    request ── operation, question ── the answers recorded for it, in their order, the last for ever
                                  └── none: an error in the provider's own shape names the nearest

Whoever asks may: credentials are not looked at. Exchanges are journaled for the tenant ``demo``,
and its faults apply, as they do to answers of the mock's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from aiohttp import web

from callmocks.arm import frames, responses, schema, service, tree
from callmocks.arm.document_tree import element_to_tree
from callmocks.cdr.errors import RpcError
from callmocks.cdr.jsonrpc import ParsedRequest, encode_error, join_members, split_members
from callmocks.errors import CallmocksError
from callmocks.onec import envelope as onec_envelope
from callmocks.onec.namespaces import SOAP11, SOAP12
from callmocks.tenants.exchange import Exchange, Reply
from callmocks.verification.recording import RecordedExchange
from callmocks.verification.request_key import RequestKey, build_request_key, list_differences

if TYPE_CHECKING:
    from callmocks.tenants.registry import Registry

MAX_DIFFERENCES = 3
"""Differences that an error tells."""
SESSION_OPERATIONS = ("login.user", "logout.user", schema.LOGIN, schema.LOGOUT)
"""Operations whose parameters are credentials alone."""
DEFAULT_MEDIA_TYPES = {"arm": "text/xml; charset=utf-8", "cdr": "application/json"}
SOAP_MEDIA_TYPES = {SOAP11: "text/xml;charset=utf-8", SOAP12: "application/soap+xml;charset=utf-8"}
NO_MATCH_ERRORS = {
    "arm": ("cannot_perform_cmd", {"text": ""}),
    "cdr": ("error", {"error_message": ""}),
    "onec": ("soap_fault", {"text": "", "code": "server"}),
}
FAULT_ELEMENT = re.compile(rb"<(\w+:)?Fault[\s>]")


class RecordedResponses:
    """The answers to one question."""

    def __init__(self, request_key: RequestKey) -> None:
        self.request_key = request_key
        self.exchanges: list[RecordedExchange] = []
        self._next = 0

    def next_response(self) -> RecordedExchange:
        """The next answer; the last one stays."""
        answer = self.exchanges[min(self._next, len(self.exchanges) - 1)]
        self._next += 1
        return answer


class ReplayIndex:
    """The answers of one provider."""

    def __init__(self, provider: str, exchanges: Iterable[RecordedExchange]) -> None:
        self.provider = provider
        self._by_operation: dict[str, dict[tuple[tuple[str, str], ...], RecordedResponses]] = {}
        self.wsdl: bytes = b""
        """The recorded WSDL, when there is one."""
        for each in exchanges:
            if each.provider == provider and each.status and not each.is_truncated:
                self._add_exchange(each)

    async def handle(self, exchange: Exchange) -> Reply:
        """The answer that was recorded for a request."""
        if not exchange.operation:
            exchange.operation = exchange.provider.find_operation(exchange)
        framed = exchange.transport == "frame"
        asked = build_request_key(self.provider, exchange.request, framed=framed)
        if asked is None and self.provider in UNREADABLE_REPLIES:
            return UNREADABLE_REPLIES[self.provider](exchange)
        kept = self._find_responses(exchange.operation, asked or {})
        reply = None if kept is None else self._build_reply(exchange, kept.next_response())
        return reply or self._no_match_reply(exchange, asked or {})

    def _add_exchange(self, recorded: RecordedExchange) -> None:
        if recorded.operation == "wsdl":
            self.wsdl = recorded.response.encode()
            return
        asked = build_request_key(
            self.provider, recorded.request.encode(), framed=recorded.is_framed
        )
        asked = {} if recorded.operation in SESSION_OPERATIONS else asked
        if asked is not None:
            here = self._by_operation.setdefault(recorded.operation, {})
            kept = here.setdefault(_hashable_key(asked), RecordedResponses(asked))
            kept.exchanges.append(recorded)

    def _find_responses(self, operation: str, request_key: RequestKey) -> RecordedResponses | None:
        request_key = {} if operation in SESSION_OPERATIONS else request_key
        return self._by_operation.get(operation, {}).get(_hashable_key(request_key))

    def _build_reply(self, exchange: Exchange, recorded: RecordedExchange) -> Reply | None:
        """The recorded answer as this request gets it; None when it cannot be told so."""
        body = recorded.response.encode()
        if self.provider == "cdr":
            body = _replace_id(body, exchange.request)
        elif self.provider == "arm":
            return _arm_reply(exchange, recorded, body)
        else:
            return _onec_reply(exchange, recorded, body)
        return Reply(body, recorded.status, recorded.content_type or DEFAULT_MEDIA_TYPES["cdr"])

    def _no_match_reply(self, exchange: Exchange, request_key: RequestKey) -> Reply:
        """An error in the provider's own shape."""
        text = f"replay: {self._describe_nearest(exchange.operation, request_key)}"
        exchange.notes.append(text)
        name, params = NO_MATCH_ERRORS[self.provider]
        params = {key: value or text for key, value in params.items()}
        return exchange.provider.error_reply(exchange, name, params)

    def _describe_nearest(self, operation: str, request_key: RequestKey) -> str:
        here = self._by_operation.get(operation)
        if not here:
            names = ", ".join(sorted(self._by_operation)) or "nothing"
            return f"no {operation or 'such request'} was recorded, only {names}"
        best = min(
            here.values(), key=lambda kept: len(list_differences(request_key, kept.request_key))
        )
        found = list_differences(request_key, best.request_key)
        if not found:
            return f"{operation} was recorded in another version of SOAP alone, as a Fault"
        more = f" and {len(found) - MAX_DIFFERENCES} more" if len(found) > MAX_DIFFERENCES else ""
        number = best.exchanges[0].seq
        return f"{operation} was not recorded so; nearest is number {number}: " + (
            "; ".join(found[:MAX_DIFFERENCES]) + more
        )


def _hashable_key(request_key: RequestKey) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(request_key.items()))


def _invalid_request_reply(exchange: Exchange) -> Reply:
    """What any Data API says of a body that is no request."""
    parsed = ParsedRequest(exchange.request)
    error = None if parsed.readable else parsed.error
    return Reply(encode_error((error or RpcError("invalid_request")).build_error_object()))


def _unreadable_command_reply(exchange: Exchange) -> Reply:
    """What any workplace says of a document or a frame that it cannot read."""
    text = "the request cannot be read"
    return service.make_reply(
        exchange, responses.make_error_response(exchange.operation, text, 400)
    )


UNREADABLE_REPLIES = {"cdr": _invalid_request_reply, "arm": _unreadable_command_reply}
"""1C answers a Fault in any case."""


def _replace_id(body: bytes, request: bytes) -> bytes:
    """The answer under the id of this request."""
    members, parsed = split_members(body), ParsedRequest(request)
    if not members or not parsed.readable:
        return body
    if bytes(members.get("id", b"null")) != b"null":
        members["id"] = parsed.echo_id
    return join_members(members)


def _arm_reply(exchange: Exchange, recorded: RecordedExchange, body: bytes) -> Reply | None:
    """A frame under the id of this request, or a document; either is made from the other."""
    wants_frame = exchange.transport == "frame"
    if not wants_frame and not recorded.is_framed:
        return Reply(body, recorded.status, recorded.content_type or DEFAULT_MEDIA_TYPES["arm"])
    try:
        if not wants_frame:
            root = tree.to_xml(tree.decode(frames.decode_response(body).body))
            return Reply(root, recorded.status, DEFAULT_MEDIA_TYPES["arm"])
        id = frames.decode_request(exchange.request).id
        if recorded.is_framed:
            return Reply(frames.with_id(body, id.encode()), recorded.status)
        made = tree.encode(element_to_tree(schema.parse(body)))
        return Reply(frames.encode_response(id, recorded.status, made), recorded.status)
    except CallmocksError:
        return None


def _onec_reply(exchange: Exchange, recorded: RecordedExchange, body: bytes) -> Reply | None:
    """The answer in the version of SOAP that this request has; a Fault has no other version."""
    wanted = onec_envelope.guess_soap_namespace(exchange.request, "")
    there = onec_envelope.guess_soap_namespace(body, recorded.content_type)
    media = recorded.content_type or SOAP_MEDIA_TYPES[there]
    if wanted != there and body.lstrip().startswith(b"<"):
        if FAULT_ELEMENT.search(body):
            return None
        body, media = body.replace(there.encode(), wanted.encode()), SOAP_MEDIA_TYPES[wanted]
    return Reply(body, recorded.status, media)


def make_apps(
    registry: Registry, exchanges: Iterable[RecordedExchange]
) -> dict[str, web.Application]:
    """An application for each provider that the exchanges are of."""
    from callmocks.verification import replay_servers

    kept = list(exchanges)
    return {
        name: replay_servers.APP_FACTORIES[name](registry, ReplayIndex(name, kept))
        for name in registry.providers
        if any(each.provider == name for each in kept)
    }
