"""What an entry of the journal tells beside the messages, as clients of a whole server see it."""

import asyncio
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree

import pytest
from aiohttp import ClientError, ClientTimeout

from callmocks.tenants.http_head import show_request_head
from tests.control.server_client import CORE, SOAP, WINDOW, Client, basic, post_arm

TRACE_PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def read_entries(client: Client, query: str = "", tenant: str = "demo") -> Any:
    url = f"{client.urls['control']}/api/tenants/{tenant}/journal{query}"
    async with client.http.get(url) as answer:
        assert answer.status == 200, await answer.text()
        return (await answer.json())["entries"]


async def post_cdr(
    client: Client, headers: Mapping[str, str] | None = None, seconds: float = 10, **params: Any
) -> tuple[int, Mapping[str, str]]:
    body: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "get.call_legs_report"}
    body["params"] = {"access_token": "demo-token", **WINDOW, **params}
    limit = ClientTimeout(seconds)
    async with client.http.post(client.urls["cdr"], json=body, headers=headers, timeout=limit) as a:
        await a.read()
        return a.status, a.headers


def shown_headers(got: Mapping[str, str]) -> dict[str, str]:
    """Without those that every response of HTTP has."""
    return {name: value for name, value in got.items() if name not in ("Date", "Server")}


async def test_an_entry_says_in_a_line_what_was_asked_and_what_came(client: Client) -> None:
    tree = {"field": "direction", "operator": "=", "value": "in"}
    long = {"filters": [tree, {"field": "total_duration", "operator": ">", "value": 10}]}
    answer = await client.cdr(limit=3, offset=2, filter={**long, "condition": "or"})
    await client.cdr("get.account")
    await client.cdr(
        limit=1, sort=[{"field": "start_time", "order": "desc"}], fields=["id", "direction"]
    )
    _, xml = await post_arm(client, limit=4)
    names, rows = await client.table()
    entries = await read_entries(client)
    total, window = answer["result"]["metadata"]["total_items"], " … ".join(WINDOW.values())
    assert [entry["request_summary"] for entry in entries] == [
        f"{window}, limit 3, offset 2, filter direction = in or total_duration > 10",
        "",
        f"{window}, limit 1, sort start_time desc, fields id, direction",
        "operator 101, limit 4",
        "2026-03-02T09:00:00 …",
    ]
    calls = len(ElementTree.fromstring(xml).findall("response/history/*"))
    assert [entry["response_summary"] for entry in entries] == [
        f"3 of {total} rows",
        "1 of 1 rows",
        entries[2]["response_summary"],
        f"{calls} rows",
        f"{len(rows)} rows",
    ]
    assert calls == 4 and len(rows) > 50 and len(names) > 5
    assert {(entry["error"], entry["ended"], entry["delay_ms"]) for entry in entries} == {
        ("", "answered", 0.0)
    }


async def test_a_summary_writes_what_is_missing_and_what_is_null_differently(
    client: Client,
) -> None:
    await client.cdr(filter={"field": "id", "value": 3})
    await client.cdr(filter={"field": "id", "operator": None, "value": True})
    parts = [{"field": "id"}, {"operator": "="}]
    await client.cdr(filter={"filters": parts, "condition": None}, sort=[{"field": None}, None])
    await client.cdr(fields=["id", None])
    window = " … ".join(WINDOW.values())
    assert [entry["request_summary"] for entry in await read_entries(client)] == [
        f"{window}, filter id 3",
        f"{window}, filter id null true",
        f"{window}, filter id null =, sort null, null",
        f"{window}, fields id, null",
    ]


async def test_rows_of_an_answer_are_counted_that_is_too_long_to_be_kept(client: Client) -> None:
    body = SOAP.replace("2026-03-02T09:00:00", "2026-02-25T00:00:00")
    headers = {"Content-Type": "text/xml", **basic("demo")}
    async with client.http.post(client.urls["onec"], data=body, headers=headers) as answer:
        rows = len(list(ElementTree.fromstring(await answer.read()).iter(f"{CORE}row")))
    (entry,) = await read_entries(client)
    assert entry["response_bytes"] > 128 * 1024
    assert entry["response_summary"] == f"{rows} rows"


