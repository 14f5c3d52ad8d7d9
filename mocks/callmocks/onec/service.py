"""The 1C-Connect service without its transport: a request's bytes in, a reply out."""

import logging
from collections.abc import Iterable
from functools import partial
from io import BytesIO
from typing import Final

from lxml import etree

from callmocks.contract.assumptions import load_ledger
from callmocks.contract.quoting import quote_text, shorten_text
from callmocks.contract.xsd import is_small
from callmocks.errors import OutOfDescriptors, Unavailable
from callmocks.onec import contract, directory_reads, envelope, parameters, results, wsdl
from callmocks.onec.call_structure import find_structure_mistake
from callmocks.onec.contract import ServedOperation, load_operations
from callmocks.onec.encoder import write_properties
from callmocks.onec.layout import LAYOUTS, Layout
from callmocks.onec.limits import HourlyQuota
from callmocks.onec.namespaces import (
    SERVICE,
    SOAP11,
    SOAP12,
    VALUE,
    XSI_TYPE,
    name_namespace,
    split_name,
)
from callmocks.onec.results import ResultCodeError
from callmocks.onec.service_calls import resolve_period, select_calls
from callmocks.onec.soap import FaultCode, SoapBinding, SoapError, get_binding
from callmocks.onec.values import Structure
from callmocks.onec.written_parameters import (
    WrittenParameter,
    list_parameters,
    read_usual_call,
)
from callmocks.tenants.descriptors import is_out_of_descriptors
from callmocks.tenants.exchange import Exchange, Reply
from callmocks.tenants.worker import LONG_REQUEST_BYTES, run_in_worker

_log = logging.getLogger(__name__)
# Bytes of a request from which on one of the choices of ``onec.body-limit`` refuses it.
_BODY_LIMIT_THRESHOLD: Final = 1024 * 1024


async def handle_request(
    exchange: Exchange, media: str = "", charset: str | None = None, error: SoapError | None = None
) -> Reply:
    """``media`` and ``charset``, the header's, count where the request does not tell by itself.

    ``error`` is what ended the reading of the body; the request is then its first bytes.
    """
    namespace = ""
    if len(exchange.request) > _BODY_LIMIT_THRESHOLD:
        exchange.use_assumption("onec.body-limit")
    if error is not None:
        namespace = envelope.guess_soap_namespace(exchange.request, media)
        return _answer_soap_error(exchange, namespace, error)
    try:
        prefer_charset = partial(_prefer_charset, exchange, charset)
        read = partial(envelope.read_message, exchange.request, prefer_charset)
        is_long = len(exchange.request) > LONG_REQUEST_BYTES
        message = await run_in_worker(read) if is_long else read()
        namespace = message.namespace
        operation = _find_operation(exchange, message)
        if is_long:
            written = await run_in_worker(partial(_read_call, message.payload))
        else:
            written = _read_call(message.payload)
        return await _execute_operation(exchange, get_binding(namespace), operation, written)
    except SoapError as refused:
        namespace = namespace or envelope.guess_soap_namespace(exchange.request, media)
        return _answer_soap_error(exchange, namespace, refused)
    except Unavailable:
        raise
    except Exception as defect:
        if is_out_of_descriptors(defect):
            raise OutOfDescriptors from defect
        _log.exception("a request of tenant %s could not be answered", exchange.tenant.name)
        exchange.add_violation("service", "an answer", repr(defect), "answer")
        fault = SoapError("Server", "callmocks has a defect here")
        return make_fault_reply(exchange, namespace or SOAP11, fault)


async def find_refusal(exchange: Exchange) -> Reply | None:
    """The Fault or ResultCode of an envelope or of parameters that the contract refuses.

    Credentials, quotas and identifiers are not checked.
    """
    if exchange.operation and exchange.operation not in load_operations():
        return None
    is_long = len(exchange.request) > LONG_REQUEST_BYTES
    return await run_in_worker(partial(_check_call, exchange)) if is_long else _check_call(exchange)


