"""The sockets of the servers: where connections come in."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final, cast

from aiohttp import web

from callmocks.provider.listeners import BACKLOG, Listener
from callmocks.server.connections import (
    REJECT_SECONDS,
    ConnectionLimiter,
    ConnectionPool,
    GuardedProtocol,
    RequestLimiter,
)

_ACCEPT_RETRY_SECONDS: Final = 1.0
# The loops need some limit of a handshake.
_NO_TIMEOUT: Final = 10.0**6


async def start_sites(
    limiter: ConnectionLimiter,
    pool: ConnectionPool,
    runner: web.AppRunner,
    listener: Listener,
    ssl_context: ssl.SSLContext | None,
) -> None:
    server = runner.server
    assert server is not None
    handler = cast("Any", server.request_handler)
    server.request_handler = RequestLimiter(limiter, runner.app, handler).handle
    make_protocol = partial(GuardedProtocol, limiter, pool, server, runner.app)
    loop = asyncio.get_running_loop()
    for each in listener:
        if ssl_context or isinstance(loop, asyncio.SelectorEventLoop):
            site: web.BaseSite = _AcceptingSite(runner, each, make_protocol, limiter, ssl_context)
        else:
            site = _ServerSite(runner, each, make_protocol)
        await site.start()
    limiter.start()


class _ServerSite(web.SockSite):
    """Of uvloop, which accepts a connection in half the time of the other, and of Windows."""

    def __init__(
        self,
        runner: web.AppRunner,
        sock: socket.socket,
        make_protocol: Callable[[], GuardedProtocol],
    ) -> None:
        super().__init__(runner, sock)
        self._listening, self._make_protocol = sock, make_protocol

    async def start(self) -> None:
        await web.BaseSite.start(self)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self._make_protocol, sock=self._listening, backlog=BACKLOG
        )


class _AcceptingSite(web.SockSite):
    """Counts a connection from the moment it is accepted.

    With TLS, the servers of asyncio and uvloop tell nobody of it before the end of its handshake.
    Without free descriptors, that of asyncio logs thousands of errors in a second.
    """

    def __init__(
        self,
        runner: web.AppRunner,
        sock: socket.socket,
        make_protocol: Callable[[], GuardedProtocol],
        limiter: ConnectionLimiter,
        ssl_context: ssl.SSLContext | None,
    ) -> None:
        super().__init__(runner, sock, ssl_context=ssl_context)
        self._listening, self._make_protocol, self._limiter = sock, make_protocol, limiter
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        await web.BaseSite.start(self)
        self._listening.setblocking(False)
        self._accepting = self._start_task(self._accept_connections())

    async def stop(self) -> None:
        self._accepting.cancel()
        await asyncio.sleep(0)  # so that what was accepted last is opened, and then closed
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._listening.close()  # while requests are still answered, new clients do not wait
        await super().stop()

    def _start_task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name="callmocks connections")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _accept_connections(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(0)  # those accepted before are served too
            try:
                sock, _ = await loop.sock_accept(self._listening)
            except ConnectionAbortedError:
                continue
            except OSError:  # such as too many open files
                await asyncio.sleep(_ACCEPT_RETRY_SECONDS)
                continue
            connection = self._make_protocol()
            seconds = self._limiter.limits.header_timeout or _NO_TIMEOUT
            if not self._limiter.acquire(connection):
                seconds = REJECT_SECONDS
                if not self._limiter.begin_reject(connection):
                    sock.close()
                    continue
            self._start_task(self._open_connection(connection, sock, seconds))

    async def _open_connection(
        self, connection: GuardedProtocol, sock: socket.socket, seconds: float
    ) -> None:
        tls = self._ssl_context
        timeout = seconds if tls else None
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection, sock, ssl=tls, ssl_handshake_timeout=timeout
            )
        except (OSError, asyncio.CancelledError):
            self._limiter.release(connection)
