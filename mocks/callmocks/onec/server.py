from functools import cache, partial
from typing import Final

from aiohttp import hdrs, web
from msgspec.structs import replace

from callmocks.contract.garbage import drop_frames
from callmocks.contract.nesting import is_xml_too_deep
from callmocks.onec import envelope, service, wsdl
from callmocks.onec.provider import ONEC, USER
from callmocks.onec.soap import SoapError
from callmocks.provider.bodies import SERVER_LIMITS, BodyTooLarge, read_body
from callmocks.provider.credentials import decode_basic, secrets_equal
from callmocks.provider.server import ProviderServer
from callmocks.tenants.exchange import Exchange, Reply
from callmocks.tenants.registry import Registry
from callmocks.tenants.state import State
from callmocks.tenants.tenant import Tenant
from callmocks.tenants.worker import read_even_without_threads

_MEBIBYTE: Final = 1024 * 1024
_JOURNALED_BYTES: Final = 64 * 1024
_ENCODINGS: Final = frozenset({"identity", "gzip", "deflate"})


class OnecServer(ProviderServer):
    def __init__(self, registry: Registry) -> None:
        super().__init__(ONEC, registry)

    def list_routes(self) -> list[web.RouteDef]:
        return [
            web.post(wsdl.PATH, self.handle_call),
            web.get(wsdl.PATH, self.handle_wsdl),
            web.route("*", "/{path:.*}", self.handle_other_request),
        ]

    async def handle_call(self, request: web.Request) -> web.StreamResponse:
        tenant, authorized = self._find_tenant(request)
        state = tenant.state.for_request()  # before the body is read: the tenant may change
        if not authorized:
            return await self._reject_unauthorized(request, tenant, state)
        media = request.content_type
        guard, error = envelope.InputGuard(), _find_unsupported_form(request, media)
        try:
            limit = _parse_body_limit(tenant.assumptions.choices["onec.body-limit"])
            body = await read_body(request, limit, guard.check)
            nesting = self.app[SERVER_LIMITS].nesting
            if await read_even_without_threads(is_xml_too_deep, len(body), body, nesting):
                raise SoapError("Client", f"Excessive depth: more than {nesting} levels")
        except BodyTooLarge as too_large:
            body, error = guard.head, _explain_body_limit(tenant, too_large.limit)
        except SoapError as refused:
            body, error = guard.head, drop_frames(refused)
        charset = request.charset
        handle = partial(service.handle_request, media=media, charset=charset, error=error)
        exchange = self.start_exchange(request, tenant, body, state=state)
        return await self.respond(request, exchange, handle)

    async def _reject_unauthorized(
        self, request: web.Request, tenant: Tenant, state: State
    ) -> web.StreamResponse:
        try:
            body = await read_body(request, _JOURNALED_BYTES)
        except BodyTooLarge:
            body = b""
        exchange = self.start_exchange(request, tenant, body, state=state)
        return await self.respond(request, exchange, _reply_unauthorized)

    async def reject_unread(
        self, exchange: Exchange, status: int, text: str, content_type: str
    ) -> Reply:
        exchange.notes.append(text)
        namespace = envelope.guess_soap_namespace(b"", content_type)
        error = SoapError("Client" if status in (400, 404, 405) else "Server", text)
        return replace(service.make_fault_reply(exchange, namespace, error), status=status)

    async def handle_wsdl(self, request: web.Request) -> web.StreamResponse:
        if not any(name.lower() == "wsdl" for name in request.query):
            return await self.handle_other_request(request)
        tenant, authorized = self._find_tenant(request)
        tenants = [tenant] if hdrs.AUTHORIZATION in request.headers else list(self.registry)
        access = {tenant.assumptions.choices["onec.wsdl-access"] for tenant in tenants}
        handle = partial(_reply_wsdl, authorized=authorized or access != {"basic"})
        exchange = self.start_exchange(request, tenant, operation="wsdl")
        return await self.respond(request, exchange, handle)

    async def handle_other_request(self, request: web.Request) -> web.StreamResponse:
        is_service = request.path == wsdl.PATH
        text = f"SOAP requests are posted to {wsdl.PATH}, and {wsdl.PATH}?wsdl describes them"
        response = await self.respond_unread(request, 405 if is_service else 404, text)
        if is_service and not response.prepared:
            response.headers[hdrs.ALLOW] = "POST"
        return response

    def _find_tenant(self, request: web.Request) -> tuple[Tenant, bool]:
        """The tenant of the request's user, and whether the password is right."""
        credentials = decode_basic(request.headers.get(hdrs.AUTHORIZATION, ""))
        tenant = self.registry.find(USER, credentials.user) if credentials else None
        if tenant is None or credentials is None:
            return self.registry.unmatched, False
        return tenant, secrets_equal(credentials.password, tenant.settings.onec.password)


def _find_unsupported_form(request: web.Request, media: str) -> SoapError | None:
    encoding = request.headers.get(hdrs.CONTENT_ENCODING, "")
    if encoding and encoding.strip().lower() not in _ENCODINGS:
        text = f"the request has a Content-Encoding {encoding[:80]!r}, which is not supported"
        return SoapError("Client", text)
    if media.startswith("multipart/"):
        text = (
            f"the request is {media[:80]}: attachments and MTOM are not supported, send XML alone"
        )
        return SoapError("Client", text)
    return None


@cache
def _parse_body_limit(choice: str) -> int:
    """Bytes, of a choice such as ``64 MiB``."""
    return int(choice.split()[0]) * _MEBIBYTE


def _explain_body_limit(tenant: Tenant, limit: int) -> SoapError:
    choice = tenant.assumptions.choices["onec.body-limit"]
    if limit < _parse_body_limit(choice):  # the server's own limit
        return SoapError("Client", f"the request is longer than {limit} bytes")
    violation = ("body", f"at most {choice}", "more")
    error = SoapError("Client", f"the request is longer than {choice}", violation)
    error.assumption = "onec.body-limit"
    return error


async def _reply_unauthorized(exchange: Exchange) -> Reply:
    return service.make_unauthorized_reply(exchange)


async def _reply_wsdl(exchange: Exchange, authorized: bool) -> Reply:
    exchange.use_assumption("onec.wsdl-access")
    if not authorized:
        return service.make_unauthorized_reply(exchange)
    body = wsdl.render_wsdl(exchange.requester.origin + wsdl.PATH)
    return Reply(body, 200, "text/xml; charset=utf-8")
