"""The last exchanges of a tenant, bounded by count and by bytes.

Every answer waits for ``Journal.add``: a ``JournalEntry`` is made only when it is read.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from callmocks.contract.journal import JournalEntry, ResponseSummary, Violation
from callmocks.history.clock import read_stopwatch, read_uptime, uptime_to_utc
from callmocks.tenants.http_head import (
    find_trace_parent,
    show_request_head,
    show_response_headers,
)

if TYPE_CHECKING:
    from datetime import datetime

    from callmocks.provider.base import Provider
    from callmocks.tenants.delivery import Transmission
    from callmocks.tenants.exchange import Exchange, Reply

MAX_ENTRIES = 1000  # of one tenant
SHOWN_BODY_BYTES = 64 * 1024  # of a longer body, length and hash are shown too
# A body that is no longer is cut when it is read. The hash of a page of a hundred rows takes as
# long as making the page, and is seldom wanted.
KEPT_WHOLE_BYTES = 2 * SHOWN_BODY_BYTES
MAX_PROCESS_BYTES = 64 * 1024 * 1024  # of all tenants of a process
MAX_OPERATION_CHARS = 200  # the name of an operation is whatever the client sent
ENTRY_BYTES = 2048  # an upper estimate, without bodies and request headers
VIOLATION_BYTES = 1024
# Of entries that are searched, summarized or encoded on the loop, in pieces: to parse what is kept
# of one takes some milliseconds.
LONG_ENTRIES_BYTES = 1024 * 1024


class TruncatedBody(NamedTuple):
    data: bytes
    size: int
    sha256: str | None


class JournalRecord(msgspec.Struct, frozen=True, gc=False):
    """An exchange as it is kept, for lists and counts.

    A thousand of them are more than a processor's cache: what is not there costs no request time.
    """

    seq: int
    at: datetime
    provider: str
    operation: str
    status: int
    violations: tuple[Violation, ...]
    assumptions: tuple[str, ...]
    faults: tuple[str, ...]
    notes: tuple[str, ...]
    request: bytes | TruncatedBody
    response: bytes | TruncatedBody
    head: bytes
    user: str
    row_count: int | None
    total: int | None
    content_type: str
    reply_headers: dict[str, str] | None
    transmission: Transmission
    protocol: Provider
    duration: float
    uptime: float  # when it was added
    bytes_used: int

    @property
    def duration_ms(self) -> float:
        return round(self.duration * 1000, 3)

    @property
    def delay_ms(self) -> float:
        return round(self.transmission.delay * 1000, 3)

    @property
    def real_time(self) -> datetime:
        return uptime_to_utc(self.uptime - self.duration)

    @property
    def request_summary(self) -> str:
        user = f"operator {self.user}" if self.user else ""
        return ", ".join(filter(None, (user, self.request_parameters)))

    @property
    def request_parameters(self) -> str:
        whole = isinstance(self.request, bytes)
        return self.protocol.summarize_request(self.request) if whole else ""  # type: ignore[arg-type]

    @property
    def response_summary(self) -> ResponseSummary:
        if self.row_count is not None:
            return ResponseSummary("", self.row_count, self.total)
        found = ResponseSummary()
        if isinstance(self.response, bytes):
            found = self.protocol.summarize_response(self.response)
        if not found.error and self.status >= 400:
            return ResponseSummary(str(self.status))
        return found

    @property
    def shown_request(self) -> bytes | None:
        """None when it is not kept whole."""
        body = self.request
        return body if isinstance(body, bytes) and len(body) <= SHOWN_BODY_BYTES else None

    def _list_response_headers(self, size: int) -> Mapping[str, str]:
        if self.transmission.headers is not None:
            return self.transmission.headers
        if self.transmission.ended != "answered" or self.is_frame:
            return {}
        length = {} if self.status in (204, 304) else {"Content-Length": str(size)}
        return {"Content-Type": self.content_type, **(self.reply_headers or {}), **length}

    @property
    def is_frame(self) -> bool:
        return self.head.startswith(b"GET ") and bool(self.request)

    def to_entry(self) -> JournalEntry:
        request, response = truncate_body(self.request), truncate_body(self.response)
        summary, transmission = self.response_summary, self.transmission
        target, request_headers = show_request_head(self.head)
        return JournalEntry(
            seq=self.seq,
            at=self.at,
            provider=self.provider,
            operation=self.operation,
            status=self.status,
            violations=self.violations,
            assumptions=self.assumptions,
            faults=self.faults,
            notes=self.notes,
            request=request.data.decode("utf-8", "replace"),
            response=response.data.decode("utf-8", "replace"),
            duration_ms=self.duration_ms,
            real_time=self.real_time,
            delay_ms=self.delay_ms,
            ended=transmission.ended,
            request_summary=self.request_summary,
            response_summary=str(summary),
            error=summary.error,
            target=target,
            request_headers=request_headers,
            response_headers=show_response_headers(self._list_response_headers(response.size)),
            traceparent=find_trace_parent(self.head),
            request_bytes=request.size,
            response_bytes=response.size,
            request_sha256=request.sha256,
            response_sha256=response.sha256,
        )


def are_long(records: Iterable[JournalRecord]) -> bool:
    """Whether they are read in a thread."""
    return sum(record.bytes_used for record in records) > LONG_ENTRIES_BYTES


def _count_bytes(body: bytes | TruncatedBody) -> int:
    return len(body.data if isinstance(body, TruncatedBody) else body)


def truncate_body(body: bytes | TruncatedBody) -> TruncatedBody:
    if isinstance(body, TruncatedBody):
        return body
    if len(body) <= SHOWN_BODY_BYTES:
        return TruncatedBody(body, len(body), None)
    return TruncatedBody(body[:SHOWN_BODY_BYTES], len(body), hashlib.sha256(body).hexdigest())


def _body_to_keep(body: bytes) -> bytes | TruncatedBody:
    return body if len(body) <= KEPT_WHOLE_BYTES else truncate_body(body)


class JournalBudget:
    """Bytes of all journals of a process; the largest journal loses entries first."""

    def __init__(self, limit: int = MAX_PROCESS_BYTES) -> None:
        self.limit = limit
        self.bytes_used = 0
        self.journals: list[Journal] = []

    def evict(self) -> None:
        """Drop oldest entries until a little more than needed is free."""
        goal = self.limit - self.limit // 64  # not at every exchange
        while self.bytes_used > goal:
            largest = max(self.journals, key=lambda journal: journal.bytes_used)
            excess = self.bytes_used - goal
            while excess > 0 and len(largest):
                excess -= largest.drop_oldest()


class Journal:
    def __init__(self, budget: JournalBudget | None = None) -> None:
        self._records: deque[JournalRecord] = deque()
        self._seq = 0
        self._budget = budget or JournalBudget()
        self._budget.journals.append(self)
        self._waiters: list[asyncio.Future[None]] = []
        self._closed = False
        self.bytes_used = 0
        self.dropped_count = 0  # since `delete_entries`
        self.uptime = read_uptime()  # when it was made or last emptied

    def add(self, exchange: Exchange, reply: Reply, response: TruncatedBody | None = None) -> float:
        """Record an exchange and return how many seconds it took.

        ``response`` is the reply's body, if it was truncated already.
        """
        duration = read_stopwatch() - exchange.started
        self._seq += 1
        request, kept = _body_to_keep(exchange.request), response or _body_to_keep(reply.body)
        bytes_used = ENTRY_BYTES + _count_bytes(request) + _count_bytes(kept) + len(exchange.head)
        bytes_used += VIOLATION_BYTES * len(exchange.violations)
        bytes_used += sum(map(len, exchange.notes))
        if reply.headers:
            bytes_used += sum(map(len, reply.headers.values()))
        record = JournalRecord(
            self._seq,
            exchange.now,
            exchange.provider.name,
            exchange.operation[:MAX_OPERATION_CHARS],
            reply.status,
            tuple(exchange.violations),
            tuple(exchange.assumptions),
            tuple(exchange.faults),
            tuple(exchange.notes),
            request,
            kept,
            exchange.head,
            exchange.user,
            exchange.row_count,
            exchange.total,
            reply.content_type,
            reply.headers or None,
            exchange.transmission,
            exchange.provider,
            duration,
            read_uptime(),
            bytes_used,
        )
        if len(self._records) == MAX_ENTRIES:
            self.drop_oldest()
        self._records.append(record)
        self.bytes_used += bytes_used
        self._budget.bytes_used += bytes_used
        if self._budget.bytes_used > self._budget.limit:
            self._budget.evict()
        if self._waiters:
            self._wake_waiters()
        return duration

    def __len__(self) -> int:
        return len(self._records)

    @property
    def last_seq(self) -> int:
        """Number of the newest entry ever recorded; numbers are not used again."""
        return self._seq

    def read_entries(self, after: int = 0) -> Iterator[JournalEntry]:
        return (record.to_entry() for record in self.read_records(after))

    def read_records(self, after: int = 0, since: float = 0.0) -> Sequence[JournalRecord]:
        """Oldest first, with numbers above ``after``, recorded at that ``uptime`` or later."""
        records = tuple(self._records)
        first = records[0].seq if records else 0
        found = records[max(0, after + 1 - first) :]
        return [each for each in found if each.uptime >= since] if since else found

    def _find_record(self, after: int) -> JournalRecord | None:
        """The oldest with a number above ``after``."""
        first = self._records[0].seq if self._records else 0
        index = max(0, after + 1 - first)
        return self._records[index] if index < len(self._records) else None

    async def follow(self, after: int) -> AsyncIterator[JournalRecord]:
        """Entries as they come, until the journal is closed; a slow reader misses dropped ones."""
        while not self._closed:
            # One by one: what a slow reader has not had yet must not be kept for it.
            record = self._find_record(after)
            if record is not None:
                after = record.seq
                yield record
            else:
                waiter = asyncio.get_running_loop().create_future()
                self._waiters.append(waiter)
                try:
                    await waiter
                finally:
                    if waiter in self._waiters:
                        self._waiters.remove(waiter)

    def drop_oldest(self) -> int:
        """The number of bytes that this frees."""
        freed = self._records.popleft().bytes_used
        self.bytes_used -= freed
        self._budget.bytes_used -= freed
        self.dropped_count += 1
        return freed

    def delete_entries(self) -> None:
        """Entries and the count of dropped ones; numbers go on."""
        self._records.clear()
        self._budget.bytes_used -= self.bytes_used
        self.bytes_used = 0
        self.dropped_count = 0
        self.uptime = read_uptime()

    def close(self) -> None:
        """Release the bytes and all followers: the tenant is deleted."""
        self._closed = True
        self._budget.journals.remove(self)
        self._budget.bytes_used -= self.bytes_used
        self._wake_waiters()

    def _wake_waiters(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
