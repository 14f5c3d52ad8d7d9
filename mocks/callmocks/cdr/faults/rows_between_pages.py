from typing import Annotated

import msgspec
from msgspec import Meta

from callmocks.cdr import jsonrpc, openrpc
from callmocks.contract.json_values import decode_json
from callmocks.faults.base import MAX_COUNT, Fault, FaultContext

RowCount = Annotated[int, Meta(ge=0, le=10_000, description="How many at each border; 0 is off.")]


class MissingRows(Fault, frozen=True):
    """Between a page and the next one rows are missing."""

    fault_name = "missing_rows"

    rows: RowCount = 1

    def rewrite_request(self, context: FaultContext) -> bytes | None:
        return _shift_offset(context.exchange.request, self.rows)


class DuplicateRows(Fault, frozen=True):
    """A page begins with the last rows of the page before."""

    fault_name = "duplicate_rows"

    rows: RowCount = 1

    def rewrite_request(self, context: FaultContext) -> bytes | None:
        return _shift_offset(context.exchange.request, -self.rows)


def _shift_offset(request: bytes, rows: int) -> bytes | None:
    """The offset is moved by so many rows for each page before it."""
    members = jsonrpc.split_members(request)
    params = jsonrpc.split_members(members.get("params", msgspec.Raw(b"null")))
    offset = _get_number(params, "offset", 0)
    limit = _get_number(params, "limit", openrpc.DEFAULT_LIMIT)
    if not rows or not 0 < offset <= MAX_COUNT or limit <= 0:
        return None
    moved = max(0, offset + rows * -(-offset // limit))
    params["offset"] = msgspec.Raw(b"%d" % moved)
    members["params"] = msgspec.Raw(msgspec.json.encode(params))
    return msgspec.json.encode(members)


def _get_number(params: jsonrpc.Members, name: str, default: int) -> int:
    if name not in params:
        return default
    value = decode_json(params[name])
    return value if type(value) is int else 0
