"""Scenes of the Data API."""

from typing import Any

import msgspec

from tests.tenants.assumption_cases import Stage

WINDOW = {"date_from": "2026-03-02 09:00:00", "date_till": "2026-03-02 11:59:59"}
REPORT = "get.call_legs_report"


async def call(stage: Stage, method: str, tenant: str = "free", **params: Any) -> Any:
    if method != "login.user":
        params = {"access_token": f"{tenant}-token", **params}
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return msgspec.json.decode(await stage.post(stage.urls["cdr"], json=request))


async def legs(stage: Stage, tenant: str = "free", **params: Any) -> Any:
    return await call(stage, REPORT, tenant, **{**WINDOW, **params})


def deep(levels: int) -> Any:
    tree: Any = {"field": "is_coach", "operator": "=", "value": False}
    for _ in range(levels):
        tree = {"filters": [tree], "condition": "and"}
    return tree


async def reports(stage: Stage) -> None:
    """Filters, orders, pages and windows."""
    whole = await legs(stage)
    for field in ("is_coach", "no_such"):
        leaf = {"field": field, "operator": "=", "value": False}
        await legs(stage, filter={"filters": [leaf]})
        await legs(stage, filter={"filters": [leaf], "condition": "and"})
    for field, operator, value in (
        ("employee_id", "!=", 1),
        ("calling_phone_number", "like", "7_1%"),
        ("finish_reason", "=", "bored"),
    ):
        await legs(stage, filter={"field": field, "operator": operator, "value": value})
    for levels in (2, 10, 40, 80):
        await legs(stage, filter=deep(levels))
    for order in ("asc", "desc"):
        await legs(stage, sort=[{"field": "employee_id", "order": order}])
    await legs(stage, limit=None)
    await legs(stage, limit=20_000)
    await legs(stage, date_from="2026-03-02T09:00:00")
    await legs(stage, date_from="2026-03-02 11:00:00", date_till="2026-03-02 10:00:00")
    second = whole["result"]["data"][5]["start_time"]
    await legs(stage, date_from=second, date_till=second)


async def accounts(stage: Stage) -> None:
    """Limits, components, partners and sessions."""
    await legs(stage, "poor", limit="ten")
    await legs(stage, "poor")
    await legs(stage, "basic-plan")
    await call(stage, "get.account", "partner", user_id=99)
    login = await call(stage, "login.user", login="demo", password="demo")
    token = login["result"]["data"]["access_token"]
    await stage.advance(61)
    await call(stage, "get.account", access_token=token)


SCENES = (reports, accounts)
