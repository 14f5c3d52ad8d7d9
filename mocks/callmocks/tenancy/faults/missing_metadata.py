"""A result without its metadata."""

from dataclasses import replace

import msgspec

from callmocks.tenancy.exchange import Reply
from callmocks.tenancy.faults import rpc
from callmocks.tenancy.faults.base import Fault, Turn, fault


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
