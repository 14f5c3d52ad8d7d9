"""Answers: the tree of ``out``, as compact JSON for a frame or as an XML document for HTTP."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from callmocks.arm import schema, tree
from callmocks.arm.pages import Page
from callmocks.arm.rows import TIME
from callmocks.arm.tree import Node

if TYPE_CHECKING:
    from datetime import datetime

    from callmocks.arm.schema import Fault
    from callmocks.tenancy.exchange import Exchange

_log = logging.getLogger(__name__)

Form = Literal["json", "xml"]

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
    """What is sent back: a status, the tree without its calls, and the calls.

    ``status`` is HTTP's, or the frame's; ``cookie`` is the value of Set-Cookie.
    """

    command: str
    root: Node
    status: int = 200
    page: Page | None = None
    cookie: str = ""
    faults: list[Fault] = field(default_factory=list)


def history(page: Page, now: datetime) -> Answer:
    """A page of calls."""
    attributes = {} if page.tag is None else {"tag": page.tag}
    response = Node("response", {"timestamp": now.strftime(TIME)}, [Node("history", attributes)])
    return Answer(schema.HISTORY, _out(schema.HISTORY, response), page=page, faults=page.faults)


def done(command: str, cookie: str = "") -> Answer:
    """A command that has nothing to tell but its success."""
    return Answer(command, _out(command, Node("response", content=[Node("ok")])), cookie=cookie)


def error(command: str, text: str, status: int, reason: str = CANNOT_PERFORM) -> Answer:
    """``out/error``; ``command`` is what the client asked for, ``""`` when that is unreadable."""
    about = command if command in schema.COMMANDS else schema.HISTORY
    attributes = {"cmd": _clean(command)} if command else {}
    attributes["reason"] = reason
    root = _out(about, Node("error", attributes, [_clean(text)]))
    return Answer(about, root, status)


def write(answer: Answer, form: Form, exchange: Exchange) -> bytes:
    """The answer's bytes, validated.

    The tree is validated here, the calls were when they were rendered; a violation of our own is
    noted on the exchange as a defect.
    """
    document = tree.to_xml(answer.root)
    settings = exchange.tenant.settings
    if settings.self_check:
        judge = schema.of(answer.command, settings.arm.contract)
        for fault in (*judge.faults_of(document), *answer.faults):
            _log.error("our own answer: %s", exchange.violated(*fault, side="answer"))
    rows = answer.page.rows if answer.page else []
    if form == "xml":
        if rows:
            calls = b"".join([row.xml for row in rows])
            document = document[: -len(_XML_END)] + b">%b</history></response></out>" % calls
        return _DECLARATION + document
    body = tree.encode(answer.root)
    if not rows:
        return body
    calls = b",".join([row.json for row in rows])
    return b'%b,"_content":[%b]%b' % (body[: -len(_JSON_END)], calls, _JSON_END)


def _out(command: str, content: Node) -> Node:
    attributes = {"xmlns:xs": _INSTANCE, "xs:noNamespaceSchemaLocation": f"{command}.xsd"}
    return Node("out", attributes, [content])


def _clean(text: str) -> str:
    """Text that XML can hold, of a length that people read."""
    return _NOT_XML.sub("\ufffd", text[:_LONGEST])
