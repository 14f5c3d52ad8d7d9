"""Rows rendered in bulk, against the codec that writes them one by one."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from callmocks.onec import EMPTY_DATE, ValueTable, read_value, write_value
from callmocks.onec.contract import (
    ColumnSpec,
    ServedOperation,
    load_operation_names,
    load_operations,
)
from callmocks.onec.layout import LAYOUTS, Layout
from callmocks.onec.tables import DTYPES, find_violations, render_rows
from tests.onec.conftest import CORE, DOCUMENTED, SERVICE, XS, XSI
from tests.onec.infoset import infoset

HISTORY = load_operations()["GetHistoryOfServiceCalls"]
INDENTED = LAYOUTS["indented"]
DECLARED = f'xmlns="{CORE}" xmlns:xs="{XS}" xmlns:xsi="{XSI}"'


def make_frame(operation: ServedOperation, rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows as a frame of the contract's types."""
    return pl.DataFrame(
        [
            pl.Series(column.name, [row[column.name] for row in rows], DTYPES[column.kind])
            for column in operation.columns.specs
        ]
    )


def render_by_codec(operation: ServedOperation, rows: list[dict[str, Any]]) -> etree._Element:
    """The same rows through the codec."""

    def cell(column: ColumnSpec, value: Any) -> Any:
        if value is None and not column.nullable:
            empty = {"dateTime": EMPTY_DATE, "decimal": 0, "boolean": False, "string": ""}
            return empty[column.kind]
        return value

    columns = [column.to_column() for column in operation.columns.specs]
    cells = [tuple(cell(c, row[c.name]) for c in operation.columns.specs) for row in rows]
    written = write_value(ValueTable(columns, cells))
    return etree.fromstring(written.replace("<Value ", f"<Value {DECLARED} ", 1))


def read_rendered_rows(operation: ServedOperation, xml: bytes) -> etree._Element:
    """Rendered rows under the contract's columns."""
    inside = operation.columns.xml + xml.decode()
    return etree.fromstring(f'<Value {DECLARED} xsi:type="ValueTable">{inside}</Value>')


_kinds = {
    "string": st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=6),
    "decimal": st.integers(-5, 10**9),
    "dateTime": st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)).map(
        lambda moment: moment.replace(microsecond=0)
    ),
    "boolean": st.booleans(),
}


def _rows(operation: ServedOperation) -> st.SearchStrategy[list[dict[str, Any]]]:
    cells = {
        column.name: st.none() | (st.uuids().map(str) if column.uuid else _kinds[column.kind])
        for column in operation.columns.specs
    }
    return st.lists(st.fixed_dictionaries(cells), max_size=4)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(load_operations())).flatmap(
        lambda name: st.tuples(st.just(name), _rows(load_operations()[name]))
    ),
    st.sampled_from(list(LAYOUTS.values())),
)
def test_bulk_and_codec_write_the_same(
    case: tuple[str, list[dict[str, Any]]], layout: Layout
) -> None:
    operation, rows = load_operations()[case[0]], case[1]
    rendered = render_rows(make_frame(operation, rows), operation.columns, layout)
    assert infoset(read_rendered_rows(operation, rendered.xml)) == infoset(
        render_by_codec(operation, rows)
    )


def make_call_row(number: int, **other: Any) -> dict[str, Any]:
    """A row of the history."""
    uuid = str(UUID(int=number, version=4))
    return {
        "CallID": uuid, "ClientID": uuid, "ServiceUserID": uuid, "ServiceID": uuid,
        "CallTime": datetime(2026, 3, 2) + timedelta(seconds=number), "CallerID": uuid,
        "CalleeID": uuid, "CallResult": 1, "Duration": number, **other,
    }  # fmt: skip


def test_ranges_and_positions_select_rows() -> None:
    frame = make_frame(HISTORY, [make_call_row(number) for number in range(5)])
    rows = render_rows(frame, HISTORY.columns, INDENTED)

    def ids(xml: bytes) -> list[Decimal]:
        table = read_value(read_rendered_rows(HISTORY, xml))
        assert isinstance(table, ValueTable)
        return [row[-1] for row in table.rows]  # type: ignore[misc]

    assert ids(bytes(rows.get_range(0, 5))) == [0, 1, 2, 3, 4]
    assert ids(bytes(rows.get_range(1, 3))) == [1, 2]
    assert not bytes(rows.get_range(2, 2))
    assert ids(rows.get_rows([4, 0, 2])) == [4, 0, 2]
    assert render_rows(make_frame(HISTORY, []), HISTORY.columns, INDENTED).xml == b""


