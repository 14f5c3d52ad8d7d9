"""Faults of the Data API and of 1C-Connect, switched on over the admin API and met on a socket."""

import json
import math
from itertools import pairwise
from typing import Any

import pytest

from tests.control.server_client import XSI, Client, post_arm


async def test_every_mnemonic_of_the_vendors_table_can_be_produced(client: Client) -> None:
    from callmocks.cdr.errors import load_error_table

    for mnemonic, entry in load_error_table().items():
        await client.fault("cdr", "rpc_error", {"mnemonic": mnemonic}, times=1)
        answer = await client.cdr("get.account")
        assert answer["id"] == client.id and "result" not in answer
        assert answer["error"]["code"] == entry.code
        assert answer["error"]["data"]["mnemonic"] == mnemonic
        assert answer["error"]["data"].keys() >= {"field", "value", "params", "extended_helper"}
        assert "{" not in answer["error"]["message"]
    assert await client.mnemonic() is None


async def test_an_error_names_the_given_params(client: Client) -> None:
    params = {"mnemonic": "limit_exceeded", "params": {"limit_type": "day"}}
    await client.fault("cdr", "rpc_error", params, operation="get.call_legs_report", skip=1)
    assert await client.mnemonic() is None
    assert await client.mnemonic("get.call_legs_report") is None
    error = (await client.cdr())["error"]
    assert error["message"] == (
        "Limit per day has been exceeded. Value of current limit per day is 3000"
    )
    assert error["data"]["metadata"]["limits"]["day_remaining"] == 0
    assert await client.applied() == ["rpc_error"]
    assert await client.mnemonic("get.account") is None


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"mnemonic": "oops"}, "limit_exceeded"),
        (
            {"mnemonic": "limit_exceeded", "params": {"limittype": "day"}},
            "limit_exceeded has no 'limittype'; did you mean limit_type?",
        ),
    ],
)
async def test_an_error_that_the_vendor_does_not_have_is_refused(
    client: Client, params: dict[str, Any], text: str
) -> None:
    url = client.urls["control"] + "/api/tenants/demo/faults"
    body = {"provider": "cdr", "fault": "rpc_error", "params": params}
    async with client.http.post(url, json=body) as answer:
        assert answer.status == 422
        assert text in (await answer.json(content_type=None))["detail"]


async def test_a_wrong_id_a_missing_result_and_missing_metadata(client: Client) -> None:
    whole = await client.cdr(limit=2)
    await client.fault("cdr", "wrong_id")
    other = await client.cdr(limit=2)
    assert other["id"] == client.id + 1 and other["result"] == whole["result"]
    await client.no_faults()
    await client.fault("cdr", "missing_result")
    assert (await client.cdr(limit=2)).keys() == {"jsonrpc", "id"}
    await client.no_faults()
    await client.fault("cdr", "missing_metadata")
    assert (await client.cdr(limit=2))["result"] == {"data": whole["result"]["data"]}
    assert await client.mnemonic("no.such") == "method_not_found"  # an error is left alone
    assert await client.applied() == []


@pytest.mark.parametrize(
    "id", ["0", "-1", "1.5", "1e20", "-1e308", f"{2**53}", f"-{2**53}", "9" * 4300]
)
async def test_a_wrong_id_is_another_number_for_every_reader(client: Client, id: str) -> None:
    await client.fault("cdr", "wrong_id")
    params = json.dumps({"access_token": client.token})
    body = f'{{"jsonrpc": "2.0", "id": {id}, "method": "get.account", "params": {params}}}'
    async with client.http.post(client.urls["cdr"], data=body) as answer:
        other = json.loads(await answer.read(), parse_int=float)["id"]
    sent = math.inf if len(id) > 400 else float(id)
    assert math.isfinite(other) and other != sent
    assert await client.applied() == ["wrong_id"]


async def test_an_offset_beyond_all_pages_is_refused_as_without_a_fault(client: Client) -> None:
    offset = int("9" * 4300)
    expected = await client.cdr(offset=offset)
    for fault in ("missing_rows", "duplicate_rows"):
        await client.fault("cdr", fault, {"rows": 10_000})
        assert await client.cdr(offset=offset) == {**expected, "id": client.id}
        assert await client.applied() == []


async def test_rows_are_missing_or_twice_between_pages(client: Client) -> None:
    honest = [row for page in range(4) for row in await client.ids(page * 10, 10)]
    assert len(set(honest)) == 40
    await client.fault("cdr", "missing_rows", {"rows": 2})
    missing = [row for page in range(4) for row in await client.ids(page * 10, 10)]
    assert [row for row in honest if row not in missing] == [
        *honest[10:12], *honest[22:24], *honest[34:36]
    ]  # fmt: skip
    assert len(set(missing)) == 40
    await client.no_faults()
    await client.fault("cdr", "duplicate_rows", {"rows": 1})
    pages = [await client.ids(page * 10, 10) for page in range(4)]
    for before, after in pairwise(pages):
        assert after[0] == before[-1]
    assert pages[0] == honest[:10]


