"""Silence."""

from callmocks.faults.base import Fault, Turn, fault
from callmocks.tenants.delivery import Delivery


@fault("never_answer", breaks_contract=True)
class NeverAnswer(Fault, frozen=True):
    """No answer comes and the connection stays open until the client gives up."""

    def deliver(self, turn: Turn, delivery: Delivery) -> bool:
        """Do not end at all."""
        delivery.ending, delivery.keep = "never", 0
        return True
