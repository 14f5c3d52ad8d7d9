"""A frame that lies about its length."""

from typing import Annotated

from msgspec import Meta

from callmocks.arm.faults import frame_edits
from callmocks.faults.base import Fault, FaultContext
from callmocks.tenants.exchange import Reply


class WrongLength(Fault, frozen=True):
    """The frame declares another length than it has."""

    fault_name = "wrong_length"
    breaks_contract = True
    transports = ("frame",)

    by: Annotated[int, Meta(ge=-1_000_000, le=1_000_000)] = 1
    """Bytes declared too many; negative: too few; 0 is off."""

    def corrupt_bytes(self, context: FaultContext, reply: Reply) -> Reply | None:
        """Replace the declared length."""
        declared = max(0, int(reply.body[2:12]) + self.by)
        return frame_edits.replace_length(reply, declared) if self.by else None
