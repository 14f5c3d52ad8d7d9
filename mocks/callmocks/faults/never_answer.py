from callmocks.faults.base import Fault, FaultContext
from callmocks.tenants.delivery import Delivery


class NeverAnswer(Fault, frozen=True):
    """No answer comes and the connection stays open until the client gives up."""

    fault_name = "never_answer"

    def configure_delivery(self, context: FaultContext, delivery: Delivery) -> bool:
        delivery.termination, delivery.truncate_at = "never", 0
        return True
