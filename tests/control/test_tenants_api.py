"""Tenants and their clocks over the admin API."""

import asyncio
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from callmocks.history.factory import HistoryFactory
from callmocks.server.providers import PROVIDERS
from callmocks.tenants.registry import Registry
from tests.control.conftest import NOW, ControlClient


async def test_a_tenant_comes_with_everything_a_client_needs(control: ControlClient) -> None:
    status, made = await control.call("POST", "/api/tenants", {"name": "acme", "seed": 7})
    assert status == 201
    assert (made["name"], made["seed"]) == ("acme", 7)
    assert made["arm"]["url"] == "http://127.0.0.1:1" and made["arm"]["domain"] == "acme"
    assert made["arm"]["operators"][0] == {"number": "101", "password": "acme"}
    assert (
        made["cdr"].items()
        >= {
            "url": "http://127.0.0.1:2/v2.0",
            "login": "acme",
            "password": "acme",
            "token": "acme-token",
        }.items()
    )
    assert made["onec"]["url"] == "http://127.0.0.1:3/cus/ws/PartnerWebAPI2"
    assert (made["onec"]["user"], made["onec"]["password"]) == ("acme", "acme")
    assert made.pop("nobody_seq") == 0, "no request came without a tenant"
    assert await control.get("/api/tenants/acme") == made
    listed = await control.get("/api/tenants")
    assert [tenant["name"] for tenant in listed["tenants"]] == ["demo", "acme"]


async def test_settings_that_are_left_out_are_those_of_serve(control: ControlClient) -> None:
    made = await control.post("/api/tenants", {"name": "acme"})
    assert (made["seed"], made["limits"], made["world"]) == (42, "off", "default")
    assert await control.get("/api/tenants/acme/clock") == {
        "mode": "frozen",
        "now": NOW,
        "speed": 0.0,
    }


async def test_a_tenant_is_made_with_any_seed_size_credentials_and_settings(
    control: ControlClient,
) -> None:
    made = await control.post(
        "/api/tenants",
        {
            "name": "acme",
            "seed": -1,
            "calls_per_day": 20,
            "world": "quiet",
            "limits": "documented",
            "now": "real",
            "timezone": "Asia/Tokyo",
            "assumptions": {"cdr.leg-direction": "session"},
            "arm": {"password": "s3cret"},
            "cdr": {"login": "boss@acme", "password": "p", "token": "t0ken"},
            "onec": {"user": "acme 1c", "password": "q"},
        },
    )
    assert (made["world"], made["limits"]) == ("quiet", "documented")
    assert made["arm"]["operators"][0]["password"] == "s3cret"
    assert (made["cdr"]["login"], made["cdr"]["token"]) == ("boss@acme", "t0ken")
    assert made["onec"]["user"] == "acme 1c"
    clock = await control.get("/api/tenants/acme/clock")
    assert clock["mode"] == "real"
    choices = (await control.get("/api/tenants/acme/assumptions"))["assumptions"]
    assert [c["choice"] for c in choices if c["id"] == "cdr.leg-direction"] == ["session"]


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({"name": "demo"}, 409, "'demo' exists already"),
        ({"name": "nobody"}, 409, "'nobody' exists already"),
        ({"name": "b", "cdr": {"login": "demo"}}, 409, "CDR login"),
        ({"name": "b", "cdr": {"token": "demo-token"}}, 409, "CDR token"),
        ({"name": "b", "onec": {"user": "demo"}}, 409, "1C user"),
        ({"name": "A"}, 422, "$.name"),
        ({"name": "a" * 41}, 422, "$.name"),
        ({"name": ""}, 422, "$.name"),
        ({}, 422, "name"),
        ({"name": "b", "sede": 1}, 422, "sede"),
        ({"name": "b", "seed": "7"}, 422, "$.seed"),
        ({"name": "b", "world": "mars"}, 422, "one of busy, default, "),
        ({"name": "b", "assumptions": {"cdr.sort-nulls": "up"}}, 422, "none of postgresql, first,"),
        ({"name": "b", "calls_per_day": -1}, 422, "calls_per_day"),
        ({"name": "b", "calls_per_day": 200_001}, 422, "<= 200000"),
        ({"name": "b", "now": "noon"}, 422, "noon"),
        ({"name": "b", "now": "1969-12-31T23:59:59"}, 422, "1970-01-01 …"),
        ({"name": "b", "now": "2200-01-01T00:00:00"}, 422, "… 2199-12-31"),
        ({"name": "b", "world": "x" * 256 + ".toml"}, 422, "one of busy, default, "),
        ({"name": "b", "world": "x" * 256}, 422, "one of busy, default, "),
        ({"name": "b", "timezone": "Moon/Crater"}, 422, "Moon/Crater"),
        ({"name": "b", "history_from": "1999-01-01"}, 422, "1999-01-01"),
        ({"name": "b", "arm_lag": -1}, 422, "$.arm_lag"),
        ({"name": "b", "cdr_lag": 604_801}, 422, "604800"),
        ({"name": "b", "onec_lag": {"min": 1}}, 422, "field `max`"),
        ({"name": "b", "onec_lag": {"min": 1, "max": 2, "mean": 1}}, 422, "there are min, max"),
        ({"name": "b", "records_lag": {"min": 9, "max": 8}}, 422, "records_lag: min, 9, is more"),
        ({"name": "b", "assumptions": {"x": "y"}}, 422, "'x'"),
        ({"name": "b", "arm": {"contract": "loose"}}, 422, "loose"),
    ],
)
async def test_an_invalid_tenant_is_refused_and_leaves_nothing(
    control: ControlClient, body: dict[str, Any], status: int, text: str
) -> None:
    found, problem = await control.call("POST", "/api/tenants", body)
    assert found == status and text in problem["detail"] + problem.get("where", "")
    assert len(control.registry) == 1
    await control.post("/api/tenants", {"name": "b"})


