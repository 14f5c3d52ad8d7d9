"""``Params`` read against the contract: the values of a call, or why it is refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Final, NoReturn

from lxml import etree

from callmocks.contract.xml import UUID
from callmocks.onec.contract import Parameter, ServedOperation
from callmocks.onec.decoder import resolve_name
from callmocks.onec.namespaces import XS, XSI_NIL, XSI_TYPE
from callmocks.onec.results import ResultCodeError
from callmocks.onec.scalars import NUMBERS, STRINGS, read_date, read_datetime, read_scalar
from callmocks.onec.values import EMPTY_DATE, BadValue

if TYPE_CHECKING:
    from callmocks.tenants.exchange import Exchange

ParameterValue = datetime | str | int
"""Naive wall time in whole seconds, UUID in small letters, or number."""

_DATE_TIME: Final = f"{{{XS}}}dateTime"
_DATE: Final = f"{{{XS}}}date"
_DECIMAL: Final = f"{{{XS}}}decimal"
_TYPES: Final[Mapping[str, frozenset[str]]] = {
    "dateTime": frozenset({_DATE_TIME, _DATE}),
    "uuid": STRINGS,
    "decimal": NUMBERS,
}
_EXPECTED: Final[Mapping[str, str]] = {
    "dateTime": "xs:dateTime",
    "uuid": "xs:string with a UUID",
    "decimal": "xs:decimal",
}


def read_parameters(
    exchange: Exchange, operation: ServedOperation, params: Iterable[etree._Element]
) -> dict[str, ParameterValue]:
    """The values by parameter; ``ResultCodeError`` when one is not as the contract says.

    ``params`` holds properties with a name and one value each.
    """
    values: dict[str, ParameterValue] = {}
    names: set[str] = set()
    for element in params:
        name = element.get("name", "").strip()
        parameter = operation.parameters.get(name) or _find_ignoring_case(exchange, operation, name)
        if parameter is None:
            _handle_unknown(exchange, operation, name)
        elif parameter.name in names:
            code = "onec.code-duplicate-parameter"
            reject_parameter(exchange, code, name, "a parameter once", "it again")
        else:
            names.add(parameter.name)
            value = _read_value(exchange, parameter, element[0])
            if value is not None:
                values[parameter.name] = value
    return values


def reject_parameter(exchange: Exchange, code: str, name: str, expected: str, got: str) -> NoReturn:
    """``code`` is the id of the assumption whose choice is the ResultCode."""
    exchange.add_violation(f"Params/{name}", expected, got)
    reason = f"{name.upper()}: expected {expected}, got {got}"
    raise ResultCodeError(exchange.use_assumption(code), reason)


def reject_missing(exchange: Exchange, name: str) -> NoReturn:
    exchange.add_violation(f"Params/{name}", "a value", "none")
    raise ResultCodeError(exchange.use_assumption("onec.code-missing-parameter"), name.upper())


def _find_ignoring_case(
    exchange: Exchange, operation: ServedOperation, name: str
) -> Parameter | None:
    lowered = name.lower()
    for parameter in operation.parameter:
        if parameter.name.lower() == lowered:
            return parameter if exchange.use_assumption("onec.parameter-case") == "any" else None
    return None


def _handle_unknown(exchange: Exchange, operation: ServedOperation, name: str) -> None:
    expected = f"one of {', '.join(operation.parameters)}"
    if exchange.use_assumption("onec.unknown-parameter") == "refuse":
        reject_parameter(exchange, "onec.code-unknown-parameter", name, expected, "another name")
    exchange.add_violation(f"Params/{name}", expected, "another name")


def _read_value(
    exchange: Exchange, parameter: Parameter, element: etree._Element
) -> ParameterValue | None:
    text = (element.text or "").strip()
    nil = element.get(XSI_NIL)
    if nil is not None and nil.strip() in ("true", "1"):
        if exchange.use_assumption("onec.empty-parameter") == "absent":
            return None
        _reject_type(exchange, parameter, "nil")
    _check_type(exchange, parameter, element)
    if not text and exchange.use_assumption("onec.empty-parameter") == "absent":
        return None
    if parameter.type == "dateTime":
        return _read_wall_time(exchange, parameter, text)
    if parameter.type == "uuid":
        if UUID.fullmatch(text) is None:
            got = repr(text[:80])
            reject_parameter(exchange, "onec.code-bad-uuid", parameter.name, "a UUID", got)
        return text.lower()
    return _read_number(exchange, parameter, text)


def _check_type(exchange: Exchange, parameter: Parameter, element: etree._Element) -> None:
    if len(element):
        _reject_type(exchange, parameter, "elements")
    written = element.get(XSI_TYPE)
    if written is None:  # read as text
        exchange.use_assumption("onec.value-typing")
        return
    try:
        type_name = resolve_name(element, written, "Value")
    except BadValue:
        type_name = ""
    if type_name in _TYPES[parameter.type]:
        return
    if exchange.use_assumption("onec.value-typing") == "typed":
        _reject_type(exchange, parameter, written)


def _read_wall_time(exchange: Exchange, parameter: Parameter, text: str) -> datetime | None:
    try:
        wall_time = read_datetime(text)
    except ValueError:
        try:
            wall_time = datetime.combine(read_date(text), time())
        except ValueError:
            _reject_type(exchange, parameter, repr(text[:80]))
    if wall_time.tzinfo is not None:
        wall_time = _convert_to_wall_time(exchange, parameter, wall_time)
    if wall_time == EMPTY_DATE and exchange.use_assumption("onec.empty-parameter") == "absent":
        return None
    return wall_time.replace(microsecond=0)  # 1C's dates have no fractions


def _convert_to_wall_time(
    exchange: Exchange, parameter: Parameter, wall_time: datetime
) -> datetime:
    if exchange.use_assumption("onec.offset-dates") == "convert":
        try:
            wall_time = wall_time.astimezone(exchange.tenant.clock.zone)
        except OverflowError:
            _reject_type(exchange, parameter, wall_time.isoformat())
    return wall_time.replace(tzinfo=None)


def _read_number(exchange: Exchange, parameter: Parameter, text: str) -> int:
    try:
        value = read_scalar(_DECIMAL, text)
    except ValueError:
        _reject_type(exchange, parameter, repr(text[:80]))
    assert isinstance(value, Decimal)
    number = int(value)
    if number != value or (parameter.values and number not in parameter.values):
        allowed = " or ".join(map(str, parameter.values))
        reject_parameter(exchange, "onec.code-wrong-value", parameter.name, allowed, text[:80])
    return number


def _reject_type(exchange: Exchange, parameter: Parameter, got: str) -> NoReturn:
    expected = _EXPECTED[parameter.type]
    reject_parameter(exchange, "onec.code-wrong-type", parameter.name, expected, got)
