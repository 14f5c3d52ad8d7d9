"""Pinned calls, truth and fingerprint over the admin API; the views by the real Data API."""

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from callmocks.cdr.provider import CDR
from callmocks.contract.json_model import to_json
from callmocks.control import calls
from callmocks.history.factory import HistoryFactory
from callmocks.history.walltime import datetime_to_ms
from callmocks.server.providers import PROVIDERS
from callmocks.tenants.registry import Registry
from callmocks.tenants.settings import TenantSettings
from tests.control.conftest import ControlClient

CALLS = "/api/tenants/demo/calls"
START = "2026-03-02T03:04:05"  # no drawn call starts at night
GOOD = b'{"start": "2026-03-02T03:04:05"}'
SPOKEN = b'{"start": "2026-03-02T05:00:00", "operator": "101", "talk_seconds": 60}'
DAY = "/api/tenants/demo/truth?from=2026-03-02T00:00:00&till=2026-03-02T04:00:00"


async def pin_lines(
    control: ControlClient, body: bytes, media: str = "application/x-ndjson"
) -> tuple[int, Any]:
    headers = {"Content-Type": media}
    async with control.session.post(control.url + CALLS, data=body, headers=headers) as answer:
        return answer.status, await answer.json(content_type=None)


async def test_a_pinned_call_comes_back_whole_with_its_ids_in_each_view(
    control: ControlClient,
) -> None:
    requested = {
        "start": START,
        "operator": "102",
        "direction": "in",
        "client_phone": "79161234567",
        "finish_reason": "operator_disconnects",
        "talk_seconds": 61,
    }
    status, made = await control.call("POST", CALLS, requested)
    assert status == 201
    assert made["start"] == START + ".000" and made["direction"] == "in"
    assert made["client_phone"] == "79161234567"
    assert made["finish_reason"] == "operator_disconnects" and made["talk_seconds"] == 61
    assert "102" in [leg["operator"] for leg in made["legs"]]
    assert [row["operator"] for row in made["arm"]] == ["102"] and made["arm"][0]["call_ref"]
    assert made["cdr"]["call_session_id"] == made["id"]
    assert made["cdr"]["leg_ids"] == [leg["leg_id"] for leg in made["legs"]]
    assert await control.get(CALLS) == {"calls": [made]}
    truth = await control.get(DAY)
    assert (made["number"], made["requested"]) == (1, requested | {"number": 1})
    own = {"id", "number", "requested"}
    assert truth == {"calls": [{key: made[key] for key in made if key not in own}]}


async def test_lines_may_begin_with_a_byte_order_mark(control: ControlClient) -> None:
    status, made = await pin_lines(control, b"\xef\xbb\xbf" + json.dumps({"start": START}).encode())
    assert (status, len(made["calls"])) == (201, 1)


async def test_the_numbers_of_a_day_end(control: ControlClient) -> None:
    yesterday = DAY.replace("03-02", "03-01").replace("T04", "T23")
    lines = (await control.get(yesterday))["calls"]
    line = next(call["line"] for call in lines if call["line"])
    leg = {"role": "subscriber", "start": 0, "end": 5, "finish_reason": "subscriber_disconnects"}
    long = {"start": START, "direction": "in", "line": line, "legs": [leg] * 6}
    status, problem = await control.call("POST", CALLS, long | {"number": 20_000})
    assert (status, problem["where"]) == (422, "$.number")
    assert (
        "numbers 20000 to 20001 of its day; a day has 20000, each for 5 legs" in problem["detail"]
    )
    await control.post(CALLS, long | {"number": 19_999})
    status, problem = await control.call("POST", CALLS, {"start": START})
    assert (status, problem["where"]) == (422, "$.start")
    assert "number 20001 of its day" in problem["detail"]
    await control.post(CALLS, {"start": START, "number": 19_998})