def _check_call(exchange: Exchange) -> Reply | None:
    namespace = envelope.guess_soap_namespace(exchange.request, "")
    try:
        message = envelope.read_message(exchange.request)
        namespace = message.namespace
        operation = _find_operation(exchange, message)
        values = parameters.read_parameters(exchange, operation, _read_call(message.payload))
        if operation.name == contract.HISTORY_OPERATION:
            resolve_period(exchange, values, HourlyQuota(exchange, operation).is_day)
    except SoapError as refused:
        return _answer_soap_error(exchange, namespace, refused)
    except ResultCodeError as error:
        name = exchange.operation
        return make_result_code_reply(exchange, namespace, name, error.code, error.reason)
    return None


def _answer_soap_error(exchange: Exchange, namespace: str, error: SoapError) -> Reply:
    if error.assumption:
        exchange.use_assumption(error.assumption)
    if error.code == "VersionMismatch":
        error = SoapError(_choose_mismatch_code(exchange), error.text, error.violation)
    exchange.add_violation(*error.violation)
    return make_fault_reply(exchange, namespace, error)


def make_fault_reply(exchange: Exchange, namespace: str, error: SoapError) -> Reply:
    binding, layout = get_binding(namespace), _get_layout(exchange)
    status = 500
    if namespace == SOAP12 and error.code == "Client":
        status = int(exchange.use_assumption("onec.sender-fault-status"))
    body = layout.format_document(binding.render_fault(error))
    return Reply(body, status, binding.content_type)


def make_unauthorized_reply(exchange: Exchange) -> Reply:
    realm = exchange.use_assumption("onec.realm")
    quoted = "".join(char for char in realm if char.isprintable() and char not in '"\\')
    challenge = {"WWW-Authenticate": f'Basic realm="{quoted}"'}
    return Reply(b"Unauthorized", 401, "text/plain; charset=utf-8", challenge)


def make_result_code_reply(
    exchange: Exchange, namespace: str, operation: str, code: str, reason: str
) -> Reply:
    binding, layout = get_binding(namespace), _get_layout(exchange)
    before, after = binding.render_envelope(operation)
    result = write_properties(Structure(ResultCode=code, ResultData=reason))
    body = layout.format_document(before + result.encode() + after)
    return Reply(body, 200, binding.content_type)


def _prefer_charset(exchange: Exchange, charset: str | None, declared: str | None) -> str | None:
    """The header's ``charset`` where it goes before the declared encoding."""
    if charset is None or declared is None:
        return charset
    return charset if exchange.use_assumption("onec.request-encoding") == "charset" else None


def _find_operation(exchange: Exchange, message: envelope.SoapMessage) -> ServedOperation:
    exchange.operation = message.operation
    if message.extra_body_elements:
        count = message.extra_body_elements + 1
        exchange.add_violation("Body", "one element", f"{count} elements")
        if exchange.use_assumption("onec.body-elements") == "fault":
            raise SoapError("Client", f"the Body has {count} elements, where one is a call")
    block = message.find_unsupported_header()
    if block is not None and exchange.use_assumption("onec.must-understand") == "fault":
        text = f"the header block {block} is not understood"
        raise SoapError("MustUnderstand", text, ("Header", "blocks that are known", block))
    operation = get_binding(message.namespace).operations.get(message.tag)
    if operation is None:
        raise _explain_unknown_operation(message.tag)
    return operation


def _choose_mismatch_code(exchange: Exchange) -> FaultCode:
    chosen = exchange.use_assumption("onec.version-mismatch")
    return "Client" if chosen == "Client" else "VersionMismatch"


def _get_layout(exchange: Exchange) -> Layout:
    return LAYOUTS[exchange.use_assumption("onec.answer-layout")]


def _explain_unknown_operation(tag: str) -> SoapError:
    operations, (namespace, name) = load_operations(), split_name(tag)
    if name in operations:
        got = f"{name} of {name_namespace(namespace)}"
        text = f"{name} is of {name_namespace(namespace)}, the service's is of {SERVICE}"
        return SoapError("Client", text, ("Body", f"an operation of {SERVICE}", got))
    text = f"PartnerWebAPI2 has no operation {name}"
    if name in contract.load_operation_names():
        served = ", ".join(operations)
        text = f"PartnerWebAPI2 has the operation {name}; callmocks serves only {served}"
    return SoapError("Client", text, ("Body", "an operation of PartnerWebAPI2", name))


