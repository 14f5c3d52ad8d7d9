"""``Params`` read against the contract: the values of a call, or why it is refused."""

from collections.abc import Iterable, Mapping
from datetime import datetime, time
from decimal import Decimal
from typing import Final, NoReturn

import msgspec
from lxml import etree

from callmocks.contract.quoting import quote_text
from callmocks.contract.xml import UUID
from callmocks.onec.contract import Parameter, ServedOperation
from callmocks.onec.decoder import resolve_name
from callmocks.onec.namespaces import CORE, XS, XSI_NIL, XSI_TYPE, name_namespace, split_name
from callmocks.onec.results import ResultCodeError
from callmocks.onec.scalars import NUMBERS, STRINGS, read_date, read_datetime, read_scalar
from callmocks.onec.values import EMPTY_DATE
from callmocks.onec.written_parameters import WrittenParameter
from callmocks.tenants.exchange import Exchange

ParameterValue = datetime | str | int
"""Naive wall time in whole seconds, UUID in small letters, or number."""

ONCE: Final = "a parameter once"
_DECIMAL: Final = f"{{{XS}}}decimal"
_FLOATS: Final = (f"{{{XS}}}double", f"{{{XS}}}float")
# By type: how an error names it, and the types in which a request may write it.
_TYPES: Final[Mapping[str, tuple[str, frozenset[str]]]] = {
    "dateTime": ("xs:dateTime", frozenset({f"{{{XS}}}dateTime", f"{{{XS}}}date"})),
    "uuid": ("xs:string with a UUID", STRINGS),
    "decimal": ("xs:decimal", NUMBERS),
}


def read_parameters(
    exchange: Exchange, operation: ServedOperation, written: Iterable[WrittenParameter]
) -> dict[str, ParameterValue]:
    """The values by parameter; ``ResultCodeError`` when one is not as the contract says.

    ``BadValue`` when a type has an undeclared prefix.
    """
    values: dict[str, ParameterValue] = {}
    names: set[str] = set()
    for each in written:
        name = each.name
        parameter = operation.parameters.get(name) or _find_any_case(exchange, operation, name)
        if parameter is None:
            _handle_unknown(exchange, operation, name)
        elif parameter.name in names:
            code = "onec.code-duplicate-parameter"
            reject_parameter(exchange, code, name, ONCE, "it again", "[2]")
        else:
            names.add(parameter.name)
            value = _ValueReader(exchange, parameter).read(each)
            if value is not None:
                values[parameter.name] = value
    return values


def reject_parameter(
    exchange: Exchange, code: str, name: str, expected: str, got: str, index: str = ""
) -> NoReturn:
    """``code`` is the id of the assumption whose choice is the ResultCode."""
    exchange.add_violation(f"Params/{name}{index}", expected, got)
    reason = f"{name.upper()}: expected {expected}, got {got}"
    raise ResultCodeError(exchange.use_assumption(code), reason)


def reject_missing(exchange: Exchange, name: str) -> NoReturn:
    exchange.add_violation(f"Params/{name}", "a value", "none")
    raise ResultCodeError(exchange.use_assumption("onec.code-missing-parameter"), name.upper())


def _find_any_case(exchange: Exchange, operation: ServedOperation, name: str) -> Parameter | None:
    for parameter in operation.parameter:
        if parameter.name.lower() == name.lower():
            return parameter if exchange.use_assumption("onec.parameter-case") == "any" else None
    return None


def _handle_unknown(exchange: Exchange, operation: ServedOperation, name: str) -> None:
    expected, got = f"one of {', '.join(operation.parameters)}", quote_text(name)
    if exchange.use_assumption("onec.unknown-parameter") == "refuse":
        reject_parameter(exchange, "onec.code-unknown-parameter", name, expected, got)
    exchange.add_violation(f"Params/{name}", expected, got)


class _ValueReader(msgspec.Struct):
    exchange: Exchange
    parameter: Parameter

    def read(self, written: WrittenParameter) -> ParameterValue | None:
        content, type_name = written.content, written.type_name
        if type_name not in _TYPES[self.parameter.type][1]:
            element = written.value
            content = element.text or ""
            if self.is_nil(element):
                if self.counts_as_absent():
                    return None
                self.reject_type("nil")
            type_name = self.check_type(element)
        if isinstance(content, datetime):
            return self.check_wall_time(content)
        text = content.strip()
        if not text and self.counts_as_absent():
            return None
        if self.parameter.type == "dateTime":
            return self.read_wall_time(text)
        if self.parameter.type == "uuid":
            return self.read_uuid(text)
        return self.read_number(text, type_name if type_name in _FLOATS else _DECIMAL)

    def is_nil(self, element: etree._Element) -> bool:
        """Whether it is so, or 1C's own Null, which has no text."""
        if element.get(XSI_NIL, "").strip() in ("true", "1"):
            return True
        written = element.get(XSI_TYPE, "").strip()
        if not written.endswith("Null") or element.text or len(element):
            return False
        return resolve_name(element, written, "Value") == f"{{{CORE}}}Null"

    def counts_as_absent(self) -> bool:
        """Whether an empty value does."""
        return self.exchange.use_assumption("onec.empty-parameter") == "absent"

    def check_type(self, element: etree._Element) -> str:
        """The type in Clark notation; empty when it is not told, or is another and may be."""
        if len(element):
            self.reject_type("elements")
        written = element.get(XSI_TYPE)
        type_name = resolve_name(element, written or "", "Value")
        if type_name in _TYPES[self.parameter.type][1]:
            return type_name
        # Without a type it is read as text.
        if self.exchange.use_assumption("onec.value-typing") == "typed" and written is not None:
            namespace, local = split_name(type_name)
            xs = namespace == XS
            self.reject_type(f"xs:{local}" if xs else f"{local} of {name_namespace(namespace)}")
        return ""

    def read_wall_time(self, text: str) -> datetime | None:
        try:
            day = None if "T" in text else read_date(text)
            wall_time = datetime.combine(day, time()) if day else read_datetime(text)
        except ValueError:
            self.reject_type(repr(text[:80]))
        if wall_time.tzinfo is not None:
            if self.exchange.use_assumption("onec.offset-dates") == "convert":
                try:
                    wall_time = wall_time.astimezone(self.exchange.tenant.clock.zone)
                except OverflowError:
                    self.reject_type(wall_time.isoformat())
            wall_time = wall_time.replace(tzinfo=None)
        return self.check_wall_time(wall_time.replace(microsecond=0))  # 1C's have no fractions

    def check_wall_time(self, wall_time: datetime) -> datetime | None:
        if wall_time == EMPTY_DATE and self.counts_as_absent():
            return None
        return wall_time

    def read_uuid(self, text: str) -> str:
        if UUID.fullmatch(text) is None:
            self.reject("onec.code-bad-uuid", "a UUID", repr(text[:80]))
        return text.lower()

    def read_number(self, text: str, type_name: str) -> int:
        try:
            value = read_scalar(type_name, text)
        except ValueError:
            self.reject_type(repr(text[:80]))
        assert isinstance(value, Decimal | float)
        # Never as an int: half a million digits would take seconds.
        values = self.parameter.values
        number = next((each for each in values if each == value), None)
        if number is None:
            self.reject("onec.code-wrong-value", " or ".join(map(str, values)), text[:80])
        return number

    def reject_type(self, got: str) -> NoReturn:
        self.reject("onec.code-wrong-type", _TYPES[self.parameter.type][0], got)

    def reject(self, code: str, expected: str, got: str) -> NoReturn:
        reject_parameter(self.exchange, code, self.parameter.name, expected, got)