async def test_rows_are_those_of_the_answer_that_a_fault_has_changed(client: Client) -> None:
    whole = len((await client.cdr(limit=10))["result"]["data"])
    await client.fault("cdr", "missing_rows")
    shown = await client.cdr(limit=10, offset=5)
    await client.no_faults()
    await client.fault("cdr", "malformed")
    with pytest.raises(ValueError, match="char"):
        await client.cdr(limit=10)
    summaries = [entry["response_summary"] for entry in await read_entries(client)]
    total = shown["result"]["metadata"]["total_items"]
    assert whole == 10
    assert summaries == [
        f"10 of {total} rows",
        f"{len(shown['result']['data'])} of {total} rows",
        "",
    ]


async def test_an_error_is_named_as_its_provider_names_it(client: Client) -> None:
    await client.mnemonic("get.nothing")
    async with client.http.post(client.urls["cdr"], data="{") as answer:
        await answer.read()
    arm = f"{client.urls['arm']}/demo/service/cc/arm/operator_call_history"
    for headers in ({}, basic("101")):
        async with client.http.post(arm, data="<in><request/></in>", headers=headers) as answer:
            await answer.read()
    for body in (SOAP.replace('"PeriodFrom"', '"Period"'), "<x/>"):
        async with client.http.post(
            client.urls["onec"], data=body, headers=basic("demo")
        ) as answer:
            await answer.read()
    async with client.http.post(client.urls["onec"], data=SOAP) as answer:
        assert answer.status == 401
    errors = [entry["error"] for entry in await read_entries(client)]
    nobody = [entry["error"] for entry in await read_entries(client, tenant="nobody")]
    assert [error.partition(":")[0] for error in errors] == [
        *("method_not_found", "cannot_perform_cmd", "cannot_perform_cmd", "PARAM_UNKNOWN"),
        "Client",
    ]
    assert errors[1] == "cannot_perform_cmd: not logged in"
    assert "its root is x" in errors[4]
    assert nobody == ["parse_error", "401"]
    assert all(len(error) <= 122 for error in errors)


async def test_the_headers_are_those_that_the_client_sent_and_got(client: Client) -> None:
    sent = {"X-Client": "one", "Cookie": "sid=abc; lang=ru", "X-Api-Key": "k", "X-Auth-Token": "t"}
    _, got = await post_cdr(client, sent | {"Authorization": "Bearer secret"})
    await post_arm(client)
    login = f"{client.urls['arm']}/demo/service/cc/arm/login"
    text = '<in><request login="101" password="demo"/></in>'
    async with client.http.post(f"{login}?token=abc&a=1", data=text) as answer:
        cookie = answer.headers["Set-Cookie"]
    first, second, third = await read_entries(client)
    shown = first["request_headers"]
    assert shown["X-Client"] == "one" and shown["Content-Type"] == "application/json"
    assert shown["Cookie"] == "sid=***; lang=***"
    assert (shown["X-Api-Key"], shown["X-Auth-Token"]) == ("***", "***")
    assert shown["Authorization"] == "Bearer ***"
    assert first["response_headers"] == shown_headers(got)
    assert first["target"] == "POST /v2.0"
    assert second["request_headers"]["Authorization"] == "Basic ***"
    assert third["target"].endswith("/login?token=***&a=1")
    name, _, rest = cookie.partition("=")
    assert third["response_headers"]["Set-Cookie"].startswith(f"{name}=***;")
    assert rest.partition(";")[0] not in json.dumps(third["response_headers"])


@pytest.mark.parametrize(
    ("name", "is_blanked"),
    [
        *((name, True) for name in ("X-Auth", "X-API_KEY", "X-Access-Key", "key", "X-Signature")),
        *((name, True) for name in ("Proxy-Authorization", "apikey", "X-Credential", "pwd")),
        *((name, False) for name in ("Author", "Sec-WebSocket-Key", "Idempotency-Key", "X-Keys")),
    ],
)
def test_credentials_are_known_by_their_names(name: str, is_blanked: bool) -> None:
    line = f"POST http://me:hidden@host/v2.0?{name}=shown&a=1"
    target, fields = show_request_head(f"{line}\r\n{name}: shown".encode())
    value = "***" if is_blanked else "shown"
    assert target == f"POST http://***@host/v2.0?{name}={value}&a=1"
    assert fields == {name: value}


