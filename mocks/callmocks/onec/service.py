"""The 1C-Connect service without its transport: a request's bytes in, a reply out."""

from __future__ import annotations

import logging
from functools import cache
from io import BytesIO
from typing import Final, NamedTuple

from lxml import etree

from callmocks.errors import StateError
from callmocks.onec import (
    contract,
    directory_reads,
    envelope,
    limits,
    parameters,
    service_calls,
    soap,
    wsdl,
)
from callmocks.onec.contract import ServedOperation
from callmocks.onec.decoder import read_structure
from callmocks.onec.namespaces import PARAMS, SOAP11, SOAP12, split_name
from callmocks.onec.results import ResultCodeError, render_around_rows, render_error_result
from callmocks.onec.soap import SoapBinding, SoapError
from callmocks.onec.values import BadValue
from callmocks.tenants.exchange import Exchange, Reply

_log = logging.getLogger(__name__)
REALM: Final = "1C:Enterprise"
_BODY_LIMIT_THRESHOLD: Final = 1024 * 1024
"""Bytes of a request from which on somebody might refuse it."""
_VALUE_DEPTH: Final = 4
"""Slashes in the path of a parameter's Value: /X/Params/Property/Value."""


async def handle_request(
    exchange: Exchange,
    content_type: str = "",
    charset: str | None = None,
) -> Reply:
    """Answer an authenticated request.

    ``content_type`` decides the version only where the request cannot be read, ``charset`` the
    encoding where the document does not tell it.
    """
    namespace = ""
    if len(exchange.request) > _BODY_LIMIT_THRESHOLD:
        exchange.use_assumption("onec.body-limit")
    try:
        message = envelope.read_envelope(envelope.parse_document(exchange.request, charset))
        namespace = message.namespace
        version = require_binding(namespace)
        exchange.operation = split_name(str(message.payload.tag))[1]
        if message.extra_body_elements:
            exchange.add_violation("Body", "one element", f"{message.extra_body_elements + 1}")
        _check_must_understand(exchange, message)
        operation = _find_operation(version, message.payload)
        params = _check_params(exchange, message.payload)
        return await _execute_operation(exchange, version, operation, params)
    except SoapError as error:
        return reject_request(exchange, error, content_type, namespace)
    except StateError:
        raise
    except Exception as defect:
        _log.exception("a request of tenant %s could not be answered", exchange.tenant.name)
        exchange.add_violation("service", "an answer", repr(defect), "answer")
        return make_fault_reply(
            namespace or SOAP11, SoapError("Server", "callmocks has a defect here")
        )


def reject_request(
    exchange: Exchange, error: SoapError, content_type: str, namespace: str = ""
) -> Reply:
    """The Fault for a request that is no call, in the version that can be seen or guessed."""
    exchange.add_violation("Envelope", "a request as the WSDL describes", error.text)
    return make_fault_reply(
        namespace or envelope.guess_soap_namespace(exchange.request, content_type), error
    )


def require_binding(namespace: str) -> SoapBinding:
    """The version of SOAP whose envelopes have that namespace."""
    version = soap.get_binding(namespace)
    assert version is not None
    return version


def make_fault_reply(namespace: str, error: SoapError) -> Reply:
    """A Fault in the caller's version."""
    version = require_binding(namespace)
    body = version.render_fault(error.code, error.text)
    return Reply(body, version.get_status(error.code), version.content_type)


def reject_too_long(exchange: Exchange, content_type: str) -> Reply:
    """The Fault for a request that was not read because of its length."""
    text = f"the request is longer than {exchange.use_assumption('onec.body-limit')}"
    exchange.add_violation("body", f"at most {exchange.use_assumption('onec.body-limit')}", "more")
    namespace = envelope.guess_soap_namespace(exchange.request, content_type)
    return make_fault_reply(namespace, SoapError("Client", text))


def make_unauthorized_reply() -> Reply:
    """The refusal of wrong or missing credentials."""
    challenge = {"WWW-Authenticate": f'Basic realm="{REALM}"'}
    return Reply(b"Unauthorized", 401, "text/plain; charset=utf-8", challenge)


def make_result_code_reply(namespace: str, operation: str, code: str, reason: str) -> Reply:
    """An answer with a ResultCode other than SUCCESS."""
    version = require_binding(namespace)
    before, after = _render_envelope(namespace, operation)
    return Reply(before + render_error_result(code, reason) + after, 200, version.content_type)


