"""The hour's calls are used up."""

from callmocks.tenancy.exchange import Reply
from callmocks.tenancy.faults.base import Fault, Turn, fault
from callmocks.tenancy.providers import error_reply


@fault("limit_reached", breaks_contract=False, providers=("onec",))
class LimitReached(Fault, frozen=True):
    """The answer of a used-up limit (``OUT_OF_LIMIT``), though the limit is not."""

    def instead(self, turn: Turn) -> Reply | None:
        """The provider's own answer."""
        return error_reply(turn.exchange, "limit_reached", {})
