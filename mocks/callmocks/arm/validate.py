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
from callmocks.arm.provider import ARM
from callmocks.contract.findings import Findings, ValidationResult, xml_error_position
from callmocks.errors import CallmocksError
from callmocks.tenants.detached import detached_exchange

ROOT_ATTRIBUTES = {
    "xmlns:xs": "http://www.w3.org/2001/XMLSchema-instance",
    "xs:noNamespaceSchemaLocation": "operator_call_history.xsd",
}
_REQUEST, _RESPONSE = "ARM request", "ARM answer"
_KEYS = ("_name", "_attributes", "_content")
_ERROR_STATUSES = (200, 400, 401, 404, 405, 413, 500)


def is_response_frame(message: bytes) -> bool:
    """Whether a frame comes from the server: behind the id stands a status, not a command."""
    return frames.get_status_field(message).isdigit()


def validate_request_frame(message: bytes, contract: str = "documented") -> ValidationResult:
    """A frame from client to server."""
    found = Findings()
    verdict = ValidationResult("arm", f"{_REQUEST} frame", "request")
    try:
        frame = frames.decode_request(message)
    except frames.FrameError as error:
        found.add(error.where, error.expected, error.got, "observed")
    else:
        verdict.operation = frame.command
        for deviation in frame.deviations:
            found.add(*deviation, evidence="observed")
        _check_command(frame.command, found)
        _check_tree(frame.body, found)
        _check_request(frame.body, "json", frame.command, contract, found)
    verdict.findings = list(found)
    return verdict


def validate_response_frame(
    message: bytes, request_message: bytes | None = None, contract: str = "documented"
) -> ValidationResult:
    """A frame from server to client; ``asked`` is the frame it answers, where that is known."""
    found = Findings()
    verdict = ValidationResult("arm", f"{_RESPONSE} frame", "answer")
    try:
        frame = frames.decode_response(message)
    except frames.FrameError as error:
        found.add(error.where, error.expected, error.got, "observed")
    else:
        for deviation in frame.deviations:
            found.add(*deviation, evidence="observed")
        request = _read_request_frame(request_message)
        if request is not None and request.id != frame.id:
            found.add("bytes 13-16 (id)", f"the request's, {request.id}", frame.id, "documented")
        root = _check_tree(frame.body, found)
        if root is not None:
            _check_root_attributes(root, found)
            verdict.operation = _check_response(
                _parse_tree(root, found), frame.status, request, contract, found
            )
    verdict.findings = list(found)
    return verdict


def validate_body(
    message: bytes,
    request_message: bytes | None = None,
    status: int | None = None,
    contract: str = "documented",
    side: Literal["request", "answer", ""] = "",
    command: str = "",
) -> ValidationResult:
    """A document of HTTP, or a tree without a frame: a request or an answer, else by its root.

    ``asked`` is the document it answers, ``status`` the HTTP status and ``command`` the command in
    the address, where they are known.
    """
    found = Findings()
    form: requests.BodyFormat = "json" if message.lstrip()[:1] == b"[" else "xml"
    kind = "tree" if form == "json" else "XML"
    root = None
    if form == "json":
        node = _check_tree(message, found)
        root = None if node is None else _parse_tree(node, found)
    else:
        try:
            root = schema.parse(message)
        except schema.XmlError as error:
            found.add(xml_error_position(message, str(error)), "a well-formed document", str(error))
    named = root is not None and root.tag == "in"
    if side == "request" or (named and not side):
        command = command or ("" if root is None else detect_command(root))
        verdict = ValidationResult("arm", f"{_REQUEST} {kind}", "request", command)
        if root is not None:
            _check_request(message, form, command, contract, found)
    else:
        verdict = ValidationResult("arm", f"{_RESPONSE} {kind}", "answer")
        request = None if request_message is None else _read_request_document(request_message)
        if root is not None:
            verdict.operation = _check_response(root, status, request, contract, found)
    verdict.findings = list(found)
    return verdict


def detect_command(root: etree._Element) -> str:
    """The command a request's document is for: its address says so, and so do its elements."""
    request = root.find("request")
    if request is not None and (len(request) or "limit" in request.attrib):
        return schema.HISTORY
    if request is not None and request.attrib:
        return schema.LOGIN
    return schema.HISTORY if request is None and len(root) else schema.LOGOUT


class _RequestContext(msgspec.Struct):
    id: str
    attributes: Mapping[str, str]


def _read_request_frame(message: bytes | None) -> _RequestContext | None:
    try:
        frame = None if message is None else frames.decode_request(message)
    except frames.FrameError:
        return None
    if frame is None:
        return None
    read = requests.parse_body(frame.body, "json", _schema_command(frame.command), "documented")
    return _RequestContext(frame.id, read.attributes)


def _read_request_document(message: bytes) -> _RequestContext | None:
    form: requests.BodyFormat = "json" if message.lstrip()[:1] == b"[" else "xml"
    return _RequestContext(
        "", requests.parse_body(message, form, schema.HISTORY, "documented").attributes
    )


