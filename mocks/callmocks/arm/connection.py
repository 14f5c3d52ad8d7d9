"""One websocket connection: frames in, frames out, several requests in flight.

::

    read ──▶ answer ──▶ send ──▶ read …          one at a time, in order: it takes microseconds
                  └───▶ wait ──▶ send            answers that a fault holds up, at most IN_FLIGHT

An answer that is held up on its way is overtaken by the next ones: clients match them by id. A
client that does not read stops being read, so what it can make the server hold is bounded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
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

MAX_DELAYED = 16
"""Answers held up at the same time; then reading waits."""

SentSignal = asyncio.Future[None]

_OPCODES = {"text": WSMsgType.TEXT, "binary": WSMsgType.BINARY}


class ArmConnection:
    """One client's websocket in a domain; ``link`` is what it remembers of the login."""

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
        """Answer frames until the client or the server closes."""
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
        opcode = _OPCODES.get(exchange.tenant.assumptions.get_choice("arm.opcode"), opcode)
        if reply.delivery is None:
            await self._send_reply(exchange, reply, opcode)
            return
        await self._delay_slots.acquire()
        after = self._add_send_waiter() if reply.delivery.reorder_timeout else None
        task = asyncio.create_task(self._deliver_delayed(exchange, reply, opcode, after))
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
        link = self._session if tenant else None
        handle = partial(service.handle_frame, link=link, nesting=self._nesting)
        return exchange, await pipeline.run(exchange, handle)

    def _apply_delivery(self, exchange: Exchange, reply: Reply) -> Iterable[bytes]:
        """The messages that go out for a reply: one, unless a fault wants something else."""
        delivery = reply.delivery
        if delivery is None:
            return (reply.body,)
        if delivery.termination and not delivery.truncate_at:
            return ()
        messages = [reply.body[: delivery.truncate_at]]
        for change in delivery.frame_transforms:
            messages = change(messages)
        return messages

    async def _send_reply(self, exchange: Exchange, reply: Reply, opcode: WSMsgType) -> None:
        """Send a reply's messages, no faster than the client takes them."""
        try:
            for message in self._apply_delivery(exchange, reply):
                await self._socket.send_frame(message, opcode)
        except ConnectionError:
            return  # the client has gone; the socket tells the reader
        for waiting in self._send_waiters:
            if not waiting.done():
                waiting.set_result(None)

    async def _deliver_delayed(
        self, exchange: Exchange, reply: Reply, opcode: WSMsgType, other_sent: SentSignal | None
    ) -> None:
        """Send a reply as a fault wishes; ``after`` is done when another answer has been sent."""
        delivery = reply.delivery or Delivery()
        if delivery.delay:
            await asyncio.sleep(delivery.delay)
        if other_sent is not None:
            await asyncio.wait((other_sent,), timeout=delivery.reorder_timeout)
            self._send_waiters.remove(other_sent)
        await self._send_reply(exchange, reply, opcode)
        if delivery.termination in ("close", "reset"):
            abort_connection(self._request, delivery)

    def _add_send_waiter(self) -> SentSignal:
        sent: SentSignal = asyncio.get_running_loop().create_future()
        self._send_waiters.append(sent)
        return sent
