"""Bodies in an encoding that aiohttp cannot decode, refused in the application's own shape."""

import asyncio
import re
from typing import Any, Final

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_exceptions import ContentEncodingError

from callmocks.provider.server import error_response

_ENCODING: Final = re.compile(r"\((\w+)\)")  # in aiohttp's text


class HttpProtocol(web.RequestHandler):
    """aiohttp tells such an error before the request has headers, and answers it in plain text."""

    __slots__ = ("app",)

    def __init__(self, server: Any, app: web.Application) -> None:
        # As `server()` does it.
        super().__init__(server, loop=asyncio.get_running_loop(), **server._kwargs)
        self.app = app

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if not isinstance(exc, ContentEncodingError):
            return super().handle_error(request, status, exc, message)
        named = _ENCODING.search(exc.message)
        encoding = named[1] if named else exc.message
        text = f"the request has a Content-Encoding {encoding}, which is not supported"
        return _DeferredResponse(self.app, status, text)


class _DeferredResponse(web.StreamResponse):
    """The application's response, which is made when it is sent."""

    def __init__(self, app: web.Application, status: int, text: str) -> None:
        super().__init__(status=status)
        self.force_close()
        self._rejected = app, status, text
        self._response: web.StreamResponse | None = None

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        app, status, text = self._rejected
        self._response = await error_response(app, request, status, text)
        return await self._response.prepare(request)

    async def write_eof(self, data: bytes = b"") -> None:
        assert self._response is not None
        await self._response.write_eof(data)
