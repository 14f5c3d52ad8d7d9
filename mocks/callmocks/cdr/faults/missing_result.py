"""Neither result nor error."""

from dataclasses import replace

from callmocks.cdr import members as rpc
from callmocks.faults.base import Fault, Turn, fault
from callmocks.tenants.exchange import Reply


@fault("missing_result", breaks_contract=True, providers=("cdr",))
class MissingResult(Fault, frozen=True):
    """The answer has no ``result``; an error answer stays as it is."""

    def answer(self, turn: Turn, reply: Reply) -> Reply | None:
        """Leave the member out."""
        members = rpc.members(reply.body)
        if members.pop("result", None) is None:
            return None
        return replace(reply, body=rpc.body(members))
