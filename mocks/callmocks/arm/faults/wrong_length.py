from typing import Annotated

from msgspec import Meta
from msgspec.structs import replace

from callmocks.arm import frames
from callmocks.faults.base import Fault, FaultContext
from callmocks.tenants.exchange import Reply

_BY = "Bytes declared too many; negative: too few; 0 is off."


class WrongLength(Fault, frozen=True):
    """The frame declares another length than it has."""

    fault_name = "wrong_length"
    transports = ("frame",)

    by: Annotated[int, Meta(ge=-1_000_000, le=1_000_000, description=_BY)] = 1

    def corrupt_bytes(self, context: FaultContext, reply: Reply) -> Reply | None:
        declared = max(0, frames.get_declared_length(reply.body) + self.by)
        body = frames.with_length(reply.body, declared)
        return replace(reply, body=body) if self.by else None
