"""``--replay-match`` and ``--replay-now``, compared with the mock that was recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import requests
from lxml import etree

import callmocks
from callmocks.errors import SettingsError
from callmocks.testing import Mocks, Tenant
from tests.verification.conftest import DAY, NOW, run_command
from tests.verification.replay.calls import (
    arm_rows,
    arm_tag,
    call_arm,
    call_cdr,
    call_onec,
    hours,
    onec_rows,
)
from tests.verification.traffic import RECORDED_AT, TrafficLog


@pytest.mark.parametrize(
    "params",
    [
        hours("09", "11"),
        {"date_from": f"{DAY} 09:31:07", "date_till": f"{DAY} 11:02:55", "limit": 17, "offset": 9},
        {"date_from": f"{DAY} 10:00:00", "date_till": f"{DAY} 10:00:59"},
        {**hours("09", "11"), "limit": 10, "offset": 1000},
        {**hours("15", "15"), "limit": 5, "offset": 8},  # of the very window some pages
    ],
    ids=str,
)
def test_legs_of_any_covered_window_are_those_of_the_recorded_service(
    tenant: Tenant, replay: Mocks, params: dict[str, Any]
) -> None:
    method = "get.call_legs_report"
    real = call_cdr(tenant.cdr.url, method, token=f"{tenant.name}-token", **params)["result"]
    got = call_cdr(replay.cdr.url, method, **params)
    assert got["id"] == 1 and "result" in got, got
    assert got["result"]["data"] == real["data"]
    assert got["result"]["metadata"]["total_items"] == real["metadata"]["total_items"]
    assert got["result"]["metadata"].keys() == real["metadata"].keys()


def test_a_sort_that_was_recorded_keeps_its_order(tenant: Tenant, replay: Mocks) -> None:
    sort = [{"field": "duration", "order": "desc"}]
    params = {**hours("10", "10"), "sort": sort, "limit": 12, "offset": 3}
    method = "get.call_legs_report"
    real = call_cdr(tenant.cdr.url, method, token=f"{tenant.name}-token", **params)["result"]
    got = call_cdr(replay.cdr.url, method, **params)["result"]
    durations = [row["duration"] for row in got["data"]]
    assert durations == [row["duration"] for row in real["data"]]
    assert got["metadata"]["total_items"] == real["metadata"]["total_items"]


def test_rows_without_a_window_are_served_in_other_pages(tenant: Tenant, replay: Mocks) -> None:
    page = {"limit": 5, "offset": 3}
    real = call_cdr(tenant.cdr.url, "get.employees", token=f"{tenant.name}-token", **page)
    assert (
        call_cdr(replay.cdr.url, "get.employees", **page)["result"]["data"]
        == (real["result"]["data"])
    )
    assert call_cdr(replay.cdr.url, "get.account")["result"]["data"][0]["timezone"]


@pytest.mark.parametrize(
    ("params", "text"),
    [
        (hours("08", "09"), f"only rows of {DAY} 09:00:00 … {DAY} 11:59:59 and {DAY} 15:00:00"),
        (hours("11", "12"), "only rows of"),
        ({**hours("15", "15"), "limit": 5, "offset": 12}, "only rows of"),
        ({**hours("09", "09"), "sort": [{"field": "employee_id"}]}, "sort: [{"),
        (
            {**hours("09", "09"), "filter": {"field": "id", "operator": "=", "value": 5}},
            "nearest is number",
        ),
        ({**hours("10", "11"), "fields": ["id"]}, 'fields: ["id"], recorded none'),
    ],
    ids=str,
)
def test_what_was_not_recorded_is_refused_and_named(
    replay: Mocks, params: dict[str, Any], text: str
) -> None:
    error = call_cdr(replay.cdr.url, "get.call_legs_report", **params)["error"]
    assert (error["code"], error["data"]["mnemonic"]) == (-32602, "error")
    assert text in error["message"]


def test_arm_pages_are_walked_by_tags_of_their_own(tenant: Tenant, replay: Mocks) -> None:
    live = f"{tenant.arm.url}/{tenant.name}"
    wanted = arm_rows(call_arm(live, ("101", tenant.name), offset=0, limit=20))
    page = call_arm(f"{replay.arm.url}/any", offset=0, limit=7)
    got = arm_rows(page)
    while len(got) < 20:
        page = call_arm(
            f"{replay.arm.url}/any", offset=0, limit=min(7, 20 - len(got)), tag=arm_tag(page)
        )
        got += arm_rows(page)
    assert got == wanted
    newest, oldest = wanted[2]["start_time"], wanted[12]["start_time"]
    filters: dict[str, Any] = {"from_date": oldest, "to_date": newest, "offset": 1, "limit": 100}
    assert arm_rows(call_arm(f"{replay.arm.url}/any", **filters)) == (
        arm_rows(call_arm(live, ("101", tenant.name), **filters))
    )
    incoming: dict[str, Any] = {"direction": "in", "offset": 2, "limit": 6}
    assert arm_rows(call_arm(f"{replay.arm.url}/any", **incoming)) == (
        arm_rows(call_arm(live, ("101", tenant.name), **incoming))
    )
    too_many: list[dict[str, Any]] = [
        {"offset": 0, "limit": 60},
        {"offset": 9, "limit": 4, "direction": "in"},
    ]
    for beyond in too_many:
        error = call_arm(f"{replay.arm.url}/any", **beyond).find("error")
        assert error is not None and "only rows of" in (error.text or "")
    error = call_arm(f"{replay.arm.url}/any", offset=0, limit=3, number="102").find("error")
    assert error is not None and "number: 102, recorded none" in (error.text or "")


def test_rows_of_two_operators_are_not_mixed(tenant: Tenant, tmp_path: Path) -> None:
    log = TrafficLog(tenant, tmp_path / "two.jsonl")
    log.arm(offset=0, limit=6)
    log.arm("102", offset=0, limit=6)
    with callmocks.running(replay=log.path, replay_match="window") as mocks:
        error = call_arm(f"{mocks.arm.url}/any", offset=0, limit=3).find("error")
        assert error is not None
        assert "rows of several operators were recorded: 101, 102" in (error.text or "")


def test_onec_rows_come_from_several_periods(tenant: Tenant, replay: Mocks) -> None:
    auth = (tenant.name, tenant.name)
    for first, till in (("09:00:00", "13:00:00"), ("09:00:00", "11:00:00")):
        real = call_onec(tenant.onec.url, first, till, auth)
        assert onec_rows(call_onec(replay.onec.url, first, till)) == onec_rows(real) != []
    same = call_onec(replay.onec.url, first, till), call_onec(tenant.onec.url, first, till, auth)
    assert etree.canonicalize(same[0].decode()) == etree.canonicalize(same[1].decode())
    assert same[0].count(b"\r\n") == same[0].count(b"\n") > 100
    real = call_onec(tenant.onec.url, "09:00:00", "11:00:00", auth)
    with_offset = call_onec(replay.onec.url, "11:00:00.500+05:00", "13:00:00+05:00")
    assert onec_rows(with_offset) == onec_rows(real)
    # A row does not tell when its call began, which was at most some minutes before CallTime.
    within = ("10:00:00", "12:00:00")
    real, got = call_onec(tenant.onec.url, *within, auth), call_onec(replay.onec.url, *within)
    sure = [[row for row in onec_rows(each) if str(row[4])[14:] > "02"] for each in (real, got)]
    assert sure[0] == sure[1] != []
    fault = etree.fromstring(call_onec(replay.onec.url, "09:00:00", "14:00:00"))
    text = fault.findtext(".//faultstring") or ""
    assert f"only rows of {DAY} 09:00:00 … {DAY} 12:59:59 were recorded" in text


def test_the_clock_stands_at_the_last_exchange(replay: Mocks, recording: Path) -> None:
    clock = requests.get(f"{replay.control_url}/api/tenants/demo/clock", timeout=10).json()
    assert (clock["mode"], clock["now"]) == ("frozen", RECORDED_AT)


def test_the_nearest_request_answers_for_its_operation(recording: Path) -> None:
    lines = [json.loads(line) for line in recording.read_text(encoding="utf-8").splitlines()]
    with callmocks.running(replay=recording, replay_match="operation") as mocks:
        params = {"date_from": "2020-01-01 00:00:00", "date_till": "2020-01-02 00:00:00"}
        got = call_cdr(mocks.cdr.url, "get.call_legs_report", **params, limit=7, offset=7)
        assert got["result"] == json.loads(lines[5]["response"])["result"]
        rows = arm_rows(call_arm(f"{mocks.arm.url}/any", offset=5, limit=9, direction="in"))
        assert rows == arm_rows(etree.fromstring(lines[-4]["response"].encode()))
        assert onec_rows(call_onec(mocks.onec.url, "01:00:00", "13:00:00")) == (
            onec_rows(lines[-1]["response"].encode())
        )
        journal = f"{mocks.control_url}/api/tenants/demo/journal"
        notes = [each["notes"] for each in requests.get(journal, timeout=10).json()["entries"]]
        error = call_cdr(mocks.cdr.url, "get.scenarios")["error"]
        refused = call_cdr(mocks.cdr.url, "get.call_legs_report", **params, limit=10_001)["error"]
    assert "replay: nearest is number 6: date_from" in str(notes)
    assert "no get.scenarios was recorded" in error["message"]
    assert refused["data"]["field"] == "limit"


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (("--replay-match", "window"), "--replay-match: there is no recording: --replay FILE"),
        (("--replay-now", "recorded"), "--replay-now: there is no recording: --replay FILE"),
        (("--replay-match", "fuzzy"), "--replay-match: 'fuzzy' is not one of"),
    ],
)
def test_flags_that_cannot_be_together(flags: tuple[str, ...], text: str) -> None:
    result = run_command("serve", *flags)
    assert (result.code, len(result.err.splitlines())) == (2, 1)
    assert text in result.err


def test_a_clock_has_one_setting(recording: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--now sets the clock already"):
        callmocks.running(now=NOW, replay=recording, replay_now="recorded").start()
    timeless = tmp_path / "timeless.jsonl"
    text = recording.read_text(encoding="utf-8").replace(RECORDED_AT, "at noon")
    timeless.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match="no exchange tells when it was"):
        callmocks.running(replay=timeless, replay_now="recorded").start()


def test_a_row_is_as_it_was_recorded_last(recording: Path, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in recording.read_text(encoding="utf-8").splitlines()]
    later = lines[1] | {"seq": 99, "at": "2026-03-03T13:00:00"}
    answer = json.loads(later["response"])
    answer["result"]["data"][0]["duration"] = 12345
    answer["result"]["data"].pop()
    answer["result"]["metadata"]["total_items"] -= 1
    later["response"] = json.dumps(answer)
    path = tmp_path / "again.jsonl"
    path.write_text("\n".join(map(json.dumps, [*lines, later])), encoding="utf-8")
    with callmocks.running(replay=path, replay_match="window") as mocks:
        params = {**hours("09", "11"), "limit": 10000}
        got = call_cdr(mocks.cdr.url, "get.call_legs_report", **params)["result"]
    recorded = [row for line in lines[:3] for row in json.loads(line["response"])["result"]["data"]]
    assert [row["id"] for row in got["data"]] == [row["id"] for row in recorded]
    assert 12345 in [row["duration"] for row in got["data"]]
