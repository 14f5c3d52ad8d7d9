"""Many pinned calls are freed in a thread, some at a time; a tenant has a maximum of them."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import aiohttp
import pytest

from callmocks.contract import garbage
from callmocks.history import ids
from callmocks.tenants import worker
from tests.limited_server import limited_server

COUNT = 8


class Recorded:
    """Tells which thread freed it."""

    def __init__(self, threads: list[str]) -> None:
        self.threads = threads

    def __del__(self) -> None:
        self.threads.append(threading.current_thread().name)


async def test_many_objects_are_freed_in_a_thread_and_few_at_once() -> None:
    garbage.set_list_emptier(worker._free_in_turns)  # as the module does when it is loaded
    threads: list[str] = []
    garbage.empty_dict({number: Recorded(threads) for number in range(3)})
    assert threads == [threading.current_thread().name] * 3
    threads.clear()
    many = {number: Recorded(threads) for number in range(2000)}
    garbage.empty_dict(many)
    assert not many
    for _ in range(3000):
        if len(threads) == 2000:
            break
        await asyncio.sleep(0.01)
    assert threads == ["callmocks worker"] * 2000


def list_calls(count: int) -> list[dict[str, Any]]:
    return [
        {"start": f"2026-03-02T09:{n:02}:00", "answered": False, "wait_seconds": 5}
        for n in range(count)
    ]


LAST_USES = {
    "unpin all": [("DELETE", "/calls", None)],
    "reset": [("POST", "/reset", None)],
    "another scenario": [("PUT", "/scenario", {})],
    "deletion": [("DELETE", "", None)],
    "snapshot": [
        ("PUT", "/snapshots/a", None),
        ("PUT", "/scenario", {}),
        ("DELETE", "/snapshots/a", None),
    ],
    "deletion with a snapshot": [("PUT", "/snapshots/a", None), ("DELETE", "", None)],
}


@pytest.mark.parametrize("steps", LAST_USES.values(), ids=LAST_USES)
async def test_whoever_held_the_pinned_calls_last_they_are_freed_beside_the_loop(
    steps: list[tuple[str, str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(garbage, "_MANY", COUNT - 1)
    freed: list[int] = []

    def empty_list(objects: list[Any]) -> None:
        freed.append(len(objects))
        objects.clear()

    async with limited_server() as server, aiohttp.ClientSession() as client:
        tenants = server.suite.urls["control"] + "/api/tenants"
        async with client.post(tenants, json={"name": "t", "world": "empty"}) as made:
            assert made.status == 201
        scenario = {"calls": list_calls(COUNT)}
        async with client.put(f"{tenants}/t/scenario", json=scenario) as put:
            assert put.status == 200, await put.text()
        monkeypatch.setattr(garbage, "_empty_list", empty_list)
        for method, path, body in steps:
            async with client.request(method, f"{tenants}/t{path}", json=body) as answer:
                assert answer.status < 300, await answer.text()
        assert COUNT in freed


FULL = (
    f"start: a tenant has at most {ids.PINS_PER_TENANT} pinned calls, each for 5 legs; unpin some"
)


async def test_a_tenant_has_a_maximum_of_pinned_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "PINS_PER_TENANT", 3)
    lines = {"Content-Type": "application/x-ndjson"}
    async with limited_server() as server, aiohttp.ClientSession() as client:
        tenant = server.suite.urls["control"] + "/api/tenants/demo"

        async def send(method: str, path: str, **options: Any) -> tuple[int, Any]:
            async with client.request(method, tenant + path, **options) as answer:
                return answer.status, await answer.json(content_type=None)

        first, second, third, fourth = list_calls(4)
        assert (await send("POST", "/calls", json=first))[0] == 201
        status, problem = await send(
            "POST", "/calls", data=b"\n".join(map(_encode, (second, third, fourth))), headers=lines
        )
        assert (status, problem["detail"]) == (422, f"line 3: {FULL}")
        demo = server.suite.registry.get("demo")
        assert demo is not None
        line = demo.history.directory.lines[0].virtual_phone_number
        leg = {"role": "subscriber", "start": 0, "end": 9, "finish_reason": "no_money"}
        of_six_legs = {**second, "direction": "in", "line": line, "legs": [leg] * 6}
        del of_six_legs["answered"], of_six_legs["wait_seconds"]
        status, pinned = await send("POST", "/calls", json=of_six_legs)
        assert status == 201, pinned
        status, problem = await send("POST", "/calls", json=third)
        assert (status, problem["detail"], problem["where"]) == (422, FULL, "$.start")
        scenario = {"calls": list_calls(4)}
        status, problem = await send("PUT", "/scenario", json=scenario)
        assert status == 422 and FULL.removeprefix("start: ") in str(problem), problem
        assert (await send("DELETE", f"/calls/{pinned['id']}"))[0] == 204
        assert (await send("POST", "/calls", json=third))[0] == 201


def _encode(call: dict[str, Any]) -> bytes:
    return json.dumps(call).encode()
