"""The vendor's error objects, from its table (``schemas/cdr/errors.csv``)."""

import re
from enum import IntEnum
from functools import cache
from typing import Any

import msgspec

from callmocks.contract.quoting import shorten_text
from callmocks.contract.resources import load_table
from callmocks.tenants.exchange import Exchange


class ErrorTableRow(msgspec.Struct, frozen=True):
    mnemonic: str
    code: int
    message: str
    when: str


@cache
def load_error_table() -> dict[str, ErrorTableRow]:
    rows = msgspec.convert(load_table("cdr/errors.csv"), list[ErrorTableRow], strict=False)
    return {row.mnemonic: row for row in rows}


class RpcError(Exception):
    """``field`` is the dotted path of a parameter, ``value`` what was sent there, ``params``
    the substitutions of the message. ``expected`` and ``got`` go to the journal only.
    """

    def __init__(
        self,
        mnemonic: str,
        field: str | None = None,
        value: object = None,
        params: dict[str, object] | None = None,
        expected: str = "",
        got: str = "",
    ) -> None:
        row = load_error_table()[mnemonic]
        self.mnemonic = mnemonic
        self.field = None if field is None else shorten_text(field)
        self.value = echo_value(value)
        self.params = params or {}
        self.expected = expected or row.when
        self.got = got or self._describe_value(value)
        self.metadata: dict[str, Any] | None = None  # of errors after authentication
        self.code = row.code
        self.message = row.message.format_map(self.params)
        super().__init__(self.message)

    def _describe_value(self, value: object) -> str:
        if self.value is not None:
            return self.value
        if value is not None:
            return "a value that is nested too deep"
        return "nothing" if self.mnemonic == "required_parameter_missed" else "null"

    def build_error_object(self) -> dict[str, Any]:
        # No key of data is ever left out.
        data: dict[str, Any] = {
            "mnemonic": self.mnemonic,
            "field": self.field,
            "value": self.value,
            "params": self.params,
            "extended_helper": None,
        }
        if self.metadata is not None:
            data["metadata"] = self.metadata
        return {"code": self.code, "message": self.message, "data": data}


def echo_value(value: object) -> str | None:
    """What was sent, as a string: text as it is, anything else as JSON; null stays null."""
    if value is None:
        return None
    try:
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    except RecursionError:
        return None
    return shorten_text(text, MAX_ECHO_CHARS)


# Documented: of an address that is not allowed nothing is told.
ERRORS_WITHOUT_LIMITS = frozenset({"ip_not_whitelisted"})
MAX_ECHO_CHARS = 1000
MAX_NOTED = 20  # for the journal; a hostile filter could have ten thousand errors
_INDEX = re.compile(r"\.\d+(?=\.|$)")


# The contract's order.
class CheckOrder(IntEnum):
    UNKNOWN = 1
    REQUIRED = 2
    TYPE = 3
    PROHIBITED = 4
    VALUE = 5
    INTERVAL = 6


_ORDER_OF = {
    "unexpected_parameters": CheckOrder.UNKNOWN,
    "required_parameter_missed": CheckOrder.REQUIRED,
    "data_type_error": CheckOrder.TYPE,
    "parameter_component_disabled": CheckOrder.PROHIBITED,
    "filter_prohibited": CheckOrder.PROHIBITED,
    "sort_prohibited": CheckOrder.PROHIBITED,
    "date_interval_limit_reached": CheckOrder.INTERVAL,
}


class ParameterErrors(msgspec.Struct):
    """All checks run: the journal gets every error, the client the ``first``."""

    exchange: Exchange
    first: RpcError | None = None
    first_order: CheckOrder = CheckOrder.INTERVAL
    noted: int = 0

    def add(
        self,
        mnemonic: str,
        path: str,
        value: object = None,
        expected: str = "",
        *,
        params: dict[str, object] | None = None,
        order: CheckOrder | None = None,
    ) -> None:
        """``path`` has indexes; the paths that clients read may be without them."""
        order = order or _ORDER_OF.get(mnemonic, CheckOrder.VALUE)
        is_first = self.first is None or order < self.first_order
        if self.noted >= MAX_NOTED and not is_first:
            return
        indexed = self.exchange.use_assumption("cdr.error-path") == "indexed"
        field = path if indexed else _INDEX.sub("", path)
        error = RpcError(mnemonic, field, value, params, expected)
        if self.noted < MAX_NOTED:
            self.noted += 1
            # Only quotes tell "5" from 5, when the type is what is wrong.
            quoted = order is CheckOrder.TYPE and isinstance(value, str)
            got = f'"{error.got}"' if quoted else error.got
            self.exchange.add_violation(path, error.expected, got)
        if is_first:
            self.first, self.first_order = error, order
