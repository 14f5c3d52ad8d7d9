"""One request on its way through a provider, and the answer it gets.

An ``Exchange`` is handed down the request path. Each step notes on it what the journal will say:
the operation, violations of the contract, and the assumptions the answer rests on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from callmocks.history.clock import stopwatch

if TYPE_CHECKING:
    from datetime import datetime

    from callmocks.tenancy.tenant import Tenant


@dataclass(slots=True, frozen=True)
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


@dataclass(slots=True)
class Reply:
    """Bytes to send. ``status`` is the HTTP status; for an ARM frame, the frame's."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Exchange:
    """A request in the hands of a provider: everything the answer may depend on.

    ``now`` is the tenant's wall time, read once, so that one answer never sees two instants.
    """

    tenant: Tenant
    provider: str
    request: bytes
    now: datetime
    operation: str = ""
    origin: str = ""
    """Where the client reached the server, ``http://host:port``; addresses in answers use it."""
    peer: str = ""
    """The client's IP address."""
    violations: list[Violation] = field(default_factory=list)
    assumptions: dict[str, None] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    started: float = field(default_factory=stopwatch)

    @classmethod
    def of(cls, tenant: Tenant, provider: str, request: bytes, **more: str) -> Exchange:
        """An exchange that begins now, by the tenant's clock."""
        return cls(tenant, provider, request, tenant.clock.now(), **more)

    def assume(self, assumption: str) -> str:
        """The tenant's choice for an assumption of the ledger; noted as leaned on."""
        self.assumptions[assumption] = None
        return self.tenant.assumptions.choice(assumption)

    def violated(self, where: str, expected: str, got: str, side: str = "request") -> Violation:
        """Note a violation of the contract; nothing is noted twice."""
        violation = Violation(where, expected, got, side)
        if violation not in self.violations:
            self.violations.append(violation)
        return violation
