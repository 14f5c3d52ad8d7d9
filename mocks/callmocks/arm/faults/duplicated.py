from callmocks.faults.base import Fault, FaultContext
from callmocks.tenants.delivery import Delivery


class Duplicated(Fault, frozen=True):
    """The frame arrives twice; with n such faults, n + 1 times."""

    fault_name = "duplicated"
    transports = ("frame",)

    def configure_delivery(self, context: FaultContext, delivery: Delivery) -> bool:
        delivery.copies += 1
        return True