def _read_call(call: etree._Element) -> Iterable[WrittenParameter]:
    written = read_usual_call(call)
    if written is not None:
        return written
    _check_structure(call)
    return list_parameters(call[0])


def _check_structure(call: etree._Element) -> None:
    validator = wsdl.load_validator()
    if is_small(call) and validator.schema.validate(call):
        return
    # A value that is not of its type is no Fault: the parameter is refused with a ResultCode.
    if not validator.is_valid(wsdl.copy_structure(call)):
        *violation, text = find_structure_mistake(call)
        raise SoapError("Client", text, (violation[0], violation[1], violation[2]))
    _check_type_prefixes(call)


def _check_type_prefixes(call: etree._Element) -> None:
    """An undeclared prefix is a mistake of the XML, not of a parameter."""
    for number, element in enumerate(call[0], 1):
        for value in element.iter(VALUE):
            written = value.get(XSI_TYPE, "").strip()
            prefix, colon, _ = written.rpartition(":")
            if colon and prefix not in value.nsmap:
                where = f"Params/Property[{number}] ({element.get('name')})/Value"
                shown = f"{shorten_text(prefix) or '(none)'} of xsi:type {quote_text(written)}"
                text = f"{where}: the prefix {shown} is not declared"
                violation = (f"Params/Property[{number}]/Value/@type", "a declared prefix", written)
                raise SoapError("Client", text, violation)


async def _execute_operation(
    exchange: Exchange,
    binding: SoapBinding,
    operation: ServedOperation,
    written: Iterable[WrittenParameter],
) -> Reply:
    self_check = exchange.tenant.settings.self_check
    quota = HourlyQuota(exchange, operation)
    layout = LAYOUTS[_use_unless_recorded(exchange, operation, "onec.answer-layout")]
    columns = operation.columns
    if operation.columns_choice:
        choice = _use_unless_recorded(exchange, operation, operation.columns_choice)
        columns = operation.list_columns(choice)
    table = results.render_table_envelope(binding.namespace, operation.name, layout, columns)
    body, row_count = BytesIO(), 0
    body.write(table.before)

    def write_rows(xml: bytes | memoryview, count: int) -> None:
        nonlocal row_count
        exchange.reserve_answer(body.tell() + len(xml))
        body.write(xml)
        row_count += count

    try:
        if exchange.tenant.settings.limits != "off":
            await quota.count_call()
        if len(exchange.request) > LONG_REQUEST_BYTES:
            read = partial(parameters.read_parameters, exchange, operation, written)
            values = await run_in_worker(read)
        else:
            values = parameters.read_parameters(exchange, operation, written)
        if operation.name == contract.HISTORY_OPERATION:
            violations = await select_calls(exchange, values, quota.is_day, layout, write_rows)
        else:
            violations = await directory_reads.write_directory_rows(
                exchange, operation, columns, values, layout, write_rows
            )
        if quota.counts_answers:
            await quota.count_answered_call()
    except ResultCodeError as error:
        code, reason = error.code, error.reason
        reply = make_result_code_reply(exchange, binding.namespace, operation.name, code, reason)
        if self_check:
            _record_self_violations(exchange, results.find_self_violations(reply.body))
        return reply
    body.write(table.after)
    exchange.row_count = row_count
    if self_check:
        _record_self_violations(exchange, [*table.violations, *violations])
    return Reply(body.getvalue(), 200, binding.content_type)


def _use_unless_recorded(exchange: Exchange, operation: ServedOperation, assumption: str) -> str:
    """The choice; that an answer is as recorded ones are is not assumed."""
    if operation.recorded:
        choice = exchange.tenant.assumptions.choices[assumption]
        if choice == load_ledger()[assumption].default:
            return choice
    return exchange.use_assumption(assumption)


def _record_self_violations(exchange: Exchange, violations: list[str]) -> None:
    for violation in violations:
        exchange.add_violation("return", "an answer as the WSDL describes", violation, "answer")
