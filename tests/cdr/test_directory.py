"""The directory methods: every id of a leg resolves there, by the machinery of the reports."""

from datetime import datetime
from typing import Any

import pytest

from callmocks.cdr import tables
from callmocks.tenants.settings import CdrSettings
from tests.cdr.conftest import (
    WEEK,
    CdrClient,
    error_fields,
    last_entry,
    mnemonic,
    rows,
    simple,
    total,
    tree,
)

METHODS = ("get.employees", "get.group_employees", "get.virtual_numbers", "get.scenarios")
Row = dict[str, Any]


def by_id(api: CdrClient, method: str) -> dict[int, Row]:
    fields = list(tables.load_fields(method).fields)
    return {row["id"]: row for row in rows(api.rpc(method, fields=fields))}


@pytest.mark.proves("cdr.directory-ids", "cdr.scenario-lists")
def test_every_id_of_a_leg_resolves(api: CdrClient) -> None:
    api.tenant()
    employees, groups, numbers, scenarios = (by_id(api, method) for method in METHODS)
    by_number = {row["virtual_phone_number"]: row for row in numbers.values()}
    legs = rows(
        api.legs(WEEK, fields=list(tables.load_fields("get.call_legs_report").fields), limit=10_000)
    )
    seen: dict[str, set[Any]] = {}
    for leg in legs:
        for name in ("employee_id", "group_id", "scenario_id", "virtual_phone_number", "action_id"):
            if leg[name] is not None:
                seen.setdefault(name, set()).add(leg[name])
        if leg["employee_id"] is not None:
            employee = employees[leg["employee_id"]]
            assert employee["full_name"] == leg["employee_full_name"]
            phones = {phone["phone_number"] for phone in employee["phone_numbers"]}
            assert leg["employee_phone_number"] in phones
        if leg["group_id"] is not None:
            assert groups[leg["group_id"]]["name"] == leg["group_name"]
        if leg["scenario_id"] is not None:
            assert scenarios[leg["scenario_id"]]["name"] == leg["scenario_name"]
            rules = by_number[leg["virtual_phone_number"]]["scenarios"]
            assert leg["scenario_id"] in {rule["scenario_id"] for rule in rules}
        if leg["action_id"] is not None:
            (operation,) = scenarios[leg["scenario_id"]]["operations"]
            assert operation == {"id": leg["action_id"], "name": leg["action_name"]}
    assert seen["virtual_phone_number"] <= by_number.keys()
    assert seen["group_id"] == groups.keys()
    assert len(seen["employee_id"]) > 5 and len(seen["action_id"]) > 1


@pytest.mark.proves("cdr.employee-status")
def test_statuses_are_those_that_calls_meet(api: CdrClient) -> None:
    tenant = api.tenant()
    fields = ["employee_id", "start_time", "connect_time", "finish_reason", "is_talked"]
    legs = [
        leg
        for leg in rows(api.legs(WEEK, fields=fields, limit=10_000))
        if leg["employee_id"] is not None
    ]
    checked = []
    for status in ("break", "do_not_disturb", "not_at_workplace", "not_at_work", "available"):
        reason = f"employee_status_{status}"
        refused = [leg for leg in legs if leg["finish_reason"] == reason]
        if status == "available":
            refused = [leg for leg in legs if leg["is_talked"]][::400]
        for leg in refused[:4]:
            at = leg["connect_time"] or leg["start_time"]
            tenant.clock.freeze(datetime.fromisoformat(at))
            (found,) = rows(api.rpc("get.employees", filter=simple("id", "=", leg["employee_id"])))
            assert (found["status"], leg) == (status, leg)
            assert found["calls_available"] == (status == "available")
            assert bool(found["allowed_in_call_types"]) == found["calls_available"]
            checked.append(status)
    assert len(set(checked)) > 2
    tenant.clock.freeze(datetime(2026, 3, 3, 3))
    assert {row["status"] for row in rows(api.rpc("get.employees"))} == {"not_at_work"}
    tenant.assumptions.set_choice("cdr.employee-status", "available")
    assert {row["status"] for row in rows(api.rpc("get.employees"))} == {"available", "not_at_work"}


@pytest.mark.proves("cdr.directory-nesting", "cdr.directory-ids")
def test_the_four_agree_with_one_another(api: CdrClient) -> None:
    api.tenant()
    employees, groups, numbers, scenarios = (by_id(api, method) for method in METHODS)
    for employee in employees.values():
        names = (employee[name] for name in ("last_name", "first_name", "patronymic"))
        assert employee["full_name"] == " ".join(filter(None, names))
        for group in employee["groups"]:
            assert groups[group["group_id"]]["name"] == group["group_name"]
    for group in groups.values():
        for member in group["members"]:
            assert employees[member["employee_id"]]["full_name"] == member["employee_full_name"]
        for number in group["phone_numbers"]:
            phones = employees[number["employee_id"]]["phone_numbers"]
            found = {phone["phone_id"]: phone["phone_number"] for phone in phones}
            assert found[number["employee_phone_number_id"]] == number["employee_phone_number"]
    for scenario in scenarios.values():
        listed = {
            row["virtual_phone_number"]
            for row in numbers.values()
            if scenario["id"] in {rule["scenario_id"] for rule in row["scenarios"]}
        }
        assert set(scenario["virtual_phone_numbers"]) == listed
    phone_ids = [p["phone_id"] for row in employees.values() for p in row["phone_numbers"]]
    assert len(set(phone_ids)) == len(phone_ids)


