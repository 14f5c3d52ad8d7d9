"""Answers of the reports and of the directory, ours and broken ones, held against the contract."""

import json
from typing import Any

import pytest

from callmocks.cdr import tables
from callmocks.cdr.validate import validate_request, validate_response
from tests.cdr.conftest import ONE_DAY, CdrClient, simple

METHODS = (
    "get.calls_report",
    "get.employees",
    "get.group_employees",
    "get.virtual_numbers",
    "get.scenarios",
)


def exchange(api: CdrClient, method: str, **params: Any) -> tuple[bytes, bytes]:
    """A request and its answer."""
    if method == "get.calls_report":
        params = {"date_from": ONE_DAY[0], "date_till": ONE_DAY[1], "limit": 50} | params
    params["access_token"] = "t-token"
    request = json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}).encode()
    _, answer = api.fetch("POST", "/v2.0", request)
    return request, answer


def problems(request: bytes, answer: bytes) -> list[tuple[str, str | None]]:
    """Place and assumption of each finding."""
    found = [*validate_request(request).findings, *validate_response(answer, request).findings]
    return [(each.where, each.assumption) for each in found]


@pytest.mark.parametrize("method", METHODS)
def test_our_answers_are_clean(api: CdrClient, method: str) -> None:
    tenant = api.tenant(now="2026-03-02T11:00:00")
    every_field = list(tables.load_fields(method).fields)
    requests: list[dict[str, Any]] = [{}, {"fields": every_field}, {"filter": simple("id", ">", 5)}]
    if method == "get.calls_report":
        requests.append({"include_ongoing_calls": True, "limit": 1000, "fields": every_field})
    for params in requests:
        assert problems(*exchange(api, method, **params)) == []
    tenant.assumptions.set_choice("cdr.api-version", "deprecated")
    tenant.assumptions.set_choice("cdr.scenario-lists", "ids")
    assert problems(*exchange(api, method, fields=every_field)) == []


@pytest.mark.parametrize(
    ("method", "change", "expected"),
    [
        ("get.calls_report", {"clean_talk_duration": 10**6}, ["clean_talk_duration"]),
        ("get.calls_report", {"talk_duration": 10**6}, ["talk_duration"]),
        ("get.calls_report", {"finish_time": None}, ["finish_time"]),
        ("get.calls_report", {"finish_reason": "employee_phone_not_found"}, ["finish_reason"]),
        ("get.employees", {"status": "asleep"}, ["status"]),
        ("get.employees", {"extension": {"number": "1"}}, ["extension.number"]),
        ("get.employees", {"extension": {}}, []),
        ("get.scenarios", {"operations": ["x"]}, ["operations.0"]),
        ("get.virtual_numbers", {"child_customer_id": "5"}, ["child_customer_id"]),
    ],
)
def test_broken_answers_are_found(
    api: CdrClient, method: str, change: dict[str, Any], expected: list[str]
) -> None:
    api.tenant()
    fields = list(tables.load_fields(method).fields)
    request, answer = exchange(api, method, fields=fields)
    broken = json.loads(answer)
    broken["result"]["data"][0] |= change
    found = problems(request, json.dumps(broken).encode())
    assert [where for where, _ in found] == [f"result.data.0.{each}" for each in expected]


def test_default_fields_of_the_directory_are_assumed(api: CdrClient) -> None:
    api.tenant()
    request, answer = exchange(api, "get.group_employees")
    shorter = json.loads(answer)
    for row in shorter["result"]["data"]:
        del row["queue_enabled"]
    found = problems(request, json.dumps(shorter).encode())
    assert found == [("result.data.0.queue_enabled", "cdr.directory-fields")]


def test_a_byte_order_mark_is_an_assumption(api: CdrClient) -> None:
    api.tenant()
    request, answer = exchange(api, "get.scenarios")
    assert problems(b"\xef\xbb\xbf" + request, answer) == [("byte 1", "cdr.byte-order-mark")]
