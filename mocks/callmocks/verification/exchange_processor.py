"""Exchanges of the proxy, one after the other: validated, masked, journaled and recorded.

The original is judged in memory alone; journal, recording and messages get what is masked.
"""

import asyncio
import logging
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec

from callmocks.contract.findings import Finding
from callmocks.contract.journal import Violation
from callmocks.history.clock import read_stopwatch
from callmocks.provider.base import Provider, WireExchange
from callmocks.tenants.exchange import Exchange, Reply
from callmocks.tenants.tenant import Tenant
from callmocks.verification.mask_message import UNKNOWN_OPERATION, MaskedMessage, MessageMasker
from callmocks.verification.masking import MAX_SECRETS
from callmocks.verification.proxy_report import ProxyReport
from callmocks.verification.recording import RecordedExchange, RecordedViolation, Recorder
from callmocks.verification.redaction import FindingRedactor

_log = logging.getLogger(__name__)

QUEUE_SIZE = 100  # exchanges that wait, their responses sent; then the next client waits
THREAD_THRESHOLD = 64 * 1024  # bytes from which on an exchange is processed in a thread of its own
MAX_BODY_BYTES = 64 * 1024 * 1024  # of a longer response only the beginning is kept
MAX_HELD_BYTES = 256 * 1024 * 1024  # of all copies that wait or are being made
CUT_BYTES = 4096  # of a response that is not kept
MAX_PRINTED_FINDINGS = 3
SideFindings = list[tuple[str, Finding]]  # each with the side it was found on


KNOWN_ENCODINGS = ("br", "zstd", "compress")
MEDIA_TYPES = (
    *("application/json", "application/soap+xml", "application/xml", "text/xml", "text/html"),
    *("text/plain", "application/octet-stream"),
)
CHARSETS = ("utf-8", "utf-16", "windows-1251", "us-ascii", "iso-8859-1")


class CapturedExchange(WireExchange, kw_only=True):
    at: datetime
    request_encoding: str = ""  # `Content-Encoding`, as of the response
    response_encoding: str = ""
    in_contract: bool = True  # the contract describes the exchange; others are journaled only
    credentials: tuple[str, ...] = ()  # that its headers have
    held_bytes: int = 0  # of memory for the copies
    is_cut: bool = False  # only the beginning of the answer was kept
    response_length: int = 0
    notes: list[str] = msgspec.field(default_factory=list)
    started: float = msgspec.field(default_factory=read_stopwatch)

    def decompress_body(self, body: bytes, encoding: str) -> bytes:
        """Empty when it cannot be decompressed, which is noted."""
        if encoding in ("", "identity"):
            return body
        if encoding in ("gzip", "deflate"):
            try:
                return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(body, MAX_BODY_BYTES)
            except zlib.error:
                note = f"a message is not what Content-Encoding says: {encoding}"
        else:
            self.in_contract = False
            shown = encoding if encoding in KNOWN_ENCODINGS else "that is not known"
            note = f"not validated: Content-Encoding {shown}"
        if note not in self.notes:
            self.notes.append(note)
        return b""


@dataclass(frozen=True, slots=True)
class ProcessedExchange:
    """What may be written of an exchange."""

    operation: str
    request: MaskedMessage
    response: MaskedMessage
    findings: SideFindings

    def list_notes(self) -> list[str]:
        sides = (("request", self.request), ("answer", self.response))
        return [
            f"the {side} of {message.length} bytes is recorded as {message.digest}, by a hash "
            "without a key: it cannot be replayed"
            for side, message in sides
            if message.digest
        ]


