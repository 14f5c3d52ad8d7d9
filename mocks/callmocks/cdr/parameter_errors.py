"""What is wrong with the parameters of a request: all of it for the journal, the first for the
client.

The order of the checks (contract): unknown names, required, types, prohibited fields, operators
and values, interval. All checks run; the error of the lowest rank is the answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import IntEnum

from callmocks.cdr.errors import RpcError

MAX_NOTED = 20
"""Problems noted for the journal; a hostile filter could hold ten thousand."""

_INDEX = re.compile(r"\.\d+(?=\.|$)")


class CheckOrder(IntEnum):
    """When a check takes place among the others."""

    UNKNOWN = 0
    REQUIRED = 1
    TYPE = 2
    PROHIBITED = 3
    VALUE = 4
    INTERVAL = 5


class ParameterErrors:
    """Collected problems of one request's parameters.

    ``indexed`` is asked, when there is a problem, whether the paths that clients read keep the
    indexes of lists (``filter.filters.0.value``); the journal's always have them.
    """

    def __init__(self, indexed: Callable[[], bool]) -> None:
        self._indexed = indexed
        self._first: tuple[CheckOrder, RpcError] | None = None
        self.noted: list[tuple[str, str, str]] = []

    def add(
        self,
        rank: CheckOrder,
        mnemonic: str,
        path: str,
        value: object = None,
        expected: str = "",
        params: dict[str, object] | None = None,
    ) -> None:
        """A problem at a dotted path with indexes; ``value`` is what was sent there."""
        if len(self.noted) >= MAX_NOTED and self._first and self._first[0] <= rank:
            return
        field = path if self._indexed() else _INDEX.sub("", path)
        error = RpcError(mnemonic, field, value, params, expected)
        if len(self.noted) < MAX_NOTED:
            # Only quotes tell "5" from 5, when the type is what is wrong.
            quoted = rank is CheckOrder.TYPE and isinstance(value, str)
            got = f'"{error.value}"' if quoted else str(error.value)
            self.noted.append((path, error.expected, got))
        if self._first is None or rank < self._first[0]:
            self._first = (rank, error)

    def raise_first(self) -> None:
        """Raise the problem the client is told about, if there is any."""
        if self._first is not None:
            raise self._first[1]
