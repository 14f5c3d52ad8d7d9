"""The way into a suite's servers: how many may come in, and how long they may take to speak.

::

    socket ── Visit ── aiohttp's protocol ── Gate.answer ── the application
              connections,                   in flight,
              slow heads                     slow bodies

Connections are counted over all servers, requests in flight for each. Timers cost more than they
are worth here: one sweep looks at all connections, and a request writes down two times.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, cast

from aiohttp import hdrs, web
from aiohttp.http import HttpProcessingError

from callmocks.config.server_limits import ServerLimits
from callmocks.errors import SettingsError
from callmocks.provider.bodies import BodyReadError, UploadBudget
from callmocks.provider.server import error_response

_log = logging.getLogger(__name__)
http_log = logging.getLogger("callmocks.http")
"""For aiohttp: it logs defects; a client that does not speak HTTP is answered 400 and is none."""
_CLIENT_ERRORS = (HttpProcessingError, web.RequestPayloadError, ConnectionError)
http_log.addFilter(
    lambda line: not (line.exc_info and isinstance(line.exc_info[1], _CLIENT_ERRORS))
)

_BACKLOG: Final = 1024
_REJECT_SECONDS: Final = 1.0
"""Seconds that a client which is not let in has for reading why."""
_MAX_PENDING_REJECTS: Final = 16
"""Clients told why at the same time; further ones are cut off."""
_MAX_FULL_UPLOADS: Final = 4
"""Bodies of the longest kind that may be coming in at the same time, or more shorter ones."""
_WARN_INTERVAL: Final = 60.0
"""Seconds after which a full house is mentioned again."""
_RESERVED_DESCRIPTORS: Final = 48
"""Descriptors left for what is not a connection: farewells, files, pipes, libraries."""
_OUT_OF_DESCRIPTORS: Final = (errno.EMFILE, errno.ENFILE)
_OUT_OF_DESCRIPTORS_TEXT: Final = (
    "this process has no file descriptor left (ulimit -n); new connections are refused until some "
    "close"
)

RequestHandler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class ConnectionLimiter:
    """Lets connections and requests into the servers of one suite."""

    def __init__(self, limits: ServerLimits) -> None:
        self.limits = limits
        self.open_connections = 0
        """Connections now."""
        self.upload_budget = UploadBudget(_MAX_FULL_UPLOADS * limits.body)
        self._connections: dict[asyncio.BaseProtocol, GuardedProtocol] = {}
        self._pending_rejects = 0
        self._timeout_task: asyncio.Task[None] | None = None
        self._last_warning = -_WARN_INTERVAL

    async def start_site(
        self,
        runner: web.AppRunner,
        listener: socket.socket,
        ssl_context: ssl.SSLContext | None,
    ) -> None:
        """Serve a runner that was set up, at a listening socket."""
        server = runner.server
        assert server is not None
        server.request_handler = self._limit_requests(
            runner.app, cast("Any", server.request_handler)
        )
        site = _LimitedSite(runner, listener, ssl_context=ssl_context, backlog=_BACKLOG)
        site.limiter = self
        await site.start()
        if self._timeout_task is None:
            self._timeout_task = asyncio.create_task(
                self._close_slow_connections(), name="callmocks header timeouts"
            )

    async def close(self) -> None:
        """Stop watching."""
        if self._timeout_task is not None:
            self._timeout_task.cancel()
            with suppress(asyncio.CancelledError):
                await self._timeout_task
            self._timeout_task = None

    def acquire(self, connection: GuardedProtocol) -> bool:
        """Count a connection in, if there is room."""
        if self.open_connections >= self.limits.connections:
            self._warn_rate_limited(
                f"{self.open_connections} connections are open; more are refused until some close "
                "(--max-connections)"
            )
            return False
        self.open_connections += 1
        self._connections[connection.protocol] = connection
        return True

    def release(self, connection: GuardedProtocol) -> None:
        """Count a connection out."""
        if self._connections.pop(connection.protocol, None) is not None:
            self.open_connections -= 1

    def reject_connection(self, transport: asyncio.Transport) -> bool:
        """Tell a client that there is no room; whether it may stay to read that."""
        if self._pending_rejects >= _MAX_PENDING_REJECTS:
            transport.abort()
            return False
        self._pending_rejects += 1
        transport.write(_plain_response(503, "too many connections are open", "Retry-After: 1\r\n"))
        asyncio.get_running_loop().call_later(_REJECT_SECONDS, self._finish_reject, transport)
        return True

    def _finish_reject(self, transport: asyncio.Transport) -> None:
        self._pending_rejects -= 1
        transport.close()

    def _limit_requests(self, app: web.Application, handler: RequestHandler) -> RequestHandler:
        """The application's handler, behind the bounds of a request; one counter for a server."""
        most, now = self.limits.in_flight, 0

        async def handle_request(request: web.BaseRequest) -> web.StreamResponse:
            try:
                response = await handle_limited(request)
            except web.HTTPException as refused:
                if not _has_unread_compressed_body(request):
                    raise
                response = refused
            if _has_unread_compressed_body(request):
                await self._drain_and_close(request, response)
                return web.Response()  # nobody will get it
            return response

        async def handle_limited(request: web.BaseRequest) -> web.StreamResponse:
            nonlocal now
            visit = self._connections.get(request.protocol)
            if visit is not None:
                visit.header_started_at = 0.0
                visit.idle = False
            now += 1
            try:
                if hdrs.UPGRADE in request.headers:  # it may last for hours
                    now -= 1
                    try:
                        return await handler(request)
                    finally:
                        now += 1
                if now > most:
                    text = f"more than {most} requests are being answered"
                    return await error_response(app, request, 503, text)
                return await handler(request)
            except ConnectionError:  # the client went away while it was sending
                return web.Response()
            except BodyReadError as lost:
                return await error_response(app, request, lost.status, str(lost))
            except OSError as error:
                if error.errno not in _OUT_OF_DESCRIPTORS:
                    raise
                self._warn_rate_limited(_OUT_OF_DESCRIPTORS_TEXT)
                return await error_response(app, request, 503, _OUT_OF_DESCRIPTORS_TEXT)
            finally:
                now -= 1
                if visit is not None:
                    visit.idle = True

        return handle_request

    async def _drain_and_close(
        self, request: web.BaseRequest, response: web.StreamResponse
    ) -> None:
        """Answer a compressed body that was not read to its end, and close.

        aiohttp would go on unpacking for ten seconds what has just been refused. A client that
        still sends would not get to read the answer if the connection were closed at once: what it
        sends is dropped, still packed.
        """
        visit, transport = self._connections.get(request.protocol), request.transport
        if visit is not None and transport is not None and not transport.is_closing():
            visit.discard_input()
            response.force_close()
            with suppress(ConnectionError):
                await response.prepare(request)
                await response.write_eof()
            loop = asyncio.get_running_loop()
            late = loop.time() + _REJECT_SECONDS
            while not transport.is_closing() and loop.time() < late:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        request.protocol.force_close()

    async def _close_slow_connections(self) -> None:
        """End connections whose request's head does not come to its end; look for files left."""
        patience = self.limits.header_timeout
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(1.0, patience / 4) if patience else 1.0)
            if not _fd_available():
                self._warn_rate_limited(_OUT_OF_DESCRIPTORS_TEXT)
            late = loop.time() - patience if patience else 0.0
            for visit in list(self._connections.values()):
                if 0.0 < visit.header_started_at < late:
                    visit.on_header_timeout()

    def _warn_rate_limited(self, text: str) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._last_warning >= _WARN_INTERVAL:
            self._last_warning = now
            _log.warning("callmocks: warning: %s", text)