async def test_headers_for_pages_of_other_origins_are_shown(client: Client) -> None:
    new = {"name": "pages", "world": "empty", "arm": {"cors_origins": ["https://app.example"]}}
    async with client.http.post(f"{client.urls['control']}/api/tenants", json=new) as made:
        assert made.status == 201, await made.text()
    url = f"{client.urls['arm']}/pages/service/cc/arm/operator_call_history"
    origin = {"Origin": "https://app.example"}
    async with client.http.post(url, data="<in/>", headers=origin) as answer:
        got = dict(answer.headers)
    (entry,) = await read_entries(client, tenant="pages")
    assert entry["response_headers"] == got
    assert got["Access-Control-Allow-Origin"] == "https://app.example"


async def test_8_kib_of_headers_are_kept_and_count(client: Client) -> None:
    long = {f"X-Long-{number}": "v" * 3000 for number in range(4)} | {"X-Last": "kept"}
    await post_cdr(client, limit=1)
    metrics = f"{client.urls['control']}/metrics"

    async def count_bytes() -> float:
        async with client.http.get(metrics) as answer:
            found = re.search(r"^callmocks_journal_bytes (\S+)", await answer.text(), re.M)
        assert found is not None
        return float(found[1])

    before = await count_bytes()
    await post_cdr(client, long | {"traceparent": TRACE_PARENT}, limit=1)
    entry = (await read_entries(client))[-1]
    shown = entry["request_headers"]
    assert sum(len(name) + len(value) + 4 for name, value in shown.items()) <= 8 * 1024
    assert shown["X-Last"] == "kept" and shown["X-Long-0"] == "v" * 3000
    assert shown["X-Long-3"].endswith("... (3000 bytes)")
    assert entry["traceparent"] == TRACE_PARENT
    assert 6000 < await count_bytes() - before - entry["response_bytes"] < 12_000


@pytest.mark.parametrize(
    ("fault", "params", "ended", "delay_ms"),
    [
        ("delay", {"ms": 30}, "answered", 30.0),
        ("dribble", {"bytes": 1000, "pause_ms": 1}, "answered", None),
        ("truncated", {}, "cut", 0.0),
        ("reset", {}, "reset", 0.0),
        ("reset", {"after_bytes": 10}, "reset", 0.0),
        ("close", {}, "closed", 0.0),
        ("never_answer", {}, "unanswered", 0.0),
    ],
)
async def test_an_entry_says_how_faults_delayed_and_ended_the_answer(
    client: Client, fault: str, params: Any, ended: str, delay_ms: float | None
) -> None:
    await client.fault("cdr", fault, params, times=1)
    try:
        await post_cdr(client, limit=3, seconds=0.3 if fault == "never_answer" else 10)
    except (ClientError, TimeoutError):
        assert ended != "answered"
    (entry,) = await read_entries(client)
    async with asyncio.timeout(10):
        while entry["ended"] == "sending":
            await asyncio.sleep(0.01)
            (entry,) = await read_entries(client)
    assert (entry["ended"], entry["faults"]) == (ended, [fault])
    pauses = (entry["response_bytes"] - 1) // 1000
    assert entry["delay_ms"] == (float(pauses) if delay_ms is None else delay_ms)
    assert bool(entry["response_headers"]) == (ended in ("answered", "cut") or bool(params))


async def test_a_client_that_leaves_before_a_late_answer_is_told(client: Client) -> None:
    await client.fault("cdr", "delay", {"ms": 400})
    with pytest.raises(TimeoutError):
        await post_cdr(client, limit=1, seconds=0.1)
    (entry,) = await read_entries(client)
    assert (entry["ended"], entry["delay_ms"]) == ("sending", 400.0)
    async with asyncio.timeout(10):
        while entry["ended"] == "sending":
            await asyncio.sleep(0.02)
            (entry,) = await read_entries(client)
    assert entry["ended"] == "client left"


