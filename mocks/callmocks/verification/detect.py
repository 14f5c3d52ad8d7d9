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

from callmocks.contract.findings import Finding, Verdict
from callmocks.errors import SettingsError
from callmocks.verification import recording
from callmocks.verification.exchange_processor import Seen, judge_answer, judge_request
from callmocks.verification.recording import Recorded

UNKNOWN = "unknown"
_FRAME = re.compile(rb"\d{2}\d{10}\d{4}")
_ROOT = re.compile(rb"<(?:[\w.-]+:)?([A-Za-z_][\w.-]*)")
_IN = re.compile(rb'\[\s*\{\s*"_name"\s*:\s*"in"')
_BOM = b"\xef\xbb\xbf"
_CUT = "of one that the journal cut only the beginning is there: not judged"


@dataclass(frozen=True, slots=True)
class Judged:
    """A message of a file; ``line`` is 0 where the file is the message. ``note`` says what else."""

    line: int
    verdict: Verdict
    note: str = ""


@dataclass(frozen=True, slots=True)
class File:
    """A file: what it is, and the verdicts on the messages in it."""

    kind: str
    judged: list[Judged]

    @property
    def violations(self) -> int:
        """Findings that count."""
        return sum(len(each.verdict.counted) for each in self.judged)


def judge(content: bytes, contract: str = "documented") -> File:
    """Say what a file is and where it leaves the contract."""
    text = content.removeprefix(_BOM)
    if recording.is_lines(text):
        return _lines(text, contract)
    entries = _journal(text)
    if entries is not None:
        return _exchanges("journal", enumerate(entries, 1), contract)
    verdict = _message(text, contract)
    return File(verdict.title, [Judged(0, verdict)])


def _message(text: bytes, contract: str) -> Verdict:
    start = text.lstrip()
    if _FRAME.match(text):
        from callmocks.arm import validate as arm

        answer = arm.is_answer_frame(text)
        return (
            arm.answer_frame(text, None, contract) if answer else arm.request_frame(text, contract)
        )
    if start[:1] == b"<":
        return _document(text, contract)
    if start[:1] == b"[" and (b'"_name"' in text or b'"_content"' in text):
        from callmocks.arm import validate as arm

        # A tree that is broken further down has a root all the same.
        return arm.body(text, contract=contract, side="request" if _IN.match(start) else "")
    if start[:1] in (b"{", b"["):
        from callmocks.cdr import validate as cdr

        return cdr.answer(text) if cdr.is_answer(text) else cdr.request(text)
    expected = "a frame, a document, a JSON-RPC or SOAP message, or a recording"
    found = Finding("byte 1", expected, repr(text[:20])[1:] if text else "an empty file")
    return Verdict("", UNKNOWN, "request", "", [found])


def _document(text: bytes, contract: str) -> Verdict:
    """By the name of the root, which a document that is broken further down has too."""
    root = _ROOT.search(re.sub(rb"<[?!][^>]*>", b"", text[:4096]))
    name = root[1].decode() if root else ""
    if name in ("in", "out"):
        from callmocks.arm import validate as arm

        return arm.body(text, contract=contract, side="request" if name == "in" else "answer")
    from callmocks.onec import validate as onec

    return onec.description(text) if name == "definitions" else onec.message(text)


def _journal(text: bytes) -> list[Recorded] | None:
    """The entries of ``GET …/journal``; None when the file is something else."""
    if not text.lstrip().startswith(b"{"):
        return None
    try:
        members = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        if "entries" not in members:
            return None
        return msgspec.json.decode(members["entries"], type=list[Recorded])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _lines(text: bytes, contract: str) -> File:
    """Line by line, up to the first that is no exchange."""
    kind = "recording" if text.lstrip().startswith(b'{"callmocks"') else "journal"
    found = []
    broken: Judged | None = None
    try:
        for pair in recording.exchanges(text.splitlines(keepends=True), ""):
            found.append(pair)
    except SettingsError as error:
        place, _, reason = str(error).removeprefix(": ").partition(": ")
        finding = Finding(place, "an exchange", reason)
        number = int(place.removeprefix("line "))
        broken = Judged(number, Verdict("", kind, "request", "", [finding]))
    file = _exchanges(kind, iter(found), contract)
    return File(file.kind, [*file.judged, broken]) if broken else file


def _exchanges(kind: str, found: Iterator[tuple[int, Recorded]], contract: str) -> File:
    judged: list[Judged] = []
    count = 0
    for number, exchange in found:
        count += 1
        judged += _exchange(number, exchange, contract)
    return File(f"{kind} of {count} exchange{'' if count == 1 else 's'}", judged)


def _exchange(number: int, exchange: Recorded, contract: str) -> Iterator[Judged]:
    """The verdicts on both messages; the answer's knows what was asked."""
    seen = Seen(
        exchange.provider,
        exchange.operation,
        datetime.min,
        exchange.request.encode(),
        exchange.response.encode(),
        exchange.status,
        transport="frame" if exchange.framed else "http",
        media=exchange.content_type,
    )
    if not _is_contract(exchange):
        return
    if exchange.cut:
        yield Judged(number, Verdict(exchange.provider, exchange.operation, "answer"), _CUT)
        return
    if seen.request:
        yield Judged(number, judge_request(seen, contract))
    if seen.status and (seen.response or exchange.transport):
        yield Judged(number, judge_answer(seen, contract))


def _is_contract(exchange: Recorded) -> bool:
    """A journal also holds upgrades, recordings and faxes that were fetched."""
    return bool(exchange.request) or exchange.operation == "wsdl" or bool(exchange.transport)


def as_json(name: str, file: File) -> dict[str, Any]:
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
            for each in file.judged
        ],
    }
