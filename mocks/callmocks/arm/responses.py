"""Answers: the tree of ``out``, as compact JSON for a frame or as an XML document for HTTP."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from callmocks.arm import schema, tree
from callmocks.arm.pages import CallPage
from callmocks.arm.requests import BodyFormat
from callmocks.arm.rows import TIME_FORMAT
from callmocks.arm.tree import Node
from callmocks.contract.xml import replace_forbidden

if TYPE_CHECKING:
    from datetime import datetime

    from callmocks.arm.schema import SchemaViolation
    from callmocks.tenants.exchange import Exchange

_logger = logging.getLogger(__name__)

CANNOT_PERFORM = "cannot_perform_cmd"
"""The only error name the vendor prints."""

_XSI_NAMESPACE = "http://www.w3.org/2001/XMLSchema-instance"
_XML_DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'
_MAX_TEXT_CHARS = 2000
_JSON_END = b"}]}]}]"
_XML_END = b"/></response></out>"


@dataclass(slots=True)
class CommandResponse:
    """What is sent back: a status and a tree, or a page of calls.

    ``status`` is HTTP's, or the frame's; ``cookie`` is the value of Set-Cookie.
    """

    command: str
    root: Node | None = None
    status: int = 200
    cookie: str = ""
    page: CallPage | None = None
    timestamp: str = ""
    is_error: bool = False

    @property
    def violations(self) -> list[SchemaViolation]:
        """Where calls of the page break the schema; there must be none."""
        return self.page.violations if self.page else []

    def render_envelope(
        self, body_format: BodyFormat, contract: str
    ) -> tuple[bytes, bytes, list[SchemaViolation]]:
        """What stands before and behind the calls, and what the schema refuses in it."""
        if self.root is not None:
            return _render_envelope(self.root, self.command, body_format, contract, False)
        page = self.page
        tag, calls = (page.tag, len(page) > 0) if page is not None else (None, False)
        return _render_page_envelope(self.timestamp, tag, body_format, contract, calls)


def make_history_response(page: CallPage, now: datetime) -> CommandResponse:
    """A page of calls."""
    return CommandResponse(
        schema.HISTORY, page=page, timestamp=_format_timestamp(now.replace(microsecond=0))
    )


@lru_cache(maxsize=64)
def _format_timestamp(time: datetime) -> str:
    return time.strftime(TIME_FORMAT)


def make_ok_response(command: str, cookie: str = "") -> CommandResponse:
    """A command that has nothing to tell but its success."""
    return CommandResponse(
        command, _make_out(command, Node("response", content=[Node("ok")])), cookie=cookie
    )


def make_error_response(
    command: str, text: str, status: int, reason: str = CANNOT_PERFORM
) -> CommandResponse:
    """``out/error``; ``command`` is what the client asked for, ``""`` when that is unreadable."""
    about = command if command in schema.COMMANDS else schema.HISTORY
    attributes = {"cmd": _clean_text(command)} if command else {}
    attributes["reason"] = reason
    root = _make_out(about, Node("error", attributes, [_clean_text(text)]))
    return CommandResponse(about, root, status, is_error=True)


def render_response(
    response: CommandResponse, body_format: BodyFormat, exchange: Exchange
) -> bytes:
    """The answer's bytes, validated.

    The tree is validated here, the calls were when they were rendered; a violation of our own is
    noted on the exchange as a defect.
    """
    if response.is_error:
        exchange.use_assumption("arm.error-reason")
        exchange.use_assumption("arm.included-schemas")
        if response.status != 200:
            exchange.use_assumption("arm.transport-status")
    settings = exchange.tenant.settings
    contract = settings.arm.contract if settings.self_check else ""
    head, tail, faults = response.render_envelope(body_format, contract)
    if settings.self_check and (faults or response.violations):
        for fault in (*faults, *response.violations):
            _logger.error("our own answer: %s", exchange.add_violation(*fault, side="answer"))
    if not response.page:
        return head + tail
    return head + (response.page.json if body_format == "json" else response.page.xml) + tail


def _render_envelope(
    root: Node, command: str, body_format: BodyFormat, contract: str, has_rows: bool
) -> tuple[bytes, bytes, list[SchemaViolation]]:
    """A tree's bytes before and behind the calls, and what its schema refuses in it.

    ``contract`` is empty when nothing is to be validated; with ``open_end`` calls will follow.
    """
    document = tree.to_xml(root)
    faults = schema.get_schema(command, contract).validate_bytes(document) if contract else []
    if body_format == "xml":
        document = _XML_DECLARATION + document
        if not has_rows:
            return document, b"", faults
        return document[: -len(_XML_END)] + b">", b"</history></response></out>", faults
    body = tree.encode(root)
    if not has_rows:
        return body, b"", faults
    return body[: -len(_JSON_END)] + b',"_content":[', b"]" + _JSON_END, faults


@lru_cache(maxsize=256)
def _render_page_envelope(
    timestamp: str, tag: str | None, body_format: BodyFormat, contract: str, has_rows: bool
) -> tuple[bytes, bytes, list[SchemaViolation]]:
    """The envelope of a page: the same for all pages of one second that end at one call."""
    attributes = {} if tag is None else {"tag": tag}
    response = Node("response", {"timestamp": timestamp}, [Node("history", attributes)])
    return _render_envelope(
        _make_out(schema.HISTORY, response), schema.HISTORY, body_format, contract, has_rows
    )


def _make_out(command: str, content: Node) -> Node:
    attributes = {"xmlns:xs": _XSI_NAMESPACE, "xs:noNamespaceSchemaLocation": f"{command}.xsd"}
    return Node("out", attributes, [content])


def _clean_text(text: str) -> str:
    """Text that XML can hold, of a length that people read."""
    return replace_forbidden(text[:_MAX_TEXT_CHARS])
