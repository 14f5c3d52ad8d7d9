import msgspec
from msgspec.structs import replace

from callmocks.cdr import jsonrpc
from callmocks.faults.base import Fault, FaultContext
from callmocks.tenants.exchange import Reply


class MissingResult(Fault, frozen=True):
    """The answer has no ``result``; an error answer stays as it is."""

    fault_name = "missing_result"

    def modify_response(self, context: FaultContext, reply: Reply) -> Reply | None:
        members = jsonrpc.split_members(reply.body)
        if members.pop("result", None) is None:
            return None
        return replace(reply, body=msgspec.json.encode(members))
