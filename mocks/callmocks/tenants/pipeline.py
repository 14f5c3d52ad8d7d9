"""The way every exchange goes, whatever the provider: faults, the provider, faults, the journal."""

import traceback
from collections.abc import Awaitable, Callable
from dataclasses import replace

from callmocks.errors import StateError
from callmocks.faults import ActiveFault, FaultContext
from callmocks.tenants.delivery import Delivery
from callmocks.tenants.exchange import Exchange, Reply
from callmocks.tenants.state import StaleTenantsError

Handler = Callable[[Exchange], Awaitable[Reply]]
MatchedFaults = list[tuple[ActiveFault, FaultContext]]


async def run(exchange: Exchange, handle: Handler) -> Reply:
    """Let the provider answer an exchange and write it into its tenant's journal.

    A crash of the provider is written there too and goes on to the server. A request that is run
    again (``StaleTenantsError``) leaves nothing there.
    """
    try:
        if exchange.tenant.faults.by_provider.get(exchange.provider.name):
            met = await exchange.tenant.faults.match(exchange)
            reply = await (_run_with_faults(exchange, handle, met) if met else handle(exchange))
        else:
            reply = await handle(exchange)
        await exchange.state.confirm()
    except StaleTenantsError:
        raise
    except StateError as error:
        exchange.notes.append(str(error))
        reply = exchange.provider.unavailable_reply(exchange, str(error))
    except Exception as crash:
        exchange.add_violation(
            "callmocks",
            "an answer",
            "".join(traceback.format_exception_only(crash)).strip(),
            side="answer",
        )
        _record_exchange(exchange, Reply(b"", 500))
        raise
    _record_exchange(exchange, reply)
    return reply


def _record_exchange(exchange: Exchange, reply: Reply) -> None:
    tenant = exchange.tenant
    seconds = tenant.journal.add(exchange, reply)
    for observe in tenant.observers:
        observe(exchange, reply, seconds)


async def _run_with_faults(exchange: Exchange, handle: Handler, matched: MatchedFaults) -> Reply:
    touched: set[str] = set()
    try:
        for switched, turn in matched:
            await switched.fault.prepare(turn)
        reply = await _apply_faults(exchange, handle, matched, touched)
        delivery, wished = Delivery(), False
        for switched, turn in matched:
            if switched.fault.configure_delivery(turn, delivery):
                touched.add(switched.id)
                wished = True
        return replace(reply, delivery=delivery) if wished else reply
    finally:
        for switched, _ in matched:
            if switched.id in touched:
                exchange.faults.append(switched.fault.fault_name)
            else:
                await switched.undo_application()


async def _apply_faults(
    exchange: Exchange, handle: Handler, matched: MatchedFaults, changed_by: set[str]
) -> Reply:
    asked, reply = exchange.request, None
    for switched, turn in matched:
        if (request := switched.fault.rewrite_request(turn)) is not None:
            exchange.request = request
            changed_by.add(switched.id)
    for switched, turn in matched:
        if reply is None and (reply := switched.fault.short_circuit(turn)) is not None:
            changed_by.add(switched.id)
    try:
        if reply is None:
            reply = await handle(exchange)
    finally:
        exchange.request = asked
    for hook in ("modify_response", "corrupt_bytes"):
        for switched, turn in matched:
            altered: Reply | None = getattr(switched.fault, hook)(turn, reply)
            if altered is not None:
                reply = altered
                changed_by.add(switched.id)
    return reply