async def test_a_pinned_call_is_in_the_data_api_and_goes_again(
    control: ControlClient, serve: Any
) -> None:
    made = await control.post(CALLS, {"start": START, "talk_seconds": 30})
    url = await serve(CDR.create_app(control.registry)) + "/v2.0"

    async def sessions() -> list[int]:
        params = {
            "access_token": "demo-token",
            "date_from": "2026-03-02 03:00:00",
            "date_till": "2026-03-02 04:00:00",
        }
        request = {"jsonrpc": "2.0", "id": 1, "method": "get.call_legs_report", "params": params}
        async with control.session.post(url, json=request) as answer:
            rows = (await answer.json(content_type=None))["result"]["data"]
        return [row["call_session_id"] for row in rows]

    assert set(await sessions()) == {made["id"]}
    assert await control.call("DELETE", f"{CALLS}/{made['id']}") == (204, None)
    assert await sessions() == []
    for gone in (made["id"], "x", "9" * 30, "-1"):
        assert (await control.call("DELETE", f"{CALLS}/{gone}"))[0] == 404


async def test_a_contradiction_is_refused_with_the_field_and_the_reason(
    control: ControlClient,
) -> None:
    for body, field in (
        ({"start": START, "answered": False, "talk_seconds": 5}, "$.talk_seconds"),
        ({"start": START, "operator": "999"}, "$.operator"),
        ({"start": START, "finish_reason": "bored"}, "$.finish_reason"),
        ({"start": "1999-01-01T00:00:00"}, "$.start"),
        ({"start": START, "talk_seconds": "5"}, "$.talk_seconds"),
    ):
        status, problem = await control.call("POST", CALLS, body)
        assert (status, problem["where"]) == (422, field), problem
        assert len(problem["detail"]) > len(field)
    assert (await control.call("POST", CALLS, {"operator": "101"}))[0] == 422
    assert await control.get(CALLS) == {"calls": []}


async def test_a_contradiction_between_pins_is_refused(control: ControlClient) -> None:
    call = {"start": START, "operator": "101", "talk_seconds": 60}
    made = await control.post(CALLS, call)
    status, problem = await control.call("POST", CALLS, call)
    assert (status, problem["where"]) == (422, "$.operator")
    assert str(made["id"]) in problem["detail"]


async def test_lines_are_pinned_all_at_once(control: ControlClient) -> None:
    lines = [{"start": f"2026-03-02T03:0{minute}:00", "talk_seconds": 9} for minute in range(5)]
    body = b"\n\n".join(json.dumps(line).encode() for line in lines) + b"\n"
    status, made = await pin_lines(control, body)
    assert status == 201 and len(made["calls"]) == 5
    assert (await control.get(CALLS))["calls"] == made["calls"]
    assert await control.call("DELETE", CALLS) == (204, None)
    assert (await pin_lines(control, body, "application/jsonl"))[1] == made  # the same ids again


@pytest.mark.parametrize(
    ("wrong", "status", "text"),
    [
        (b'{"start": "2026-03-02T03:05:00", "operator": "999"}', 422, "operator: "),
        (b'{"start": "2026-03-02T03:05:00"', 400, "not JSON"),
        (b"[1]", 422, "Expected `object`"),
        (b'{"start": "2026-03-02T03:05:00", "colour": "red"}', 422, "colour"),
        (SPOKEN, 422, "operator: 101 speaks in the pinned call"),
    ],
)
async def test_one_bad_line_refuses_all_and_is_named(
    control: ControlClient, wrong: bytes, status: int, text: str
) -> None:
    found, problem = await pin_lines(control, b"\n".join([SPOKEN, b"", wrong, GOOD]))
    assert (found, problem["status"], problem["line"]) == (status, status, 3)
    assert problem["detail"].startswith("line 3: ") and text in problem["detail"]
    assert await control.get(CALLS) == {"calls": []}


async def test_what_takes_no_building_of_calls_is_told_first(control: ControlClient) -> None:
    wrong = b'{"start": "2026-03-02T04:00:00", "operator": "999"}'
    status, problem = await pin_lines(control, b"\n".join([SPOKEN, SPOKEN, GOOD, wrong]))
    assert (status, problem["line"], problem["where"]) == (422, 4, "$.operator")
    status, made = await pin_lines(control, b"\n".join([SPOKEN, GOOD]))
    assert [call["number"] for call in made["calls"]] == [1, 2]


