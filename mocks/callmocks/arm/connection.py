"""One websocket connection: frames in, frames out, several requests in flight.

::

    read ──▶ handle ──▶ send ──▶ read …      one at a time, in order: it takes microseconds
                  └───▶ delay ─▶ send        replies that a fault delays, at most MAX_DELAYED

A delayed reply is overtaken by the next ones: clients match them by id. While a client does not
read, nothing is read from it, so what it can make the server hold is bounded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import WSMsgType, web

from callmocks.arm import service
from callmocks.arm.provider import ARM
from callmocks.provider.bodies import SERVER_LIMITS
from callmocks.provider.server import abort_connection
from callmocks.tenants import pipeline
from callmocks.tenants.delivery import Delivery
from callmocks.tenants.exchange import Exchange, Reply
from callmocks.tenants.state import rerun_when_stale

if TYPE_CHECKING:
    from callmocks.tenants.registry import Registry

# Replies delayed at the same time; then reading waits.
MAX_DELAYED = 16

SentSignal = asyncio.Future[None]

_OPCODES = {"text": WSMsgType.TEXT, "binary": WSMsgType.BINARY}


class ArmConnection:
    def __init__(
        self,
        registry: Registry,
        domain: str,
        request: web.Request,
        socket: web.WebSocketResponse,
        session: service.ArmSession,
        origin: str,
    ) -> None:
        self._registry = registry
        self._domain = domain
        self._request = request
        self._socket = socket
        self._session = session
        self._origin = origin
        self._peer = request.remote or ""
        self._nesting = request.app[SERVER_LIMITS].nesting
        self._delayed: set[asyncio.Task[None]] = set()
        self._delay_slots = asyncio.Semaphore(MAX_DELAYED)
        self._send_waiters: list[SentSignal] = []

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
            await self._send_messages([reply.body], opcode)
            return
        await self._delay_slots.acquire()
        other_sent = self._add_send_waiter() if reply.delivery.reorder_timeout else None
        delivery = self._deliver_delayed(reply.body, reply.delivery, opcode, other_sent)
        task = asyncio.create_task(delivery)
        self._delayed.add(task)
        task.add_done_callback(self._on_delivered)

    def _on_delivered(self, task: asyncio.Task[None]) -> None:
        self._delayed.discard(task)
        self._delay_slots.release()

    async def _handle_frame(self, message: bytes) -> tuple[Exchange, Reply]:
        tenant = self._registry.get(self._domain)
        exchange = Exchange.start(
            tenant or self._registry.unmatched,
            ARM,
            message,
            origin=self._origin,
            peer=self._peer,
            transport="frame",
        )
        # A copy, because a request that met stale data is run again with the session it began with.
        session = replace(self._session) if tenant else None
        handle = partial(service.handle_frame, session=session, nesting=self._nesting)
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
        await self._send_messages(_transform_frame(body, delivery), opcode)
        if delivery.termination in ("close", "reset"):
            abort_connection(self._request, delivery)

    def _add_send_waiter(self) -> SentSignal:
        sent: SentSignal = asyncio.get_running_loop().create_future()
        self._send_waiters.append(sent)
        return sent


def _transform_frame(frame: bytes, delivery: Delivery) -> list[bytes]:
    if delivery.termination and not delivery.truncate_at:
        return []
    messages = [frame[: delivery.truncate_at]]
    for transform in delivery.frame_transforms:
        messages = transform(messages)
    return messages
