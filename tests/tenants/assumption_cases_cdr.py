"""Scenes of the Data API."""

from typing import Any

import msgspec

from tests.tenants.assumption_cases import RecordingClient

WINDOW = {"date_from": "2026-03-02 09:00:00", "date_till": "2026-03-02 11:59:59"}
REPORT = "get.call_legs_report"


async def call_method(
    client: RecordingClient, method: str, tenant: str = "free", **params: Any
) -> Any:
    if method != "login.user":
        params = {"access_token": f"{tenant}-token", **params}
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return msgspec.json.decode(await client.post(client.urls["cdr"], json=request))


async def call_legs(client: RecordingClient, tenant: str = "free", **params: Any) -> Any:
    return await call_method(client, REPORT, tenant, **{**WINDOW, **params})


def nested_filter(levels: int) -> Any:
    tree: Any = {"field": "is_coach", "operator": "=", "value": False}
    for _ in range(levels):
        tree = {"filters": [tree], "condition": "and"}
    return tree


async def report_case(client: RecordingClient) -> None:
    """Filters, orders, pages and windows."""
    whole = await call_legs(client)
    for field in ("is_coach", "no_such"):
        leaf = {"field": field, "operator": "=", "value": False}
        await call_legs(client, filter={"filters": [leaf]})
        await call_legs(client, filter={"filters": [leaf], "condition": "and"})
    for field, operator, value in (
        ("employee_id", "!=", 1),
        ("calling_phone_number", "like", "7_1%"),
        ("finish_reason", "=", "bored"),
    ):
        await call_legs(client, filter={"field": field, "operator": operator, "value": value})
    for levels in (2, 10, 40, 80):
        await call_legs(client, filter=nested_filter(levels))
    for order in ("asc", "desc"):
        await call_legs(client, sort=[{"field": "employee_id", "order": order}])
    await call_legs(client, limit=None)
    await call_legs(client, limit=20_000)
    await call_legs(client, date_from="2026-03-02T09:00:00")
    await call_legs(client, date_from="2026-03-02 11:00:00", date_till="2026-03-02 10:00:00")
    await call_legs(client, date_from="2025-11-30 00:00:00", date_till="2026-03-02 00:00:00")
    await call_method(client, REPORT, **WINDOW, user_id=1)
    overlap = {"field": "employees", "operator": "overlap", "value": [1]}
    await call_method(client, "get.calls_report", **WINDOW, filter=overlap)
    no_tags = {"field": "tags", "operator": "is_null"}
    await call_method(client, "get.calls_report", **WINDOW, filter=no_tags)
    second = whole["result"]["data"][5]["start_time"]
    await call_legs(client, date_from=second, date_till=second)


async def account_case(client: RecordingClient) -> None:
    """Limits, components, partners and sessions."""
    await call_legs(client, "poor", limit="ten")
    await call_legs(client, "poor")
    await call_legs(client, "basic-plan")
    await call_method(client, "get.account", "partner", user_id=99)
    login = await call_method(client, "login.user", login="demo", password="demo")
    token = login["result"]["data"]["access_token"]
    await client.advance_clock(61)
    await call_method(client, "get.account", access_token=token)


async def sessions_case(client: RecordingClient) -> None:
    """Sessions of ended calls and of those under way."""
    await call_method(client, "get.calls_report", **WINDOW)
    await call_method(client, "get.calls_report", **WINDOW, include_ongoing_calls=True)
    await call_method(client, "get.calls_report", "late", **WINDOW, include_ongoing_calls=True)


async def directory_case(client: RecordingClient) -> None:
    """The people and things that legs name."""
    for method in ("get.employees", "get.group_employees", "get.virtual_numbers", "get.scenarios"):
        await call_method(client, method)
    fields = ["id", "virtual_phone_numbers", "operations"]
    await call_method(client, "get.scenarios", fields=fields)
    await call_method(client, "get.employees", "demo")


async def envelope_case(client: RecordingClient) -> None:
    """A byte order mark, and an error of a method that is no get."""
    request = {"jsonrpc": "2.0", "id": 1, "method": "get.account"}
    request["params"] = {"access_token": "free-token"}
    await client.post(client.urls["cdr"], data=b"\xef\xbb\xbf" + msgspec.json.encode(request))
    await call_method(client, "logout.user", page=2)


CASES = (report_case, account_case, sessions_case, directory_case, envelope_case)
