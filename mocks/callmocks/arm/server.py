"""The workplace's server: commands by POST, frames by websocket, records and faxes by GET."""

import asyncio
import logging
import re
from contextvars import ContextVar
from functools import partial
from weakref import WeakSet

from aiohttp import WSCloseCode, web

from callmocks.arm import media, responses, schema, service, sessions
from callmocks.arm.connection import ArmConnection
from callmocks.arm.faults.refuse_upgrade import find_refusal
from callmocks.arm.idle_watch import IdleWatch
from callmocks.arm.provider import ARM
from callmocks.arm.service import (
    CALL_RECORD,
    FAX,
    PREFLIGHT,
    SERVICE_PATH,
    UPGRADE,
    ArmSession,
    RequestCredentials,
)
from callmocks.contract.garbage import drop_frames
from callmocks.errors import StateError
from callmocks.provider import media as audio_web
from callmocks.provider.bodies import SERVER_LIMITS, BodyTooLarge, read_body
from callmocks.provider.server import ProviderServer, accept_websocket, return_reply, send_reply
from callmocks.tenants import pipeline
from callmocks.tenants.exchange import Exchange, Reply
from callmocks.tenants.registry import Registry
from callmocks.tenants.state import StaleTenantsError
from callmocks.tenants.worker import run_if_long

_COMMAND_PATH = re.compile(f"/[^/]+/{SERVICE_PATH}/({'|'.join(schema.COMMANDS)})")
_CLOSE_TIMEOUT = 0.5
_ALLOWED_HEADERS = "Authorization, Content-Type"
# aiohttp warns of every client that asks for a protocol inside the websocket; it gets none.
_upgrading: ContextVar[bool] = ContextVar("upgrading", default=False)
logging.getLogger("aiohttp.websocket").addFilter(lambda record: not _upgrading.get())


class _SizeLimitedWebSocket(web.WebSocketResponse):
    """A websocket whose close frame names the limit that a message exceeds."""

    def __init__(self, max_bytes: int, *, compress: bool) -> None:
        # aiohttp refuses a frame of just its limit, too.
        limit = max_bytes + 1
        super().__init__(
            max_msg_size=limit,
            compress=compress,
            decode_text=False,
            timeout=_CLOSE_TIMEOUT,
            autoping=False,
        )
        self._max_bytes = max_bytes

    async def close(
        self, *, code: int = WSCloseCode.OK, message: bytes = b"", drain: bool = True
    ) -> bool:
        if code == WSCloseCode.MESSAGE_TOO_BIG:
            message = b"a message has at most %d bytes" % self._max_bytes
        try:
            return await super().close(code=code, message=message, drain=drain)
        finally:
            error = self.exception()
            if error is not None:
                drop_frames(error)


