"""What happened: every exchange of a tenant, newest last, bounded by count and by bytes.

Writing must cost next to nothing, because every answer waits for it: an exchange is kept as it is,
with the bytes it held anyway, and becomes an ``Entry`` only when somebody reads.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from callmocks.history.clock import stopwatch
from callmocks.tenants.exchange import Violation

if TYPE_CHECKING:
    from datetime import datetime

    from callmocks.tenants.exchange import Exchange, Reply

ENTRIES = 1000
"""Kept of one tenant."""
BODY_BYTES = 64 * 1024
"""Shown of each body; of a longer one its length and hash say the rest."""
HASHED_LATER = 2 * BODY_BYTES
"""A body that is no longer is kept whole and cut when somebody reads it.

The hash of a page of a hundred rows takes as long as making the page, and is seldom wanted.
"""
PROCESS_BYTES = 64 * 1024 * 1024
"""Kept of all tenants of a process together."""
NAME_CHARS = 200
"""Kept of an operation's name, which is whatever the client wrote."""
ENTRY_BYTES = 1024
"""What an entry takes besides its bodies, generously."""
VIOLATION_BYTES = 1024
"""What a violation takes."""


class Entry(msgspec.Struct, frozen=True):
    """One exchange as the admin API shows it.

    ``at`` is the tenant's wall time, ``duration_ms`` the time it took to make the answer (a delay
    on the wire is not part of it). ``request_sha256`` and ``response_sha256`` are there when the
    text was cut; ``request_bytes`` and ``response_bytes`` always count the whole body.
    """

    seq: int
    at: str
    provider: str
    operation: str
    status: int
    violations: list[Violation]
    assumptions: list[str]
    faults: list[str]
    notes: list[str]
    request: str
    response: str
    duration_ms: float
    request_bytes: int
    response_bytes: int
    request_sha256: str | None = None
    response_sha256: str | None = None


class Line(NamedTuple):
    """An entry without its bodies, which is all that lists and counts need."""

    seq: int
    at: str
    provider: str
    operation: str
    status: int
    violations: list[Violation]
    assumptions: list[str]
    faults: list[str]
    duration_ms: float


class _Cut(NamedTuple):
    """What is left of a long body."""

    kept: bytes
    size: int
    sha256: str | None


class _Record(NamedTuple):
    """An exchange as it is kept."""

    seq: int
    at: datetime
    provider: str
    operation: str
    status: int
    violations: list[Violation]
    assumptions: dict[str, None]
    faults: list[str]
    notes: list[str]
    request: bytes | _Cut
    response: bytes | _Cut
    duration: float
    held: int
    """Bytes it takes."""

    def line(self) -> Line:
        return Line(
            self.seq,
            self.at.isoformat(timespec="milliseconds"),
            self.provider,
            self.operation,
            self.status,
            self.violations,
            list(self.assumptions),
            self.faults,
            round(self.duration * 1000, 3),
        )

    def entry(self) -> Entry:
        request, response = _shown(self.request), _shown(self.response)
        return Entry(
            seq=self.seq,
            at=self.at.isoformat(timespec="milliseconds"),
            provider=self.provider,
            operation=self.operation,
            status=self.status,
            violations=self.violations,
            assumptions=list(self.assumptions),
            faults=self.faults,
            notes=self.notes,
            request=request.kept.decode("utf-8", "replace"),
            response=response.kept.decode("utf-8", "replace"),
            duration_ms=round(self.duration * 1000, 3),
            request_bytes=request.size,
            response_bytes=response.size,
            request_sha256=request.sha256,
            response_sha256=response.sha256,
        )


def _held(body: bytes | _Cut) -> int:
    return len(body.kept if isinstance(body, _Cut) else body)


def _shown(body: bytes | _Cut) -> _Cut:
    """A body as readers see it, cut if it is long."""
    if isinstance(body, _Cut):
        return body
    if len(body) <= BODY_BYTES:
        return _Cut(body, len(body), None)
    return _Cut(body[:BODY_BYTES], len(body), hashlib.sha256(body).hexdigest())


def _to_keep(body: bytes) -> bytes | _Cut:
    return body if len(body) <= HASHED_LATER else _shown(body)


