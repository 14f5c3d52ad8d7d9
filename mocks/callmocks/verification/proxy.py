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

from callmocks.verification.exchange_processor import (
    MAX_BODY_BYTES,
    CapturedExchange,
    ExchangeProcessor,
    decompress_body,
)
from callmocks.verification.http_client import describe_connection_error
from callmocks.verification.proxy_websocket import relay_websocket

CONNECT_TIMEOUT = 30.0
READ_TIMEOUT = 600.0
"""Longest wait for the next bytes of a provider."""

HOP_BY_HOP_HEADERS = frozenset(
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
COMMAND_PATH = re.compile(r".*/service/cc/arm/([\w-]+)/?")
SKIPPED_AUTO_HEADERS = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
"""Headers that aiohttp would add where a client said nothing."""


class Proxy:
    """Serves as a provider's stand-in; ``app`` is what listens."""

    def __init__(
        self, provider: str, upstream: str, processor: ExchangeProcessor, tls: ssl.SSLContext | bool
    ) -> None:
        parts = urlsplit(upstream)
        self.provider = provider
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self.path = parts.path
        self.processor = processor
        self._tls = tls
        self._session: ClientSession
        self.app = web.Application(client_max_size=MAX_BODY_BYTES)
        self.app.router.add_route("*", "/{path:.*}", self._handle_request)
        self.app.cleanup_ctx.append(self._manage_session)

    async def _manage_session(self, app: web.Application):  # type: ignore[no-untyped-def]
        self._session = ClientSession(
            connector=TCPConnector(ssl=self._tls, limit=0),
            timeout=ClientTimeout(sock_connect=CONNECT_TIMEOUT, sock_read=READ_TIMEOUT),
            auto_decompress=False,
            skip_auto_headers=SKIPPED_AUTO_HEADERS,
            cookie_jar=DummyCookieJar(),  # one client's session is not another's
        )
        self.processor.start()
        yield
        await self.processor.stop()
        await self._session.close()

    async def _handle_request(self, request: web.Request) -> web.StreamResponse:
        url = URL(self.origin + request.raw_path, encoded=True)
        headers = forwarded_headers(request.headers)
        if self.provider == "arm" and web.WebSocketResponse().can_prepare(request):
            return await relay_websocket(request, self._session, url, headers, self.processor)
        body = bytearray()
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                text = f"the proxy takes {MAX_BODY_BYTES} bytes at most\n"
                return web.Response(status=413, text=text)
        seen = self._capture_request(request, bytes(body))
        if seen.operation == "wsdl":
            headers["Accept-Encoding"] = "identity"
        try:
            return await self._forward_request(request, url, headers, seen)
        finally:
            await self.processor.add(seen)

    async def _forward_request(
        self, request: web.Request, url: URL, headers: CIMultiDict[str], captured: CapturedExchange
    ) -> web.StreamResponse:
        try:
            async with self._session.request(
                request.method,
                url,
                headers=headers,
                data=captured.request or None,
                allow_redirects=False,
            ) as answer:
                captured.status, captured.media_type = (
                    answer.status,
                    answer.headers.get("Content-Type", ""),
                )
                captured.response_encoding = _content_encoding(answer.headers)
                if captured.operation == "wsdl":
                    return await self._rewrite_wsdl(request, answer, captured)
                return await self._stream_response(request, answer, captured)
        except ClientConnectorError as error:
            captured.status = 0
            captured.notes.append(
                f"the provider cannot be reached: {describe_connection_error(error)}"
            )
            return web.Response(status=502, text=f"{self.origin} cannot be reached\n")
        except (ClientError, TimeoutError) as error:
            # The client is to see what the proxy saw: an answer that does not come.
            captured.notes.append(f"no whole answer: {str(error) or type(error).__name__}")
            captured.status = 0
            if request.transport is not None:
                request.transport.close()
            return web.Response(status=502)

    async def _stream_response(
        self, request: web.Request, upstream: ClientResponse, captured: CapturedExchange
    ) -> web.StreamResponse:
        """Hand the answer on as it comes, and keep a copy of what will be looked at."""
        response = web.StreamResponse(status=upstream.status, reason=upstream.reason)
        _copy_headers(upstream.headers, response)
        response.content_length = upstream.content_length
        await response.prepare(request)
        copy = bytearray()
        gone = False
        async for chunk in upstream.content.iter_any():
            if captured.in_contract and len(copy) < MAX_BODY_BYTES:
                copy += chunk
            if not gone:
                try:
                    await response.write(chunk)
                except ConnectionError:
                    gone = True
                    captured.notes.append("the client did not wait for the whole answer")
        captured.response = bytes(copy)
        if not gone:
            with suppress(ConnectionError):
                await response.write_eof()
        return response

    async def _rewrite_wsdl(
        self, request: web.Request, upstream: ClientResponse, captured: CapturedExchange
    ) -> web.StreamResponse:
        """The WSDL names the provider's address, where a client would go past the proxy."""
        body = captured.response = await upstream.read()
        here = f"{request.scheme}://{request.host}"
        body = body.replace(self.origin.encode(), here.encode())
        response = web.Response(status=upstream.status, reason=upstream.reason, body=body)
        response.headers.popall("Content-Type", None)
        _copy_headers(upstream.headers, response)
        return response

    def _capture_request(self, request: web.Request, body: bytes) -> CapturedExchange:
        """What the exchange is, as far as its first line tells."""
        operation, judged = request.path, False
        if self.provider == "arm":
            command = COMMAND_PATH.fullmatch(request.path)
            if request.method == "POST" and command is not None:
                operation, judged = command[1], True
        elif not self.path or request.path.rstrip("/") == self.path:
            if request.method == "POST":
                operation, judged = "", True
            elif self.provider == "onec" and "wsdl" in request.query_string.lower():
                operation, judged = "wsdl", True
        now = self.processor.tenant.clock.now()
        seen = CapturedExchange(self.provider, operation, now, body, in_contract=judged)
        seen.request_encoding = _content_encoding(request.headers)
        if judged and not operation:
            seen.operation = _detect_operation(
                self.provider, decompress_body(seen, body, seen.request_encoding)
            )
        return seen


def forwarded_headers(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """The headers that are about the message."""
    named = {name.strip().lower() for name in headers.get("Connection", "").split(",")}
    kept: CIMultiDict[str] = CIMultiDict()
    for name, value in headers.items():
        lowered = name.lower()
        if lowered not in HOP_BY_HOP_HEADERS and lowered not in named:
            kept.add(name, value)
    return kept


def _copy_headers(headers: Mapping[str, str], response: web.StreamResponse) -> None:
    for name, value in forwarded_headers(headers).items():
        response.headers.add(name, value)


def _content_encoding(headers: Mapping[str, str]) -> str:
    return headers.get("Content-Encoding", "").strip().lower()


def _detect_operation(provider: str, body: bytes) -> str:
    """The method or operation that a message is for, as the journal names it."""
    from callmocks.server.providers import PROVIDERS
    from callmocks.tenants.detached import detached_exchange

    found = PROVIDERS[provider]
    return found.find_operation(detached_exchange(found, body))