class GuardedProtocol(asyncio.Protocol):
    """One connection: what comes in goes to aiohttp's protocol, under the eyes of a gate."""

    __slots__ = (
        "_discarding",
        "_limiter",
        "_received_data",
        "_rejected",
        "_transport",
        "header_started_at",
        "idle",
        "protocol",
    )

    def __init__(self, limiter: ConnectionLimiter, protocol: asyncio.Protocol) -> None:
        self._limiter = limiter
        self.protocol = protocol
        self.idle = True
        """No request is being answered: the next byte begins one."""
        self.header_started_at = 0.0
        """When the head began that has not ended yet, by the loop's clock; 0: there is none."""
        self._received_data = False
        self._rejected = False
        self._discarding = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let it in, or say why not."""
        self._transport = cast("asyncio.Transport", transport)
        if not self._limiter.acquire(self):
            self._rejected = True
            self._limiter.reject_connection(self._transport)
            return
        self.header_started_at = asyncio.get_running_loop().time()
        self.protocol.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Bytes of the client's."""
        if self._rejected or self._discarding:
            return
        self._received_data = True
        if self.idle and not self.header_started_at:
            self.header_started_at = asyncio.get_running_loop().time()
        self.protocol.data_received(data)

    def eof_received(self) -> bool | None:
        """The client has no more to say."""
        return None if self._rejected else self.protocol.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        if not self._rejected:
            self._limiter.release(self)
            self.protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not read."""
        if not self._rejected:
            self.protocol.pause_writing()

    def resume_writing(self) -> None:
        """The client reads again."""
        if not self._rejected:
            self.protocol.resume_writing()

    def discard_input(self) -> None:
        """Take what still comes in, and drop it."""
        self._discarding = True
        if self._transport is not None:
            self._transport.resume_reading()

    def on_header_timeout(self) -> None:
        """The head of a request took too long; one that has not begun is owed no answer."""
        self.header_started_at = 0.0
        if self._transport is None or self._transport.is_closing():
            return
        if self._received_data:
            text = "the head of the request did not come to its end in time"
            self._transport.write(_plain_response(408, text))
        self._transport.close()


class _LimitedSite(web.SockSite):
    """A site whose connections come through a gate."""

    limiter: ConnectionLimiter

    async def start(self) -> None:
        """Listen."""
        await web.BaseSite.start(self)
        server = self._runner.server
        assert server is not None
        self._server = await asyncio.get_running_loop().create_server(
            lambda: GuardedProtocol(self.limiter, server()),
            sock=self._sock,
            ssl=self._ssl_context,
            backlog=self._backlog,
        )


def _has_unread_compressed_body(request: web.BaseRequest) -> bool:
    """Whether there is more of a compressed body than was read."""
    return not request.content.is_eof() and hdrs.CONTENT_ENCODING in request.headers


def _plain_response(status: int, text: str, headers: str = "") -> bytes:
    """An answer of HTTP's own: whom it would be for, nobody knows yet."""
    reason = {408: "Request Timeout", 503: "Service Unavailable"}[status]
    return (
        f"HTTP/1.1 {status} {reason}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(text) + 1}\r\n{headers}Connection: close\r\n\r\n{text}\n"
    ).encode()


def max_connections_for_rlimit(limits: ServerLimits) -> int:
    """As many of the bounds' connections as this process may have files open.

    The soft limit is raised as far as it may be. ``SettingsError`` when not even one fits.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return limits.connections
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = limits.connections + _count_open_files() + _RESERVED_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < needed:
        raised = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        if raised > soft:
            with suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
                soft = raised
        fitting = limits.connections - (needed - soft)
        if fitting < 1:
            raise SettingsError(
                f"--max-connections: this process may open only {soft} files (ulimit -n), which "
                "leaves no room for connections"
            )
        return min(fitting, limits.connections)
    return limits.connections


def _fd_available() -> bool:
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno not in _OUT_OF_DESCRIPTORS
    return True


def _count_open_files() -> int:
    from pathlib import Path

    try:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())
    except OSError:
        return 32
