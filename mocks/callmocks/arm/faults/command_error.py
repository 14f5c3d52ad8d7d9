"""A command the workplace cannot perform."""

from typing import Annotated

from msgspec import Meta

from callmocks.faults.base import Fault, Turn, fault
from callmocks.provider.base import error_reply
from callmocks.tenants.exchange import Reply


@fault("command_error", breaks_contract=False, providers=("arm",))
class CommandError(Fault, frozen=True):
    """The command fails with ``cannot_perform_cmd``, the one error the vendor prints."""

    text: Annotated[str, Meta(max_length=1000)] = "timeout"

    def instead(self, turn: Turn) -> Reply | None:
        """The provider's own error."""
        return error_reply(turn.exchange, "cannot_perform_cmd", {"text": self.text})