@pytest.mark.proves("onec.nil")
def test_nil_keeps_later_cells_in_their_place() -> None:
    rows = render_rows(
        make_frame(HISTORY, [make_call_row(7, ClientID=None, CallerID=None), make_call_row(8)]),
        HISTORY.columns,
        INDENTED,
    )
    table = read_value(read_rendered_rows(HISTORY, rows.xml))
    assert isinstance(table, ValueTable)
    assert [row[1] is None for row in table.rows] == [True, False]
    assert table.rows[0][4] == datetime(2026, 3, 2, 0, 0, 7)
    assert b'<Value xsi:nil="true"/>' in rows.xml
    assert all(len(row) == 9 for row in table.rows)


def test_ten_thousand_rows_are_rendered_far_faster_than_cell_by_cell() -> None:
    """A ratio in one run: in bulk, against an element for each cell."""
    wide = make_frame(HISTORY, [make_call_row(number) for number in range(10_000)])
    ratios = []
    for _ in range(3):
        begun = time.perf_counter()
        rows = render_rows(wide, HISTORY.columns, INDENTED)
        bulk = time.perf_counter() - begun
        begun = time.perf_counter()
        table = etree.Element("Value")
        for cells in wide.iter_rows():
            row = etree.SubElement(table, "row")
            for cell in cells[:9]:
                etree.SubElement(row, "Value", {"type": "xs:string"}).text = str(cell)
        etree.tostring(table)
        ratios.append((time.perf_counter() - begun) / bulk)
    assert rows.xml.count(b"<row>") == 10_000
    assert max(ratios) > 2


@pytest.mark.proves("onec.columns")
def test_the_columns_are_exactly_as_documented() -> None:
    answer = etree.parse(DOCUMENTED / "response.xml")
    documented = answer.findall(f".//{{{CORE}}}column")
    served_columns = list(read_rendered_rows(HISTORY, b""))
    assert [infoset(column) for column in served_columns] == [infoset(c) for c in documented]


@pytest.mark.parametrize(
    ("other", "complaint"),
    [
        ({"CallID": "no-uuid"}, "CallID: 1 rows are no UUID"),
        ({"CallID": None}, "CallID: 1 rows are absent"),
        ({"ServiceID": "5F99F58F-2003-4E1C-A049-2CF58EFC68A1"}, "ServiceID: 1 rows are no UUID"),
        ({"Duration": -1}, "Duration: 1 rows are negative"),
        ({"Duration": 10**10}, "Duration: 1 rows have more than 10 digits"),
        ({"CallResult": 3}, "CallResult: 1 rows are not one of (1, 2)"),
        ({"CallResult": None}, "CallResult: 1 rows are absent"),
        (
            {"CallTime": datetime(2026, 1, 1, 0, 0, 0, 5000)},
            "CallTime: 1 rows have fractions of a second",
        ),
    ],
)
def test_a_row_that_leaves_the_contract_is_reported(other: dict[str, Any], complaint: str) -> None:
    good = make_frame(HISTORY, [make_call_row(1)])
    assert find_violations(good, HISTORY.columns.specs) == []
    assert complaint in find_violations(
        make_frame(HISTORY, [make_call_row(1), make_call_row(2, **other)]), HISTORY.columns.specs
    )
    frame = make_frame(HISTORY, [make_call_row(2, **other)])
    assert complaint in render_rows(frame, HISTORY.columns, INDENTED).violations


def test_texts_too_long_or_impossible_are_reported() -> None:
    departments = load_operations()["DepartmentRead"]
    row = {"DepartmentID": str(UUID(int=1)), "Name": "x" * 101, "Deleted": False}
    assert find_violations(make_frame(departments, [row]), departments.columns.specs) == [
        "Name: 1 rows are longer than 100"
    ]
    row["Name"] = "a\x0bb"
    assert find_violations(make_frame(departments, [row]), departments.columns.specs) == [
        "Name: 1 rows hold what XML cannot"
    ]
    wrong = make_frame(departments, [row]).with_columns(Deleted=pl.lit("no"))
    assert find_violations(wrong, departments.columns.specs) == ["Deleted is String, not Boolean"]


def test_columns_without_rules_have_no_violations() -> None:
    flags = load_operations()["DepartmentRead"].list_columns("Deleted boolean")
    assert find_violations(pl.DataFrame({"Deleted": [True]}), flags.specs) == []


def test_served_operations_exist_and_are_described_whole() -> None:
    assert len(load_operation_names()) == 87
    assert set(load_operations()) < load_operation_names()
    for operation in load_operations().values():
        names = [column.name for column in operation.columns.specs]
        assert len(names) == len(set(names))
        assert operation.purpose and operation.limits.day < operation.limits.night
        described: list[Any] = [operation, operation.limits, *operation.parameter]
        for entry in described:
            assert entry.evidence in ("documented", "observed", "assumed")
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"name": "X", "typo": 1}, ServedOperation)
    assert SERVICE.endswith("PartnerWebAPI2")
