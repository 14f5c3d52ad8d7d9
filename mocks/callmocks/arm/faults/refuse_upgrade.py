from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from callmocks.faults.base import Fault

if TYPE_CHECKING:
    from callmocks.tenants.exchange import Exchange, Reply


class RefuseUpgrade(Fault, frozen=True):
    """A websocket is not opened: its upgrade is answered with an HTTP error."""

    fault_name = "refuse_upgrade"
    breaks_contract = False
    transports = ("upgrade",)

    status: Annotated[int, Meta(ge=400, le=599)] = 503


async def find_refusal(exchange: Exchange) -> Reply | None:
    """The answer to an upgrade that a fault refuses."""
    exchange.transport = "upgrade"
    matched = [active for active, _ in await exchange.tenant.faults.match(exchange)]
    exchange.transport = "http"
    for active in matched[1:]:
        await active.undo_application()
    for active in matched[:1]:
        assert isinstance(active.fault, RefuseUpgrade)
        exchange.faults.append(active.fault.fault_name)
        provider, text = exchange.provider, "the websocket is refused"
        reply = provider.unavailable_reply(exchange, text)
        return provider.with_status(exchange, reply, active.fault.status)
    return None
