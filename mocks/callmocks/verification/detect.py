"""Detects by its bytes what a saved message is, and validates it.

::

    01…            frame: a status behind the id makes it a response      ARM
    < in/out       document                                               ARM
    < Envelope     SOAP 1.1 or 1.2, by its namespace                      1C
    < definitions  WSDL                                                   1C
    [ _name        tree without a frame                                   ARM
    { jsonrpc      request, or response if it has result or error         CDR
    { { {          recording, or entries of a journal, one in a line      all three
"""

import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Any

import msgspec

from callmocks.contract.findings import Finding, ValidationResult
from callmocks.contract.message_size import find_answer_excess
from callmocks.errors import SettingsError
from callmocks.provider.harmless import HarmlessFields
from callmocks.verification import recording
from callmocks.verification.recording import RecordedExchange
from callmocks.verification.redaction import FindingRedactor

FRAME_START = re.compile(rb"\d{2}\d{10}\d{4}")
ROOT_ELEMENT = re.compile(rb"<(?:[\w.-]+:)?([A-Za-z_][\w.-]*)")
REQUEST_TREE = re.compile(rb'\[\s*\{\s*"_name"\s*:\s*"in"')
HASHED_NOTE = "a message was recorded by a hash alone: not validated"
TRUNCATED_NOTE = "the journal has only the beginning of a message: not validated"


@cache
def _make_redactor(provider: str) -> FindingRedactor:
    from callmocks.server.providers import PROVIDERS

    if provider not in PROVIDERS:
        return FindingRedactor(HarmlessFields.empty())
    return FindingRedactor(PROVIDERS[provider].load_harmless_fields())


@dataclass(frozen=True, slots=True)
class ValidatedMessage:
    line: int  # 0 where the file is the message
    result: ValidationResult
    note: str = ""

    @property
    def findings(self) -> list[Finding]:
        """With their ids; the side of the message stands for a probe."""
        result = self.result
        names = result.provider or "-", result.side, result.operation or "-"
        redacted = map(_make_redactor(result.provider).redact, result.findings)
        return [finding.with_id(*names) for finding in redacted]


@dataclass(frozen=True, slots=True)
class ValidatedFile:
    kind: str
    messages: list[ValidatedMessage]

    @property
    def violation_count(self) -> int:
        return sum(len(each.result.failures) for each in self.messages)


def validate_file(content: bytes, contract: str = "documented") -> ValidatedFile:
    text = content.removeprefix(BOM_UTF8)
    if recording.is_json_lines(text):
        return _validate_lines(text, contract)
    entries = _decode_journal(text)
    if entries is not None:
        return _validate_exchanges("journal", list(enumerate(entries, 1)), contract)
    excess = find_answer_excess(text)
    if excess:
        nothing = ValidationResult("", "unknown", "answer")
        return ValidatedFile(
            "message", [ValidatedMessage(0, nothing, f"not validated: it {excess}")]
        )
    result = _validate_message(text, contract)
    return ValidatedFile(result.title, [ValidatedMessage(0, result)])


def _validate_message(text: bytes, contract: str) -> ValidationResult:
    start = text.lstrip()
    if FRAME_START.match(text):
        from callmocks.arm import validate as arm

        if arm.is_response_frame(text):
            return arm.validate_response_frame(text, None, contract)
        return arm.validate_request_frame(text, contract)
    if start[:1] == b"<":
        return _validate_document(text, contract)
    if start[:1] == b"[" and (b'"_name"' in text or b'"_content"' in text):
        from callmocks.arm import validate as arm

        # The root can be read even if the tree is broken further down.
        is_request = REQUEST_TREE.match(start)
        return arm.validate_body(text, contract=contract, side="request" if is_request else "")
    if start[:1] in (b"{", b"["):
        from callmocks.cdr import validate as cdr

        return cdr.validate_response(text) if cdr.is_response(text) else cdr.validate_request(text)
    expected = "a frame, a document, a JSON-RPC or SOAP message, or a recording"
    found = Finding("byte 1", expected, repr(text[:20])[1:] if text else "an empty file")
    return ValidationResult("", "unknown", "request", "", [found])


