"""Rows of 1C's history, for replay: by ``CallID``.

A row tells when the call was answered, not when it began. Within a recorded period rows are
selected by ``CallTime``; a call that was answered after its period's end is in its last second.
"""

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Final

from lxml import etree
from msgspec.structs import replace

from callmocks.contract.xml import make_parser
from callmocks.history.walltime import datetime_to_ms
from callmocks.onec.contract import HISTORY_OPERATION
from callmocks.onec.namespaces import CORE
from callmocks.onec.scalars import read_datetime
from callmocks.onec.service_calls import MAX_PERIOD
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

_PERIOD: Final = {"periodfrom": "PeriodFrom", "periodto": "PeriodTo"}
_MAX_PERIOD_MS: Final = int(MAX_PERIOD.total_seconds()) * 1000
_PARSER: Final = make_parser(huge_tree=True)
_ID, _TIME = "CallID", "CallTime"


class OnecRowReader(RowReader):
    assumptions = (
        *("onec.missing-period-from", "onec.missing-period-to", "onec.period-bounds"),
        *("onec.row-order", "onec.offset-dates"),
    )

    def read_window(
        self, operation: str, key: RequestKey, now: int, choices: Choices, zone: tzinfo
    ) -> RowWindow | None:
        if operation != HISTORY_OPERATION:
            return None
        times = {
            _PERIOD[name.lower()]: text for name, text in key.items() if name.lower() in _PERIOD
        }
        # By choice an offset is dropped.
        own_zone = zone if choices["onec.offset-dates"] == "convert" else None
        begin, end = (_read_time(times, name, own_zone) for name in _PERIOD.values())
        seven_days_after = choices["onec.missing-period-to"] == "seven-days-after"
        if end is None and seven_days_after and begin is not None:
            end = begin + _MAX_PERIOD_MS
        if begin is None and choices["onec.missing-period-from"] == "seven-days-before":
            begin = (now if end is None else end) - _MAX_PERIOD_MS
        bounds = choices["onec.period-bounds"]
        if begin is not None and bounds in ("both-excluded", "to-included"):
            begin += 1000
        if end is not None and bounds in ("both-included", "to-included"):
            end += 1000
        scope = without_params(key, *(name for name in key if name.lower() in _PERIOD))
        descending = choices["onec.row-order"] == "call-start-descending"
        return RowWindow(scope, begin, end, 0, None, descending=descending)

    def read_page(
        self, recorded: WireExchange, window: RowWindow, choices: Choices
    ) -> RecordedPage | None:
        try:
            table = _find_table(etree.fromstring(recorded.response, _PARSER))
            if table is None:
                return None
            names = [column.findtext(f"{{{CORE}}}Name") for column in _iter_parts(table, "column")]
            columns = names.index(_ID), names.index(_TIME)
            rows = [_read_row(row, window, *columns) for row in _iter_parts(table, "row")]
        except (etree.XMLSyntaxError, ValueError, IndexError):
            return None
        return RecordedPage(window, rows, None, True, None, recorded)

    def render_answer(
        self,
        template: WireExchange,
        rows: Sequence[RecordedRow],
        total: int,
        window: RowWindow,
        choices: Choices,
    ) -> WireExchange:
        root = etree.fromstring(template.response, _PARSER)
        table = _find_table(root)
        assert table is not None
        recorded = _iter_parts(table, "row")
        indents = [row.tail for row in recorded] or [None]
        for old in recorded:
            table.remove(old)
        for number, row in enumerate(rows, 1):
            element = etree.fromstring(row.body, _PARSER)
            element.tail = indents[-1] if number == len(rows) else indents[0]
            table.append(element)
        declared = template.response.startswith(b"<?xml")
        body = etree.tostring(root, encoding="UTF-8", xml_declaration=declared)
        if b"\r\n" in template.response:  # a parser of XML makes them line feeds
            body = body.replace(b"\n", b"\r\n")
        return replace(template, response=body)


def _find_table(root: etree._Element) -> etree._Element | None:
    """The ValueTable of ResultData; None in another answer."""
    path = f"{{{CORE}}}Property[@name='ResultData']/{{{CORE}}}Value"
    value = root.find(f".//{path}")
    if value is None or next(iter(_iter_parts(value, "column")), None) is None:
        return None
    return value


def _iter_parts(table: etree._Element, name: str) -> list[etree._Element]:
    return table.findall(f"{{{CORE}}}{name}")


def _read_row(
    row: etree._Element, window: RowWindow, id_column: int, time_column: int
) -> RecordedRow:
    cells = [cell.text or "" for cell in row]
    time = datetime_to_ms(read_datetime(cells[time_column]))
    if window.end is not None:
        time = min(time, window.end - 1000)
    if window.begin is not None:
        time = max(time, window.begin)
    return RecordedRow(cells[id_column].lower(), time, time, etree.tostring(row, with_tail=False))


def _read_time(times: dict[str, str], name: str, zone: tzinfo | None) -> int | None:
    text = times.get(name)
    if text is None:
        return None
    try:
        time: datetime = read_datetime(text.upper())
        if time.tzinfo is not None and zone is not None:
            time = time.astimezone(zone)
    except (ValueError, OverflowError):
        raise RowWindowError(f"{name}: expected a time, got {text[:40]!r}") from None
    return datetime_to_ms(time.replace(tzinfo=None, microsecond=0))
