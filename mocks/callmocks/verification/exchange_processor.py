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

from callmocks.contract.findings import Finding, Verdict
from callmocks.history.clock import stopwatch
from callmocks.tenants.detached import bare_exchange
from callmocks.tenants.exchange import Exchange, Reply, Violation
from callmocks.tenants.tenant import Tenant
from callmocks.verification.masking import Mask
from callmocks.verification.recording import Noted, Recorded, Recorder

_log = logging.getLogger(__name__)

QUEUE = 100
"""Exchanges waiting to be looked at; then the next ones wait with their answers sent."""
LARGE = 64 * 1024
"""Bytes from which on a message is looked at on a thread of its own."""
MOST_BYTES = 64 * 1024 * 1024
"""Of an answer that is looked at; of a longer one the beginning."""
SHOWN = 3
"""Findings of one exchange that are printed."""


@dataclass(slots=True)
class Seen:
    """What went by. ``status`` is HTTP's or the frame's, 0 without an answer."""

    provider: str
    operation: str
    at: datetime
    request: bytes
    response: bytes = b""
    status: int = 0
    transport: str = "http"
    media: str = ""
    encoding: str = ""
    """Content-Encoding of the answer …"""
    sent_encoding: str = ""
    """… and of the request."""
    judged: bool = True
    """An exchange of the provider's contract; others are only listed."""
    notes: list[str] = field(default_factory=list)
    started: float = field(default_factory=stopwatch)


