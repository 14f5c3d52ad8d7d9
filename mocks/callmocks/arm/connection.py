"""One websocket connection: frames in, frames out, several requests in flight.

::

    read ──▶ handle ──▶ send ──▶ read …      one at a time, in order: it takes microseconds
                  └───▶ delay ─▶ send        replies that a fault delays, at most MAX_DELAYED

A delayed reply is overtaken by the next ones: clients match them by id. While a client does not
read, nothing is read from it, so what it can make the server hold is bounded.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import partial

from aiohttp import WSMsgType, web

from callmocks.arm import service
from callmocks.arm.provider import ARM
from callmocks.provider.bodies import SERVER_LIMITS
from callmocks.provider.server import abort_connection, attach_exchange
from callmocks.tenants import pipeline
from callmocks.tenants.delivery import Delivery
from callmocks.tenants.exchange import Exchange, Reply
from callmocks.tenants.registry import Registry
from callmocks.tenants.state import rerun_when_stale

# Replies delayed at the same time; then reading waits.
MAX_DELAYED = 16

SentSignal = asyncio.Future[None]

_OPCODES = {"text": WSMsgType.TEXT, "binary": WSMsgType.BINARY}


@dataclass(eq=False)
class ArmConnection:
    _registry: Registry
    _domain: str
    _request: web.Request
    _socket: web.WebSocketResponse
    _session: service.ArmSession
    _origin: str
    _delayed: set[asyncio.Task[None]] = field(default_factory=set)
    _delay_slots: asyncio.Semaphore = field(default_factory=partial(asyncio.Semaphore, MAX_DELAYED))
    _send_waiters: list[SentSignal] = field(default_factory=list)

    async def run(self) -> None:
        try:
            async for message in self._socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    await self._process_message(message.data, message.type)
        finally:
            for task in self._delayed:
                task.cancel()
            await asyncio.gather(*self._delayed, return_exceptions=True)

    async def _process_message(self, message: bytes, opcode: WSMsgType) -> None:
        exchange, reply = await rerun_when_stale(partial(self._handle_frame, message))
        opcode = _OPCODES.get(exchange.tenant.assumptions.choices["arm.opcode"], opcode)
        if reply.delivery is None:
            try:
                await self._send_messages([reply.body], opcode)
            finally:
                exchange.release_answer()
            return
        await self._delay_slots.acquire()
        other_sent: SentSignal | None = None
        if reply.delivery.reorder_timeout:
            other_sent = asyncio.get_running_loop().create_future()
            self._send_waiters.append(other_sent)
        delivery = self._deliver_delayed(reply.body, reply.delivery, opcode, other_sent)
        task = asyncio.create_task(delivery)
        self._delayed.add(task)
        task.add_done_callback(partial(self._on_delivered, exchange))

    def _on_delivered(self, exchange: Exchange, task: asyncio.Task[None]) -> None:
        exchange.release_answer()
        self._delayed.discard(task)
        self._delay_slots.release()

    async def _handle_frame(self, message: bytes) -> tuple[Exchange, Reply]:
        tenant = self._registry.get(self._domain)
        served, peer = tenant or self._registry.unmatched, self._request.remote or ""
        exchange = Exchange.start(
            served, ARM, message, origin=self._origin, peer=peer, transport="frame"
        )
        attach_exchange(exchange, self._request)
        # A copy, because a request that met stale data is run again with the session it began with.
        session = replace(self._session) if tenant else None
        nesting = self._request.app[SERVER_LIMITS].nesting
        handle = partial(service.handle_frame, session=session, nesting=nesting)
        reply = await pipeline.run(exchange, handle)
        self._session = session or self._session
        return exchange, reply

    async def _send_messages(self, messages: Iterable[bytes], opcode: WSMsgType) -> None:
        try:
            for message in messages:
                await self._socket.send_frame(message, opcode)
        except ConnectionError:
            return  # the client has gone; the socket tells the reader
        for waiter in self._send_waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def _deliver_delayed(
        self, body: bytes, delivery: Delivery, opcode: WSMsgType, other_sent: SentSignal | None
    ) -> None:
        """Send a reply as faults want it; ``other_sent`` is done when another one was sent."""
        if delivery.delay:
            await asyncio.sleep(delivery.delay)
        if other_sent is not None:
            await asyncio.wait((other_sent,), timeout=delivery.reorder_timeout)
            self._send_waiters.remove(other_sent)
        nothing_sent = delivery.termination and not delivery.truncate_at
        messages = [] if nothing_sent else [body[: delivery.truncate_at]]
        for transform in delivery.frame_transforms:
            messages = transform(messages)
        await self._send_messages(messages, opcode)
        if delivery.termination in ("close", "reset"):
            abort_connection(self._request, delivery)
