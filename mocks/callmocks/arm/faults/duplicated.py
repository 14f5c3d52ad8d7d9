from callmocks.faults.base import Fault, FaultContext
from callmocks.tenants.delivery import Delivery


class Duplicated(Fault, frozen=True):
    """The frame arrives twice."""

    fault_name = "duplicated"
    transports = ("frame",)

    def configure_delivery(self, context: FaultContext, delivery: Delivery) -> bool:
        delivery.frame_transforms.append(lambda messages: messages * 2)
        return True
