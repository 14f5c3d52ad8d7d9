import msgspec
from msgspec.structs import replace

from callmocks.cdr import jsonrpc
from callmocks.faults.base import Fault, FaultContext
from callmocks.tenants.exchange import Reply


class MissingMetadata(Fault, frozen=True):
    """The result has no ``metadata``: no total_items, no limits."""

    fault_name = "missing_metadata"

    def modify_response(self, context: FaultContext, reply: Reply) -> Reply | None:
        members = jsonrpc.split_members(reply.body)
        result = jsonrpc.split_members(members.get("result", msgspec.Raw(b"null")))
        if result.pop("metadata", None) is None:
            return None
        members["result"] = msgspec.Raw(msgspec.json.encode(result))
        return replace(reply, body=msgspec.json.encode(members))
