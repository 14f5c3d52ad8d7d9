"""The Data API's provider object, as faults and the journal use it."""

from __future__ import annotations

import asyncio
import gc
import json
from typing import Any

import pytest

from callmocks.cdr import errors
from callmocks.cdr.provider import CDR
from callmocks.cdr.service import handle_request
from callmocks.provider import base
from callmocks.server.providers import PROVIDERS
from callmocks.tenants.exchange import Exchange
from tests.cdr.conftest import ONE_DAY, CdrClient, simple

REQUEST = (
    b'{"jsonrpc":"2.0","id":"a","method":"get.account","params":{"access_token":"x","limit":3}}'
)


def make_exchange(api: CdrClient, body: bytes = REQUEST) -> Exchange:
    return Exchange.start(api.tenant(), PROVIDERS["cdr"], body)


def cdr_provider() -> base.Provider:
    found = PROVIDERS["cdr"]
    assert found is not None
    return found


def test_operation_and_fields(api: CdrClient) -> None:
    exchange = make_exchange(api)
    assert cdr_provider().find_operation(exchange) == "get.account"
    assert cdr_provider().read_fields(REQUEST) == {
        "jsonrpc": "2.0",
        "method": "get.account",
        "id": "a",
        "params.access_token": "x",
        "params.limit": 3,
    }


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"5", b'{"method": 5, "params": []}'])
def test_unreadable_requests_have_none(api: CdrClient, body: bytes) -> None:
    assert cdr_provider().find_operation(make_exchange(api, body)) == ""
    assert not any(name.startswith("params.") for name in cdr_provider().read_fields(body))


@pytest.mark.parametrize("name", errors.load_error_table())
def test_every_error_can_be_made(api: CdrClient, name: str) -> None:
    reply = cdr_provider().error_reply(make_exchange(api), name, {})
    answer = json.loads(reply.body)
    assert (reply.status, answer["id"]) == (200, "a")
    assert answer["error"]["code"] == errors.load_error_table()[name].code
    assert answer["error"]["data"]["mnemonic"] == name
    assert "{" not in answer["error"]["message"]
    assert cdr_provider().list_errors().keys() == errors.load_error_table().keys()


def test_the_parameters_of_an_error_can_be_chosen(api: CdrClient) -> None:
    reply = cdr_provider().error_reply(make_exchange(api), "limit_exceeded", {"limit_type": "day"})
    error = json.loads(reply.body)["error"]
    assert error["message"].startswith("Limit per day has been exceeded")
    assert error["data"]["params"] == {"limit_type": "day", "limit_max_value": 3000}
    assert error["data"]["metadata"]["limits"]["day_remaining"] == 0
    reply = cdr_provider().error_reply(
        exchange_again(api), "sort_prohibited", {"field": "sort.field"}
    )
    assert json.loads(reply.body)["error"]["data"]["field"] == "sort.field"


def exchange_again(api: CdrClient) -> Exchange:
    tenant = api.registry.get("t")
    assert tenant is not None
    return Exchange.start(tenant, PROVIDERS["cdr"], REQUEST)


def test_there_is_no_error_of_another_name(api: CdrClient) -> None:
    with pytest.raises(KeyError):
        cdr_provider().error_reply(make_exchange(api), "nope", {})


@pytest.mark.parametrize(
    "chosen",
    [
        {"filter": simple("call_session_id", "=", 1)},
        {"filter": simple("total_duration", ">", 5), "sort": [{"field": "total_duration"}]},
        {"limit": 0},
    ],
)
def test_a_request_leaves_nothing_for_the_garbage_collection(
    api: CdrClient, chosen: dict[str, Any]
) -> None:
    given = dict(zip(("date_from", "date_till"), ONE_DAY, strict=True))
    params = {"access_token": "t-token", **given, **chosen}
    request = {"jsonrpc": "2.0", "id": 1, "method": "get.call_legs_report", "params": params}
    tenant, body = api.tenant(), json.dumps(request).encode()
    asyncio.run(handle_request(Exchange.start(tenant, CDR, body)))  # the days are generated
    gc.collect()
    gc.disable()
    try:
        with pytest.raises(StopIteration):
            handle_request(Exchange.start(tenant, CDR, body)).send(None)
        assert gc.collect() == 0
    finally:
        gc.enable()
