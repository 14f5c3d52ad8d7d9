"""Exchanges of the proxy, one after the other: masked, validated, journaled and recorded.

Masking comes first, so that nothing later can reveal a person. Masks keep what a contract is
about: lengths, digits, letters.
"""

import asyncio
import logging
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from callmocks.contract.findings import Finding
from callmocks.contract.journal import Violation
from callmocks.history.clock import read_stopwatch
from callmocks.provider.base import Provider, WireExchange
from callmocks.tenants.exchange import Exchange, Reply
from callmocks.tenants.tenant import Tenant
from callmocks.verification.masking import MessageMasker
from callmocks.verification.recording import RecordedExchange, RecordedViolation, Recorder

_log = logging.getLogger(__name__)

QUEUE_SIZE = 100  # exchanges that wait, their responses sent; then the next client waits
THREAD_THRESHOLD = 64 * 1024  # bytes from which on an exchange is processed in a thread of its own
MAX_BODY_BYTES = 64 * 1024 * 1024  # of a longer response only the beginning is processed
MAX_PRINTED_FINDINGS = 3
SideFindings = list[tuple[str, Finding]]  # each with the side it was found on


@dataclass(slots=True)
class CapturedExchange(WireExchange):
    at: datetime = field(kw_only=True)
    request_encoding: str = ""  # `Content-Encoding`, as of the response
    response_encoding: str = ""
    in_contract: bool = True  # the contract describes the exchange; others are journaled only
    notes: list[str] = field(default_factory=list)
    started: float = field(default_factory=read_stopwatch)

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
            note = f"not validated: Content-Encoding {encoding}"
        if note not in self.notes:
            self.notes.append(note)
        return b""


class ExchangeProcessor:
    def __init__(
        self,
        provider: Provider,
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
        self._masker = masker
        self._contract = contract
        self._recorder = recorder
        self._on_event = on_event
        self._queue: asyncio.Queue[CapturedExchange | None] = asyncio.Queue(QUEUE_SIZE)
        self._worker: asyncio.Task[None] | None = None

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

    async def _process_queue(self) -> None:
        while (captured := await self._queue.get()) is not None:
            seconds = read_stopwatch() - captured.started
            try:
                if len(captured.request) + len(captured.response) > THREAD_THRESHOLD:
                    findings = await asyncio.to_thread(self._mask_and_validate, captured)
                else:
                    findings = self._mask_and_validate(captured)
            except Exception as defect:
                # A defect of callmocks must not end the proxy. Unmasked messages are not kept.
                _log.exception("an exchange could not be processed")
                captured.request = captured.response = b""
                captured.in_contract, findings = False, []
                captured.notes.append(f"callmocks has a defect here: {type(defect).__name__}")
            self._record_exchange(captured, findings, seconds)

    def _mask_and_validate(self, captured: CapturedExchange) -> SideFindings:
        """Masks in place."""
        request = captured.decompress_body(captured.request, captured.request_encoding)
        response = captured.decompress_body(captured.response, captured.response_encoding)
        names = self.provider.find_filter_names(request)
        captured.request = self._masker.mask_message(request, names)
        captured.response = self._masker.mask_message(response, names)
        if not captured.in_contract:
            return []
        results = []
        if captured.request:
            results.append(self.provider.validate_request(captured, self._contract))
        if captured.status:
            results.append(self.provider.validate_response(captured, self._contract))
        return [
            (result.side, each.with_id(self.provider.name, result.side, captured.operation or "-"))
            for result in results
            for each in result.failures
        ]

    def _record_exchange(
        self, captured: CapturedExchange, findings: SideFindings, seconds: float
    ) -> None:
        self.exchange_count += 1
        self.violation_count += bool(findings)
        exchange = Exchange.start(self.tenant, self.provider, captured.request)
        exchange.operation, exchange.transport = captured.operation, captured.transport
        exchange.notes += captured.notes
        exchange.started = read_stopwatch() - seconds
        exchange.violations += [
            Violation(found.where, found.expected, found.got, side) for side, found in findings
        ]
        reply = Reply(captured.response, captured.status, captured.content_type)
        self.tenant.journal.add(exchange, reply)
        if captured.in_contract and self._recorder is not None:
            self._recorder.write(self._to_recorded(captured, findings, seconds))
        self._report_findings(captured, findings)

    def _to_recorded(
        self, captured: CapturedExchange, findings: SideFindings, seconds: float
    ) -> RecordedExchange:
        return RecordedExchange(
            seq=self.exchange_count,
            at=captured.at.isoformat(timespec="milliseconds"),
            provider=self.provider.name,  # type: ignore[arg-type]
            operation=captured.operation,
            status=captured.status,
            request=captured.request.decode("utf-8", "replace"),
            response=captured.response.decode("utf-8", "replace"),
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
                for side, found in findings
            ],
            notes=captured.notes,
            duration_ms=round(seconds * 1000, 3),
            transport="frame" if captured.transport == "frame" else "http",
            content_type=captured.content_type,
        )

    def _report_findings(self, captured: CapturedExchange, findings: SideFindings) -> None:
        name = f"#{self.exchange_count} {captured.operation or 'a message that cannot be read'}"
        for side, found in findings[:MAX_PRINTED_FINDINGS]:
            self._on_event(f"{name}: {side}: {found} {found.id}")
        if len(findings) > MAX_PRINTED_FINDINGS:
            self._on_event(f"{name}: and {len(findings) - MAX_PRINTED_FINDINGS} more")
        for note in captured.notes:
            self._on_event(f"{name}: {note}")