NAMES_LIKE_PATHS = ("x - at `$.foo[...]", "x` - at `$[0].name", "key` in `$[0].a", " - at `", "`")


@pytest.mark.parametrize("name", NAMES_LIKE_PATHS)
async def test_a_name_that_looks_like_a_place_is_a_name(control: ControlClient, name: str) -> None:
    fault = {"provider": "cdr", "fault": "delay", "params": {}}
    for method, path, body, where in (
        ("POST", "", {"name": "a", name: 1}, f'$."{name}"'),
        ("POST", "", {"name": "a", "assumptions": {"b": "", name: 1}}, f'$.assumptions."{name}"'),
        ("POST", "/demo/faults", fault | {"params": {name: 1}}, "$.params"),
        ("POST", "/demo/faults", fault | {name: 1}, f'$."{name}"'),
        ("PUT", "/demo/scenario", {"quotas": {"b": 1}, name: 1}, f'$."{name}"'),
        ("PUT", "/demo/scenario", {"calls": [{"start": "", name: 1}]}, f'$.calls[0]."{name}"'),
        ("PUT", "/demo/scenario", {"quotas": {"b": 1, name: []}}, f'$.quotas."{name}"'),
    ):
        status, problem = await control.call(method, f"/api/tenants{path}", body)
        assert (status, problem["where"]) == (422, where)


async def test_a_body_that_is_not_json_is_400(control: ControlClient) -> None:
    deep = b'{"provider": "cdr", "fault": "delay", "params": {"a": ' + b"[" * 100_000
    for path, raw in (("", b"{"), ("", b""), ("", b"\xff"), ("/demo/faults", deep)):
        async with control.session.post(f"{control.url}/api/tenants{path}", data=raw) as answer:
            assert answer.status == 400
            assert (await answer.json(content_type=None))["status"] == 400


async def test_a_deleted_tenant_is_gone_and_its_names_are_free(control: ControlClient) -> None:
    await control.post("/api/tenants", {"name": "acme"})
    assert await control.call("DELETE", "/api/tenants/acme") == (204, None)
    assert (await control.call("DELETE", "/api/tenants/acme"))[0] == 404
    assert (await control.call("GET", "/api/tenants/acme/clock"))[0] == 404
    await control.post("/api/tenants", {"name": "acme"})


