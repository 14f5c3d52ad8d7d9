"""Recorded calls of a 1C-Connect service, sent again: at most five of the history."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import ClassVar

from lxml import etree

from callmocks.contract.findings import ValidationResult
from callmocks.contract.xml import UUID, make_parser
from callmocks.onec import contract, envelope, validate
from callmocks.onec.contract import HISTORY_OPERATION, describe_column
from callmocks.onec.decoder import SoapFault, read_answer
from callmocks.onec.limits import OUT_OF_LIMIT
from callmocks.onec.namespaces import XS
from callmocks.onec.results import SUCCESS
from callmocks.onec.values import EMPTY_DATE, BadValue, Value, ValueTable
from callmocks.onec.values import NULL as CORE_NULL
from callmocks.provider.base import WireExchange
from callmocks.verification.check_onec import OnecCheck
from callmocks.verification.comparison import WSDL, Comparison, RepeatedRequest
from callmocks.verification.runner import SkipProbe
from callmocks.verification.shapes import EMPTY_DATE as EMPTY_DATE_FORM
from callmocks.verification.shapes import EMPTY_TEXT, NULL, Shape

MAX_HISTORY_CALLS = 5  # of ten an hour
_LONGEST_BY_DAY = timedelta(days=7)
_DATA = "ResultData"
_SIGNATURE = ("type", "base", "ref", "minOccurs", "maxOccurs", "nillable", "use", "value")


class OnecComparison(Comparison, OnecCheck):
    separator = "/"
    selecting = frozenset({"ClientID", "ServiceUserID", "ServiceID", "SpecialistID"})
    member_assumptions: ClassVar[Mapping[str, str]] = {
        "CallTime": "onec.failed-call-time",
        "CalleeID": "onec.failed-callee",
        "layout": "onec.answer-layout",
        "status": "onec.sender-fault-status",
    }

    def prepare(self) -> None:
        super().prepare()
        self.history_calls = 0

    def find_assumption(self, operation: str, where: str) -> str | None:
        served = contract.load_operations().get(operation)
        if served is not None and served.columns_choice and where.startswith(_DATA):
            return served.columns_choice
        return super().find_assumption(operation, where)

    def describe_variant(self, request: bytes) -> str:
        return envelope.guess_soap_namespace(request, "")

    def depends_on_hour(self, request: RepeatedRequest) -> bool:
        """By day a history needs its beginning, and has seven days at most."""
        begin, end = (request.parameters.get(name) for name in ("PeriodFrom", "PeriodTo"))
        if request.operation != HISTORY_OPERATION or not (begin and end):
            return request.operation == HISTORY_OPERATION
        try:
            length = datetime.fromisoformat(end) - datetime.fromisoformat(begin)
        except (ValueError, TypeError):
            return False
        return length > _LONGEST_BY_DAY

    def read_shape(self, exchange: WireExchange) -> Shape | None:
        if exchange.operation == WSDL:
            return _read_wsdl(exchange.response)
        if exchange.status == 401:
            return Shape(self.separator, "no answer without credentials")
        shape, body = Shape(self.separator), exchange.response
        try:
            result = read_answer(body)
        except SoapFault as fault:
            shape.outcome, shape.outcome_path = f"a Fault {fault.code}", "Fault"
            return shape
        except (BadValue, RecursionError):
            return None
        code, data = result.get("ResultCode"), result.get(_DATA)
        shape.outcome, shape.outcome_path = f"the ResultCode {code!s}", "ResultCode"
        shape.add_members("return", list(result))
        shape.add_value(_DATA, type(data).__name__)
        if code == SUCCESS and isinstance(data, ValueTable):
            shape.add_value("layout", "indented" if b"\r\n\t" in body else "compact")
            shape.rows = len(data.rows)
            _add_table(shape, data)
        return shape

    def validate(self, exchange: WireExchange) -> ValidationResult:
        if exchange.operation == WSDL:
            return validate.validate_wsdl(exchange.response)
        if exchange.status == 401:
            return ValidationResult(self.provider.name, "refusal", "answer", exchange.operation)
        media = exchange.content_type.partition(";")[0].strip().lower() or None
        body, request = exchange.response, exchange.request or None
        return validate.validate_message(body, request, exchange.status, media, self.choices)

    def explain_refusal(self, exchange: WireExchange, shape: Shape) -> str:
        if shape.outcome == f"the ResultCode {OUT_OF_LIMIT[0]}":
            return f"the service says {OUT_OF_LIMIT[0]}"
        return super().explain_refusal(exchange, shape)

    async def send_recorded(self, exchange: WireExchange) -> WireExchange:
        operation, request = exchange.operation, exchange.request
        if operation == WSDL:
            headers = {"Authorization": self.basic}
            response = await self.send_request(WSDL, "GET", f"{self.target.url}?wsdl", headers)
        else:
            if operation == HISTORY_OPERATION:
                if self.history_calls >= MAX_HISTORY_CALLS:
                    raise SkipProbe(f"{MAX_HISTORY_CALLS} calls of the history were made")
                self.history_calls += 1
            namespace = envelope.guess_soap_namespace(request, "")
            response = await self.post_envelope(operation, namespace, request)
        media = response.headers.get("Content-Type", "")
        return WireExchange(operation, request, response.body, response.status, "http", media)


def _add_table(shape: Shape, table: ValueTable) -> None:
    path = f"{_DATA}/column"
    shape.add_members(path, table.names)
    for column in table.columns:
        shape.add_value(f"{path}/{column.name}", describe_column(column))
    for row in table.records():
        for name, value in row.items():
            shape.add_value(f"{_DATA}/row/{name}", _describe_cell(value))


def _describe_cell(value: Value) -> str:
    if value is None or value is CORE_NULL:
        return NULL
    if value == EMPTY_DATE:
        return EMPTY_DATE_FORM
    if value == "":
        return EMPTY_TEXT
    if isinstance(value, str):
        return "a uuid" if UUID.fullmatch(value) else "a text"
    return type(value).__name__


def _read_wsdl(body: bytes) -> Shape | None:
    """Of each named part of its schemas, what it is made of."""
    try:
        root = etree.fromstring(body, make_parser())
    except (etree.XMLSyntaxError, ValueError):
        return None
    shape = Shape("/", "a WSDL")
    for part in root.iterfind(f".//{{{XS}}}schema/*[@name]"):
        path = f"types/{etree.QName(part).localname} {part.get('name')}"
        shape.add_value(path, "; ".join(_iter_signature(part)))
    return shape


def _iter_signature(part: etree._Element) -> Iterator[str]:
    for each in part.iterdescendants(etree.Element):
        told = [f"{name}={str(each.get(name)).rpartition(':')[2]}" for name in _SIGNATURE
                if each.get(name) is not None]  # fmt: skip
        yield " ".join((etree.QName(each).localname, str(each.get("name", "")), *told)).strip()
