"""A journaled exchange, as the admin API, recordings and the handles of tests have it."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Violation:
    """Where a message leaves the contract.

    ``where`` is the provider's own kind of path (an XPath, ``filter.field``, a byte offset);
    ``side`` says whose message it is: ``request`` or ``answer`` (ours: a defect of callmocks).
    """

    where: str
    expected: str
    got: str
    side: str = "request"

    def __str__(self) -> str:
        return f"{self.where}: expected {self.expected}, got {self.got}"


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One exchange as the admin API shows it.

    ``at`` is the tenant's wall time, ``duration_ms`` the time it took to make the answer (a delay
    on the wire is not part of it). ``request_sha256`` and ``response_sha256`` are there when the
    text was cut; ``request_bytes`` and ``response_bytes`` always count the whole body.
    """

    json_name: ClassVar = "Entry"
    seq: int
    at: datetime
    provider: str
    operation: str
    status: int  # HTTP's, or the frame's
    violations: tuple[Violation, ...]
    assumptions: tuple[str, ...]  # ids of those that the answer rests on
    faults: tuple[str, ...]
    notes: tuple[str, ...]
    request: str
    response: str
    duration_ms: float
    request_bytes: int
    response_bytes: int
    request_sha256: str | None = None
    response_sha256: str | None = None

    @property
    def title(self) -> str:
        """``#3 12:00:00.000 cdr get.account → 200``."""
        at = self.at.time().isoformat(timespec="milliseconds")
        return f"#{self.seq} {at} {self.provider} {self.operation or '(none)'} → {self.status}"
