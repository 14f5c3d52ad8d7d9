"""The vendor's error objects, from its table (``schemas/cdr/errors.csv``)."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from callmocks.contract.resources import load_table

MAX_ECHO_CHARS = 1000


class ErrorTableRow(msgspec.Struct, frozen=True):
    code: int
    message: str
    when: str


@cache
def load_error_table() -> dict[str, ErrorTableRow]:
    return {
        row["mnemonic"]: ErrorTableRow(int(row["code"]), row["message"], row["when"])
        for row in load_table("cdr/errors.csv")
    }


class RpcError(Exception):
    """An error of the table.

    ``field`` is the dotted path of the wrong parameter, ``value`` what was sent there, ``params``
    the substitutions of the message. ``metadata`` is set when the error came after authentication.
    ``expected`` goes to the journal only.
    """

    def __init__(
        self,
        mnemonic: str,
        field: str | None = None,
        value: object = None,
        params: dict[str, object] | None = None,
        expected: str = "",
    ) -> None:
        row = load_error_table()[mnemonic]
        self.mnemonic = mnemonic
        self.field = field
        self.value = echo_value(value)
        self.params = params or {}
        self.expected = expected or row.when
        self.metadata: dict[str, Any] | None = None
        self.code = row.code
        self.message = row.message.format_map(self.params)
        super().__init__(self.message)

    def build_error_object(self) -> dict[str, Any]:
        """The ``error`` member: code, message and data; of data no key is ever left out."""
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
    return text if len(text) <= MAX_ECHO_CHARS else text[:MAX_ECHO_CHARS] + "…"
