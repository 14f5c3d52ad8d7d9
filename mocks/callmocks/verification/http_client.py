"""An HTTP client for checks: bounded in time and bytes; each kind of failure has its own text."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from socket import gaierror
from urllib.parse import urlsplit, urlunsplit

import aiohttp

from callmocks.errors import CheckError, SettingsError

MAX_BODY_BYTES = 64 * 1024 * 1024  # the rest of a longer response is not read
MAX_WINDOW_BITS = 15  # of permessage-deflate
# Reasons of several versions of OpenSSL for a response that is not TLS.
NOT_TLS_REASONS = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG"}
NOT_TLS_REASONS |= {"RECORD_LAYER_FAILURE"}


class NoResponseError(Exception):
    """The endpoint was reached and sent no whole response; the text says what it did."""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        """In lower case, without parameters."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def load_ca(ca: Path | None) -> ssl.SSLContext | bool:
    if ca is None:
        return True
    try:
        return ssl.create_default_context(cafile=str(ca))
    except ssl.SSLError:
        raise SettingsError(f"--ca: {ca}: no certificate is in it") from None
    except OSError as error:
        raise SettingsError(f"--ca: {ca}: {error.strerror}") from None


def parse_url_option(url: str, option: str, schemes: tuple[str, ...]) -> str:
    """``SettingsError`` when it is not an address of an endpoint."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
        parts = urlsplit("")
    if "@" in url:
        # The address is not repeated: errors end up in logs.
        raise SettingsError(f"{option}: credentials do not belong in the address")
    if good and (parts.query or parts.fragment):
        rest = url[len(urlunsplit(parts._replace(query="", fragment=""))) :]
        raise SettingsError(f"{option}: leave {rest!r} out, the address ends before it")
    if not good:
        wanted = " or ".join(f"{scheme}://HOST" for scheme in schemes)
        raise SettingsError(f"{option}: {url!r} is not an address such as {wanted}")
    return url


class HttpClient:
    def __init__(self, timeout: float, tls: ssl.SSLContext | bool = True) -> None:
        self.timeout = timeout
        self.reached = False  # whether the endpoint has accepted a connection
        self._tls = tls
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> HttpClient:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._tls),
            timeout=aiohttp.ClientTimeout(total=self.timeout, sock_connect=self.timeout),
            cookie_jar=aiohttp.DummyCookieJar(),  # a request without credentials really has none
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def send_request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b""
    ) -> HttpResponse:
        """``CheckError`` without a connection, ``NoResponseError`` without a whole response."""
        try:
            async with self._session.request(
                method, url, data=body or None, headers=headers, allow_redirects=False
            ) as response:
                self.reached = True
                content = await response.content.read(MAX_BODY_BYTES)
                while not response.content.at_eof() and len(content) < MAX_BODY_BYTES:
                    content += await response.content.read(MAX_BODY_BYTES - len(content))
                return HttpResponse(response.status, response.headers, content)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise self._to_check_error(error, url) from None

    async def open_websocket(
        self, url: str, headers: Mapping[str, str], *, compress: bool = False
    ) -> aiohttp.ClientWebSocketResponse:
        """``WSServerHandshakeError`` when the server refuses the upgrade; with ``compress``
        permessage-deflate is offered.
        """
        try:
            limit = MAX_BODY_BYTES
            bits = MAX_WINDOW_BITS if compress else 0
            opening = self._session.ws_connect(
                url, headers=headers, max_msg_size=limit, compress=bits
            )
            socket = await asyncio.wait_for(opening, self.timeout)
        except aiohttp.WSServerHandshakeError:
            self.reached = True
            raise
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise self._to_check_error(error, url) from None
        self.reached = True
        return socket

    def _to_check_error(self, error: Exception, url: str) -> Exception:
        no_connection = aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError
        if isinstance(error, no_connection) and not self.reached:
            return CheckError(f"{url} cannot be reached: {describe_connection_error(error)}")
        return NoResponseError(describe_failure(error, self.timeout))


def describe_connection_error(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        cause = error.certificate_error
        reason = getattr(cause, "verify_message", "") or str(cause)
        return f"its certificate is not trusted, {reason}; --ca FILE says what to trust"
    if not isinstance(error, aiohttp.ClientConnectorError):
        return "it does not take the connection"
    inner = error.os_error
    if isinstance(inner, ssl.SSLError):  # its errno is an OpenSSL number
        if inner.reason in NOT_TLS_REASONS:
            return "there is no TLS there, perhaps it is http:// or ws://"
        return f"TLS: {inner.reason or inner}"
    # asyncio's own text repeats the address; gaierror has no errno, only a text.
    if inner.errno is not None and inner.errno > 0 and not isinstance(inner, gaierror):
        return os.strerror(inner.errno)
    return inner.strerror or str(inner)


def describe_failure(error: Exception, timeout: float) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"no connection: {describe_connection_error(error)}"
    if isinstance(error, TimeoutError):
        return f"nothing for {timeout:g} seconds"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "an answer shorter than announced"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "a closed connection"
    if isinstance(error, aiohttp.ClientOSError):
        return "a connection that was reset"
    if isinstance(error, aiohttp.ClientResponseError):
        return "an answer that is not HTTP"  # the error's own text repeats it
    return type(error).__name__
