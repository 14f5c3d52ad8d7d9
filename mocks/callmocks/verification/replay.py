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

import msgspec
from aiohttp import web

from callmocks.arm import frames, responses, schema, service, tree
from callmocks.cdr import jsonrpc as cdr_envelope
from callmocks.cdr.errors import RpcError
from callmocks.errors import CallmocksError
from callmocks.onec import envelope as onec_envelope
from callmocks.onec.namespaces import SOAP11, SOAP12
from callmocks.provider import base
from callmocks.tenants.exchange import Exchange, Reply
from callmocks.verification.documents import as_tree
from callmocks.verification.recording import Recorded
from callmocks.verification.request_key import Question, differences, question

if TYPE_CHECKING:
    from callmocks.tenants.registry import Registry

NEAREST = 3
"""Differences that an error tells."""
SESSION = ("login.user", "logout.user", schema.LOGIN, schema.LOGOUT)
"""Operations whose parameters are credentials alone."""
_DEFAULTS = {"arm": "text/xml; charset=utf-8", "cdr": "application/json"}
_MEDIA = {SOAP11: "text/xml;charset=utf-8", SOAP12: "application/soap+xml;charset=utf-8"}
_ERRORS = {
    "arm": ("cannot_perform_cmd", {"text": ""}),
    "cdr": ("error", {"error_message": ""}),
    "onec": ("soap_fault", {"text": "", "code": "server"}),
}
_FAULT = re.compile(rb"<(\w+:)?Fault[\s>]")


class _Kept:
    """The answers to one question."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.answers: list[Recorded] = []
        self._next = 0

    def next(self) -> Recorded:
        """The next answer; the last one stays."""
        answer = self.answers[min(self._next, len(self.answers) - 1)]
        self._next += 1
        return answer


class Answers:
    """The answers of one provider."""

    def __init__(self, provider: str, exchanges: Iterable[Recorded]) -> None:
        self.provider = provider
        self._kept: dict[str, dict[tuple[tuple[str, str], ...], _Kept]] = {}
        self.description: bytes = b""
        """The recorded WSDL, when there is one."""
        for each in exchanges:
            if each.provider == provider and each.status and not each.cut:
                self._keep(each)

    async def handle(self, exchange: Exchange) -> Reply:
        """The answer that was recorded for a request."""
        known = base.provider(self.provider)
        if not exchange.operation and known is not None:
            exchange.operation = known.operation(exchange)
        framed = exchange.transport == "frame"
        asked = question(self.provider, exchange.request, framed=framed)
        if asked is None and self.provider in _UNREADABLE:
            return _UNREADABLE[self.provider](exchange)
        kept = self._find(exchange.operation, asked or {})
        reply = None if kept is None else self._reply(exchange, kept.next())
        return reply or self._nothing(exchange, asked or {})

    def _keep(self, recorded: Recorded) -> None:
        if recorded.operation == "wsdl":
            self.description = recorded.response.encode()
            return
        asked = question(self.provider, recorded.request.encode(), framed=recorded.framed)
        asked = {} if recorded.operation in SESSION else asked
        if asked is not None:
            here = self._kept.setdefault(recorded.operation, {})
            kept = here.setdefault(_key(asked), _Kept(asked))
            kept.answers.append(recorded)

    def _find(self, operation: str, asked: Question) -> _Kept | None:
        asked = {} if operation in SESSION else asked
        return self._kept.get(operation, {}).get(_key(asked))

    def _reply(self, exchange: Exchange, recorded: Recorded) -> Reply | None:
        """The recorded answer as this request gets it; None when it cannot be told so."""
        body = recorded.response.encode()
        if self.provider == "cdr":
            body = _with_id(body, exchange.request)
        elif self.provider == "arm":
            return _workplace(exchange, recorded, body)
        else:
            return _soap(exchange, recorded, body)
        return Reply(body, recorded.status, recorded.content_type or _DEFAULTS["cdr"])

    def _nothing(self, exchange: Exchange, asked: Question) -> Reply:
        """An error in the provider's own shape."""
        text = f"replay: {self._nearest(exchange.operation, asked)}"
        exchange.notes.append(text)
        known = base.provider(self.provider)
        assert known is not None
        name, params = _ERRORS[self.provider]
        params = {key: value or text for key, value in params.items()}
        return known.error_reply(exchange, name, params)

    def _nearest(self, operation: str, asked: Question) -> str:
        here = self._kept.get(operation)
        if not here:
            names = ", ".join(sorted(self._kept)) or "nothing"
            return f"no {operation or 'such request'} was recorded, only {names}"
        best = min(here.values(), key=lambda kept: len(differences(asked, kept.question)))
        found = differences(asked, best.question)
        if not found:
            return f"{operation} was recorded in another version of SOAP alone, as a Fault"
        more = f" and {len(found) - NEAREST} more" if len(found) > NEAREST else ""
        number = best.answers[0].seq
        return f"{operation} was not recorded so; nearest is number {number}: " + (
            "; ".join(found[:NEAREST]) + more
        )


