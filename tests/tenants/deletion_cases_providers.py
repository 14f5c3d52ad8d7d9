"""Requests to the providers, right and wrong, and their faults."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from aiohttp import ClientError, WSMsgType

from callmocks.server.providers import FAULT_TYPES
from tests.tenants.deletion import (
    PERIOD,
    REPORT,
    SOAP,
    SOAP11,
    Case,
    TenantClient,
    basic,
    exchange_frames,
    find_links,
    frame,
    property_of,
)

UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}
SORTED = [{"field": "total_duration", "order": "desc"}]
NO_REPORTS = {"cdr": {"disabled_components": ["data_api_reports"]}}


def cdr(mnemonic: str, method: str = REPORT, /, settings: Any = None, **params: Any) -> Case:
    async def call(client: TenantClient) -> None:
        answer = await client.post_cdr(method, **params)
        assert answer.get("error", {"data": {"mnemonic": ""}})["data"]["mnemonic"] == mnemonic

    return Case(f"{method} {mnemonic} {params}", call, settings or {})


def rpc(body: bytes) -> Case:
    return Case(f"cdr {body[:40]!r}", lambda client: client.post_rpc(body))


async def fetch_records(client: TenantClient) -> None:
    fields = ["full_record_file_link", "call_records", "wav_call_records"]
    answer = await client.post_cdr("get.calls_report", fields=fields, limit=50)
    links = [row["full_record_file_link"] for row in answer["result"]["data"]]
    arm_links = find_links(await client.post_arm('limit="50"'))
    for link in (*filter(None, links[:6]), *arm_links[:6]):
        url = link if link.startswith("http") else f"http:{link}"
        await client.send("GET", url, 200, headers=client.operator)
        await client.send("GET", url, 416, headers=client.operator | {"Range": "bytes=999999999-"})
    base = client.suite.urls["cdr"].removesuffix("/v2.0")
    await client.send("GET", f"{base}/system/media/talk/5/5/", 404)


async def spend_points(client: TenantClient) -> None:
    for _ in range(61):
        answer = await client.post_cdr("get.employees")
    assert answer["error"]["data"]["mnemonic"] == "limit_exceeded"


CDR = (
    *(
        cdr("", method)
        for method in (
            REPORT, "get.calls_report", "get.employees", "get.virtual_numbers", "get.scenarios",
            "get.group_employees", "get.account",
        )
    ),
    cdr("", filter={"field": "total_duration", "operator": ">", "value": 1}, sort=SORTED, offset=5),
    cdr("method_not_found", "nothing"),
    cdr("unexpected_parameters", filter={"field": "nothing", "operator": "=", "value": 1}),
    cdr("invalid_parameter_value", filter={"field": "id", "operator": "?", "value": 1}),
    cdr("data_type_error", filter={"field": "id", "operator": "=", "value": "x"}),
    cdr("invalid_parameter_value", limit=-1),
    cdr("unexpected_parameters", fields=["nothing"]),
    cdr("sort_prohibited", sort=[{"field": "id", "order": "desc"}]),
    cdr("invalid_parameter_value", date_from="x"),
    cdr("unexpected_parameters", nothing=1),
    cdr("access_token_invalid", "get.account", access_token="nothing"),
    cdr("data_type_error", "get.account", access_token=5),
    cdr("auth_error", "login.user", login="nothing", password="nothing"),
    cdr("method_component_disabled", settings=NO_REPORTS),
    *map(rpc, (b"{", b"", b"\xff", b"\xef\xbb\xbf{}", b"[]", b"5", b'{"id": 1}', b"[" * 90_000)),
    rpc(b'{"jsonrpc": "2.0", "method": "get.account", "id": 1, "params": 5}'),
    rpc(b'{"jsonrpc": "2.0", "method": "get.account", "params": {}}'),
    Case("cdr points", spend_points, {"limits": "documented"}),
    Case("records", fetch_records),
    Case(
        "GET of the Data API",
        lambda client: client.send("GET", client.suite.urls["cdr"], 405, 404, 200),
    ),
)  # fmt: skip


def onec(
    name: str, operation: str = "GetHistoryOfServiceCalls", params: str = PERIOD, header: str = ""
) -> Case:
    return Case(f"1C {name}", lambda client: client.post_onec(operation, params, header))


def soap(name: str, body: bytes, **headers: str) -> Case:
    return Case(f"1C {name}", lambda client: client.post_soap(body, **headers))


async def spend_quota(client: TenantClient) -> None:
    for _ in range(11):
        answer = await client.post_onec()
    assert b"OUT_OF_LIMIT" in answer


USUAL = SOAP.format(operation="ClientRead", params="", header="", namespace=SOAP11).encode()
ONEC = (
    *(
        onec(operation, operation, "")
        for operation in (
            "ClientRead", "ClientUserRead", "SpecialistRead", "DepartmentRead",
            "ServiceLineKindRead", "UserServiceLineRead", "Nothing",
        )
    ),
    onec("history"),
    onec("no period", params=""),
    onec("a wrong period", params=property_of("PeriodFrom", "x")),
    onec("an unknown parameter", params=property_of("Nothing", "x", "xs:string")),
    onec("a wrong structure", params="<a/>"),
    onec("a header", header='<e:Header><a xmlns="urn:a" e:mustUnderstand="1"/></e:Header>'),
    soap("broken XML", b"<a>"),
    soap("no XML", b""),
    soap("a broken long request", b"<a>" + b" " * 70_000),
    soap("a document type", b"<!DOCTYPE a []><a/>" + b" " * 3000),
    soap("a deep request", b"<a>" * 5000),
    soap("another version", USUAL.replace(SOAP11.encode(), b"urn:a")),
    soap("a wrong password", USUAL, **basic("nothing", "nothing")),
    soap("an encoding", USUAL, **{"Content-Encoding": "x"}),
    soap("attachments", USUAL, **{"Content-Type": "multipart/related"}),
    soap("a broken body", USUAL, **{"Content-Encoding": "gzip"}),
    Case("1C quota", spend_quota, {"limits": "documented"}),
    Case(
        "WSDL",
        lambda client: client.send("GET", f"{client.suite.urls['onec']}?wsdl", 200, 401),
    ),
    Case("GET of 1C", lambda client: client.send("GET", client.suite.urls["onec"], 405)),
)  # fmt: skip


def arm(
    name: str, filters: str = 'limit="3"', command: str = "operator_call_history", **headers: str
) -> Case:
    return Case(f"ARM {name}", lambda client: client.post_arm(filters, command, **headers))


def frames(name: str, *messages: str | bytes) -> Case:
    return Case(f"frames {name}", lambda client: exchange_frames(client, *messages))


async def break_connection(client: TenantClient) -> None:
    socket = await client.connect()
    await socket.send_str(frame({"limit": "3"}))
    await socket.receive()
    socket._response.connection.transport.abort()
    await socket.close()


async def break_protocol(client: TenantClient) -> None:
    socket = await client.connect()
    socket._response.connection.transport.write(b"\xff" * 100)
    assert (await socket.receive()).type in (WSMsgType.CLOSE, WSMsgType.CLOSED)
    await socket.close()


async def send_long_message(client: TenantClient) -> None:
    async with client.connect() as socket:
        await socket.send_str("x" * (1024 * 1024))
        assert (await socket.receive()).type in (WSMsgType.CLOSE, WSMsgType.CLOSED)


async def leave_connection_open(client: TenantClient) -> None:
    socket = await client.connect()
    await socket.send_str(frame({"limit": "3"}))
    await socket.receive()
    await client.call("GET", "/connections")
    client.open_socket = socket


async def end_connection(client: TenantClient, how: str) -> None:
    async with client.connect() as socket:
        await client.call("DELETE", f"/connections?how={how}")
        with suppress(ClientError):
            await socket.receive()


def get_arm(path: str, *statuses: int, method: str = "GET", **headers: str) -> Case:
    return Case(
        f"ARM {method} {path} {headers}",
        lambda client: client.send(
            method, client.arm_url + path, *statuses, headers=client.operator | headers
        ),
    )


ARM = (
    arm("history"),
    arm("another page", 'limit="5" offset="100"'),
    arm("a wrong filter", 'limit="x"'),
    arm("an unknown filter", 'nothing="x"'),
    arm("a wrong tag", 'limit="5" tag="x"'),
    arm("an unknown command", command="nothing"),
    arm("a wrong password", **basic("101", "nothing")),
    arm("no login", Authorization=""),
    arm("a wrong login", command="login"),
    arm("logout", command="logout"),
    Case("ARM broken XML", lambda client: client.post_document(b"<a>")),
    Case("ARM deep XML", lambda client: client.post_document(b"<a>" * 5000)),
    Case("ARM long XML", lambda client: client.post_document(b" " * (1024 * 1024))),
    get_arm("/operator_call_history", 405),
    get_arm("", 426),
    get_arm("", 401, **basic("101", "nothing"), **UPGRADE),
    get_arm("/call_record/nothing.wav", 404),
    get_arm("/fax/101/5.pdf", 404),
    get_arm("/nothing", 404),
    get_arm("", 404, 204, method="OPTIONS", Origin="http://a"),
    frames("usual", frame({"limit": "3"}), frame({"limit": "5", "offset": "100"})),
    frames("broken", b"", b"x", frame({"limit": "x"}), frame({"a": "x"}), frame({}, length=5)),
    frames("no JSON", f"01{50:010}0001{'operator_call_history':32}[{{"),
    frames("an unknown command", f"01{50:010}0001{'nothing':32}[]"),
    Case("a connection that breaks", break_connection),
    Case("a connection that is no websocket", break_protocol),
    Case("a long message", send_long_message),
    Case("an open connection", leave_connection_open),
    Case("a closed connection", lambda client: end_connection(client, "close")),
    Case("a reset connection", lambda client: end_connection(client, "reset")),
)  # fmt: skip

PARAMS: dict[str, dict[str, Any]] = {
    "rpc_error": {"mnemonic": "internal_error"},
    "delay": {"ms": 10},
    "dribble": {"bytes": 2000, "pause_ms": 1},
    "out_of_order": {"wait_ms": 10},
    "idle_close": {"seconds": 0.01},
}


def list_faults() -> Iterator[Case]:
    for name, fault in FAULT_TYPES.items():
        for provider in fault.providers:
            body = {"provider": provider, "fault": name, "params": PARAMS.get(name, {}), "times": 1}
            yield Case(f"{name} of {provider}", partial(meet_fault, body=body))


async def meet_fault(client: TenantClient, body: dict[str, Any]) -> None:
    await client.call("POST", "/faults", body, 201)
    asks: dict[str, Callable[[], Awaitable[object]]]
    asks = {"cdr": client.post_cdr, "onec": client.post_onec, "arm": client.post_arm}
    with suppress(ClientError, ValueError, AssertionError, TimeoutError):
        async with asyncio.timeout(0.1):
            await asks[body["provider"]]()
    if body["provider"] == "arm":
        await client.call("DELETE", "/faults", None)
        await client.call("POST", "/faults", body, 201)
        with suppress(ClientError, TimeoutError):
            async with asyncio.timeout(0.1), client.connect() as socket:
                await socket.send_str(frame({"limit": "3"}))
                await socket.receive()
