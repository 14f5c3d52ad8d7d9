"""Reading the body of a request, within the limits of its server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar

from aiohttp import web

from callmocks.config.server_limits import DEFAULT_LIMITS, ServerLimits

# Absent: the default limits.
SERVER_LIMITS = web.AppKey("server_limits", ServerLimits)
# While a request may be run again: the chunks of its body that were read.
READ_CHUNKS: ContextVar[list[bytes] | None] = ContextVar("read_chunks", default=None)
# Bytes of one body after which other requests are served.
_YIELD_EVERY = 1024 * 1024


class BodyTooLarge(Exception):
    def __init__(self, limit: int) -> None:
        super().__init__(f"a body of at most {limit} bytes is taken")
        self.limit = limit


class BodyReadError(Exception):
    """408 for a body that takes too long, 400 for one that is broken; see ``ERROR_RESPONSE``."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class UploadBudget:
    """Bytes of all bodies that a server is receiving and that are not complete yet."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0

    def acquire(self, size: int) -> None:
        self._used += size
        if self._used > self._limit:
            text = f"the bodies that are coming in have more than {self._limit} bytes together"
            raise BodyReadError(503, text)

    def release(self, size: int) -> None:
        self._used -= size


UPLOAD_BUDGET = web.AppKey("upload_budget", UploadBudget)


async def read_body(
    request: web.Request, limit: int, on_chunk: Callable[[bytes], None] | None = None
) -> bytes:
    """The whole body, or ``BodyTooLarge`` before more than ``limit`` bytes are kept.

    The server's own limit holds where it is lower. ``on_chunk`` gets each chunk as it comes in and
    may raise to stop the reading. ``BodyReadError`` when it breaks off.
    """
    limits = request.app.get(SERVER_LIMITS, DEFAULT_LIMITS)
    limit = min(limit, limits.body)
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
        async with asyncio.timeout(limits.body_timeout or None):
            return await _read_chunks(request, limit, on_chunk)
    except TimeoutError:
        text = f"the body did not come to its end within {limits.body_timeout:g} seconds"
        raise BodyReadError(408, text) from None
    except web.RequestPayloadError:
        text = "the body is broken: its chunks or its Content-Encoding cannot be read"
        raise BodyReadError(400, text) from None


async def _read_chunks(
    request: web.Request, limit: int, on_chunk: Callable[[bytes], None] | None
) -> bytes:
    budget = request.app.get(UPLOAD_BUDGET)
    chunks: list[bytes] = []
    size, acquired, next_yield = 0, 0, _YIELD_EVERY
    try:
        async for chunk in _iter_body(request):
            size += len(chunk)
            if size > limit:
                raise BodyTooLarge(limit)
            if on_chunk is not None:
                on_chunk(chunk)
            if budget is not None:
                acquired = size
                budget.acquire(len(chunk))
            chunks.append(chunk)
            if size >= next_yield:  # a compressed body never waits for its client
                next_yield = size + _YIELD_EVERY
                await asyncio.sleep(0)
        return b"".join(chunks)
    finally:
        if budget is not None:
            budget.release(acquired)


async def _iter_body(request: web.Request) -> AsyncIterator[bytes]:
    kept = READ_CHUNKS.get()
    for chunk in tuple(kept or ()):
        yield chunk
    async for chunk in request.content.iter_any():
        if kept is not None:
            kept.append(chunk)
        yield chunk
