"""A command the workplace cannot perform."""

from typing import Annotated

from msgspec import Meta

from callmocks.faults.base import Fault, FaultContext, register_fault
from callmocks.provider.base import provider_error_reply
from callmocks.tenants.exchange import Reply


@register_fault("command_error", breaks_contract=False, providers=("arm",))
class CommandErrorFault(Fault, frozen=True):
    """The command fails with ``cannot_perform_cmd``, the one error the vendor prints."""

    text: Annotated[str, Meta(max_length=1000)] = "timeout"

    def short_circuit(self, context: FaultContext) -> Reply | None:
        """The provider's own error."""
        return provider_error_reply(context.exchange, "cannot_perform_cmd", {"text": self.text})
