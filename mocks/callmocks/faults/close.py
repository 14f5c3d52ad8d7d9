from callmocks.faults.base import Fault, FaultContext
from callmocks.tenants.delivery import Delivery


class Close(Fault, frozen=True):
    """The connection is closed without an answer; a websocket, without a close frame."""

    fault_name = "close"

    def configure_delivery(self, context: FaultContext, delivery: Delivery) -> bool:
        delivery.termination, delivery.truncate_at = "close", 0
        return True
