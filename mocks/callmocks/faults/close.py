"""The connection is gone."""

from callmocks.faults.base import Fault, Turn, fault
from callmocks.tenants.delivery import Delivery


@fault("close", breaks_contract=True)
class Close(Fault, frozen=True):
    """The connection is closed without an answer; a websocket, without a close frame."""

    def deliver(self, turn: Turn, delivery: Delivery) -> bool:
        """End with a plain close."""
        delivery.ending, delivery.keep = "close", 0
        return True
