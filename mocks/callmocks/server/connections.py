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

from callmocks.config.server_limits import Bounds
from callmocks.errors import SettingsError
from callmocks.provider.http import Bodies, BodyLost, refuse

_log = logging.getLogger(__name__)
http_log = logging.getLogger("callmocks.http")
"""For aiohttp: it logs defects; a client that does not speak HTTP is answered 400 and is none."""
_CLIENTS = (HttpProcessingError, web.RequestPayloadError, ConnectionError)
http_log.addFilter(lambda line: not (line.exc_info and isinstance(line.exc_info[1], _CLIENTS)))

_BACKLOG: Final = 1024
_FAREWELL: Final = 1.0
"""Seconds that a client which is not let in has for reading why."""
_FAREWELLS: Final = 16
"""Clients told why at the same time; further ones are cut off."""
_BODIES: Final = 4
"""Bodies of the longest kind that may be coming in at the same time, or more shorter ones."""
_SILENT: Final = 60.0
"""Seconds after which a full house is mentioned again."""
_OTHER_FILES: Final = 48
"""Descriptors left for what is not a connection: farewells, files, pipes, libraries."""
_NO_FILES: Final = (errno.EMFILE, errno.ENFILE)
_NO_FILE_LEFT: Final = (
    "this process has no file descriptor left (ulimit -n); new connections are refused until some "
    "close"
)

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Gate:
    """Lets connections and requests into the servers of one suite."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.open = 0
        """Connections now."""
        self.bodies = Bodies(_BODIES * bounds.body)
        self._visits: dict[asyncio.BaseProtocol, Visit] = {}
        self._farewells = 0
        self._sweeper: asyncio.Task[None] | None = None
        self._said = -_SILENT

    async def serve(
        self,
        runner: web.AppRunner,
        listener: socket.socket,
        context: ssl.SSLContext | None,
    ) -> None:
        """Serve a runner that was set up, at a listening socket."""
        server = runner.server
        assert server is not None
        server.request_handler = self._answering(runner.app, cast("Any", server.request_handler))
        site = _Site(runner, listener, ssl_context=context, backlog=_BACKLOG)
        site.gate = self
        await site.start()
        if self._sweeper is None:
            self._sweeper = asyncio.create_task(self._sweep(), name="callmocks gate")

    async def close(self) -> None:
        """Stop watching."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._sweeper
            self._sweeper = None

    def admit(self, visit: Visit) -> bool:
        """Count a connection in, if there is room."""
        if self.open >= self.bounds.connections:
            self._mention(
                f"{self.open} connections are open; more are refused until some close "
                "(--max-connections)"
            )
            return False
        self.open += 1
        self._visits[visit.inner] = visit
        return True

    def leave(self, visit: Visit) -> None:
        """Count a connection out."""
        if self._visits.pop(visit.inner, None) is not None:
            self.open -= 1

    def farewell(self, transport: asyncio.Transport) -> bool:
        """Tell a client that there is no room; whether it may stay to read that."""
        if self._farewells >= _FAREWELLS:
            transport.abort()
            return False
        self._farewells += 1
        transport.write(_plain(503, "too many connections are open", "Retry-After: 1\r\n"))
        asyncio.get_running_loop().call_later(_FAREWELL, self._end_farewell, transport)
        return True

    def _end_farewell(self, transport: asyncio.Transport) -> None:
        self._farewells -= 1
        transport.close()

    def _answering(self, app: web.Application, inner: Handler) -> Handler:
        """The application's handler, behind the bounds of a request; one counter for a server."""
        most, now = self.bounds.in_flight, 0

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            try:
                response = await look(request)
            except web.HTTPException as refused:
                if not _is_packed(request):
                    raise
                response = refused
            if _is_packed(request):
                await self._pass_over_the_rest(request, response)
                return web.Response()  # nobody will get it
            return response

        async def look(request: web.BaseRequest) -> web.StreamResponse:
            nonlocal now
            visit = self._visits.get(request.protocol)
            if visit is not None:
                visit.waits_since = 0.0
                visit.between = False
            now += 1
            try:
                if hdrs.UPGRADE in request.headers:  # it may last for hours
                    now -= 1
                    try:
                        return await inner(request)
                    finally:
                        now += 1
                if now > most:
                    text = f"more than {most} requests are being answered"
                    return await refuse(app, request, 503, text)
                return await inner(request)
            except ConnectionError:  # the client went away while it was sending
                return web.Response()
            except BodyLost as lost:
                return await refuse(app, request, lost.status, str(lost))
            except OSError as error:
                if error.errno not in _NO_FILES:
                    raise
                self._mention(_NO_FILE_LEFT)
                return await refuse(app, request, 503, _NO_FILE_LEFT)
            finally:
                now -= 1
                if visit is not None:
                    visit.between = True

        return answer

    async def _pass_over_the_rest(
        self, request: web.BaseRequest, response: web.StreamResponse
    ) -> None:
        """Answer a compressed body that was not read to its end, and close.

        aiohttp would go on unpacking for ten seconds what has just been refused. A client that
        still sends would not get to read the answer if the connection were closed at once: what it
        sends is dropped, still packed.
        """
        visit, transport = self._visits.get(request.protocol), request.transport
        if visit is not None and transport is not None and not transport.is_closing():
            visit.hear_no_more()
            response.force_close()
            with suppress(ConnectionError):
                await response.prepare(request)
                await response.write_eof()
            loop = asyncio.get_running_loop()
            late = loop.time() + _FAREWELL
            while not transport.is_closing() and loop.time() < late:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        request.protocol.force_close()

    async def _sweep(self) -> None:
        """End connections whose request's head does not come to its end; look for files left."""
        patience = self.bounds.header_timeout
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(1.0, patience / 4) if patience else 1.0)
            if not _a_file_is_left():
                self._mention(_NO_FILE_LEFT)
            late = loop.time() - patience if patience else 0.0
            for visit in list(self._visits.values()):
                if 0.0 < visit.waits_since < late:
                    visit.too_late()

    def _mention(self, text: str) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._said >= _SILENT:
            self._said = now
            _log.warning("callmocks: warning: %s", text)


