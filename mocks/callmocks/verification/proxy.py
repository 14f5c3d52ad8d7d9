"""A proxy between a client and a provider: forwards everything unchanged and processes copies.

::

    client ──▶ proxy ──▶ provider
           ◀──       ◀──
                │ copies, after the response is sent
                ▼
         ExchangeProcessor: mask ─ validate ─ journal ─ record
"""

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from callmocks.contract.urls import format_origin
from callmocks.provider.bodies import BodyReadError, UploadBudget
from callmocks.provider.credentials import decode_basic
from callmocks.provider.server import HttpServer
from callmocks.verification.captured import CROWDED, MAX_BODY_BYTES, CapturedExchange
from callmocks.verification.exchange_processor import MAX_HELD_BYTES, ExchangeProcessor
from callmocks.verification.http_client import describe_connection_error, describe_failure
from callmocks.verification.proxy_websocket import relay_websocket
from callmocks.verification.tunnels import Tunnels

CONNECT_TIMEOUT = 30.0
READ_TIMEOUT = 600.0  # seconds without a byte from the provider

HOP_BY_HOP_HEADERS = frozenset({
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection",
    "te", "trailer", "transfer-encoding", "upgrade", "host", "content-length", "expect",
})  # fmt: skip
"""Headers of one connection, not of the message (RFC 9110, 7.6.1), and what aiohttp sets itself."""
WSDL = "wsdl"
MAX_WSDL_BYTES = 16 * 1024 * 1024
ABSOLUTE_TARGET = re.compile(r"(https?://[^/?#]*)", re.IGNORECASE)
CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
CONTROL_NOTE = "a header of the answer has control characters: forwarded as blanks"
SKIPPED_AUTO_HEADERS = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
"""Headers that aiohttp would add where the client sent none."""


