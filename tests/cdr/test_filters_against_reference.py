"""Random nested filters and sorts over HTTP, compared with a reference in plain Python."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from callmocks.cdr import tables
from tests.cdr.conftest import WEEK, CdrClient, CdrServer, rows, simple, total, tree
from tests.cdr.reference_filter import Row, matches, sort_rows

WORLD = CdrClient | None
TABLE = tables.load_fields("get.call_legs_report")
FIELDS = TABLE.fields
FILTERABLE = {name: field for name, field in FIELDS.items() if field.filterable}
SORTABLE = sorted(name for name, field in FIELDS.items() if field.sortable)
BY_TYPE: dict[str, list[str]] = {}
for _name, _field in FILTERABLE.items():
    BY_TYPE.setdefault(_field.type, []).append(_name)


class Legs:
    """A week of legs as the server shows them without filter, and a way to request some."""

    def __init__(self, api: CdrClient) -> None:
        self.api = api
        self.fields = list(FIELDS)
        self.rows: list[Row] = rows(api.legs(WEEK, fields=self.fields, limit=10_000))
        self.values = {
            name: sorted({row[name] for row in self.rows if row[name] is not None}, key=str)
            for name in FILTERABLE
        }

    def ids(self, **params: Any) -> list[int]:
        answer = self.api.legs(WEEK, fields=["id"], limit=10_000, **params)
        found = [row["id"] for row in rows(answer)]
        assert total(answer) == len(found)
        return found


@pytest.fixture(scope="module")
def legs(server: CdrServer) -> Iterator[Legs]:
    api = CdrClient(server)
    api.tenant()
    yield Legs(api)
    api.close()


SHARED: list[Legs] = []


@pytest.fixture(autouse=True)
def _shared(legs: Legs) -> Iterator[None]:
    """Hypothesis draws values that are in the data, so it needs the data while it draws."""
    SHARED[:] = [legs]
    yield
    SHARED.clear()


def known(name: str) -> st.SearchStrategy[Any]:
    """A value that some leg has in a field."""
    return st.deferred(lambda: st.sampled_from(SHARED[0].values[name]))


numbers = (
    st.integers(-3, 400) | st.floats(-3, 400) | st.sampled_from([2**70, -(2**70), 10.0, 1e300])
)
pattern_part = st.sampled_from(
    ["%", "_", "7", "9", "а", "И", "ё", "к", "Sip", " ", ".", "\\%", "&"]
)
like_patterns = st.lists(pattern_part, max_size=6).map("".join)
pieces = st.sampled_from(
    [
        "7",
        "9[0-9]",
        "[^7]",
        "^7",
        "5$",
        "(4|8)",
        "а",
        "[А-Я]",
        "И.*ч",
        "a?",
        "[[]",
        "[]x]",
        "\\.",
        "\\d",
    ]
)
posix_patterns = st.lists(pieces, min_size=1, max_size=4).map("".join)


@st.composite
def leaves(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(sorted(BY_TYPE)))
    name = draw(st.sampled_from(BY_TYPE[kind]))
    operators = ["=", "!=", "is_null", "is_not_null"]
    if kind != "boolean":
        operators += ["in", "not_in"]
    if kind == "number":
        operators += ["<", ">", "<=", ">="]
    if kind == "string":
        operators += ["like", "ilike", "not_like", "not_ilike", "regexp"]
    operator = draw(st.sampled_from(operators))
    there = known(name)
    value: Any
    if operator in ("is_null", "is_not_null"):
        value = None
    elif operator == "regexp":
        value = draw(posix_patterns)
    elif "like" in operator:
        value = draw(like_patterns)
    elif operator in ("in", "not_in"):
        other = {"number": numbers, "string": st.text(max_size=3)}.get(kind, there)
        value = draw(
            st.lists(there | other | (st.none() if draw(st.booleans()) else there), max_size=5)
        )
    elif operator in ("=", "!="):
        other = {"number": numbers, "string": st.text(max_size=3)}.get(kind, there)
        value = draw(there | other | st.none())
    else:
        value = draw(there | numbers)
    return simple(name, operator, value)


filters = st.recursive(
    leaves(),
    lambda inner: st.builds(
        lambda condition, children: tree(condition, *children),
        st.sampled_from(["and", "or"]),
        st.lists(inner, min_size=1, max_size=4),
    ),
    max_leaves=12,
)
sorts = st.lists(
    st.builds(
        lambda field, order: {"field": field} | ({"order": order} if order else {}),
        st.sampled_from(SORTABLE),
        st.sampled_from([None, "asc", "desc"]),
    ),
    max_size=4,
)
modest = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.proves("cdr.null-comparison", "cdr.like", "cdr.regexp", "cdr.null-test")
@modest
@given(filters)
@example(tree("or", simple("employee_id", "!=", 5), simple("employee_id", "is_null")))
@example(simple("employee_rating", "not_in", [1, None]))
@example(simple("duration", "<", 0.5))
@example(simple("duration", ">=", 2**70))
def test_filters_match_the_reference(legs: Legs, wanted: dict[str, Any]) -> None:
    assert legs.ids(filter=wanted) == [row["id"] for row in legs.rows if matches(row, wanted)]


@modest
@given(sorts)
@example([{"field": "employee_rating"}, {"field": "duration", "order": "desc"}])
@example([{"field": "employee_full_name", "order": "desc"}])
def test_sorts_match_the_reference(legs: Legs, sort: list[dict[str, str]]) -> None:
    assert legs.ids(sort=sort) == [row["id"] for row in sort_rows(legs.rows, sort)]


@modest
@given(filters, sorts, st.integers(0, 400), st.integers(0, 700))
def test_pages_of_filtered_and_sorted_rows(
    legs: Legs, wanted: dict[str, Any], sort: list[dict[str, str]], limit: int, offset: int
) -> None:
    expected = sort_rows([row for row in legs.rows if matches(row, wanted)], sort)
    answer = legs.api.legs(WEEK, filter=wanted, sort=sort, limit=limit, offset=offset)
    shown = [{name: row[name] for name in TABLE.default} for row in expected]
    assert total(answer) == len(expected)
    assert rows(answer) == shown[offset : offset + limit]


@pytest.mark.proves("cdr.sort-nulls")
def test_nulls_sort_last_ascending_and_first_descending(legs: Legs) -> None:
    for field in ("employee_rating", "employee_full_name", "scenario_id"):
        for order, edge in (("asc", -1), ("desc", 0)):
            answer = legs.api.legs(
                WEEK, fields=[field], sort=[{"field": field, "order": order}], limit=10_000
            )
            values = [row[field] for row in rows(answer)]
            there = [value for value in values if value is not None]
            assert len(there) < len(values)
            assert values[edge] is None
            assert there == sorted(there, reverse=order == "desc")


def test_text_sorts_by_code_points(legs: Legs) -> None:
    answer = legs.api.legs(
        WEEK,
        fields=["finish_reason_description"],
        sort=[{"field": "finish_reason_description"}],
        limit=10_000,
    )
    values = [row["finish_reason_description"] for row in rows(answer)]
    assert values == sorted(values)
    assert len(set(values)) > 30