def _schema_command(name: str) -> str:
    return name if name in schema.COMMANDS else schema.HISTORY


def _check_command(command: str, findings: Findings) -> None:
    if command not in schema.COMMANDS:
        known = " or ".join(schema.COMMANDS)
        findings.add("bytes 17-48 (command)", known, command, "assumed")


def _check_request(
    message: bytes,
    body_format: requests.BodyFormat,
    command: str,
    contract: str,
    findings: Findings,
) -> None:
    """Schema and filters of a request; the missing offset of the vendor's example is tolerated."""
    if command not in schema.COMMANDS:
        return
    read = requests.parse_body(message, body_format, command, contract)
    if read.parse_error:
        if not len(findings):
            findings.add("body", "a document that can be read", read.parse_error)
        return
    for fault in read.violations:
        findings.add(*fault, evidence="documented" if command == schema.HISTORY else "assumed")
    if command != schema.HISTORY:
        return
    if contract != "strict":
        for fault in requests.parse_body(message, body_format, command, "strict").violations:
            if fault not in read.violations and fault.where.endswith("/@offset"):
                findings.add(*fault, tolerated=True)
    if not read.violations:
        _check_filters(read.attributes, findings)


def _check_filters(attributes: Mapping[str, str], findings: Findings) -> None:
    try:
        query.parse_filters(attributes, detached_exchange(ARM).use_assumption)
    except query.FilterValueError as error:
        findings.add(error.where, error.expected, error.got, "assumed")


def _check_response(
    root: etree._Element | None,
    status: int | None,
    request: _RequestContext | None,
    contract: str,
    findings: Findings,
) -> str:
    """Schema, status and rows of an answer; the command it answers as far as it tells."""
    if root is None:
        return ""
    error = root.find("error") if root.tag == "out" else None
    command = schema.LOGIN if root.find("response/ok") is not None else schema.HISTORY
    if error is not None:
        _check_status(status, _ERROR_STATUSES, "assumed", findings)
    else:
        _check_status(status, (200,), "documented", findings)
    judge = schema.get_schema(command, contract)
    faults = judge.validate(root)
    for fault in faults:
        findings.add(*fault, evidence="documented" if command == schema.HISTORY else "assumed")
    if root.tag != "out" and not faults:
        findings.add(f"/{root.tag}", "the root out", str(root.tag))
    if error is not None:
        return error.get("cmd", "")
    if command == schema.HISTORY:
        if contract != "strict":
            _check_undeclared(root, findings)
        validate_rows.check_rows(root, {} if request is None else request.attributes, findings)
    return command


def _check_status(
    status: int | None, allowed: tuple[int, ...], evidence: Any, findings: Findings
) -> None:
    if status is not None and status not in allowed:
        findings.add("status", " or ".join(map(str, allowed)), status, evidence)


def _check_undeclared(root: etree._Element, findings: Findings) -> None:
    """``release_reason``, which the vendor's answer has and the vendor's schema lacks."""
    rows = root.findall("response/history/call_history")
    having = [place for place, row in enumerate(rows, 1) if "release_reason" in row.attrib]
    if having:
        where = f"/out/response/history/call_history[{having[0]}]/@release_reason"
        expected = "attributes of the vendor's schema"
        findings.add(where, expected, "release_reason", times=len(having), tolerated=True)


def _check_root_attributes(root: tree.Node, findings: Findings) -> None:
    """The two attributes that the root of a documented answer begins with."""
    first = list(root.attributes.items())[:2]
    names = [name for name, _ in first]
    if names != list(ROOT_ATTRIBUTES) or first[0] != next(iter(ROOT_ATTRIBUTES.items())):
        wanted = " and ".join(ROOT_ATTRIBUTES)
        findings.add(f"/{root.name}", f"{wanted} first", ", ".join(names) or "none")


def _parse_tree(root: tree.Node, findings: Findings) -> etree._Element | None:
    try:
        return schema.parse(tree.to_xml(root))
    except CallmocksError as error:
        findings.add("body", "a tree that XML can hold", str(error))
        return None


def _check_tree(message: bytes, findings: Findings) -> tree.Node | None:
    """The tree of a JSON body; where its form is not the documented one is noted."""
    try:
        root = tree.decode(message)
    except tree.TreeError as error:
        findings.add("body", "a tree as JSON, one root", str(error))
        return None
    _check_keys(msgspec.json.decode(message)[0], "", findings)
    return root


def _check_keys(node: dict[str, Any], parent_path: str, findings: Findings) -> None:
    """Keys in the documented order, and none for what is empty."""
    place = f"{parent_path}/{node['_name']}"
    order = [key for key in _KEYS if key in node]
    if list(node) != order:
        findings.add(place, f"the keys in the order {', '.join(order)}", ", ".join(node))
    for key in ("_attributes", "_content"):
        if key in node and not node[key]:
            findings.add(place, f"no {key} when it is empty", f"an empty {key}")
    for child in node.get("_content", ()):
        if isinstance(child, dict):
            _check_keys(child, place, findings)
