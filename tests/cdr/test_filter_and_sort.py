"""What ``filter`` and ``sort`` refuse, where they say so, and what can be chosen about them."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from tests.cdr.conftest import (
    CdrClient,
    error_fields,
    last_entry,
    mnemonic,
    rows,
    simple,
    total,
    tree,
)

SORTS: list[tuple[Any, tuple[str, str, str | None]]] = [
    ("duration", ("data_type_error", "sort", "duration")),
    ({"field": "duration"}, ("data_type_error", "sort", '{"field":"duration"}')),
    (["duration"], ("data_type_error", "sort", "duration")),
    ([{"order": "asc"}], ("required_parameter_missed", "sort.field", None)),
    ([{"field": 5}], ("data_type_error", "sort.field", "5")),
    ([{"field": "nope"}], ("unexpected_parameters", "sort.field", "nope")),
    ([{"field": "duration", "order": "up"}], ("invalid_parameter_value", "sort.order", "up")),
    ([{"field": "duration", "order": "DESC"}], ("invalid_parameter_value", "sort.order", "DESC")),
    ([{"field": "duration", "order": 1}], ("data_type_error", "sort.order", "1")),
    ([{"field": "duration", "nulls": "last"}], ("unexpected_parameters", "sort.nulls", "last")),
]


@pytest.mark.parametrize(("sort", "expected"), SORTS)
def test_wrong_sorts(api: CdrClient, sort: object, expected: tuple[str, str, str | None]) -> None:
    api.tenant()
    assert error_fields(api.legs(sort=sort)) == expected


FILTERS: list[tuple[Any, tuple[str, str, str | None]]] = [
    ([], ("data_type_error", "filter", "[]")),
    ("id = 1", ("data_type_error", "filter", "id = 1")),
    ({"field": "id"}, ("required_parameter_missed", "filter.operator", None)),
    ({"operator": "="}, ("required_parameter_missed", "filter.field", None)),
    ({"field": 1, "operator": "="}, ("data_type_error", "filter.field", "1")),
    ({"field": "id", "operator": 1}, ("data_type_error", "filter.operator", "1")),
    ({"field": "id", "operator": "=="}, ("invalid_parameter_value", "filter.operator", "==")),
    ({"field": "id", "operator": "=", "val": 1}, ("unexpected_parameters", "filter.val", "1")),
    ({"field": "nope", "operator": "="}, ("unexpected_parameters", "filter.field", "nope")),
    (simple("id", "in", 5), ("data_type_error", "filter.value", "5")),
    (simple("id", "in", ["5"]), ("data_type_error", "filter.value", '["5"]')),
    (simple("id", "=", "5"), ("data_type_error", "filter.value", "5")),
    (simple("virtual_phone_number", "=", 7), ("data_type_error", "filter.value", "7")),
    (simple("is_operator", "=", "true"), ("data_type_error", "filter.value", "true")),
    (simple("scenario_name", "like", None), ("data_type_error", "filter.value", None)),
    (simple("scenario_name", "like", "x\\"), ("invalid_parameter_value", "filter.value", "x\\")),
    (simple("scenario_name", "regexp", "("), ("invalid_parameter_value", "filter.value", "(")),
    (simple("direction", "=", "up"), ("invalid_parameter_value", "filter.value", "up")),
    (
        simple("direction", "in", ["in", "up"]),
        ("invalid_parameter_value", "filter.value", '["in","up"]'),
    ),
    ({"filters": {}}, ("data_type_error", "filter.filters", "{}")),
    ({"filters": [5]}, ("data_type_error", "filter.filters", "5")),
    ({"filters": [], "condition": "xor"}, ("invalid_parameter_value", "filter.condition", "xor")),
    ({"filters": [], "condition": "AND"}, ("invalid_parameter_value", "filter.condition", "AND")),
    ({"filters": [], "condition": 1}, ("data_type_error", "filter.condition", "1")),
    ({"filters": [], "conditions": "and"}, ("unexpected_parameters", "filter.conditions", "and")),
    (
        {"filters": [], "condition": "and", "field": "id"},
        ("invalid_parameters_combination", "filter.field", "id"),
    ),
    (
        tree("and", simple("id", "=", 1), tree("or", simple("id", "=", "x"))),
        ("data_type_error", "filter.filters.filters.value", "x"),
    ),
    (tree("and", {}), ("required_parameter_missed", "filter.filters.field", None)),
]


@pytest.mark.proves("cdr.error-path", "cdr.unknown-enum-value", "cdr.error-field")
@pytest.mark.parametrize(("wanted", "expected"), FILTERS, ids=[json.dumps(f) for f, _ in FILTERS])
def test_wrong_filters(
    api: CdrClient, wanted: object, expected: tuple[str, str, str | None]
) -> None:
    tenant = api.tenant()
    assert error_fields(api.legs(filter=wanted)) == expected
    assert last_entry(tenant).violations


@pytest.mark.parametrize("names", list(itertools.permutations(["one", "two", "three"])))
def test_the_first_unknown_name_of_the_request_is_the_error(
    api: CdrClient, names: tuple[str, ...]
) -> None:
    api.tenant()
    unknown = dict.fromkeys(names, 1)
    in_filter = api.legs(filter={**simple("id", "=", 1), **unknown})
    assert error_fields(in_filter)[1] == f"filter.{names[0]}"
    in_sort = api.legs(sort=[{"field": "id", "order": "asc", **unknown}])
    assert error_fields(in_sort)[1] == f"sort.{names[0]}"


@pytest.mark.proves("cdr.error-path")
def test_an_index_in_the_path_can_be_chosen(api: CdrClient) -> None:
    api.tenant().assumptions.set_choice("cdr.error-path", "indexed")
    wanted = tree("and", simple("id", "=", 1), tree("or", simple("id", "=", "x")))
    assert error_fields(api.legs(filter=wanted))[1] == "filter.filters.1.filters.0.value"


@pytest.mark.proves("cdr.empty-filter")
@pytest.mark.parametrize("wanted", [{}, {"filters": []}, tree("or"), tree("and", tree("or"))])
def test_an_empty_filter_lets_everything_through(api: CdrClient, wanted: dict[str, Any]) -> None:
    api.tenant()
    assert api.legs(filter=wanted)["result"] == api.legs()["result"]


@pytest.mark.proves("cdr.null-test")
def test_value_left_out_is_null(api: CdrClient) -> None:
    api.tenant()
    left_out = api.legs(filter={"field": "employee_id", "operator": "="})
    assert left_out["result"] == api.legs(filter=simple("employee_id", "is_null"))["result"]
    assert 0 < total(left_out) < total(api.legs())


@pytest.mark.proves("cdr.missing-condition")
def test_a_tree_without_condition_means_and(api: CdrClient) -> None:
    tenant = api.tenant()
    parts = [simple("is_operator", "=", True), simple("duration", ">", 60)]
    both = api.legs(filter=tree("and", *parts))
    assert api.legs(filter={"filters": parts})["result"] == both["result"]
    tenant.assumptions.set_choice("cdr.missing-condition", "required_parameter_missed")
    assert error_fields(api.legs(filter={"filters": parts}))[:2] == (
        "required_parameter_missed",
        "filter.condition",
    )


@pytest.mark.proves("cdr.null-comparison")
def test_a_null_can_be_different_from_every_value(api: CdrClient) -> None:
    tenant = api.tenant()
    wanted = simple("employee_rating", "!=", 5)
    by_sql = total(api.legs(filter=wanted))
    nulls = total(api.legs(filter=simple("employee_rating", "is_null")))
    tenant.assumptions.set_choice("cdr.null-comparison", "distinct")
    assert total(api.legs(filter=wanted)) == by_sql + nulls
    assert nulls > 0


@pytest.mark.proves("cdr.sort-nulls")
def test_nulls_can_come_first_or_last(api: CdrClient) -> None:
    tenant = api.tenant()
    for choice, edge in (("first", 0), ("last", -1)):
        tenant.assumptions.set_choice("cdr.sort-nulls", choice)
        for order in ("asc", "desc"):
            sort = [{"field": "employee_rating", "order": order}]
            found = rows(api.legs(sort=sort, limit=10_000))
            assert found[edge]["employee_rating"] is None
            assert found[-1 - edge]["employee_rating"] is not None


@pytest.mark.proves("cdr.unknown-enum-value")
def test_an_unknown_enum_value_can_match_nothing(api: CdrClient) -> None:
    api.tenant().assumptions.set_choice("cdr.unknown-enum-value", "no-rows")
    assert total(api.legs(filter=simple("finish_reason", "=", "nope"))) == 0
    assert total(api.legs(filter=simple("finish_reason", "!=", "nope"))) == total(api.legs())
    some = total(api.legs(filter=simple("finish_reason", "in", ["nope", "operator_busy"])))
    assert some == total(api.legs(filter=simple("finish_reason", "=", "operator_busy"))) > 0


@pytest.mark.proves("cdr.like-underscore")
def test_underscore_can_be_literal(api: CdrClient) -> None:
    tenant = api.tenant()
    wanted = simple("virtual_phone_number", "like", "7__________")
    assert total(api.legs(filter=wanted)) > 0
    tenant.assumptions.set_choice("cdr.like-underscore", "literal")
    assert total(api.legs(filter=wanted)) == 0


@pytest.mark.proves("cdr.filter-depth")
def test_the_depth_can_be_the_documented_one(api: CdrClient) -> None:
    tenant = api.tenant()
    nested = tree("and", tree("or", tree("and", simple("id", ">", 1))))
    tenant.assumptions.set_choice("cdr.filter-depth", "3")
    assert "result" in api.legs(filter=nested)
    assert "cdr.filter-depth" not in last_entry(tenant).assumptions
    assert mnemonic(api.legs(filter=tree("and", nested))) == "invalid_parameter_value"
