"""A proxy between a client and a provider: forwards everything unchanged and processes copies.

::

    client ──▶ proxy ──▶ provider
           ◀──       ◀──
                │ copies, after the response is sent
                ▼
         ExchangeProcessor: mask ─ validate ─ journal ─ record
"""

import ssl
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from callmocks.provider.credentials import decode_basic
from callmocks.provider.server import HttpServer
from callmocks.tenants.detached import detached_exchange
from callmocks.verification.exchange_processor import (
    MAX_BODY_BYTES,
    CapturedExchange,
    ExchangeProcessor,
)
from callmocks.verification.http_client import describe_connection_error, describe_failure
from callmocks.verification.proxy_websocket import relay_websocket

CONNECT_TIMEOUT = 30.0
READ_TIMEOUT = 600.0  # seconds without a byte from the provider

HOP_BY_HOP_HEADERS = frozenset({
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection",
    "te", "trailer", "transfer-encoding", "upgrade", "host", "content-length", "expect",
})  # fmt: skip
"""Headers of one connection, not of the message (RFC 9110, 7.6.1), and what aiohttp sets itself."""
WSDL = "wsdl"
SKIPPED_AUTO_HEADERS = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
"""Headers that aiohttp would add where the client sent none."""


class Proxy(HttpServer):
    def __init__(
        self, upstream: str, processor: ExchangeProcessor, tls: ssl.SSLContext | bool
    ) -> None:
        parts = urlsplit(upstream)
        self.provider = processor.provider
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self.path = parts.path
        self.processor = processor
        self._tls = tls
        self._session: aiohttp.ClientSession

    def list_routes(self) -> list[web.RouteDef]:
        return [web.route("*", "/{path:.*}", self._handle_request)]

    def create_app(self) -> web.Application:
        app = super().create_app()
        app.cleanup_ctx.append(self._manage_session)
        return app

    async def _manage_session(self, app: web.Application):  # type: ignore[no-untyped-def]
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._tls, limit=0),
            timeout=aiohttp.ClientTimeout(sock_connect=CONNECT_TIMEOUT, sock_read=READ_TIMEOUT),
            auto_decompress=False,
            skip_auto_headers=SKIPPED_AUTO_HEADERS,
            cookie_jar=aiohttp.DummyCookieJar(),  # clients must not share a session
        )
        self.processor.start()
        yield
        await self.processor.stop()
        await self._session.close()

    async def _handle_request(self, request: web.Request) -> web.StreamResponse:
        url = URL(self.origin + request.raw_path, encoded=True)
        headers = forwarded_headers(request.headers)
        if self.provider.relays_websockets and web.WebSocketResponse().can_prepare(request):
            credentials = list_credentials(request.headers)
            return await relay_websocket(
                request, self._session, url, headers, self.processor, credentials
            )
        body = bytearray()
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                text = f"the proxy takes {MAX_BODY_BYTES} bytes at most\n"
                return web.Response(status=413, text=text)
        captured = self._capture_request(request, bytes(body))
        if captured.operation == WSDL:
            headers["Accept-Encoding"] = "identity"
        try:
            return await self._forward_request(request, url, headers, captured)
        finally:
            await self.processor.add(captured)

    def _capture_request(self, request: web.Request, body: bytes) -> CapturedExchange:
        operation, in_contract = self.provider.classify_request(
            request.method, request.path, request.query_string, self.path
        )
        now = self.processor.tenant.clock.now()
        captured = CapturedExchange(operation, body, at=now, in_contract=in_contract)
        captured.request_encoding = _content_encoding(request.headers)
        captured.credentials = list_credentials(request.headers)
        if not operation:
            message = captured.decompress_body(body, captured.request_encoding)
            exchange = detached_exchange(self.provider, message)
            captured.operation = self.provider.find_operation(exchange)
        return captured

    async def _forward_request(
        self, request: web.Request, url: URL, headers: CIMultiDict[str], captured: CapturedExchange
    ) -> web.StreamResponse:
        try:
            method, data = request.method, captured.request or None
            async with self._session.request(
                method, url, headers=headers, data=data, allow_redirects=False
            ) as upstream:
                captured.status = upstream.status
                captured.content_type = upstream.headers.get("Content-Type", "")
                captured.response_encoding = _content_encoding(upstream.headers)
                captured.credentials += list_credentials(upstream.headers)
                if captured.operation == WSDL:
                    return await self._rewrite_wsdl(request, upstream, captured)
                return await self._stream_response(request, upstream, captured)
        except aiohttp.ClientConnectorError as error:
            reason = describe_connection_error(error)
            captured.notes.append(f"the provider cannot be reached: {reason}")
            captured.status = 0
            return web.Response(status=502, text=f"{self.origin} cannot be reached\n")
        except (aiohttp.ClientError, TimeoutError) as error:
            # The client must see the same as the proxy: a response that breaks off.
            captured.notes.append(f"no whole answer: {describe_failure(error, READ_TIMEOUT)}")
            captured.status = 0
            if request.transport is not None:
                request.transport.close()
            return web.Response(status=502)

    async def _stream_response(
        self, request: web.Request, upstream: aiohttp.ClientResponse, captured: CapturedExchange
    ) -> web.StreamResponse:
        """Forward chunk by chunk; keep a copy of what is validated."""
        response = web.StreamResponse(status=upstream.status, reason=upstream.reason)
        response.headers.extend(forwarded_headers(upstream.headers))
        response.content_length = upstream.content_length
        await response.prepare(request)
        copy = bytearray()
        connected = True
        async for chunk in upstream.content.iter_any():
            if captured.in_contract and len(copy) < MAX_BODY_BYTES:
                copy += chunk
            if connected:
                try:
                    await response.write(chunk)
                except ConnectionError:
                    connected = False
                    captured.notes.append("the client did not wait for the whole answer")
        captured.response = bytes(copy)
        if connected:
            with suppress(ConnectionError):
                await response.write_eof()
        return response

    async def _rewrite_wsdl(
        self, request: web.Request, upstream: aiohttp.ClientResponse, captured: CapturedExchange
    ) -> web.StreamResponse:
        """Replace the provider's address, by which a client would bypass the proxy."""
        captured.response = await upstream.read()
        own_origin = f"{request.scheme}://{request.host}".encode()
        body = captured.response.replace(self.origin.encode(), own_origin)
        response = web.Response(status=upstream.status, reason=upstream.reason, body=body)
        response.headers.popall("Content-Type", None)
        response.headers.extend(forwarded_headers(upstream.headers))
        return response


def forwarded_headers(headers: Mapping[str, str]) -> CIMultiDict[str]:
    listed = {name.strip().lower() for name in headers.get("Connection", "").split(",")}
    excluded = HOP_BY_HOP_HEADERS | listed
    return CIMultiDict(pair for pair in headers.items() if pair[0].lower() not in excluded)


def list_credentials(headers: CIMultiDictProxy[str]) -> tuple[str, ...]:
    """Of ``Authorization`` and cookies, whole and in parts."""
    found: list[str] = []
    for name in ("Authorization", "Proxy-Authorization"):
        for value in headers.getall(name, ()):
            basic = decode_basic(value)
            found += [*basic] if basic else [value.rpartition(" ")[2]]
    for name in ("Cookie", "Set-Cookie"):
        for value in headers.getall(name, ()):
            pairs = value.split(";") if name == "Cookie" else [value.partition(";")[0]]
            found += [pair.partition("=")[2].strip() for pair in pairs]
    return tuple(filter(None, found))


def _content_encoding(headers: Mapping[str, str]) -> str:
    return headers.get("Content-Encoding", "").strip().lower()
