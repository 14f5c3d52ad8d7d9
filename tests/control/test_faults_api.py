"""Faults over the admin API, and assumptions."""

from typing import Any

import pytest

from callmocks.contract.assumptions import load_ledger
from callmocks.server.providers import FAULT_TYPES
from tests.control.conftest import ControlClient

FAULTS = "/api/tenants/demo/faults"


async def test_the_kinds_are_listed_with_their_parameters(control: ControlClient) -> None:
    kinds = {kind["fault"]: kind for kind in (await control.get("/api/faults"))["faults"]}
    assert set(kinds) == set(FAULT_TYPES)
    assert kinds["rpc_error"]["providers"] == ["cdr"]
    assert kinds["rpc_error"]["breaks_contract"] is False
    assert kinds["rpc_error"]["params"]["required"] == ["mnemonic"]
    assert kinds["wrong_length"]["transports"] == ["frame"]
    assert kinds["delay"]["params"]["properties"]["ms"]["default"] == 1000.0
    for kind in kinds.values():
        for name, parameter in kind["params"]["properties"].items():
            assert "type" in parameter or "enum" in parameter or "anyOf" in parameter, name


async def test_a_fault_is_switched_on_listed_and_switched_off(control: ControlClient) -> None:
    requested = {
        "provider": "cdr",
        "fault": "status",
        "params": {"status": 500},
        "operation": "get.account",
        "skip": 1,
        "times": 2,
        "probability": 0.5,
    }
    status, made = await control.call("POST", FAULTS, requested)
    assert status == 201
    assert made == {
        **requested,
        "params": {"status": 500, "headers": {}, "body": None},
        "id": "f1",
        "unlisted": False,
        "breaks_contract": True,
        "met": 0,
        "applied": 0,
    }
    await control.post(FAULTS, {"provider": "onec", "fault": "close"})
    assert [fault["id"] for fault in (await control.get(FAULTS))["faults"]] == ["f1", "f2"]
    assert await control.call("DELETE", FAULTS + "/f1") == (204, None)
    assert (await control.call("DELETE", FAULTS + "/f1"))[0] == 404
    assert [fault["id"] for fault in (await control.get(FAULTS))["faults"]] == ["f2"]
    assert await control.call("DELETE", FAULTS) == (204, None)
    assert await control.get(FAULTS) == {"faults": []}


def status_with(name: str, value: object) -> dict[str, Any]:
    params = {"status": 429, "headers": {"Retry-After": "7", name: value}}
    return {"provider": "cdr", "fault": "status", "params": params}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"provider": "sms", "fault": "delay"}, "$.provider"),
        ({"provider": "cdr", "fault": "nonsense"}, "no fault 'nonsense'; there are close, con"),
        ({"provider": "cdr", "fault": "split"}, "'cdr' is not one of arm"),
        ({"provider": "cdr", "fault": "delai"}, "no fault 'delai'; did you mean delay?$.fault"),
        (
            {"provider": "cdr", "fault": "delay", "operation": "get.acount"},
            "no operation 'get.acount'; did you mean get.account? (unlisted=true allows it)",
        ),
        ({"provider": "cdr", "fault": "delay", "operation": "login"}, "$.operation"),
        (
            {"provider": "cdr", "fault": "rpc_error", "params": {"mnemonic": "limit_exceded"}},
            "no 'limit_exceded'; did you mean limit_exceeded?$.params",
        ),
        (
            {
                "provider": "cdr",
                "fault": "rpc_error",
                "params": {"mnemonic": "limit_exceeded", "params": {"limit_type": "hour"}},
            },
            "limit_type: the vendor has day and minute, not 'hour'$.params.params.limit_type",
        ),
        (status_with("Date", 7), "a string is wanted, write it in quotes$.params.headers.Date"),
        (status_with("X-A", "\r"), '$.params.headers."X-A"'),
        (status_with("a b", "x"), "the key does not fit: Expected `str` matching"),
        (status_with("a b", "x"), '$.params.headers."a b"'),
        (
            status_with("Content-Length", "7"),
            'it is the server\'s own$.params.headers."Content-Length"',
        ),
        ({"provider": "cdr", "fault": "delay", "params": {"ms": -1}}, "params.ms: Expected"),
        (
            {"provider": "cdr", "fault": "delay", "params": {"sm": 1}},
            "params: Object contains unknown field `sm`; there are ms,",
        ),
        ({"provider": "cdr", "fault": "rpc_error"}, "mnemonic"),
        ({"provider": "cdr", "fault": "delay", "times": -1}, "$.times"),
        ({"provider": "cdr", "fault": "delay", "skip": 2**53}, "$.skip"),
        ({"provider": "cdr", "fault": "delay", "probability": 1.5}, "$.probability"),
        ({"fault": "delay"}, "provider"),
    ],
)
async def test_an_invalid_fault_is_refused(
    control: ControlClient, body: dict[str, Any], text: str
) -> None:
    status, problem = await control.call("POST", FAULTS, body)
    assert status == 422 and text in problem["detail"] + problem.get("where", "")
    assert await control.get(FAULTS) == {"faults": []}


async def test_a_fault_of_an_unlisted_operation_is_switched_on_when_that_is_said(
    control: ControlClient,
) -> None:
    fault = {"provider": "cdr", "fault": "close", "operation": "get.campaigns", "unlisted": True}
    shown = await control.post(FAULTS, fault)
    assert (shown["operation"], shown["unlisted"]) == ("get.campaigns", True)


async def test_the_faults_of_a_tenant_are_limited(control: ControlClient) -> None:
    for _ in range(1000):
        assert (await control.call("POST", FAULTS, {"provider": "arm", "fault": "close"}))[0] == 201
    status, problem = await control.call("POST", FAULTS, {"provider": "arm", "fault": "close"})
    assert status == 422 and "1000 faults" in problem["detail"]


async def test_the_ledger_is_listed_with_evidence_default_and_alternatives(
    control: ControlClient,
) -> None:
    listed = (await control.get("/api/assumptions"))["assumptions"]
    assert [entry["id"] for entry in listed] == list(load_ledger())
    direction = next(entry for entry in listed if entry["id"] == "cdr.leg-direction")
    assert (direction["default"], direction["alternatives"]) == ("leg", ["session"])
    assert direction["evidence"] == "assumed" and direction["provider"] == "cdr"


async def test_a_tenant_chooses_for_itself_alone(control: ControlClient) -> None:
    await control.post("/api/tenants", {"name": "acme"})
    path = "/api/tenants/{}/assumptions"
    status, chosen = await control.call(
        "PUT", path.format("acme") + "/cdr.leg-direction", {"choice": "session"}
    )
    assert (status, chosen["choice"]) == (200, "session")
    for tenant, choice in (("acme", "session"), ("demo", "leg")):
        listed = (await control.get(path.format(tenant)))["assumptions"]
        assert {e["id"]: e["choice"] for e in listed}["cdr.leg-direction"] == choice
    status, problem = await control.call(
        "PUT", path.format("acme") + "/cdr.leg-direction", {"choice": "sideways"}
    )
    assert (status, problem["where"]) == (422, "$.choice") and "session" in problem["detail"]
    status, problem = await control.call(
        "PUT", path.format("acme") + "/leg-directions", {"choice": "session"}
    )
    assert (status, problem["where"]) == (404, "assumption")
    assert "did you mean cdr.leg-direction?" in problem["detail"]
