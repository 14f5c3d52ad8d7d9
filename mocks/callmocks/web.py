"""What the three providers' HTTP servers share: reading a body, knowing the address, sending."""

from aiohttp import web

from callmocks.tenancy.exchange import Reply


class BodyTooLarge(Exception):
    """The body is longer than the provider takes."""


async def read_body(request: web.Request, most: int) -> bytes:
    """The whole body, or ``BodyTooLarge`` before more than ``most`` bytes are kept."""
    declared = request.content_length
    if declared is not None and declared > most:
        raise BodyTooLarge
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
        if size > most:
            raise BodyTooLarge
        chunks.append(chunk)
    return b"".join(chunks)


def origin(request: web.Request) -> str:
    """``http://host:port`` as the client wrote it: addresses in answers must lead back here."""
    return f"{request.scheme}://{request.host}"


async def send(request: web.Request, reply: Reply) -> web.StreamResponse:
    """Put a provider's reply on the wire."""
    headers = {"Content-Type": reply.content_type, **reply.headers}
    return web.Response(body=reply.body, status=reply.status, headers=headers)
