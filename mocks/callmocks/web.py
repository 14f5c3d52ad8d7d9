"""What the three providers' HTTP servers share: reading a body, knowing the address, sending."""

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress

from aiohttp import web

from callmocks.tenancy.delivery import Delivery
from callmocks.tenancy.exchange import Reply

PUBLIC_URL = web.AppKey("public_url", str)
"""``scheme://host:port`` for addresses in answers; absent or empty: as the client wrote it."""


class BodyTooLarge(Exception):
    """The body is longer than the provider takes."""


async def read_body(
    request: web.Request, most: int, look: Callable[[bytes], None] | None = None
) -> bytes:
    """The whole body, or ``BodyTooLarge`` before more than ``most`` bytes are kept.

    ``look`` sees each piece as it comes in and may raise to stop the reading.
    """
    declared = request.content_length
    if declared is not None and declared > most:
        raise BodyTooLarge
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
        if size > most:
            raise BodyTooLarge
        if look is not None:
            look(chunk)
        chunks.append(chunk)
    return b"".join(chunks)


def origin(request: web.Request) -> str:
    """``http://host:port`` as the client wrote it: addresses in answers must lead back here."""
    return request.app.get(PUBLIC_URL) or f"{request.scheme}://{request.host}"


async def send(request: web.Request, reply: Reply) -> web.StreamResponse:
    """Put a provider's reply on the wire."""
    headers = {"Content-Type": reply.content_type, **reply.headers}
    if reply.delivery is not None:
        with suppress(ConnectionError):  # the client may have gone meanwhile
            return await _send_by(reply.delivery, request, reply, headers)
        return web.Response()
    return web.Response(body=reply.body, status=reply.status, headers=headers)


async def _send_by(
    delivery: Delivery, request: web.Request, reply: Reply, headers: dict[str, str]
) -> web.StreamResponse:
    """Send as a fault wishes; what it wants said wrongly, aiohttp would not say by itself."""
    if delivery.delay:
        await asyncio.sleep(delivery.delay)
    if delivery.ending == "never":
        await _gone(request)
    if delivery.ending and not delivery.keep:
        end(request, delivery)
        return web.Response()  # aiohttp wants one from every handler; nobody will get it
    response = web.StreamResponse(status=reply.status, headers=headers)
    response.content_length = len(reply.body)
    await response.prepare(request)
    kept = reply.body[: delivery.keep]
    step = delivery.chunk or len(kept) or 1
    for start in range(0, len(kept), step):
        if start and delivery.pause:
            await asyncio.sleep(delivery.pause)
        await response.write(kept[start : start + step])
    if delivery.keep is None:
        await response.write_eof()
    else:
        end(request, delivery)
    return response


async def _gone(request: web.Request) -> None:
    """Come back when the client has gone; a handler that only waits is not told by itself."""
    while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110
        await asyncio.sleep(0.05)


def end(request: web.Request, delivery: Delivery) -> None:
    """Break the connection off: a plain close, or a reset when that is wished."""
    transport = request.transport
    if transport is None:
        return
    if delivery.ending == "reset":
        sock = transport.get_extra_info("socket")
        if sock is not None:  # linger of zero seconds: the kernel sends RST instead of FIN
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    else:
        transport.close()
