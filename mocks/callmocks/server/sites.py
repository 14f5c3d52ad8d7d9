"""The sockets of the servers: where connections come in."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final, cast

from aiohttp import web

from callmocks.provider.listeners import Listener
from callmocks.server.connections import (
    REJECT_SECONDS,
    ConnectionLimiter,
    ConnectionPool,
    GuardedProtocol,
    RequestLimiter,
)

_BACKLOG: Final = 1024
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
    for each in listener:
        if ssl_context is None:
            site: web.BaseSite = _PlainSite(runner, each, make_protocol)
        else:
            site = _TlsSite(runner, each, make_protocol, limiter, ssl_context)
        await site.start()
    limiter.start()


class _PlainSite(web.SockSite):
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
            self._make_protocol, sock=self._listening, backlog=_BACKLOG
        )


class _TlsSite(web.SockSite):
    """Counts a connection from the moment it is accepted.

    The servers of asyncio and uvloop tell nobody of it before the end of its handshake, and of its
    end only then.
    """

    def __init__(
        self,
        runner: web.AppRunner,
        sock: socket.socket,
        make_protocol: Callable[[], GuardedProtocol],
        limiter: ConnectionLimiter,
        ssl_context: ssl.SSLContext,
    ) -> None:
        super().__init__(runner, sock, ssl_context=ssl_context)
        self._listening, self._make_protocol, self._limiter = sock, make_protocol, limiter
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        await web.BaseSite.start(self)
        self._listening.setblocking(False)
        self._start_task(self._accept_connections())

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await super().stop()

    def _start_task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="callmocks TLS")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

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
            self._start_task(self._start_tls(connection, sock, seconds))

    async def _start_tls(
        self, connection: GuardedProtocol, sock: socket.socket, seconds: float
    ) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection, sock, ssl=self._ssl_context, ssl_handshake_timeout=seconds
            )
        except (OSError, asyncio.CancelledError):
            self._limiter.release(connection)
