"""Credentials that are not taken."""

from callmocks.faults.base import Fault, Turn, fault
from callmocks.provider.base import error_reply
from callmocks.tenants.exchange import Reply


@fault("unauthorized", breaks_contract=False, providers=("arm", "onec"))
class Unauthorized(Fault, frozen=True):
    """The request is refused with 401, whatever its credentials."""

    def instead(self, turn: Turn) -> Reply | None:
        """The provider's own refusal."""
        return error_reply(turn.exchange, "unauthorized", {})