class Visit(asyncio.Protocol):
    """One connection: what comes in goes to aiohttp's protocol, under the eyes of a gate."""

    __slots__ = (
        "_deaf",
        "_gate",
        "_refused",
        "_spoke",
        "_transport",
        "between",
        "inner",
        "waits_since",
    )

    def __init__(self, gate: Gate, inner: asyncio.Protocol) -> None:
        self._gate = gate
        self.inner = inner
        self.between = True
        """No request is being answered: the next byte begins one."""
        self.waits_since = 0.0
        """When the head began that has not ended yet, by the loop's clock; 0: there is none."""
        self._spoke = False
        self._refused = False
        self._deaf = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let it in, or say why not."""
        self._transport = cast("asyncio.Transport", transport)
        if not self._gate.admit(self):
            self._refused = True
            self._gate.farewell(self._transport)
            return
        self.waits_since = asyncio.get_running_loop().time()
        self.inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Bytes of the client's."""
        if self._refused or self._deaf:
            return
        self._spoke = True
        if self.between and not self.waits_since:
            self.waits_since = asyncio.get_running_loop().time()
        self.inner.data_received(data)

    def eof_received(self) -> bool | None:
        """The client has no more to say."""
        return None if self._refused else self.inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        if not self._refused:
            self._gate.leave(self)
            self.inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not read."""
        if not self._refused:
            self.inner.pause_writing()

    def resume_writing(self) -> None:
        """The client reads again."""
        if not self._refused:
            self.inner.resume_writing()

    def hear_no_more(self) -> None:
        """Take what still comes in, and drop it."""
        self._deaf = True
        if self._transport is not None:
            self._transport.resume_reading()

    def too_late(self) -> None:
        """The head of a request took too long; one that has not begun is owed no answer."""
        self.waits_since = 0.0
        if self._transport is None or self._transport.is_closing():
            return
        if self._spoke:
            text = "the head of the request did not come to its end in time"
            self._transport.write(_plain(408, text))
        self._transport.close()


class _Site(web.SockSite):
    """A site whose connections come through a gate."""

    gate: Gate

    async def start(self) -> None:
        """Listen."""
        await web.BaseSite.start(self)
        server = self._runner.server
        assert server is not None
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Visit(self.gate, server()),
            sock=self._sock,
            ssl=self._ssl_context,
            backlog=self._backlog,
        )


def _is_packed(request: web.BaseRequest) -> bool:
    """Whether there is more of a compressed body than was read."""
    return not request.content.is_eof() and hdrs.CONTENT_ENCODING in request.headers


def _plain(status: int, text: str, headers: str = "") -> bytes:
    """An answer of HTTP's own: whom it would be for, nobody knows yet."""
    reason = {408: "Request Timeout", 503: "Service Unavailable"}[status]
    return (
        f"HTTP/1.1 {status} {reason}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(text) + 1}\r\n{headers}Connection: close\r\n\r\n{text}\n"
    ).encode()


def connections_that_fit(bounds: Bounds) -> int:
    """As many of the bounds' connections as this process may have files open.

    The soft limit is raised as far as it may be. ``SettingsError`` when not even one fits.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return bounds.connections
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = bounds.connections + _open_files() + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        raised = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        if raised > soft:
            with suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
                soft = raised
        fitting = bounds.connections - (needed - soft)
        if fitting < 1:
            raise SettingsError(
                f"--max-connections: this process may open only {soft} files (ulimit -n), which "
                "leaves no room for connections"
            )
        return min(fitting, bounds.connections)
    return bounds.connections


def _a_file_is_left() -> bool:
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno not in _NO_FILES
    return True


def _open_files() -> int:
    from pathlib import Path

    try:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())
    except OSError:
        return 32
