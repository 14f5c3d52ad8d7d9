"""Journal verify names the fields of each provider's requests in the provider's own way."""

import json
import re
from pathlib import Path

import pytest

from callmocks.arm import frames
from tests.control.server_client import Client, post_arm
from tests.control.test_arm_faults import exchange_frame

SCHEMAS = Path(__file__).parents[2] / "schemas"


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


REFUSED = [
    ({"provider": "cdr", "operation": "get.call_leg_report"}, "operation", "get.call_legs_report"),
    ({"provider": "arm", "operation": "call_history"}, "operation", "operator_call_history"),
    ({"provider": "onec", "operation": "GetHistoryOfServiceCall"}, "operation", "ServiceCalls"),
    ({"operation": "WSDL"}, "operation", "wsdl"),
    ({"provider": "cdrr"}, "provider", "cdr"),
    ({"provider": "cdr", "fields": {"limit": 5}}, "fields", "params.limit"),
    ({"operation": "login", "fields": {"filters.login": "101"}}, "fields", "request.login"),
    ({"operation": "ClientRead", "fields": {"Params.clientid": None}}, "fields", "ChangedFrom"),
    ({"provider": "onec", "fields": {"Params.clientid": None}}, "fields", "Params.ClientID"),
    ({"provider": "cdr", "fields": {"params.filter.field": "id"}}, "fields", "params.filter"),
]


@pytest.mark.parametrize(("expected", "member", "meant"), REFUSED)
async def test_what_the_contract_does_not_have_is_refused_with_the_nearest_name(
    client: Client, expected: dict[str, object], member: str, meant: str
) -> None:
    url = f"{client.urls['control']}/api/tenants/demo/journal/verify"
    question = {"expect": [{"provider": "cdr", "operation": "rpc.discover"}, expected]}
    async with client.http.post(url, json=question) as answer:
        problem = await answer.json()
        assert (answer.status, problem["where"]) == (422, f"$.expect[1].{member}")
    assert meant in problem["detail"].partition("; ")[2]
    question = {"expect": [{**expected, "unlisted": True, "times": 0}]}
    async with client.http.post(url, json=question) as answer:
        assert answer.status == (422 if member == "provider" else 200)


async def test_every_name_of_the_contracts_may_be_expected(client: Client) -> None:
    """By the tables that the providers serve: OpenRPC document, WSDL's operations, XSD."""
    openrpc = json.loads((SCHEMAS / "cdr" / "openrpc.json").read_text())
    known = [
        {"provider": "cdr", "operation": method["name"], "fields": {f"params.{param['name']}": 1}}
        for method in openrpc["methods"]
        for param in method["params"]
    ]
    names = (SCHEMAS / "onec" / "operations.txt").read_text().split()
    known += [{"provider": "onec", "operation": name} for name in (*names, "wsdl")]
    xsd = (SCHEMAS / "arm" / "operator_call_history.xsd").read_text()
    filters = xsd.partition('<xs:complexType name="Filters">')[2].partition("</xs:complexType>")[0]
    for name in re.findall(r'attribute name="(\w+)"', filters):
        fields = {f"filters.{name}": "1"}
        known.append({"provider": "arm", "operation": "operator_call_history", "fields": fields})
    known += [{"provider": "arm", "operation": name} for name in ("upgrade", "call_record", "fax")]
    assert len(known) > 160
    answer = await client.verify(*({**each, "times": 0} for each in known))
    assert answer["ok"] is True
