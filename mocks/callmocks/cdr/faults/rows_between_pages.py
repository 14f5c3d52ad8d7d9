"""Pages that do not meet: rows came or went while the client was reading."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from callmocks.cdr import members as rpc
from callmocks.faults.base import Fault, Turn, fault

PAGE = 1000
"""The provider's page when the request names no limit (documented)."""

Rows = Annotated[int, Meta(ge=0, le=10_000)]


@fault("missing_rows", breaks_contract=True, providers=("cdr",))
class MissingRows(Fault, frozen=True):
    """Between a page and the next one rows are missing."""

    rows: Rows = 1
    """How many at each border; 0 is off."""

    def request(self, turn: Turn) -> bytes | None:
        """Ask for a later offset."""
        return _shifted(turn.exchange.request, self.rows)


@fault("duplicate_rows", breaks_contract=True, providers=("cdr",))
class DuplicateRows(Fault, frozen=True):
    """A page begins with the last rows of the page before."""

    rows: Rows = 1
    """How many at each border; 0 is off."""

    def request(self, turn: Turn) -> bytes | None:
        """Ask for an earlier offset."""
        return _shifted(turn.exchange.request, -self.rows)


def _shifted(request: bytes, rows: int) -> bytes | None:
    """The request with its offset moved by so many rows for each page before it."""
    members = rpc.members(request)
    params = rpc.members(members.get("params", msgspec.Raw(b"null")))
    offset, limit = _number(params, "offset", 0), _number(params, "limit", PAGE)
    if not rows or offset <= 0 or limit <= 0:
        return None
    moved = max(0, offset + rows * -(-offset // limit))
    params["offset"] = msgspec.Raw(b"%d" % moved)
    members["params"] = msgspec.Raw(rpc.body(params))
    return rpc.body(members)


def _number(params: rpc.Members, name: str, default: int) -> int:
    if name not in params:
        return default
    value = msgspec.json.decode(params[name])
    return value if type(value) is int else 0