async def test_a_frame_has_the_headers_of_its_websocket(client: Client) -> None:
    filters = b'"_content":[{"_name":"filters","_attributes":{"limit":"3"}}]'
    body = b'[{"_name":"in","_content":[{"_name":"request",%b}]}]' % filters
    frame = b"01%010d0001%-32b%b" % (48 + len(body), b"operator_call_history", body)
    await client.fault("arm", "delay", {"ms": 5}, skip=1)
    async with client.workplace() as arm:
        for _ in range(2):
            await arm.send(frame)
            await arm.recv()
    first, second = await read_entries(client)
    assert first["target"] == "GET /demo/service/cc/arm"
    assert first["request_headers"]["Upgrade"] == "websocket"
    assert first["request_headers"]["Authorization"] == "Basic ***"
    assert first["request_summary"] == "operator 101, limit 3"
    assert (first["response_summary"], first["response_headers"]) == ("3 rows", {})
    assert [(e["ended"], e["delay_ms"]) for e in (first, second)] == [
        ("answered", 0.0),
        ("answered", 5.0),
    ]


async def test_real_times_go_on_while_the_tenants_clock_stands(client: Client) -> None:
    begun = datetime.now(UTC)
    for _ in range(3):
        await client.cdr("get.account")
        await asyncio.sleep(0.01)
    entries = await read_entries(client)
    times = [datetime.fromisoformat(entry["real_time"]) for entry in entries]
    assert {entry["at"] for entry in entries} == {"2026-03-02T12:00:00.000"}
    assert times == sorted(set(times))
    slack = timedelta(milliseconds=100)  # the clock of files is coarse
    assert begun - slack < times[0] and times[-1] < datetime.now(UTC) + slack


async def test_entries_are_found_by_a_text(client: Client) -> None:
    await client.cdr("get.account")
    await client.cdr(filter={"field": "cpn_region_name", "operator": "=", "value": "Тула"})
    await post_cdr(client, {"X-Client": "Crawler/7"}, limit=2)
    await client.fault("cdr", "delay", {"ms": 1})
    await client.cdr("get.nothing")

    async def find(text: str, more: str = "") -> list[int]:
        url = f"{client.urls['control']}/api/tenants/demo/journal?text={text}{more}"
        async with client.http.get(url) as answer:
            assert answer.status == 200, await answer.text()
            return [entry["seq"] for entry in (await answer.json())["entries"]]

    assert await find("GET.ACCOUNT") == [1]
    assert await find("тула") == [2]
    assert await find("crawler/7") == [3]
    assert await find("limit 2") == [3]
    assert await find("method_not_found") == [4]
    assert await find("delay") == [4]
    assert await find("demo-token", "&limit=2&after=0") == [1, 2]
    assert await find("nowhere at all") == []
    assert await find("") == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "00-short-01",
        TRACE_PARENT.replace("4", "g"),
        "x" * 200,
        TRACE_PARENT.upper(),
        f"{TRACE_PARENT}-more",
        f"ff{TRACE_PARENT[2:]}",
        f"00-{'0' * 32}{TRACE_PARENT[35:]}",
        f"{TRACE_PARENT[:36]}{'0' * 16}-01",
    ],
)
async def test_only_a_valid_traceparent_is_kept(client: Client, sent: str) -> None:
    await post_cdr(client, {"traceparent": sent} if sent else None)
    await post_cdr(client, {"Traceparent": TRACE_PARENT})
    first, second = await read_entries(client)
    assert (first["traceparent"], second["traceparent"]) == ("", TRACE_PARENT)


async def test_a_traceparent_of_a_later_version_is_kept(client: Client) -> None:
    later = f"01{TRACE_PARENT[2:]}-more"
    await post_cdr(client, {"TRACEPARENT": later})
    (entry,) = await read_entries(client)
    assert entry["traceparent"] == later


async def test_verify_compares_headers(client: Client) -> None:
    await post_cdr(client, {"X-Client": "one", "Authorization": "Bearer secret"})
    legs = {"operation": "get.call_legs_report"}
    json_type = {"content-type": "application/json", "X-CLIENT": "one", "x-other": None}
    assert (await client.verify({**legs, "headers": json_type, "times": 1}))["ok"] is True
    assert (await client.verify({"headers": {"authorization": "Bearer secret"}}))["ok"] is True
    wrong = {"Content-Type": "text/xml", "x-client": None, "Authorization": "Bearer other"}
    answer = await client.verify({**legs, "headers": wrong})
    assert answer["ok"] is False
    assert answer["results"][0]["nearest"][0]["differences"] == [
        {"field": "headers.Content-Type", "expected": "text/xml", "got": "application/json"},
        {"field": "headers.x-client", "expected": None, "got": "one"},
        {"field": "headers.Authorization", "expected": "Bearer other", "got": "Bearer ***"},
    ]
    url = client.urls["control"] + "/api/tenants/demo/journal/verify"
    kinds = {"1.5e308": "a number", "[1e308]": "an array", "{}": "an object", "true": "true"}
    for value, kind in kinds.items():
        body = b'{"expect": [{"headers": {"a": %s}}]}' % value.encode()
        async with client.http.post(url, data=body) as refused:
            assert refused.status == 422
            assert f"headers: a is a text or null, not {kind}" in (await refused.json())["detail"]


