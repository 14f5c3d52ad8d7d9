"""Messages of any 1C-Connect service: the WSDL's schema validates their structure."""

import re
from collections.abc import Mapping
from contextlib import suppress

import msgspec
from lxml import etree

from callmocks.contract.assumptions import load_default_choices
from callmocks.contract.findings import (
    Evidence,
    Findings,
    ValidationResult,
    xml_error_position,
)
from callmocks.contract.xml import find_excess, get_dtd, make_parser
from callmocks.onec import contract, envelope, namespaces, parameters, wsdl
from callmocks.onec.contract import HISTORY_OPERATION, ServedOperation
from callmocks.onec.decoder import get_local_name, read_structure
from callmocks.onec.namespaces import SERVICE, SOAP_VERSIONS
from callmocks.onec.provider import ONEC
from callmocks.onec.results import SUCCESS, ResultCodeError
from callmocks.onec.soap import SoapError
from callmocks.onec.validate_table import TableValidator
from callmocks.onec.values import BadValue, UnreadType, ValueTable
from callmocks.onec.written_parameters import list_parameters
from callmocks.tenants.detached import detached_exchange

_FAULT_STATUSES = {namespaces.SOAP11: (500,), namespaces.SOAP12: (400, 500)}
_PARSER = make_parser()
_NAMESPACE = re.compile(r"\{[^}]*\}")
_MAX_FINDINGS = 200
_W = "{http://schemas.xmlsoap.org/wsdl/}"
_BINDINGS = {
    "PartnerWebAPI2SoapBinding": "{http://schemas.xmlsoap.org/wsdl/soap/}",
    "PartnerWebAPI2Soap12Binding": "{http://schemas.xmlsoap.org/wsdl/soap12/}",
}
_PORTS = ["PartnerWebAPI2Soap", "PartnerWebAPI2Soap12"]


def validate_message(
    body: bytes,
    request: bytes | None = None,
    status: int | None = None,
    media: str | None = None,
    choices: Mapping[str, str] | None = None,
) -> ValidationResult:
    """``request`` is what an answer is to, ``media`` its content type without parameters;
    ``choices`` are those of the ledger, its defaults without any.
    """
    findings = Findings()
    result = ValidationResult("onec", "SOAP message", "request" if request is None else "answer")
    root = _parse_document(body, findings)
    if root is not None and get_dtd(root.getroottree()) is not None:
        findings.add("document", "no document type declaration", "one")
    elif root is not None:
        try:
            message = envelope.read_envelope(root)
        except SoapError as error:
            expected = "an envelope of SOAP 1.1 or 1.2 with a call"
            findings.add(f"/{get_local_name(root)}", expected, error.text)
        else:
            chosen = choices or load_default_choices()
            _MessageValidator(message, result, findings, chosen).validate(request, status, media)
    result.findings = list(findings)
    return result


def validate_wsdl(body: bytes, address: str = "") -> ValidationResult:
    """A WSDL; ``address`` is the one it was fetched from, without the query."""
    findings = Findings()
    root = _parse_document(body, findings)
    if root is not None:
        _check_wsdl(root, address, findings)
    return ValidationResult("onec", "WSDL", "answer", "", list(findings))


def _parse_document(body: bytes, findings: Findings) -> etree._Element | None:
    try:
        root = etree.fromstring(body, _PARSER)
    except (etree.XMLSyntaxError, ValueError) as error:
        position = xml_error_position(body, str(error))
        findings.add(position, "a well-formed document", str(error))
        return None
    if excess := find_excess(root, body, envelope.MAX_NAMESPACES_IN_SCOPE):
        findings.add("document", "within the bounds of a reader", excess, "assumed")
        return None
    return root


