"""The OpenRPC document: it describes what is served, and what is served conforms to it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from callmocks.cdr import directory_rows, methods, tables
from callmocks.contract.resources import fixture_path, schema_path
from callmocks.tenants.settings import CdrSettings, CdrUser
from tests.cdr.conftest import ONE_DAY, WEEK, Answer, CdrClient, error_fields, mnemonic, rows

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = json.loads(schema_path("cdr/openrpc.json").read_text(encoding="utf-8"))
METHODS = {method["name"]: method for method in DOCUMENT["methods"]}


def conforms(value: Any, part: dict[str, Any]) -> None:
    """Fail where a value leaves a schema of the document."""
    whole = {**part, "components": DOCUMENT["components"]}
    jsonschema.Draft7Validator(whole).validate(value)


def result_conforms(method: str, answer: Answer) -> None:
    conforms(answer["result"], METHODS[method]["result"]["schema"])


def params_conform(method: str, params: dict[str, Any]) -> bool:
    known = {param["name"]: param for param in METHODS[method]["params"]}
    required = {name for name, param in known.items() if param["required"]}
    if not required <= params.keys() <= known.keys():
        return False
    try:
        for name, value in params.items():
            conforms(value, known[name]["schema"])
    except jsonschema.ValidationError:
        return False
    return True


def test_the_document_is_what_the_tables_say() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "openrpc", "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_it_describes_every_method() -> None:
    assert METHODS.keys() == methods.METHODS.keys() | {"rpc.discover"}
    assert DOCUMENT["openrpc"].startswith("1.")
    for method in METHODS.values():
        for error in method["errors"]:
            assert (
                error["$ref"].removeprefix("#/components/errors/")
                in (DOCUMENT["components"]["errors"])
            )


def test_rpc_discover_returns_it_without_a_token(api: CdrClient) -> None:
    servers = [{"name": "callmocks", "url": api.url}]
    assert api.rpc("rpc.discover", token=None)["result"] == DOCUMENT | {"servers": servers}


def test_rpc_discover_names_the_address_of_the_request(api: CdrClient) -> None:
    body = b'{"jsonrpc":"2.0","id":1,"method":"rpc.discover"}'
    answer = api.post(body, Host="calls.example:81")
    assert answer["result"]["servers"][0]["url"] == "http://calls.example:81/v2.0"


@pytest.mark.parametrize("fields", [None, list(tables.load_fields("get.call_legs_report").fields)])
def test_answers_of_legs_conform(api: CdrClient, fields: list[str] | None) -> None:
    api.tenant()
    answer = api.legs(WEEK, fields=fields, limit=2000)
    result_conforms("get.call_legs_report", answer)
    assert len(rows(answer)) == 2000


@pytest.mark.parametrize("fields", [None, list(tables.load_fields("get.calls_report").fields)])
def test_answers_of_sessions_conform(api: CdrClient, fields: list[str] | None) -> None:
    api.tenant()
    answer = api.sessions(WEEK, fields=fields, limit=1000)
    result_conforms("get.calls_report", answer)
    assert len(rows(answer)) == 1000


def test_other_answers_conform(api: CdrClient) -> None:
    user = CdrUser(id=5, login="u", name="n", customer_id=1)
    api.tenant(cdr=CdrSettings(partner=True, customer_users=[user]))
    result_conforms("get.customer_users", api.rpc("get.customer_users"))
    result_conforms("get.account", api.rpc("get.account", user_id=5))
    for method in directory_rows.ROW_BUILDERS:
        answer = api.rpc(method, user_id=5, fields=list(tables.load_fields(method).fields))
        result_conforms(method, answer)
    logged_in = api.rpc("login.user", token=None, login="t", password="t")
    result_conforms("login.user", logged_in)
    token = logged_in["result"]["data"]["access_token"]
    result_conforms("logout.user", api.rpc("logout.user", token=token))


def test_errors_conform(api: CdrClient) -> None:
    api.tenant()
    part = {"$ref": "#/components/schemas/ErrorData"}
    for answer in (api.legs(page=1), api.rpc("get.nothing"), api.post("{"), api.legs(limit="x")):
        conforms(answer["error"]["data"], part)
        listed = DOCUMENT["components"]["errors"][mnemonic(answer)]
        assert answer["error"]["code"] == listed["code"]


REQUESTS: list[dict[str, Any]] = [
    {},
    {"limit": 5, "offset": 5},
    {"limit": 10_001},
    {"limit": "5"},
    {"offset": -1},
    {"fields": ["id", "duration"]},
    {"fields": ["nope"]},
    {"fields": "id"},
    {"sort": [{"field": "duration", "order": "desc"}]},
    {"sort": [{"field": "id"}]},
    {"sort": [{"order": "asc"}]},
    {"sort": {"field": "duration"}},
    {"filter": {}},
    {"filter": {"field": "id", "operator": "=", "value": 1}},
    {"filter": {"field": "id", "operator": "~"}},
    {"filter": {"filters": [], "condition": "and"}},
    {"filter": {"filters": [], "condition": "nor"}},
    {"filter": {"feild": "id"}},
    {"filter": []},
    {"page": 1},
    {"user_id": 5},
    {"user_id": "5"},
    {"date_from": "2026-03-02"},
    {"date_till": 5},
]


@pytest.mark.parametrize("change", REQUESTS, ids=[json.dumps(request) for request in REQUESTS])
@pytest.mark.parametrize("method", ["get.call_legs_report", "get.calls_report"])
def test_the_server_takes_what_the_document_allows(
    api: CdrClient, method: str, change: dict[str, Any]
) -> None:
    """An independent validator reads the same document and comes to the same result."""
    api.tenant()
    params = {"date_from": ONE_DAY[0], "date_till": ONE_DAY[1]} | change
    allowed = params_conform(method, {"access_token": "t-token", **params})
    assert ("result" in api.rpc(method, **params)) is allowed


@pytest.mark.proves("cdr.empty-filter")
def test_the_documented_request_as_printed(api: CdrClient) -> None:
    """Its values name types, so it is refused; its form with real values is answered."""
    api.tenant()
    printed = fixture_path("documented/cdr/request.json").read_bytes()
    assert error_fields(api.post(printed)) == ("access_token_invalid", "access_token", "string")
    request = json.loads(printed)
    request["params"]["access_token"] = "t-token"
    assert mnemonic(api.post(json.dumps(request))) in ("data_type_error", "unexpected_parameters")
    request["params"] |= {
        "user_id": 1,
        "offset": 0,
        "limit": 1,
        "date_from": ONE_DAY[0],
        "date_till": ONE_DAY[1],
        "sort": [{"field": "duration", "order": "asc"}],
        "fields": ["id"],
    }
    assert request["params"]["filter"] == {}
    answer = api.post(json.dumps(request))
    assert answer["id"] == "number"
    assert len(rows(answer)) == 1


def test_the_documented_answer_has_the_shape_of_ours(api: CdrClient) -> None:
    api.tenant()
    printed = json.loads(fixture_path("documented/cdr/response.json").read_bytes())
    answer = api.legs(limit=1, fields=list(tables.load_fields("get.call_legs_report").fields))
    assert answer.keys() == printed.keys()
    assert answer["result"].keys() == printed["result"].keys()
    ours, theirs = rows(answer)[0], printed["result"]["data"][0]
    assert set(ours) - set(theirs) == {"wav_call_records"}  # younger than the printed structure
    assert set(theirs) <= set(ours)
