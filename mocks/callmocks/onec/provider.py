"""What the rest of callmocks may ask of this provider: names, fields and errors of its messages."""

from __future__ import annotations

from collections.abc import Mapping

from lxml import etree

from callmocks.onec import contract, envelope, service, service_calls
from callmocks.onec.limits import OUT_OF_LIMIT
from callmocks.onec.namespaces import PROPERTY
from callmocks.onec.soap import FaultCode, SoapError
from callmocks.provider import base
from callmocks.tenants.exchange import Exchange, Reply


class Onec:
    """The 1C-Connect service as ``provider.base`` knows it."""

    name = "onec"

    def operation(self, exchange: Exchange) -> str:
        """Name of the Body's child; ``""`` when the request is no SOAP message."""
        message = _message(exchange.request)
        return "" if message is None else etree.QName(message.call).localname

    def fields(self, request: bytes) -> dict[str, object]:
        """The parameters' texts: ``{"Params.PeriodFrom": "2026-03-02T00:00:00"}``."""
        message = _message(request)
        if message is None:
            return {}
        return {
            f"Params.{element.get('name')}": (element[0].text or "").strip()
            for element in message.call.iter(PROPERTY)
            if len(element)
        }

    def errors(self) -> Mapping[str, tuple[str, ...]]:
        """The errors ``error_reply`` makes."""
        said = ("code", "text")
        return {"soap_fault": said, "result_code": said, "limit_reached": (), "unauthorized": ()}

    def error_reply(self, exchange: Exchange, name: str, params: Mapping[str, str]) -> Reply:
        """An error in the shape and version of the request it answers."""
        if name == "unauthorized":
            return service.unauthorized()
        message = _message(exchange.request)
        namespace = message.namespace if message else envelope.guess_namespace(exchange.request, "")
        if name == "soap_fault":
            code: FaultCode = "Client" if params["code"] == "client" else "Server"
            return service.fault(namespace, SoapError(code, params["text"]))
        named = self.operation(exchange)
        operation = named if named in contract.served() else service_calls.NAME
        if name == "limit_reached":
            return service.refusal(namespace, operation, *OUT_OF_LIMIT)
        if name == "result_code":
            return service.refusal(namespace, operation, params["code"], params["text"])
        raise KeyError(name)

    def unavailable(self, exchange: Exchange, text: str) -> Reply:
        """A Fault of the server's."""
        return self.error_reply(exchange, "soap_fault", {"code": "server", "text": text})


def _message(request: bytes) -> envelope.Message | None:
    try:
        return envelope.open_envelope(envelope.parse(request))
    except SoapError:
        return None


base.register(Onec())
