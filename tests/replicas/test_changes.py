"""Three processes, one Redis: what is changed at one replica is so at all, in one order."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.replicas.conftest import (
    HISTORY,
    LEGS,
    NOW,
    Client,
    RedisServer,
    ReplicaProcess,
    basic_auth,
    round_robin,
    start_replicas,
)

# clock, choices, pinned calls


async def test_a_clock_shows_the_same_everywhere(
    three: list[ReplicaProcess], client: Client
) -> None:
    name = await client.tenant(three[0], now=NOW)
    path = f"/api/tenants/{name}/clock"
    await client.control(three[1], "PUT", path, {"now": "2026-05-01T08:00:00"})
    await client.control(three[2], "POST", path + "/advance", {"seconds": 90})
    shown = [(await client.control(replica, "GET", path)).json for replica in three]
    assert [each["now"] for each in shown] == ["2026-05-01T08:01:30"] * 3
    counted = [
        (await client.rpc(replica, "get.call_legs_report", access_token=f"{name}-token", **LEGS))
        for replica in three
    ]
    assert counted[0]["data"] == counted[1]["data"] == counted[2]["data"]
    await client.control(three[0], "PUT", path, {"speed": 3600})
    begun = time.monotonic()
    moments = [(await client.control(replica, "GET", path)).json["now"] for replica in three]
    seconds = time.monotonic() - begun
    hours = [int(moment[11:13]) + int(moment[14:16]) / 60 for moment in moments]
    assert max(hours) - min(hours) <= seconds + 0.1


async def test_sessions_are_kept_over_a_jump_of_the_clock_made_elsewhere(
    three: list[ReplicaProcess], client: Client
) -> None:
    name = await client.tenant(three[0], now=NOW)
    opened = await client.rpc(three[0], "login.user", login=name, password=name)
    token = opened["data"]["access_token"]
    path = f"/api/tenants/{name}/clock/advance"
    await client.control(three[1], "POST", path, {"seconds": 7200, "keep_sessions": True})
    assert (await client.rpc(three[2], "get.account", access_token=token))["data"]
    await client.control(three[1], "POST", path, {"seconds": 7200})
    assert await client.rpc(three[2], "get.account", access_token=token) == "access_token_invalid"


async def test_a_choice_holds_at_all_replicas(three: list[ReplicaProcess], client: Client) -> None:
    name = await client.tenant(three[0])
    path = f"/api/tenants/{name}/assumptions"
    await client.control(three[1], "PUT", f"{path}/cdr.sort-nulls", {"choice": "first"})
    for replica in three:
        listed = (await client.control(replica, "GET", path)).json["assumptions"]
        assert {each["id"]: each["choice"] for each in listed}["cdr.sort-nulls"] == "first"


async def test_pinned_calls_have_the_same_ids_at_all_replicas(
    three: list[ReplicaProcess], client: Client
) -> None:
    name = await client.tenant(three[0], world="empty", now=NOW, limits="off")
    path = f"/api/tenants/{name}/calls"
    starts = [f"2026-03-02T{8 + n // 12:02}:{n % 12 * 5:02}:00" for n in range(30)]
    bodies = [{"start": start, "wait_seconds": 9, "talk_seconds": 30} for start in starts]
    made = await asyncio.gather(
        *(
            client.control(replica, "POST", path, payload)
            for replica, payload in zip(round_robin(three, 30), bodies, strict=True)
        )
    )
    assert {each.status for each in made} == {201}
    ids = {each.json["id"]: each.json for each in made}
    assert len(ids) == 30
    listed = [(await client.control(replica, "GET", path)).json["calls"] for replica in three]
    assert listed[0] == listed[1] == listed[2]
    assert {each["id"]: each for each in listed[0]} == ids
    legs = [
        await client.rpc(replica, "get.call_legs_report", access_token=f"{name}-token", **LEGS)
        for replica in three
    ]
    assert legs[0]["data"] == legs[1]["data"] == legs[2]["data"]
    assert {leg["call_session_id"] for leg in legs[0]["data"]} == set(ids)
    gone, last = listed[0][3]["id"], listed[0][-1]["id"]
    for each in (gone, last):
        assert (await client.control(three[2], "DELETE", f"{path}/{each}")).status == 204
    again = (await client.control(three[0], "POST", path, {"start": "2026-03-02T07:00:00"})).json
    assert again["id"] not in ids, "a row is not given twice"


async def test_a_contradiction_between_pins_of_two_replicas_is_refused(
    three: list[ReplicaProcess], client: Client
) -> None:
    name = await client.tenant(three[0], world="empty", now=NOW)
    payload = {"start": "2026-03-02T10:00:00", "operator": "101", "talk_seconds": 60}
    answers = await asyncio.gather(
        *(
            client.control(r, "POST", f"/api/tenants/{name}/calls", payload)
            for r in round_robin(three, 6)
        )
    )
    assert sorted(answer.status for answer in answers) == [201, 422, 422, 422, 422, 422]


# tenants


async def test_a_tenant_is_served_by_all_replicas_with_the_same_bytes(
    three: list[ReplicaProcess], client: Client
) -> None:
    name = await client.tenant(three[2], seed=7, now=NOW)
    found = [
        await client.rpc(replica, "get.call_legs_report", access_token=f"{name}-token", **LEGS)
        for replica in three
    ]
    assert len(found[0]["data"]) > 100
    assert found[0]["data"] == found[1]["data"] == found[2]["data"]
    for replica in three:
        answer = await client.arm(
            replica, name, "operator_call_history", HISTORY, Authorization=basic_auth("101", name)
        )
        assert answer.body.count(b"<call_history ") == 5


async def test_a_name_is_given_once(three: list[ReplicaProcess], client: Client) -> None:
    payload: dict[str, Any] = {"name": "only-once", "world": "empty"}
    answers = await asyncio.gather(
        *(client.control(r, "POST", "/api/tenants", payload) for r in round_robin(three, 9))
    )
    assert sorted(answer.status for answer in answers) == [201] + [409] * 8
    payload = {"name": "another", "cdr": {"login": "only-once"}}
    refused = await client.control(three[1], "POST", "/api/tenants", payload)
    assert (refused.status, refused.type) == (409, "application/problem+json")


async def test_a_reset_holds_at_all_replicas(three: list[ReplicaProcess], client: Client) -> None:
    name = await client.tenant(three[0], now=NOW, limits="documented", world="empty")
    opened = await client.rpc(three[0], "login.user", login=name, password=name)
    token = opened["data"]["access_token"]
    path = f"/api/tenants/{name}"
    fault = {"provider": "onec", "fault": "close"}
    await client.control(three[1], "POST", f"{path}/faults", fault)
    await client.control(three[1], "POST", f"{path}/calls", {"start": "2026-03-02T10:00:00"})
    await client.control(three[1], "POST", f"{path}/clock/advance", {"seconds": 60})
    assert (await client.control(three[2], "POST", f"{path}/reset")).status == 200
    for replica in three:
        assert (await client.control(replica, "GET", f"{path}/faults")).json["faults"] == []
        assert (await client.control(replica, "GET", f"{path}/calls")).json["calls"] == []
        assert (await client.control(replica, "GET", f"{path}/clock")).json["now"] == NOW
        assert (await client.control(replica, "GET", f"{path}/journal")).json["entries"] == []
        assert (
            await client.rpc(replica, "get.account", access_token=token) == "access_token_invalid"
        )
    answer = await client.rpc(three[0], "login.user", login=name, password=name)
    assert answer["data"]["access_token"] != token, "no token of a shared state repeats"
    assert answer["metadata"]["limits"]["day_remaining"] == 2999


async def test_a_deleted_tenant_is_gone_everywhere_and_a_new_one_starts_empty(
    three: list[ReplicaProcess], client: Client, redis: RedisServer
) -> None:
    name = await client.tenant(three[0], limits="documented", cdr={"day_limit": 2})
    for replica in three[:2]:
        await client.rpc(replica, "get.account", access_token=f"{name}-token")
    await client.control(three[0], "POST", f"/api/tenants/{name}/calls", {"start": NOW})
    assert (await client.control(three[1], "DELETE", f"/api/tenants/{name}")).status == 204
    assert not [key for key in redis.key_ttls() if f":{name}:" in key]
    for replica in three:
        assert (await client.control(replica, "GET", f"/api/tenants/{name}")).status == 404
        answer = await client.rpc(replica, "get.account", access_token=f"{name}-token")
        assert answer == "access_token_invalid"
    await client.tenant(three[2], name=name)
    for replica in three:
        assert (await client.control(replica, "GET", f"/api/tenants/{name}/calls")).json[
            "calls"
        ] == []
        assert (await client.rpc(replica, "get.account", access_token=f"{name}-token"))["data"]


async def test_a_world_file_serves_replicas_that_do_not_have_it(
    three: list[ReplicaProcess], client: Client, tmp_path: Path
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("calls_per_day = 0\n[sizes]\noperators = 2\n", encoding="utf-8")
    name = await client.tenant(three[0], world=str(file))
    file.unlink()
    for replica in three:
        found = (await client.control(replica, "GET", f"/api/tenants/{name}")).json
        assert [each["number"] for each in found["arm"]["operators"]] == ["101", "102"]


async def test_all_replicas_reach_the_same_state_whatever_changes_where(
    three: list[ReplicaProcess], client: Client
) -> None:
    names = [await client.tenant(three[0], world="empty", now=NOW) for _ in range(3)]

    async def change(number: int) -> int:
        replica, path = three[number % 3], f"/api/tenants/{names[number // 3 % 3]}"
        minute = f"2026-03-02T{number // 60:02}:{number % 60:02}:00"
        bodies: list[tuple[str, str, Any]] = [
            ("POST", f"{path}/calls", {"start": minute, "talk_seconds": 5, "wait_seconds": 5}),
            ("POST", f"{path}/faults", {"provider": "cdr", "fault": "delay"}),
            ("DELETE", f"{path}/faults/f{number // 9}", None),
            ("POST", f"{path}/clock/advance", {"seconds": number}),
            ("PUT", f"{path}/assumptions/onec.quota-hour", {"choice": "from-first-call"}),
            ("POST", f"{path}/reset", None),
            ("POST", "/api/tenants", {"name": f"c{number % 4}", "world": "empty"}),
            ("DELETE", f"/api/tenants/c{number % 4}", None),
        ]
        return (await client.control(replica, *bodies[number % len(bodies)])).status

    statuses = Counter(await asyncio.gather(*map(change, range(240))))
    assert set(statuses) <= {200, 201, 204, 404, 409, 422}, statuses
    assert statuses[201] > 50
    for name in [*names, *(f"c{n}" for n in range(4))]:
        for part in ("", "/calls", "/faults", "/clock", "/assumptions"):
            path = f"/api/tenants/{name}{part}"
            found = [await client.control(replica, "GET", path) for replica in three]
            assert len({answer.status for answer in found}) == 1, path
            own = [_without_addresses(answer.json) for answer in found]
            assert own[0] == own[1] == own[2], path


def _without_addresses(found: Any) -> Any:
    if isinstance(found, dict):
        return {key: _without_addresses(value) for key, value in found.items() if key != "url"}
    return found


# the journal, newcomers, keys


async def test_each_replica_has_a_journal_of_its_own_and_names_itself(
    three: list[ReplicaProcess], client: Client
) -> None:
    name = await client.tenant(three[0])
    await client.rpc(three[0], "get.account", access_token=f"{name}-token")
    path = f"/api/tenants/{name}/journal"
    found = [(await client.control(replica, "GET", path)).json for replica in three]
    assert [len(each["entries"]) for each in found] == [1, 0, 0]
    health = [(await client.control(replica, "GET", "/health")).json for replica in three]
    assert [each["replica"] for each in found] == [each["replica"]["name"] for each in health]
    assert len({each["replica"] for each in found}) == 3
    assert {each["replica"]["replicas"] for each in health} == {3}
    question = {"expect": [{"operation": "get.account"}]}
    verified = (await client.control(three[0], "POST", f"{path}/verify", question)).json
    assert (verified["ok"], verified["replica"]) == (True, found[0]["replica"])


async def test_the_openapi_document_describes_an_outage(
    three: list[ReplicaProcess], client: Client
) -> None:
    paths = (await client.control(three[0], "GET", "/openapi.json")).json["paths"]
    health = paths["/health"]["get"]["responses"]
    assert health["503"]["content"] == health["200"]["content"]
    tenants = paths["/api/tenants"]["post"]["responses"]["503"]
    assert list(tenants["content"]) == ["application/problem+json"]
    assert "503" not in paths["/api/tenants/{tenant}/journal"]["get"]["responses"]


async def test_a_replica_that_comes_later_has_everything(
    three: list[ReplicaProcess], client: Client, redis: RedisServer
) -> None:
    name = await client.tenant(three[0], seed=9, limits="off", now=NOW)
    path = f"/api/tenants/{name}"
    for payload in ({"start": "2026-03-02T10:00:00"}, {"start": "2026-03-01T11:00:00"}):
        await client.control(three[0], "POST", f"{path}/calls", payload)
    fault = {"provider": "onec", "fault": "status", "params": {"status": 503}, "times": 3}
    await client.control(three[1], "POST", f"{path}/faults", fault)
    await client.onec(three[0], name, "DepartmentRead")
    choice = {"choice": "first"}
    await client.control(three[2], "PUT", f"{path}/assumptions/cdr.sort-nulls", choice)
    await client.control(three[2], "POST", f"{path}/clock/advance", {"seconds": 3600})
    opened = await client.rpc(three[1], "login.user", login=name, password=name)
    with start_replicas(1, "--state", redis.url, "--now", NOW) as (newcomer,):
        both = (three[0], newcomer)
        for part in ("calls", "faults", "assumptions", "clock", "fingerprint"):
            old, new = [(await client.control(r, "GET", f"{path}/{part}")).json for r in both]
            assert old == new, part
        token = opened["data"]["access_token"]
        old, new = [
            await client.rpc(r, "get.call_legs_report", access_token=token, **LEGS) for r in both
        ]
        assert old["data"] == new["data"]
        statuses = [
            (await client.onec(r, name, "DepartmentRead")).status for r in (newcomer, *three)
        ]
        assert statuses == [503, 503, 200, 200]
        pinned = await client.control(newcomer, "POST", f"{path}/calls", {"start": NOW})
        assert pinned.json in (await client.control(three[2], "GET", f"{path}/calls")).json["calls"]


async def test_nothing_stays_in_redis_for_ever(
    three: list[ReplicaProcess], client: Client, redis: RedisServer
) -> None:
    name = await client.tenant(three[0], limits="documented")
    await client.rpc(three[0], "login.user", login=name, password=name)
    await client.onec(three[1], name, "DepartmentRead")
    kept = redis.key_ttls()
    assert any(f":{name}:" in key for key in kept)
    assert all(key.startswith("callmocks:") for key in kept)
    assert all(0 < seconds <= 86_400 for seconds in kept.values()), kept
