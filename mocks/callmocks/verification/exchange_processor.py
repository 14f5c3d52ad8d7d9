"""One exchange that went through the proxy: masked, judged, journaled and recorded.

Everything happens to the masked messages, so nothing that is said of them gives anybody away.
Masks keep what a contract is about: lengths, digits, letters.
"""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from callmocks.contract.findings import Finding, ValidationResult
from callmocks.history.clock import read_stopwatch
from callmocks.server.providers import PROVIDERS
from callmocks.tenants.detached import detached_exchange
from callmocks.tenants.exchange import Exchange, Reply, Violation
from callmocks.tenants.tenant import Tenant
from callmocks.verification.masking import MessageMasker
from callmocks.verification.recording import RecordedExchange, RecordedViolation, Recorder

_log = logging.getLogger(__name__)

QUEUE_SIZE = 100
"""Exchanges waiting to be looked at; then the next ones wait with their answers sent."""
THREAD_THRESHOLD = 64 * 1024
"""Bytes from which on a message is looked at on a thread of its own."""
MAX_BODY_BYTES = 64 * 1024 * 1024
"""Of an answer that is looked at; of a longer one the beginning."""
MAX_PRINTED_FINDINGS = 3
"""Findings of one exchange that are printed."""


@dataclass(slots=True)
class CapturedExchange:
    """What went by. ``status`` is HTTP's or the frame's, 0 without an answer."""

    provider: str
    operation: str
    at: datetime
    request: bytes
    response: bytes = b""
    status: int = 0
    transport: str = "http"
    media_type: str = ""
    response_encoding: str = ""
    """Content-Encoding of the answer …"""
    request_encoding: str = ""
    """… and of the request."""
    in_contract: bool = True
    """An exchange of the provider's contract; others are only listed."""
    notes: list[str] = field(default_factory=list)
    started: float = field(default_factory=read_stopwatch)


