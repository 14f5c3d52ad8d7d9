"""An answer to a question nobody asked."""

from dataclasses import replace

import msgspec

from callmocks.arm.faults import frame_edits
from callmocks.cdr import members as rpc
from callmocks.faults.base import Fault, FaultContext, register_fault
from callmocks.tenants.exchange import Reply


@register_fault("wrong_id", breaks_contract=True, providers=("arm", "cdr"))
class WrongId(Fault, frozen=True):
    """The answer carries another id than the request."""

    def corrupt_bytes(self, context: FaultContext, reply: Reply) -> Reply | None:
        """ARM frame: the next number; CDR: the next number, or the string with a letter more."""
        if context.exchange.transport == "frame":
            return frame_edits.replace_id(reply, f"{(int(reply.body[12:16]) + 1) % 10_000:04d}")
        members = rpc.split_members(reply.body)
        if "id" not in members:
            return None
        asked = msgspec.json.decode(members["id"])
        other = f"{asked}x" if isinstance(asked, str) else (asked or 0) + 1
        members["id"] = msgspec.Raw(msgspec.json.encode(other))
        return replace(reply, body=rpc.join_members(members))
