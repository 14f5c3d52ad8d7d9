"""The hour's calls are used up."""

from callmocks.faults.base import Fault, FaultContext, register_fault
from callmocks.provider.base import provider_error_reply
from callmocks.tenants.exchange import Reply


@register_fault("limit_reached", breaks_contract=False, providers=("onec",))
class LimitReached(Fault, frozen=True):
    """The answer of a used-up limit (``OUT_OF_LIMIT``), though the limit is not."""

    def short_circuit(self, context: FaultContext) -> Reply | None:
        """The provider's own answer."""
        return provider_error_reply(context.exchange, "limit_reached", {})
