from typing import Annotated

from msgspec import Meta

from callmocks.faults.base import Fault, FaultContext
from callmocks.tenants.delivery import Delivery

# Of one frame, by all such faults together.
MAX_PIECES = 10_000


class Split(Fault, frozen=True):
    """The frame arrives in several websocket messages."""

    fault_name = "split"
    transports = ("frame",)

    pieces: Annotated[
        int, Meta(ge=1, le=1000, description="How many, of about equal length; 1 is off.")
    ] = 2

    def configure_delivery(self, context: FaultContext, delivery: Delivery) -> bool:
        if self.pieces == 1 or delivery.pieces * self.pieces > MAX_PIECES:
            return False
        delivery.pieces *= self.pieces
        delivery.frame_transforms.append(
            lambda messages: [piece for message in messages for piece in self._cut_message(message)]
        )
        return True

    def _cut_message(self, message: bytes) -> list[bytes]:
        step = -(-len(message) // self.pieces)
        return [message[start : start + step] for start in range(0, len(message), step)]
