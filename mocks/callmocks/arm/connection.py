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
from callmocks.provider.http import bounds_of, end
from callmocks.tenants import pipeline
from callmocks.tenants.delivery import Delivery
from callmocks.tenants.exchange import Exchange, Reply

if TYPE_CHECKING:
    from callmocks.tenants.registry import Registry

IN_FLIGHT = 16
"""Answers held up at the same time; then reading waits."""

Sent = asyncio.Future[None]

_OPCODES = {"text": WSMsgType.TEXT, "binary": WSMsgType.BINARY}


class Connection:
    """One client's websocket in a domain; ``link`` is what it remembers of the login."""

    def __init__(
        self,
        registry: Registry,
        domain: str,
        request: web.Request,
        socket: web.WebSocketResponse,
        link: service.Caller,
        origin: str,
    ) -> None:
        self._registry = registry
        self._domain = domain
        self._request = request
        self._socket = socket
        self._link = link
        self._origin = origin
        self._peer = request.remote or ""
        self._nesting = bounds_of(request).nesting
        self._held_up: set[asyncio.Task[None]] = set()
        self._free = asyncio.Semaphore(IN_FLIGHT)
        self._holding: list[Sent] = []

    async def serve(self) -> None:
        """Answer frames until the client or the server closes."""
        try:
            async for message in self._socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    await self._process(message.data, message.type)
        finally:
            for task in self._held_up:
                task.cancel()
            await asyncio.gather(*self._held_up, return_exceptions=True)

    async def _process(self, message: bytes, opcode: WSMsgType) -> None:
        exchange, reply = await self._answer(message)
        opcode = _OPCODES.get(exchange.tenant.assumptions.choice("arm.opcode"), opcode)
        if reply.delivery is None:
            await self._send(exchange, reply, opcode)
            return
        await self._free.acquire()
        after = self._next_sent() if reply.delivery.hold else None
        task = asyncio.create_task(self._deliver(exchange, reply, opcode, after))
        self._held_up.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._held_up.discard(task)
        self._free.release()

    async def _answer(self, message: bytes) -> tuple[Exchange, Reply]:
        tenant = self._registry.get(self._domain)
        exchange = Exchange.of(
            tenant or self._registry.nobody,
            "arm",
            message,
            origin=self._origin,
            peer=self._peer,
            transport="frame",
        )
        link = self._link if tenant else None
        handle = partial(service.answer_frame, link=link, nesting=self._nesting)
        return exchange, await pipeline.run(exchange, handle)

    def _messages(self, exchange: Exchange, reply: Reply) -> Iterable[bytes]:
        """The messages that go out for a reply: one, unless a fault wants something else."""
        delivery = reply.delivery
        if delivery is None:
            return (reply.body,)
        if delivery.ending and not delivery.keep:
            return ()
        messages = [reply.body[: delivery.keep]]
        for change in delivery.messages:
            messages = change(messages)
        return messages

    async def _send(self, exchange: Exchange, reply: Reply, opcode: WSMsgType) -> None:
        """Send a reply's messages, no faster than the client takes them."""
        try:
            for message in self._messages(exchange, reply):
                await self._socket.send_frame(message, opcode)
        except ConnectionError:
            return  # the client has gone; the socket tells the reader
        for waiting in self._holding:
            if not waiting.done():
                waiting.set_result(None)

    async def _deliver(
        self, exchange: Exchange, reply: Reply, opcode: WSMsgType, after: Sent | None
    ) -> None:
        """Send a reply as a fault wishes; ``after`` is done when another answer has been sent."""
        delivery = reply.delivery or Delivery()
        if delivery.delay:
            await asyncio.sleep(delivery.delay)
        if after is not None:
            await asyncio.wait((after,), timeout=delivery.hold)
            self._holding.remove(after)
        await self._send(exchange, reply, opcode)
        if delivery.ending in ("close", "reset"):
            end(self._request, delivery)

    def _next_sent(self) -> Sent:
        sent: Sent = asyncio.get_running_loop().create_future()
        self._holding.append(sent)
        return sent