def _check_must_understand(exchange: Exchange, message: envelope.SoapMessage) -> None:
    block = envelope.find_unsupported_header(message)
    if block is not None and exchange.use_assumption("onec.must-understand") == "fault":
        raise SoapError("MustUnderstand", f"the header block {block} is not understood")


def _find_operation(version: SoapBinding, call: etree._Element) -> ServedOperation:
    name = version.find_operation(str(call.tag))
    if name is not None:
        return contract.load_operations()[name]
    local = split_name(str(call.tag))[1]
    if local in contract.load_operations():
        raise SoapError("Client", f"{call.tag} is not in the service's namespace")
    if local in contract.load_operation_names():
        served = ", ".join(contract.load_operations())
        raise SoapError(
            "Client", f"PartnerWebAPI2 has the operation {local}; callmocks serves only {served}"
        )
    raise SoapError("Client", f"PartnerWebAPI2 has no operation {local}")


def _check_params(exchange: Exchange, call: etree._Element) -> etree._Element:
    """``Params`` of a call that has the structure the WSDL says.

    A value that is none of its type is no Fault: the parameter is refused with a ResultCode.
    """
    for broken in wsdl.find_wsdl_violations(call):
        inside = broken.path.count("/") - _VALUE_DEPTH
        if inside < 0 or (inside == 0 and broken.rule == "SCHEMAV_ELEMENT_CONTENT"):
            raise SoapError("Client", _explain_violation(call, broken))
    return call[0]


def _explain_violation(call: etree._Element, broken: wsdl.WsdlViolation) -> str:
    """Where and why a call is not as the WSDL says."""
    if len(call) == 1 and call[0].tag == PARAMS:
        try:
            read_structure(call[0])
        except BadValue as error:
            if "/Value" not in error.where:
                return f"Params/{error}"
    return f"{broken.path}: {broken.message}"


async def _execute_operation(
    exchange: Exchange,
    version: SoapBinding,
    operation: ServedOperation,
    params: etree._Element,
) -> Reply:
    check = exchange.tenant.settings.self_check
    frame = _render_table_envelope(version.namespace, operation.name)
    body = BytesIO()
    body.write(frame.before)
    try:
        await limits.count_call(exchange, operation)
        given = parameters.read_parameters(exchange, operation, params)
        if operation.name == service_calls.OPERATION:
            problems = await service_calls.select_calls(exchange, given, check, body.write)
        else:
            read = directory_reads.select_rows(exchange, operation, given, check)
            body.write(read.xml)
            problems = list(read.violations)
        await limits.count_answered_call(exchange, operation)
    except ResultCodeError as why:
        reply = make_result_code_reply(version.namespace, operation.name, why.code, why.reason)
        _record_self_violations(exchange, _find_self_violations(reply.body) if check else [])
        return reply
    body.write(frame.after)
    _record_self_violations(exchange, [*frame.problems, *problems] if check else [])
    return Reply(body.getvalue(), 200, version.content_type)


class _TableEnvelope(NamedTuple):
    """What stands around the rows of an answer, and where that leaves the contract."""

    before: bytes
    after: bytes
    problems: tuple[str, ...]


@cache
def _render_envelope(namespace: str, operation: str) -> tuple[bytes, bytes]:
    return require_binding(namespace).render_envelope(operation)


@cache
def _render_table_envelope(namespace: str, operation: str) -> _TableEnvelope:
    """The same bytes in every answer of an operation, so they are looked at once."""
    before, after = _render_envelope(namespace, operation)
    opened, closed = render_around_rows(operation)
    whole = before + opened + closed + after
    return _TableEnvelope(before + opened, closed + after, tuple(_find_self_violations(whole)))


def _find_self_violations(body: bytes) -> list[str]:
    """Where an answer leaves the WSDL's schema."""
    message = envelope.read_envelope(envelope.parse_document(body))
    return [
        f"{broken.path}: {broken.message}" for broken in wsdl.find_wsdl_violations(message.payload)
    ]


def _record_self_violations(exchange: Exchange, problems: list[str]) -> None:
    """Note violations of our own."""
    for problem in problems:
        exchange.add_violation("return", "an answer as the WSDL describes", problem, "answer")


def warm_up() -> None:
    """Compile what answers need, so that the first one does not wait for it."""
    wsdl.load_validator()
    for namespace in (SOAP11, SOAP12):
        for operation in contract.load_operations():
            _render_table_envelope(namespace, operation)
