"""Order and nulls of sorted rows, against Python's own sort."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from unittest.mock import Mock

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callmocks.cdr.filters import RowFilter
from callmocks.cdr.query import ReportQuery
from callmocks.cdr.selection import find_matches

_PHONES = st.sampled_from(["74951234567", "74951234568", "7495", "0219428", "021", "101", "1010"])
_TEXTS = st.sampled_from(["", "+7495", "sip-101", "ё", "Ёж", "101"])
_SECONDS = st.integers(0, 3).map(lambda n: datetime(2026, 3, 2) + timedelta(seconds=n))
COLUMNS: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "small": (pl.Int64, st.integers(-3, 3)),
    "wide": (pl.Int64, st.integers(-(2**62), 2**62)),
    "phone": (pl.String, _PHONES),
    "text": (pl.String, _PHONES | _TEXTS),
    "flag": (pl.Boolean, st.booleans()),
    "enum": (pl.Enum(["a", "b", "c"]), st.sampled_from(["a", "b", "c"])),
    "time": (pl.Datetime("ms"), _SECONDS),
}


def find_positions(frame: pl.DataFrame, sort: list[tuple[str, bool]], nulls: str) -> list[int]:
    exchange = Mock(use_assumption=Mock(return_value=nulls))
    query = ReportQuery(exchange, (), filter=RowFilter(), sort=tuple(sort))
    found = find_matches(query, frame)
    assert found is not None
    return [int(position) for position in found]


def by_python(frame: pl.DataFrame, sort: list[tuple[str, bool]], nulls: str) -> list[int]:
    order = list(range(len(frame)))
    for name, descends in reversed(sort):
        values = frame[name].to_list()
        last = not descends if nulls == "postgresql" else nulls == "last"
        present = [position for position in order if values[position] is not None]
        present.sort(key=values.__getitem__, reverse=descends)  # equal ones keep their order
        nulls_at = [position for position in order if values[position] is None]
        order = present + nulls_at if last else nulls_at + present
    return order


@pytest.mark.parametrize("nulls", ["postgresql", "first", "last"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_sorting_is_stable_and_nulls_go_where_they_belong(nulls: str, data: st.DataObject) -> None:
    rows = data.draw(st.integers(0, 40))
    frame = pl.DataFrame(
        {
            name: pl.Series(
                data.draw(st.lists(values | st.none(), min_size=rows, max_size=rows)), dtype=dtype
            )
            for name, (dtype, values) in COLUMNS.items()
        }
    )
    keys = st.tuples(st.sampled_from(sorted(COLUMNS)), st.booleans())
    sort = data.draw(st.lists(keys, min_size=1, max_size=4, unique_by=lambda key: key[0]))
    assert find_positions(frame, sort, nulls) == by_python(frame, sort, nulls)
