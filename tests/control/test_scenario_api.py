"""A tenant as one document: what PUT takes, and what it leaves alone."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from callmocks.control.server import make_app
from callmocks.control.tenants import WORLD_FILES_ALLOWED
from tests.control.conftest import ADDRESSES, DEFAULTS, NOW, ControlClient

API = "/api/tenants/demo"
SCENARIO = f"{API}/scenario"
CALL = {"start": "2026-03-02T03:04:05", "talk_seconds": 9}
SPOKEN = {"start": "2026-03-02T05:00:00", "operator": "101", "talk_seconds": 60}
FAULT = {"provider": "cdr", "fault": "delay", "times": 3, "params": {"ms": 1}}
WINDOW = "truth?from=2026-03-02T00:00:00&till=2026-03-02T04:00:00"


async def make_busy(control: ControlClient) -> None:
    """Numbers of calls and faults that are gone, a clock that moved, points that were used."""
    starts = [f"2026-03-02T0{hour}:00:00" for hour in range(3)]
    calls = [await control.post(f"{API}/calls", CALL | {"start": start}) for start in starts]
    for call in (calls[0], calls[2]):
        await control.call("DELETE", f"{API}/calls/{call['id']}")
    await control.post(f"{API}/calls", CALL)
    for _ in range(2):
        await control.post(f"{API}/faults", FAULT)
    for gone in ("f1", "f2"):
        await control.call("DELETE", f"{API}/faults/{gone}")
    await control.post(f"{API}/clock/advance", {"seconds": 3600})
    tenant = control.registry.get("demo")
    assert tenant is not None
    await tenant.state.add("cdr:points:day:739677", 7)
    await tenant.state.put("cdr:session:x", b"1")


async def describe(control: ControlClient) -> list[Any]:
    paths = ("scenario", "calls", "faults", "clock", "assumptions", WINDOW)
    return [await control.get(f"{API}/{path}") for path in paths]


async def test_what_is_exported_is_put_back(control: ControlClient) -> None:
    await make_busy(control)
    before = await describe(control)
    exported = before[0]
    assert [call["number"] for call in exported["calls"]] == [2, 4]
    assert (exported["last_fault_number"], exported["clock"]) == (2, {"now": "2026-03-02T13:00:00"})
    assert exported["quotas"] == {"cdr:points:day:739677": 7}
    await control.post(f"{API}/reset")
    assert await describe(control) != before
    assert await control.call("PUT", SCENARIO, exported) == (200, exported)
    assert await describe(control) == before
    assert (await control.post(f"{API}/faults", FAULT))["id"] == "f3"
    assert (await control.post(f"{API}/calls", CALL | {"start": NOW}))["number"] == 5


async def test_put_resets_what_it_does_not_say(control: ControlClient) -> None:
    first = await describe(control)
    await make_busy(control)
    assert (await control.call("PUT", SCENARIO, {}))[0] == 200
    assert await describe(control) == first
    assert await control.get(f"{API}/journal") == {"entries": [], "dropped": 0}


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"name": "other"}, "$.name"),
        ({"sede": 1}, "$.sede"),
        ({"world": "mars"}, "$.world"),
        ({"world": {"operators": [{"number": "1x"}]}}, "$.world.operators[0].number"),
        ({"world": {"lines": [{"hours": [9, 8]}]}}, "$.world.lines[0].hours"),
        ({"assumptions": {"cdr.sort-nulls": "up"}}, '$.assumptions."cdr.sort-nulls"'),
        ({"calls": [CALL, CALL | {"operator": "999"}]}, "$.calls[1].operator"),
        ({"calls": [CALL | {"number": 1}, CALL | {"number": 1}]}, "$.calls[1].number"),
        ({"calls": [CALL, CALL | {"operator": "101", "number": 1}]}, "$.calls[1].number"),
        ({"calls": [SPOKEN, SPOKEN]}, "$.calls[1].operator"),
        # What takes no building of calls is told before what does.
        ({"calls": [SPOKEN, SPOKEN, CALL | {"line": "x"}]}, "$.calls[2].line"),
        ({"calls": [SPOKEN, SPOKEN], "quotas": {"arm.sessions": 3}}, '$.quotas."arm.sessions"'),
        ({"faults": [FAULT, FAULT | {"params": {"ms": -1}}]}, "$.faults[1].params.ms"),
        ({"clock": {"mode": "real", "speed": 2}}, "$.clock.mode"),
        ({"quotas": {"arm.sessions": 3}}, '$.quotas."arm.sessions"'),
        ({"lags": {"arm_lag": -1}}, "$.lags.arm_lag"),
        ({"quotas": {"a": 1, "b": -1, "c": -1}}, "$.quotas.b"),
        ({"assumptions": {"cdr.sort-nulls": 1}}, '$.assumptions."cdr.sort-nulls"'),
        ({"last_call_numbers": {"2026-03-02": 20_001}}, '$.last_call_numbers."2026-03-02"'),
        ({"last_call_numbers": {"2200-01-01": 1}}, '$.last_call_numbers."2200-01-01"'),
        ({"faults": [FAULT | {"met": 2**53}]}, "$.faults[0].met"),
    ],
)
async def test_a_mistake_anywhere_leaves_everything_as_it_was(
    control: ControlClient, change: dict[str, Any], where: str
) -> None:
    await make_busy(control)
    before = await describe(control)
    body = {"seed": 9, "calls": [CALL], "clock": {"now": "2026-01-01T00:00:00"}, **change}
    status, problem = await control.call("PUT", SCENARIO, body)
    assert (status, problem["where"]) == (422, where), problem
    assert await describe(control) == before


async def test_credentials_of_others_are_refused_and_own_ones_are_not(
    control: ControlClient,
) -> None:
    await control.post("/api/tenants", {"name": "acme"})
    status, problem = await control.call("PUT", SCENARIO, {"cdr": {"token": "acme-token"}})
    assert (status, problem["where"]) == (409, "$.cdr.token")
    assert (await control.call("PUT", SCENARIO, {"cdr": {"token": "new"}}))[0] == 200
    assert (await control.get(API))["cdr"]["token"] == "new"
    await control.post("/api/tenants", {"name": "b", "cdr": {"token": "demo-token"}})


async def test_settings_that_are_left_out_stay_and_choices_are_whole(
    control: ControlClient,
) -> None:
    chosen = {"cdr.sort-nulls": "first", "cdr.leg-direction": "session"}
    await control.post("/api/tenants", {"name": "acme", "seed": 7, "assumptions": chosen})
    path = "/api/tenants/acme/scenario"
    _, found = await control.call("PUT", path, {"calls": [CALL]})
    assert (found["seed"], found["assumptions"]) == (7, chosen)
    _, found = await control.call("PUT", path, {"assumptions": {"cdr.sort-nulls": "last"}})
    assert found["assumptions"] == {"cdr.sort-nulls": "last"} and "calls" not in found


async def test_requests_that_come_meanwhile_see_the_one_or_the_other(
    control: ControlClient,
) -> None:
    calls = [{"start": f"2026-03-02T{hour:02}:00:00", "talk_seconds": 5} for hour in range(24)]
    bodies = [{"calls": calls}, {"seed": 8}]
    sizes = set()

    async def put(number: int) -> None:
        assert (await control.call("PUT", SCENARIO, bodies[number % 2]))[0] == 200

    async def look() -> None:
        found = await control.get(SCENARIO)
        sizes.add((found["seed"], len(found.get("calls", ()))))

    await asyncio.gather(*(put(n) for n in range(8)), *(look() for _ in range(30)))
    assert sizes <= {(42, 0), (42, 24), (8, 24), (8, 0)}
    (status, _), deleted = await asyncio.gather(
        control.call("PUT", SCENARIO, {"calls": calls}), control.call("DELETE", API)
    )
    assert (status in (200, 404), deleted) == (True, (204, None))
    assert (await control.call("PUT", SCENARIO, {}))[0] == 404


async def test_answers_can_be_posted_again(control: ControlClient) -> None:
    tenant = await control.post("/api/tenants", {"name": "acme", "seed": 7, "onec_lag": 5})
    path = "/api/tenants/acme"
    call = await control.post(f"{path}/calls", CALL)
    fault = await control.post(f"{path}/faults", FAULT)
    await control.call("DELETE", path)
    assert await control.post("/api/tenants", tenant) == tenant
    assert await control.post(f"{path}/calls", call) == call
    assert await control.post(f"{path}/faults", fault) == fault
    await control.call("DELETE", f"{path}/calls")
    url, headers = f"{control.url}{path}/calls", {"Content-Type": "application/x-ndjson"}
    async with control.session.post(url, data=json.dumps(call), headers=headers) as answer:
        assert await answer.json() == {"calls": [call]}


@pytest.mark.parametrize(
    ("path", "body", "where"),
    [
        ("/calls", CALL | {"finished": True}, "$.finished"),
        ("/calls", CALL | {"colour": 1}, "$.colour"),
        ("/calls", CALL | {"number": 0}, "$.number"),
        ("/calls", CALL | {"number": 20_001}, "$.number"),
        ("/calls", CALL | {"answered": "2026-03-02T03:04:06"}, "$.answered"),
        ("/faults", FAULT | {"number": 3}, "$.number"),
        ("", {"name": "b", "operators": []}, "$.operators"),
        ("", {"name": "b", "cdr": {"operators": []}}, "$.cdr.operators"),
    ],
)
async def test_all_else_that_the_server_does_not_know_is_refused(
    control: ControlClient, path: str, body: dict[str, Any], where: str
) -> None:
    url = f"{API}{path}" if path else "/api/tenants"
    status, problem = await control.call("POST", url, body)
    assert (status, problem["where"]) == (422, where), problem


async def test_a_call_gets_the_number_that_is_asked_for(control: ControlClient) -> None:
    tenth = await control.post(f"{API}/calls", CALL | {"number": 10})
    assert (await control.post(f"{API}/calls", CALL | {"start": NOW}))["number"] == 11
    status, problem = await control.call("POST", f"{API}/calls", CALL | {"number": 10})
    assert (status, problem["where"]) == (422, "$.number")
    assert str(tenth["id"]) in problem["detail"]
    ids = [leg["leg_id"] for leg in tenth["legs"]]
    await control.call("DELETE", f"{API}/calls")
    again = await control.post(f"{API}/calls", CALL | {"number": 10})
    assert (again, [leg["leg_id"] for leg in again["legs"]]) == (tenth, ids)


async def test_a_world_is_written_out(control: ControlClient) -> None:
    world = {"title": "mine", "calls_per_day": 9, "operators": [{"number": "777"}, {}]}
    made = await control.post("/api/tenants", {"name": "acme", "world": world})
    assert made["world"] == world | {"operators": [{"number": "777"}, {}]}
    assert "777" in [each["number"] for each in made["arm"]["operators"]]
    exported = await control.get("/api/tenants/acme/scenario")
    assert exported["world"] == {"title": "mine", "operators": [{"number": "777"}, {}]}
    assert exported["calls_per_day"] == 9
    first = await control.get("/api/tenants/acme/fingerprint")
    await control.call("PUT", SCENARIO, {**exported, "name": "demo"})
    assert await control.get(f"{API}/fingerprint") == first


async def test_a_world_file_is_opened_for_clients_on_this_machine_alone(
    control: ControlClient, serve: Any, tmp_path: Path
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('title = "mine"\ncalls_per_day = 9\n')
    app = make_app(control.registry, ADDRESSES, defaults=DEFAULTS)
    app[WORLD_FILES_ALLOWED] = False
    far = control._replace(url=await serve(app))
    status, problem = await far.call("PUT", SCENARIO, {"world": str(file)})
    assert (status, problem["where"]) == (422, "$.world")
    assert "files are opened only for clients on this machine" in problem["detail"]
    status, exported = await control.call("PUT", SCENARIO, {"world": str(file)})
    assert (status, exported["world"], exported["calls_per_day"]) == (200, {"title": "mine"}, 9)
    file.unlink()
    assert (await far.call("PUT", SCENARIO, {}))[1] == exported
    assert await far.call("PUT", SCENARIO, exported) == (200, exported)
