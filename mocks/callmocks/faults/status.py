from typing import Annotated

from msgspec import Meta

from callmocks.faults.base import Fault, FaultContext
from callmocks.tenants.exchange import Reply


class Status(Fault, frozen=True):
    """The answer carries another HTTP status, or another status in its frame."""

    fault_name = "status"

    status: Annotated[int, Meta(ge=200, le=599)] = 503
    body: Annotated[
        str | None,
        Meta(description="Sent instead of the provider's body, as plain text; HTTP only."),
    ] = None

    def corrupt_bytes(self, context: FaultContext, reply: Reply) -> Reply | None:
        exchange = context.exchange
        if self.body is None or exchange.transport != "http":
            return exchange.provider.with_status(exchange, reply, self.status)
        return Reply(self.body.encode(), self.status, "text/plain; charset=utf-8")
