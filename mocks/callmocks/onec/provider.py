import re
from collections.abc import Mapping

from aiohttp import web
from lxml import etree

from callmocks.config.server_limits import DEFAULT_LIMITS
from callmocks.config.types import PROVIDER_TITLES
from callmocks.contract.cached_property import cached_property
from callmocks.contract.findings import ValidationResult
from callmocks.contract.journal import ResponseSummary
from callmocks.contract.listed_names import Operations
from callmocks.contract.message_size import DEEP, MAX_NESTING
from callmocks.contract.nesting import is_xml_too_deep
from callmocks.onec import contract, envelope, service, wsdl
from callmocks.onec.faults import FAULT_TYPES
from callmocks.onec.limits import OUT_OF_LIMIT, QUOTA_KEY
from callmocks.onec.namespaces import CONTENT_TYPES, FAULT_PATHS, PROPERTY, ROW
from callmocks.onec.results import SUCCESS
from callmocks.onec.soap import FaultCode, SoapError
from callmocks.provider.base import Credential, Provider, RequestKey, WireExchange
from callmocks.provider.harmless import HarmlessFields
from callmocks.provider.listeners import URL_PATHS
from callmocks.provider.recorded_rows import RowReader
from callmocks.tenants.exchange import Exchange, Reply
from callmocks.tenants.registry import Registry
from callmocks.tenants.settings import TenantSettings

USER = "1C user"
_DATE = re.compile(r"(\d{4}-\d\d-\d\d)(?:T00:00:00)?(?:\.0+)?")
_FAULT_ELEMENT = re.compile(rb"<(\w+:)?Fault[\s>]")