async def test_truth_has_the_reason_of_the_session(control: ControlClient, serve: Any) -> None:
    url = await serve(CDR.create_app(control.registry)) + "/v2.0"
    params = {
        "access_token": "demo-token",
        "date_from": "2026-03-02 08:00:00",
        "date_till": "2026-03-02 11:59:59",
        "fields": ["id", "finish_reason"],
    }
    request = {"jsonrpc": "2.0", "id": 1, "method": "get.calls_report", "params": params}
    async with control.session.post(url, json=request) as answer:
        sessions = (await answer.json(content_type=None))["result"]["data"]
    path = "/api/tenants/demo/truth?from=2026-03-02T08:00:00&till=2026-03-02T12:00:00"
    calls = {call["cdr"]["call_session_id"]: call for call in (await control.get(path))["calls"]}
    assert len(sessions) > 20
    for session in sessions:
        told = calls[session["id"]]["cdr"]["session_finish_reason"]
        assert told == session["finish_reason"]
    assert any(each["finish_reason"] != calls[each["id"]]["finish_reason"] for each in sessions)


async def test_truth_is_what_has_begun_in_the_window(control: ControlClient) -> None:
    path = "/api/tenants/demo/truth?from=2026-03-02T11:00:00&till=2026-03-02T13:00:00"
    before = (await control.get(path))["calls"]
    assert before and all(call["start"] <= "2026-03-02T12:00:00" for call in before)
    assert not all(call["finished"] for call in before) or before[-1]["end"] <= "2026-03-02T12:00"
    await control.post("/api/tenants/demo/clock/advance", {"seconds": 7200})
    after = (await control.get(path))["calls"]
    assert len(after) > len(before)
    assert [call["cdr"] for call in after[: len(before)]] == [call["cdr"] for call in before]
    assert all(call["finished"] == (call["end"] <= "2026-03-02T14:00:00.000") for call in after)


async def test_a_long_truth_is_complete_and_does_not_block_other_requests(
    control: ControlClient,
) -> None:
    tenant = control.registry.get("demo")
    assert tenant is not None
    await control.post(CALLS, {"start": "2026-02-20T23:59:30"})
    path = "/api/tenants/demo/truth?from=2026-02-16T10:00:00&till=2026-03-02T11:30:00"
    asking = asyncio.create_task(control.get(path))
    turns = 0
    while not asking.done():
        await control.get("/health")
        turns += 1
    window = (datetime(2026, 2, 16, 10), datetime(2026, 3, 2, 11, 30), datetime(2026, 3, 2, 12))
    truth = tenant.history.truth_between(*map(datetime_to_ms, window))
    assert (await asking)["calls"] == [to_json(call) for call in truth]
    assert turns > 10


@pytest.mark.parametrize(
    "query",
    ["", "?from=2026-03-02T00:00:00", "?from=x&till=y", "?from=2015-01-01&till=2034-01-01",
     "?from=2026-03-03&till=2026-03-02",
     "?from=2026-03-02&till=2026-03-03&limit=1"],
)  # fmt: skip
async def test_an_invalid_window_is_refused(control: ControlClient, query: str) -> None:
    await control.call("PUT", "/api/tenants/demo/clock", {"now": "2030-01-01"})
    assert (await control.call("GET", "/api/tenants/demo/truth" + query))[0] == 422


async def test_pinned_calls_count_against_the_limit_of_a_window(
    control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "MAX_TRUTH_CALLS", 2)
    await control.post("/api/tenants", {"name": "bare", "world": "empty"})
    path = "/api/tenants/bare/truth?from=2026-03-02T00:00:00&till=2026-03-02T12:00:00"
    for hour, status in ((9, 200), (10, 200), (11, 422)):
        await control.post("/api/tenants/bare/calls", {"start": f"2026-03-02T{hour:02}:00:00"})
        assert (await control.call("GET", path))[0] == status
    assert (await control.call("GET", path.replace("T12", "T11")))[0] == 200