async def test_an_expectation_names_a_thousand_fields_and_headers_at_most(client: Client) -> None:
    await client.cdr("get.account")
    names = {f"x{number}": "1" for number in range(1000)}
    expected = {"unlisted": True, "fields": names, "headers": names}
    (near,) = (await client.verify(expected))["results"][0]["nearest"]
    assert len(near["differences"]) == 2000
    url = client.urls["control"] + "/api/tenants/demo/journal/verify"
    for member in ("fields", "headers"):
        body = {"expect": [{}, {**expected, member: {**names, "y": "1"}}]}
        async with client.http.post(url, json=body) as refused:
            problem = await refused.json()
        assert (refused.status, problem["where"]) == (422, "$.expect[1]")
        assert f"{member}: 1001 names, of 1000 at most" in problem["detail"]


async def test_the_nearest_requests_are_those_with_the_fewest_differences(client: Client) -> None:
    for limit in (3, 4, 5, 6):
        await client.cdr("get.account", limit=limit)
    await client.cdr(limit=7)
    fields = {"method": "get.account", "params.limit": 7, "params.x": None, "status": 200}
    answer = await client.verify({"unlisted": True, "status": 404, "fields": fields})
    shown = answer["results"][0]["nearest"]
    other = ["status", "params.limit", "status"]
    assert [(near["seq"], [each["field"] for each in near["differences"]]) for near in shown] == [
        (5, ["status", "method", "status"]),
        (4, other),
        (3, other),
    ]
    # The status of the answer, and a field that has its name.
    assert [each["expected"] for each in shown[1]["differences"]] == [404, 7, 200]


async def test_expected_values_of_any_shape_come_back_as_they_were(client: Client) -> None:
    await client.cdr("get.account")
    mixed = [[1, -0.0, 1e308, None], {"x": [True, "\u2028"], "y": "z"}, 10**300]
    nested: Any = {"": [], "a": {}, "é\n": mixed}
    for _ in range(300):
        nested = [nested, 1]
    fields = {"a": nested, "b": None, "c": 10**4000}
    (result,) = (await client.verify({"unlisted": True, "fields": fields}))["results"]
    assert result["expected"]["fields"] == fields
    (near,) = result["nearest"]
    assert {each["field"]: each["expected"] for each in near["differences"]} == {
        "a": nested,
        "c": 10**4000,
    }


async def test_a_status_fault_brings_its_own_headers(client: Client) -> None:
    headers = {"Retry-After": "2", "content-type": "text/html", "X-Reason": "busy"}
    await client.fault("cdr", "status", {"status": 429, "headers": headers})
    await client.fault("arm", "status", {"headers": {"WWW-Authenticate": "none"}, "body": "busy"})
    status, got = await post_cdr(client)
    assert (status, got["Retry-After"], got["Content-Type"]) == (429, "2", "text/html")
    assert (await post_arm(client))[1] == b"busy"
    first, second = await read_entries(client)
    assert first["response_headers"] == shown_headers(got)
    assert second["response_headers"]["WWW-Authenticate"] == "none"
    url = client.urls["control"] + "/api/tenants/demo/faults"
    for name, value, expected in (
        ("Content-Length", "5", "it is the server's own"),
        ("a b", "5", "headers"),
        ("X-Bad", "5\r\nX-Other: 1", "headers"),
    ):
        new = {"provider": "cdr", "fault": "status", "params": {"headers": {name: value}}}
        async with client.http.post(url, json=new) as refused:
            assert refused.status == 422
            assert expected in json.dumps(await refused.json())
