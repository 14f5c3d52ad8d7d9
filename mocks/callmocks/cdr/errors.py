"""The vendor's error objects, from its table (``schemas/cdr/errors.csv``).

An error travels with HTTP status 200 and always has all its keys.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from callmocks.cdr.rpc import JsonRpcError
from callmocks.contract.resources import load_table

NULL_ID = msgspec.Raw(b"null")
MAX_ECHO_CHARS = 1000
"""Longest echo of a value in an error, in characters; a longer one is cut."""


class ErrorTableRow(msgspec.Struct, frozen=True):
    """One row of the error table."""

    code: int
    message: str
    when: str


@cache
def load_error_table() -> dict[str, ErrorTableRow]:
    """The error table by mnemonic."""
    return {
        row["mnemonic"]: ErrorTableRow(int(row["code"]), row["message"], row["when"])
        for row in load_table("cdr/errors.csv")
    }


class RpcError(JsonRpcError):
    """An error of the table: what a method raises and the client reads.

    ``field`` is the dotted path of the parameter at fault, ``value`` what was sent there,
    ``params`` the substitutions of the message. ``metadata`` is set when the error came after
    authentication. ``expected`` goes to the journal only.
    """

    def __init__(
        self,
        mnemonic: str,
        field: str | None = None,
        value: object = None,
        params: dict[str, object] | None = None,
        expected: str = "",
    ) -> None:
        entry = load_error_table()[mnemonic]
        self.mnemonic = mnemonic
        self.field = field
        self.value = echo_value(value)
        self.params = params or {}
        self.expected = expected or entry.when
        self.metadata: dict[str, Any] | None = None
        super().__init__(entry.code, entry.message.format_map(self.params))

    def build_error_object(self) -> dict[str, Any]:
        """The ``error`` member: code, message and data with every key present."""
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

    def encode_response(self, request_id: msgspec.Raw = NULL_ID) -> bytes:
        """The whole answer to a request with this id (as it stood in the request)."""
        return msgspec.json.encode(
            {"jsonrpc": "2.0", "id": request_id, "error": self.build_error_object()}
        )


def echo_value(value: object) -> str | None:
    """What was sent, as a string: text as it is, anything else as JSON; null stays null."""
    if value is None:
        return None
    try:
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    except RecursionError:
        return None
    return text if len(text) <= MAX_ECHO_CHARS else text[:MAX_ECHO_CHARS] + "…"
