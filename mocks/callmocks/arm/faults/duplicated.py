"""The same answer twice."""

from callmocks.faults.base import Fault, Turn, fault
from callmocks.tenants.delivery import Delivery


@fault("duplicated", breaks_contract=True, providers=("arm",), transports=("frame",))
class Duplicated(Fault, frozen=True):
    """The frame arrives twice."""

    def deliver(self, turn: Turn, delivery: Delivery) -> bool:
        """Repeat whatever is to be sent."""
        delivery.messages.append(lambda messages: messages * 2)
        return True