class _MessageValidator(msgspec.Struct):
    message: envelope.SoapMessage
    result: ValidationResult
    findings: Findings
    choices: Mapping[str, str]

    def validate(self, request: bytes | None, status: int | None, media: str | None) -> None:
        message, result = self.message, self.result
        version, add = SOAP_VERSIONS[message.namespace], self.findings.add
        operation = message.operation.removesuffix("Response")
        if message.extra_body_elements:
            add("/Envelope/Body", "one element", message.extra_body_elements + 1, "assumed")
        is_fault = message.tag == f"{{{message.namespace}}}Fault"
        is_answer = operation != message.operation and operation in contract.load_operation_names()
        if not is_fault and not is_answer:
            result.kind, result.side = f"SOAP {version} request", "request"
            result.operation = message.operation
            self._check_request()
            return
        result.kind, result.side = f"SOAP {version} answer", "answer"
        answered = None if request is None else _read_message(request)
        if is_fault:
            result.kind = f"SOAP {version} fault"
            self._check_fault()
        else:
            result.operation = operation
            if message.header is not None:
                add("/Envelope/Header", "no header in an answer", "one", "observed")
            self._check_response(answered)
        statuses = _FAULT_STATUSES[message.namespace] if is_fault else (200,)
        if status is not None and status not in statuses:
            evidence: Evidence = "assumed" if is_fault else "observed"
            add("status", " or ".join(map(str, statuses)), status, evidence)
        wanted = namespaces.CONTENT_TYPES[message.namespace].partition(";")[0]
        if media is not None and media != wanted:
            add("Content-Type", f"{wanted}, for SOAP {version}", media, "observed")
        if answered is not None and answered.namespace != message.namespace:
            expected = f"SOAP {SOAP_VERSIONS[answered.namespace]}, the request's version"
            add("/Envelope", expected, f"SOAP {version}", "observed")

    def _check_fault(self) -> None:
        for path in namespaces.FAULT_PATHS[self.message.namespace]:
            if not (self.message.payload.findtext(path) or "").strip():
                readable = _NAMESPACE.sub("", path)
                self.findings.add(f"/Envelope/Body/Fault/{readable}", "a text", "none")

    def _check_request(self) -> None:
        tag, name = self.message.tag, self.message.operation
        operation = contract.load_operations().get(name)
        if tag != f"{{{SERVICE}}}{name}":
            self.findings.add(f"/Envelope/Body/{name}", f"an element of {SERVICE}", tag)
        elif operation is None:
            if name not in contract.load_operation_names():
                self.findings.add(f"/Envelope/Body/{name}", "an operation of PartnerWebAPI2", name)
        elif _is_built_as_described(self.message.payload, self.findings):
            self._check_parameters(operation)

    def _check_parameters(self, operation: ServedOperation) -> None:
        params = self.message.payload[0]
        exchange = detached_exchange(ONEC)
        params_path = f"/Envelope/Body/{operation.name}/Params"
        positions = {element.get("name", "").strip(): at for at, element in enumerate(params, 1)}
        with suppress(ResultCodeError, BadValue):
            parameters.read_parameters(exchange, operation, list_parameters(params))
        # The first refusal ends a reading, so each parameter is read by itself too.
        for number, element in enumerate(params, 1):
            try:
                parameters.read_parameters(exchange, operation, list_parameters([element]))
            except ResultCodeError:
                pass
            except BadValue as error:
                where = f"{params_path}/Property[{number}]/{error.where}"
                self.findings.add(where, error.expected, error.got)
        for violation in exchange.violations:
            name = violation.where.removeprefix("Params/").partition("[")[0]
            path = f"{params_path}/Property[{positions.get(name, 1)}]"
            known = operation.parameters.get(name)
            evidence, assumption = (
                (known.evidence, None) if known else _get_naming_rule(operation, name)
            )
            if violation.expected == parameters.ONCE:
                evidence, assumption = "assumed", "onec.code-duplicate-parameter"
            at = f"{path} ({name})"
            self.findings.add(at, violation.expected, violation.got, evidence, assumption)

    def _check_response(self, request: envelope.SoapMessage | None) -> None:
        response, name = self.message.payload, self.result.operation
        operation = contract.load_operations().get(name)
        intact = operation is None or _is_built_as_described(response, self.findings)
        if len(response) != 1 or response[0].tag != namespaces.RETURN:
            return
        path = f"/Envelope/Body/{name}Response/return"
        try:
            result = read_structure(response[0])
        except RecursionError:
            self.findings.add(path, "values less deep inside one another", "deeper ones", "assumed")
            return
        except UnreadType:
            return
        except BadValue as error:
            if intact:
                self.findings.add(f"{path}/{error.where}", error.expected, error.got, "observed")
            return
        if list(result) != ["ResultCode", "ResultData"]:
            got = ", ".join(result) or "none"
            self.findings.add(path, "ResultCode, then ResultData", got, "observed")
        code, data = result.get("ResultCode"), result.get("ResultData")
        data_path, data_type = f"{path}/Property[2]/Value", type(data).__name__
        if not isinstance(code, str) or not code:
            got = type(code).__name__
            self.findings.add(f"{path}/Property[1]/Value", "a ResultCode as xs:string", got)
        elif code != SUCCESS:
            if not isinstance(data, str):
                self.findings.add(data_path, "the reason as xs:string", data_type)
        elif operation is not None and not isinstance(data, ValueTable):
            is_history = operation.name == HISTORY_OPERATION
            evidence: Evidence = "documented" if is_history else "observed"
            self.findings.add(data_path, "a ValueTable", data_type, evidence)
        elif operation is not None and isinstance(data, ValueTable):
            validator = TableValidator(data, operation, data_path, self.findings, self.choices)
            validator.check_columns()
            validator.check_cells()
            if operation.name == HISTORY_OPERATION:
                validator.check_calls(_read_parameters(request))


