"""One websocket connection: frames in, frames out, several requests in flight.

::

    read ──▶ at most IN_FLIGHT requests ──▶ answer, one at a time ──▶ send
             no answer is made while PENDING_BYTES of others wait for the client

An answer that is held up on its way (faults delay answers) is overtaken by the next ones: clients
match them by id. A login or logout waits for the requests before it, and the ones behind it wait
for it. A client that does not read stops being read: what it can make the server hold is bounded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import WSMsgType, web

from callmocks.arm import service
from callmocks.arm.frames import REQUEST_HEADER
from callmocks.tenancy import pipeline
from callmocks.tenancy.exchange import Exchange, Reply
from callmocks.web import end

if TYPE_CHECKING:
    from callmocks.tenancy.registry import Registry

MOST_BYTES = 256 * 1024
"""Longest message; a longer one closes the connection with code 1009."""
IN_FLIGHT = 16
PENDING_BYTES = 1024 * 1024

_OPCODES = {"text": WSMsgType.TEXT, "binary": WSMsgType.BINARY}
_ALONE = (b"login", b"logout")


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
        self._tasks: set[asyncio.Task[None]] = set()
        self._free = asyncio.Semaphore(IN_FLIGHT)
        self._making = asyncio.Lock()
        self._pending = 0
        self._sent = asyncio.Event()
        self._holding: list[asyncio.Future[None]] = []

    async def serve(self) -> None:
        """Answer frames until the client or the server closes."""
        try:
            async for message in self._socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    await self._take(message.data, message.type)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take(self, message: bytes, opcode: WSMsgType) -> None:
        """Answer a message when there is room for it, in a task of its own."""
        if message[16:REQUEST_HEADER].strip().startswith(_ALONE):
            await asyncio.gather(*self._tasks)
            await self._process(message, opcode)
            return
        await self._free.acquire()
        task = asyncio.create_task(self._process(message, opcode))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._free.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error

    async def _process(self, message: bytes, opcode: WSMsgType) -> None:
        async with self._making:
            while self._pending >= PENDING_BYTES:
                self._sent.clear()
                await self._sent.wait()
            exchange, reply = await self._answer(message)
            size = len(reply.body)
            self._pending += size
        try:
            chosen = _OPCODES.get(exchange.tenant.assumptions.choice("arm.opcode"), opcode)
            await self._deliver(exchange, reply, chosen)
        finally:
            self._pending -= size
            self._sent.set()

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
        handle = partial(service.answer_frame, link=self._link if tenant else None)
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

    async def _deliver(self, exchange: Exchange, reply: Reply, opcode: WSMsgType) -> None:
        delivery = reply.delivery
        if delivery is not None and delivery.delay:
            await asyncio.sleep(delivery.delay)
        if delivery is not None and delivery.hold:
            await self._let_another_go(delivery.hold)
        try:
            for message in self._messages(exchange, reply):
                await self._socket.send_frame(message, opcode)
        except ConnectionError:
            return  # the client has gone; its socket tells the reader
        if delivery is not None and delivery.ending in ("close", "reset"):
            end(self._request, delivery)
        for waiting in self._holding:
            if not waiting.done():
                waiting.set_result(None)

    async def _let_another_go(self, seconds: float) -> None:
        """Wait until another answer has been sent, but no longer than this."""
        another: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._holding.append(another)
        try:
            await asyncio.wait((another,), timeout=seconds)
        finally:
            self._holding.remove(another)