class Traffic:
    """Looks at exchanges one after the other, in the order they were put here."""

    def __init__(
        self,
        tenant: Tenant,
        mask: Mask,
        contract: str,
        recorder: Recorder | None,
        tell: Callable[[str], None],
    ) -> None:
        self.tenant = tenant
        self.seen = 0
        """Exchanges."""
        self.broken = 0
        """Those of them in which something left the contract."""
        self._mask = mask
        self._contract = contract
        self._recorder = recorder
        self._tell = tell
        self._queue: asyncio.Queue[Seen | None] = asyncio.Queue(QUEUE)
        self._worker: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look at what comes."""
        self._worker = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """Look at what has come, and end."""
        if self._worker is not None:
            await self._queue.put(None)
            await self._worker
        if self._recorder is not None:
            self._recorder.close()

    async def add(self, seen: Seen) -> None:
        """The next exchange; waits when too many are before it."""
        await self._queue.put(seen)

    async def _work(self) -> None:
        while (seen := await self._queue.get()) is not None:
            took = stopwatch() - seen.started
            try:
                if len(seen.request) + len(seen.response) > LARGE:
                    findings = await asyncio.to_thread(self._look, seen)
                else:
                    findings = self._look(seen)
            except Exception as defect:
                # Ours, and no reason to end the proxy. What was not masked is not kept.
                _log.exception("an exchange could not be looked at")
                seen.request = seen.response = b""
                seen.judged, findings = False, []
                seen.notes.append(f"callmocks has a defect here: {type(defect).__name__}")
            self._note(seen, findings, took)

    def _look(self, seen: Seen) -> list[tuple[str, Finding]]:
        """Mask the messages in place, then judge them: side and finding."""
        seen.request = unpacked(seen, seen.request, seen.sent_encoding)
        seen.response = unpacked(seen, seen.response, seen.encoding)
        about = self._mask.asked_about(seen.provider, seen.request)
        seen.request = self._mask.message(seen.provider, seen.request, about)
        seen.response = self._mask.message(seen.provider, seen.response, about)
        if not seen.judged:
            return []
        verdicts = [judge_request(seen, self._contract)] if seen.request else []
        if seen.status:
            verdicts.append(judge_answer(seen, self._contract))
        return [(verdict.side, each) for verdict in verdicts for each in verdict.counted]

    def _note(self, seen: Seen, findings: list[tuple[str, Finding]], took: float) -> None:
        self.seen += 1
        self.broken += bool(findings)
        exchange = Exchange.of(
            self.tenant,
            seen.provider,
            seen.request,
            operation=seen.operation,
            transport=seen.transport,
        )
        exchange.notes += seen.notes
        exchange.started = stopwatch() - took
        for side, found in findings:
            violation = Violation(found.where, found.expected, found.got, side)
            exchange.violations.append(violation)
        self.tenant.journal.record(exchange, Reply(seen.response, seen.status, seen.media))
        if seen.judged and self._recorder is not None:
            self._recorder.write(self._recorded(seen, findings, took))
        self._say(seen, findings)

    def _recorded(self, seen: Seen, findings: list[tuple[str, Finding]], took: float) -> Recorded:
        return Recorded(
            seq=self.seen,
            at=seen.at.isoformat(timespec="milliseconds"),
            provider=seen.provider,  # type: ignore[arg-type]
            operation=seen.operation,
            status=seen.status,
            request=seen.request.decode("utf-8", "replace"),
            response=seen.response.decode("utf-8", "replace"),
            violations=[
                Noted(found.where, found.expected, found.got, side, found.evidence)
                for side, found in findings
            ],
            notes=seen.notes,
            duration_ms=round(took * 1000, 3),
            transport="frame" if seen.transport == "frame" else "http",
            content_type=seen.media,
        )

    def _say(self, seen: Seen, findings: list[tuple[str, Finding]]) -> None:
        what = f"#{self.seen} {seen.operation or 'a message that cannot be read'}"
        for side, found in findings[:SHOWN]:
            self._tell(f"{what}: {side}: {found}")
        if len(findings) > SHOWN:
            self._tell(f"{what}: and {len(findings) - SHOWN} more")
        for note in seen.notes:
            self._tell(f"{what}: {note}")


def prepare(provider: str, contract: str) -> None:
    """Load what judging needs, so that the first exchange does not wait for it."""
    bare_exchange(provider)
    if provider == "arm":
        from callmocks.arm import schema
        from callmocks.arm import validate as arm

        schema.of(schema.HISTORY, contract)
        arm.body(b"<in/>", contract=contract)
    elif provider == "cdr":
        from callmocks.cdr import provider as _cdr  # noqa: F401
        from callmocks.cdr import validate as cdr

        cdr.request(b"{}")
    else:
        from callmocks.onec import provider as _onec  # noqa: F401
        from callmocks.onec import validate as onec
        from callmocks.onec import wsdl

        wsdl.validator()
        onec.message(b"<x/>")


def judge_request(seen: Seen, contract: str) -> Verdict:
    """A request by its provider's judge."""
    if seen.provider == "arm":
        from callmocks.arm import validate as arm

        if seen.transport == "frame":
            return arm.request_frame(seen.request, contract)
        return arm.body(seen.request, contract=contract, side="request", command=seen.operation)
    if seen.provider == "cdr":
        from callmocks.cdr import validate as cdr

        return cdr.request(seen.request)
    from callmocks.onec import validate as onec

    return onec.message(seen.request)


def judge_answer(seen: Seen, contract: str) -> Verdict:
    """An answer by its provider's judge, with what was asked."""
    asked = seen.request or None
    media = seen.media.partition(";")[0].strip().lower() or None
    if seen.provider == "arm":
        from callmocks.arm import validate as arm

        if seen.transport == "frame":
            return arm.answer_frame(seen.response, asked, contract)
        return arm.body(seen.response, asked, seen.status, contract, side="answer")
    if seen.provider == "cdr":
        from callmocks.cdr import validate as cdr

        return cdr.answer(seen.response, asked, seen.status)
    from callmocks.onec import validate as onec

    if seen.operation == "wsdl":
        return onec.description(seen.response)
    if seen.status == 401:
        return Verdict("onec", "refusal", "answer", seen.operation)
    return onec.message(seen.response, asked, seen.status, media)


def unpacked(seen: Seen, body: bytes, encoding: str) -> bytes:
    """A message as it was before it was compressed for the way."""
    if encoding in ("", "identity"):
        return body
    if encoding in ("gzip", "deflate"):
        try:
            return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(body, MOST_BYTES)
        except zlib.error:
            note = f"a message is not what Content-Encoding says: {encoding}"
    else:
        seen.judged = False
        note = f"not looked at: Content-Encoding {encoding}"
    if note not in seen.notes:
        seen.notes.append(note)
    return b""
