"""A request to the Data API with its response, read for what they show."""

from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from callmocks.contract.json_values import decode_json
from callmocks.provider.base import WireExchange

LEGS_METHOD, SESSIONS_METHOD = "get.call_legs_report", "get.calls_report"
Params = dict[str, Any]
Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class RpcExchange:
    """``rows`` is None without a result of rows; ``error`` is the error's ``data``."""

    method: str
    params: Params
    body: bytes
    result: Params | None
    rows: Rows | None
    code: int
    error: Params | None

    @property
    def mnemonic(self) -> str:
        return str(self.error.get("mnemonic")) if self.error else ""

    @property
    def field(self) -> str:
        return str(self.error.get("field") or "") if self.error else ""


def parse_exchanges(exchanges: Sequence[WireExchange]) -> list[RpcExchange]:
    """Those whose messages can be read."""
    return [parsed for each in exchanges if (parsed := _parse_exchange(each)) is not None]


def _parse_exchange(exchange: WireExchange) -> RpcExchange | None:
    try:
        request = decode_json(exchange.request.removeprefix(BOM_UTF8))
        response = decode_json(exchange.response)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(request, dict) or not isinstance(response, dict):
        return None
    params, result = request.get("params"), response.get("result")
    error = response.get("error")
    data = error.get("data") if isinstance(error, dict) else None
    rows = result.get("data") if isinstance(result, dict) else None
    listed = rows if isinstance(rows, list) else None
    return RpcExchange(
        str(request.get("method")),
        params if isinstance(params, dict) else {},
        exchange.request,
        result if isinstance(result, dict) else None,
        None if listed is None else [row for row in listed if isinstance(row, dict)],
        error["code"] if isinstance(error, dict) and type(error.get("code")) is int else 0,
        data if isinstance(data, dict) else None,
    )


def list_leaves(node: object) -> Iterator[Params]:
    """The conditions of a filter."""
    work = [node]
    while work:
        each = work.pop()
        if isinstance(each, dict) and isinstance(each.get("filters"), list):
            work.extend(each["filters"])
        elif isinstance(each, dict) and "field" in each:
            yield each
