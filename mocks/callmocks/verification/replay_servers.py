"""The servers of a replay: the providers' addresses, with recorded answers behind them."""

from __future__ import annotations

import re
from collections.abc import Callable

from aiohttp import web

from callmocks.arm import provider as _arm  # noqa: F401 - makes itself known
from callmocks.arm.connection import Connection
from callmocks.arm.service import PATH as ARM_PATH
from callmocks.arm.service import Caller
from callmocks.cdr import provider as cdr_provider
from callmocks.onec import provider as _onec  # noqa: F401 - makes itself known
from callmocks.onec import wsdl
from callmocks.provider.http import BodyTooLarge, origin, read_body, send
from callmocks.tenants import pipeline
from callmocks.tenants.exchange import Exchange, Reply
from callmocks.tenants.registry import Registry
from callmocks.tenants.tenant import Tenant
from callmocks.verification.replay import Answers

TENANT = "demo"
BODY_BYTES = 16 * 1024 * 1024
_LOCATION = re.compile(rb'(<(?:\w+:)?address\s+location=")[^"]*')


class _Server:
    """What the three have in common: a body in, the recorded answer out."""

    def __init__(self, registry: Registry, answers: Answers) -> None:
        self.registry = registry
        self.answers = answers

    @property
    def tenant(self) -> Tenant:
        """Whose journal and faults these are, whoever asks."""
        return self.registry.get(TENANT) or self.registry.nobody

    def exchange(self, request: web.Request, body: bytes, operation: str = "") -> Exchange:
        """The exchange of a request over HTTP."""
        return Exchange.of(
            self.tenant,
            self.answers.provider,
            body,
            operation=operation,
            origin=origin(request),
            peer=request.remote or "",
        )

    async def post(self, request: web.Request) -> web.StreamResponse:
        """A request by POST; ARM's address names the command."""
        try:
            body = await read_body(request, BODY_BYTES)
        except BodyTooLarge:
            return web.Response(status=413, text=f"at most {BODY_BYTES} bytes are taken\n")
        exchange = self.exchange(request, body, request.match_info.get("command", ""))
        return await send(request, await pipeline.run(exchange, self.answers.handle))

    async def description(self, request: web.Request) -> web.StreamResponse:
        """The WSDL: the recorded one, else callmocks' own, with this server's address."""
        address = origin(request) + wsdl.PATH
        body = wsdl.document(address)
        if self.answers.description:
            body = _LOCATION.sub(rb"\g<1>" + address.encode(), self.answers.description)

        async def handle(exchange: Exchange) -> Reply:
            return Reply(body, 200, "text/xml; charset=utf-8")

        exchange = self.exchange(request, b"", "wsdl")
        return await send(request, await pipeline.run(exchange, handle))

    async def socket(self, request: web.Request) -> web.StreamResponse:
        """The workplace's websocket."""
        socket = web.WebSocketResponse(max_msg_size=BODY_BYTES, compress=False, decode_text=False)
        if not socket.can_prepare(request):
            return web.Response(status=404, text="a replay has recorded answers alone\n")
        await socket.prepare(request)
        await _Replayed(self, request, socket).serve()
        return socket


class _Replayed(Connection):
    """A connection whose frames are answered from the recording."""

    def __init__(
        self, server: _Server, request: web.Request, socket: web.WebSocketResponse
    ) -> None:
        super().__init__(server.registry, "", request, socket, Caller(), origin(request))
        self._server = server

    async def _answer(self, message: bytes) -> tuple[Exchange, Reply]:
        exchange = Exchange.of(self._server.tenant, "arm", message, transport="frame")
        return exchange, await pipeline.run(exchange, self._server.answers.handle)


def _make_arm(registry: Registry, answers: Answers) -> web.Application:
    server, app = _Server(registry, answers), web.Application()
    app.router.add_post(f"/{{domain:.*}}/{ARM_PATH}/{{command}}", server.post)
    app.router.add_get("/{path:.*}", server.socket)
    return app


def _make_cdr(registry: Registry, answers: Answers) -> web.Application:
    cdr_provider.register()
    server, app = _Server(registry, answers), web.Application()
    app.router.add_post("/{path:.*}", server.post)
    return app


def _make_onec(registry: Registry, answers: Answers) -> web.Application:
    server, app = _Server(registry, answers), web.Application()
    app.router.add_post("/{path:.*}", server.post)
    app.router.add_get("/{path:.*}", server.description)
    return app


MAKERS: dict[str, Callable[[Registry, Answers], web.Application]] = {
    "arm": _make_arm,
    "cdr": _make_cdr,
    "onec": _make_onec,
}
