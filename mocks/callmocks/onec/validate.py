"""Messages of the 1C-Connect service from outside, held against the contract.

The WSDL's schema says whether a message is one, ``parameters`` whether a call's values are right,
``schemas/onec/operations.toml`` which columns a table has and what its cells may hold.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import Any

from lxml import etree

from callmocks.contract.findings import Findings, ValidationResult, xml_error_position
from callmocks.contract.xml import has_dtd, make_parser
from callmocks.onec import contract, envelope, parameters, wsdl
from callmocks.onec.contract import HISTORY_OPERATION, ServedOperation
from callmocks.onec.decoder import get_local_name, read_structure
from callmocks.onec.namespaces import (
    CONTENT_TYPES,
    FAULT_PATHS,
    PARAMS,
    RETURN,
    SERVICE,
    SOAP11,
    SOAP12,
    SOAP_VERSIONS,
    XS,
)
from callmocks.onec.provider import ONEC
from callmocks.onec.results import SUCCESS, ResultCodeError
from callmocks.onec.soap import SoapError
from callmocks.onec.validate_table import TableValidator
from callmocks.onec.values import BadValue, Structure, ValueTable
from callmocks.tenants.detached import detached_exchange

_STATUSES = {SOAP11: (500,), SOAP12: (400, 500)}
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
) -> ValidationResult:
    """A request or an answer, by its root.

    Of an answer, ``request`` is what it answers, ``status`` the HTTP status and ``media`` its
    content type without parameters, where they are known.
    """
    found = Findings()
    verdict = ValidationResult("onec", "SOAP message", "request" if request is None else "answer")
    try:
        root = etree.fromstring(body, _PARSER)
    except (etree.XMLSyntaxError, ValueError) as error:
        found.add(xml_error_position(body, str(error)), "a well-formed document", str(error))
        root = None
    if root is not None and has_dtd(root):
        found.add("document", "no document type declaration", "one")
    elif root is not None:
        _check_message(root, verdict, found, request, status, media)
    verdict.findings = list(found)
    return verdict


def validate_wsdl(body: bytes, address: str = "") -> ValidationResult:
    """A WSDL; ``address`` is the one it was fetched from, without the query."""
    found = Findings()
    try:
        _check_wsdl(etree.fromstring(body, _PARSER), address, found)
    except (etree.XMLSyntaxError, ValueError) as error:
        found.add(xml_error_position(body, str(error)), "a well-formed document", str(error))
    return ValidationResult("onec", "WSDL", "answer", "", list(found))


def find_soap_namespace(body: bytes) -> str | None:
    """The namespace of a message's envelope; None when it is no SOAP message."""
    try:
        return envelope.read_envelope(etree.fromstring(body, _PARSER)).namespace
    except (etree.XMLSyntaxError, ValueError, SoapError):
        return None


def _check_message(
    root: etree._Element,
    verdict: ValidationResult,
    found: Findings,
    request: bytes | None,
    status: int | None,
    media: str | None,
) -> None:
    try:
        opened = envelope.read_envelope(root)
    except SoapError as error:
        expected = "an envelope of SOAP 1.1 or 1.2 with a call"
        found.add(f"/{get_local_name(root)}", expected, error.text)
        return
    call, namespace, name = opened.payload, opened.namespace, opened.operation
    version, operation = SOAP_VERSIONS[namespace], name.removesuffix("Response")
    if opened.extra_body_elements:
        found.add("/Envelope/Body", "one element", opened.extra_body_elements + 1)
    if call.tag == f"{{{namespace}}}Fault":
        verdict.kind, verdict.side = f"SOAP {version} fault", "answer"
        _check_fault(call, namespace, found)
        _check_transport(status, _STATUSES[namespace], media, namespace, found)
    elif operation != name and operation in contract.load_operation_names():
        verdict.kind, verdict.side = f"SOAP {version} answer", "answer"
        verdict.operation = operation
        if root.find(f"{{{namespace}}}Header") is not None:
            found.add("/Envelope/Header", "no header in an answer", "one", "observed")
        _check_response(call, operation, request, found)
        _check_transport(status, (200,), media, namespace, found)
    else:
        verdict.kind, verdict.side, verdict.operation = f"SOAP {version} request", "request", name
        _check_request(call, name, found)
    if verdict.side == "answer" and request is not None:
        _check_version(namespace, request, found)


def _check_version(namespace: str, request: bytes, found: Findings) -> None:
    wanted = find_soap_namespace(request)
    if wanted is not None and wanted != namespace:
        expected = f"SOAP {SOAP_VERSIONS[wanted]}, the request's version"
        found.add("/Envelope", expected, f"SOAP {SOAP_VERSIONS[namespace]}", "observed")


def _check_transport(
    status: int | None,
    statuses: tuple[int, ...],
    media: str | None,
    namespace: str,
    found: Findings,
) -> None:
    if status is not None and status not in statuses:
        found.add("status", " or ".join(map(str, statuses)), status)
    wanted = CONTENT_TYPES[namespace].partition(";")[0]
    if media is not None and media != wanted:
        expected = f"{wanted}, for SOAP {SOAP_VERSIONS[namespace]}"
        found.add("Content-Type", expected, media, "observed")


def _check_fault(fault: etree._Element, namespace: str, found: Findings) -> None:
    for path in FAULT_PATHS[namespace]:
        if not (fault.findtext(path) or "").strip():
            readable = _NAMESPACE.sub("", path)
            found.add(f"/Envelope/Body/Fault/{readable}", "a text", "none")


