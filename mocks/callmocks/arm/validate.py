"""Messages of the workplace from outside, held against the contract: frames, trees, documents.

The same schemas, frames and filters as the service's own decide; this module adds what only an
outsider asks: is the answer to this request right, and do its rows agree with themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from lxml import etree

from callmocks.arm import frames, query, requests, schema, tree, validate_rows
from callmocks.contract.findings import Findings, Verdict, xml_place
from callmocks.errors import CallmocksError
from callmocks.tenants.detached import bare_exchange

INSTANCE = {
    "xmlns:xs": "http://www.w3.org/2001/XMLSchema-instance",
    "xs:noNamespaceSchemaLocation": "operator_call_history.xsd",
}
_REQUEST, _ANSWER = "ARM request", "ARM answer"
_KEYS = ("_name", "_attributes", "_content")
_ERROR_STATUSES = (200, 400, 401, 404, 405, 413, 500)


def is_answer_frame(message: bytes) -> bool:
    """Whether a frame comes from the server: behind the id stands a status, not a command."""
    return message[16:19].isdigit()


def request_frame(message: bytes, contract: str = "documented") -> Verdict:
    """A frame from client to server."""
    found = Findings()
    verdict = Verdict("arm", f"{_REQUEST} frame", "request")
    try:
        frame = frames.decode_request(message)
    except frames.FrameError as error:
        found.add(error.where, error.expected, error.got, "observed")
    else:
        verdict.operation = frame.command
        for deviation in frame.deviations:
            found.add(*deviation, evidence="observed")
        _known(frame.command, found)
        _tree_form(frame.body, found)
        _request(frame.body, "json", frame.command, contract, found)
    verdict.findings = list(found)
    return verdict


def answer_frame(
    message: bytes, asked: bytes | None = None, contract: str = "documented"
) -> Verdict:
    """A frame from server to client; ``asked`` is the frame it answers, where that is known."""
    found = Findings()
    verdict = Verdict("arm", f"{_ANSWER} frame", "answer")
    try:
        frame = frames.decode_response(message)
    except frames.FrameError as error:
        found.add(error.where, error.expected, error.got, "observed")
    else:
        for deviation in frame.deviations:
            found.add(*deviation, evidence="observed")
        request = _asked_frame(asked)
        if request is not None and request.id != frame.id:
            found.add("bytes 13-16 (id)", f"the request's, {request.id}", frame.id, "documented")
        root = _tree_form(frame.body, found)
        if root is not None:
            _instance(root, found)
            verdict.operation = _answer(
                _as_xml(root, found), frame.status, request, contract, found
            )
    verdict.findings = list(found)
    return verdict


def body(
    message: bytes,
    asked: bytes | None = None,
    status: int | None = None,
    contract: str = "documented",
    side: Literal["request", "answer", ""] = "",
    command: str = "",
) -> Verdict:
    """A document of HTTP, or a tree without a frame: a request or an answer, else by its root.

    ``asked`` is the document it answers, ``status`` the HTTP status and ``command`` the command in
    the address, where they are known.
    """
    found = Findings()
    form: requests.Form = "json" if message.lstrip()[:1] == b"[" else "xml"
    kind = "tree" if form == "json" else "XML"
    root = None
    if form == "json":
        node = _tree_form(message, found)
        root = None if node is None else _as_xml(node, found)
    else:
        try:
            root = schema.parse(message)
        except schema.XmlError as error:
            found.add(xml_place(message, str(error)), "a well-formed document", str(error))
    named = root is not None and root.tag == "in"
    if side == "request" or (named and not side):
        command = command or ("" if root is None else command_of(root))
        verdict = Verdict("arm", f"{_REQUEST} {kind}", "request", command)
        if root is not None:
            _request(message, form, command, contract, found)
    else:
        verdict = Verdict("arm", f"{_ANSWER} {kind}", "answer")
        request = None if asked is None else _asked_document(asked)
        if root is not None:
            verdict.operation = _answer(root, status, request, contract, found)
    verdict.findings = list(found)
    return verdict


def command_of(root: etree._Element) -> str:
    """The command a request's document is for: its address says so, and so do its elements."""
    request = root.find("request")
    if request is not None and (len(request) or "limit" in request.attrib):
        return schema.HISTORY
    if request is not None and request.attrib:
        return schema.LOGIN
    return schema.HISTORY if request is None and len(root) else schema.LOGOUT


class _Asked(msgspec.Struct):
    id: str
    attributes: Mapping[str, str]


def _asked_frame(message: bytes | None) -> _Asked | None:
    try:
        frame = None if message is None else frames.decode_request(message)
    except frames.FrameError:
        return None
    if frame is None:
        return None
    read = requests.read(frame.body, "json", _command(frame.command), "documented")
    return _Asked(frame.id, read.attributes)


