from typing import Annotated

from msgspec import Meta

from callmocks.faults.base import Count, Fault, FaultContext
from callmocks.tenants.delivery import Delivery


class Reset(Fault, frozen=True):
    """The connection is reset (TCP RST) instead of an answer, or in the middle of one."""

    fault_name = "reset"

    after_bytes: Annotated[
        Count,
        Meta(description="Bytes of the body that still arrive; 0: not even the status line."),
    ] = 0

    def configure_delivery(self, context: FaultContext, delivery: Delivery) -> bool:
        delivery.termination, delivery.truncate_at = "reset", self.after_bytes
        return True
