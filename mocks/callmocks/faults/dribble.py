from typing import Annotated

from msgspec import Meta

from callmocks.faults.base import Fault, FaultContext, Milliseconds
from callmocks.tenants.delivery import Delivery


class Dribble(Fault, frozen=True):
    """The body comes a few bytes at a time, with a pause between them."""

    fault_name = "dribble"
    breaks_contract = False
    transports = ("http",)

    bytes: Annotated[int, Meta(ge=1, le=1_000_000, description="Sent at a time.")] = 16
    pause_ms: Annotated[Milliseconds, Meta(description="Between two of them; 0 is off.")] = 50.0

    def configure_delivery(self, context: FaultContext, delivery: Delivery) -> bool:
        if not self.pause_ms:
            return False
        delivery.chunk_bytes, delivery.pause = self.bytes, self.pause_ms / 1000
        return True
