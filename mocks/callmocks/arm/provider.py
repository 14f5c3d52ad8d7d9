from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lxml import etree

from callmocks.arm import frames, responses, schema, service, sessions, tree
from callmocks.arm.faults import FAULT_TYPES, frame_edits
from callmocks.errors import CallmocksError
from callmocks.provider.base import Provider

if TYPE_CHECKING:
    from aiohttp import web

    from callmocks.tenants.exchange import Exchange, Reply
    from callmocks.tenants.registry import Registry


class ArmProvider(Provider):
    name = "arm"
    title = "ARM"
    fault_types = FAULT_TYPES

    def create_app(self, registry: Registry) -> web.Application:
        from callmocks.arm.server import make_app

        return make_app(registry)

    def find_operation(self, exchange: Exchange) -> str:
        """The command; ``""`` of a frame whose command cannot be read."""
        if exchange.operation or exchange.transport != "frame":
            return exchange.operation
        try:
            return frames.decode_request(exchange.request).command
        except frames.FrameError:
            return ""

    def read_fields(self, request: bytes) -> dict[str, object]:
        """Attributes by element and name: ``{"filters.limit": "50"}``."""
        try:
            document = request
            if not request.lstrip().startswith(b"<"):
                document = tree.to_xml(tree.decode(frames.decode_request(request).body))
            root = schema.parse(document)
        except CallmocksError:
            return {}
        return {
            f"{etree.QName(element).localname}.{name!s}": str(value)
            for element in root.iter()
            for name, value in element.attrib.items()
        }

    def list_errors(self) -> Mapping[str, tuple[str, ...]]:
        """The one error the vendor prints, and the missing login."""
        return {responses.CANNOT_PERFORM: ("text",), "unauthorized": ("text",)}

    def error_reply(self, exchange: Exchange, name: str, params: Mapping[str, str]) -> Reply:
        """``out/error`` in the transport of the request; ``params["text"]`` is its text."""
        command = exchange.operation
        if name == "unauthorized":
            answer = responses.make_error_response(
                command, params.get("text", sessions.NOT_LOGGED_IN), 401
            )
        elif name == responses.CANNOT_PERFORM:
            answer = service.make_command_error(exchange, command, params.get("text", "timeout"))
        else:
            raise KeyError(name)
        return service.make_reply(exchange, answer)

    def unavailable_reply(self, exchange: Exchange, text: str) -> Reply:
        """``out/error`` with status 503."""
        return service.make_reply(
            exchange, responses.make_error_response(exchange.operation, text, 503)
        )

    def document_of(self, exchange: Exchange, reply: Reply) -> bytes:
        return frame_edits.get_body(reply) if exchange.transport == "frame" else reply.body

    def with_document(self, exchange: Exchange, reply: Reply, document: bytes) -> Reply:
        if exchange.transport != "frame":
            return super().with_document(exchange, reply, document)
        return frame_edits.replace_body(reply, document)

    def with_status(self, exchange: Exchange, reply: Reply, status: int) -> Reply:
        if exchange.transport != "frame":
            return super().with_status(exchange, reply, status)
        return frame_edits.replace_status(reply, status)

    def with_wrong_id(self, exchange: Exchange, reply: Reply) -> Reply | None:
        if exchange.transport != "frame":
            return None
        return frame_edits.replace_id(reply, f"{(int(reply.body[12:16]) + 1) % 10_000:04d}")


ARM = ArmProvider()