async def test_the_limit_of_a_window_counts_the_calls_of_the_window_alone(
    control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "/api/tenants/demo/truth?from={}&till={}"
    days = path.format("2026-02-24", "2026-02-27")
    starts = [call["start"] for call in (await control.get(days))["calls"]]
    monkeypatch.setattr(calls, "MAX_TRUTH_CALLS", 3)
    for first in (0, 1, len(starts) // 2, len(starts) - 4):
        status, answer = await control.call("GET", path.format(starts[first], starts[first + 3]))
        assert (status, len(answer["calls"])) == (200, 3)
        if first + 4 < len(starts):
            longer = path.format(starts[first], starts[first + 4])
            assert (await control.call("GET", longer))[0] == 422
    monkeypatch.setattr(calls, "MAX_TRUTH_CALLS", len(starts) - 1)
    assert (await control.call("GET", days))[0] == 422
    shorter = await control.get(path.format(starts[1], "2026-02-27"))
    assert len(shorter["calls"]) == len(starts) - 1


async def test_truth_has_the_call_that_starts_now_and_its_limit_counts_it(
    control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "/api/tenants/demo/truth?from=2026-03-02T08:00:00&till=2026-03-02T11:00:00"
    starts = [call["start"] for call in (await control.get(path))["calls"]]
    fourth = datetime.fromisoformat(starts[3])
    monkeypatch.setattr(calls, "MAX_TRUTH_CALLS", 3)
    for now, status in ((fourth, 422), (fourth - timedelta(milliseconds=1), 200)):
        await control.call("PUT", "/api/tenants/demo/clock", {"now": now.isoformat()})
        assert (await control.call("GET", path))[0] == status
    monkeypatch.undo()
    for now, count in ((fourth, 4), (fourth - timedelta(milliseconds=1), 3)):
        await control.call("PUT", "/api/tenants/demo/clock", {"now": now.isoformat()})
        found = [call["start"] for call in (await control.get(path))["calls"]]
        assert found == starts[:count]


async def test_to_refuse_a_window_only_days_are_generated_of_which_it_has_a_part(
    control: ControlClient, histories: HistoryFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    await control.post("/api/tenants", {"name": "fresh", "seed": 8271})
    path = "/api/tenants/fresh/truth?from={}&till={}"
    monkeypatch.setattr(calls, "MAX_TRUTH_CALLS", 100)
    cached = len(histories.cache)
    for begin, till, generated in (
        ("2026-02-24", "2026-02-27", 0),
        ("2026-02-24", "2026-02-25", 0),
        ("2026-02-24T08:00:00", "2026-02-26T20:00:00", 0),  # the 25th alone is too much
        ("2026-02-24T12:00:00", "2026-02-24T12:00:00", 0),
        ("2026-02-24T08:00:00", "2026-02-24T20:00:00", 1),
    ):
        await control.call("GET", path.format(begin, till))
        assert len(histories.cache) == cached + generated, (begin, till)


async def test_equal_seeds_have_equal_fingerprints_whatever_is_pinned(
    control: ControlClient, histories: HistoryFactory
) -> None:
    await control.post("/api/tenants", {"name": "twin"})
    await control.post("/api/tenants", {"name": "other", "seed": 43})
    await control.post("/api/tenants/twin/calls", {"start": START})
    prints = {
        name: (await control.get(f"/api/tenants/{name}/fingerprint"))["fingerprint"]
        for name in ("demo", "twin", "other")
    }
    assert len(prints["demo"]) == 64
    assert prints["demo"] == prints["twin"] != prints["other"]


async def test_pins_of_one_tenant_are_not_in_another(
    control: ControlClient, histories: HistoryFactory
) -> None:
    await control.post("/api/tenants", {"name": "twin"})
    await control.post(CALLS, {"start": START})
    assert await control.get("/api/tenants/twin/calls") == {"calls": []}
    assert (await control.get(DAY.replace("demo", "twin")))["calls"] == []


async def test_the_empty_world_holds_pinned_calls_alone(control: ControlClient) -> None:
    await control.post("/api/tenants", {"name": "bare", "world": "empty"})
    made = await control.post("/api/tenants/bare/calls", {"start": "2026-03-02T10:00:00"})
    path = "/api/tenants/bare/truth?from=2026-01-01T00:00:00&till=2026-03-02T12:00:00"
    assert [call["cdr"]["call_session_id"] for call in (await control.get(path))["calls"]] == [
        made["id"]
    ]


def test_registry_of_a_session_is_not_shared(histories: HistoryFactory) -> None:
    one, other = Registry(histories, PROVIDERS), Registry(histories, PROVIDERS)
    one.create(TenantSettings("acme", world="empty")).history.pins.add({"start": START})
    assert not other.create(TenantSettings("acme", world="empty")).history.pins
