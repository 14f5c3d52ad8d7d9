"""The same answer twice."""

from callmocks.faults.base import Fault, FaultContext, register_fault
from callmocks.tenants.delivery import Delivery


@register_fault("duplicated", breaks_contract=True, providers=("arm",), transports=("frame",))
class Duplicated(Fault, frozen=True):
    """The frame arrives twice."""

    def configure_delivery(self, context: FaultContext, delivery: Delivery) -> bool:
        """Repeat whatever is to be sent."""
        delivery.frame_transforms.append(lambda messages: messages * 2)
        return True
