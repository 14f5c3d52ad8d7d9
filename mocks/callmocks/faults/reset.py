"""The connection breaks."""

from typing import Annotated

from msgspec import Meta

from callmocks.faults.base import Fault, Turn, fault
from callmocks.tenants.delivery import Delivery


@fault("reset", breaks_contract=True)
class Reset(Fault, frozen=True):
    """The connection is reset (TCP RST) instead of an answer, or in the middle of one."""

    after_bytes: Annotated[int, Meta(ge=0)] = 0
    """Bytes of the body that still arrive; 0: not even the status line."""

    def deliver(self, turn: Turn, delivery: Delivery) -> bool:
        """End with a reset."""
        delivery.ending, delivery.keep = "reset", self.after_bytes
        return True