@pytest.mark.parametrize("method", METHODS)
def test_rows_come_by_id_in_pages(api: CdrClient, method: str) -> None:
    tenant = api.tenant()
    whole = rows(api.rpc(method))
    assert [row["id"] for row in whole] == sorted(row["id"] for row in whole)
    pages: list[Row] = []
    while page := api.rpc(method, limit=2, offset=len(pages))["result"]:
        assert page["metadata"]["total_items"] == len(whole)
        if not page["data"]:
            break
        pages += page["data"]
    assert pages == whole
    tenant.assumptions.set_choice("cdr.default-order", "descending")
    assert rows(api.rpc(method)) == whole[::-1]


@pytest.mark.proves("cdr.directory-settings")
@pytest.mark.parametrize(
    ("method", "wanted", "keep"),
    [
        ("get.employees", simple("last_name", "ilike", "м%"), lambda r: r["last_name"][0] == "М"),
        (
            "get.employees",
            simple("calls_available", "=", False),
            lambda r: not r["calls_available"],
        ),
        ("get.employees", simple("status", "=", "break"), lambda r: False),
        ("get.employees", simple("coach", "is_null"), lambda r: True),
        ("get.employees", simple("extension", "is_not_null"), lambda r: True),
        ("get.employees", simple("schedule_id", "is_null"), lambda r: True),
        ("get.employees", simple("groups", "overlap", [2**63, -(2**80)]), lambda r: False),
        (
            "get.employees",
            simple("allowed_in_call_types", "overlap", ["external", "x"]),
            lambda r: "external" in r["allowed_in_call_types"],
        ),
        (
            "get.employees",
            tree("and", simple("id", ">", 500_000), simple("email", "like", "%example")),
            lambda r: r["id"] > 500_000,
        ),
        ("get.group_employees", simple("queue_enabled", "=", False), lambda r: True),
        ("get.group_employees", simple("group_phone_number", "=", "7"), lambda r: False),
        (
            "get.virtual_numbers",
            simple("activation_date", "<", "2013-01-01 00:00:00"),
            lambda r: True,
        ),
        ("get.virtual_numbers", simple("campaigns", "overlap", [1]), lambda r: False),
        ("get.virtual_numbers", simple("status", "in", ["active", "waiting"]), lambda r: True),
        ("get.scenarios", simple("name", "regexp", "^О"), lambda r: r["name"][0] == "О"),
        ("get.scenarios", simple("sites", "not_overlap", ["a"]), lambda r: True),
    ],
)
def test_filters(api: CdrClient, method: str, wanted: Row, keep: Any) -> None:
    api.tenant()
    everything = rows(api.rpc(method))
    answer = api.rpc(method, filter=wanted)
    assert rows(answer) == [row for row in everything if keep(row)]
    assert total(answer) == len(rows(answer))


@pytest.mark.proves("cdr.overlap-objects", "cdr.scenario-lists")
def test_lists_are_filtered_by_the_ids_of_their_elements(api: CdrClient) -> None:
    api.tenant()
    group = rows(api.rpc("get.group_employees"))[0]
    wanted = simple("groups", "overlap", [group["id"]])
    members = {row["id"] for row in rows(api.rpc("get.employees", filter=wanted))}
    assert {one["employee_id"] for one in group["members"]} <= members
    phone = group["phone_numbers"][0]["employee_phone_number_id"]
    (owner,) = rows(api.rpc("get.employees", filter=simple("phone_numbers", "overlap", [phone])))
    assert owner["id"] == group["phone_numbers"][0]["employee_id"]
    number = rows(api.rpc("get.virtual_numbers"))[0]
    wanted = simple("virtual_phone_numbers", "overlap", [number["virtual_phone_number"]])
    scenarios = rows(api.rpc("get.scenarios", filter=wanted))
    rules = {rule["scenario_id"] for rule in number["scenarios"]}
    assert {row["id"] for row in scenarios} == rules
    wrong = api.rpc("get.scenarios", filter=simple("virtual_phone_numbers", "overlap", [1]))
    assert error_fields(wrong) == ("data_type_error", "filter.value", "[1]")


