"""Answers of any size, made in pieces whose bytes count from the first on."""

import msgspec
from aiohttp import web

from callmocks.provider.server import SEND_BUDGET, send_reply
from callmocks.tenants.exchange import Reply
from callmocks.tenants.send_budget import LARGE_ANSWER_BYTES, UNLIMITED


class PendingAnswer:
    """The JSON that a request gets, from its first piece until it has left."""

    def __init__(self, request: web.Request) -> None:
        self.size = 0
        """Bytes of the pieces so far."""
        self._request = request
        self._budget = request.app.get(SEND_BUDGET, UNLIMITED)
        self._reserved = 0

    def encode(self, value: object) -> msgspec.Raw:
        """A piece; ``SendLimitReached`` when large answers have too many bytes together."""
        piece = msgspec.json.encode(value)
        self.size += len(piece) + 1
        self._reserve(self.size)
        return msgspec.Raw(piece)

    async def send(self, body: bytes, status: int) -> web.StreamResponse:
        if len(body) <= LARGE_ANSWER_BYTES or self._request.method == "HEAD":
            return web.Response(body=body, status=status, content_type="application/json")
        self._reserve(len(body))
        return await send_reply(self._request, Reply(body, status, "application/json"))

    def release(self) -> None:
        self._reserve(0)

    def _reserve(self, size: int) -> None:
        if size > LARGE_ANSWER_BYTES or self._reserved:
            self._reserved = self._budget.resize(self._reserved, size)
