"""``--replay-match`` and ``--replay-now``, compared with the mock that was recorded."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from lxml import etree

import callmocks
from callmocks.errors import SettingsError
from callmocks.testing import Mocks, Tenant
from tests.verification.conftest import DAY, NOW, run_command
from tests.verification.messages import (
    basic_auth,
    exchange_frames,
    history_frame,
    property_xml,
    soap_envelope,
)
from tests.verification.traffic import ARM_COMMAND, RECORDED_AT, TrafficLog

Rows = list[dict[str, Any]]


def call_cdr(url: str, method: str, **params: Any) -> dict[str, Any]:
    body: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": method}
    body["params"] = {"access_token": params.pop("token", "any"), **params}
    answer: dict[str, Any] = requests.post(url, json=body, timeout=20).json()
    return answer


def hours(first: str, last: str) -> dict[str, str]:
    """``hours("09", "11")``: from nine to 11:59:59."""
    return {"date_from": f"{DAY} {first}:00:00", "date_till": f"{DAY} {last}:59:59"}


def call_arm(url: str, auth: tuple[str, str] | None = None, **filters: Any) -> etree._Element:
    attributes = " ".join(f"{name}='{value}'" for name, value in filters.items())
    body = f"<in><request><filters {attributes}/></request></in>"
    answer = requests.post(f"{url}/service/cc/arm/{ARM_COMMAND}", body, auth=auth, timeout=20)
    return etree.fromstring(answer.content)


def arm_rows(root: etree._Element) -> Rows:
    assert root.find("error") is None, root.findtext("error")
    return [
        {str(k): str(v) for k, v in row.attrib.items()}
        for row in root.findall("response/history/call_history")
    ]


def arm_tag(root: etree._Element) -> str:
    history = root.find("response/history")
    assert history is not None
    return str(history.get("tag"))


def call_onec(url: str, first: str, till: str, auth: tuple[str, str] | None = None) -> bytes:
    period = {"PeriodFrom": first, "PeriodTo": till}
    params = [property_xml(name, f"{DAY}T{text}", "dateTime") for name, text in period.items()]
    body = soap_envelope(f"<p:Params>{''.join(params)}</p:Params>")
    return requests.post(url, data=body, auth=auth, timeout=20).content


def onec_rows(answer: bytes) -> list[list[str | None]]:
    root = etree.fromstring(answer)
    assert root.find(".//faultstring") is None, root.findtext(".//faultstring")
    return [[cell.text for cell in row] for row in root.iter("{*}row")]


@pytest.fixture(scope="module")
def tenant(suite: Mocks) -> Iterator[Tenant]:
    with suite.tenant() as tenant:
        yield tenant


@pytest.fixture(scope="module")
def recording(tenant: Tenant, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Legs 9 to 12 by the hour and once more from 10; legs of 15, the first two pages; …"""
    log = TrafficLog(tenant, tmp_path_factory.mktemp("windows") / "all.jsonl")
    legs = "get.call_legs_report"
    for hour in ("09", "10", "11"):
        log.cdr(legs, **hours(hour, hour))
    log.cdr(legs, **hours("10", "11"), limit=30)
    for offset in (0, 7):
        log.cdr(legs, **hours("15", "15"), limit=7, offset=offset)
    log.cdr(legs, **hours("09", "11"), sort=[{"field": "duration", "order": "desc"}])
    log.cdr(legs, **hours("09", "09"), filter={"field": "is_coach", "operator": "=", "value": True})
    log.cdr(legs, **hours("09", "09"), sort="duration")  # refused
    for offset in (4, 0, 8):  # in another order than theirs
        log.cdr("get.employees", limit=4, offset=offset)
    log.cdr("get.account")
    page = log.arm(offset=0, limit=6)
    for _ in range(3):
        page = log.arm(offset=0, limit=6, tag=arm_tag(page))
    log.arm(offset=0, limit=5, direction="in")
    log.arm(offset=5, limit=5, direction="in")
    log.arm(offset=0, limit="few")
    for first, till in (("09:00:00", "11:00:00"), ("11:00:00", "13:00:00")):
        log.onec(first, till)
    return log.path


@pytest.fixture(scope="module")
def replay(recording: Path) -> Iterator[Mocks]:
    options = {"replay": recording, "replay_match": "window", "replay_now": "recorded"}
    with callmocks.running(**options) as mocks:  # type: ignore[arg-type]
        yield mocks


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


