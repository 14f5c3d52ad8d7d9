from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lxml import etree

from callmocks.onec import contract, envelope, service, service_calls
from callmocks.onec.faults import FAULT_TYPES
from callmocks.onec.limits import OUT_OF_LIMIT
from callmocks.onec.namespaces import PROPERTY
from callmocks.onec.soap import FaultCode, SoapError
from callmocks.provider.base import Credential, Provider

if TYPE_CHECKING:
    from aiohttp import web

    from callmocks.tenants.exchange import Exchange, Reply
    from callmocks.tenants.registry import Registry
    from callmocks.tenants.settings import TenantSettings

USER = "1C user"
"""Kind of credential."""


class OnecProvider(Provider):
    name = "onec"
    title = "1C"
    url_path = "/cus/ws/PartnerWebAPI2"
    fault_types = FAULT_TYPES

    def create_app(self, registry: Registry) -> web.Application:
        from callmocks.onec.server import make_app

        return make_app(registry)

    def list_credentials(self, settings: TenantSettings) -> list[Credential]:
        return [Credential(USER, settings.onec.user)]

    def find_operation(self, exchange: Exchange) -> str:
        """Name of the Body's child; ``""`` when the request is no SOAP message."""
        message = _read_message(exchange.request)
        return "" if message is None else etree.QName(message.payload).localname

    def read_fields(self, request: bytes) -> dict[str, object]:
        """The parameters' texts: ``{"Params.PeriodFrom": "2026-03-02T00:00:00"}``."""
        message = _read_message(request)
        if message is None:
            return {}
        return {
            f"Params.{element.get('name')}": (element[0].text or "").strip()
            for element in message.payload.iter(PROPERTY)
            if len(element)
        }

    def list_errors(self) -> Mapping[str, tuple[str, ...]]:
        """The errors ``error_reply`` makes."""
        said = ("code", "text")
        return {"soap_fault": said, "result_code": said, "limit_reached": (), "unauthorized": ()}

    def error_reply(self, exchange: Exchange, name: str, params: Mapping[str, str]) -> Reply:
        """An error in the shape and version of the request it answers."""
        if name == "unauthorized":
            return service.make_unauthorized_reply()
        message = _read_message(exchange.request)
        namespace = (
            message.namespace if message else envelope.guess_soap_namespace(exchange.request, "")
        )
        if name == "soap_fault":
            code: FaultCode = "Client" if params["code"] == "client" else "Server"
            return service.make_fault_reply(namespace, SoapError(code, params["text"]))
        named = self.find_operation(exchange)
        operation = named if named in contract.load_operations() else service_calls.OPERATION
        if name == "limit_reached":
            return service.make_result_code_reply(namespace, operation, *OUT_OF_LIMIT)
        if name == "result_code":
            return service.make_result_code_reply(
                namespace, operation, params["code"], params["text"]
            )
        raise KeyError(name)

    def unavailable_reply(self, exchange: Exchange, text: str) -> Reply:
        """A Fault of the server's."""
        return self.error_reply(exchange, "soap_fault", {"code": "server", "text": text})


def _read_message(request: bytes) -> envelope.SoapMessage | None:
    try:
        return envelope.read_envelope(envelope.parse_document(request))
    except SoapError:
        return None


ONEC = OnecProvider()