class ArmServer(ProviderServer):
    """Serves every tenant of a registry as an ARM domain."""

    # It ends up in addresses: a Host header that is none must not get there.
    origin_pattern = re.compile(r"https?://[\w.:\[\]-]+(/[\w./~-]*)?", re.ASCII)

    def __init__(self, registry: Registry) -> None:
        super().__init__(ARM, registry)
        self._sockets: WeakSet[web.WebSocketResponse] = WeakSet()
        self._idle_watch = IdleWatch(registry)

    def create_app(self) -> web.Application:
        app = super().create_app()
        app.on_shutdown.extend((self._idle_watch.stop, self._close_sockets))
        app.on_response_prepare.append(self._add_cors_headers)
        return app

    def list_routes(self) -> list[web.RouteDef]:
        base = f"/{{domain}}/{SERVICE_PATH}"
        return [
            web.post(f"{base}/{{command}}", self.handle_command),
            web.get(f"{base}/call_record/{{record}}.wav", self.serve_record),
            web.get(f"{base}/fax/{{operator}}/{{leg}}.pdf", self.serve_fax),
            web.get("/{domain}/{path:.+}", self.handle_upgrade, allow_head=False),
            web.options("/{domain}/{path:.+}", self.handle_preflight),
            web.route("*", "/{path:.*}", self.handle_unknown_path),
        ]

    async def handle_command(self, request: web.Request) -> web.StreamResponse:
        """A command with an XML body."""
        command, limits = request.match_info["command"], self.app[SERVER_LIMITS]
        try:
            body = await read_body(request, limits.message)
        except BodyTooLarge as error:
            return await self._send_error(request, command, 413, str(error))
        exchange = self._open_exchange(request, command, body)
        if exchange.tenant is self.registry.unmatched:
            return await self._send_error(request, command, 404, service.UNKNOWN_DOMAIN)
        credentials = _read_credentials(request)
        handle = partial(
            service.handle_post,
            credentials=credentials,
            nesting=limits.nesting,
            charset=request.charset,
        )
        return await self.respond(request, exchange, handle)

    async def handle_upgrade(self, request: web.Request) -> web.StreamResponse:
        """Any GET: the websocket, when it has its path."""
        _upgrading.set(True)
        exchange = self._open_exchange(request, UPGRADE)
        if request.match_info["path"] != exchange.use_assumption("arm.websocket-path"):
            return await self.handle_unknown_path(request, exchange)
        if exchange.tenant is self.registry.unmatched:
            return await self._send_error(request, UPGRADE, 404, service.UNKNOWN_DOMAIN)
        if not _is_websocket_upgrade(request):
            return await self._send_error(request, UPGRADE, 426, "a websocket is served here")
        refusal = await find_refusal(exchange)
        if refusal is not None:
            return await self.respond(request, exchange, partial(return_reply, reply=refusal))
        try:
            session = await _open_session(exchange, _read_credentials(request))
        except sessions.CredentialsError as error:
            return await self._send_error(request, UPGRADE, 401, str(error), exchange)
        except StaleTenantsError:
            raise
        except StateError as error:
            return await self._send_error(request, UPGRADE, 503, str(error), exchange)
        compress = exchange.use_assumption("arm.compression") == "permessage-deflate"
        socket = _SizeLimitedWebSocket(self.app[SERVER_LIMITS].message, compress=compress)
        await accept_websocket(request, socket)
        self._sockets.add(socket)
        await ArmConnection(
            self.registry,
            exchange.tenant,
            self._idle_watch,
            request,
            socket,
            session,
            exchange.requester,
        ).run()
        return socket

    async def serve_record(self, request: web.Request) -> web.StreamResponse:
        """The audio of a recorded call, whole or in part."""
        exchange = self._open_exchange(request, CALL_RECORD)
        if not await _may_fetch_media(exchange, request):
            return await self._send_error(
                request, CALL_RECORD, 401, sessions.NOT_LOGGED_IN, exchange
            )
        find_record = partial(media.find_record, exchange, request.match_info["record"])
        audio = await run_if_long(find_record, exchange.tenant.history.has_long_days)
        if audio is None:
            return await self._send_error(request, CALL_RECORD, 404, "no such record")
        part = audio_web.select_range(audio, request)
        has_faults = exchange.tenant.faults.by_provider["arm"]  # they need the whole body
        body = b"".join(audio.iter_chunks(part.start, part.stop)) if has_faults else b""
        planned = Reply(body, part.status, audio.content_type, dict(part.headers))
        reply = await pipeline.run(exchange, partial(return_reply, reply=planned))
        transmission = exchange.transmission
        if reply is planned and not has_faults:
            return await audio_web.send_audio(request, audio, part, transmission)
        return await send_reply(request, reply, transmission)

    async def serve_fax(self, request: web.Request) -> web.StreamResponse:
        exchange = self._open_exchange(request, FAX)
        if not await _may_fetch_media(exchange, request):
            return await self._send_error(request, FAX, 401, sessions.NOT_LOGGED_IN, exchange)
        path = request.match_info
        find_fax = partial(media.find_fax, exchange, path["operator"], path["leg"])
        history = exchange.tenant.history
        document = await run_if_long(find_fax, history.has_long_days or history.has_many_pins)
        if document is None:
            return await self._send_error(request, FAX, 404, "no such fax")
        planned = Reply(document, content_type="application/pdf")
        return await self.respond(request, exchange, partial(return_reply, reply=planned))

    async def handle_preflight(self, request: web.Request) -> web.StreamResponse:
        """What a browser asks before a page of another origin may call."""
        exchange = self._open_exchange(request, PREFLIGHT)
        exchange.use_assumption("arm.cors")
        asked = "Access-Control-Request-Method" in request.headers
        if not (asked and self._find_allowed_origin(request)):
            return await self.handle_unknown_path(request, exchange)
        headers = {
            "Access-Control-Allow-Methods": "GET, POST",
            # Named one by one, because "*" is not allowed together with credentials.
            "Access-Control-Allow-Headers": request.headers.get(
                "Access-Control-Request-Headers", _ALLOWED_HEADERS
            ),
            "Access-Control-Max-Age": "600",
        }
        reply = Reply(b"", 204, headers=headers)
        return await self.respond(request, exchange, partial(return_reply, reply=reply))

    async def respond(
        self, request: web.BaseRequest, exchange: Exchange, handle: pipeline.Handler
    ) -> web.StreamResponse:
        response = await super().respond(request, exchange, handle)
        if "Origin" in request.headers:  # `_add_cors_headers` may add some
            exchange.transmission.headers = response.headers
        return response

    def _find_allowed_origin(self, request: web.Request) -> str | None:
        origin = request.headers.get("Origin")
        tenant = self.registry.get(request.match_info.get("domain", "")) if origin else None
        allowed = tenant.settings.arm.cors_origins if tenant else ()
        return origin if "*" in allowed or origin in allowed else None

    async def _add_cors_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        origin = self._find_allowed_origin(request)
        if origin is not None:
            # Not "*", which is not allowed together with credentials.
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Allow-Credentials"] = "true"
            response.headers["Vary"] = "Origin"

    async def handle_unknown_path(
        self, request: web.Request, previous: Exchange | None = None
    ) -> web.StreamResponse:
        """Any other path, or a command's with another method."""
        command = _COMMAND_PATH.fullmatch(request.path)
        if command:
            text = "the method is POST"
            return await self._send_error(request, command[1], 405, text, Allow="POST")
        text = f"nothing is served at {request.path}"
        return await self._send_error(request, "", 404, text, previous)

    async def reject_unread(
        self, exchange: Exchange, status: int, text: str, content_type: str
    ) -> Reply:
        return service.make_http_reply(exchange, responses.make_error_response("", text, status))

    async def _close_sockets(self, app: web.Application) -> None:
        code, message = WSCloseCode.GOING_AWAY, b"callmocks stops"
        closing = (socket.close(code=code, message=message) for socket in set(self._sockets))
        await asyncio.gather(*closing)

    def _open_exchange(self, request: web.Request, operation: str, body: bytes = b"") -> Exchange:
        tenant = self.registry.get(request.match_info.get("domain", ""))
        return self.start_exchange(request, tenant, body, operation=operation)

    async def _send_error(
        self,
        request: web.Request,
        operation: str,
        status: int,
        text: str,
        previous: Exchange | None = None,
        **headers: str,
    ) -> web.StreamResponse:
        """``out/error``; the journal has the assumptions of ``previous``, too."""

        async def handle(exchange: Exchange) -> Reply:
            response = responses.make_error_response(operation, text, status)
            reply = service.make_http_reply(exchange, response)
            reply.headers.update(headers)
            return reply

        exchange = self._open_exchange(request, operation)
        if previous is not None:
            exchange.assumptions |= previous.assumptions
        return await self.respond(request, exchange, handle)