class ExchangeProcessor:
    """Looks at exchanges one after the other, in the order they were put here."""

    def __init__(
        self,
        tenant: Tenant,
        masker: MessageMasker,
        contract: str,
        recorder: Recorder | None,
        on_event: Callable[[str], None],
    ) -> None:
        self.tenant = tenant
        self.exchange_count = 0
        """Exchanges."""
        self.violation_count = 0
        """Those of them in which something left the contract."""
        self._masker = masker
        self._contract = contract
        self._recorder = recorder
        self._on_event = on_event
        self._queue: asyncio.Queue[CapturedExchange | None] = asyncio.Queue(QUEUE_SIZE)
        self._worker: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look at what comes."""
        self._worker = asyncio.create_task(self._process_queue())

    async def stop(self) -> None:
        """Look at what has come, and end."""
        if self._worker is not None:
            await self._queue.put(None)
            await self._worker
        if self._recorder is not None:
            self._recorder.close()

    async def add(self, captured: CapturedExchange) -> None:
        """The next exchange; waits when too many are before it."""
        await self._queue.put(captured)

    async def _process_queue(self) -> None:
        while (seen := await self._queue.get()) is not None:
            took = read_stopwatch() - seen.started
            try:
                if len(seen.request) + len(seen.response) > THREAD_THRESHOLD:
                    findings = await asyncio.to_thread(self._mask_and_validate, seen)
                else:
                    findings = self._mask_and_validate(seen)
            except Exception as defect:
                # Ours, and no reason to end the proxy. What was not masked is not kept.
                _log.exception("an exchange could not be looked at")
                seen.request = seen.response = b""
                seen.in_contract, findings = False, []
                seen.notes.append(f"callmocks has a defect here: {type(defect).__name__}")
            self._record_exchange(seen, findings, took)

    def _mask_and_validate(self, captured: CapturedExchange) -> list[tuple[str, Finding]]:
        """Mask the messages in place, then judge them: side and finding."""
        captured.request = decompress_body(captured, captured.request, captured.request_encoding)
        captured.response = decompress_body(captured, captured.response, captured.response_encoding)
        about = self._masker.find_filter_names(captured.provider, captured.request)
        captured.request = self._masker.mask_message(captured.provider, captured.request, about)
        captured.response = self._masker.mask_message(captured.provider, captured.response, about)
        if not captured.in_contract:
            return []
        verdicts = [validate_request(captured, self._contract)] if captured.request else []
        if captured.status:
            verdicts.append(validate_response(captured, self._contract))
        return [(verdict.side, each) for verdict in verdicts for each in verdict.failures]

    def _record_exchange(
        self, captured: CapturedExchange, findings: list[tuple[str, Finding]], seconds: float
    ) -> None:
        self.exchange_count += 1
        self.violation_count += bool(findings)
        exchange = Exchange.start(
            self.tenant,
            PROVIDERS[captured.provider],
            captured.request,
            operation=captured.operation,
            transport=captured.transport,
        )
        exchange.notes += captured.notes
        exchange.started = read_stopwatch() - seconds
        for side, found in findings:
            violation = Violation(found.where, found.expected, found.got, side)
            exchange.violations.append(violation)
        self.tenant.journal.add(
            exchange, Reply(captured.response, captured.status, captured.media_type)
        )
        if captured.in_contract and self._recorder is not None:
            self._recorder.write(self._to_recorded(captured, findings, seconds))
        self._report_findings(captured, findings)

    def _to_recorded(
        self, captured: CapturedExchange, findings: list[tuple[str, Finding]], seconds: float
    ) -> RecordedExchange:
        return RecordedExchange(
            seq=self.exchange_count,
            at=captured.at.isoformat(timespec="milliseconds"),
            provider=captured.provider,  # type: ignore[arg-type]
            operation=captured.operation,
            status=captured.status,
            request=captured.request.decode("utf-8", "replace"),
            response=captured.response.decode("utf-8", "replace"),
            violations=[
                RecordedViolation(found.where, found.expected, found.got, side, found.evidence)
                for side, found in findings
            ],
            notes=captured.notes,
            duration_ms=round(seconds * 1000, 3),
            transport="frame" if captured.transport == "frame" else "http",
            content_type=captured.media_type,
        )

    def _report_findings(
        self, captured: CapturedExchange, findings: list[tuple[str, Finding]]
    ) -> None:
        what = f"#{self.exchange_count} {captured.operation or 'a message that cannot be read'}"
        for side, found in findings[:MAX_PRINTED_FINDINGS]:
            self._on_event(f"{what}: {side}: {found}")
        if len(findings) > MAX_PRINTED_FINDINGS:
            self._on_event(f"{what}: and {len(findings) - MAX_PRINTED_FINDINGS} more")
        for note in captured.notes:
            self._on_event(f"{what}: {note}")


def preload_validators(provider: str, contract: str) -> None:
    """Load what judging needs, so that the first exchange does not wait for it."""
    detached_exchange(PROVIDERS[provider])
    if provider == "arm":
        from callmocks.arm import schema
        from callmocks.arm import validate as arm

        schema.get_schema(schema.HISTORY, contract)
        arm.validate_body(b"<in/>", contract=contract)
    elif provider == "cdr":
        from callmocks.cdr import validate as cdr

        cdr.validate_request(b"{}")
    else:
        from callmocks.onec import validate as onec
        from callmocks.onec import wsdl

        wsdl.load_validator()
        onec.validate_message(b"<x/>")


def validate_request(captured: CapturedExchange, contract: str) -> ValidationResult:
    """A request by its provider's judge."""
    if captured.provider == "arm":
        from callmocks.arm import validate as arm

        if captured.transport == "frame":
            return arm.validate_request_frame(captured.request, contract)
        return arm.validate_body(
            captured.request, contract=contract, side="request", command=captured.operation
        )
    if captured.provider == "cdr":
        from callmocks.cdr import validate as cdr

        return cdr.validate_request(captured.request)
    from callmocks.onec import validate as onec

    return onec.validate_message(captured.request)


def validate_response(captured: CapturedExchange, contract: str) -> ValidationResult:
    """An answer by its provider's judge, with what was asked."""
    asked = captured.request or None
    media = captured.media_type.partition(";")[0].strip().lower() or None
    if captured.provider == "arm":
        from callmocks.arm import validate as arm

        if captured.transport == "frame":
            return arm.validate_response_frame(captured.response, asked, contract)
        return arm.validate_body(captured.response, asked, captured.status, contract, side="answer")
    if captured.provider == "cdr":
        from callmocks.cdr import validate as cdr

        return cdr.validate_response(captured.response, asked, captured.status)
    from callmocks.onec import validate as onec

    if captured.operation == "wsdl":
        return onec.validate_wsdl(captured.response)
    if captured.status == 401:
        return ValidationResult("onec", "refusal", "answer", captured.operation)
    return onec.validate_message(captured.response, asked, captured.status, media)


def decompress_body(captured: CapturedExchange, body: bytes, encoding: str) -> bytes:
    """A message as it was before it was compressed for the way."""
    if encoding in ("", "identity"):
        return body
    if encoding in ("gzip", "deflate"):
        try:
            return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(body, MAX_BODY_BYTES)
        except zlib.error:
            note = f"a message is not what Content-Encoding says: {encoding}"
    else:
        captured.in_contract = False
        note = f"not looked at: Content-Encoding {encoding}"
    if note not in captured.notes:
        captured.notes.append(note)
    return b""