class Proxy(HttpServer):
    def __init__(
        self,
        upstream: str,
        processor: ExchangeProcessor,
        tls: ssl.SSLContext | bool,
        tunnels: Tunnels | None = None,
    ) -> None:
        parts = urlsplit(upstream)
        self.provider = processor.provider
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self.path = parts.path
        self.processor = processor
        self._tls = tls
        self._tunnels = tunnels
        self._uploads = UploadBudget(MAX_HELD_BYTES)
        self._session: aiohttp.ClientSession

    def list_routes(self) -> list[web.RouteDef]:
        return [web.route("*", "/{path:.*}", self._handle_request)]

    def create_app(self) -> web.Application:
        app = super().create_app()
        app.middlewares.insert(0, self._open_tunnels)
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

    @web.middleware
    async def _open_tunnels(
        self, request: web.Request, handler: Callable[..., Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """CONNECT has no path, by which a route would be found."""
        if request.method != "CONNECT":
            return await handler(request)
        if self._tunnels is None:
            return web.Response(status=405, text="CONNECT needs a proxy with --forward\n")
        return await self._tunnels.open_tunnel(request)

    def _find_target(self, request: web.Request) -> tuple[str, str] | None:
        """Origin and path of a request; None when it is not for this proxy."""
        path = request.raw_path
        inside = None if self._tunnels is None else self._tunnels.find_origin(request)
        absolute = ABSOLUTE_TARGET.match(path)
        if absolute is None:
            return (inside or self.origin, path) if path.startswith("/") else None
        named, rest = absolute[1].lower(), path[absolute.end() :]
        if named not in {inside or self.origin, *list_own_origins(request)}:
            return None
        return inside or self.origin, rest if rest.startswith("/") else f"/{rest}"

    async def _handle_request(self, request: web.Request) -> web.StreamResponse:
        target = self._find_target(request)
        if target is None:
            text = f"the proxy forwards to {self.origin} alone\n"
            return web.Response(status=403, text=text)
        origin, path = target
        url = URL(origin + path, encoded=True)
        headers = forwarded_headers(request.headers)
        if self.provider.relays_websockets and web.WebSocketResponse().can_prepare(request):
            credentials = list_credentials(request.headers)
            return await relay_websocket(
                request, self._session, url, headers, self.processor, credentials
            )
        chunks: list[bytes] = []
        try:
            refusal = await self._read_body(request, chunks)
            if refusal is not None:
                return refusal
            captured = self._capture_request(request, url, b"".join(chunks))
            chunks[:] = [captured.request]
            if captured.operation == WSDL:
                headers["Accept-Encoding"] = "identity"
            try:
                return await self._forward_request(request, url, headers, captured)
            finally:
                if not captured.held_bytes:
                    captured.cut_request()
                await self.processor.add(captured)
        finally:
            self._uploads.release(sum(map(len, chunks)))

    async def _read_body(self, request: web.Request, chunks: list[bytes]) -> web.Response | None:
        """Into ``chunks``, which the budget has; or the answer to a body that is not taken."""
        size = 0
        async for chunk in request.content.iter_any():
            chunks.append(chunk)
            size += len(chunk)
            try:
                self._uploads.acquire(len(chunk))
            except BodyReadError as error:
                return web.Response(status=error.status, text=f"the proxy is busy: {error}\n")
            if size > MAX_BODY_BYTES:
                text = f"the proxy takes {MAX_BODY_BYTES} bytes at most\n"
                return web.Response(status=413, text=text)
        return None

    def _capture_request(self, request: web.Request, url: URL, body: bytes) -> CapturedExchange:
        operation, in_contract = self.provider.classify_request(
            request.method, url.path, url.query_string, self.path
        )
        now = self.processor.tenant.clock.now()
        captured = CapturedExchange(operation, body, at=now, in_contract=in_contract)
        if not self.processor.hold(captured, len(body)):
            captured.skip_content(CROWDED)
        captured.request_encoding = _content_encoding(request.headers)
        captured.credentials = list_credentials(request.headers)
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
        response = web.StreamResponse(status=upstream.status, reason=clean_text(upstream.reason))
        response.headers.extend(self._answer_headers(request, upstream, captured))
        response.content_length = upstream.content_length
        await response.prepare(request)
        copy = bytearray()
        try:
            async for chunk in upstream.content.iter_any():
                self.processor.add_chunk(captured, copy, chunk)
                await response.write(chunk)
            await response.write_eof()
        except (ConnectionError, asyncio.CancelledError) as error:
            # Nobody reads the rest: the provider need not send it.
            upstream.close()
            captured.notes.append("the client did not wait for the whole answer")
            captured.status = 0
            if isinstance(error, asyncio.CancelledError):
                raise
        finally:
            captured.response = bytes(copy)
        return response

    def _answer_headers(
        self, request: web.Request, upstream: aiohttp.ClientResponse, captured: CapturedExchange
    ) -> CIMultiDict[str]:
        """A ``Location`` at the provider leads to the proxy; control characters become blanks."""
        headers: CIMultiDict[str] = CIMultiDict()
        origin = f"{upstream.url.scheme}://{upstream.url.raw_authority}"
        own = find_own_origin(request)
        for name, value in forwarded_headers(upstream.headers).items():
            clean = clean_text(value)
            if clean != value and CONTROL_NOTE not in captured.notes:
                captured.notes.append(CONTROL_NOTE)
            if name.lower() == "location" and clean.startswith((f"{origin}/", f"{origin}?")):
                clean = own + clean.removeprefix(origin)
            headers.add(name, clean)
        return headers

    async def _rewrite_wsdl(
        self, request: web.Request, upstream: aiohttp.ClientResponse, captured: CapturedExchange
    ) -> web.StreamResponse:
        """Replace the provider's address, by which a client would bypass the proxy."""
        copy = bytearray()
        async for chunk in upstream.content.iter_any():
            self.processor.add_chunk(captured, copy, chunk)
            if captured.skips_answer or len(copy) > MAX_WSDL_BYTES:
                upstream.close()
                text = f"the proxy takes a WSDL of {MAX_WSDL_BYTES} bytes at most\n"
                captured.in_contract = False
                return web.Response(status=502, text=text)
        captured.response = bytes(copy)
        own_origin = find_own_origin(request).encode()
        body = captured.response.replace(self.origin.encode(), own_origin)
        reason = clean_text(upstream.reason)
        response = web.Response(status=upstream.status, reason=reason, body=body)
        response.headers.popall("Content-Type", None)
        response.headers.extend(self._answer_headers(request, upstream, captured))
        return response


def find_own_origin(request: web.Request) -> str:
    """The proxy's address as the client knows it; an absolute target hides it from aiohttp."""
    scheme = "https" if request.get_extra_info("sslcontext") else "http"
    return f"{scheme}://{request.headers.get('Host', request.host)}"


def list_own_origins(request: web.Request) -> tuple[str, ...]:
    """The socket's, which no header can change."""
    name = request.get_extra_info("sockname")
    if not isinstance(name, tuple):
        return ()
    scheme = "https" if request.get_extra_info("sslcontext") else "http"
    return tuple(format_origin(scheme, host, name[1]) for host in (name[0], "localhost"))


def clean_text(text: str | None) -> str:
    """Of a header or a reason: what no HTTP message may hold becomes a blank."""
    return CONTROL_CHARACTERS.sub(" ", text or "").encode("utf-8", "replace").decode()


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
