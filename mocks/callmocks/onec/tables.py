"""Rows of a ValueTable from the columns of a frame, in bulk: a table never passes through objects.

A frame has the columns of the contract, in its order, and any others beside them. One expression
renders one string a row; ``find_violations`` checks whole columns, once for each frame.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import polars as pl

from callmocks.contract.xml import FORBIDDEN_PATTERN, UUID_PATTERN
from callmocks.onec.contract import ColumnSpec, TableColumns
from callmocks.onec.encoder import NIL
from callmocks.onec.layout import Layout
from callmocks.onec.values import EMPTY_DATE

EMPTY_VALUES: Final[dict[str, Any]] = {
    "string": "",
    "decimal": 0,
    "dateTime": EMPTY_DATE,
    "boolean": False,
}
_EMPTY_TEXTS: Final = {
    "string": "",
    "decimal": "0",
    "dateTime": "0001-01-01T00:00:00",
    "boolean": "false",
}
DTYPES: Final[dict[str, pl.DataType]] = {
    "string": pl.String(),
    "decimal": pl.Int64(),
    "dateTime": pl.Datetime("ms"),
    "boolean": pl.Boolean(),
}
_PIECE_ROWS: Final = 5000
_UUID: Final = f"^{UUID_PATTERN}$"


class RenderedRows(msgspec.Struct, frozen=True):
    """Rendered rows: row ``i`` is ``xml[offsets[i]:offsets[i + 1]]``."""

    xml: bytes
    offsets: list[int]
    violations: tuple[str, ...]

    @property
    def nbytes(self) -> int:
        return len(self.xml) + 40 * len(self.offsets)

    def get_range(self, first: int, last: int) -> memoryview:
        return memoryview(self.xml)[self.offsets[first] : self.offsets[last]]

    def get_rows(self, positions: Sequence[int]) -> bytes:
        xml, offsets = self.xml, self.offsets
        return b"".join([xml[offsets[row] : offsets[row + 1]] for row in positions])


def render_rows(
    frame: pl.DataFrame, columns: TableColumns, layout: Layout, self_check: bool = True
) -> RenderedRows:
    texts = frame.select(row=build_row_expression(frame, columns.specs, layout))
    offsets = [0, *texts["row"].str.len_bytes().cast(pl.Int64).cum_sum().to_list()]
    found = find_violations(frame, columns.specs) if self_check else []
    # In pieces: one call over all rows of a large day keeps other threads out for 0.1 s.
    pieces = ("".join(rows["row"].to_list()).encode() for rows in texts.iter_slices(_PIECE_ROWS))
    return RenderedRows(b"".join(pieces), offsets, tuple(found))


def build_row_expression(
    frame: pl.DataFrame, columns: Sequence[ColumnSpec], layout: Layout
) -> pl.Expr:
    """One string a row: ``<row><Value xsi:type="xs:string">…</Value>…</row>``, laid out."""
    parts: list[pl.Expr] = []
    pending = f"{layout.row}<row>"
    for column in columns:
        pending += layout.cell
        opening = f'<Value xsi:type="xs:{column.kind}">'
        content = _build_content(frame, column)
        if column.nullable and frame[column.name].null_count():
            cell = pl.concat_str(pl.lit(opening), content, pl.lit("</Value>"))
            parts += [pl.lit(pending), cell.fill_null(NIL)]
            pending = ""
        else:
            parts += [pl.lit(pending + opening), content.fill_null(_EMPTY_TEXTS[column.kind])]
            pending = "</Value>"
    parts.append(pl.lit(f"{pending}{layout.row}</row>"))
    return pl.concat_str(parts)


def find_violations(frame: pl.DataFrame, columns: Sequence[ColumnSpec]) -> list[str]:
    wrong = [
        f"{column.name} is {frame[column.name].dtype}, not {DTYPES[column.kind]}"
        for column in columns
        if frame[column.name].dtype != DTYPES[column.kind]
    ]
    if wrong or frame.is_empty():
        return wrong
    breaches = {
        f"{column.name}: {{}} rows {rule}": count
        for column in columns
        for rule, count in _count_violations(column).items()
    }
    if not breaches:  # of flags alone, which cannot be wrong
        return []
    counts = frame.select(**breaches).row(0, named=True)
    return [rule.format(count) for rule, count in counts.items() if count]


def _build_content(frame: pl.DataFrame, column: ColumnSpec) -> pl.Expr:
    value = pl.col(column.name)
    if column.kind == "dateTime":
        return value.dt.to_string("%Y-%m-%dT%H:%M:%S")
    if column.kind == "boolean":
        return pl.when(value).then(pl.lit("true")).otherwise(pl.lit("false"))
    if column.kind == "decimal":
        return value.cast(pl.String)
    series = frame[column.name]
    if column.uuid or not series.str.contains_any(["&", "<", ">", "\r"]).any():
        return value
    for char, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\r", "&#13;")):
        value = value.str.replace_all(char, entity, literal=True)
    return value


def _count_violations(column: ColumnSpec) -> dict[str, pl.Expr]:
    value, rules = pl.col(column.name), {}
    if column.uuid:
        rules["are no UUID"] = (~value.str.contains(_UUID)).sum()
        if not column.nullable:
            rules["are absent"] = value.is_null().sum()
    elif column.kind == "string":
        rules["hold what XML cannot"] = value.str.contains(FORBIDDEN_PATTERN).sum()
    if column.kind == "string" and column.length:
        rules[f"are longer than {column.length}"] = (value.str.len_chars() > column.length).sum()
    if column.kind == "decimal":
        rules["are absent"] = value.is_null().sum()
        if column.sign == "Nonnegative":
            rules["are negative"] = (value < 0).sum()
        if column.digits:
            too_long = value.abs() >= 10**column.digits
            rules[f"have more than {column.digits} digits"] = too_long.sum()
        if column.values:
            rules[f"are not one of {column.values}"] = (~value.is_in(column.values)).sum()
    if column.kind == "dateTime":
        rules["have fractions of a second"] = (value.dt.millisecond() != 0).sum()
        if column.date == "Date":
            rules["have a time of day"] = (value.dt.time() != pl.time(0, 0, 0)).sum()
    return rules
