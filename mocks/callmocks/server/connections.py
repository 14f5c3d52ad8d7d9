"""Limits on connections, in-flight requests and header time.

::

    socket ── GuardedProtocol ── RequestLimiter ── the application
              connections,       in flight,
              header time        body time

Connections are counted over all providers, those of control apart, requests in flight for each
server. A timer for each connection would cost too much: one task looks at all of them, and a
request only writes down two times.
"""

from __future__ import annotations

import asyncio
import logging
import re
import traceback
from contextlib import suppress
from functools import partial
from typing import Any, Final, cast

from aiohttp import hdrs, web
from aiohttp.http import HttpProcessingError
from aiohttp.typedefs import Handler

from callmocks.config.server_limits import ServerLimits
from callmocks.errors import ClientDisconnected, OutOfDescriptors
from callmocks.provider.bodies import READ_CHUNKS, BodyReadError, UploadBudget
from callmocks.provider.server import error_response, release_when_websocket
from callmocks.server.descriptors import start_query_engine
from callmocks.server.exact_routes import BaseHandler, ExactRoutes
from callmocks.server.undecodable import HttpProtocol
from callmocks.tenants.descriptors import SPARE_DESCRIPTORS, fds_available, is_out_of_descriptors
from callmocks.tenants.send_budget import SendBudget
from callmocks.tenants.state import rerun_when_stale
from callmocks.tenants.worker import set_disconnect_check

_log = logging.getLogger(__name__)
# For aiohttp, without the errors of clients: they are answered 400 and are no defects.
http_log = logging.getLogger("callmocks.http")
_CLIENT_ERRORS = (HttpProcessingError, web.RequestPayloadError, ConnectionError)
http_log.addFilter(lambda it: not (it.exc_info and isinstance(it.exc_info[1], _CLIENT_ERRORS)))

# Addresses in answers repeat it: no document can hold the bytes of one that is not ASCII.
_HOST: Final = re.compile(r"[!-~]*")
_BAD_HOST_TEXT: Final = "the header Host holds what is in no name: use visible ASCII characters"
# For a rejected client to read the answer.
REJECT_SECONDS: Final = 1.0
# Clients that get an answer at the same time; further ones are aborted.
_MAX_PENDING_REJECTS: Final = 16
# Bodies of the largest size that may be coming in at the same time, or more shorter ones.
_MAX_FULL_UPLOADS: Final = 4
_WARN_INTERVAL: Final = 60.0


class ConnectionPool:
    """Connections that are counted together."""

    def __init__(self, limit: int, full: str) -> None:
        self.limit = limit
        # What is logged when the limit is reached.
        self.full_text = f"{limit} {full} are open; more are refused until some close"
        self.connections: set[GuardedProtocol] = set()


