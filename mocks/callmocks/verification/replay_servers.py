"""The servers of a replay: the providers' addresses, with recorded answers behind them."""

from __future__ import annotations

import re
from collections.abc import Callable

from aiohttp import web

from callmocks.arm.connection import ArmConnection
from callmocks.arm.provider import ARM
from callmocks.arm.service import SERVICE_PATH as ARM_PATH
from callmocks.arm.service import ArmSession
from callmocks.onec import wsdl
from callmocks.provider.http import BodyTooLarge, read_body, request_origin, send_reply
from callmocks.tenants import pipeline
from callmocks.tenants.exchange import Exchange, Reply
from callmocks.tenants.registry import Registry
from callmocks.tenants.tenant import Tenant
from callmocks.verification.replay import ReplayIndex

REPLAY_TENANT = "demo"
MAX_BODY_BYTES = 16 * 1024 * 1024
WSDL_LOCATION = re.compile(rb'(<(?:\w+:)?address\s+location=")[^"]*')


class ReplayServer:
    """What the three have in common: a body in, the recorded answer out."""

    def __init__(self, registry: Registry, index: ReplayIndex) -> None:
        self.registry = registry
        self.index = index

    @property
    def tenant(self) -> Tenant:
        """Whose journal and faults these are, whoever asks."""
        return self.registry.get(REPLAY_TENANT) or self.registry.unmatched

    def build_exchange(self, request: web.Request, body: bytes, operation: str = "") -> Exchange:
        """The exchange of a request over HTTP."""
        return Exchange.start(
            self.tenant,
            self.index.provider,
            body,
            operation=operation,
            origin=request_origin(request),
            peer=request.remote or "",
        )

    async def handle_post(self, request: web.Request) -> web.StreamResponse:
        """A request by POST; ARM's address names the command."""
        try:
            body = await read_body(request, MAX_BODY_BYTES)
        except BodyTooLarge:
            return web.Response(status=413, text=f"at most {MAX_BODY_BYTES} bytes are taken\n")
        exchange = self.build_exchange(request, body, request.match_info.get("command", ""))
        return await send_reply(request, await pipeline.run(exchange, self.index.handle))

    async def handle_wsdl(self, request: web.Request) -> web.StreamResponse:
        """The WSDL: the recorded one, else callmocks' own, with this server's address."""
        address = request_origin(request) + wsdl.PATH
        body = wsdl.render_wsdl(address)
        if self.index.wsdl:
            body = WSDL_LOCATION.sub(rb"\g<1>" + address.encode(), self.index.wsdl)

        async def build_wsdl_reply(exchange: Exchange) -> Reply:
            return Reply(body, 200, "text/xml; charset=utf-8")

        exchange = self.build_exchange(request, b"", "wsdl")
        return await send_reply(request, await pipeline.run(exchange, build_wsdl_reply))

    async def handle_websocket(self, request: web.Request) -> web.StreamResponse:
        """The workplace's websocket."""
        socket = web.WebSocketResponse(
            max_msg_size=MAX_BODY_BYTES, compress=False, decode_text=False
        )
        if not socket.can_prepare(request):
            return web.Response(status=404, text="a replay has recorded answers alone\n")
        await socket.prepare(request)
        await ReplayConnection(self, request, socket).run()
        return socket


class ReplayConnection(ArmConnection):
    """A connection whose frames are answered from the recording."""

    def __init__(
        self, server: ReplayServer, request: web.Request, socket: web.WebSocketResponse
    ) -> None:
        super().__init__(
            server.registry, "", request, socket, ArmSession(), request_origin(request)
        )
        self._server = server

    async def _handle_frame(self, message: bytes) -> tuple[Exchange, Reply]:
        exchange = Exchange.start(self._server.tenant, ARM, message, transport="frame")
        return exchange, await pipeline.run(exchange, self._server.index.handle)


def _make_arm_app(registry: Registry, index: ReplayIndex) -> web.Application:
    server, app = ReplayServer(registry, index), web.Application()
    app.router.add_post(f"/{{domain:.*}}/{ARM_PATH}/{{command}}", server.handle_post)
    app.router.add_get("/{path:.*}", server.handle_websocket)
    return app


def _make_cdr_app(registry: Registry, index: ReplayIndex) -> web.Application:
    server, app = ReplayServer(registry, index), web.Application()
    app.router.add_post("/{path:.*}", server.handle_post)
    return app


def _make_onec_app(registry: Registry, index: ReplayIndex) -> web.Application:
    server, app = ReplayServer(registry, index), web.Application()
    app.router.add_post("/{path:.*}", server.handle_post)
    app.router.add_get("/{path:.*}", server.handle_wsdl)
    return app


APP_FACTORIES: dict[str, Callable[[Registry, ReplayIndex], web.Application]] = {
    "arm": _make_arm_app,
    "cdr": _make_cdr_app,
    "onec": _make_onec_app,
}