class ExchangeProcessor:
    def __init__(
        self,
        provider: Provider,
        upstream: str,
        tenant: Tenant,
        masker: MessageMasker,
        contract: str,
        recorder: Recorder | None,
        on_event: Callable[[str], None],
    ) -> None:
        self.provider = provider
        self.tenant = tenant
        self.exchange_count = 0
        self.violation_count = 0  # exchanges with findings
        self.report = ProxyReport(provider.name, upstream)
        self._masker = masker
        values = masker.values
        self._redactor = FindingRedactor(masker.fields, values.knows_secret, values.masked_words)
        self._contract = contract
        self._recorder = recorder
        self._on_event = on_event
        self._queue: asyncio.Queue[CapturedExchange | None] = asyncio.Queue(QUEUE_SIZE)
        self._worker: asyncio.Task[None] | None = None
        self._held_bytes = 0

    def start(self) -> None:
        self._worker = asyncio.create_task(self._process_queue())

    async def stop(self) -> None:
        if self._worker is not None:
            await self._queue.put(None)
            await self._worker
        if self._recorder is not None:
            self._recorder.close()

    async def add(self, captured: CapturedExchange) -> None:
        await self._queue.put(captured)

    def hold(self, captured: CapturedExchange, count: int) -> bool:
        """Whether there is memory for so many bytes more of it."""
        if self._held_bytes + count > MAX_HELD_BYTES:
            return False
        self._held_bytes += count
        captured.held_bytes += count
        return True

    def release(self, captured: CapturedExchange) -> None:
        self._held_bytes -= captured.held_bytes
        captured.held_bytes = 0

    def add_chunk(self, captured: CapturedExchange, copy: bytearray, chunk: bytes) -> None:
        """The next bytes of a response, as long as there is room for them."""
        captured.response_length += len(chunk)
        if captured.is_cut or not captured.in_contract:
            return
        if len(copy) + len(chunk) <= MAX_BODY_BYTES and self.hold(captured, len(chunk)):
            copy += chunk
            return
        captured.is_cut = True
        captured.notes.append("the answer is too long to be kept: not validated")
        del copy[CUT_BYTES:]

    async def _process_queue(self) -> None:
        while (captured := await self._queue.get()) is not None:
            seconds = read_stopwatch() - captured.started
            try:
                if len(captured.request) + len(captured.response) > THREAD_THRESHOLD:
                    processed = await asyncio.to_thread(self._process_exchange, captured)
                else:
                    processed = self._process_exchange(captured)
            except Exception as defect:
                # A defect of callmocks must not end the proxy. Its text may quote a message.
                _log.error("an exchange could not be processed: %s", type(defect).__name__)
                captured.in_contract = False
                captured.notes.append(f"callmocks has a defect here: {type(defect).__name__}")
                nothing = MaskedMessage("", 0)
                processed = ProcessedExchange(UNKNOWN_OPERATION, nothing, nothing, [])
            self._record_exchange(captured, processed, seconds)
            self.release(captured)

    def _process_exchange(self, captured: CapturedExchange) -> ProcessedExchange:
        masker, operation = self._masker, captured.operation
        masker.begin_exchange()
        for secret in captured.credentials:
            masker.values.add_secret(secret)
        if not describe_content_type(captured.content_type):
            masker.values.hide_words(captured.content_type)
        request = captured.decompress_body(captured.request, captured.request_encoding)
        response = captured.decompress_body(captured.response, captured.response_encoding)
        plain = WireExchange(
            operation,
            request,
            response,
            captured.status,
            captured.transport,
            captured.content_type,
        )
        found = self._validate(plain, captured.is_cut) if captured.in_contract else []
        name = masker.name_operation(operation)
        mask, content = masker.mask_message, captured.in_contract
        return ProcessedExchange(
            name,
            mask(request or captured.request, operation, in_answer=False, content=content),
            self._mask_response(captured, response, operation),
            self._redact(found, name),
        )

    def _mask_response(
        self, captured: CapturedExchange, response: bytes, operation: str
    ) -> MaskedMessage:
        content = captured.in_contract and not captured.is_cut
        body = response or captured.response
        masked = self._masker.mask_message(body, operation, in_answer=True, content=content)
        return replace(masked, length=captured.response_length) if captured.is_cut else masked

    def _validate(self, exchange: WireExchange, is_cut: bool) -> SideFindings:
        results = []
        if exchange.request:
            results.append(self.provider.validate_request(exchange, self._contract))
        if exchange.status and not is_cut:
            results.append(self.provider.validate_response(exchange, self._contract))
        return [(result.side, each) for result in results for each in result.failures]

    def _redact(self, findings: SideFindings, operation: str) -> SideFindings:
        name, redact = self.provider.name, self._redactor.redact
        return [(side, redact(each).with_id(name, side, operation)) for side, each in findings]

    def _record_exchange(
        self, captured: CapturedExchange, processed: ProcessedExchange, seconds: float
    ) -> None:
        self.exchange_count += 1
        self.violation_count += bool(processed.findings)
        self.report.add_exchange(processed.operation, processed.findings)
        notes = captured.notes + processed.list_notes()
        exchange = Exchange.start(self.tenant, self.provider, processed.request.text.encode())
        exchange.operation, exchange.transport = processed.operation, captured.transport
        exchange.notes += notes
        exchange.started = read_stopwatch() - seconds
        exchange.transmission.ended = ""  # of the client nothing is known
        exchange.violations += [
            Violation(found.where, found.expected, found.got, side)
            for side, found in processed.findings
        ]
        content_type = describe_content_type(captured.content_type)
        reply = Reply(processed.response.text.encode(), captured.status, content_type)
        self.tenant.journal.add(exchange, reply)
        if self._recorder is not None:
            if self._masker.values.is_full:
                self._recorder.end(f"more than {MAX_SECRETS} credentials came by")
            elif captured.in_contract:
                self._recorder.write(self._to_recorded(captured, processed, notes, seconds))
        self._report_findings(processed, notes)

    def _to_recorded(
        self,
        captured: CapturedExchange,
        processed: ProcessedExchange,
        notes: list[str],
        seconds: float,
    ) -> RecordedExchange:
        request, response = processed.request, processed.response
        return RecordedExchange(
            seq=self.exchange_count,
            at=captured.at.isoformat(timespec="milliseconds"),
            provider=self.provider.name,  # type: ignore[arg-type]
            operation=processed.operation,
            status=captured.status,
            request=request.text,
            response=response.text,
            violations=[
                RecordedViolation(
                    found.where,
                    found.expected,
                    found.got,
                    side,
                    found.evidence,
                    found.id,
                    found.assumption,
                )
                for side, found in processed.findings
            ],
            notes=notes,
            duration_ms=round(seconds * 1000, 3),
            transport="frame" if captured.transport == "frame" else "http",
            content_type=describe_content_type(captured.content_type),
            request_hash=request.digest or None,
            response_hash=response.digest or None,
        )

    def _report_findings(self, processed: ProcessedExchange, notes: list[str]) -> None:
        name = f"#{self.exchange_count} {processed.operation}"
        for side, found in processed.findings[:MAX_PRINTED_FINDINGS]:
            self._on_event(f"{name}: {side}: {found} {found.id}")
        if len(processed.findings) > MAX_PRINTED_FINDINGS:
            self._on_event(f"{name}: and {len(processed.findings) - MAX_PRINTED_FINDINGS} more")
        for note in notes:
            self._on_event(f"{name}: {note}")


def describe_content_type(value: str) -> str:
    """Media type and charset, as far as they are known ones."""
    media, _, parameters = value.partition(";")
    media = media.strip().lower()
    if media not in MEDIA_TYPES:
        return ""
    charset = re.search(r"""charset\s*=\s*["']?([\w-]+)""", parameters.lower(), re.ASCII)
    if charset is None or charset[1] not in CHARSETS:
        return media
    space = "" if ";charset" in value else " "
    return f"{media};{space}charset={charset[1]}"
