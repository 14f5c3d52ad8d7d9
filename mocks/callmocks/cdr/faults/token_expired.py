"""A token that dies in the middle of a run."""

from typing import Annotated

from msgspec import Meta

from callmocks.faults.base import Fault, Turn, fault
from callmocks.provider.base import error_reply, provider
from callmocks.tenants.exchange import Reply


@fault("token_expired", breaks_contract=False, providers=("cdr",))
class TokenExpired(Fault, frozen=True):
    """A token expires for good: it is refused from here on, a new login helps."""

    tokens: Annotated[int, Meta(ge=0, le=1000)] = 1
    """How many tokens expire, each when it is next used; 0 is off."""

    async def look(self, turn: Turn) -> None:
        """Whether the token is dead; it dies now when there are some to die yet."""
        known = provider(turn.exchange.provider)
        fields = known.fields(turn.exchange.request) if known else {}
        token = fields.get("params.access_token")
        turn.found = isinstance(token, str) and await turn.enlist(token, self.tokens)

    def instead(self, turn: Turn) -> Reply | None:
        """Refuse a dead token."""
        return error_reply(turn.exchange, "access_token_expired", {}) if turn.found else None
