from callmocks.faults.base import Fault, FaultContext
from callmocks.tenants.exchange import Reply


class Unauthorized(Fault, frozen=True):
    """The request is refused with 401, whatever its credentials."""

    fault_name = "unauthorized"
    breaks_contract = False

    def short_circuit(self, context: FaultContext) -> Reply | None:
        return context.error_reply("unauthorized")
