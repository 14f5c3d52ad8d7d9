"""HTTP servers of a replay, at the addresses of the recorded providers."""

import re
from functools import partial

from aiohttp import web

from callmocks.arm.connection import ArmConnection
from callmocks.arm.faults.refuse_upgrade import find_refusal
from callmocks.arm.idle_watch import IdleWatch
from callmocks.arm.provider import ARM
from callmocks.arm.service import SERVICE_PATH, ArmSession
from callmocks.cdr.provider import CDR
from callmocks.contract.cached_property import cached_property
from callmocks.onec import wsdl
from callmocks.onec.provider import ONEC
from callmocks.provider.bodies import BodyTooLarge, read_body
from callmocks.provider.server import (
    HttpRequester,
    ProviderServer,
    accept_websocket,
    request_origin,
    return_reply,
)
from callmocks.tenants import pipeline
from callmocks.tenants.exchange import Exchange, Reply
from callmocks.tenants.registry import Registry
from callmocks.tenants.tenant import Tenant
from callmocks.verification.replay import ReplayIndex

REPLAY_TENANT = "demo"
MAX_BODY_BYTES = 16 * 1024 * 1024
WSDL_LOCATION = re.compile(rb'(<(?:\w+:)?address\s+location=")[^"]*')


class ReplayServer(ProviderServer):
    def __init__(self, registry: Registry, index: ReplayIndex) -> None:
        super().__init__(index.provider, registry)
        self.index = index

    @property
    def default_tenant(self) -> Tenant:
        return self.registry.get(REPLAY_TENANT) or self.registry.unmatched

    def list_routes(self) -> list[web.RouteDef]:
        return [web.post("/{path:.*}", self.handle_post)]

    async def handle_post(self, request: web.Request) -> web.StreamResponse:
        try:
            body = await read_body(request, MAX_BODY_BYTES)
        except BodyTooLarge as error:
            body, handle = b"", self.index.make_refusal(f"has more than {error.limit} bytes")
        else:
            body, handle = await self.index.check_request(body, "http")
        operation = request.match_info.get("command", "")
        exchange = self.start_exchange(request, body=body, operation=operation)
        return await self.respond(request, exchange, handle)


class ArmReplayServer(ReplayServer):
    def create_app(self) -> web.Application:
        app = super().create_app()
        app.on_shutdown.append(self.idle_watch.stop)
        return app

    @cached_property
    def idle_watch(self) -> IdleWatch:
        return IdleWatch(self.registry)

    def list_routes(self) -> list[web.RouteDef]:
        return [
            web.post(f"/{{domain:.*}}/{SERVICE_PATH}/{{command}}", self.handle_post),
            web.get("/{path:.*}", self.handle_websocket),
        ]

    async def handle_websocket(self, request: web.Request) -> web.StreamResponse:
        limit = MAX_BODY_BYTES
        socket = web.WebSocketResponse(
            max_msg_size=limit, compress=False, decode_text=False, autoping=False
        )
        if not socket.can_prepare(request):
            return web.Response(status=404, text="a replay has recorded answers alone\n")
        exchange = self.start_exchange(request, operation="upgrade")
        refusal = await find_refusal(exchange)
        if refusal is not None:
            return await self.respond(request, exchange, partial(return_reply, reply=refusal))
        await accept_websocket(request, socket)
        await ReplayConnection(self, request, socket).run()
        return socket


class ReplayConnection(ArmConnection):
    def __init__(
        self, server: ArmReplayServer, request: web.Request, socket: web.WebSocketResponse
    ) -> None:
        session, requester = ArmSession(), HttpRequester(request, server.app)
        tenant, watch = server.default_tenant, server.idle_watch
        super().__init__(server.registry, tenant, watch, request, socket, session, requester)
        self._server = server

    async def _handle_frame(self, message: bytes) -> tuple[Exchange, Reply]:
        message, handle = await self._server.index.check_request(message, "frame")
        exchange = Exchange.start(self._server.default_tenant, ARM, message, transport="frame")
        return exchange, await pipeline.run(exchange, handle)


class OnecReplayServer(ReplayServer):
    def list_routes(self) -> list[web.RouteDef]:
        return [*super().list_routes(), web.get("/{path:.*}", self.handle_wsdl)]

    async def handle_wsdl(self, request: web.Request) -> web.StreamResponse:
        """The recorded WSDL, else that of callmocks, with this server's address."""
        address = request_origin(request, self.app) + wsdl.PATH
        body = wsdl.render_wsdl(address)
        if self.index.wsdl:
            body = WSDL_LOCATION.sub(rb"\g<1>" + address.encode(), self.index.wsdl)

        async def build_reply(_: Exchange) -> Reply:
            return Reply(body, 200, "text/xml; charset=utf-8")

        exchange = self.start_exchange(request, operation="wsdl")
        return await self.respond(request, exchange, build_reply)


SERVERS = {ARM.name: ArmReplayServer, CDR.name: ReplayServer, ONEC.name: OnecReplayServer}
