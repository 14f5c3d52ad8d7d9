from typing import Annotated

from msgspec import Meta

from callmocks.faults.base import Fault, FaultContext
from callmocks.tenants.delivery import Delivery

_WAIT = "Longest wait for one, so that a client of one request at a time goes on; 0 is off."


class OutOfOrder(Fault, frozen=True):
    """The answer waits until the next answer on the same socket has gone."""

    fault_name = "out_of_order"
    breaks_contract = False
    transports = ("frame",)

    wait_ms: Annotated[float, Meta(ge=0, le=3_600_000, description=_WAIT)] = 2000.0

    def configure_delivery(self, context: FaultContext, delivery: Delivery) -> bool:
        delivery.reorder_timeout = self.wait_ms / 1000
        return self.wait_ms > 0