async def test_a_token_expires_in_the_middle_and_a_new_login_helps(client: Client) -> None:
    login = {"login": "demo", "password": "demo"}
    client.token = (await client.cdr("login.user", **login))["result"]["data"]["access_token"]
    await client.fault("cdr", "token_expired", skip=2)
    seen = [await client.mnemonic() for _ in range(4)]
    assert seen == [None, None, "access_token_expired", "access_token_expired"]
    client.token = (await client.cdr("login.user", **login))["result"]["data"]["access_token"]
    assert [await client.mnemonic() for _ in range(3)] == [None, None, None]


async def test_a_soap_fault_any_result_code_the_limit_and_401(client: Client) -> None:
    await client.fault("onec", "soap_fault", {"code": "server", "text": "Ошибка & <беда>"}, times=1)
    status, tree, _ = await client.onec()
    assert status == 500
    assert tree.findtext(".//faultcode", "").endswith("Server")
    assert tree.findtext(".//faultstring") == "Ошибка & <беда>"
    await client.fault("onec", "result_code", {"code": "BASE_IS_LOCKED", "text": "later"}, times=1)
    assert await client.results() == ["BASE_IS_LOCKED", "later"]
    await client.fault("onec", "limit_reached", times=1)
    assert await client.results() == ["OUT_OF_LIMIT", "limit reached"]
    await client.fault("onec", "unauthorized", times=1)
    status, _, _ = await client.onec()
    assert status == 401
    assert (await client.results())[0] == "SUCCESS"


async def test_cells_are_nil_everywhere_or_where_the_contract_lets_them(client: Client) -> None:
    names, honest = await client.table()
    assert len(honest) > 5
    nullable = {"ClientID", "ServiceUserID", "ServiceID", "CallerID", "CalleeID"}
    for columns, expected in (("all", set(names)), ("nullable", nullable)):
        await client.fault("onec", "nil_everywhere", {"columns": columns})
        found, cells = await client.table()
        assert found == names and len(cells) == len(honest)
        for row, before in zip(cells, honest, strict=True):
            for name, cell, whole in zip(names, row, before, strict=True):
                if name in expected:
                    assert cell.attrib == {f"{XSI}nil": "true"} and not cell.text
                else:
                    assert (cell.text, cell.attrib) == (whole.text, whole.attrib)
        await client.no_faults()


async def test_columns_are_reordered_with_their_cells(client: Client) -> None:
    names, honest = await client.table()
    await client.fault("onec", "columns_reordered")
    found, cells = await client.table()
    assert found == names[::-1]
    for row, before in zip(cells, honest, strict=True):
        assert [cell.text for cell in row] == [cell.text for cell in before[::-1]]
    assert (await client.results())[0] == "SUCCESS"


async def test_a_table_is_truncated(client: Client) -> None:
    names, honest = await client.table()
    await client.fault("onec", "table_truncated", {"keep": 0.5})
    found, cells = await client.table()
    assert found == names and len(cells) == len(honest) // 2
    assert [row[0].text for row in cells] == [row[0].text for row in honest[: len(cells)]]


async def test_a_response_without_a_table_is_unchanged(client: Client) -> None:
    for name in ("nil_everywhere", "columns_reordered", "table_truncated"):
        await client.fault("onec", name)
    await client.fault("onec", "limit_reached")
    assert (await client.results())[0] == "OUT_OF_LIMIT"
    assert await client.applied() == ["limit_reached"]


async def test_each_provider_has_only_its_own_faults(client: Client) -> None:
    for provider in ("arm", "cdr", "onec"):
        await client.fault(provider, "status", {"status": 503}, times=1)
        others = {
            "arm": (await post_arm(client))[0],
            "onec": (await client.onec())[0],
        }
        async with client.http.post(client.urls["cdr"], data=b"{}") as answer:
            others["cdr"] = answer.status  # nobody's: no tenant, no fault
        if provider == "cdr":
            async with client.http.post(
                client.urls["cdr"],
                json={"id": 1, "params": {"access_token": "demo-token"}},
            ) as answer:
                others["cdr"] = answer.status
        assert others == {name: 503 if name == provider else 200 for name in others}


async def test_later_exchanges_are_unchanged_when_faults_are_off(
    client: Client,
) -> None:
    before = (await client.cdr(limit=5), await post_arm(client), (await client.onec())[2])
    for provider in ("arm", "cdr", "onec"):
        await client.fault(provider, "malformed")
        await client.fault(provider, "delay", {"ms": 1})
    await client.no_faults()
    client.id -= 1
    after = (await client.cdr(limit=5), await post_arm(client), (await client.onec())[2])
    assert after == before
