"""What a saved message is, told by its bytes, and held against the contract.

::

    01…            frame: a status behind the id makes it an answer       ARM
    < in/out       document                                               ARM
    < Envelope     SOAP 1.1 or 1.2, by its namespace                      1C
    < definitions  WSDL                                                   1C
    [ _name        tree without a frame                                   ARM
    { jsonrpc      request, or answer when it has result or error         CDR
    { { {          recording, or entries of a journal, one in a line      all three
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from callmocks.contract.findings import Finding, ValidationResult
from callmocks.errors import SettingsError
from callmocks.verification import recording
from callmocks.verification.exchange_processor import (
    CapturedExchange,
    validate_request,
    validate_response,
)
from callmocks.verification.recording import RecordedExchange

UNKNOWN_KIND = "unknown"
FRAME_START = re.compile(rb"\d{2}\d{10}\d{4}")
ROOT_ELEMENT = re.compile(rb"<(?:[\w.-]+:)?([A-Za-z_][\w.-]*)")
REQUEST_TREE = re.compile(rb'\[\s*\{\s*"_name"\s*:\s*"in"')
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
TRUNCATED_NOTE = "of one that the journal cut only the beginning is there: not judged"


@dataclass(frozen=True, slots=True)
class ValidatedMessage:
    """A message of a file; ``line`` is 0 where the file is the message. ``note`` says what else."""

    line: int
    verdict: ValidationResult
    note: str = ""


@dataclass(frozen=True, slots=True)
class ValidatedFile:
    """A file: what it is, and the verdicts on the messages in it."""

    kind: str
    messages: list[ValidatedMessage]

    @property
    def violations(self) -> int:
        """Findings that count."""
        return sum(len(each.verdict.failures) for each in self.messages)


def validate_file(content: bytes, contract: str = "documented") -> ValidatedFile:
    """Say what a file is and where it leaves the contract."""
    text = content.removeprefix(BYTE_ORDER_MARK)
    if recording.is_json_lines(text):
        return _validate_lines(text, contract)
    entries = _decode_journal(text)
    if entries is not None:
        return _validate_exchanges("journal", enumerate(entries, 1), contract)
    verdict = _validate_message(text, contract)
    return ValidatedFile(verdict.title, [ValidatedMessage(0, verdict)])


def _validate_message(text: bytes, contract: str) -> ValidationResult:
    start = text.lstrip()
    if FRAME_START.match(text):
        from callmocks.arm import validate as arm

        answer = arm.is_response_frame(text)
        return (
            arm.validate_response_frame(text, None, contract)
            if answer
            else arm.validate_request_frame(text, contract)
        )
    if start[:1] == b"<":
        return _validate_document(text, contract)
    if start[:1] == b"[" and (b'"_name"' in text or b'"_content"' in text):
        from callmocks.arm import validate as arm

        # A tree that is broken further down has a root all the same.
        return arm.validate_body(
            text, contract=contract, side="request" if REQUEST_TREE.match(start) else ""
        )
    if start[:1] in (b"{", b"["):
        from callmocks.cdr import validate as cdr

        return cdr.validate_response(text) if cdr.is_response(text) else cdr.validate_request(text)
    expected = "a frame, a document, a JSON-RPC or SOAP message, or a recording"
    found = Finding("byte 1", expected, repr(text[:20])[1:] if text else "an empty file")
    return ValidationResult("", UNKNOWN_KIND, "request", "", [found])


def _validate_document(text: bytes, contract: str) -> ValidationResult:
    """By the name of the root, which a document that is broken further down has too."""
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
    """Line by line, up to the first that is no exchange."""
    kind = "recording" if text.lstrip().startswith(b'{"callmocks"') else "journal"
    found = []
    broken: ValidatedMessage | None = None
    try:
        for pair in recording.iter_exchanges(text.splitlines(keepends=True), ""):
            found.append(pair)
    except SettingsError as error:
        place, _, reason = str(error).removeprefix(": ").partition(": ")
        finding = Finding(place, "an exchange", reason)
        number = int(place.removeprefix("line "))
        broken = ValidatedMessage(number, ValidationResult("", kind, "request", "", [finding]))
    file = _validate_exchanges(kind, iter(found), contract)
    return ValidatedFile(file.kind, [*file.messages, broken]) if broken else file


def _validate_exchanges(
    kind: str, exchanges: Iterator[tuple[int, RecordedExchange]], contract: str
) -> ValidatedFile:
    judged: list[ValidatedMessage] = []
    count = 0
    for number, exchange in exchanges:
        count += 1
        judged += _validate_exchange(number, exchange, contract)
    return ValidatedFile(f"{kind} of {count} exchange{'' if count == 1 else 's'}", judged)


def _validate_exchange(
    number: int, exchange: RecordedExchange, contract: str
) -> Iterator[ValidatedMessage]:
    """The verdicts on both messages; the answer's knows what was asked."""
    seen = CapturedExchange(
        exchange.provider,
        exchange.operation,
        datetime.min,
        exchange.request.encode(),
        exchange.response.encode(),
        exchange.status,
        transport="frame" if exchange.is_framed else "http",
        media_type=exchange.content_type,
    )
    if not _is_contract_exchange(exchange):
        return
    if exchange.is_truncated:
        yield ValidatedMessage(
            number,
            ValidationResult(exchange.provider, exchange.operation, "answer"),
            TRUNCATED_NOTE,
        )
        return
    if seen.request:
        yield ValidatedMessage(number, validate_request(seen, contract))
    if seen.status and (seen.response or exchange.transport):
        yield ValidatedMessage(number, validate_response(seen, contract))


def _is_contract_exchange(exchange: RecordedExchange) -> bool:
    """A journal also holds upgrades, recordings and faxes that were fetched."""
    return bool(exchange.request) or exchange.operation == "wsdl" or bool(exchange.transport)


def file_to_dict(name: str, file: ValidatedFile) -> dict[str, Any]:
    """A file for programs."""
    return {
        "file": name,
        "kind": file.kind,
        "ok": not file.violations,
        "messages": [
            {
                "line": each.line or None,
                "provider": each.verdict.provider,
                "kind": each.verdict.kind,
                "side": each.verdict.side,
                "operation": each.verdict.operation,
                "note": each.note,
                "violations": [
                    msgspec.structs.asdict(finding) for finding in each.verdict.findings
                ],
            }
            for each in file.messages
        ],
    }