def _validate_document(text: bytes, contract: str) -> ValidationResult:
    """By the root's name, which can be read even if the document is broken further down."""
    root = ROOT_ELEMENT.search(re.sub(rb"<[?!][^>]*>", b"", text[:4096]))
    name = root[1].decode() if root else ""
    if name in ("in", "out"):
        from callmocks.arm import validate as arm

        return arm.validate_body(
            text, contract=contract, side="request" if name == "in" else "answer"
        )
    from callmocks.onec import validate as onec

    return onec.validate_wsdl(text) if name == "definitions" else onec.validate_message(text)


def _decode_journal(text: bytes) -> list[RecordedExchange] | None:
    """The entries of ``GET …/journal``; None when the file is something else."""
    if not text.lstrip().startswith(b"{"):
        return None
    try:
        members = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        if "entries" not in members:
            return None
        return msgspec.json.decode(members["entries"], type=list[RecordedExchange])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _validate_lines(text: bytes, contract: str) -> ValidatedFile:
    kind = "recording" if text.lstrip().startswith(b'{"callmocks"') else "journal"
    exchanges: list[tuple[int, RecordedExchange]] = []
    invalid = []
    try:
        for numbered in recording.iter_exchanges(text.splitlines(keepends=True), ""):
            exchanges.append(numbered)
    except SettingsError as error:
        where, _, reason = str(error).removeprefix(": ").partition(": ")
        result = ValidationResult("", kind, "request", "", [Finding(where, "an exchange", reason)])
        invalid = [ValidatedMessage(int(where.removeprefix("line ")), result)]
    file = _validate_exchanges(kind, exchanges, contract)
    return ValidatedFile(file.kind, [*file.messages, *invalid])


def _validate_exchanges(
    kind: str, exchanges: list[tuple[int, RecordedExchange]], contract: str
) -> ValidatedFile:
    validated = (_validate_exchange(*numbered, contract) for numbered in exchanges)
    messages = list(chain.from_iterable(validated))
    count = len(exchanges)
    return ValidatedFile(f"{kind} of {count} exchange{'' if count == 1 else 's'}", messages)


def _validate_exchange(
    number: int, exchange: RecordedExchange, contract: str
) -> Iterator[ValidatedMessage]:
    from callmocks.server.providers import PROVIDERS

    # A journal also has upgrades and downloads of records and faxes: those have no request.
    if not (exchange.request or exchange.operation == "wsdl" or exchange.transport):
        return
    if exchange.is_truncated or exchange.is_hashed:
        result = ValidationResult(exchange.provider, exchange.operation, "answer")
        note = HASHED_NOTE if exchange.is_hashed else TRUNCATED_NOTE
        yield ValidatedMessage(number, result, note)
        return
    if excess := recording.find_excess(exchange):
        result = ValidationResult(exchange.provider, exchange.operation, "answer")
        yield ValidatedMessage(number, result, f"not validated: {excess}")
        return
    provider = PROVIDERS[exchange.provider]
    wire = exchange.to_wire(provider)
    if wire.request:
        yield ValidatedMessage(number, provider.validate_request(wire, contract))
    if wire.status and (wire.response or exchange.transport):
        yield ValidatedMessage(number, provider.validate_response(wire, contract))


def file_to_dict(name: str, file: ValidatedFile) -> dict[str, Any]:
    return {
        "file": name,
        "kind": file.kind,
        "ok": not file.violation_count,
        "messages": [
            {
                "line": each.line or None,
                "provider": each.result.provider,
                "kind": each.result.kind,
                "side": each.result.side,
                "operation": each.result.operation,
                "note": each.note,
                "violations": [msgspec.structs.asdict(found) for found in each.findings],
            }
            for each in file.messages
        ],
    }