def _check_request(call: etree._Element, name: str, found: Findings) -> None:
    path = f"/Envelope/Body/{name}"
    operation = contract.load_operations().get(name)
    if call.tag != f"{{{SERVICE}}}{name}":
        found.add(path, f"an element of {SERVICE}", str(call.tag))
    elif operation is None:
        if name not in contract.load_operation_names():
            found.add(path, "an operation of PartnerWebAPI2", name)
    else:
        structure = _check_structure(call)
        found.add_all(structure)
        if not len(structure):
            _check_parameters(operation, call, found)


def _check_parameters(operation: ServedOperation, call: etree._Element, found: Findings) -> None:
    # The first refusal ends a reading, so after one each parameter is read by itself.
    params = call[0]
    exchange = detached_exchange(ONEC)
    try:
        parameters.read_parameters(exchange, operation, params)
    except ResultCodeError:
        for element in params:
            single: Any = [element]
            try:
                parameters.read_parameters(exchange, operation, single)
            except ResultCodeError:
                continue
    positions = {element.get("name", "").strip(): at for at, element in enumerate(params, 1)}
    for each in exchange.violations:
        name = each.where.removeprefix("Params/")
        where = f"/Envelope/Body/{operation.name}/Params/Property[{positions.get(name, 1)}]"
        found.add(f"{where} ({name})", each.expected, each.got)


def _check_response(
    response: etree._Element, operation: str, request: bytes | None, found: Findings
) -> None:
    served = contract.load_operations().get(operation)
    broken = Findings() if served is None else _check_structure(response)
    found.add_all(broken)
    if len(response) != 1 or response[0].tag != RETURN:
        return
    path = f"/Envelope/Body/{operation}Response/return"
    try:
        result = read_structure(response[0])
    except RecursionError:
        found.add(path, "values less deep inside one another", "deeper ones", "assumed")
        return
    except BadValue as error:
        if not len(broken):
            found.add(f"{path}/{error.where}", error.expected, error.got, "observed")
        return
    names = list(result)
    if names != ["ResultCode", "ResultData"]:
        got = ", ".join(names) or "none"
        found.add(path, "ResultCode, then ResultData", got, "observed")
    _check_result(result, served, path, request, found)


def _check_result(
    result: Structure,
    operation: ServedOperation | None,
    path: str,
    request: bytes | None,
    found: Findings,
) -> None:
    code, data = result.get("ResultCode"), result.get("ResultData")
    data_path = f"{path}/Property[2]/Value"
    if not isinstance(code, str) or not code:
        found.add(f"{path}/Property[1]/Value", "a ResultCode as xs:string", type(code).__name__)
    elif code != SUCCESS:
        if not isinstance(data, str):
            found.add(data_path, "the reason as xs:string", type(data).__name__)
    elif operation is not None:
        if not isinstance(data, ValueTable):
            found.add(data_path, "a ValueTable", type(data).__name__)
            return
        validator = TableValidator(data, operation, data_path, found)
        validator.check_columns()
        validator.check_cells()
        if operation.name == HISTORY_OPERATION:
            validator.check_calls(_read_request_parameters(request))


def _read_request_parameters(request: bytes | None) -> dict[str, parameters.ParameterValue]:
    """Empty when they cannot be read."""
    if request is None:
        return {}
    try:
        call = envelope.read_envelope(etree.fromstring(request, _PARSER)).payload
        operation = contract.load_operations()[get_local_name(call)]
        if len(_check_structure(call)):
            return {}
        return parameters.read_parameters(detached_exchange(ONEC), operation, call[0])
    except (etree.XMLSyntaxError, ValueError, SoapError, KeyError, ResultCodeError):
        return {}


def _check_structure(element: etree._Element) -> Findings:
    """What the WSDL's schema refuses, but for the values of parameters."""
    found = Findings()
    for broken in islice(wsdl.find_wsdl_violations(element), _MAX_FINDINGS):
        if not (broken.is_of_value and element[0].tag == PARAMS):
            expected = "an element as the WSDL's schema has it"
            message = _NAMESPACE.sub("", broken.message)
            found.add(_format_path(element, broken.path), expected, message, "observed")
    return found


def _format_path(element: etree._Element, path: str) -> str:
    """libxml2's path, which begins at the element, with names instead of its asterisks."""
    below = "." + path[path.find("/", 1) :] if path.count("/") > 1 else "."
    prefixes = {str(prefix): name for prefix, name in element.nsmap.items() if prefix}
    try:
        named: Any = element.xpath(below, namespaces=prefixes)
    except etree.XPathError:
        return path
    node: etree._Element | None = named[0] if isinstance(named, list) and named else None
    if node is None:
        return path
    steps: list[str] = []
    while node is not None:
        above: etree._Element | None = node.getparent()
        same = [] if above is None else [each for each in above if each.tag == node.tag]
        step = get_local_name(node)
        steps.append(f"{step}[{same.index(node) + 1}]" if len(same) > 1 else step)
        node = above
    return "/" + "/".join(reversed(steps))


def _check_wsdl(root: etree._Element, address: str, found: Findings) -> None:
    def expect(at: str, wanted: object, got: object) -> None:
        if got != wanted:
            found.add(at, str(wanted), got or "none", "observed")

    expect("/definitions", f"{_W}definitions", root.tag)
    expect("/definitions/@name", "PartnerWebAPI2", root.get("name"))
    expect("/definitions/@targetNamespace", SERVICE, root.get("targetNamespace"))
    ports = [port.get("name") for port in root.iter(f"{_W}port")]
    expect("/definitions/service/port", _PORTS, ports)
    elements = {each.get("name") for each in root.iter(f"{{{XS}}}element")}
    for name in (HISTORY_OPERATION, f"{HISTORY_OPERATION}Response"):
        if name not in elements:
            found.add("/definitions/types", f"the element {name}", "none", "observed")
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
        found.add("/definitions", "no fault messages", "some", "observed")