def _asked_document(message: bytes) -> _Asked | None:
    form: requests.Form = "json" if message.lstrip()[:1] == b"[" else "xml"
    return _Asked("", requests.read(message, form, schema.HISTORY, "documented").attributes)


def _command(name: str) -> str:
    return name if name in schema.COMMANDS else schema.HISTORY


def _known(command: str, found: Findings) -> None:
    if command not in schema.COMMANDS:
        known = " or ".join(schema.COMMANDS)
        found.add("bytes 17-48 (command)", known, command, "assumed")


def _request(
    message: bytes, form: requests.Form, command: str, contract: str, found: Findings
) -> None:
    """Schema and filters of a request; the missing offset of the vendor's example is tolerated."""
    if command not in schema.COMMANDS:
        return
    read = requests.read(message, form, command, contract)
    if read.unreadable:
        if not len(found):
            found.add("body", "a document that can be read", read.unreadable)
        return
    for fault in read.faults:
        found.add(*fault, evidence="documented" if command == schema.HISTORY else "assumed")
    if command != schema.HISTORY:
        return
    if contract != "strict":
        for fault in requests.read(message, form, command, "strict").faults:
            if fault not in read.faults and fault.where.endswith("/@offset"):
                found.add(*fault, tolerated=True)
    if not read.faults:
        _filters(read.attributes, found)


def _filters(attributes: Mapping[str, str], found: Findings) -> None:
    try:
        query.read(attributes, bare_exchange("arm").assume)
    except query.FilterError as error:
        found.add(error.where, error.expected, error.got, "assumed")


def _answer(
    root: etree._Element | None,
    status: int | None,
    asked: _Asked | None,
    contract: str,
    found: Findings,
) -> str:
    """Schema, status and rows of an answer; the command it answers as far as it tells."""
    if root is None:
        return ""
    error = root.find("error") if root.tag == "out" else None
    command = schema.LOGIN if root.find("response/ok") is not None else schema.HISTORY
    if error is not None:
        _status(status, _ERROR_STATUSES, "assumed", found)
    else:
        _status(status, (200,), "documented", found)
    judge = schema.of(command, contract)
    faults = judge.faults(root)
    for fault in faults:
        found.add(*fault, evidence="documented" if command == schema.HISTORY else "assumed")
    if root.tag != "out" and not faults:
        found.add(f"/{root.tag}", "the root out", str(root.tag))
    if error is not None:
        return error.get("cmd", "")
    if command == schema.HISTORY:
        if contract != "strict":
            _undeclared(root, found)
        validate_rows.check(root, {} if asked is None else asked.attributes, found)
    return command


def _status(status: int | None, allowed: tuple[int, ...], evidence: Any, found: Findings) -> None:
    if status is not None and status not in allowed:
        found.add("status", " or ".join(map(str, allowed)), status, evidence)


def _undeclared(root: etree._Element, found: Findings) -> None:
    """``release_reason``, which the vendor's answer has and the vendor's schema lacks."""
    rows = root.findall("response/history/call_history")
    having = [place for place, row in enumerate(rows, 1) if "release_reason" in row.attrib]
    if having:
        where = f"/out/response/history/call_history[{having[0]}]/@release_reason"
        expected = "attributes of the vendor's schema"
        found.add(where, expected, "release_reason", times=len(having), tolerated=True)


def _instance(root: tree.Node, found: Findings) -> None:
    """The two attributes that the root of a documented answer begins with."""
    first = list(root.attributes.items())[:2]
    names = [name for name, _ in first]
    if names != list(INSTANCE) or first[0] != next(iter(INSTANCE.items())):
        wanted = " and ".join(INSTANCE)
        found.add(f"/{root.name}", f"{wanted} first", ", ".join(names) or "none")


def _as_xml(root: tree.Node, found: Findings) -> etree._Element | None:
    try:
        return schema.parse(tree.to_xml(root))
    except CallmocksError as error:
        found.add("body", "a tree that XML can hold", str(error))
        return None


def _tree_form(message: bytes, found: Findings) -> tree.Node | None:
    """The tree of a JSON body; where its form is not the documented one is noted."""
    try:
        root = tree.decode(message)
    except tree.TreeError as error:
        found.add("body", "a tree as JSON, one root", str(error))
        return None
    _keys(msgspec.json.decode(message)[0], "", found)
    return root


def _keys(node: dict[str, Any], above: str, found: Findings) -> None:
    """Keys in the documented order, and none for what is empty."""
    place = f"{above}/{node['_name']}"
    order = [key for key in _KEYS if key in node]
    if list(node) != order:
        found.add(place, f"the keys in the order {', '.join(order)}", ", ".join(node))
    for key in ("_attributes", "_content"):
        if key in node and not node[key]:
            found.add(place, f"no {key} when it is empty", f"an empty {key}")
    for child in node.get("_content", ()):
        if isinstance(child, dict):
            _keys(child, place, found)
