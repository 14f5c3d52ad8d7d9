"""The connection is gone."""

from callmocks.faults.base import Fault, FaultContext, register_fault
from callmocks.tenants.delivery import Delivery


@register_fault("close", breaks_contract=True)
class Close(Fault, frozen=True):
    """The connection is closed without an answer; a websocket, without a close frame."""

    def configure_delivery(self, context: FaultContext, delivery: Delivery) -> bool:
        """End with a plain close."""
        delivery.termination, delivery.truncate_at = "close", 0
        return True
