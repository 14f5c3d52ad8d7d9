"""A result without its metadata."""

from dataclasses import replace

import msgspec

from callmocks.cdr import members as rpc
from callmocks.faults.base import Fault, Turn, fault
from callmocks.tenants.exchange import Reply


@fault("missing_metadata", breaks_contract=True, providers=("cdr",))
class MissingMetadata(Fault, frozen=True):
    """The result has no ``metadata``: no total_items, no limits."""

    def answer(self, turn: Turn, reply: Reply) -> Reply | None:
        """Leave the member out."""
        members = rpc.members(reply.body)
        result = rpc.members(members.get("result", msgspec.Raw(b"null")))
        if result.pop("metadata", None) is None:
            return None
        members["result"] = msgspec.Raw(rpc.body(result))
        return replace(reply, body=rpc.body(members))
