"""What a tenant holds is kept under a name, and restored whatever happened since."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from callmocks.tenants.snapshots import SNAPSHOT_NAME
from tests.control.server_client import WINDOW, Client, post_arm
from tests.control.test_arm_faults import exchange_frame

PINS = [
    {"start": f"2026-03-02T{hour:02}:00:00", "operator": "101", "talk_seconds": 30}
    for hour in (8, 9, 10)
]
TRUTH = "/truth?from=2026-03-02T00:00:00&till=2026-03-03T00:00:00"


@dataclass
class TenantClient:
    """A tenant by the admin API and by the Data API."""

    client: Client
    name: str

    async def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        url = f"{self.client.urls['control']}/api/tenants/{self.name}{path}"
        async with self.client.http.request(method, url, json=body) as answer:
            return answer.status, await answer.json() if answer.status != 204 else None

    async def get(self, path: str) -> Any:
        status, found = await self.call("GET", path)
        assert status == 200, found
        return found

    async def change(self, method: str, path: str, body: Any = None) -> Any:
        status, found = await self.call(method, path, body)
        assert status < 300, found
        return found

    async def keep(self, name: str = "base") -> Any:
        return await self.change("PUT", f"/snapshots/{name}")

    async def restore(self, name: str = "base") -> Any:
        return await self.change("POST", f"/snapshots/{name}")

    async def holdings(self) -> dict[str, Any]:
        """All that a snapshot brings back, as the admin API shows it."""
        paths = ("/calls", "/faults", "/assumptions", "/clock", TRUTH, "/fingerprint")
        return {path: await self.get(path) for path in paths} | {"tenant": await self.get("")}

    async def log_in(self) -> str:
        answer = await self.client.cdr("login.user", login=self.name, password=self.name)
        token: str = answer["result"]["data"]["access_token"]
        return token

    async def rpc(self, token: str, method: str = "get.account", **params: Any) -> str | None:
        """The mnemonic of the error, if it is one."""
        return await self.client.mnemonic(method, access_token=token, **params)


@pytest.fixture
async def tenant(client: Client) -> TenantClient:
    """With limits and no generated calls."""
    settings = {"name": "orders", "world": "empty", "limits": "documented", "seed": 7}
    async with client.http.post(f"{client.urls['control']}/api/tenants", json=settings) as made:
        assert made.status == 201, await made.text()
    return TenantClient(client, "orders")


async def disturb(tenant: TenantClient) -> None:
    """Change everything that can be."""
    (first, *_) = (await tenant.get("/calls"))["calls"]
    await tenant.change("DELETE", f"/calls/{first['id']}")
    await tenant.change("POST", "/calls", {"start": "2026-03-02T07:00:00"})
    await tenant.change("DELETE", "/faults")
    await tenant.change("POST", "/faults", {"provider": "onec", "fault": "delay"})
    await tenant.change("PUT", "/assumptions/cdr.sort-nulls", {"choice": "last"})
    await tenant.change("PUT", "/clock", {"now": "2026-04-01T00:00:00", "speed": 60})


async def fill(tenant: TenantClient) -> None:
    for pin in PINS:
        await tenant.change("POST", "/calls", pin)
    faults = ({"fault": "rpc_error", "params": {"mnemonic": "forbidden"}}, {"fault": "delay"})
    for fault in faults:
        scope = {"operation": "get.account", "skip": 1, "times": 2}
        await tenant.change("POST", "/faults", {"provider": "cdr", **fault, **scope})
    await tenant.change("DELETE", "/faults/f2")
    await tenant.change("PUT", "/assumptions/cdr.sort-nulls", {"choice": "first"})
    await tenant.change("PUT", "/clock", {"now": "2026-03-02T13:00:00"})


async def test_everything_comes_back(tenant: TenantClient) -> None:
    await fill(tenant)
    token = await tenant.log_in()
    assert [await tenant.rpc(token) for _ in range(2)] == [None, "forbidden"]
    kept = await tenant.holdings()
    info = await tenant.keep()
    assert (info["name"], info["now"]) == ("base", "2026-03-02T13:00:00")
    assert info["bytes"] > 300
    for _ in range(2):
        await disturb(tenant)
        assert await tenant.rpc(token) == "access_token_invalid"  # the clock has moved on
        await tenant.restore()
        assert await tenant.holdings() == kept
        # Of the fault's two applications one is left.
        assert [await tenant.rpc(token) for _ in range(2)] == ["forbidden", None]


async def test_pins_and_faults_go_on_as_after_the_snapshot(tenant: TenantClient) -> None:
    await fill(tenant)
    await tenant.keep()
    then = await tenant.change("POST", "/calls", {"start": "2026-03-02T11:00:00"})
    delay = {"provider": "cdr", "fault": "delay", "params": {"ms": 1}}
    fault = await tenant.change("POST", "/faults", delay)
    await disturb(tenant)
    await tenant.restore()
    assert await tenant.change("POST", "/calls", {"start": "2026-03-02T11:00:00"}) == then
    again = await tenant.change("POST", "/faults", delay)
    assert again == fault
    assert await tenant.rpc("orders-token", "get.virtual_numbers") is None
    assert (await tenant.get("/faults"))["faults"][-1]["met"] == 1


async def test_quotas_come_back(tenant: TenantClient) -> None:
    async def points() -> int:
        call = tenant.client.cdr("get.account", access_token="orders-token")
        return int((await call)["result"]["metadata"]["limits"]["day_remaining"])

    before = await points()
    await tenant.keep()
    assert [await points(), await points()] == [before - 1, before - 2]
    await tenant.restore()
    assert await points() == before - 1


async def test_tokens_made_later_are_invalid_and_none_is_given_twice(tenant: TenantClient) -> None:
    early, left = await tenant.log_in(), await tenant.log_in()
    await tenant.keep()
    late = [await tenant.log_in() for _ in range(3)]
    assert await tenant.rpc(left, "logout.user") is None
    await tenant.restore()
    assert [await tenant.rpc(token) for token in (early, left)] == [None, None]
    assert {await tenant.rpc(token) for token in late} == {"access_token_invalid"}
    fresh = [await tenant.log_in() for _ in range(3)]
    assert len({early, left, *late, *fresh}) == 8
    assert await tenant.rpc(fresh[0]) is None


@pytest.mark.parametrize(("method", "path"), [("POST", "/reset"), ("PUT", "/scenario")])
async def test_no_token_is_given_twice_after_a_reset_in_between(
    tenant: TenantClient, method: str, path: str
) -> None:
    tokens = [await tenant.log_in()]
    await tenant.keep()
    tokens.append(await tenant.log_in())
    await tenant.change(method, path, {} if method == "PUT" else None)
    tokens.append(await tenant.log_in())
    await tenant.restore()
    tokens.append(await tenant.log_in())
    assert [await tenant.rpc(token) for token in tokens] == [
        None,
        *["access_token_invalid"] * 2,
        None,
    ]
    assert len(set(tokens)) == 4


async def test_a_websocket_is_logged_in_as_it_was_then(client: Client) -> None:
    tenant = TenantClient(client, "demo")
    async with client.workplace() as early:
        await tenant.keep()
        async with client.workplace() as late:
            assert (await exchange_frame(late))[16:19] == b"200"
            await tenant.restore()
            assert len((await tenant.get("/connections"))["connections"]) == 2
            assert (await exchange_frame(late))[16:19] == b"401"
        assert (await exchange_frame(early))[16:19] == b"200"


async def test_a_running_clock_goes_on_from_where_it_was(tenant: TenantClient) -> None:
    await tenant.change("PUT", "/clock", {"now": "2026-03-02T13:00:00", "speed": 2})
    await tenant.keep()
    await tenant.change("POST", "/clock/advance", {"seconds": 86_400})
    await tenant.restore()
    clock = await tenant.get("/clock")
    assert (clock["mode"], clock["speed"]) == ("offset", 2.0)
    assert clock["now"].startswith("2026-03-02T13:0")
    await tenant.change("PUT", "/clock", {"mode": "real"})
    await tenant.keep("real")
    await tenant.restore("base")
    await tenant.restore("real")
    assert (await tenant.get("/clock"))["mode"] == "real"


async def test_the_journal_stays_and_its_numbers_go_on(tenant: TenantClient) -> None:
    await tenant.rpc("orders-token")
    await tenant.keep()
    await tenant.rpc("orders-token")
    await tenant.restore()
    await tenant.rpc("orders-token")
    assert [each["seq"] for each in (await tenant.get("/journal"))["entries"]] == [1, 2, 3]


async def test_snapshots_are_listed_replaced_and_removed(tenant: TenantClient) -> None:
    first = await tenant.keep("a")
    second = await tenant.keep("b")
    assert await tenant.get("/snapshots") == {"snapshots": [first, second]}
    await tenant.change("POST", "/clock/advance", {"seconds": 60})
    replaced = await tenant.keep("a")
    assert replaced["now"] == "2026-03-02T12:01:00"
    assert (await tenant.get("/snapshots"))["snapshots"] == [second, replaced]
    assert await tenant.call("DELETE", "/snapshots/b") == (204, None)
    for method in ("POST", "DELETE"):
        status, problem = await tenant.call(method, "/snapshots/b")
        assert (status, problem["where"]) == (404, "snapshot")
        assert problem["detail"] == "no snapshot 'b'; there are a"
    assert (await tenant.call("PUT", "/snapshots/a%20b"))[0] == 422
    assert (await tenant.call("PUT", "/snapshots/" + "a" * 65))[0] == 422
    assert not any(map(SNAPSHOT_NAME.fullmatch, (".", "..", "")))
    assert await tenant.get("/snapshots") == {"snapshots": [replaced]}


async def test_there_are_sixteen_at_most(tenant: TenantClient) -> None:
    for number in range(16):
        await tenant.keep(f"s{number}")
    status, problem = await tenant.call("PUT", "/snapshots/another")
    assert (status, "16" in problem["detail"]) == (409, True)
    await tenant.keep("s3")
    await tenant.change("DELETE", "/snapshots/s4")
    await tenant.keep("another")


async def test_together_they_have_64_mib_at_most(tenant: TenantClient) -> None:
    for _ in range(670):
        body = {"status": 503, "body": "я" * 16_384}
        fault = {"provider": "cdr", "fault": "status", "params": body}
        await tenant.change("POST", "/faults", fault)
    for number in range(3):
        assert (await tenant.keep(f"s{number}"))["bytes"] > 21_000_000
    status, problem = await tenant.call("PUT", "/snapshots/another")
    assert (status, "of 67108864" in problem["detail"]) == (409, True)
    await tenant.keep("s1")
    await tenant.change("DELETE", "/faults")
    await tenant.keep("another")
    assert len((await tenant.get("/snapshots"))["snapshots"]) == 4


async def test_snapshots_outlive_a_reset_but_not_their_tenant(tenant: TenantClient) -> None:
    await fill(tenant)
    kept = await tenant.holdings()
    await tenant.keep()
    await tenant.change("POST", "/reset")
    await tenant.restore()
    assert await tenant.holdings() == kept
    await tenant.change("DELETE", "")
    status, _ = await tenant.call("GET", "/snapshots")
    assert status == 404


async def test_settings_come_back_too(tenant: TenantClient) -> None:
    await fill(tenant)
    kept = await tenant.holdings()
    await tenant.keep()
    scenario = {"seed": 8, "world": "quiet", "cdr": {"login": "other", "token": "other-token"}}
    await tenant.change("PUT", "/scenario", scenario)
    assert await tenant.rpc("orders-token") == "access_token_invalid"
    assert (await tenant.get("/fingerprint")) != kept["/fingerprint"]
    taken = {"name": "later", "cdr": {"token": "orders-token"}}
    url = f"{tenant.client.urls['control']}/api/tenants"
    async with tenant.client.http.post(url, json=taken) as answer:
        assert answer.status == 201
    status, problem = await tenant.call("POST", "/snapshots/base")
    assert (status, "exists already" in problem["detail"]) == (409, True)
    async with tenant.client.http.delete(f"{url}/later") as answer:
        assert answer.status == 204
    await tenant.restore()
    assert await tenant.holdings() == kept
    assert await tenant.rpc("orders-token", "get.virtual_numbers") is None
    assert await tenant.rpc("other-token") == "access_token_invalid"


async def test_generated_calls_are_as_before(client: Client) -> None:
    tenant = TenantClient(client, "demo")
    legs = await client.cdr(**WINDOW)
    await tenant.keep()
    await tenant.change("POST", "/calls", PINS[1])
    await client.advance(3600)
    assert await client.cdr(**WINDOW) != legs
    await tenant.restore()
    assert (await client.cdr(**WINDOW))["result"] == legs["result"]


async def test_another_call_under_a_number_that_was_given_back_is_shown(client: Client) -> None:
    tenant = TenantClient(client, "demo")
    await tenant.keep()
    shown = []
    for seconds in (20, 70):
        call = {"start": "2026-03-02T11:50:00", "operator": "101", "talk_seconds": seconds}
        pinned = await tenant.change("POST", "/calls", call)
        _, page = await post_arm(client, 20)
        assert pinned["arm"][0]["call_ref"].encode() in page
        legs = {"field": "call_session_id", "operator": "=", "value": pinned["id"]}
        answer = await client.cdr(**WINDOW, filter=legs)
        shown.append((pinned["id"], page, answer["result"]["data"]))
        await tenant.restore()
    (one, page, legs), (other, other_page, other_legs) = shown
    assert one == other
    assert page != other_page
    assert [leg["duration"] for leg in other_legs] != [leg["duration"] for leg in legs]
