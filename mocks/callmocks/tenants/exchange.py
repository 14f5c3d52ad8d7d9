"""A request and its reply; on the request path, an exchange collects what the journal records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from callmocks.contract.journal import Violation
from callmocks.history.clock import read_stopwatch
from callmocks.tenants.delivery import Transmission
from callmocks.tenants.send_budget import LARGE_ANSWER_BYTES, UNLIMITED, SendBudget

if TYPE_CHECKING:
    from datetime import datetime

    from callmocks.provider.base import Provider
    from callmocks.tenants.delivery import Delivery
    from callmocks.tenants.state import State
    from callmocks.tenants.tenant import Tenant

MAX_VIOLATIONS = 100  # of one exchange
_MAX_QUOTED_CHARS = 500


class Requester:
    """Whom the answer is for. What few answers need is found when it is needed."""

    @property
    def origin(self) -> str:
        """``http://host:port`` as the client reached it; addresses in answers use it."""
        return ""

    @property
    def ip(self) -> str:
        return ""

    @property
    def send_budget(self) -> SendBudget:
        return UNLIMITED


NO_REQUESTER: Final = Requester()


class Reply(msgspec.Struct):
    """``status`` is the HTTP status; for an ARM frame, the frame's. Faults set ``delivery``."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    headers: dict[str, str] = {}
    delivery: Delivery | None = None

    def with_headers(self, headers: Mapping[str, str]) -> Reply:
        """Instead of those of the same names, in any case."""
        names = {name.lower() for name in headers}
        kept = {name: value for name, value in self.headers.items() if name.lower() not in names}
        media = [value for name, value in headers.items() if name.lower() == "content-type"]
        others = {name: value for name, value in headers.items() if name.lower() != "content-type"}
        media_type = media[0] if media else self.content_type
        return replace(self, content_type=media_type, headers=kept | others)


class Exchange(msgspec.Struct):
    """Everything that an answer may depend on. ``now`` is the tenant's wall time, read once."""

    tenant: Tenant
    provider: Provider
    request: bytes
    now: datetime
    state: State  # the tenant's, for this request
    operation: str = ""
    requester: Requester = NO_REQUESTER
    transport: str = "http"  # or `frame` for a message of the ARM's websocket
    head: bytes = b""  # method, path and headers; of a frame those of its websocket's request
    user: str = ""  # the operator who asks, where the provider has such
    row_count: int | None = None  # of the answer as the provider made it; None without a table
    total: int | None = None  # rows that match
    violations: list[Violation] = []
    assumptions: dict[str, None] = {}
    faults: list[str] = []
    notes: list[str] = []
    transmission: Transmission = msgspec.field(default_factory=Transmission)
    started: float = msgspec.field(default_factory=read_stopwatch)
    reserved_bytes: int = 0
    parsed: object = None  # what the provider has read of `request`, to be read once

    @classmethod
    def start(
        cls,
        tenant: Tenant,
        provider: Provider,
        request: bytes,
        *,
        operation: str = "",
        requester: Requester = NO_REQUESTER,
        transport: str = "http",
        state: State | None = None,
    ) -> Exchange:
        """``state`` is the tenant's when the tenant was found earlier."""
        now, state = tenant.clock.now(), state or tenant.state.for_request()
        return cls(tenant, provider, request, now, state, operation, requester, transport)

    @property
    def session_now(self) -> datetime:
        """The time by which sessions and tokens age: ``now`` without the moves that exempt them."""
        return self.now - self.tenant.session_time_offset

    def reserve_answer(self, size: int) -> None:
        """Count the bytes of a large answer; ``SendLimitReached`` when there are too many."""
        if size > LARGE_ANSWER_BYTES:
            self.reserved_bytes = self.requester.send_budget.resize(self.reserved_bytes, size)

    def release_answer(self) -> None:
        if self.reserved_bytes:
            self.reserved_bytes = self.requester.send_budget.resize(self.reserved_bytes, 0)

    def use_assumption(self, assumption: str) -> str:
        """The tenant's choice; the journal names the assumption."""
        self.assumptions[assumption] = None
        return self.tenant.assumptions.choices[assumption]

    def use_assumptions(self, *assumptions: str) -> list[str]:
        self.assumptions.update(dict.fromkeys(assumptions))
        choices = self.tenant.assumptions.choices
        return [choices[assumption] for assumption in assumptions]

    def add_violation(
        self, where: str, expected: str, got: str, side: str = "request"
    ) -> Violation:
        """Note a violation once; long texts are cut, and so is a long list of violations."""
        violation = Violation(where[:_MAX_QUOTED_CHARS], expected, got[:_MAX_QUOTED_CHARS], side)
        if len(self.violations) < MAX_VIOLATIONS and violation not in self.violations:
            self.violations.append(violation)
        return violation
