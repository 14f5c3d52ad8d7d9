"""History, sessions, limits, quotas and timestamps all follow the tenant's clock."""

import re
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest
from aiohttp import ClientSession

from callmocks.arm import frames
from callmocks.config.settings import ServeSettings
from callmocks.server.mock_server import MockServer
from tests.control.server_client import Client, post_arm
from tests.control.test_arm_faults import exchange_frame, rows

HOUR = 3600


@pytest.fixture
async def limited() -> AsyncIterator[Client]:
    """A suite whose limits count."""
    settings = ServeSettings(
        arm_port=0, cdr_port=0, onec_port=0, control_port=0, now="2026-03-02T12:00:00"
    )
    async with MockServer(settings) as suite, ClientSession() as session:
        yield Client(suite, session)


async def shown(client: Client) -> tuple[int, int, int]:
    """How many calls of the day each view shows: legs, rows of operator 101, 1C rows."""
    answer = await client.cdr(date_till="2026-03-02 23:59:59", fields=["id"])
    _, body = await post_arm(client, limit=10_000)
    today = re.findall(rb'start_time="2026/03/02', body)
    _, table = await client.table()
    return len(answer["result"]["data"]), len(today), len(table)


async def test_history_grows_in_all_views_as_the_clock_goes_on(client: Client) -> None:
    noon = await shown(client)
    await client.advance(4 * HOUR)
    later = await shown(client)
    assert all(after > before > 0 for before, after in zip(noon, later, strict=True))
    await client.advance(-4 * HOUR)
    assert await shown(client) == noon


async def test_timestamps_are_the_tenants(client: Client) -> None:
    await client.advance(90)
    _, body = await post_arm(client)
    response = ElementTree.fromstring(body).find("response")
    assert response is not None and response.get("timestamp") == "2026/03/02 12:01:30"
    login = await client.cdr("login.user", login="demo", password="demo")
    ends = datetime(2026, 3, 2, 13, 1, 30, tzinfo=ZoneInfo("Europe/Moscow")).timestamp()
    assert login["result"]["data"]["expire_at"] == ends


async def test_sessions_end_by_the_clock(client: Client) -> None:
    login = await client.cdr("login.user", login="demo", password="demo")
    client.token = login["result"]["data"]["access_token"]
    async with client.workplace() as socket:
        assert rows(await exchange_frame(socket))
        await client.advance(HOUR - 1)
        assert await client.mnemonic() is None
        assert frames.decode_response(await exchange_frame(socket)).status == 200
        await client.advance(2)
        assert await client.mnemonic() == "access_token_invalid"
        await client.advance(2 * HOUR)
        assert frames.decode_response(await exchange_frame(socket)).status == 401


async def test_sessions_can_be_kept_when_the_clock_is_moved(client: Client) -> None:
    login = await client.cdr("login.user", login="demo", password="demo")
    client.token = login["result"]["data"]["access_token"]
    async with client.workplace() as socket:
        assert rows(await exchange_frame(socket))
        await client.advance(30 * 24 * HOUR, keep_sessions=True)
        assert await client.mnemonic() is None
        assert frames.decode_response(await exchange_frame(socket)).status == 200
        await client.advance(2 * HOUR)  # and they still end
        assert await client.mnemonic() == "access_token_invalid"
        assert frames.decode_response(await exchange_frame(socket)).status == 401


async def limits(client: Client) -> dict[str, Any]:
    found: dict[str, Any] = (await client.cdr("get.account"))["result"]["metadata"]["limits"]
    return found


async def test_points_reset_with_the_next_minute_and_day(limited: Client) -> None:
    for _ in range(3):
        found = await limits(limited)
    assert (found["minute_remaining"], found["day_remaining"]) == (57, 2997)
    assert (found["minute_reset"], found["day_reset"]) == (60, 12 * HOUR)
    await limited.advance(45)
    found = await limits(limited)
    assert (found["minute_remaining"], found["minute_reset"]) == (56, 15)
    await limited.advance(15)
    assert (await limits(limited))["minute_remaining"] == 59
    await limited.advance(12 * HOUR)
    assert (await limits(limited))["day_remaining"] == 2999


async def test_quotas_reset_with_the_next_hour_and_grow_at_night(limited: Client) -> None:
    async def calls(count: int) -> list[str | None]:
        return [(await limited.results())[0] for _ in range(count)]

    assert await calls(11) == ["SUCCESS"] * 10 + ["OUT_OF_LIMIT"]
    await limited.advance(HOUR)
    assert await calls(1) == ["SUCCESS"]
    await limited.advance(8 * HOUR)  # 21:00
    assert await calls(51) == ["SUCCESS"] * 50 + ["OUT_OF_LIMIT"]


async def test_a_reset_restores_limits_and_ends_sessions(limited: Client) -> None:
    login = await limited.cdr("login.user", login="demo", password="demo")
    limited.token = login["result"]["data"]["access_token"]
    await limits(limited)
    async with limited.http.post(limited.urls["control"] + "/api/tenants/demo/reset") as answer:
        assert answer.status == 200
    assert await limited.mnemonic() == "access_token_invalid"
    limited.token = "demo-token"
    assert (await limits(limited))["day_remaining"] == 2999
