"""Credentials that are not taken."""

from callmocks.faults.base import Fault, FaultContext, register_fault
from callmocks.provider.base import provider_error_reply
from callmocks.tenants.exchange import Reply


@register_fault("unauthorized", breaks_contract=False, providers=("arm", "onec"))
class Unauthorized(Fault, frozen=True):
    """The request is refused with 401, whatever its credentials."""

    def short_circuit(self, context: FaultContext) -> Reply | None:
        """The provider's own refusal."""
        return provider_error_reply(context.exchange, "unauthorized", {})