class ConnectionLimiter:
    def __init__(self, limits: ServerLimits) -> None:
        self.limits = limits
        self.upload_budget = UploadBudget(_MAX_FULL_UPLOADS * limits.body)
        self.send_budget = SendBudget(limits.sending)
        self.providers = ConnectionPool(limits.connections, "connections (--max-connections)")
        self.control = ConnectionPool(limits.control_connections, "connections to control")
        self.unhandled: set[object] = set()
        self._query_engine_started = False
        self._rejected: set[GuardedProtocol] = set()
        self._timeout_task: asyncio.Task[None] | None = None
        self._last_warning = -_WARN_INTERVAL

    def start(self) -> None:
        if self._timeout_task is None:
            SPARE_DESCRIPTORS.acquire()
            closing = self._close_slow_connections()
            self._timeout_task = asyncio.create_task(closing, name="callmocks header timeouts")

    async def close(self) -> None:
        if self._timeout_task is not None:
            self._timeout_task.cancel()
            with suppress(asyncio.CancelledError):
                await self._timeout_task
            SPARE_DESCRIPTORS.release()
            self._timeout_task = None

    def ensure_query_engine(self) -> None:
        # Not when the server starts: an idle one does without its memory.
        if not self._query_engine_started:
            with SPARE_DESCRIPTORS.lend():
                start_query_engine()
            self._query_engine_started = True

    def acquire(self, connection: GuardedProtocol) -> bool:
        pool = connection.pool
        if connection not in pool.connections:  # with TLS it is since before the handshake
            if len(pool.connections) >= pool.limit:
                self.warn_rate_limited(pool.full_text)
                return False
            pool.connections.add(connection)
            self._rejected.discard(connection)  # others left during its TLS handshake
        return True

    def release(self, connection: GuardedProtocol) -> None:
        connection.pool.connections.discard(connection)
        self._rejected.discard(connection)
        self.unhandled.discard(connection)

    def begin_reject(self, connection: GuardedProtocol) -> bool:
        """False when too many clients are being sent 503 already."""
        if connection not in self._rejected and len(self._rejected) >= _MAX_PENDING_REJECTS:
            return False
        self._rejected.add(connection)
        return True

    def reject_connection(self, connection: GuardedProtocol, transport: asyncio.Transport) -> None:
        """Send 503, or abort when too many clients are being sent it already."""
        if not self.begin_reject(connection):
            transport.abort()
            return
        transport.write(_plain_response(503, "too many connections are open", "Retry-After: 1\r\n"))
        loop = asyncio.get_running_loop()
        loop.call_later(REJECT_SECONDS, self._finish_reject, connection, transport)

    def _finish_reject(self, connection: GuardedProtocol, transport: asyncio.Transport) -> None:
        self._rejected.discard(connection)
        transport.close()

    async def _close_slow_connections(self) -> None:
        timeout = self.limits.header_timeout
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(1.0, timeout / 4) if timeout else 1.0)
            if not fds_available(1):
                SPARE_DESCRIPTORS.warn_none_left()
            found = [*self.providers.connections, *self.control.connections] if timeout else ()
            for connection in found:
                connection.check_header_time(loop.time(), timeout)

    def warn_rate_limited(self, text: str) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._last_warning >= _WARN_INTERVAL:
            self._last_warning = now
            _log.warning("callmocks: warning: %s", text)


class RequestLimiter:
    """The handler of one application, with the limits of a request."""

    def __init__(
        self, limiter: ConnectionLimiter, app: web.Application, handle: BaseHandler
    ) -> None:
        self._limiter, self._app, self._handle = limiter, app, handle
        self._exact_routes = ExactRoutes(app)
        self.in_flight = 0

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        connection: GuardedProtocol = request.protocol  # type: ignore[assignment]
        connection.end_header()
        connection.in_flight = True
        self.in_flight += 1
        set_disconnect_check(connection.has_disconnected)
        if hdrs.UPGRADE in request.headers:
            release_when_websocket(partial(self._release, connection))
        response: web.StreamResponse
        try:
            self._limiter.ensure_query_engine()
            if not _HOST.fullmatch(request.headers.get(hdrs.HOST, "")):
                response = await error_response(self._app, request, 400, _BAD_HOST_TEXT)
            elif self.in_flight > (limit := self._limiter.limits.in_flight):
                text = f"more than {limit} requests are being answered"
                response = await error_response(self._app, request, 503, text)
            else:
                handle = self._exact_routes.find_handler(request) or self._handle
                response = await handle(request)
        except (ConnectionError, ClientDisconnected) as error:
            # A stream keeps its error, and that the frames with what was read so far.
            traceback.clear_frames(error.__traceback__)
            response = web.Response()
        except BodyReadError as error:
            response = await error_response(self._app, request, error.status, str(error))
        except web.HTTPException as error:
            # aiohttp would keep the error in a frame of its own: with all that its frames refer to.
            response = _copy_response(error)
        except Exception as error:
            if request.writer.output_size or not is_out_of_descriptors(error):
                raise
            SPARE_DESCRIPTORS.warn_none_left()
            with SPARE_DESCRIPTORS.lend():
                text = str(OutOfDescriptors())
                response = await error_response(self._app, request, 503, text)
        finally:
            self._release(connection)
            connection.end_request()
        if _has_unread_compressed_body(request):
            await self._drain(connection, request, response)
            return web.Response()  # aiohttp needs one; the connection is closed
        if self._limiter.unhandled:
            await asyncio.sleep(0)  # see `UNHANDLED`
        return response

    def _release(self, connection: GuardedProtocol) -> None:
        if connection.in_flight:
            connection.in_flight = False
            self.in_flight -= 1

    async def _drain(
        self, connection: GuardedProtocol, request: web.BaseRequest, response: web.StreamResponse
    ) -> None:
        # aiohttp would go on for ten seconds to decompress what has just been rejected. A client
        # that still sends would not get to read the answer if the connection were closed at once:
        # what it sends is dropped without being decompressed.
        transport = request.transport
        if transport is not None and not transport.is_closing():
            connection.discard_input()
            response.force_close()
            with suppress(ConnectionError):
                await response.prepare(request)
                await response.write_eof()
            loop = asyncio.get_running_loop()
            deadline = loop.time() + REJECT_SECONDS
            while not transport.is_closing() and loop.time() < deadline:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        request.protocol.force_close()


