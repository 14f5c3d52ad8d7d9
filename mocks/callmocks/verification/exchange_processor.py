"""Exchanges of the proxy, one after the other: validated, masked, journaled and recorded.

The original is judged in memory alone; journal, recording and messages get what is masked.
"""

import asyncio
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from callmocks.contract.findings import Finding
from callmocks.contract.journal import Violation
from callmocks.errors import OutOfThreads
from callmocks.history.clock import read_stopwatch
from callmocks.provider.base import Provider, WireExchange
from callmocks.tenants.exchange import Exchange, Reply
from callmocks.tenants.journal import KEPT_WHOLE_BYTES, TruncatedBody, truncate_body
from callmocks.tenants.tenant import Tenant
from callmocks.tenants.worker import call_without_collection, run_in_worker
from callmocks.verification.captured import (
    CROWDED,
    CUT_BYTES,
    MAX_BODY_BYTES,
    CapturedExchange,
)
from callmocks.verification.mask_message import UNKNOWN_OPERATION, MaskedMessage, MessageMasker
from callmocks.verification.masking import MAX_SECRETS
from callmocks.verification.proxy_report import ProxyReport
from callmocks.verification.recording import (
    RecordedExchange,
    RecordedViolation,
    Recorder,
    encode_line,
)
from callmocks.verification.redaction import FindingRedactor

_log = logging.getLogger(__name__)

QUEUE_SIZE = 100  # exchanges that wait, their responses sent; then the next client waits
THREAD_THRESHOLD = 64 * 1024  # bytes from which on an exchange is processed in a thread of its own
MAX_HELD_BYTES = 256 * 1024 * 1024  # of all copies that wait or are being made
# For what waits when the proxy ends: container engines kill a process after ten seconds.
DRAIN_SECONDS = 8.0
MAX_PRINTED_FINDINGS = 3
SideFindings = list[tuple[str, Finding]]  # each with the side it was found on
MEDIA_TYPES = (
    *("application/json", "application/soap+xml", "application/xml", "text/xml", "text/html"),
    *("text/plain", "application/octet-stream"),
)
CHARSETS = ("utf-8", "utf-16", "windows-1251", "us-ascii", "iso-8859-1")


@dataclass(frozen=True, slots=True)
class ProcessedExchange:
    """What may be written of an exchange."""

    operation: str
    request: MaskedMessage
    response: MaskedMessage
    findings: SideFindings
    seconds: float  # it took

    def list_notes(self) -> list[str]:
        sides = (("request", self.request), ("answer", self.response))
        return [
            f"the {side} of {message.length} bytes is recorded as {message.digest}, by a hash "
            "without a key: it cannot be replayed"
            for side, message in sides
            if message.digest
        ]