class OnecProvider(Provider):
    name = "onec"
    title = PROVIDER_TITLES["onec"]
    url_path = URL_PATHS["onec"]
    proxy_port = 9088
    window_fields = ("PeriodFrom", "PeriodTo")
    max_request_bytes = DEFAULT_LIMITS.body
    fault_types = FAULT_TYPES

    def create_app(self, registry: Registry) -> web.Application:
        from callmocks.onec.server import OnecServer

        return OnecServer(registry).create_app()

    def list_credentials(self, settings: TenantSettings) -> list[Credential]:
        return [Credential(USER, settings.onec.user)]

    def quota_kind(self, key: str) -> type[int] | type[str] | None:
        found = QUOTA_KEY.fullmatch(key)
        return None if found is None else str if found[1] == "first" else int

    def find_operation(self, exchange: Exchange | WireExchange) -> str:
        message = _read_message(exchange.request)
        return message.operation if message else ""

    def find_content_excess(self, request: bytes, transport: str) -> str:
        if excess := envelope.find_byte_excess(request):
            return excess
        return DEEP if is_xml_too_deep(request, MAX_NESTING) else ""

    def read_fields(self, request: bytes) -> dict[str, object]:
        """The parameters' texts: ``{"Params.PeriodFrom": "2026-03-02T00:00:00"}``."""
        message = _read_message(request)
        if message is None:
            return {}
        return {
            f"Params.{name}": (element[0].text or "").strip()
            for element in message.payload.iter(PROPERTY)
            if len(element) and (name := element.get("name"))
        }

    @cached_property
    def operations(self) -> Operations:
        """Of the real service; it is documented what those take that are served."""
        served = {
            name: tuple(f"Params.{parameter}" for parameter in operation.parameters)
            for name, operation in contract.load_operations().items()
        }
        names = sorted(contract.load_operation_names())
        return {**served, "wsdl": (), **{name: served.get(name) for name in names}}

    def request_key(self, request: bytes, transport: str = "http") -> RequestKey | None:
        message = _read_message(request)
        if message is None:
            return None
        texts = {
            element.get("name", "").strip(): _normalize_text(element)
            for element in message.payload.iter(PROPERTY)
        }
        return {name: text for name, text in texts.items() if text}

    def summarize_response(self, response: bytes) -> ResponseSummary:
        message = _read_message(response)
        if message is None:
            return ResponseSummary()
        if message.operation == "Fault":
            code, text = (message.payload.findtext(path) for path in FAULT_PATHS[message.namespace])
            return ResponseSummary.of_error((code or "").rpartition(":")[2], text or "")
        texts = (
            (element[0].text or "").strip()
            for element in message.payload.iter(PROPERTY)
            if len(element) and element.get("name") == "ResultCode"
        )
        code = next(texts, "")
        if code not in ("", SUCCESS):
            return ResponseSummary.of_error(code)
        return ResponseSummary("", sum(1 for _ in message.payload.iter(ROW)) if code else None)

    def classify_request(
        self, method: str, path: str, query: str, endpoint_path: str
    ) -> tuple[str, bool]:
        if endpoint_path in ("", path.rstrip("/")) and method != "POST" and "wsdl" in query.lower():
            return "wsdl", True
        return super().classify_request(method, path, query, endpoint_path)

    def preload_validator(self, contract: str) -> None:
        from callmocks.onec import validate

        wsdl.load_validator()
        validate.validate_message(b"<x/>")

    def validate_request(self, exchange: WireExchange, contract: str) -> ValidationResult:
        from callmocks.onec import validate

        return validate.validate_message(exchange.request)

    def validate_response(self, exchange: WireExchange, contract: str) -> ValidationResult:
        from callmocks.onec import validate

        if exchange.operation == "wsdl":
            return validate.validate_wsdl(exchange.response)
        if exchange.status == 401:
            return ValidationResult(self.name, "refusal", "answer", exchange.operation)
        media = exchange.content_type.partition(";")[0].strip().lower() or None
        request, status = exchange.request or None, exchange.status
        return validate.validate_message(exchange.response, request, status, media)

    def load_harmless_fields(self) -> HarmlessFields:
        from callmocks.onec import harmless

        return harmless.load_harmless_fields()

    def replay_reply(self, exchange: Exchange, recorded: WireExchange) -> Reply | None:
        """The response in the version of SOAP of this request; a Fault has no other version."""
        body = recorded.response
        wanted = envelope.guess_soap_namespace(exchange.request, "")
        namespace = envelope.guess_soap_namespace(body, recorded.content_type)
        content_type = recorded.content_type or CONTENT_TYPES[namespace]
        if wanted != namespace and body.lstrip().startswith(b"<"):
            if _FAULT_ELEMENT.search(body):
                return None
            body = body.replace(namespace.encode(), wanted.encode())
            content_type = CONTENT_TYPES[wanted]
        return Reply(body, recorded.status, content_type)

    async def find_refusal(self, exchange: Exchange) -> Reply | None:
        return await service.find_refusal(exchange)

    def make_row_reader(self) -> RowReader:
        from callmocks.onec import recorded_rows

        return recorded_rows.OnecRowReader()

    def no_match_reply(self, exchange: Exchange, text: str) -> Reply:
        return self.error_reply(exchange, "soap_fault", {"code": "server", "text": text})

    unavailable_reply = no_match_reply

    def list_errors(self) -> Mapping[str, tuple[str, ...]]:
        text = ("code", "text")
        return {"soap_fault": text, "result_code": text, "limit_reached": (), "unauthorized": ()}

    def error_reply(self, exchange: Exchange, name: str, params: Mapping[str, str]) -> Reply:
        if name not in self.list_errors():
            raise KeyError(name)
        if name == "unauthorized":
            return service.make_unauthorized_reply(exchange)
        request = exchange.request
        message = _read_message(request)
        namespace = message.namespace if message else envelope.guess_soap_namespace(request, "")
        if name == "soap_fault":
            code: FaultCode = "Client" if params["code"] == "client" else "Server"
            return service.make_fault_reply(exchange, namespace, SoapError(code, params["text"]))
        operation = message.operation if message else ""
        if operation not in contract.load_operations():
            operation = contract.HISTORY_OPERATION
        result = OUT_OF_LIMIT if name == "limit_reached" else (params["code"], params["text"])
        return service.make_result_code_reply(exchange, namespace, operation, *result)


def _read_message(request: bytes) -> envelope.SoapMessage | None:
    try:
        return envelope.read_message(request)
    except SoapError:
        return None


def _normalize_text(element: etree._Element) -> str:
    """The text of a property's value; a date is its midnight."""
    text = (element[0].text or "").strip() if len(element) else ""
    date = _DATE.fullmatch(text)
    return f"{date[1]}T00:00:00" if date else text.lower()


ONEC = OnecProvider()