class GuardedProtocol(HttpProtocol):
    """Enforces connection limits.

    ``header_started_at`` is by the loop's clock, 0 in a request and in a pause between two. After a
    request it is the time of its end, until it is known whether the next header has begun.
    """

    __slots__ = (
        "_discarding",
        "_header_began",
        "_limiter",
        "_received_data",
        "header_started_at",
        "in_flight",
        "pool",
    )

    def __init__(
        self, limiter: ConnectionLimiter, pool: ConnectionPool, server: Any, app: web.Application
    ) -> None:
        super().__init__(server, app)
        self._limiter, self.pool = limiter, pool
        self._received_data = self._discarding = False
        self.header_started_at = 0.0
        self._header_began = True
        self.in_flight = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not self._limiter.acquire(self):
            self._discarding = True
            self._limiter.reject_connection(self, cast("asyncio.Transport", transport))
            return
        self.header_started_at = self._loop.time()
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._discarding:
            return
        self._received_data = True
        if not self._header_began and self._waiter is not None:
            self._header_began = True
            self.header_started_at = self._loop.time()
        if not self.in_flight:
            self._limiter.unhandled.add(self)
        super().data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._limiter.release(self)
        # Given the error, aiohttp would raise it in the handler from a future that the error's own
        # frames hold: the answer would stay until a full garbage collection.
        super().connection_lost(None)

    def has_disconnected(self) -> bool:
        transport = self.transport
        return transport is None or transport.is_closing()

    def end_header(self) -> None:
        self.header_started_at = 0.0
        self._limiter.unhandled.discard(self)

    def end_request(self) -> None:
        # Bytes of the next header may have come with the request: only the parser knows.
        self._header_began = False
        self.header_started_at = self._loop.time()

    def discard_input(self) -> None:
        self._discarding = True
        if self.transport is not None:
            self.transport.resume_reading()

    def check_header_time(self, now: float, timeout: float) -> None:
        if not self.header_started_at:
            return
        if self._waiter is None:  # an answer is still being sent
            self.header_started_at = now
        elif now - self.header_started_at > timeout:
            if self._header_began or self._has_partial_header():
                self._close_slow()
            else:
                self.header_started_at = 0.0

    def _has_partial_header(self) -> bool:
        # Blank lines before a request are skipped; those in a header end it or break it. Its
        # connection is closed anyway.
        assert self._parser is not None
        try:
            messages, *_ = self._parser.feed_data(b"\r\n\r\n")
        except HttpProcessingError:
            return True
        return bool(messages)

    def _close_slow(self) -> None:
        """Send 408, or close silently if no byte was received."""
        self.end_header()
        if self.transport is None or self.transport.is_closing():
            return
        if self._received_data:
            text = "the head of the request did not come to its end in time"
            self.transport.write(_plain_response(408, text))
        self.transport.close()


@web.middleware
async def rerun_when_overtaken(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A request that another replica's change overtakes is run again."""
    READ_CHUNKS.set([])
    try:
        return await rerun_when_stale(partial(handler, request))
    finally:
        READ_CHUNKS.set(None)


def _has_unread_compressed_body(request: web.BaseRequest) -> bool:
    return not request.content.is_eof() and hdrs.CONTENT_ENCODING in request.headers


def _copy_response(error: web.HTTPException) -> web.Response:
    status, reason = error.status, error.reason
    return web.Response(body=error.body, status=status, reason=reason, headers=error.headers)


def _plain_response(status: int, text: str, headers: str = "") -> bytes:
    # The provider is not known yet.
    reason = {408: "Request Timeout", 503: "Service Unavailable"}[status]
    return (
        f"HTTP/1.1 {status} {reason}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(text) + 1}\r\n{headers}Connection: close\r\n\r\n{text}\n"
    ).encode()
