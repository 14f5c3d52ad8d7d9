"""The base of the HTTP servers, and how a reply leaves.

::

    HttpServer ── ProviderServer ── ArmServer, CdrServer, OnecServer, ReplayServer
               └─ Proxy
"""

import asyncio
import re
import socket
import struct
import traceback
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar
from functools import partial
from typing import ClassVar

from aiohttp import hdrs, web
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http import SERVER_SOFTWARE, HttpVersion11

from callmocks.config.server_limits import DEFAULT_LIMITS
from callmocks.contract.cached_property import cached_property
from callmocks.provider.base import Provider
from callmocks.provider.bodies import SERVER_LIMITS
from callmocks.tenants import pipeline
from callmocks.tenants.delivery import Delivery, Transmission
from callmocks.tenants.exchange import Exchange, Reply, Requester
from callmocks.tenants.http_head import join_head
from callmocks.tenants.loop_turns import wait_for_turn
from callmocks.tenants.registry import Registry
from callmocks.tenants.send_budget import LARGE_ANSWER_BYTES, UNLIMITED, SendBudget
from callmocks.tenants.state import State
from callmocks.tenants.tenant import Tenant
from callmocks.tenants.worker import SMALL_ANSWER_BYTES

# `scheme://host:port` for addresses in answers; absent or empty: as the client wrote it.
PUBLIC_URL = web.AppKey("public_url", str)
ErrorResponder = Callable[[web.BaseRequest, int, str], Awaitable[web.StreamResponse]]
# How an application answers a request that was not read: its status, and why.
ERROR_RESPONSE: web.AppKey[ErrorResponder] = web.AppKey("error_response")
# Of large answers; absent: without a limit.
SEND_BUDGET = web.AppKey("send_budget", SendBudget)
# Connections with a request or a frame that has no handler yet. While there are some, an answer
# waits for a turn of the loop: those of a turn leave together, or the client is woken for each of
# them, which takes a fifth of a request's time.
UNHANDLED: web.AppKey[set[object]] = web.AppKey("unhandled")
# To call when the request has become a websocket, which may stay open for hours: it is not in
# flight any more.
_on_websocket: ContextVar[Callable[[], None] | None] = ContextVar("on_websocket", default=None)


class HttpServer(ABC):
    @abstractmethod
    def list_routes(self) -> Iterable[web.RouteDef]: ...

    def create_app(self) -> web.Application:
        app = web.Application()
        app[SERVER_LIMITS] = DEFAULT_LIMITS
        app.add_routes(self.list_routes())
        return app


class ProviderServer(HttpServer):
    """A server of exchanges: each goes through the pipeline of its tenant."""

    # Origins that may be repeated in an answer; others become that of this machine.
    origin_pattern: ClassVar[re.Pattern[str] | None] = None
    # Set by `create_app`.
    app: web.Application

    def __init__(self, provider: Provider, registry: Registry) -> None:
        self.provider = provider
        self.registry = registry

    def create_app(self) -> web.Application:
        self.app = super().create_app()
        self.app[ERROR_RESPONSE] = self.respond_unread
        return self.app

    @property
    def default_tenant(self) -> Tenant:
        """Of exchanges whose sender is unknown."""
        return self.registry.unmatched

    def start_exchange(
        self,
        request: web.Request,
        tenant: Tenant | None = None,
        body: bytes = b"",
        *,
        operation: str = "",
        state: State | None = None,
    ) -> Exchange:
        exchange = Exchange.start(
            tenant or self.default_tenant,
            self.provider,
            body,
            operation=operation,
            requester=HttpRequester(request, self.app, self.origin_pattern),
            state=state,
        )
        exchange.head = collect_head(request)
        return exchange

    async def respond(
        self, request: web.BaseRequest, exchange: Exchange, handle: pipeline.Handler
    ) -> web.StreamResponse:
        try:
            reply = await pipeline.run(exchange, handle)
            return await send_reply(request, reply, exchange.transmission)
        finally:
            exchange.release_answer()

    async def respond_unread(
        self, request: web.BaseRequest, status: int, text: str
    ) -> web.StreamResponse:
        media = request.content_type
        handle = partial(self.reject_unread, status=status, text=text, content_type=media)
        requester = HttpRequester(request, self.app)
        exchange = Exchange.start(self.default_tenant, self.provider, b"", requester=requester)
        exchange.head = collect_head(request)
        return await self.respond(request, exchange, handle)

    async def reject_unread(
        self, exchange: Exchange, status: int, text: str, content_type: str
    ) -> Reply:
        return Reply(text.encode(), status, "text/plain; charset=utf-8")


async def return_reply(_: Exchange, reply: Reply) -> Reply:
    """A handler of what is known already."""
    return reply


async def error_response(
    app: web.Application, request: web.BaseRequest, status: int, text: str
) -> web.StreamResponse:
    """Answer a request that was not read in the application's own shape, and close."""
    respond = app.get(ERROR_RESPONSE)
    if respond is None:
        response: web.StreamResponse = web.Response(status=status, text=text)
    else:
        response = await respond(request, status, text)
    response.force_close()
    return response


class HttpRequester(Requester):
    """Of a request, or of the frames of a websocket that it opened."""

    def __init__(
        self,
        request: web.BaseRequest,
        app: web.Application,
        origin_pattern: re.Pattern[str] | None = None,
    ) -> None:
        self._request = request
        self._app = app
        self._origin_pattern = origin_pattern

    @cached_property
    def origin(self) -> str:
        origin = request_origin(self._request, self._app)
        if self._origin_pattern and not self._origin_pattern.fullmatch(origin):
            return "http://localhost"
        return origin

    @property
    def ip(self) -> str:
        return self._request.remote or ""

    @property
    def send_budget(self) -> SendBudget:
        return self._app.get(SEND_BUDGET, UNLIMITED)


