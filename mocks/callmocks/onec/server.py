"""The 1C-Connect service over HTTP."""

from __future__ import annotations

import hmac
from base64 import b64decode
from binascii import Error as Base64Error
from dataclasses import replace
from functools import lru_cache, partial
from typing import Final

from aiohttp import hdrs, web

from callmocks.contract.nesting import is_xml_too_deep
from callmocks.onec import envelope, service, wsdl
from callmocks.onec.provider import ONEC, USER
from callmocks.onec.soap import SoapError
from callmocks.provider.http import (
    ERROR_RESPONSE,
    BodyTooLarge,
    limits_of,
    read_body,
    request_origin,
    send_reply,
)
from callmocks.tenants import pipeline
from callmocks.tenants.exchange import Exchange, Reply
from callmocks.tenants.registry import Registry
from callmocks.tenants.state import State
from callmocks.tenants.tenant import Tenant

_MEBIBYTE: Final = 1024 * 1024
_JOURNALED_BYTES: Final = 64 * 1024
"""Bytes read of a request that is refused for its credentials, for the journal's sake."""


def make_app(registry: Registry) -> web.Application:
    """The service's application."""
    service.warm_up()
    server = OnecServer(registry)
    app = web.Application()
    app[ERROR_RESPONSE] = server.reject_unread
    app.router.add_post(wsdl.PATH, server.handle_call)
    app.router.add_get(wsdl.PATH, server.handle_wsdl)
    return app


class OnecServer:
    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def handle_call(self, request: web.Request) -> web.StreamResponse:
        """A call of an operation: its errors, also those of reading it, go the way of an answer."""
        tenant, authorized = self._find_tenant(request)
        state = tenant.state.for_request()  # before the body is read: the tenant may change
        if not authorized:
            return await self._reject_unauthorized(request, tenant, state)
        guard, error = envelope.InputGuard(), None
        try:
            body = await read_body(request, _get_body_limit(tenant), guard.check)
            nesting = limits_of(request).nesting
            if is_xml_too_deep(body, nesting):
                raise SoapError("Client", f"Excessive depth: more than {nesting} levels")
        except BodyTooLarge as too_large:
            body, error = guard.head, _explain_body_limit(tenant, too_large.limit)
        except SoapError as refused:
            body, error = guard.head, refused
        handle = partial(
            service.handle_request,
            content_type=request.content_type,
            charset=request.charset,
            error=error,
        )
        return await self._run_exchange(request, tenant, body, handle, state=state)

    async def _reject_unauthorized(
        self, request: web.Request, tenant: Tenant, state: State
    ) -> web.StreamResponse:
        """401; as much as the journal keeps of the request is read for its sake."""
        try:
            body = await read_body(request, _JOURNALED_BYTES)
        except BodyTooLarge:
            body = b""
        return await self._run_exchange(request, tenant, body, _reply_unauthorized, state=state)

    async def reject_unread(
        self, request: web.BaseRequest, status: int, text: str
    ) -> web.StreamResponse:
        """A request that was not looked at."""
        handle = partial(_reply_unread, status=status, text=text, content_type=request.content_type)
        exchange = Exchange.start(self._registry.unmatched, ONEC, b"", peer=request.remote or "")
        return await send_reply(request, await pipeline.run(exchange, handle))

    async def handle_wsdl(self, request: web.Request) -> web.StreamResponse:
        """The WSDL."""
        if not any(name.lower() == "wsdl" for name in request.query):
            raise web.HTTPMethodNotAllowed("GET", ["POST"])
        tenant, authorized = self._find_tenant(request)
        named = hdrs.AUTHORIZATION in request.headers
        closed = _requires_credentials(tenant) if named else self._all_require_credentials()
        handle = _reply_wsdl_unauthorized if closed and not authorized else _reply_wsdl
        return await self._run_exchange(
            request, tenant, b"", handle, "wsdl", request_origin(request)
        )

    async def _run_exchange(
        self,
        request: web.Request,
        tenant: Tenant,
        body: bytes,
        handle: pipeline.Handler,
        operation: str = "",
        address: str = "",
        state: State | None = None,
    ) -> web.StreamResponse:
        exchange = Exchange.start(
            tenant,
            ONEC,
            body,
            operation=operation,
            origin=address,
            peer=request.remote or "",
            state=state,
        )
        return await send_reply(request, await pipeline.run(exchange, handle))

    def _find_tenant(self, request: web.Request) -> tuple[Tenant, bool]:
        """Who sent a request as far as it tells, and whether the password is right."""
        user, password = _parse_credentials(request.headers.get(hdrs.AUTHORIZATION, ""))
        tenant = self._registry.find(USER, user)
        if tenant is None:
            return self._registry.unmatched, False
        right = tenant.settings.onec.password.encode()
        return tenant, hmac.compare_digest(right, password)

    def _all_require_credentials(self) -> bool:
        tenants = list(self._registry)
        return bool(tenants) and all(map(_requires_credentials, tenants))


@lru_cache(maxsize=256)
def _parse_credentials(header: str) -> tuple[str, bytes]:
    """User and password of a Basic header; empty when it is none."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return "", b""
    try:
        user, _, password = b64decode(encoded, validate=True).partition(b":")
        return user.decode(), password
    except (Base64Error, UnicodeDecodeError, ValueError):
        return "", b""


def _get_body_limit(tenant: Tenant) -> int:
    return int(tenant.assumptions.choices["onec.body-limit"].split()[0]) * _MEBIBYTE


def _explain_body_limit(tenant: Tenant, limit: int) -> SoapError:
    if limit < _get_body_limit(tenant):  # the server's own limit
        return SoapError("Client", f"the request is longer than {limit} bytes")
    choice = tenant.assumptions.choices["onec.body-limit"]
    violation = ("body", f"at most {choice}", "more")
    text = f"the request is longer than {choice}"
    return SoapError("Client", text, violation, "onec.body-limit")


def _requires_credentials(tenant: Tenant) -> bool:
    return tenant.assumptions.choices["onec.wsdl-access"] == "basic"


async def _reply_unauthorized(exchange: Exchange) -> Reply:
    return service.make_unauthorized_reply()


async def _reply_wsdl_unauthorized(exchange: Exchange) -> Reply:
    exchange.use_assumption("onec.wsdl-access")
    return service.make_unauthorized_reply()


async def _reply_unread(exchange: Exchange, status: int, text: str, content_type: str) -> Reply:
    exchange.notes.append(text)
    namespace = envelope.guess_soap_namespace(b"", content_type)
    error = SoapError("Client" if status == 400 else "Server", text)
    return replace(service.make_fault_reply(namespace, error), status=status)


async def _reply_wsdl(exchange: Exchange) -> Reply:
    exchange.use_assumption("onec.wsdl-access")
    body = wsdl.render_wsdl(exchange.origin + wsdl.PATH)
    return Reply(body, 200, "text/xml; charset=utf-8")
