"""What is wrong with the parameters of a request: all of it for the journal, the first for the
client.

The order of the checks (contract): unknown names, required, types, prohibited fields, operators
and values, interval. All checks run; the error of the lowest rank is the answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from callmocks.cdr.errors import RpcError

if TYPE_CHECKING:
    from callmocks.tenants.exchange import Exchange

MAX_NOTED = 20
"""Errors noted for the journal; a hostile filter could hold ten thousand."""

_INDEX = re.compile(r"\.\d+(?=\.|$)")


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
"""Of the other mnemonics: ``VALUE``."""


@dataclass
class ParameterErrors:
    """The errors in one request's parameters; ``first`` is the one for the client."""

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
        """An error at a dotted path with indexes; ``value`` is what was sent there.

        The paths that clients read may be without the indexes of lists; the journal's have them.
        """
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
            got = f'"{error.value}"' if quoted else str(error.value)
            self.exchange.add_violation(path, error.expected, got)
        if is_first:
            self.first, self.first_order = error, order
