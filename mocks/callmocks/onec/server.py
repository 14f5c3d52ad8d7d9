"""The 1C-Connect service over HTTP."""

from __future__ import annotations

import hmac
from base64 import b64decode
from binascii import Error as Base64Error
from dataclasses import replace
from functools import lru_cache, partial
from typing import Final

from aiohttp import hdrs, web

from callmocks.contract.nesting import xml_too_deep
from callmocks.onec import envelope, service, wsdl
from callmocks.onec import provider as _registers_itself  # noqa: F401
from callmocks.onec.soap import SoapError
from callmocks.provider.http import REFUSAL, BodyTooLarge, bounds_of, origin, read_body, send
from callmocks.tenants import pipeline
from callmocks.tenants.exchange import Exchange, Reply
from callmocks.tenants.registry import Registry
from callmocks.tenants.tenant import Tenant

_MEBIBYTE: Final = 1024 * 1024
_JOURNALED: Final = 64 * 1024
"""Bytes read of a request that is refused for its credentials, for the journal's sake."""


def make_app(registry: Registry) -> web.Application:
    """The service's application."""
    service.prepare()
    server = _Server(registry)
    app = web.Application()
    app[REFUSAL] = server.refusal
    app.router.add_post(wsdl.PATH, server.post)
    app.router.add_get(wsdl.PATH, server.get)
    return app


class _Server:
    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def post(self, request: web.Request) -> web.StreamResponse:
        """A call of an operation."""
        tenant, welcome = self._sender(request)
        if not welcome:
            return await self._refuse(request, tenant)
        watch = envelope.Watch()
        try:
            body = await read_body(request, _limit(tenant), watch.look)
            nesting = bounds_of(request).nesting
            if xml_too_deep(body, nesting):
                raise SoapError("Client", f"Excessive depth: more than {nesting} levels")
        except BodyTooLarge as error:
            head, kind = watch.head, request.content_type
            body, handle = head, partial(_too_long, content_type=kind, most=error.most)
        except SoapError as error:
            body = watch.head
            handle = partial(_hostile, error=error, content_type=request.content_type)
        else:
            handle = partial(
                service.answer,
                content_type=request.content_type,
                charset=request.charset,
            )
        return await self._exchange(request, tenant, body, handle)

    async def _refuse(self, request: web.Request, tenant: Tenant) -> web.StreamResponse:
        """401; as much as the journal keeps of the request is read for its sake."""
        try:
            body = await read_body(request, _JOURNALED)
        except BodyTooLarge:
            body = b""
        return await self._exchange(request, tenant, body, _unauthorized)

    async def refusal(self, request: web.BaseRequest, status: int, text: str) -> web.StreamResponse:
        """A request that was not looked at."""
        handle = partial(_busy, status=status, text=text, content_type=request.content_type)
        exchange = Exchange.of(self._registry.nobody, "onec", b"", peer=request.remote or "")
        return await send(request, await pipeline.run(exchange, handle))

    async def get(self, request: web.Request) -> web.StreamResponse:
        """The WSDL."""
        if not any(name.lower() == "wsdl" for name in request.query):
            raise web.HTTPMethodNotAllowed("GET", ["POST"])
        tenant, welcome = self._sender(request)
        named = hdrs.AUTHORIZATION in request.headers
        closed = _wants_credentials(tenant) if named else self._all_want_credentials()
        handle = _closed if closed and not welcome else _wsdl
        return await self._exchange(request, tenant, b"", handle, "wsdl", origin(request))

    async def _exchange(
        self,
        request: web.Request,
        tenant: Tenant,
        body: bytes,
        handle: pipeline.Handler,
        operation: str = "",
        address: str = "",
    ) -> web.StreamResponse:
        exchange = Exchange.of(
            tenant, "onec", body, operation=operation, origin=address, peer=request.remote or ""
        )
        return await send(request, await pipeline.run(exchange, handle))

    def _sender(self, request: web.Request) -> tuple[Tenant, bool]:
        """Who sent a request as far as it tells, and whether the password is right."""
        user, password = _credentials(request.headers.get(hdrs.AUTHORIZATION, ""))
        tenant = self._registry.by_onec_user(user)
        if tenant is None:
            return self._registry.nobody, False
        right = tenant.settings.onec.password.encode()
        return tenant, hmac.compare_digest(right, password)

    def _all_want_credentials(self) -> bool:
        tenants = list(self._registry)
        return bool(tenants) and all(map(_wants_credentials, tenants))


@lru_cache(maxsize=256)
def _credentials(header: str) -> tuple[str, bytes]:
    """User and password of a Basic header; empty when it is none."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return "", b""
    try:
        user, _, password = b64decode(encoded, validate=True).partition(b":")
        return user.decode(), password
    except (Base64Error, UnicodeDecodeError, ValueError):
        return "", b""


def _limit(tenant: Tenant) -> int:
    return int(tenant.assumptions.choice("onec.body-limit").split()[0]) * _MEBIBYTE


def _wants_credentials(tenant: Tenant) -> bool:
    return tenant.assumptions.choice("onec.wsdl-access") == "basic"


async def _unauthorized(exchange: Exchange) -> Reply:
    return service.unauthorized()


async def _closed(exchange: Exchange) -> Reply:
    exchange.assume("onec.wsdl-access")
    return service.unauthorized()


async def _too_long(exchange: Exchange, content_type: str, most: int) -> Reply:
    if most < _limit(exchange.tenant):
        text = f"the request is longer than {most} bytes"
        return service.refuse(exchange, SoapError("Client", text), content_type)
    return service.too_long(exchange, content_type)


async def _busy(exchange: Exchange, status: int, text: str, content_type: str) -> Reply:
    exchange.notes.append(text)
    namespace = envelope.guess_namespace(b"", content_type)
    error = SoapError("Client" if status == 400 else "Server", text)
    return replace(service.fault(namespace, error), status=status)


async def _hostile(exchange: Exchange, error: SoapError, content_type: str) -> Reply:
    return service.refuse(exchange, error, content_type)


async def _wsdl(exchange: Exchange) -> Reply:
    exchange.assume("onec.wsdl-access")
    body = wsdl.document(exchange.origin + wsdl.PATH)
    return Reply(body, 200, "text/xml; charset=utf-8")
