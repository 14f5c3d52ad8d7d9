"""Another status."""

from dataclasses import replace
from typing import Annotated

from msgspec import Meta

from callmocks.arm.faults import frame_edits
from callmocks.faults.base import Fault, FaultContext, register_fault
from callmocks.tenants.exchange import Reply


@register_fault("status", breaks_contract=True)
class Status(Fault, frozen=True):
    """The answer carries another HTTP status, or another status in its frame."""

    status: Annotated[int, Meta(ge=200, le=599)] = 503
    body: str | None = None
    """Sent instead of the provider's body, as plain text; HTTP only."""

    def corrupt_bytes(self, context: FaultContext, reply: Reply) -> Reply | None:
        """Replace the status."""
        if context.exchange.transport == "frame":
            return frame_edits.replace_status(reply, self.status)
        if self.body is None:
            return replace(reply, status=self.status)
        body = self.body.encode()
        return Reply(body, self.status, "text/plain; charset=utf-8")
