from typing import Annotated

from msgspec import Meta

from callmocks.faults.base import Fault, FaultContext
from callmocks.tenants.delivery import Delivery
from callmocks.tenants.exchange import Reply


class Truncated(Fault, frozen=True):
    """Only the beginning of the body comes: the announced length is that of the whole."""

    fault_name = "truncated"

    keep: Annotated[
        float, Meta(ge=0, lt=1, description="How much of it comes: 0 nothing, 0.5 half.")
    ] = 0.5

    def corrupt_bytes(self, context: FaultContext, reply: Reply) -> Reply | None:
        context.kept_bytes = int(len(reply.body) * self.keep)
        return None

    def configure_delivery(self, context: FaultContext, delivery: Delivery) -> bool:
        delivery.truncate_at = context.kept_bytes
        return True
