"""The workplace's server: commands by POST, frames by websocket, records and faxes by GET."""

from __future__ import annotations

import asyncio
import logging
import re
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakSet

from aiohttp import WSCloseCode, web

from callmocks.arm import media, responses, schema, service, sessions
from callmocks.arm import provider as _registers_itself  # noqa: F401
from callmocks.arm.connection import Connection
from callmocks.arm.service import PATH, Credentials
from callmocks.errors import StateError
from callmocks.provider import media as audio_web
from callmocks.provider.http import REFUSAL, BodyTooLarge, bounds_of, origin, read_body, send
from callmocks.tenants import pipeline
from callmocks.tenants.exchange import Exchange, Reply

if TYPE_CHECKING:
    from callmocks.tenants.registry import Registry

_ORIGIN = re.compile(r"https?://[\w.:\[\]-]+(/[\w./~-]*)?", re.ASCII)
_CLOSE_SECONDS = 0.5
_upgrading: ContextVar[bool] = ContextVar("upgrading", default=False)
logging.getLogger("aiohttp.websocket").addFilter(lambda line: not _upgrading.get())
"""aiohttp warns of every client that asks for a protocol inside the websocket; it gets none."""


def make_app(registry: Registry) -> web.Application:
    """The application that serves every tenant of a registry as an ARM domain."""
    schema.compile_all()
    server = _Server(registry)
    app = web.Application()
    app[REFUSAL] = server.refusal
    below = f"/{{domain}}/{PATH}"
    app.router.add_post(f"{below}/{{command}}", server.post)
    app.router.add_get(f"{below}/call_record/{{record}}.wav", server.record)
    app.router.add_get(f"{below}/fax/{{operator}}/{{leg}}.pdf", server.fax)
    app.router.add_get("/{domain}/{path:.+}", server.upgrade, allow_head=False)
    app.router.add_route("*", "/{path:.*}", server.nowhere)
    app.on_shutdown.append(server.close)
    return app


class _Socket(web.WebSocketResponse):
    """A websocket that says in words why it closes on a message that is too long."""

    def __init__(self, most: int) -> None:
        super().__init__(
            max_msg_size=most, compress=False, decode_text=False, timeout=_CLOSE_SECONDS
        )
        self._most = most

    async def close(
        self, *, code: int = WSCloseCode.OK, message: bytes = b"", drain: bool = True
    ) -> bool:
        """Close; see aiohttp."""
        if code == WSCloseCode.MESSAGE_TOO_BIG:
            message = b"a message has at most %d bytes" % self._most
        return await super().close(code=code, message=message, drain=drain)


