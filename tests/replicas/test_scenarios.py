"""Scenarios on replicas: put once, seen everywhere; a file is applied once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.replicas.conftest import Client, RedisServer, ReplicaProcess, start_replicas

CALLS = [{"start": "2026-03-02T09:00:00", "talk_seconds": 5}, {"start": "2026-03-02T10:00:00"}]
FAULT = {"provider": "cdr", "fault": "rpc_error", "params": {"mnemonic": "forbidden"}, "times": 2}


async def scenario(client: Client, replica: ReplicaProcess, name: str) -> Any:
    answer = await client.control(replica, "GET", f"/api/tenants/{name}/scenario")
    assert answer.status == 200, answer
    return answer.json


async def test_what_one_replica_puts_all_have(three: list[ReplicaProcess], client: Client) -> None:
    first, second, third = three
    name = await client.tenant(first)
    path = f"/api/tenants/{name}"
    body = {
        "seed": 7,
        "calls": CALLS,
        "faults": [FAULT | {"times": 3, "met": 3, "applied": 1}],
        "clock": {"now": "2026-03-02T15:00:00"},
        "assumptions": {"cdr.sort-nulls": "first"},
        "quotas": {"cdr:points:day:739677": 7},
        "last_fault_number": 4,
        "cdr": {"token": f"{name}-key"},
    }
    put = await client.control(second, "PUT", f"{path}/scenario", body)
    assert put.status == 200
    assert await scenario(client, first, name) == await scenario(client, third, name) == put.json
    shown = {"calls": put.json["calls"], "faults": put.json["faults"]}
    assert put.json.items() >= (body | shown).items()
    token = {"access_token": f"{name}-key"}
    assert await client.rpc(third, "get.account", **token) == "forbidden"
    account = await client.rpc(first, "get.account", **token)
    assert account == "forbidden"
    account = await client.rpc(first, "get.account", **token)
    assert account["metadata"]["limits"]["day_remaining"] == 2992
    faults = [(await scenario(client, each, name))["faults"][0] for each in three]
    assert [(each["met"], each["applied"]) for each in faults] == [(6, 3)] * 3
    old = await client.rpc(second, "get.account", access_token=f"{name}-token")
    assert old == "access_token_invalid"
    calls = [await client.control(each, "GET", f"{path}/calls") for each in three]
    assert calls[0].body == calls[1].body == calls[2].body
    bad = {"calls": [CALLS[0], {"start": "x"}]}
    wrong = await client.control(third, "PUT", f"{path}/scenario", bad)
    assert (wrong.status, wrong.json["where"]) == (422, "$.calls[1].start")
    reset = await client.control(third, "POST", f"{path}/reset")
    assert reset.status == 200
    found = await scenario(client, first, name)
    assert "calls" not in found and "quotas" not in found and found["seed"] == 7


async def test_a_file_is_applied_once_and_who_finds_its_tenants_leaves_them(
    redis: RedisServer, client: Client, tmp_path: Path
) -> None:
    path = tmp_path / "scenario.json"
    demo = {"name": "demo", "seed": 5, "calls": CALLS}
    orders = {"name": "orders", "now": "2026-03-02T12:00:00", "calls": CALLS, "faults": [FAULT]}
    path.write_text(json.dumps({"tenants": [demo, orders]}))
    url = redis.take_url()
    arguments = ("--state", url, "--scenario", str(path))
    with start_replicas(2, *arguments) as running:
        for name in ("demo", "orders"):
            found = [await scenario(client, each, name) for each in running]
            assert found[0] == found[1] and [each["number"] for each in found[0]["calls"]] == [1, 2]
        await client.control(running[0], "DELETE", "/api/tenants/orders/calls")
        path.write_text(json.dumps({"tenants": [demo | {"seed": 6}, orders]}))
        with start_replicas(1, *arguments) as (late,):
            assert "calls" not in await scenario(client, late, "orders")
            assert (await scenario(client, late, "demo"))["seed"] == 5


async def test_workers_apply_a_file_once(
    redis: RedisServer, client: Client, tmp_path: Path
) -> None:
    path = tmp_path / "scenario.json"
    path.write_text(json.dumps({"name": "orders", "calls": CALLS}))
    url = redis.take_url()
    with start_replicas(1, "--state", url, "--workers", "2", "--scenario", str(path)) as (suite,):
        found = await scenario(client, suite, "orders")
        assert [each["number"] for each in found["calls"]] == [1, 2]
