from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lxml import etree
from msgspec.structs import replace

from callmocks.arm import frames, responses, schema, service, sessions, tree
from callmocks.arm.faults import FAULT_TYPES
from callmocks.config.server_limits import DEFAULT_LIMITS
from callmocks.config.types import PROVIDER_TITLES
from callmocks.contract.cached_property import cached_property
from callmocks.contract.journal import ResponseSummary
from callmocks.contract.listed_names import Operations
from callmocks.contract.message_size import DEEP, MAX_NESTING
from callmocks.contract.nesting import is_message_too_deep
from callmocks.errors import CallmocksError, SettingsError
from callmocks.provider.base import Provider, RequestKey, WireExchange
from callmocks.tenants.exchange import Reply

if TYPE_CHECKING:
    from aiohttp import web

    from callmocks.contract.findings import ValidationResult
    from callmocks.provider.harmless import HarmlessFields
    from callmocks.provider.recorded_rows import RowReader
    from callmocks.tenants.exchange import Exchange
    from callmocks.tenants.registry import Registry

_COMMAND_PATH = re.compile(rf".*/{service.SERVICE_PATH}/([\w-]+)/?")


class ArmProvider(Provider):
    name = "arm"
    title = PROVIDER_TITLES["arm"]
    url_schemes = ("http", "https", "ws", "wss")
    credential_option = "cookie"
    proxy_port = 9086
    relays_websockets = True
    token_counters = frozenset({sessions.SESSION_COUNTER})
    session_operations = frozenset({schema.LOGIN, schema.LOGOUT})
    window_fields = ("from_date", "to_date")
    secret_fields = frozenset({"password"})
    max_request_bytes = DEFAULT_LIMITS.message
    fault_types = FAULT_TYPES

    def create_app(self, registry: Registry) -> web.Application:
        from callmocks.arm.server import ArmServer

        return ArmServer(registry).create_app()

    def find_operation(self, exchange: Exchange | WireExchange) -> str:
        """The command; ``""`` of a frame whose command cannot be read."""
        if exchange.operation or exchange.transport != "frame":
            return exchange.operation
        try:
            return frames.decode_request(exchange.request).command
        except frames.FrameError:
            return ""

    def find_content_excess(self, request: bytes, transport: str) -> str:
        return DEEP if is_message_too_deep(request, MAX_NESTING) else ""

    def read_fields(self, request: bytes) -> dict[str, object]:
        """Attributes by element and name: ``{"filters.limit": "50"}``."""
        try:
            root = _parse_request(request, self.guess_transport(request))
        except CallmocksError:
            return {}
        return {
            f"{etree.QName(element).localname}.{name!s}": str(value)
            for element in root.iter()
            for name, value in element.attrib.items()
        }

    @cached_property
    def operations(self) -> Operations:
        commands = {name: schema.load_request_attributes(name) for name in schema.COMMANDS}
        return commands | dict.fromkeys(service.OTHER_OPERATIONS, ())

    def request_key(self, request: bytes, transport: str = "http") -> RequestKey | None:
        try:
            root = _parse_request(request, transport)
        except CallmocksError:
            return None
        found: RequestKey = {}
        for element in root.iter("filters"):
            for name, value in element.attrib.items():
                text = str(value).strip()
                if name == "skip_incomplete":
                    text = "false" if text in ("false", "0") else ""
                if text and (name, text) != ("offset", "0"):
                    found[str(name)] = text
        return found

    def summarize_response(self, response: bytes) -> ResponseSummary:
        try:
            if response.lstrip()[:1] != b"<":
                response = tree.answer_to_xml(frames.decode_response(response).body)
            root = schema.parse(response)
        except CallmocksError:
            return ResponseSummary()
        error, history = root.find("error"), root.find("response/history")
        if error is not None:
            return ResponseSummary.of_error(error.get("reason", ""), error.text or "")
        return ResponseSummary("", None if history is None else len(history))

    def guess_transport(self, request: bytes) -> str:
        return "http" if request.lstrip()[:1] in (b"<", b"[", b"") else "frame"

    def classify_request(
        self, method: str, path: str, query: str, endpoint_path: str
    ) -> tuple[str, bool]:
        command = _COMMAND_PATH.fullmatch(path)
        return (command[1], True) if method == "POST" and command else (path, False)

    def preload_validator(self, contract: str) -> None:
        from callmocks.arm import validate

        schema.get_schema(schema.HISTORY, contract)
        validate.validate_body(b"<in/>", contract=contract)

    def validate_request(self, exchange: WireExchange, contract: str) -> ValidationResult:
        from callmocks.arm import validate

        if exchange.transport == "frame":
            return validate.validate_request_frame(exchange.request, contract)
        return validate.validate_body(
            exchange.request, contract=contract, side="request", command=exchange.operation
        )

    def validate_response(self, exchange: WireExchange, contract: str) -> ValidationResult:
        from callmocks.arm import validate

        request = exchange.request or None
        if exchange.transport == "frame":
            return validate.validate_response_frame(exchange.response, request, contract)
        return validate.validate_body(
            exchange.response, request, exchange.status, contract, side="answer"
        )

    def check_endpoint(self, url: str, credential: str) -> None:
        if credential and "=" not in credential:
            raise SettingsError("--cookie: it has the form NAME=VALUE")
        if not urlsplit(url).path.strip("/"):
            raise SettingsError("URL: the domain is missing, http://HOST:8086/DOMAIN")

    def load_harmless_fields(self) -> HarmlessFields:
        from callmocks.arm import harmless

        return harmless.load_harmless_fields()

    def replay_reply(self, exchange: Exchange, recorded: WireExchange) -> Reply | None:
        body, was_frame = recorded.response, recorded.transport == "frame"
        try:
            if exchange.transport == "frame":
                id = frames.decode_request(exchange.request).id
                if was_frame:
                    return Reply(frames.with_id(body, id.encode()), recorded.status)
                body = tree.encode(tree.element_to_tree(schema.parse(body)))
                frame = frames.encode_response(id, recorded.status, body)
                return Reply(frame, recorded.status)
            if was_frame:
                body = tree.answer_to_xml(frames.decode_response(body).body)
                schema.parse(body)  # a frame may have what no document can, as undeclared prefixes
        except CallmocksError:
            return None
        content_type = "" if was_frame else recorded.content_type
        return Reply(body, recorded.status, content_type or "text/xml; charset=utf-8")

    async def find_refusal(self, exchange: Exchange) -> Reply | None:
        return await service.find_refusal(exchange)

    def make_row_reader(self) -> RowReader:
        from callmocks.arm import recorded_rows

        return recorded_rows.ArmRowReader()

    def no_match_reply(self, exchange: Exchange, text: str) -> Reply:
        return self.error_reply(exchange, responses.CANNOT_PERFORM, {"text": text})

    def unreadable_reply(self, exchange: Exchange) -> Reply | None:
        return _make_error_reply(exchange, "the request cannot be read", 400)

    def list_errors(self) -> Mapping[str, tuple[str, ...]]:
        return {responses.CANNOT_PERFORM: ("text",), "unauthorized": ("text",)}

    def error_reply(self, exchange: Exchange, name: str, params: Mapping[str, str]) -> Reply:
        """``out/error`` in the transport of the request; ``params["text"]`` is its text."""
        if name == "unauthorized":
            return _make_error_reply(exchange, params.get("text", sessions.NOT_LOGGED_IN), 401)
        if name != responses.CANNOT_PERFORM:
            raise KeyError(name)
        text = params.get("text", "timeout")
        response = service.make_command_error(exchange, exchange.operation, text)
        return service.make_reply(exchange, response)

    def unavailable_reply(self, exchange: Exchange, text: str) -> Reply:
        return _make_error_reply(exchange, text, 503)

    def document_of(self, exchange: Exchange, reply: Reply) -> bytes:
        return frames.get_body(reply.body) if exchange.transport == "frame" else reply.body

    def with_document(self, exchange: Exchange, reply: Reply, document: bytes) -> Reply:
        framed = exchange.transport == "frame"
        return replace(reply, body=frames.with_body(reply.body, document) if framed else document)

    def with_status(self, exchange: Exchange, reply: Reply, status: int) -> Reply:
        framed = exchange.transport == "frame"
        body = frames.with_status(reply.body, status) if framed else reply.body
        return replace(reply, body=body, status=status)

    def with_wrong_id(self, exchange: Exchange, reply: Reply) -> Reply | None:
        if exchange.transport != "frame":
            return None
        next_id = (int(frames.get_id_field(reply.body)) + 1) % 10_000
        return replace(reply, body=frames.with_id(reply.body, b"%04d" % next_id))


def _parse_request(request: bytes, transport: str) -> etree._Element:
    if transport == "frame":
        request = frames.decode_request(request).body
    return schema.parse(tree.json_to_xml(request) if request.lstrip()[:1] == b"[" else request)


def _make_error_reply(exchange: Exchange, text: str, status: int) -> Reply:
    response = responses.make_error_response(exchange.operation, text, status)
    return service.make_reply(exchange, response)


ARM = ArmProvider()
