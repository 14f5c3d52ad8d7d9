"""A proxy between a client and a provider that lets everything pass as it is, and looks at it.

::

    client ──▶ proxy ──▶ provider
           ◀──       ◀──
                │ copies, when the answer has gone
                ▼
              Traffic: mask ─ judge ─ journal ─ recording
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urlsplit

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
    web,
)
from multidict import CIMultiDict
from yarl import URL

from callmocks.verification.exchange_processor import MOST_BYTES, Seen, Traffic, unpacked
from callmocks.verification.http_client import why_unreached
from callmocks.verification.proxy_websocket import relay

CONNECT_SECONDS = 30.0
SILENT_SECONDS = 600.0
"""Longest wait for the next bytes of a provider."""

_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "host",
        "content-length",
        "expect",
    }
)
"""Headers that are about one connection, not about the message."""
_COMMAND = re.compile(r".*/service/cc/arm/([\w-]+)/?")
_OWN = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
"""Headers that aiohttp would add where a client said nothing."""


class Proxy:
    """Serves as a provider's stand-in; ``app`` is what listens."""

    def __init__(
        self, provider: str, upstream: str, traffic: Traffic, tls: ssl.SSLContext | bool
    ) -> None:
        parts = urlsplit(upstream)
        self.provider = provider
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self.path = parts.path
        self.traffic = traffic
        self._tls = tls
        self._session: ClientSession
        self.app = web.Application(client_max_size=MOST_BYTES)
        self.app.router.add_route("*", "/{path:.*}", self._any)
        self.app.cleanup_ctx.append(self._alive)

    async def _alive(self, app: web.Application):  # type: ignore[no-untyped-def]
        self._session = ClientSession(
            connector=TCPConnector(ssl=self._tls, limit=0),
            timeout=ClientTimeout(sock_connect=CONNECT_SECONDS, sock_read=SILENT_SECONDS),
            auto_decompress=False,
            skip_auto_headers=_OWN,
            cookie_jar=DummyCookieJar(),  # one client's session is not another's
        )
        self.traffic.start()
        yield
        await self.traffic.stop()
        await self._session.close()

    async def _any(self, request: web.Request) -> web.StreamResponse:
        url = URL(self.origin + request.raw_path, encoded=True)
        headers = passed_on(request.headers)
        if self.provider == "arm" and web.WebSocketResponse().can_prepare(request):
            return await relay(request, self._session, url, headers, self.traffic)
        body = bytearray()
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > MOST_BYTES:
                text = f"the proxy takes {MOST_BYTES} bytes at most\n"
                return web.Response(status=413, text=text)
        seen = self._seen(request, bytes(body))
        if seen.operation == "wsdl":
            headers["Accept-Encoding"] = "identity"
        try:
            return await self._pass_on(request, url, headers, seen)
        finally:
            await self.traffic.add(seen)

    async def _pass_on(
        self, request: web.Request, url: URL, headers: CIMultiDict[str], seen: Seen
    ) -> web.StreamResponse:
        try:
            async with self._session.request(
                request.method,
                url,
                headers=headers,
                data=seen.request or None,
                allow_redirects=False,
            ) as answer:
                seen.status, seen.media = answer.status, answer.headers.get("Content-Type", "")
                seen.encoding = _encoding(answer.headers)
                if seen.operation == "wsdl":
                    return await self._description(request, answer, seen)
                return await self._stream(request, answer, seen)
        except ClientConnectorError as error:
            seen.status = 0
            seen.notes.append(f"the provider cannot be reached: {why_unreached(error)}")
            return web.Response(status=502, text=f"{self.origin} cannot be reached\n")
        except (ClientError, TimeoutError) as error:
            # The client is to see what the proxy saw: an answer that does not come.
            seen.notes.append(f"no whole answer: {str(error) or type(error).__name__}")
            seen.status = 0
            if request.transport is not None:
                request.transport.close()
            return web.Response(status=502)

    async def _stream(
        self, request: web.Request, answer: ClientResponse, seen: Seen
    ) -> web.StreamResponse:
        """Hand the answer on as it comes, and keep a copy of what will be looked at."""
        response = web.StreamResponse(status=answer.status, reason=answer.reason)
        _copy(answer.headers, response)
        response.content_length = answer.content_length
        await response.prepare(request)
        copy = bytearray()
        gone = False
        async for chunk in answer.content.iter_any():
            if seen.judged and len(copy) < MOST_BYTES:
                copy += chunk
            if not gone:
                try:
                    await response.write(chunk)
                except ConnectionError:
                    gone = True
                    seen.notes.append("the client did not wait for the whole answer")
        seen.response = bytes(copy)
        if not gone:
            with suppress(ConnectionError):
                await response.write_eof()
        return response

    async def _description(
        self, request: web.Request, answer: ClientResponse, seen: Seen
    ) -> web.StreamResponse:
        """The WSDL names the provider's address, where a client would go past the proxy."""
        body = seen.response = await answer.read()
        here = f"{request.scheme}://{request.host}"
        body = body.replace(self.origin.encode(), here.encode())
        response = web.Response(status=answer.status, reason=answer.reason, body=body)
        response.headers.popall("Content-Type", None)
        _copy(answer.headers, response)
        return response

    def _seen(self, request: web.Request, body: bytes) -> Seen:
        """What the exchange is, as far as its first line tells."""
        operation, judged = request.path, False
        if self.provider == "arm":
            command = _COMMAND.fullmatch(request.path)
            if request.method == "POST" and command is not None:
                operation, judged = command[1], True
        elif not self.path or request.path.rstrip("/") == self.path:
            if request.method == "POST":
                operation, judged = "", True
            elif self.provider == "onec" and "wsdl" in request.query_string.lower():
                operation, judged = "wsdl", True
        now = self.traffic.tenant.clock.now()
        seen = Seen(self.provider, operation, now, body, judged=judged)
        seen.sent_encoding = _encoding(request.headers)
        if judged and not operation:
            seen.operation = _operation(self.provider, unpacked(seen, body, seen.sent_encoding))
        return seen


def passed_on(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """The headers that are about the message."""
    named = {name.strip().lower() for name in headers.get("Connection", "").split(",")}
    kept: CIMultiDict[str] = CIMultiDict()
    for name, value in headers.items():
        lowered = name.lower()
        if lowered not in _HOP and lowered not in named:
            kept.add(name, value)
    return kept


def _copy(headers: Mapping[str, str], response: web.StreamResponse) -> None:
    for name, value in passed_on(headers).items():
        response.headers.add(name, value)


def _encoding(headers: Mapping[str, str]) -> str:
    return headers.get("Content-Encoding", "").strip().lower()


def _operation(provider: str, body: bytes) -> str:
    """The method or operation that a message is for, as the journal names it."""
    from callmocks.tenants.detached import bare_exchange

    exchange = bare_exchange(provider, body)
    if provider == "cdr":
        from callmocks.cdr.provider import CdrProvider

        return CdrProvider().operation(exchange)
    from callmocks.onec.provider import Onec

    return Onec().operation(exchange)
