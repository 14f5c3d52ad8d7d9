"""Responses: the tree of ``out``, as compact JSON for a frame or as an XML document for HTTP."""

import logging
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

import msgspec

from callmocks.arm import schema, tree
from callmocks.arm.page_cache import CallPage
from callmocks.arm.requests import BodyFormat
from callmocks.arm.rows import TIME_FORMAT
from callmocks.arm.schema import SchemaViolation
from callmocks.arm.tree import Node
from callmocks.contract.quoting import MAX_ERROR_CHARS, shorten_text
from callmocks.contract.xml import replace_forbidden
from callmocks.tenants.exchange import Exchange

logger = logging.getLogger(__name__)

CANNOT_PERFORM = "cannot_perform_cmd"

_XSI_NAMESPACE = "http://www.w3.org/2001/XMLSchema-instance"
_XML_DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'
_TAG = b"{tag}"
# The end of a page without calls, and what stands before and behind the calls instead.
_JSON_END, _JSON_OPENING, _JSON_CLOSING = b"}]}]}]", b',"_content":[', b"]}]}]}]"
_XML_END, _XML_CLOSING = b"/></response></out>", b"</history></response></out>"


class CommandResponse(msgspec.Struct):
    """A page of calls, an error, or, without both, the success of a command.

    ``status`` is that of HTTP or of the frame; an empty ``session_token`` removes the cookie.
    """

    command: str
    status: int = 200
    page: CallPage | None = None
    error: Node | None = None
    session_token: str | None = None


class DocumentEnvelope(NamedTuple):
    """Calls stand between ``head`` and ``tail``; a page's tag in place of ``_TAG`` in ``head``."""

    head: bytes
    tail: bytes
    violations: list[SchemaViolation]


def make_error_response(command: str, text: str, status: int) -> CommandResponse:
    """``out/error``; ``command`` is that of the request, ``""`` when it cannot be read."""
    about = command if command in schema.COMMANDS else schema.HISTORY
    attributes = {"cmd": _clean_text(command)} if command else {}
    attributes["reason"] = CANNOT_PERFORM
    error = Node("error", attributes, [_clean_text(text)])
    return CommandResponse(about, status, error=error)


def render_response(
    response: CommandResponse, form: BodyFormat, exchange: Exchange
) -> tuple[bytes, bytes, bytes]:
    """In pieces. Where our own response breaks the schema, the exchange gets a violation."""
    # The envelope is validated here, the calls were when they were rendered.
    settings = exchange.tenant.settings
    contract = settings.arm.contract if settings.self_check else ""
    page, command = response.page, response.command
    violations: list[SchemaViolation] = []
    calls = b""
    if page is not None:
        now, has_calls = exchange.now.replace(microsecond=0), bool(page.rows)
        has_tag = page.tag is not None
        envelope = _render_page_envelope(now, has_tag, form, contract, has_calls)
        if page.tag is not None:
            envelope = envelope._replace(head=envelope.head.replace(_TAG, page.tag.encode("ascii")))
        violations = page.violations
        if has_calls:
            calls = page.json if form == "json" else page.xml
    elif response.error is not None:
        reason, _ = exchange.use_assumptions("arm.error-reason", "arm.included-schemas")
        response.error.attributes["reason"] = _clean_text(reason)
        if response.status != 200:
            exchange.use_assumption("arm.transport-status")
        envelope = _render_envelope(response.error, command, form, contract)
    else:
        success = Node("response", content=[Node("ok")])
        envelope = _render_envelope(success, command, form, contract)
    for violation in (*envelope.violations, *violations):
        logger.error("our own answer: %s", exchange.add_violation(*violation, side="answer"))
    return envelope.head, calls, envelope.tail


@lru_cache(maxsize=256)
def _render_page_envelope(
    now: datetime, has_tag: bool, body_format: BodyFormat, contract: str, has_calls: bool
) -> DocumentEnvelope:
    # A tag is base64: it changes neither the envelope's validity nor needs to be escaped.
    attributes = {"tag": _TAG.decode()} if has_tag else {}
    timestamp = {"timestamp": now.strftime(TIME_FORMAT)}
    response = Node("response", timestamp, [Node("history", attributes)])
    return _render_envelope(response, schema.HISTORY, body_format, contract, has_calls)


def _render_envelope(
    content: Node, command: str, body_format: BodyFormat, contract: str, has_calls: bool = False
) -> DocumentEnvelope:
    """The bytes of ``out``, open where calls will follow; without a contract not validated."""
    root = Node("out", root_attributes(command), [content])
    document = tree.to_xml(root)
    violations = schema.get_schema(command, contract).validate_bytes(document) if contract else []
    if body_format == "xml":
        head, end, opening, closing = _XML_DECLARATION + document, _XML_END, b">", _XML_CLOSING
    else:
        head, end, opening, closing = tree.encode(root), _JSON_END, _JSON_OPENING, _JSON_CLOSING
    if not has_calls:
        return DocumentEnvelope(head, b"", violations)
    return DocumentEnvelope(head.removesuffix(end) + opening, closing, violations)


def root_attributes(command: str) -> dict[str, str]:
    return {"xmlns:xs": _XSI_NAMESPACE, "xs:noNamespaceSchemaLocation": f"{command}.xsd"}


def _clean_text(text: str) -> str:
    return replace_forbidden(shorten_text(text, MAX_ERROR_CHARS))