class _Server:
    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._sockets: WeakSet[web.WebSocketResponse] = WeakSet()

    async def post(self, request: web.Request) -> web.StreamResponse:
        """A command with an XML body."""
        command = request.match_info["command"]
        try:
            body = await read_body(request, bounds_of(request).message)
        except BodyTooLarge as error:
            return await self._refuse(request, command, 413, str(error))
        exchange = self._exchange(request, command, body)
        if exchange.tenant is self._registry.nobody:
            return await self._refuse(request, command, 404, service.NO_DOMAIN)
        handle = partial(
            service.answer_post,
            command=command,
            credentials=_credentials(request),
            nesting=bounds_of(request).nesting,
        )
        return await send(request, await pipeline.run(exchange, handle))

    async def upgrade(self, request: web.Request) -> web.StreamResponse:
        """The websocket."""
        _upgrading.set(True)
        exchange = self._exchange(request, "upgrade")
        if request.match_info["path"] != exchange.assume("arm.websocket-path"):
            return await self.nowhere(request, exchange)
        if exchange.tenant is self._registry.nobody:
            return await self._refuse(request, "upgrade", 404, service.NO_DOMAIN)
        if not _opens_websocket(request):
            return await self._refuse(request, "upgrade", 426, "a websocket is served here")
        try:
            caller = await service.identify(exchange, _credentials(request))
            if caller.operator is None and exchange.assume("arm.anonymous-upgrade") == "refused":
                raise sessions.RefusedError(sessions.NOBODY)
            if caller.operator is not None and caller.token is None:
                caller.token = await sessions.open_session(exchange, caller.operator)
        except sessions.RefusedError as error:
            return await self._refuse(request, "upgrade", 401, str(error), exchange)
        except StateError as error:
            return await self._refuse(request, "upgrade", 503, str(error), exchange)
        socket = _Socket(bounds_of(request).message)
        await socket.prepare(request)
        self._sockets.add(socket)
        domain = exchange.tenant.name
        await Connection(self._registry, domain, request, socket, caller, exchange.origin).serve()
        return socket

    async def record(self, request: web.Request) -> web.StreamResponse:
        """The audio of a recorded call, whole or in part."""
        exchange = self._exchange(request, "call_record")
        audio = media.record(exchange, request.match_info["record"])
        if audio is None:
            return await self._refuse(request, "call_record", 404, "no such record")
        part = audio_web.part_of(audio, request)
        faulty = exchange.tenant.faults.any_at("arm")  # a fault wants the whole body at hand
        body = b"".join(audio.chunks(part.start, part.stop)) if faulty else b""
        planned = Reply(body, part.status, audio.content_type, dict(part.headers))
        reply = await pipeline.run(exchange, partial(_as_planned, planned=planned))
        if reply is planned and not faulty:
            return await audio_web.send(request, audio, part)
        return await send(request, reply)

    async def fax(self, request: web.Request) -> web.StreamResponse:
        """A fax as PDF."""
        exchange = self._exchange(request, "fax")
        places = request.match_info
        document = media.fax(exchange, places["operator"], places["leg"])
        if document is None:
            return await self._refuse(request, "fax", 404, "no such fax")
        planned = Reply(document, content_type="application/pdf")
        return await send(
            request, await pipeline.run(exchange, partial(_as_planned, planned=planned))
        )

    async def nowhere(
        self, request: web.Request, tried: Exchange | None = None
    ) -> web.StreamResponse:
        """Any other address, or a known one with another method."""
        if re.fullmatch(f"/[^/]+/{PATH}/({'|'.join(schema.COMMANDS)})", request.path):
            command = request.path.rpartition("/")[2]
            return await self._refuse(request, command, 405, "the method is POST", Allow="POST")
        return await self._refuse(request, "", 404, f"nothing is served at {request.path}", tried)

    async def refusal(self, request: web.BaseRequest, status: int, text: str) -> web.StreamResponse:
        """A request that was not looked at."""

        async def handle(exchange: Exchange) -> Reply:
            return service.http_reply(exchange, responses.error("", text, status))

        exchange = Exchange.of(self._registry.nobody, "arm", b"", peer=request.remote or "")
        return await send(request, await pipeline.run(exchange, handle))

    async def close(self, app: web.Application) -> None:
        """Close all websockets: the server stops."""
        await asyncio.gather(
            *(
                socket.close(code=WSCloseCode.GOING_AWAY, message=b"callmocks stops")
                for socket in set(self._sockets)
            )
        )

    def _exchange(self, request: web.Request, operation: str, body: bytes = b"") -> Exchange:
        domain = request.match_info.get("domain", "")
        reached = origin(request)
        return Exchange.of(
            self._registry.get(domain) or self._registry.nobody,
            "arm",
            body,
            operation=operation,
            # It ends up in addresses: a Host header that is none must not get there.
            origin=reached if _ORIGIN.fullmatch(reached) else "http://localhost",
            peer=request.remote or "",
        )

    async def _refuse(
        self,
        request: web.Request,
        operation: str,
        status: int,
        text: str,
        tried: Exchange | None = None,
        **headers: str,
    ) -> web.StreamResponse:
        async def handle(exchange: Exchange) -> Reply:
            reply = service.http_reply(exchange, responses.error(operation, text, status))
            reply.headers.update(headers)
            return reply

        exchange = self._exchange(request, operation)
        if tried is not None:
            exchange.assumptions |= tried.assumptions
        return await send(request, await pipeline.run(exchange, handle))


async def _as_planned(exchange: Exchange, planned: Reply) -> Reply:
    return planned


def _opens_websocket(request: web.Request) -> bool:
    try:
        return bool(web.WebSocketResponse().can_prepare(request))
    except ValueError:  # its key is not even ASCII
        return False


def _credentials(request: web.Request) -> Credentials:
    return Credentials(
        request.headers.get("Authorization", ""), request.cookies.get(sessions.COOKIE, "")
    )