async def test_unknown_paths_and_methods_are_problems(control: ControlClient) -> None:
    assert (await control.call("GET", "/api/nothing"))[0] == 404
    status, problem = await control.call("PATCH", "/api/tenants")
    assert (status, problem["title"]) == (405, "Method Not Allowed")


async def test_reset_brings_back_the_first_state_in_milliseconds(control: ControlClient) -> None:
    tenant = control.registry.get("demo")
    assert tenant is not None
    first = await control.get("/api/tenants/demo/clock")
    truth = "/api/tenants/demo/truth?from=2026-03-02T00:00:00&till=2026-03-03T00:00:00"
    calls = await control.get(truth)
    await tenant.state.put("session", b"1")
    await tenant.state.add("points", 3)
    await control.call("PUT", "/api/tenants/demo/clock", {"now": "2027-01-01"})
    await control.call(
        "PUT", "/api/tenants/demo/assumptions/cdr.leg-direction", {"choice": "session"}
    )
    await control.post("/api/tenants/demo/faults", {"provider": "cdr", "fault": "delay"})
    await control.post("/api/tenants/demo/calls", {"start": "2026-03-02T10:00:00"})
    await control.post("/api/tenants/demo/reset")
    assert await control.get("/api/tenants/demo/clock") == first
    assert await control.get("/api/tenants/demo/faults") == {"faults": []}
    assert await control.get("/api/tenants/demo/calls") == {"calls": []}
    assert await control.get(truth) == calls
    assert tenant.assumptions.changed_choices() == {}
    assert await tenant.state.get("session") is None
    assert await tenant.state.add("points", 0) == 0


async def test_hundreds_of_tenants_side_by_side(control: ControlClient) -> None:
    begin = time.process_time()
    for number in range(300):
        await control.post("/api/tenants", {"name": f"t{number}", "world": "empty"})
    assert time.process_time() - begin < 15
    assert len((await control.get("/api/tenants"))["tenants"]) == 301


async def test_put_now_freezes_and_mode_real_releases(control: ControlClient) -> None:
    path = "/api/tenants/demo/clock"
    frozen = {"mode": "frozen", "now": "2025-12-31T23:59:59", "speed": 0.0}
    assert await control.call("PUT", path, {"now": "2025-12-31T23:59:59"}) == (200, frozen)
    assert await control.get(path) == frozen
    _, real = await control.call("PUT", path, {"mode": "real"})
    assert (real["mode"], real["speed"]) == ("real", 1.0)
    machine = datetime.fromisoformat(real["now"])
    assert abs(machine - datetime.now()) < timedelta(hours=15)  # whatever zones there are


async def test_a_clock_runs_from_a_moment_at_a_speed(control: ControlClient) -> None:
    path = "/api/tenants/demo/clock"
    _, begun = await control.call("PUT", path, {"now": "2026-01-01T00:00:00", "speed": 1000})
    assert (begun["mode"], begun["speed"]) == ("offset", 1000.0)
    await asyncio.sleep(0.05)
    later = datetime.fromisoformat((await control.get(path))["now"])
    assert timedelta(seconds=50) <= later - datetime(2026, 1, 1) < timedelta(seconds=500)
    _, slow = await control.call("PUT", path, {"mode": "offset"})
    assert slow["speed"] == 1.0 and datetime.fromisoformat(slow["now"]) >= later
    _, still = await control.call("PUT", path, {"mode": "frozen"})
    assert (await control.get(path)) == still


async def test_advance_moves_ahead_and_back(control: ControlClient) -> None:
    path = "/api/tenants/demo/clock/advance"
    assert (await control.post(path, {"seconds": 3600}))["now"] == "2026-03-02T13:00:00"
    assert (await control.post(path, {"seconds": -60.5}))["now"] == "2026-03-02T12:58:59.500000"
    await control.call("PUT", "/api/tenants/demo/clock", {"mode": "real"})
    moved = await control.post(path, {"seconds": 86_400})
    assert (moved["mode"], moved["speed"]) == ("offset", 1.0)


