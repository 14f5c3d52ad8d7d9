"""Journal verify names the fields of each provider's requests in the provider's own way."""

import pytest

from callmocks.arm import frames
from tests.control.server_client import Client, post_arm
from tests.control.test_arm_faults import exchange_frame


async def test_arm_by_element_and_attribute_in_both_transports(client: Client) -> None:
    await post_arm(client, limit=7)
    async with client.workplace() as socket:
        assert frames.decode_response(await exchange_frame(socket, limit=7)).status == 200
    wanted = {"provider": "arm", "operation": "operator_call_history"}
    for limit in (7, "7"):
        answer = await client.verify({**wanted, "fields": {"filters.limit": limit}, "times": 2})
        assert answer["ok"] is True
    answer = await client.verify({**wanted, "fields": {"filters.limit": 8, "filters.tag": None}})
    assert answer["ok"] is False
    assert answer["results"][0]["nearest"][0]["differences"] == [
        {"field": "filters.limit", "expected": 8, "got": "7"}
    ]


async def test_1c_by_property(client: Client) -> None:
    await client.onec()
    wanted = {"provider": "onec", "operation": "GetHistoryOfServiceCalls", "status": 200}
    good = {"Params.PeriodFrom": "2026-03-02T09:00:00", "Params.PeriodTo": None}
    assert (await client.verify({**wanted, "fields": good}))["ok"] is True
    bad = {"Params.PeriodFrom": "2026-03-02T10:00:00"}
    assert (await client.verify({**wanted, "fields": bad}))["ok"] is False


async def test_an_order_across_providers(client: Client) -> None:
    await client.cdr("get.account")
    await client.onec()
    await post_arm(client)
    cdr, onec, arm = ({"provider": name} for name in ("cdr", "onec", "arm"))
    assert (await client.verify(cdr, onec, arm, in_order=True))["ok"] is True
    assert (await client.verify(onec, cdr, in_order=True))["ok"] is False


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 70_000, b"<a>" * 30_000])
async def test_unreadable_requests_have_no_fields(client: Client, body: bytes) -> None:
    for name, path in (
        ("arm", "/demo/service/cc/arm/operator_call_history"),
        ("cdr", ""),
        ("onec", ""),
    ):
        async with client.http.post(client.urls[name] + path, data=body) as answer:
            await answer.read()
    for tenant in ("demo", "nobody"):
        url = f"{client.urls['control']}/api/tenants/{tenant}/journal/verify"
        question = {"expect": [{"fields": {"id": None}}, {"fields": {"id": 1}}]}
        async with client.http.post(url, json=question) as answer:
            assert answer.status == 200
            results = (await answer.json())["results"]
        assert [result["found"] for result in results][1] == 0
