"""Rows of the Data API's answers, for replay: by ``id`` and, of the reports, ``start_time``."""

import re
from collections.abc import Sequence
from datetime import tzinfo

import msgspec
from msgspec.structs import replace

from callmocks.cdr import dates, jsonrpc, openrpc, query
from callmocks.cdr.openrpc import MethodParam
from callmocks.contract.json_values import decode_json
from callmocks.history.walltime import datetime_to_ms
from callmocks.provider.base import RequestKey, WireExchange
from callmocks.provider.recorded_rows import (
    Choices,
    RecordedPage,
    RecordedRow,
    RowReader,
    RowWindow,
    RowWindowError,
    without_params,
)

_PAGING = ("offset", "limit")
_WINDOW = ("date_from", "date_till", *_PAGING)


class _RowHead(msgspec.Struct):
    id: msgspec.Raw = msgspec.Raw(b"")
    start_time: str | None = None


_rows_decoder = msgspec.json.Decoder(list[msgspec.Raw])
_head_decoder = msgspec.json.Decoder(_RowHead)


class CdrRowReader(RowReader):
    assumptions = ("cdr.window-ends", "cdr.default-order", "cdr.paging-bounds")
    tells_total = True

    def read_window(
        self, operation: str, key: RequestKey, now: int, choices: Choices, zone: tzinfo
    ) -> RowWindow | None:
        if not openrpc.has_pages(operation):
            return None
        params = openrpc.load_methods()[operation].params
        begin, end = (_read_time(key, name) for name in ("date_from", "date_till"))
        if end is not None and choices["cdr.window-ends"] != "before":
            end += 1000
        scope = without_params(key, *_WINDOW)
        offset, limit = (_read_paging(key, params[name], choices) for name in _PAGING)
        descending = _is_descending(scope, choices) is True
        return RowWindow(scope, begin, end, offset, limit, descending=descending)

    def read_page(
        self, recorded: WireExchange, window: RowWindow, choices: Choices
    ) -> RecordedPage | None:
        result = _split_result(recorded)
        metadata = jsonrpc.split_members(result.get("metadata", b""))
        try:
            rows = [_read_row(raw) for raw in _rows_decoder.decode(result["data"])]
            total = msgspec.json.decode(metadata["total_items"], type=int)
        except (KeyError, ValueError):
            return None
        has_times = all(row.start >= 0 for row in rows) and window.begin is not None
        ordered = has_times and _is_descending(window.scope, choices) is not None
        group = () if ordered else (window.bounds, total)
        stop = window.offset + len(rows)
        is_last = stop >= total
        return RecordedPage(window, rows, total, is_last, group, recorded, is_ordered=ordered)

    def render_answer(
        self,
        template: WireExchange,
        rows: Sequence[RecordedRow],
        total: int,
        window: RowWindow,
        choices: Choices,
    ) -> WireExchange:
        answer, result = jsonrpc.split_members(template.response), _split_result(template)
        metadata = jsonrpc.split_members(result["metadata"])
        metadata["total_items"] = msgspec.Raw(b"%d" % total)
        result["metadata"] = msgspec.Raw(msgspec.json.encode(metadata))
        result["data"] = msgspec.Raw(b"[%b]" % b",".join(row.body for row in rows))
        answer["result"] = msgspec.Raw(msgspec.json.encode(result))
        return replace(template, response=msgspec.json.encode(answer))


def _split_result(recorded: WireExchange) -> jsonrpc.Members:
    members = jsonrpc.split_members(recorded.response)
    return jsonrpc.split_members(members.get("result", b""))


def _read_row(raw: msgspec.Raw) -> RecordedRow:
    head = _head_decoder.decode(raw)
    time = dates.parse(head.start_time, lenient=True) if head.start_time else None
    start = -1 if time is None else datetime_to_ms(time)
    # Without an id, only a row with the same members is the same.
    return RecordedRow(bytes(head.id or raw).decode(), start, start, bytes(raw))


def _read_paging(key: RequestKey, param: MethodParam, choices: Choices) -> int:
    text = key.get(param.name)
    if text is None:
        return int(param.default)
    if re.fullmatch("-?[0-9]{1,12}", text) is None:
        raise RowWindowError(f"{param.name}: expected a whole number, got {text[:40]!r}")
    count = int(text)
    if choices["cdr.paging-bounds"] == "clamp":
        return query.clamp_paging(param, count)
    if count < 0:
        raise RowWindowError(f"{param.name}: expected 0 or more, got {count}")
    return count


def _read_time(key: RequestKey, name: str) -> int | None:
    text = key.get(name)
    if text is None:
        return None
    time = dates.parse(text, lenient=True)
    if time is None:
        raise RowWindowError(f"{name}: expected YYYY-MM-DD hh:mm:ss, got {text[:40]!r}")
    return datetime_to_ms(time)


def _is_descending(scope: RequestKey, choices: Choices) -> bool | None:
    """None when rows are not in the order of their starts."""
    if "sort" not in scope:
        return choices["cdr.default-order"] == "descending"
    try:
        keys = decode_json(scope["sort"])
    except msgspec.DecodeError:  # a text
        return None
    first = keys[0] if isinstance(keys, list) and len(keys) == 1 else None
    if not isinstance(first, dict) or first.get("field") != "start_time":
        return None
    return bool(first.get("order") == "desc")
