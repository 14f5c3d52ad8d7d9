"""Answers: the tree of ``out``, as compact JSON for a frame or as an XML document for HTTP."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from callmocks.arm import schema, tree
from callmocks.arm.pages import Page
from callmocks.arm.requests import Form
from callmocks.arm.rows import TIME
from callmocks.arm.tree import Node

if TYPE_CHECKING:
    from datetime import datetime

    from callmocks.arm.schema import Fault
    from callmocks.tenants.exchange import Exchange

_log = logging.getLogger(__name__)

CANNOT_PERFORM = "cannot_perform_cmd"
"""The only error name the vendor prints."""

_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
_DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LONGEST = 2000
_JSON_END = b"}]}]}]"
_XML_END = b"/></response></out>"


@dataclass(slots=True)
class Answer:
    """What is sent back: a status and a tree, or a page of calls.

    ``status`` is HTTP's, or the frame's; ``cookie`` is the value of Set-Cookie.
    """

    command: str
    root: Node | None = None
    status: int = 200
    cookie: str = ""
    page: Page | None = None
    timestamp: str = ""
    error: bool = False

    @property
    def faults(self) -> list[Fault]:
        """Where calls of the page break the schema; there must be none."""
        return self.page.faults if self.page else []

    def envelope(self, form: Form, contract: str) -> tuple[bytes, bytes, list[Fault]]:
        """What stands before and behind the calls, and what the schema refuses in it."""
        if self.root is not None:
            return _envelope(self.root, self.command, form, contract, False)
        page = self.page
        tag, calls = (page.tag, len(page) > 0) if page is not None else (None, False)
        return _page_envelope(self.timestamp, tag, form, contract, calls)


def history(page: Page, now: datetime) -> Answer:
    """A page of calls."""
    return Answer(schema.HISTORY, page=page, timestamp=_shown(now.replace(microsecond=0)))


@lru_cache(maxsize=64)
def _shown(second: datetime) -> str:
    return second.strftime(TIME)


def done(command: str, cookie: str = "") -> Answer:
    """A command that has nothing to tell but its success."""
    return Answer(command, _out(command, Node("response", content=[Node("ok")])), cookie=cookie)


def error(command: str, text: str, status: int, reason: str = CANNOT_PERFORM) -> Answer:
    """``out/error``; ``command`` is what the client asked for, ``""`` when that is unreadable."""
    about = command if command in schema.COMMANDS else schema.HISTORY
    attributes = {"cmd": _clean(command)} if command else {}
    attributes["reason"] = reason
    root = _out(about, Node("error", attributes, [_clean(text)]))
    return Answer(about, root, status, error=True)


def write(answer: Answer, form: Form, exchange: Exchange) -> bytes:
    """The answer's bytes, validated.

    The tree is validated here, the calls were when they were rendered; a violation of our own is
    noted on the exchange as a defect.
    """
    if answer.error:
        exchange.assume("arm.error-reason")
        exchange.assume("arm.included-schemas")
        if answer.status != 200:
            exchange.assume("arm.transport-status")
    settings = exchange.tenant.settings
    contract = settings.arm.contract if settings.self_check else ""
    head, tail, faults = answer.envelope(form, contract)
    if settings.self_check and (faults or answer.faults):
        for fault in (*faults, *answer.faults):
            _log.error("our own answer: %s", exchange.violated(*fault, side="answer"))
    if not answer.page:
        return head + tail
    return head + (answer.page.json if form == "json" else answer.page.xml) + tail


def _envelope(
    root: Node, command: str, form: Form, contract: str, open_end: bool
) -> tuple[bytes, bytes, list[Fault]]:
    """A tree's bytes before and behind the calls, and what its schema refuses in it.

    ``contract`` is empty when nothing is to be validated; with ``open_end`` calls will follow.
    """
    document = tree.to_xml(root)
    faults = schema.of(command, contract).faults_of(document) if contract else []
    if form == "xml":
        document = _DECLARATION + document
        if not open_end:
            return document, b"", faults
        return document[: -len(_XML_END)] + b">", b"</history></response></out>", faults
    body = tree.encode(root)
    if not open_end:
        return body, b"", faults
    return body[: -len(_JSON_END)] + b',"_content":[', b"]" + _JSON_END, faults


@lru_cache(maxsize=256)
def _page_envelope(
    timestamp: str, tag: str | None, form: Form, contract: str, open_end: bool
) -> tuple[bytes, bytes, list[Fault]]:
    """The envelope of a page: the same for all pages of one second that end at one call."""
    attributes = {} if tag is None else {"tag": tag}
    response = Node("response", {"timestamp": timestamp}, [Node("history", attributes)])
    return _envelope(_out(schema.HISTORY, response), schema.HISTORY, form, contract, open_end)


def _out(command: str, content: Node) -> Node:
    attributes = {"xmlns:xs": _INSTANCE, "xs:noNamespaceSchemaLocation": f"{command}.xsd"}
    return Node("out", attributes, [content])


def _clean(text: str) -> str:
    """Text that XML can hold, of a length that people read."""
    return _NOT_XML.sub("\ufffd", text[:_LONGEST])
