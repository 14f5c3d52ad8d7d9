from typing import Annotated

from msgspec import Meta

from callmocks.cdr import jsonrpc
from callmocks.faults.base import MAX_MEMBERS, Fault, FaultContext
from callmocks.tenants.exchange import Reply


class TokenExpired(Fault, frozen=True):
    """A token expires for good: it is refused from here on, a new login helps."""

    fault_name = "token_expired"
    breaks_contract = False

    tokens: Annotated[
        int,
        Meta(
            ge=0,
            le=MAX_MEMBERS,
            description="How many tokens expire, each when it is next used; 0 is off.",
        ),
    ] = 1

    async def prepare(self, context: FaultContext) -> None:
        """True if the token is expired; expires it while fewer than ``tokens`` are."""
        params = jsonrpc.read_request(context.exchange).envelope.params
        token = params.get("access_token") if isinstance(params, dict) else None
        if isinstance(token, str):
            context.prepared = await context.add_to_bounded_set(token, self.tokens)

    def short_circuit(self, context: FaultContext) -> Reply | None:
        return context.error_reply("access_token_expired") if context.prepared else None
