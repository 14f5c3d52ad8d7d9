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
from callmocks.onec.contract import Operation
from callmocks.onec.decoder import read_structure
from callmocks.onec.namespaces import PARAMS, SOAP11, SOAP12, split
from callmocks.onec.results import Refusal, around_rows, refused
from callmocks.onec.soap import SoapError, Version
from callmocks.onec.values import BadValue
from callmocks.tenants.exchange import Exchange, Reply

_log = logging.getLogger(__name__)
REALM: Final = "1C:Enterprise"
_LONG: Final = 1024 * 1024
"""Bytes of a request from which on somebody might refuse it."""
_VALUE_DEPTH: Final = 4
"""Slashes in the path of a parameter's Value: /X/Params/Property/Value."""


async def answer(
    exchange: Exchange,
    content_type: str = "",
    charset: str | None = None,
) -> Reply:
    """Answer an authenticated request.

    ``content_type`` decides the version only where the request cannot be read, ``charset`` the
    encoding where the document does not tell it.
    """
    namespace = ""
    if len(exchange.request) > _LONG:
        exchange.assume("onec.body-limit")
    try:
        message = envelope.open_envelope(envelope.parse(exchange.request, charset))
        namespace = message.namespace
        version = version_of(namespace)
        exchange.operation = split(str(message.call.tag))[1]
        if message.beside:
            exchange.violated("Body", "one element", f"{message.beside + 1}")
        _heed_header(exchange, message)
        operation = _dispatch(version, message.call)
        params = _params(exchange, message.call)
        return await _operate(exchange, version, operation, params)
    except SoapError as error:
        return refuse(exchange, error, content_type, namespace)
    except StateError:
        raise
    except Exception as defect:
        _log.exception("a request of tenant %s could not be answered", exchange.tenant.name)
        exchange.violated("service", "an answer", repr(defect), "answer")
        return fault(namespace or SOAP11, SoapError("Server", "callmocks has a defect here"))


def refuse(exchange: Exchange, error: SoapError, content_type: str, namespace: str = "") -> Reply:
    """The Fault for a request that is no call, in the version that can be seen or guessed."""
    exchange.violated("Envelope", "a request as the WSDL describes", error.text)
    return fault(namespace or envelope.guess_namespace(exchange.request, content_type), error)


def version_of(namespace: str) -> Version:
    """The version of SOAP whose envelopes have that namespace."""
    version = soap.version(namespace)
    assert version is not None
    return version


def fault(namespace: str, error: SoapError) -> Reply:
    """A Fault in the caller's version."""
    version = version_of(namespace)
    body = version.fault(error.code, error.text)
    return Reply(body, version.status(error.code), version.content_type)


def too_long(exchange: Exchange, content_type: str) -> Reply:
    """The Fault for a request that was not read because of its length."""
    text = f"the request is longer than {exchange.assume('onec.body-limit')}"
    exchange.violated("body", f"at most {exchange.assume('onec.body-limit')}", "more")
    namespace = envelope.guess_namespace(exchange.request, content_type)
    return fault(namespace, SoapError("Client", text))


def unauthorized() -> Reply:
    """The refusal of wrong or missing credentials."""
    challenge = {"WWW-Authenticate": f'Basic realm="{REALM}"'}
    return Reply(b"Unauthorized", 401, "text/plain; charset=utf-8", challenge)


def refusal(namespace: str, operation: str, code: str, reason: str) -> Reply:
    """An answer with a ResultCode other than SUCCESS."""
    version = version_of(namespace)
    before, after = _envelope(namespace, operation)
    return Reply(before + refused(code, reason) + after, 200, version.content_type)


def _heed_header(exchange: Exchange, message: envelope.Message) -> None:
    block = envelope.must_understand(message)
    if block is not None and exchange.assume("onec.must-understand") == "fault":
        raise SoapError("MustUnderstand", f"the header block {block} is not understood")


def _dispatch(version: Version, call: etree._Element) -> Operation:
    name = version.serves(str(call.tag))
    if name is not None:
        return contract.served()[name]
    local = split(str(call.tag))[1]
    if local in contract.served():
        raise SoapError("Client", f"{call.tag} is not in the service's namespace")
    if local in contract.real():
        served = ", ".join(contract.served())
        raise SoapError(
            "Client", f"PartnerWebAPI2 has the operation {local}; callmocks serves only {served}"
        )
    raise SoapError("Client", f"PartnerWebAPI2 has no operation {local}")


def _params(exchange: Exchange, call: etree._Element) -> etree._Element:
    """``Params`` of a call that has the structure the WSDL says.

    A value that is none of its type is no Fault: the parameter is refused with a ResultCode.
    """
    for broken in wsdl.violations(call):
        inside = broken.path.count("/") - _VALUE_DEPTH
        if inside < 0 or (inside == 0 and broken.rule == "SCHEMAV_ELEMENT_CONTENT"):
            raise SoapError("Client", _explained(call, broken))
    return call[0]


def _explained(call: etree._Element, broken: wsdl.Violation) -> str:
    """Where and why a call is not as the WSDL says."""
    if len(call) == 1 and call[0].tag == PARAMS:
        try:
            read_structure(call[0])
        except BadValue as error:
            if "/Value" not in error.where:
                return f"Params/{error}"
    return f"{broken.path}: {broken.message}"


async def _operate(
    exchange: Exchange,
    version: Version,
    operation: Operation,
    params: etree._Element,
) -> Reply:
    check = exchange.tenant.settings.self_check
    frame = _table_envelope(version.namespace, operation.name)
    body = BytesIO()
    body.write(frame.before)
    try:
        await limits.count(exchange, operation)
        given = parameters.read(exchange, operation, params)
        if operation.name == service_calls.NAME:
            problems = await service_calls.select(exchange, given, check, body.write)
        else:
            read = directory_reads.select(exchange, operation, given, check)
            body.write(read.xml)
            problems = list(read.problems)
        await limits.count_answered(exchange, operation)
    except Refusal as why:
        reply = refusal(version.namespace, operation.name, why.code, why.reason)
        _own(exchange, _problems(reply.body) if check else [])
        return reply
    body.write(frame.after)
    _own(exchange, [*frame.problems, *problems] if check else [])
    return Reply(body.getvalue(), 200, version.content_type)


class _TableEnvelope(NamedTuple):
    """What stands around the rows of an answer, and where that leaves the contract."""

    before: bytes
    after: bytes
    problems: tuple[str, ...]


@cache
def _envelope(namespace: str, operation: str) -> tuple[bytes, bytes]:
    return version_of(namespace).envelope(operation)


@cache
def _table_envelope(namespace: str, operation: str) -> _TableEnvelope:
    """The same bytes in every answer of an operation, so they are looked at once."""
    before, after = _envelope(namespace, operation)
    opened, closed = around_rows(operation)
    whole = before + opened + closed + after
    return _TableEnvelope(before + opened, closed + after, tuple(_problems(whole)))


def _problems(body: bytes) -> list[str]:
    """Where an answer leaves the WSDL's schema."""
    message = envelope.open_envelope(envelope.parse(body))
    return [f"{broken.path}: {broken.message}" for broken in wsdl.violations(message.call)]


def _own(exchange: Exchange, problems: list[str]) -> None:
    """Note violations of our own."""
    for problem in problems:
        exchange.violated("return", "an answer as the WSDL describes", problem, "answer")


def prepare() -> None:
    """Compile what answers need, so that the first one does not wait for it."""
    wsdl.validator()
    for namespace in (SOAP11, SOAP12):
        for operation in contract.served():
            _table_envelope(namespace, operation)