def collect_head(request: web.BaseRequest) -> bytes:
    message = request._message  # its public properties cost a microsecond each
    return join_head(f"{message.method} {message.path}", message.raw_headers)


def is_disconnected(request: web.BaseRequest) -> bool:
    return request.transport is None or request.transport.is_closing()


def release_when_websocket(release: Callable[[], None]) -> None:
    _on_websocket.set(release)


async def accept_websocket(request: web.BaseRequest, socket: web.WebSocketResponse) -> None:
    await socket.prepare(request)
    if (release := _on_websocket.get()) is not None:
        release()


def request_origin(request: web.BaseRequest, app: web.Application) -> str:
    """``http://host:port`` as the client wrote it: addresses in answers must lead back here."""
    return app.get(PUBLIC_URL) or f"{request.scheme}://{request.host}"


class PlainResponse(web.StreamResponse):
    """The bytes that aiohttp sends for a body and its type, in a third of the time.

    It has no headers that can be changed; for those who get it see ``_is_plain``.
    """

    def __init__(self, reply: Reply) -> None:  # aiohttp's would make the headers
        self._reply = reply
        self._keep_alive = True

    async def prepare(self, request: web.BaseRequest) -> None:
        if self._eof_sent:
            return
        self._eof_sent = True
        body, ending = self._reply.body, "" if self._keep_alive else "Connection: close\r\n"
        head = (
            f"HTTP/1.1 200 OK\r\nContent-Type: {self._reply.content_type}\r\n"
            f"Content-Length: {len(body)}\r\nDate: {rfc822_formatted_time()}\r\n"
            f"Server: {SERVER_SOFTWARE}\r\n{ending}\r\n"
        )
        await request.writer.write_eof(head.encode() + body)


def _is_plain(request: web.BaseRequest, reply: Reply) -> bool:
    return (
        reply.status == 200
        and not reply.headers
        and reply.content_type.isprintable()
        and request.method == hdrs.METH_POST
        and request.version == HttpVersion11
        and request.keep_alive
        and isinstance(request, web.Request)
        and not request.app.on_response_prepare
    )


async def send_reply(
    request: web.BaseRequest, reply: Reply, transmission: Transmission | None = None
) -> web.StreamResponse:
    transmission = transmission or Transmission()
    delivery = reply.delivery
    if delivery is None and len(reply.body) > LARGE_ANSWER_BYTES:
        # Of what the client does not take yet, the transport keeps a copy.
        delivery = Delivery(chunk_bytes=LARGE_ANSWER_BYTES)
    if delivery is None:
        if len(reply.body) > SMALL_ANSWER_BYTES:
            await wait_for_turn()
        # The journal does not hold this response: a thousand of them cost every request time.
        if is_disconnected(request):
            transmission.ended = "client left"
        if _is_plain(request, reply):
            return PlainResponse(reply)
        return web.Response(body=reply.body, status=reply.status, headers=_list_headers(reply))
    transmission.ended = "sending"
    try:
        return await _send_delivery(delivery, request, reply, transmission)
    except ConnectionError as error:  # the client has gone
        transmission.ended = "client left"
        traceback.clear_frames(error.__traceback__)  # they hold the body
        return web.Response()


def _list_headers(reply: Reply) -> dict[str, str]:
    return {"Content-Type": reply.content_type, **reply.headers}


async def _send_delivery(
    delivery: Delivery,
    request: web.BaseRequest,
    reply: Reply,
    transmission: Transmission,
) -> web.StreamResponse:
    # The body is streamed manually, so that Content-Length can be wrong.
    if delivery.delay:
        await asyncio.sleep(delivery.delay)
    if delivery.termination == "never":
        await _wait_disconnected(request)
    if delivery.termination and not delivery.truncate_at:
        abort_connection(request, delivery)
        transmission.ended = delivery.regular_ending
        return web.Response()  # aiohttp needs one from every handler; the client is gone
    response = web.StreamResponse(status=reply.status, headers=_list_headers(reply))
    response.content_length = len(reply.body)
    transmission.headers = response.headers
    await response.prepare(request)
    kept = reply.body[: delivery.truncate_at]
    step = delivery.chunk_bytes or len(kept) or 1
    for start in range(0, len(kept), step):
        if start and delivery.pause:
            await asyncio.sleep(delivery.pause)
        if step > SMALL_ANSWER_BYTES:
            await wait_for_turn()
        await response.write(kept[start : start + step])
    if delivery.truncate_at is None:
        await response.write_eof()
    else:
        abort_connection(request, delivery)
    transmission.ended = delivery.regular_ending
    return response


async def _wait_disconnected(request: web.BaseRequest) -> None:
    # aiohttp does not tell a handler that only waits.
    while not is_disconnected(request):  # noqa: ASYNC110
        await asyncio.sleep(0.05)


def abort_connection(request: web.BaseRequest, delivery: Delivery) -> None:
    transport = request.transport
    if transport is None:
        return
    if delivery.termination == "reset":
        sock = transport.get_extra_info("socket")
        if sock is not None:  # linger of zero seconds: the kernel sends RST instead of FIN
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    else:
        transport.close()
