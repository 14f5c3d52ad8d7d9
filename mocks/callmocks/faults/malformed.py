"""A body that no parser takes."""

from dataclasses import replace

from callmocks.arm.faults import frame_edits
from callmocks.faults.base import Fault, FaultContext, register_fault
from callmocks.tenants.exchange import Reply


@register_fault("malformed", breaks_contract=True)
class Malformed(Fault, frozen=True):
    """The body is not well-formed JSON or XML any more; lengths agree with it."""

    def corrupt_bytes(self, context: FaultContext, reply: Reply) -> Reply | None:
        """A comma after the first bracket, or a stray ``<`` before the last end tag."""
        if context.exchange.transport == "frame":
            return frame_edits.replace_body(reply, _break_syntax(frame_edits.get_body(reply)))
        broken = _break_syntax(reply.body)
        return None if broken is None else replace(reply, body=broken)


def _break_syntax(body: bytes) -> bytes | None:
    start = body.lstrip()[:1]
    if start in (b"{", b"["):
        return body.replace(start, start + b",", 1)
    head, end, tail = body.rpartition(b"</")
    return head + b"<" + end + tail if start == b"<" and end else None
