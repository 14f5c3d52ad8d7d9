"""``--forward``: connections that a client opens by CONNECT to a named host, and TLS inside.

::

    client ── CONNECT host:443 ──▶ proxy ── 200 ── TLS with a certificate for the host
           ══ HTTP inside ═══════▶ the proxy's own server ══▶ https://host:443, verified
"""

import asyncio
import ssl
from collections.abc import Collection
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from aiohttp import web

from callmocks.contract.urls import format_origin
from callmocks.errors import SettingsError

HTTPS_PORT, HTTP_PORT = 443, 80
HANDSHAKE_SECONDS = 30.0
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class ForwardHost(NamedTuple):
    name: str  # in lower case, an address of IPv6 without brackets
    port: int


def parse_forward_host(text: str) -> ForwardHost:
    """``SettingsError`` when it is not ``HOST`` or ``HOST:PORT``."""
    try:
        parts = urlsplit(f"//{text}")
        port = HTTPS_PORT if parts.port is None else parts.port
        good = parts.netloc == text and "@" not in text and bool(parts.hostname) and port > 0
    except ValueError:
        good = False
    if not good or text.split() != [text]:
        raise SettingsError(f"--forward: {text!r} is not a host such as dataapi.example[:443]")
    return ForwardHost(str(parts.hostname), port)


class TunnelProtocol(asyncio.Protocol):
    """HTTP inside of TLS; ``closed`` is done when the connection has ended."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        result: bool | None = self._inner.eof_received()
        return result

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._inner.connection_lost(exc)
        if not self.closed.done():
            self.closed.set_result(None)


class Tunnels:
    """``server`` makes the protocols of the proxy's own server; it is set when that one runs."""

    def __init__(self, hosts: Collection[ForwardHost], tls: ssl.SSLContext) -> None:
        self.hosts = frozenset(hosts)
        self.server: web.Server | None = None
        self._tls = tls
        self._origins: WeakKeyDictionary[Any, str] = WeakKeyDictionary()

    def find_origin(self, request: web.BaseRequest) -> str | None:
        """The host that a request inside of a tunnel goes to."""
        return self._origins.get(request.transport)

    async def open_tunnel(self, request: web.Request) -> web.StreamResponse:
        """Answer a CONNECT; returns when the tunnel has ended."""
        try:
            host = parse_forward_host(request.raw_path)
        except SettingsError:
            return web.Response(status=400, text="CONNECT needs HOST:PORT\n")
        transport = request.transport
        if host not in self.hosts or self.server is None or transport is None:
            return web.Response(status=403, text="the proxy forwards to the hosts of --forward\n")
        transport.write(ESTABLISHED)
        protocol = TunnelProtocol(self.server())
        try:
            inside = await asyncio.get_running_loop().start_tls(
                transport,
                protocol,
                self._tls,
                server_side=True,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
            )
        except (OSError, ssl.SSLError):
            inside = None  # the client does not trust the certificate, or has gone
        if inside is not None:
            self._origins[inside] = format_origin("https", host.name, host.port)
            protocol.connection_made(inside)
            await protocol.closed
        # The connection is not this request's any more: nothing may be written there.
        request.protocol.connection_lost(None)
        raise asyncio.CancelledError
