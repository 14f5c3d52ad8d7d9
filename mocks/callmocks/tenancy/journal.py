"""What happened: every exchange of a tenant, newest last, bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from callmocks.history.clock import stopwatch

if TYPE_CHECKING:
    from callmocks.tenancy.exchange import Exchange, Reply

ENTRIES = 1000
BODY_BYTES = 64 * 1024


class Entry(msgspec.Struct, frozen=True):
    """One exchange as the admin API shows it."""

    seq: int
    at: str
    provider: str
    operation: str
    status: int
    violations: list[str]
    assumptions: list[str]
    faults: list[str]
    notes: list[str]
    request: str
    response: str
    duration_ms: float


class Journal:
    """The last exchanges of one tenant."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=ENTRIES)
        self._seq = 0
        self.dropped = 0

    def record(self, exchange: Exchange, reply: Reply) -> None:
        """Keep an exchange; the oldest entry gives way when the journal is full."""
        self._seq += 1
        if len(self._entries) == ENTRIES:
            self.dropped += 1
        self._entries.append(
            Entry(
                seq=self._seq,
                at=exchange.now.isoformat(timespec="milliseconds"),
                provider=exchange.provider,
                operation=exchange.operation,
                status=reply.status,
                violations=[str(violation) for violation in exchange.violations],
                assumptions=list(exchange.assumptions),
                faults=list(exchange.faults),
                notes=list(exchange.notes),
                request=exchange.request[:BODY_BYTES].decode("utf-8", "replace"),
                response=reply.body[:BODY_BYTES].decode("utf-8", "replace"),
                duration_ms=round((stopwatch() - exchange.started) * 1000, 3),
            )
        )

    def entries(self) -> Iterator[Entry]:
        """Oldest first."""
        return iter(tuple(self._entries))

    def clear(self) -> None:
        """Forget everything, the count of dropped entries too."""
        self._entries.clear()
        self.dropped = 0
