"""One websocket connection: frames in, frames out, several requests in flight.

::

    read ──▶ handle ──▶ send ──▶ read …      one at a time, in order: it takes microseconds
                  └───▶ delay ─▶ send        replies that a fault delays, at most MAX_DELAYED

A delayed reply is overtaken by the next ones: clients match them by id. While a client does not
read, nothing is read from it, so what it can make the server hold is bounded.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, repeat

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web
from msgspec.structs import replace

from callmocks.arm import service
from callmocks.arm.idle_watch import IdleWatch
from callmocks.arm.provider import ARM
from callmocks.contract.connections import Connection, EndMethod
from callmocks.errors import ClientDisconnected
from callmocks.faults.active import ActiveFault
from callmocks.history.clock import read_stopwatch
from callmocks.history.generator import make_random_key
from callmocks.provider.bodies import SERVER_LIMITS
from callmocks.provider.server import UNHANDLED, abort_connection, collect_head
from callmocks.tenants import pipeline
from callmocks.tenants.delivery import Delivery, Ending, Transmission
from callmocks.tenants.exchange import Exchange, Reply, Requester
from callmocks.tenants.loop_turns import is_piece_over, wait_for_turn
from callmocks.tenants.registry import Registry
from callmocks.tenants.state import rerun_when_stale
from callmocks.tenants.tenant import Tenant
from callmocks.tenants.worker import (
    LONG_REQUEST_BYTES,
    SMALL_ANSWER_BYTES,
    PieceTimer,
    run_if_long,
)

# Replies delayed at the same time; then reading waits.
MAX_DELAYED = 16
# For a close frame to leave, when the client does not read.
_CLOSE_SECONDS = 1.0

SentSignal = asyncio.Future[None]

_OPCODES = {"text": WSMsgType.TEXT, "binary": WSMsgType.BINARY}


@dataclass(eq=False)
class ArmConnection:
    _registry: Registry
    _tenant: Tenant
    _watch: IdleWatch
    _request: web.Request
    _socket: web.WebSocketResponse
    _session: service.ArmSession
    _requester: Requester
    _delayed: set[asyncio.Task[None]] = field(default_factory=set)
    _delay_slots: asyncio.Semaphore = field(default_factory=partial(asyncio.Semaphore, MAX_DELAYED))
    _send_waiters: list[SentSignal] = field(default_factory=list)
    _closing: asyncio.Task[None] | None = None
    _is_processing: bool = False
    _busy_seconds: float = 0.0  # since other connections were served

    def __post_init__(self) -> None:
        # Random, because all replicas share them.
        self.id = make_random_key()[:6].hex()
        self._opened = self._last_seen = self._tenant.clock.now()
        self._active_at, self._frames = read_stopwatch(), 0
        self.faults_met: set[ActiveFault] = set()
        self._head = collect_head(self._request)
        app = self._request.app
        self._nesting = app[SERVER_LIMITS].nesting
        self._unhandled, self._protocol = app.get(UNHANDLED, set[object]()), self._request.protocol

    async def run(self) -> None:
        self._tenant.connections.add(self)
        self._watch.add(self, self._tenant)
        try:
            async for message in self._socket:
                await self._receive_message(message)
        finally:
            self._watch.remove(self)
            self._tenant.connections.remove(self)
            for task in self._delayed:
                task.cancel()
            await asyncio.gather(*self._delayed, return_exceptions=True)

    @property
    def idle_since(self) -> float | None:
        return None if self._is_processing or self._delayed else self._active_at

    def describe_connection(self) -> Connection:
        operator = self._session.operator
        return Connection(self.id, operator, self._opened, self._frames, self._last_seen)

    def end_connection(self, how: EndMethod, reason: str) -> None:
        if how == "reset":
            abort_connection(self._request, Delivery(termination="reset"))
        elif self._closing is None:
            self._closing = asyncio.create_task(self._close_socket(reason))

    async def _close_socket(self, reason: str) -> None:
        closing = self._socket.close(code=WSCloseCode.GOING_AWAY, message=reason.encode())
        with suppress(TimeoutError):
            await asyncio.wait_for(closing, _CLOSE_SECONDS)
        transport = self._request.transport
        if isinstance(transport, asyncio.Transport) and transport.get_write_buffer_size():
            transport.abort()

    async def _receive_message(self, message: WSMessage) -> None:
        self._unhandled.discard(self._protocol)
        begun = read_stopwatch()
        if message.type is WSMsgType.PING:
            self._last_seen = self._tenant.clock.now()
            with suppress(ConnectionError):  # the client has gone; the socket tells the reader
                await self._socket.pong(message.data)
        elif message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            self._frames += 1
            self._is_processing = True
            try:
                await self._process_message(message.data, message.type)
            finally:
                self._is_processing = False
        self._mark_active()
        # A client may send many frames at once, which the socket gives without a turn of the loop.
        self._busy_seconds += self._active_at - begun
        if is_piece_over(self._busy_seconds):
            self._busy_seconds = 0.0
            await wait_for_turn()

    def _mark_active(self) -> None:
        self._active_at = read_stopwatch()
        self.faults_met.clear()

    async def _process_message(self, message: bytes, opcode: WSMsgType) -> None:
        exchange, reply = await rerun_when_stale(partial(self._handle_frame, message))
        self._last_seen = exchange.now
        opcode = _OPCODES.get(exchange.tenant.assumptions.choices["arm.opcode"], opcode)
        if reply.delivery is None:
            try:
                if self._unhandled:
                    await asyncio.sleep(0)
                await self._send_messages([reply.body], opcode, exchange.transmission)
            finally:
                exchange.release_answer()
            return
        await self._delay_slots.acquire()
        other_sent: SentSignal | None = None
        if reply.delivery.reorder_timeout:
            other_sent = asyncio.get_running_loop().create_future()
            self._send_waiters.append(other_sent)
        delivery = self._deliver_delayed(exchange, reply, opcode, other_sent)
        task = asyncio.create_task(delivery)
        self._delayed.add(task)
        task.add_done_callback(partial(self._on_delivered, exchange))

    def _on_delivered(self, exchange: Exchange, task: asyncio.Task[None]) -> None:
        exchange.release_answer()
        self._delayed.discard(task)
        self._mark_active()
        if task.cancelled():
            exchange.transmission.ended = "client left"
        self._delay_slots.release()

    async def _handle_frame(self, message: bytes) -> tuple[Exchange, Reply]:
        # Another tenant may have the domain since.
        tenant = self._tenant if self._registry.get(self._tenant.name) is self._tenant else None
        served = tenant or self._registry.unmatched
        exchange = Exchange.start(
            served, ARM, message, requester=self._requester, transport="frame"
        )
        exchange.head = self._head
        # A copy, because a request that met stale data is run again with the session it began with.
        session = replace(self._session) if tenant else None
        handle = partial(service.handle_frame, session=session, nesting=self._nesting)
        reply = await pipeline.run(exchange, handle)
        self._session = session or self._session
        return exchange, reply

    async def _send_messages(
        self,
        messages: Iterable[bytes],
        opcode: WSMsgType,
        transmission: Transmission,
        ending: Ending = "answered",
    ) -> None:
        timer = PieceTimer()
        try:
            for message in messages:
                if len(message) > SMALL_ANSWER_BYTES:
                    await wait_for_turn()
                await self._socket.send_frame(message, opcode)
                await timer.yield_when_due()
        except (ConnectionError, ClientDisconnected):
            transmission.ended = "client left"
            return  # the socket tells the reader
        if ending != transmission.ended:
            transmission.ended = ending
        for waiter in self._send_waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def _deliver_delayed(
        self, exchange: Exchange, reply: Reply, opcode: WSMsgType, other_sent: SentSignal | None
    ) -> None:
        """Send a reply as faults want it; ``other_sent`` is done when another one was sent."""
        body, delivery, transmission = reply.body, reply.delivery, exchange.transmission
        assert delivery is not None
        if delivery.delay:
            await asyncio.sleep(delivery.delay)
        if other_sent is not None:
            begun = read_stopwatch()
            await asyncio.wait((other_sent,), timeout=delivery.reorder_timeout)
            self._send_waiters.remove(other_sent)
            transmission.delay += read_stopwatch() - begun
        nothing_sent = delivery.termination and not delivery.truncate_at
        message = [] if nothing_sent else [body[: delivery.truncate_at]]
        try:
            pieces = await _transform_message(message, delivery)
        except ClientDisconnected:
            transmission.ended = "client left"
            return
        messages = chain.from_iterable(repeat(pieces, delivery.copies))
        await self._send_messages(messages, opcode, transmission, delivery.regular_ending)
        if delivery.termination in ("close", "reset"):
            abort_connection(self._request, delivery)


async def _transform_message(message: list[bytes], delivery: Delivery) -> list[bytes]:
    is_long, timer = sum(map(len, message)) > LONG_REQUEST_BYTES, PieceTimer()
    for transform in delivery.frame_transforms:
        message = await run_if_long(partial(transform, message), is_long)
        await timer.yield_when_due()
    return message
