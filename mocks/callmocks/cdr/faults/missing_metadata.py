"""A result without its metadata."""

from dataclasses import replace

import msgspec

from callmocks.cdr import members as rpc
from callmocks.faults.base import Fault, FaultContext
from callmocks.tenants.exchange import Reply


class MissingMetadata(Fault, frozen=True):
    """The result has no ``metadata``: no total_items, no limits."""

    fault_name = "missing_metadata"
    breaks_contract = True

    def modify_response(self, context: FaultContext, reply: Reply) -> Reply | None:
        """Leave the member out."""
        members = rpc.split_members(reply.body)
        result = rpc.split_members(members.get("result", msgspec.Raw(b"null")))
        if result.pop("metadata", None) is None:
            return None
        members["result"] = msgspec.Raw(rpc.join_members(result))
        return replace(reply, body=rpc.join_members(members))
