"""What the three providers' HTTP servers share: reading a body, knowing the address, sending."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar

from aiohttp import web

from callmocks.config.server_limits import DEFAULT_LIMITS, ServerLimits
from callmocks.tenants.delivery import Delivery
from callmocks.tenants.exchange import Reply

PUBLIC_URL = web.AppKey("public_url", str)
"""``scheme://host:port`` for addresses in answers; absent or empty: as the client wrote it."""


SERVER_LIMITS = web.AppKey("bounds", ServerLimits)
"""What the application takes at most; absent: the default."""
CHUNK_THRESHOLD = 1024 * 1024
"""Bytes of an answer that leave at once: what the client does not take yet is copied meanwhile."""
ErrorResponder = Callable[[web.BaseRequest, int, str], Awaitable[web.StreamResponse]]
ERROR_RESPONSE: web.AppKey[ErrorResponder] = web.AppKey("refusal")
"""How an application says that a request was not looked at: its status, and why."""


READ_CHUNKS: ContextVar[list[bytes] | None] = ContextVar("read_chunks", default=None)
"""While a request may be run again: the chunks of its body that were read."""
_YIELD_EVERY = 1024 * 1024
"""Bytes of one body after which others get their turn."""


class BodyTooLarge(Exception):
    """The body is longer than the provider takes; ``most`` bytes would have been taken."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"a body of at most {limit} bytes is taken")
        self.limit = limit


class BodyReadError(Exception):
    """The body cannot be had: 408 for one that takes too long, 400 for one that is broken.

    The gate answers that, by the application's ``REFUSAL``.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def limits_of(request: web.Request) -> ServerLimits:
    """The bounds that hold for a request."""
    return request.app.get(SERVER_LIMITS, DEFAULT_LIMITS)


class UploadBudget:
    """Bytes of bodies that are coming in to a suite, all together, while they are not complete."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0

    def acquire(self, size: int) -> None:
        """So many more have come; ``BodyLost`` when that is too many."""
        self._used += size
        if self._used > self._limit:
            text = f"the bodies that are coming in have more than {self._limit} bytes together"
            raise BodyReadError(503, text)

    def release(self, size: int) -> None:
        """A body of so many is complete, or given up."""
        self._used -= size


UPLOAD_BUDGET = web.AppKey("bodies", UploadBudget)
"""What is coming in to all applications of a suite."""


async def error_response(
    app: web.Application, request: web.BaseRequest, status: int, text: str
) -> web.StreamResponse:
    """Say in the application's own words that a request was not looked at, and close."""
    make = app.get(ERROR_RESPONSE)
    if make is None:
        response: web.StreamResponse = web.Response(status=status, text=text)
    else:
        response = await make(request, status, text)
    response.force_close()
    return response


async def read_body(
    request: web.Request, limit: int, on_chunk: Callable[[bytes], None] | None = None
) -> bytes:
    """The whole body, or ``BodyTooLarge`` before more than ``most`` bytes are kept.

    The suite's bound holds where it is lower. ``look`` sees each piece as it comes in and may raise
    to stop the reading. ``BodyLost`` when it breaks off.
    """
    bounds = limits_of(request)
    limit = min(limit, bounds.body)
    declared = request.content_length
    if declared is not None and declared > limit:
        raise BodyTooLarge(limit)
    kept = READ_CHUNKS.get()
    if not kept and request.content.is_eof():  # all of it came together with the head
        whole = request.content.read_nowait(-1)
        if kept is not None:
            kept.append(whole)
        if len(whole) > limit:
            raise BodyTooLarge(limit)
        if on_chunk is not None:
            on_chunk(whole)
        return whole
    try:
        async with asyncio.timeout(bounds.body_timeout or None):
            return await _read_chunks(request, limit, on_chunk)
    except TimeoutError:
        text = f"the body did not come to its end within {bounds.body_timeout:g} seconds"
        raise BodyReadError(408, text) from None
    except web.RequestPayloadError:
        text = "the body is broken: its chunks or its Content-Encoding cannot be read"
        raise BodyReadError(400, text) from None


async def _read_chunks(
    request: web.Request, limit: int, on_chunk: Callable[[bytes], None] | None
) -> bytes:
    bodies = request.app.get(UPLOAD_BUDGET)
    chunks: list[bytes] = []
    size, taken, turn = 0, 0, _YIELD_EVERY
    try:
        async for chunk in _iter_body(request):
            size += len(chunk)
            if size > limit:
                raise BodyTooLarge(limit)
            if on_chunk is not None:
                on_chunk(chunk)
            if bodies is not None:
                taken = size
                bodies.acquire(len(chunk))
            chunks.append(chunk)
            if size >= turn:  # a compressed body is unpacked without ever waiting for its client
                turn = size + _YIELD_EVERY
                await asyncio.sleep(0)
        return b"".join(chunks)
    finally:
        if bodies is not None:
            bodies.release(taken)


async def _iter_body(request: web.Request) -> AsyncIterator[bytes]:
    kept = READ_CHUNKS.get()
    for chunk in tuple(kept or ()):
        yield chunk
    async for chunk in request.content.iter_any():
        if kept is not None:
            kept.append(chunk)
        yield chunk


def request_origin(request: web.Request) -> str:
    """``http://host:port`` as the client wrote it: addresses in answers must lead back here."""
    return request.app.get(PUBLIC_URL) or f"{request.scheme}://{request.host}"


async def send_reply(request: web.BaseRequest, reply: Reply) -> web.StreamResponse:
    """Put a provider's reply on the wire."""
    headers = {"Content-Type": reply.content_type, **reply.headers}
    delivery = reply.delivery
    if delivery is None and len(reply.body) > CHUNK_THRESHOLD:
        delivery = Delivery(chunk_bytes=CHUNK_THRESHOLD)
    if delivery is not None:
        with suppress(ConnectionError):  # the client may have gone meanwhile
            return await _send_delivery(delivery, request, reply, headers)
        return web.Response()
    return web.Response(body=reply.body, status=reply.status, headers=headers)


async def _send_delivery(
    delivery: Delivery, request: web.BaseRequest, reply: Reply, headers: dict[str, str]
) -> web.StreamResponse:
    """Send as a fault wishes; what it wants said wrongly, aiohttp would not say by itself."""
    if delivery.delay:
        await asyncio.sleep(delivery.delay)
    if delivery.termination == "never":
        await _wait_disconnected(request)
    if delivery.termination and not delivery.truncate_at:
        abort_connection(request, delivery)
        return web.Response()  # aiohttp wants one from every handler; nobody will get it
    response = web.StreamResponse(status=reply.status, headers=headers)
    response.content_length = len(reply.body)
    await response.prepare(request)
    kept = reply.body[: delivery.truncate_at]
    step = delivery.chunk_bytes or len(kept) or 1
    for start in range(0, len(kept), step):
        if start and delivery.pause:
            await asyncio.sleep(delivery.pause)
        await response.write(kept[start : start + step])
    if delivery.truncate_at is None:
        await response.write_eof()
    else:
        abort_connection(request, delivery)
    return response


async def _wait_disconnected(request: web.BaseRequest) -> None:
    """Come back when the client has gone; a handler that only waits is not told by itself."""
    while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110
        await asyncio.sleep(0.05)


def abort_connection(request: web.BaseRequest, delivery: Delivery) -> None:
    """Break the connection off: a plain close, or a reset when that is wished."""
    transport = request.transport
    if transport is None:
        return
    if delivery.termination == "reset":
        sock = transport.get_extra_info("socket")
        if sock is not None:  # linger of zero seconds: the kernel sends RST instead of FIN
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    else:
        transport.close()
