from callmocks.faults.base import Fault, FaultContext
from callmocks.tenants.exchange import Reply


class WrongId(Fault, frozen=True):
    """The answer carries another id than the request."""

    fault_name = "wrong_id"

    def corrupt_bytes(self, context: FaultContext, reply: Reply) -> Reply | None:
        return context.exchange.provider.with_wrong_id(context.exchange, reply)
