from callmocks.faults.base import Fault, FaultContext
from callmocks.tenants.exchange import Reply


class Malformed(Fault, frozen=True):
    """The body is not well-formed JSON or XML any more; lengths agree with it."""

    fault_name = "malformed"
    breaks_contract = True

    def corrupt_bytes(self, context: FaultContext, reply: Reply) -> Reply | None:
        exchange = context.exchange
        broken = _break_syntax(exchange.provider.document_of(exchange, reply))
        return None if broken is None else exchange.provider.with_document(exchange, reply, broken)


def _break_syntax(document: bytes) -> bytes | None:
    """A comma after the first bracket, or a stray ``<`` before the last end tag."""
    start = document.lstrip()[:1]
    if start in (b"{", b"["):
        return document.replace(start, start + b",", 1)
    head, end, tail = document.rpartition(b"</")
    return head + b"<" + end + tail if start == b"<" and end else None