class Budget:
    """Bytes that all journals of a process may hold together.

    Whoever holds most gives way first, so that a busy tenant does not push out a quiet one's.
    """

    def __init__(self, most: int = PROCESS_BYTES) -> None:
        self.most = most
        self.held = 0
        self._journals: list[Journal] = []

    def join(self, journal: Journal) -> None:
        """Count a journal in."""
        self._journals.append(journal)

    def leave(self, journal: Journal) -> None:
        """Count a journal out."""
        self._journals.remove(journal)
        self.held -= journal.held

    def make_room(self) -> None:
        """Drop oldest entries of the fullest journals until a little more than needed is free."""
        goal = self.most - self.most // 64  # not at every exchange
        while self.held > goal:
            fullest = max(self._journals, key=lambda journal: journal.held)
            enough = self.held - goal
            while enough > 0 and len(fullest):
                enough -= fullest.drop_oldest()


class Journal:
    """The last exchanges of one tenant."""

    def __init__(self, budget: Budget | None = None) -> None:
        self._records: deque[_Record] = deque()
        self._seq = 0
        self._budget = budget or Budget()
        self._budget.join(self)
        self._waiting: list[asyncio.Future[None]] = []
        self._closed = False
        self.held = 0
        """Bytes held now."""
        self.dropped = 0
        """Entries that gave way to newer ones since the journal was last cleared."""

    def record(self, exchange: Exchange, reply: Reply) -> float:
        """Keep an exchange and say how many seconds it took; the oldest gives way when full."""
        duration = stopwatch() - exchange.started
        self._seq += 1
        request, response = _to_keep(exchange.request), _to_keep(reply.body)
        held = ENTRY_BYTES + _held(request) + _held(response)
        held += VIOLATION_BYTES * len(exchange.violations)
        record = _Record(
            self._seq,
            exchange.now,
            exchange.provider,
            exchange.operation[:NAME_CHARS],
            reply.status,
            exchange.violations,
            exchange.assumptions,
            exchange.faults,
            exchange.notes,
            request,
            response,
            duration,
            held,
        )
        if len(self._records) == ENTRIES:
            self.drop_oldest()
        self._records.append(record)
        self.held += held
        self._budget.held += held
        if self._budget.held > self._budget.most:
            self._budget.make_room()
        if self._waiting:
            self._wake()
        return duration

    def __len__(self) -> int:
        return len(self._records)

    @property
    def last(self) -> int:
        """Number of the newest entry ever written; numbers are never used again."""
        return self._seq

    def entries(self, after: int = 0) -> Iterator[Entry]:
        """Oldest first, those numbered above ``after``."""
        return (record.entry() for record in self._above(after))

    def lines(self, after: int = 0) -> Iterator[Line]:
        """The same without their bodies: a thousand of them cost a millisecond."""
        return (record.line() for record in self._above(after))

    def _above(self, after: int) -> tuple[_Record, ...]:
        records = tuple(self._records)
        first = records[0].seq if records else 0
        return records[max(0, after + 1 - first) :]

    async def follow(self, after: int) -> AsyncIterator[Entry]:
        """Entries as they come, those numbered above ``after`` first; ends with the journal.

        A reader that is too slow misses what was dropped meanwhile and sees it by the numbers.
        """
        while not self._closed:
            for entry in self.entries(after):
                after = entry.seq
                yield entry
            if after >= self._seq and not self._closed:
                more = asyncio.get_running_loop().create_future()
                self._waiting.append(more)
                try:
                    await more
                finally:
                    if more in self._waiting:
                        self._waiting.remove(more)

    def drop_oldest(self) -> int:
        """Let the oldest entry go; the bytes it held."""
        held = self._records.popleft().held
        self.held -= held
        self._budget.held -= held
        self.dropped += 1
        return held

    def clear(self) -> None:
        """Forget everything, the count of dropped entries too; numbers go on."""
        self._records.clear()
        self._budget.held -= self.held
        self.held = 0
        self.dropped = 0

    def close(self) -> None:
        """The tenant is gone: release the bytes and whoever follows."""
        self._closed = True
        self._budget.leave(self)
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)