async def _open_session(exchange: Exchange, credentials: RequestCredentials) -> ArmSession:
    try:
        session = await service.authenticate_request(exchange, credentials)
    except sessions.CredentialsError:
        if exchange.use_assumption("arm.upgrade-credentials") == "refused":
            raise
        session = ArmSession()
    if session.operator is None and exchange.use_assumption("arm.anonymous-upgrade") == "refused":
        raise sessions.CredentialsError(sessions.NOT_LOGGED_IN)
    if session.operator is not None and session.token is None:
        session.token = await sessions.open_session(exchange, session.operator)
    await exchange.state.confirm()
    return session


async def _may_fetch_media(exchange: Exchange, request: web.Request) -> bool:
    if exchange.use_assumption("arm.media-access") == "open":
        return True
    try:
        session = await service.authenticate_request(exchange, _read_credentials(request))
    except sessions.CredentialsError:
        return False
    return session.operator is not None


def _is_websocket_upgrade(request: web.Request) -> bool:
    try:
        return bool(web.WebSocketResponse().can_prepare(request))
    except ValueError:  # its key is not even ASCII
        return False


def _read_credentials(request: web.Request) -> RequestCredentials:
    authorization = request.headers.get("Authorization", "")
    if authorization:  # goes before the cookie, which takes time to parse
        return RequestCredentials(authorization)
    return RequestCredentials(cookie=request.cookies.get(sessions.COOKIE, ""))
