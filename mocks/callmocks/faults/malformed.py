"""A body that no parser takes."""

from dataclasses import replace

from callmocks.arm.faults import frame_edits
from callmocks.faults.base import Fault, Turn, fault
from callmocks.tenants.exchange import Reply


@fault("malformed", breaks_contract=True)
class Malformed(Fault, frozen=True):
    """The body is not well-formed JSON or XML any more; lengths agree with it."""

    def spoil(self, turn: Turn, reply: Reply) -> Reply | None:
        """A comma after the first bracket, or a stray ``<`` before the last end tag."""
        if turn.exchange.transport == "frame":
            return frame_edits.with_json(reply, _broken(frame_edits.json_of(reply)))
        broken = _broken(reply.body)
        return None if broken is None else replace(reply, body=broken)


def _broken(body: bytes) -> bytes | None:
    start = body.lstrip()[:1]
    if start in (b"{", b"["):
        return body.replace(start, start + b",", 1)
    head, end, tail = body.rpartition(b"</")
    return head + b"<" + end + tail if start == b"<" and end else None
