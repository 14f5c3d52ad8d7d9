"""The path of every exchange: faults, the provider, faults, the journal."""

import traceback
from collections.abc import Awaitable, Callable
from functools import partial

from msgspec.structs import replace

from callmocks.contract.garbage import drop_frames
from callmocks.errors import FaultLimitReached, OutOfDescriptors, SendLimitReached, Unavailable
from callmocks.faults.active import ActiveFault
from callmocks.faults.base import FaultContext, corrupt_bytes, modify_response
from callmocks.tenants.delivery import Delivery
from callmocks.tenants.descriptors import SPARE_DESCRIPTORS, is_out_of_descriptors
from callmocks.tenants.exchange import Exchange, Reply
from callmocks.tenants.journal import TruncatedBody, truncate_body
from callmocks.tenants.state import StaleTenantsError
from callmocks.tenants.worker import (
    SHORT_REQUEST_BYTES,
    SMALL_ANSWER_BYTES,
    PieceTimer,
    read_even_without_threads,
    read_if_long,
    run_in_worker,
    yield_turn,
)

Handler = Callable[[Exchange], Awaitable[Reply]]
# Of which the hash is not made on the loop.
_LONG_BODY_BYTES = 16 * 1024 * 1024
MatchedFaults = list[tuple[ActiveFault, FaultContext]]


async def run(exchange: Exchange, handle: Handler) -> Reply:
    """Answer an exchange and record it in its tenant's journal.

    A crash of the provider is recorded too, and raised again. A request that is run again
    (``StaleTenantsError``) is not recorded.
    """
    try:
        if len(exchange.request) > SHORT_REQUEST_BYTES:
            await yield_turn()
        if exchange.tenant.faults.by_provider.get(exchange.provider.name):
            if not exchange.operation:
                find_operation = exchange.provider.find_operation
                exchange.operation = await read_if_long(
                    find_operation, len(exchange.request), exchange
                )
            matched = await exchange.tenant.faults.match(exchange)
            reply = await _run_with_faults(exchange, handle, matched)
        else:
            reply = await handle(exchange)
        await exchange.state.confirm()
        exchange.reserve_answer(len(reply.body))
        if len(reply.body) > SMALL_ANSWER_BYTES:
            await yield_turn()  # the journal hashes it
    except StaleTenantsError:
        raise
    except Exception as error:
        unavailable = _find_unavailable(error)
        if unavailable is None:
            text = "".join(traceback.format_exception_only(error)).strip()
            exchange.add_violation("callmocks", "an answer", text, side="answer")
            record_exchange(exchange, Reply(b"", 500))
            raise
        exchange.notes.append(str(unavailable))
        if isinstance(unavailable, OutOfDescriptors):
            SPARE_DESCRIPTORS.warn_none_left()
        with SPARE_DESCRIPTORS.lend():
            make_reply, size = exchange.provider.unavailable_reply, len(exchange.request)
            text = str(unavailable)
            reply = await read_even_without_threads(make_reply, size, exchange, text)
        if isinstance(unavailable, SendLimitReached | FaultLimitReached | OutOfDescriptors):
            reply = exchange.provider.with_status(exchange, reply, 503)
        drop_frames(unavailable)
    truncated = None
    if len(reply.body) > _LONG_BODY_BYTES:
        truncated = await run_in_worker(partial(truncate_body, reply.body))
    record_exchange(exchange, reply, truncated)
    return reply


def _find_unavailable(error: Exception) -> Unavailable | None:
    if isinstance(error, Unavailable):
        return error
    return OutOfDescriptors() if is_out_of_descriptors(error) else None


def record_exchange(
    exchange: Exchange, reply: Reply, response: TruncatedBody | None = None
) -> None:
    tenant = exchange.tenant
    seconds = tenant.journal.add(exchange, reply, response)
    for observe in tenant.observers:
        observe(exchange, reply, seconds)


async def _run_with_faults(exchange: Exchange, handle: Handler, matched: MatchedFaults) -> Reply:
    applied: set[str] = set()
    try:
        for active, context in matched:
            await active.fault.prepare(context)
        reply = await _apply_faults(exchange, handle, matched, applied)
        delivery = Delivery()
        configured = [
            active.id
            for active, context in matched
            if active.fault.configure_delivery(context, delivery)
        ]
        applied.update(configured)
        if not configured:
            return reply
        pauses = delivery.count_pauses(len(reply.body))
        exchange.transmission.delay = delivery.delay + pauses * delivery.pause
        exchange.transmission.ended = "sending"
        return replace(reply, delivery=delivery)
    finally:
        for active, _ in matched:
            if active.id in applied:
                exchange.faults.append(active.fault.fault_name)
            else:
                await active.undo_application()


async def _apply_faults(
    exchange: Exchange, handle: Handler, matched: MatchedFaults, applied: set[str]
) -> Reply:
    original, parsed, reply = exchange.request, exchange.parsed, None
    timer = PieceTimer()
    try:
        for active, context in matched:
            rewrite = active.fault.rewrite_request
            request = await read_if_long(rewrite, len(exchange.request), context)
            await timer.yield_when_due()
            if request is not None:
                exchange.request = request
                applied.add(active.id)
        for active, context in matched:
            if reply is None:
                answer = active.fault.short_circuit
                reply = await read_if_long(answer, len(exchange.request), context)
                await timer.yield_when_due()
                if reply is not None:
                    applied.add(active.id)
        if reply is None:
            reply = await handle(exchange)
    finally:
        exchange.request, exchange.parsed = original, parsed
    exchange.reserve_answer(len(reply.body))
    for change in (modify_response, corrupt_bytes):
        for active, context in matched:
            changed = await read_if_long(change, len(reply.body), active.fault, context, reply)
            await timer.yield_when_due()
            if changed is not None:
                exchange.row_count = exchange.total = None
                reply = changed
                applied.add(active.id)
    return reply
