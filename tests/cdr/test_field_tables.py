"""Every flag of the contract's field tables is behaviour: filter, sort, answer by default."""

import csv
from collections.abc import Iterator
from typing import Any

import pytest

from callmocks.contract.resources import schema_path
from callmocks.tenants.settings import CdrSettings, CdrUser
from tests.cdr.conftest import ONE_DAY, Answer, CdrClient, CdrServer, error_fields, rows, simple

SOURCES = {
    "get.call_legs_report": ["call_legs_report_fields.csv"],
    "get.calls_report": ["calls_report_fields.csv", "calls_report_visitor_fields.csv"],
    "get.customer_users": ["customer_users_fields.csv"],
    "get.employees": ["employees_fields.csv"],
    "get.group_employees": ["group_employees_fields.csv"],
    "get.virtual_numbers": ["virtual_numbers_fields.csv"],
    "get.scenarios": ["scenarios_fields.csv"],
}
REPORTS = ("get.call_legs_report", "get.calls_report")


def table(method: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    for source in SOURCES[method]:
        with schema_path(f"cdr/{source}").open(encoding="utf-8") as file:
            found += csv.DictReader(file)
    return found


FIELDS = [(method, row) for method in SOURCES for row in table(method)]
every_field = pytest.mark.parametrize(
    ("method", "row"), FIELDS, ids=[f"{method}:{row['field']}" for method, row in FIELDS]
)

VALUES: dict[str, Any] = {
    "number": 5,
    "string": "x",
    "boolean": True,
    "iso8601": "2026-03-02 10:00:00",
    "array": [1],
}


@pytest.fixture(scope="module")
def shared(server: CdrServer) -> Iterator[CdrClient]:
    client = CdrClient(server)
    user = CdrUser(id=5, login="u", name="n", customer_id=1)
    client.tenant(cdr=CdrSettings(partner=True, customer_users=[user]))
    yield client
    client.close()


def call_method(api: CdrClient, method: str, **params: Any) -> Answer:
    dates = {"date_from": ONE_DAY[0], "date_till": ONE_DAY[1]} if method in REPORTS else {}
    user = {} if method == "get.customer_users" else {"user_id": 5}
    return api.rpc(method, **(dates | user | {"limit": 3} | params))


@pytest.mark.proves("cdr.legs-fields")
def test_the_tables_are_the_contracts() -> None:
    legs = table("get.call_legs_report")
    assert len(legs) == 34
    flags = {flag: sum(row[flag] == "yes" for row in legs) for flag in ("filterable", "sortable")}
    assert flags == {"filterable": 27, "sortable": 23}
    assert sum(row["default"] == "yes" for row in legs) == 26


@pytest.mark.proves("cdr.sessions-fields")
@pytest.mark.parametrize("value", ["Новый", "Вернувшийся", "Не заполнен"])
def test_types_of_visitors_are_the_tables(shared: CdrClient, value: str) -> None:
    answer = call_method(shared, "get.calls_report", filter=simple("visitor_type", "=", value))
    assert rows(answer) == []


@pytest.mark.proves("cdr.sessions-fields")
@every_field
def test_a_field_can_be_named_and_comes_alone(
    shared: CdrClient, method: str, row: dict[str, str]
) -> None:
    answer = call_method(shared, method, fields=[row["field"]])
    assert len(rows(answer)) == (1 if method == "get.customer_users" else 3)
    assert all(list(found) == [row["field"]] for found in rows(answer))


@pytest.mark.proves("cdr.legs-fields", "cdr.sessions-fields", "cdr.directory-tables")
@every_field
def test_filter_flag(shared: CdrClient, method: str, row: dict[str, str]) -> None:
    name = row["field"]
    answer = call_method(shared, method, filter=simple(name, "is_not_null"))
    if row["filterable"] == "yes":
        assert "result" in answer, answer
    else:
        assert error_fields(answer) == ("filter_prohibited", "filter.field", name)


@pytest.mark.proves("cdr.legs-fields", "cdr.sessions-fields", "cdr.directory-tables")
@every_field
def test_sort_flag(shared: CdrClient, method: str, row: dict[str, str]) -> None:
    name = row["field"]
    answer = call_method(shared, method, sort=[{"field": name}])
    if row["sortable"] == "yes":
        assert "result" in answer, answer
    else:
        assert error_fields(answer) == ("sort_prohibited", "sort.field", name)


@pytest.mark.proves("cdr.legs-fields", "cdr.directory-fields", "cdr.null-parameter")
@pytest.mark.parametrize("method", SOURCES)
@pytest.mark.parametrize("fields", [{}, {"fields": []}])
def test_without_fields_the_default_ones_come(
    shared: CdrClient, method: str, fields: dict[str, Any]
) -> None:
    expected = [row["field"] for row in table(method) if row["default"] == "yes"]
    assert list(rows(call_method(shared, method, **fields))[0]) == expected


@pytest.mark.proves("cdr.empty-values", "cdr.directory-tables", "cdr.directory-nesting")
@every_field
def test_values_have_the_fields_type(shared: CdrClient, method: str, row: dict[str, str]) -> None:
    kinds: dict[str, Any] = {
        "number": int,
        "string": str,
        "enum": str,
        "iso8601": str,
        "boolean": bool,
        "array": list,
        "object": dict,
    }
    name = row["field"]
    for found in rows(call_method(shared, method, fields=[name], limit=1000)):
        value = found[name]
        if value is None:
            assert row["type"] not in ("array", "object")  # empty ones are [] and {}, never null
        else:
            assert type(value) is kinds[row["type"]], value


OPERATORS = {
    "=": "number string boolean iso8601 enum",
    "!=": "number string boolean iso8601 enum",
    "<": "number iso8601",
    ">": "number iso8601",
    "<=": "number iso8601",
    ">=": "number iso8601",
    "like": "string",
    "ilike": "string",
    "not_like": "string",
    "not_ilike": "string",
    "regexp": "string",
    "in": "number string enum",
    "not_in": "number string enum",
    "overlap": "array",
    "not_overlap": "array",
    "is_null": "number string boolean iso8601 enum array",
    "is_not_null": "number string boolean iso8601 enum array",
}
SOME = {"number": "id", "string": "virtual_phone_number", "enum": "direction"}
SOME_OF = {
    "get.call_legs_report": SOME | {"boolean": "is_operator"},
    "get.calls_report": SOME | {"boolean": "is_lost", "iso8601": "sale_date", "array": "employees"},
}
PAIRS = [
    (method, operator, kind)
    for method, kinds in SOME_OF.items()
    for operator in OPERATORS
    for kind in kinds
]


@pytest.mark.proves("cdr.filter-operators")
@pytest.mark.parametrize(("method", "operator", "kind"), PAIRS)
def test_operators_fit_types_as_documented(
    shared: CdrClient, method: str, operator: str, kind: str
) -> None:
    value = "in" if kind == "enum" else VALUES[kind]
    given = [value] if operator in ("in", "not_in") else value
    answer = call_method(shared, method, filter=simple(SOME_OF[method][kind], operator, given))
    if kind in OPERATORS[operator].split():
        assert "result" in answer, answer
    else:
        assert error_fields(answer) == ("invalid_parameter_value", "filter.operator", operator)


@pytest.mark.parametrize("kind", ["number", "string", "enum", "boolean"])
@pytest.mark.parametrize("value", [5, "x", True, [1], {"a": 1}, 1.5])
def test_a_value_of_another_type_is_a_data_type_error(
    shared: CdrClient, kind: str, value: object
) -> None:
    fits = {"number": (int, float), "string": str, "enum": str, "boolean": bool}[kind]
    right = isinstance(value, fits) and (kind == "boolean" or not isinstance(value, bool))  # type: ignore[arg-type]
    field = SOME_OF["get.call_legs_report"][kind]
    answer = call_method(shared, "get.call_legs_report", filter=simple(field, "=", value))
    if not right:
        assert error_fields(answer)[:2] == ("data_type_error", "filter.value")
    elif kind == "enum":
        assert error_fields(answer)[:2] == ("invalid_parameter_value", "filter.value")
    else:
        assert "result" in answer


@pytest.mark.parametrize("method", REPORTS)
def test_jsquery_is_refused_everywhere(shared: CdrClient, method: str) -> None:
    for field in ("id", "tags") if method == "get.calls_report" else ("id",):
        answer = call_method(shared, method, filter=simple(field, "jsquery", "x = 1"))
        assert error_fields(answer) == ("error", "filter.operator", "jsquery")


def test_fields_are_named_once_and_keep_the_requested_order(shared: CdrClient) -> None:
    answer = call_method(shared, "get.call_legs_report", fields=["duration", "id", "duration"])
    assert list(rows(answer)[0]) == ["duration", "id"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (["id", "nope"], ("unexpected_parameters", "fields", "nope")),
        (["id", "_start"], ("unexpected_parameters", "fields", "_start")),
        (["id", 5], ("data_type_error", "fields", "5")),
        ("id", ("data_type_error", "fields", "id")),
        ({"id": 1}, ("data_type_error", "fields", '{"id":1}')),
    ],
)
def test_wrong_fields(shared: CdrClient, fields: object, expected: tuple[str, str, str]) -> None:
    assert error_fields(call_method(shared, "get.call_legs_report", fields=fields)) == expected
