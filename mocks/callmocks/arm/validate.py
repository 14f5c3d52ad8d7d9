"""Validation of messages from outside: frames, trees and documents, and whether they agree."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from lxml import etree

from callmocks.arm import frames, query, requests, schema, tree, validate_rows
from callmocks.arm.frames import FrameError
from callmocks.arm.provider import ARM
from callmocks.arm.requests import BodyFormat
from callmocks.arm.responses import root_attributes
from callmocks.contract.findings import Evidence, Findings, ValidationResult, xml_error_position
from callmocks.contract.json_values import decode_json
from callmocks.errors import CallmocksError
from callmocks.tenants.detached import detached_exchange

ROOT_ATTRIBUTES = root_attributes(schema.HISTORY)
_KEYS = ("_name", "_attributes", "_content")
_FILTER_ASSUMPTIONS = {
    "limit": "arm.limit-most",
    "from_date": "arm.date-without-time",
    "to_date": "arm.date-without-time",
    "tag": "arm.tag-properties",
}
_ERROR_STATUSES = (200, 400, 401, 404, 405, 413, 500)


class _RequestContext(NamedTuple):
    id: str
    attributes: Mapping[str, str]


def is_response_frame(message: bytes) -> bool:
    """Whether a frame comes from the server: behind the id stands a status, not a command."""
    return frames.get_status_field(message).isdigit()


def validate_request_frame(message: bytes, contract: str = "documented") -> ValidationResult:
    validator = _Validator(contract)
    command = ""
    try:
        frame = frames.decode_request(message)
    except FrameError as error:
        validator.findings.add(error.where, error.expected, error.got, "observed")
    else:
        command = frame.command
        validator.check_deviations(frame.deviations)
        if command not in schema.COMMANDS:
            known = " or ".join(schema.COMMANDS)
            validator.findings.add("bytes 17-48 (command)", known, command, "assumed")
        validator.check_tree(frame.body)
        validator.check_request(frame.body, "json", command)
    return validator.make_result("frame", "request", command)


def validate_response_frame(
    message: bytes,
    request_message: bytes | None = None,
    contract: str = "documented",
    unit: frames.LengthUnit = "bytes",
) -> ValidationResult:
    """``request_message`` is the frame that is answered, where it is known."""
    validator = _Validator(contract)
    command = ""
    try:
        frame = frames.decode_response(message, unit=unit)
    except FrameError as error:
        validator.findings.add(error.where, error.expected, error.got, "observed")
    else:
        validator.check_deviations(frame.deviations, _count_other_units(message, unit))
        request = _read_request_frame(request_message)
        if request is not None and request.id != frame.id:
            validator.findings.add("bytes 13-16 (id)", f"the request's, {request.id}", frame.id)
        root = validator.check_tree(frame.body)
        if root is not None:
            validator.check_root_attributes(root)
            command = validator.check_response(validator.parse_tree(root), frame.status, request)
    return validator.make_result("frame", "answer", command)


def validate_body(
    message: bytes,
    request_message: bytes | None = None,
    status: int | None = None,
    contract: str = "documented",
    side: Literal["request", "answer", ""] = "",
    command: str = "",
) -> ValidationResult:
    """A document of HTTP, or a tree without a frame; without a ``side``, as its root tells.

    ``command`` is the one in the URL; unknown arguments are left out.
    """
    validator = _Validator(contract)
    body_format = _detect_format(message)
    kind = "tree" if body_format == "json" else "XML"
    root = validator.parse_body(message, body_format)
    if side == "request" or (not side and root is not None and root.tag == "in"):
        if root is not None:
            command = command or detect_command(root)
            validator.check_request(message, body_format, command)
        return validator.make_result(kind, "request", command)
    request = None if request_message is None else _read_request_document(request_message)
    return validator.make_result(kind, "answer", validator.check_response(root, status, request))


def detect_command(root: etree._Element) -> str:
    request = root.find("request")
    if request is not None and (len(request) or "limit" in request.attrib):
        return schema.HISTORY
    if request is not None and request.attrib:
        return schema.LOGIN
    return schema.HISTORY if request is None and len(root) else schema.LOGOUT


class _Validator:
    def __init__(self, contract: str) -> None:
        self.findings = Findings()
        self._contract = contract

    def make_result(
        self, kind: str, side: Literal["request", "answer"], command: str
    ) -> ValidationResult:
        return ValidationResult("arm", f"ARM {side} {kind}", side, command, list(self.findings))

    def check_deviations(
        self, deviations: tuple[frames.Deviation, ...], other_length: str = ""
    ) -> None:
        """``other_length`` is that of an answer in the unit that is not assumed."""
        for deviation in deviations:
            if deviation.got == other_length:
                self.findings.add(*deviation, "assumed", "arm.frame-length")
            else:
                self.findings.add(*deviation, evidence="observed")

    def check_tree(self, message: bytes) -> tree.Node | None:
        """The tree of a JSON body, whose form is compared with the documented one."""
        try:
            root = tree.decode(message)
        except tree.TreeError as error:
            self.findings.add("body", "a tree as JSON, one root", str(error))
            return None
        self._check_keys(decode_json(message)[0], "")
        return root

    def _check_keys(self, node: dict[str, Any], parent_path: str) -> None:
        """Keys in the documented order, and none for what is empty."""
        path = f"{parent_path}/{node['_name']}"
        order = [key for key in _KEYS if key in node]
        if list(node) != order:
            self.findings.add(path, f"the keys in the order {', '.join(order)}", ", ".join(node))
        for key in ("_attributes", "_content"):
            if key in node and not node[key]:
                self.findings.add(path, f"no {key} when it is empty", f"an empty {key}")
        for child in node.get("_content", ()):
            if isinstance(child, dict):
                self._check_keys(child, path)

    def check_root_attributes(self, root: tree.Node) -> None:
        """The two attributes that the root of a documented answer begins with."""
        first = list(root.attributes.items())[:2]
        names = [name for name, _ in first]
        if names != list(ROOT_ATTRIBUTES) or first[0] != next(iter(ROOT_ATTRIBUTES.items())):
            expected = f"{' and '.join(ROOT_ATTRIBUTES)} first"
            self.findings.add(f"/{root.name}", expected, ", ".join(names) or "none")

    def parse_body(self, message: bytes, body_format: BodyFormat) -> etree._Element | None:
        if body_format == "json":
            root = self.check_tree(message)
            return None if root is None else self.parse_tree(root)
        try:
            return schema.parse(message)
        except schema.XmlError as error:
            where = xml_error_position(message, str(error))
            self.findings.add(where, "a well-formed document", str(error))
            return None

    def parse_tree(self, root: tree.Node) -> etree._Element | None:
        try:
            return schema.parse(tree.to_xml(root))
        except CallmocksError as error:
            self.findings.add("body", "a tree that XML can hold", str(error))
            return None

    def check_request(self, message: bytes, body_format: BodyFormat, command: str) -> None:
        """Schema and filters; the missing offset of the vendor's example is tolerated."""
        if command not in schema.COMMANDS:
            return
        body = requests.parse_body(
            message, command, requests.BodyOptions(body_format, self._contract)
        )
        if body.parse_error:
            if not len(self.findings):
                self.findings.add("body", "a document that can be read", body.parse_error)
            return
        self._add_violations(body.violations, command)
        if command != schema.HISTORY:
            return
        if self._contract != "strict":
            strict = requests.parse_body(
                message, command, requests.BodyOptions(body_format, "strict")
            )
            for violation in strict.violations:
                if violation not in body.violations and violation.where.endswith("/@offset"):
                    self.findings.tolerate(*violation)
        if not body.violations:
            try:
                query.parse_filters(body.attributes, detached_exchange(ARM).use_assumption)
            except query.FilterValueError as error:
                assumption = _FILTER_ASSUMPTIONS.get(error.where.rpartition("@")[2])
                self.findings.add(error.where, error.expected, error.got, "assumed", assumption)

    def check_response(
        self, root: etree._Element | None, status: int | None, request: _RequestContext | None
    ) -> str:
        """Schema, status and rows; returns the command as far as the response tells it."""
        if root is None:
            return ""
        error = root.find("error") if root.tag == "out" else None
        command = schema.LOGIN if root.find("response/ok") is not None else schema.HISTORY
        allowed = (200,) if error is None else _ERROR_STATUSES
        if status is not None and status not in allowed:
            expected = " or ".join(map(str, allowed))
            assumption = None if error is None else "arm.error-status"
            self.findings.add("status", expected, status, _evidence(error is None), assumption)
        violations = schema.get_schema(command, self._contract).validate(root)
        self._add_violations(violations, command)
        if root.tag != "out" and not violations:
            self.findings.add(f"/{root.tag}", "the root out", str(root.tag))
        if error is not None:
            return error.get("cmd", "")
        if command == schema.HISTORY:
            if self._contract != "strict":
                self._check_undeclared(root)
            filters = {} if request is None else request.attributes
            validate_rows.check_rows(root, filters, self.findings)
        return command

    def _add_violations(self, violations: Sequence[schema.SchemaViolation], command: str) -> None:
        for violation in violations:
            known = command == schema.HISTORY
            assumption = None if known else "arm.session"
            self.findings.add(*violation, _evidence(known), assumption)

    def _check_undeclared(self, root: etree._Element) -> None:
        """``release_reason``, which the vendor's answer has and the vendor's schema lacks."""
        rows = root.findall("response/history/call_history")
        having = [number for number, row in enumerate(rows, 1) if "release_reason" in row.attrib]
        if having:
            where = f"/out/response/history/call_history[{having[0]}]/@release_reason"
            expected = "attributes of the vendor's schema"
            self.findings.tolerate(where, expected, "release_reason", len(having))


def _evidence(is_documented: bool) -> Evidence:
    return "documented" if is_documented else "assumed"


def _count_other_units(message: bytes, unit: frames.LengthUnit) -> str:
    characters = len(message.decode("utf-8", "replace"))
    return str(characters if unit == "bytes" else len(message))


def _read_request_frame(message: bytes | None) -> _RequestContext | None:
    try:
        frame = None if message is None else frames.decode_request(message)
    except FrameError:
        return None
    if frame is None:
        return None
    command = frame.command if frame.command in schema.COMMANDS else schema.HISTORY
    body = requests.parse_body(frame.body, command, requests.BodyOptions("json", "documented"))
    return _RequestContext(frame.id, body.attributes)


def _read_request_document(message: bytes) -> _RequestContext:
    body = requests.parse_body(
        message, schema.HISTORY, requests.BodyOptions(_detect_format(message), "documented")
    )
    return _RequestContext("", body.attributes)


def _detect_format(message: bytes) -> BodyFormat:
    return "json" if message.lstrip()[:1] == b"[" else "xml"
