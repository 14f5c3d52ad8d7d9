from callmocks.faults.base import Fault, FaultContext
from callmocks.tenants.exchange import Reply


class LimitReached(Fault, frozen=True):
    """The answer of a used-up limit (``OUT_OF_LIMIT``), though the limit is not."""

    fault_name = "limit_reached"
    breaks_contract = False

    def short_circuit(self, context: FaultContext) -> Reply | None:
        return context.error_reply("limit_reached")
