"""What a provider refuses, its replay refuses in the same words."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import requests
from lxml import etree

import callmocks
from callmocks.testing import Mocks, Tenant
from tests.verification.conftest import DAY
from tests.verification.messages import (
    basic_auth,
    exchange_frames,
    history_frame,
    property_xml,
    soap_envelope,
)
from tests.verification.replay.calls import (
    call_arm,
    call_cdr,
    hours,
)
from tests.verification.traffic import RECORDED_AT


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