@dataclass(frozen=True, slots=True)
class PreparedExchange:
    """As journal and recording take it; ``line`` is the recording's, empty when it has none."""

    processed: ProcessedExchange
    notes: list[str]
    request: bytes
    response: bytes
    truncated: TruncatedBody | None
    line: bytes


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
        self._added_count = 0

    def start(self) -> None:
        self._worker = asyncio.create_task(self._process_queue())

    async def stop(self) -> None:
        """What waits has some seconds; what is being read then ends with the process."""
        if self._worker is not None:
            await self._drain(self._worker)
        if self._recorder is not None:
            self._recorder.close()

    async def _drain(self, worker: asyncio.Task[None]) -> None:
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                await self._queue.put(None)
                await worker
        except TimeoutError:
            worker.cancel()
            left = self._added_count - self.exchange_count
            plural = "" if left == 1 else "s"
            self._on_event(f"ended before {left} exchange{plural} could be validated")

    async def add(self, captured: CapturedExchange) -> None:
        self._added_count += 1
        await self._queue.put(captured)

    def hold(self, captured: CapturedExchange, count: int) -> bool:
        """Whether there is memory for so many bytes more of it."""
        if self._held_bytes + count > MAX_HELD_BYTES:
            return False
        self._held_bytes += count
        captured.held_bytes += count
        return True

    def release(self, captured: CapturedExchange) -> None:
        """Drop the copies: whoever knows the exchange yet does not need them."""
        self._held_bytes -= captured.held_bytes
        captured.held_bytes = 0
        captured.request = captured.response = b""

    def add_chunk(self, captured: CapturedExchange, copy: bytearray, chunk: bytes) -> None:
        """The next bytes of a response, as long as there is room for them."""
        captured.response_length += len(chunk)
        if captured.skips_answer or not captured.in_contract:
            return
        if len(copy) + len(chunk) <= MAX_BODY_BYTES and self.hold(captured, len(chunk)):
            copy += chunk
            return
        captured.skips_answer = True
        captured.notes.append("the answer is too long to be kept: not validated")
        del copy[CUT_BYTES:]

    async def _process_queue(self) -> None:
        while (captured := await self._queue.get()) is not None:
            await self._handle_captured(captured)
            self.release(captured)

    async def _handle_captured(self, captured: CapturedExchange) -> None:
        seconds = read_stopwatch() - captured.started
        # Exchanges are processed one by one: so much is of no other one.
        if not self.hold(captured, captured.count_inflated_bytes()):
            captured.skip_content(CROWDED)
        try:
            prepared = await self._process(captured, seconds)
        except Exception as defect:
            # A defect of callmocks must not end the proxy. Its text may quote a message.
            _log.error("an exchange could not be processed: %s", type(defect).__name__)
            captured.skip_content(f"callmocks has a defect here: {type(defect).__name__}")
            nothing = MaskedMessage("", 0)
            processed = ProcessedExchange(UNKNOWN_OPERATION, nothing, nothing, [], seconds)
            prepared = self._prepare(captured, processed)
        self._record_exchange(captured, prepared)

    async def _process(self, captured: CapturedExchange, seconds: float) -> PreparedExchange:
        size = len(captured.request) + len(captured.response)
        process = partial(self._process_exchange, captured, seconds)
        if size <= THREAD_THRESHOLD and not captured.is_compressed:
            return process()
        try:
            return await run_in_worker(partial(call_without_collection, process), is_slow=True)
        except OutOfThreads:
            captured.skip_content("not validated: the system gives no thread")
            return process()

    def _process_exchange(self, captured: CapturedExchange, seconds: float) -> PreparedExchange:
        masker = self._masker
        masker.begin_exchange()
        for secret in captured.credentials:
            masker.values.add_secret(secret)
        if not describe_content_type(captured.content_type):
            masker.values.hide_words(captured.content_type)
        plain = self._read_messages(captured)
        operation = plain.operation
        found = self._validate(plain, captured) if captured.in_contract else []
        name = masker.name_operation(operation)
        content = captured.in_contract and bool(plain.request)
        request = masker.mask_message(
            plain.request or captured.request, operation, in_answer=False, content=content
        )
        response = self._mask_response(captured, plain)
        findings = self._redact(found, name)
        return self._prepare(
            captured, ProcessedExchange(name, request, response, findings, seconds)
        )

    def _read_messages(self, captured: CapturedExchange) -> WireExchange:
        """As they are validated: without a message that is passed over."""
        plain = WireExchange(
            captured.operation,
            b"",
            b"",
            captured.status,
            captured.transport,
            captured.content_type,
        )
        if captured.in_contract:
            plain.request = captured.read_request(self.provider)
        if captured.in_contract and not captured.skips_answer:
            plain.response = captured.read_response()
        if plain.request and not plain.operation:
            plain.operation = self.provider.find_operation(plain)
        return plain

    def _mask_response(self, captured: CapturedExchange, plain: WireExchange) -> MaskedMessage:
        content = captured.in_contract and not captured.skips_answer
        body = plain.response or captured.response
        mask = self._masker.mask_message
        masked = mask(body, plain.operation, in_answer=True, content=content)
        if captured.skips_answer:
            return replace(masked, length=captured.response_length)
        return masked

    def _validate(self, exchange: WireExchange, captured: CapturedExchange) -> SideFindings:
        results = []
        if exchange.request:
            results.append(self.provider.validate_request(exchange, self._contract))
        if exchange.status and not captured.skips_answer:
            results.append(self.provider.validate_response(exchange, self._contract))
        return [(result.side, each) for result in results for each in result.failures]

    def _redact(self, findings: SideFindings, operation: str) -> SideFindings:
        name, redact = self.provider.name, self._redactor.redact
        return [(side, redact(each).with_id(name, side, operation)) for side, each in findings]

    def _prepare(
        self, captured: CapturedExchange, processed: ProcessedExchange
    ) -> PreparedExchange:
        notes = captured.notes + processed.list_notes()
        response = processed.response.text.encode()
        truncated = truncate_body(response) if len(response) > KEPT_WHOLE_BYTES else None
        line = b""
        if self._recorder is not None and captured.in_contract:
            line = encode_line(self._to_recorded(captured, processed, notes))
        request = processed.request.text.encode()
        return PreparedExchange(processed, notes, request, response, truncated, line)

    def _record_exchange(self, captured: CapturedExchange, prepared: PreparedExchange) -> None:
        processed = prepared.processed
        self.exchange_count += 1
        self.violation_count += bool(processed.findings)
        self.report.add_exchange(processed.operation, processed.findings)
        exchange = Exchange.start(self.tenant, self.provider, prepared.request)
        exchange.operation, exchange.transport = processed.operation, captured.transport
        exchange.notes += prepared.notes
        exchange.started = read_stopwatch() - processed.seconds
        exchange.transmission.ended = ""  # of the client nothing is known
        exchange.violations += [
            Violation(found.where, found.expected, found.got, side)
            for side, found in processed.findings
        ]
        content_type = describe_content_type(captured.content_type)
        reply = Reply(prepared.response, captured.status, content_type)
        self.tenant.journal.add(exchange, reply, prepared.truncated)
        if self._recorder is not None:
            if self._masker.values.is_full:
                self._recorder.end(f"more than {MAX_SECRETS} credentials came by")
            elif prepared.line:
                self._recorder.write_line(prepared.line)
        self._report_findings(processed, prepared.notes)

    def _to_recorded(
        self,
        captured: CapturedExchange,
        processed: ProcessedExchange,
        notes: list[str],
    ) -> RecordedExchange:
        request, response = processed.request, processed.response
        return RecordedExchange(
            seq=self.exchange_count + 1,
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
            duration_ms=round(processed.seconds * 1000, 3),
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