@pytest.mark.parametrize(
    "params",
    [
        {**hours("09", "09"), "limit": 10_001},
        {**hours("10", "11"), "limit": "30"},  # the number was recorded
        {**hours("09", "09"), "offset": -1},
        {**hours("09", "09"), "limit": "few"},
        {**hours("09", "09"), "sort": "id"},
        {**hours("09", "09"), "fields": ["id", "no_field"]},
        {**hours("09", "09"), "filter": {"field": "id", "operator": "like", "value": 5}},
        {**hours("09", "09"), "filter": {"field": "no_field", "operator": "=", "value": 5}},
        {**hours("09", "09"), "page": 2},
        {"date_from": f"{DAY} 09:00:00"},
        {"date_from": "today", "date_till": f"{DAY} 09:00:00"},
        {"date_from": "2025-01-01 00:00:00", "date_till": f"{DAY} 09:00:00"},
        hours("11", "09"),
    ],
    ids=str,
)
def test_what_the_data_api_refuses_a_replay_refuses_in_the_same_words(
    tenant: Tenant, replay: Mocks, params: dict[str, Any]
) -> None:
    method = "get.call_legs_report"
    real = call_cdr(tenant.cdr.url, method, token=f"{tenant.name}-token", **params)["error"]
    got = call_cdr(replay.cdr.url, method, **params)["error"]
    assert got["data"].pop("metadata").keys() == real["data"].pop("metadata").keys()
    assert got == real


@pytest.mark.parametrize(
    "filters",
    [
        {"offset": 0, "limit": 10_001},
        {"offset": -1, "limit": 5},
        {"offset": 0, "limit": "many"},
        {"offset": 0, "limit": 5, "colour": "red"},
        {"offset": 0, "limit": 5, "from_date": "yesterday"},
        {"offset": 0, "limit": 5, "tag": "x"},
        {"offset": 0},
    ],
    ids=str,
)
def test_what_arm_refuses_a_replay_refuses_in_the_same_words(
    tenant: Tenant, replay: Mocks, filters: dict[str, Any]
) -> None:
    live = call_arm(f"{tenant.arm.url}/{tenant.name}", ("101", tenant.name), **filters)
    got = call_arm(f"{replay.arm.url}/any", **filters)
    assert live.find("error") is not None
    assert etree.tostring(got) == etree.tostring(live)


@pytest.mark.parametrize("body", ["", "<in", "<!DOCTYPE in><in/>", "<out/>", "<in><request/></in>"])
def test_what_is_no_request_of_arm_is_refused_in_the_same_words(
    tenant: Tenant, replay: Mocks, body: str
) -> None:
    path, login = "service/cc/arm/operator_call_history", ("101", tenant.name)
    live = requests.post(f"{tenant.arm.url}/{tenant.name}/{path}", body, auth=login, timeout=10)
    got = requests.post(f"{replay.arm.url}/any/{path}", body, timeout=10)
    assert (got.status_code, got.content) == (live.status_code, live.content)
    assert b"cannot_perform_cmd" in got.content


def test_an_envelope_that_is_refused_gets_no_recorded_answer(tmp_path: Path) -> None:
    sent: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "get.account", "params": {}}
    login = sent | {"method": "login.user", "params": {"login": "a", "password": "b"}}
    line = {"at": RECORDED_AT, "provider": "cdr", "transport": "http", "status": 200}
    answer = '{"jsonrpc": "2.0", "id": 1, "result": {"data": [], "metadata": {"total_items": 0}}}'
    lines = [
        line | {"seq": seq, "operation": each["method"], "request": json.dumps(each)}
        for seq, each in enumerate([sent, login])
    ]
    path = tmp_path / "recording.jsonl"
    path.write_text(
        "\n".join(json.dumps(each | {"response": answer}) for each in lines), encoding="utf-8"
    )
    wrong = {
        "jsonrpc": sent | {"jsonrpc": "1.0"},
        "id": sent | {"id": {}},
        "params": sent | {"params": [1]},
        "colour": login | {"params": {"login": "a", "password": "b", "colour": "red"}},
    }
    with callmocks.running(replay=path) as mocks:
        for field, body in wrong.items():
            error = requests.post(mocks.cdr.url, json=body, timeout=10).json()["error"]
            assert error["data"]["field"] == field
        for body in (sent, login):
            assert "result" in requests.post(mocks.cdr.url, json=body, timeout=10).json()