@pytest.mark.parametrize(
    ("method", "body", "where"),
    [
        ("PUT", {"now": "2026-13-01"}, "$.now"),
        ("PUT", {"now": "2026-03-02T12:00:00+03:00"}, "offset"),
        ("PUT", {"now": "1066-10-14"}, "$.now"),
        ("PUT", {"mode": "real", "now": NOW}, "$.mode"),
        ("PUT", {"mode": "frozen", "speed": 2}, "$.speed"),
        ("PUT", {"mode": "fast"}, "$.mode"),
        ("PUT", {"speed": 0}, "$.speed"),
        ("PUT", {}, "now, mode or speed"),
        ("POST", {"seconds": -4e9}, "$.seconds"),
        ("POST", {"seconds": "1"}, "$.seconds"),
    ],
)
async def test_an_invalid_clock_setting_is_refused_and_changes_nothing(
    control: ControlClient, method: str, body: dict[str, Any], where: str
) -> None:
    path = "/api/tenants/demo/clock"
    before = await control.get(path)
    status, problem = await control.call(
        method, path + ("/advance" if method == "POST" else ""), body
    )
    assert status == 422 and where in problem["detail"] + problem.get("where", "")
    assert await control.get(path) == before


async def test_keep_sessions_takes_the_move_out_of_their_age(control: ControlClient) -> None:
    from callmocks.tenants.exchange import Exchange

    tenant = control.registry.get("demo")
    assert tenant is not None
    await control.post("/api/tenants/demo/clock/advance", {"seconds": 60})
    await control.post("/api/tenants/demo/clock/advance", {"seconds": 3600, "keep_sessions": True})
    exchange = Exchange.start(tenant, PROVIDERS["cdr"], b"")
    assert exchange.now.isoformat() == "2026-03-02T13:01:00"
    assert exchange.session_now.isoformat() == "2026-03-02T12:01:00"
    await tenant.reset()
    exchange = Exchange.start(tenant, PROVIDERS["cdr"], b"")
    assert exchange.session_now == exchange.now


async def test_a_world_file_gives_a_tenant_a_users_own_operators_lines_and_clients(
    control: ControlClient, tmp_path: Path
) -> None:
    world = tmp_path / "ours.toml"
    world.write_text(
        """
        calls_per_day = 0
        [[operators]]
        number = "701"
        employee_id = 4001
        [[operators]]
        number = "702"
        [[lines]]
        virtual_phone_number = "74951112233"
        [[organisations]]
        client_id = "0f0f0f0f-1111-2222-3333-444444444444"
        name = "Ромашка"
        [[organisations.users]]
        phone = "79160000001"
        last_name = "Иванов"
        """
    )
    made = await control.post("/api/tenants", {"name": "ours", "world": str(world)})
    assert [operator["number"] for operator in made["arm"]["operators"]] == ["701", "702"]
    call = await control.post(
        "/api/tenants/ours/calls",
        {
            "start": "2026-03-02T10:00:00",
            "operator": "702",
            "line": "74951112233",
            "client_phone": "79160000001",
        },
    )
    assert call["line"] == "74951112233" and "Иванов" in call["client"]
    assert {leg["operator"] for leg in call["legs"]} >= {"702"}
    (tmp_path / "bad.toml").write_text("calls_per_day = -1")
    status, problem = await control.call(
        "POST", "/api/tenants", {"name": "bad", "world": str(tmp_path / "bad.toml")}
    )
    assert status == 422 and "calls_per_day" in problem["detail"]


async def test_addresses_are_null_for_servers_that_do_not_run(
    serve: Any, histories: HistoryFactory
) -> None:
    from aiohttp import ClientSession

    from callmocks.control.addresses import Addresses
    from callmocks.control.server import make_app

    url = await serve(make_app(Registry(histories, PROVIDERS), Addresses(cdr="http://here/v2.0")))
    async with ClientSession() as session:
        async with session.post(url + "/api/tenants", json={"name": "acme"}) as answer:
            made = await answer.json()
        assert (made["arm"]["url"], made["cdr"]["url"]) == (None, "http://here/v2.0")
        async with session.get(url + "/health") as answer:
            assert (await answer.json())["status"] == "ok"