def test_sorts(api: CdrClient) -> None:
    api.tenant()
    sort = [{"field": "calls_available", "order": "desc"}, {"field": "full_name"}]
    found = rows(api.rpc("get.employees", sort=sort, fields=["calls_available", "full_name"]))
    expected = sorted(found, key=lambda row: (not row["calls_available"], row["full_name"]))
    assert found == expected
    names = [row["name"] for row in rows(api.rpc("get.scenarios"))]
    descending = rows(api.rpc("get.scenarios", sort=[{"field": "name", "order": "desc"}]))
    assert [row["name"] for row in descending] == sorted(names, reverse=True)


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        (
            {"filter": simple("operator", "is_null")},
            ("filter_prohibited", "filter.field", "operator"),
        ),
        (
            {"filter": simple("extension", "=", "101")},
            ("invalid_parameter_value", "filter.operator", "="),
        ),
        ({"filter": simple("extension", "jsquery", "*")}, ("error", "filter.operator", "jsquery")),
        ({"sort": [{"field": "email"}]}, ("sort_prohibited", "sort.field", "email")),
        ({"fields": ["phone_number"]}, ("unexpected_parameters", "fields", "phone_number")),
        (
            {"date_from": "2026-03-02 00:00:00"},
            ("unexpected_parameters", "date_from", "2026-03-02 00:00:00"),
        ),
        ({"limit": 10_001}, ("invalid_parameter_value", "limit", "10001")),
        (
            {"filter": simple("status", "=", "away")},
            ("invalid_parameter_value", "filter.value", "away"),
        ),
    ],
)
def test_wrong_parameters(api: CdrClient, params: Row, expected: tuple[str, str, str]) -> None:
    api.tenant()
    assert error_fields(api.rpc("get.employees", **params)) == expected


@pytest.mark.proves("cdr.group-numbers")
def test_a_group_has_its_numbers_under_the_older_name_too(api: CdrClient) -> None:
    api.tenant()
    default = rows(api.rpc("get.group_employees"))
    assert all("phone_number" not in row for row in default)
    for row in rows(api.rpc("get.group_employees", fields=["phone_number", "phone_numbers"])):
        assert row["phone_number"] == row["phone_numbers"] != []


def test_a_partner_must_name_a_user(api: CdrClient) -> None:
    api.tenant(cdr=CdrSettings(partner=True))
    for method in METHODS:
        assert error_fields(api.rpc(method))[:2] == ("required_parameter_missed", "user_id")


@pytest.mark.proves("cdr.directory-points")
def test_a_call_costs_a_point(api: CdrClient) -> None:
    tenant = api.tenant(limits="documented", cdr=CdrSettings(minute_limit=2))

    def left() -> int:
        limits: dict[str, int] = api.rpc("get.employees")["result"]["metadata"]["limits"]
        return limits["minute_remaining"]

    assert left() == 1
    tenant.assumptions.set_choice("cdr.directory-points", "0")
    assert left() == left() == 1
    tenant.assumptions.set_choice("cdr.directory-points", "1")
    assert left() == 0
    assert mnemonic(api.rpc("get.scenarios")) == "limit_exceeded"


@pytest.mark.proves(
    "cdr.directory-fields",
    "cdr.directory-settings",
    "cdr.left-employees",
    "cdr.status-ids",
    "cdr.scenario-lists",
)
def test_choices_of_the_ledger(api: CdrClient) -> None:
    tenant = api.tenant()
    employees = rows(api.rpc("get.employees"))
    away = [row for row in employees if row["status"] == "not_at_work"]
    assert away and all(row["status_id"] == 5 for row in away)
    today = tenant.clock.now().date()
    operators = tenant.history.directory.operators
    left = [each.employee_id for each in operators if each.last_day and each.last_day < today]
    assert {*left} < {row["id"] for row in away}
    tenant.assumptions.set_choice("cdr.left-employees", "absent")
    tenant.assumptions.set_choice("cdr.status-ids", "null")
    tenant.assumptions.set_choice("cdr.directory-settings", "null")
    present = rows(api.rpc("get.employees"))
    assert [row["id"] for row in present] == [
        row["id"] for row in employees if row["id"] not in left
    ]
    for row in present:
        assert row["status_id"] is row["login"] is row["call_recording"] is None
    assert rows(api.rpc("get.employees", filter=simple("login", "is_not_null"))) == []
    tenant.assumptions.set_choice("cdr.directory-fields", "scalars")
    for method in METHODS[:3]:
        row = rows(api.rpc(method))[0]
        assert not any(isinstance(value, list | dict) for value in row.values())
    assert "cdr.directory-fields" in last_entry(tenant).assumptions
    tenant.assumptions.set_choice("cdr.scenario-lists", "ids")
    numbers = {row["id"]: row for row in rows(api.rpc("get.virtual_numbers", fields=["id"]))}
    for row in rows(api.rpc("get.scenarios", fields=["virtual_phone_numbers", "operations"])):
        assert set(row["virtual_phone_numbers"]) <= numbers.keys()
        assert all(isinstance(operation, int) for operation in row["operations"])
    wanted = simple("virtual_phone_numbers", "overlap", [min(numbers)])
    assert rows(api.rpc("get.scenarios", filter=wanted))


def test_empty_scalars_are_null(api: CdrClient) -> None:
    api.tenant()
    for method in METHODS:
        for row in rows(api.rpc(method)):
            assert "" not in row.values()


def test_an_empty_world_has_its_directory(api: CdrClient) -> None:
    api.tenant(world="empty")
    for method in METHODS:
        assert rows(api.rpc(method))