def test_a_refused_frame_is_answered_by_a_frame(tenant: Tenant, replay: Mocks) -> None:
    sent, login = history_frame(limit=10_001), basic_auth("101", tenant.name)
    live = f"{tenant.arm.url}/{tenant.name}/service/cc/arm".replace("http", "ws")
    (wanted,) = asyncio.run(exchange_frames(live, login, sent))
    replayed = f"{replay.arm.url}/any/service/cc/arm".replace("http", "ws")
    assert asyncio.run(exchange_frames(replayed, {}, sent)) == [wanted]
    assert b"@limit" in wanted


@pytest.mark.parametrize(
    "params",
    [
        property_xml("PeriodFrom", "yesterday", "dateTime"),
        property_xml("ClientID", "nobody", "string"),
        property_xml("CallResult", "7", "decimal"),
        property_xml("PeriodFrom", "2026-02-01T00:00:00", "dateTime"),
        2 * property_xml("PeriodFrom", f"{DAY}T09:00:00", "dateTime"),
        "<p:Property/>",
    ],
    ids=str,
)
def test_what_1c_refuses_a_replay_refuses_in_the_same_words(
    tenant: Tenant, replay: Mocks, params: str
) -> None:
    body = soap_envelope(f"<p:Params>{params}</p:Params>")
    live = requests.post(tenant.onec.url, body, auth=(tenant.name, tenant.name), timeout=20)
    got = requests.post(replay.onec.url, body, timeout=20)
    assert (got.status_code, got.content) == (live.status_code, live.content)
    assert b"SUCCESS" not in live.content


def test_a_recorded_refusal_is_repeated_and_what_was_taken_is_not_refused(
    recording: Path, tmp_path: Path
) -> None:
    lines = [json.loads(line) for line in recording.read_text(encoding="utf-8").splitlines()]
    request, answer = (json.loads(lines[0][part]) for part in ("request", "response"))
    request["params"] |= {"limit": 20_000}  # as a service takes that allows more
    taken = lines[0] | {"seq": 98, "request": json.dumps(request)}
    request["params"] |= {"limit": 30_000}
    error = {"code": -32602, "message": "too many", "data": {"mnemonic": "own_words"}}
    refusal = json.dumps({"jsonrpc": "2.0", "id": 1, "error": error})
    refused = lines[0] | {"seq": 99, "request": json.dumps(request), "response": refusal}
    path = tmp_path / "more.jsonl"
    path.write_text("\n".join(map(json.dumps, [*lines, taken, refused])), encoding="utf-8")
    with callmocks.running(replay=path, replay_match="window") as mocks:
        legs = "get.call_legs_report"
        got = call_cdr(mocks.cdr.url, legs, **hours("09", "10"), limit=20_000)
        assert len(got["result"]["data"]) > len(answer["result"]["data"])
        got = call_cdr(mocks.cdr.url, legs, **hours("09", "09"), limit=30_000)
        assert got["error"] == error
        mnemonic = call_cdr(mocks.cdr.url, legs, **hours("10", "10"), limit=30_000)
        assert mnemonic["error"]["data"]["mnemonic"] == "invalid_parameter_value"


def test_a_replay_follows_the_choices_about_refusals(recording: Path) -> None:
    with callmocks.running(replay=recording, replay_match="window") as mocks:
        url = f"{mocks.control_url}/api/tenants/demo/assumptions"
        choices = {"cdr.paging-bounds": "clamp", "cdr.dates-reversed": "empty"}
        for name, choice in choices.items():
            assert requests.put(f"{url}/{name}", json={"choice": choice}, timeout=10).ok
        legs = "get.call_legs_report"
        whole = call_cdr(mocks.cdr.url, legs, **hours("09", "10"))["result"]["data"]
        got = call_cdr(mocks.cdr.url, legs, **hours("09", "10"), limit=10_001, offset=-3)
        assert got["result"]["data"] == whole != []
        assert call_cdr(mocks.cdr.url, legs, **hours("11", "09"))["result"]["data"] == []


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
