"""The hour's calls are used up."""

from callmocks.faults.base import Fault, Turn, fault
from callmocks.provider.base import error_reply
from callmocks.tenants.exchange import Reply


@fault("limit_reached", breaks_contract=False, providers=("onec",))
class LimitReached(Fault, frozen=True):
    """The answer of a used-up limit (``OUT_OF_LIMIT``), though the limit is not."""

    def instead(self, turn: Turn) -> Reply | None:
        """The provider's own answer."""
        return error_reply(turn.exchange, "limit_reached", {})
