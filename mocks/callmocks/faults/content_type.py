from typing import Annotated

from msgspec import Meta
from msgspec.structs import replace

from callmocks.faults.base import Fault, FaultContext
from callmocks.tenants.exchange import Reply


class ContentType(Fault, frozen=True):
    """The answer carries another Content-Type."""

    fault_name = "content_type"
    transports = ("http",)

    value: Annotated[str, Meta(pattern=r"^[\x20-\x7e]+$", max_length=200)] = "text/html"

    def corrupt_bytes(self, context: FaultContext, reply: Reply) -> Reply | None:
        return replace(reply, content_type=self.value)
