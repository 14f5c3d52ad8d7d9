from callmocks.faults.base import Fault, FaultContext
from callmocks.tenants.exchange import Reply


class Malformed(Fault, frozen=True):
    """The body is not well-formed JSON or XML any more; lengths agree with it."""

    fault_name = "malformed"

    def corrupt_bytes(self, context: FaultContext, reply: Reply) -> Reply | None:
        exchange, provider = context.exchange, context.exchange.provider
        document = provider.document_of(exchange, reply)
        start = document.lstrip()[:1]
        head, end, tail = document.rpartition(b"</")
        if start in (b"{", b"["):  # a comma after the first bracket
            broken = document.replace(start, start + b",", 1)
        elif start == b"<" and end:  # a stray "<" before the last end tag
            broken = head + b"<" + end + tail
        else:
            return None
        return provider.with_document(exchange, reply, broken)