def _key(asked: Question) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(asked.items()))


def _no_request(exchange: Exchange) -> Reply:
    """What any Data API says of a body that is no request."""
    try:
        cdr_envelope.read(exchange.request)
    except RpcError as error:
        return Reply(error.answer())
    return Reply(RpcError("invalid_request").answer())


def _no_command(exchange: Exchange) -> Reply:
    """What any workplace says of a document or a frame that it cannot read."""
    text = "the request cannot be read"
    return service.reply(exchange, responses.error(exchange.operation, text, 400))


_UNREADABLE = {"cdr": _no_request, "arm": _no_command}
"""1C answers a Fault in any case."""


def _with_id(body: bytes, request: bytes) -> bytes:
    """The answer under the id of this request."""
    try:
        members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        sent = cdr_envelope.read(request)
    except (msgspec.MsgspecError, RpcError, RecursionError):
        return body
    if bytes(members.get("id", b"null")) != b"null":
        members["id"] = sent.echo_id
    return msgspec.json.encode(members)


def _workplace(exchange: Exchange, recorded: Recorded, body: bytes) -> Reply | None:
    """A frame under the id of this request, or a document; either is made from the other."""
    wants_frame = exchange.transport == "frame"
    if not wants_frame and not recorded.framed:
        return Reply(body, recorded.status, recorded.content_type or _DEFAULTS["arm"])
    try:
        if not wants_frame:
            root = tree.to_xml(tree.decode(frames.decode_response(body).body))
            return Reply(root, recorded.status, _DEFAULTS["arm"])
        id = frames.decode_request(exchange.request).id
        if recorded.framed:
            return Reply(body[:12] + id.encode() + body[16:], recorded.status)
        made = tree.encode(as_tree(schema.parse(body)))
        return Reply(frames.encode_response(id, recorded.status, made), recorded.status)
    except CallmocksError:
        return None


def _soap(exchange: Exchange, recorded: Recorded, body: bytes) -> Reply | None:
    """The answer in the version of SOAP that this request has; a Fault has no other version."""
    wanted = onec_envelope.guess_namespace(exchange.request, "")
    there = onec_envelope.guess_namespace(body, recorded.content_type)
    media = recorded.content_type or _MEDIA[there]
    if wanted != there and body.lstrip().startswith(b"<"):
        if _FAULT.search(body):
            return None
        body, media = body.replace(there.encode(), wanted.encode()), _MEDIA[wanted]
    return Reply(body, recorded.status, media)


def make_apps(registry: Registry, exchanges: Iterable[Recorded]) -> dict[str, web.Application]:
    """An application for each provider that the exchanges are of."""
    from callmocks.verification import replay_servers

    kept = list(exchanges)
    return {
        name: replay_servers.MAKERS[name](registry, Answers(name, kept))
        for name in base.NAMES
        if any(each.provider == name for each in kept)
    }
