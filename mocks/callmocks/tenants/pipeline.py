"""The way every exchange goes, whatever the provider: faults, the provider, faults, the journal."""

import traceback
from collections.abc import Awaitable, Callable
from dataclasses import replace

from callmocks.errors import StateError
from callmocks.faults import Switched, Turn
from callmocks.provider.base import provider
from callmocks.tenants.delivery import Delivery
from callmocks.tenants.exchange import Exchange, Reply

Handler = Callable[[Exchange], Awaitable[Reply]]
Met = list[tuple[Switched, Turn]]


async def run(exchange: Exchange, handle: Handler) -> Reply:
    """Let the provider answer an exchange and write it into its tenant's journal.

    A crash of the provider is written there too and goes on to the server.
    """
    try:
        if exchange.tenant.state.out_of_touch:
            await _catch_up(exchange)
        if exchange.tenant.faults.any_at(exchange.provider):
            met = await exchange.tenant.faults.met_by(exchange)
            reply = await (_with_faults(exchange, handle, met) if met else handle(exchange))
        else:
            reply = await handle(exchange)
    except StateError as error:
        reply = _unavailable(exchange, error)
    except Exception as crash:
        exchange.violated(
            "callmocks",
            "an answer",
            "".join(traceback.format_exception_only(crash)).strip(),
            side="answer",
        )
        _write(exchange, Reply(b"", 500))
        raise
    _write(exchange, reply)
    return reply


async def _catch_up(exchange: Exchange) -> None:
    """Hear what other replicas changed, the clock perhaps."""
    await exchange.tenant.state.refresh()
    exchange.now = exchange.tenant.clock.now()


def _unavailable(exchange: Exchange, error: StateError) -> Reply:
    """What the replicas share cannot be reached: an error in the provider's own shape."""
    exchange.notes.append(str(error))
    known = provider(exchange.provider)
    if known is None:
        raise error
    return known.unavailable(exchange, str(error))


def _write(exchange: Exchange, reply: Reply) -> None:
    tenant = exchange.tenant
    seconds = tenant.journal.record(exchange, reply)
    for observe in tenant.observers:
        observe(exchange, reply, seconds)


async def _with_faults(exchange: Exchange, handle: Handler, met: Met) -> Reply:
    touched: set[str] = set()
    try:
        for switched, turn in met:
            await switched.fault.look(turn)
        reply = await _answer(exchange, handle, met, touched)
        delivery, wished = Delivery(), False
        for switched, turn in met:
            if switched.fault.deliver(turn, delivery):
                touched.add(switched.id)
                wished = True
        return replace(reply, delivery=delivery) if wished else reply
    finally:
        for switched, _ in met:
            if switched.id in touched:
                exchange.faults.append(switched.kind.name)
            else:
                await switched.spared()


async def _answer(exchange: Exchange, handle: Handler, met: Met, touched: set[str]) -> Reply:
    asked, reply = exchange.request, None
    for switched, turn in met:
        if (request := switched.fault.request(turn)) is not None:
            exchange.request = request
            touched.add(switched.id)
    for switched, turn in met:
        if reply is None and (reply := switched.fault.instead(turn)) is not None:
            touched.add(switched.id)
    try:
        if reply is None:
            reply = await handle(exchange)
    finally:
        exchange.request = asked
    for hook in ("answer", "spoil"):
        for switched, turn in met:
            altered: Reply | None = getattr(switched.fault, hook)(turn, reply)
            if altered is not None:
                reply = altered
                touched.add(switched.id)
    return reply