def _get_naming_rule(operation: ServedOperation, name: str) -> tuple[Evidence, str]:
    """Of a parameter that the operation does not have; that it has no others is assumed."""
    names = {known.lower() for known in operation.parameters}
    return "assumed", f"onec.{'parameter-case' if name.lower() in names else 'unknown-parameter'}"


def _read_message(body: bytes) -> envelope.SoapMessage | None:
    try:
        return envelope.read_envelope(etree.fromstring(body, _PARSER))
    except (etree.XMLSyntaxError, ValueError, SoapError):
        return None


def _read_parameters(request: envelope.SoapMessage | None) -> dict[str, parameters.ParameterValue]:
    """Empty when they cannot be read."""
    operation = contract.load_operations().get(request.operation) if request else None
    if request and operation and _is_built_as_described(request.payload, Findings()):
        with suppress(ResultCodeError, BadValue):
            exchange = detached_exchange(ONEC)
            written = list_parameters(request.payload[0])
            return parameters.read_parameters(exchange, operation, written)
    return {}


def _is_built_as_described(element: etree._Element, findings: Findings) -> bool:
    """Whether the WSDL's schema allows it, but for the values of parameters."""
    path = f"/{element.getroottree().getroot().tag}"
    if len(element) and element[0].tag == namespaces.PARAMS:
        path, element = _format_path(path, element), wsdl.copy_structure(element)
    violations = wsdl.load_validator().find_violations(element, _MAX_FINDINGS)
    expected = "an element as the WSDL's schema has it"
    for broken in violations:
        message = _NAMESPACE.sub("", broken.message)
        findings.add(_format_path(path, broken.element), expected, message, "observed")
    return not violations


def _format_path(path: str, element: etree._Element) -> str:
    """``path`` is that of the root of the element's tree."""
    below = element.getroottree().getelementpath(element)
    return _NAMESPACE.sub("", path if below == "." else f"{path}/{below}")


def _check_wsdl(root: etree._Element, address: str, findings: Findings) -> None:
    def expect(at: str, wanted: object, got: object) -> None:
        if got != wanted:
            findings.add(at, str(wanted), got or "none", "observed")

    expect("/definitions", f"{_W}definitions", root.tag)
    expect("/definitions/@name", "PartnerWebAPI2", root.get("name"))
    expect("/definitions/@targetNamespace", SERVICE, root.get("targetNamespace"))
    ports = [port.get("name") for port in root.iter(f"{_W}port")]
    expect("/definitions/service/port", _PORTS, ports)
    elements = {each.get("name") for each in root.iter(f"{{{namespaces.XS}}}element")}
    for name in (HISTORY_OPERATION, f"{HISTORY_OPERATION}Response"):
        if name not in elements:
            findings.add("/definitions/types", f"the element {name}", "none", "observed")
    for binding, soap in _BINDINGS.items():
        path = f"/definitions/binding[@name='{binding}']"
        action = root.find(
            f"{_W}binding[@name='{binding}']/{_W}operation[@name='{HISTORY_OPERATION}']/{soap}operation"
        )
        got = None if action is None else action.get("soapAction")
        wanted = f"{SERVICE}#PartnerWebAPI2:{HISTORY_OPERATION}"
        expect(f"{path}/operation/@soapAction", wanted, got)
        for each in root.iter(f"{soap}address") if address else ():
            expect("/definitions/service/port/address/@location", address, each.get("location"))
    if any(True for _ in root.iter(f"{_W}fault")):
        findings.add("/definitions", "no fault messages", "some", "observed")
