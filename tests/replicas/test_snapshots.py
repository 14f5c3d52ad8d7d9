"""Snapshots at several replicas: kept at one, restored at another, there for all."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.replicas.conftest import (
    NOW,
    Client,
    RedisServer,
    ReplicaProcess,
    round_robin,
    start_replicas,
)

SHOWN = ("/calls", "/faults", "/assumptions", "/clock", "/fingerprint", "")


async def change(
    client: Client, replica: ReplicaProcess, method: str, path: str, body: Any = None
) -> Any:
    answer = await client.control(replica, method, f"/api/tenants/{path}", body)
    assert answer.status < 300, answer
    return answer.json


async def read_holdings(client: Client, replica: ReplicaProcess, tenant: str) -> list[Any]:
    """Addresses aside, which each replica has of its own."""
    shown = [await change(client, replica, "GET", f"{tenant}{path}") for path in SHOWN]
    for provider in ("arm", "cdr", "onec"):
        del shown[-1][provider]["url"]
    return shown


async def fill_tenant(client: Client, replicas: list[ReplicaProcess], tenant: str) -> None:
    for hour, replica in zip((8, 9, 10), replicas, strict=True):
        call = {"start": f"2026-03-02T{hour:02}:00:00", "operator": "101", "talk_seconds": 30}
        await change(client, replica, "POST", f"{tenant}/calls", call)
        fault = {"provider": "cdr", "fault": "delay", "params": {"ms": hour}, "times": 2}
        await change(client, replica, "POST", f"{tenant}/faults", fault)
    await change(client, replicas[0], "PUT", f"{tenant}/clock", {"now": "2026-03-02T13:00:00"})
    choice = {"choice": "first"}
    await change(client, replicas[1], "PUT", f"{tenant}/assumptions/cdr.sort-nulls", choice)


async def disturb_tenant(client: Client, replicas: list[ReplicaProcess], tenant: str) -> None:
    first, second, third = replicas
    calls = (await change(client, first, "GET", f"{tenant}/calls"))["calls"]
    await change(client, first, "DELETE", f"{tenant}/calls/{calls[0]['id']}")
    await change(client, second, "POST", f"{tenant}/calls", {"start": "2026-03-02T07:00:00"})
    await change(client, third, "DELETE", f"{tenant}/faults/f1")
    await change(client, first, "POST", f"{tenant}/faults", {"provider": "onec", "fault": "close"})
    await change(client, second, "PUT", f"{tenant}/clock", {"now": "2026-03-03T00:00:00"})


async def test_what_one_replica_kept_another_restores_for_all(
    three: list[ReplicaProcess], client: Client
) -> None:
    name = await client.tenant(three[0], world="empty", now=NOW)
    await fill_tenant(client, three, name)
    early = (await client.rpc(three[0], "login.user", login=name, password=name))["data"]
    points = await read_points(client, three[1], name)
    kept = await read_holdings(client, three[0], name)
    info = await change(client, three[0], "PUT", f"{name}/snapshots/base")
    late = (await client.rpc(three[1], "login.user", login=name, password=name))["data"]
    for replica in three:
        await disturb_tenant(client, three, name)
        await change(client, replica, "POST", f"{name}/snapshots/base")
        for each in three:
            assert await read_holdings(client, each, name) == kept
            listed = await change(client, each, "GET", f"{name}/snapshots")
            assert listed == {"snapshots": [info]}
    assert await read_points(client, three[2], name) == points - 1
    token = early["access_token"]
    assert (await client.rpc(three[2], "get.account", access_token=token))["data"]
    token = late["access_token"]
    assert await client.rpc(three[0], "get.account", access_token=token) == "access_token_invalid"
    await change(client, three[1], "DELETE", f"{name}/snapshots/base")
    gone = await client.control(three[2], "POST", f"/api/tenants/{name}/snapshots/base")
    assert (gone.status, gone.json["where"]) == (404, "snapshot")


async def read_points(client: Client, replica: ReplicaProcess, name: str) -> int:
    answer = await client.rpc(replica, "get.account", access_token=f"{name}-token")
    return int(answer["metadata"]["limits"]["day_remaining"])


async def test_journals_stay_and_their_numbers_go_on(
    three: list[ReplicaProcess], client: Client
) -> None:
    name = await client.tenant(three[0])
    await change(client, three[0], "PUT", f"{name}/snapshots/base")
    for _ in range(2):
        for replica in three:
            await read_points(client, replica, name)
        await change(client, three[1], "POST", f"{name}/snapshots/base")
    for replica in three:
        entries = (await change(client, replica, "GET", f"{name}/journal"))["entries"]
        assert [each["seq"] for each in entries] == [1, 2]


async def test_settings_come_back_at_all_replicas(
    three: list[ReplicaProcess], client: Client
) -> None:
    name = await client.tenant(three[0], world="empty", seed=7)
    await fill_tenant(client, three, name)
    kept = await read_holdings(client, three[1], name)
    await change(client, three[1], "PUT", f"{name}/snapshots/base")
    scenario = {"seed": 8, "cdr": {"token": f"{name}-other"}}
    await change(client, three[2], "PUT", f"{name}/scenario", scenario)
    assert (await client.rpc(three[0], "get.account", access_token=f"{name}-other"))["data"]
    await change(client, three[0], "POST", f"{name}/snapshots/base")
    for replica in three:
        assert await read_holdings(client, replica, name) == kept
    for replica in three:
        assert await read_points(client, replica, name)
        answer = await client.rpc(replica, "get.account", access_token=f"{name}-other")
        assert answer == "access_token_invalid"
    await change(client, three[2], "POST", f"{name}/reset")
    assert len((await change(client, three[1], "GET", f"{name}/snapshots"))["snapshots"]) == 1


async def test_competing_replicas_keep_sixteen_at_most(
    three: list[ReplicaProcess], client: Client
) -> None:
    name = await client.tenant(three[0])
    paths = [f"/api/tenants/{name}/snapshots/s{number}" for number in range(20)]
    answers = await asyncio.gather(
        *(
            client.control(replica, "PUT", path)
            for replica, path in zip(round_robin(three, 20), paths, strict=True)
        )
    )
    assert sorted(answer.status for answer in answers) == [200] * 16 + [409] * 4
    listed = [await change(client, replica, "GET", f"{name}/snapshots") for replica in three]
    assert listed[0] == listed[1] == listed[2]
    assert len(listed[0]["snapshots"]) == 16


async def test_snapshots_outlive_a_redis_that_lost_everything(
    tmp_path: Path, client: Client
) -> None:
    redis = RedisServer(tmp_path)
    redis.start()
    try:
        with start_replicas(1, "--state", redis.url, "--now", NOW) as (first,):
            name = await client.tenant(first, world="empty", now=NOW)
            call = {"start": "2026-03-02T10:00:00"}
            await change(client, first, "POST", f"{name}/calls", call)
            kept = await read_holdings(client, first, name)
            await change(client, first, "PUT", f"{name}/snapshots/base")
            await change(client, first, "DELETE", f"{name}/calls")
            redis.stop()
            redis.start()
            # A request makes it look at once; else another one might begin anew before it does.
            await client.wait_healthy(first, f"/api/tenants/{name}/calls")
            with start_replicas(1, "--state", redis.url, "--now", NOW) as (second,):
                await change(client, second, "POST", f"{name}/snapshots/base")
                assert await read_holdings(client, first, name) == kept
                assert await read_holdings(client, second, name) == kept
    finally:
        redis.stop()
