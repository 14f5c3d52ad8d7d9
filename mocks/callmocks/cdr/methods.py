"""The methods: what each answers once its request has been let in.

A method gets checked parameters and gives the ``data`` of its result as JSON, with the number of
all matching rows when it lists rows.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from callmocks.cdr import account, legs_report, openrpc, query, rows, sessions_report, tables
from callmocks.cdr.errors import RpcError
from callmocks.cdr.rows import Pieces
from callmocks.cdr.selection import page
from callmocks.errors import TooManyRows

if TYPE_CHECKING:
    from callmocks.cdr.query import Query
    from callmocks.cdr.tables import FieldTable
    from callmocks.tenants.exchange import Exchange


class Data(msgspec.Struct, frozen=True):
    """A method's data as JSON; ``total`` counts all matches, ``shown`` those in the data."""

    body: Pieces
    total: int | None = None
    shown: int = 0


Params = dict[str, Any]
Answer = Callable[["Exchange", Params], Awaitable[Data]]


async def login_user(exchange: Exchange, params: Params) -> Data:
    """``login.user``: a session's token, which lives an hour."""
    given = query.check_plain(exchange, openrpc.methods()["login.user"], params)
    opened = await account.open_session(exchange, given["login"], given["password"])
    return Data((msgspec.json.encode(opened),))


async def logout_user(exchange: Exchange, params: Params) -> Data:
    """``logout.user``: the session is over."""
    given = query.check_plain(exchange, openrpc.methods()["logout.user"], params)
    await account.close_session(exchange, given["access_token"])
    return Data((b"{}",))


async def get_account(exchange: Exchange, params: Params) -> Data:
    """``get.account``: a list of one."""
    query.check_plain(exchange, openrpc.methods()["get.account"], params)
    tenant = exchange.tenant
    row = {
        "app_id": account.app_id(tenant.name),
        "name": tenant.name,
        "timezone": tenant.settings.timezone,
    }
    return Data((msgspec.json.encode([row]),), 1, 1)


async def get_customer_users(exchange: Exchange, params: Params) -> Data:
    """``get.customer_users``: whom a partner may act for."""
    users = exchange.tenant.settings.cdr.customer_users
    schema = {
        name: pl.Int64() if field.type == "number" else pl.String()
        for name, field in tables.customer_users().fields.items()
    }
    frame = pl.DataFrame([msgspec.structs.asdict(user) for user in users], schema=schema)
    asked = _query(exchange, "get.customer_users", params, tables.customer_users(), frame.schema)
    total, found = page(exchange, asked, frame.sort("id"))
    return Data(rows.render(found, [pl.col(name) for name in asked.fields]), total, len(found))


async def get_calls_report(exchange: Exchange, params: Params) -> Data:
    """``get.calls_report``: sessions."""
    columns = sessions_report.columns(exchange.tenant.history)
    asked = _query(exchange, "get.calls_report", params, tables.sessions(), columns)
    if params.get("include_ongoing_calls"):
        message = "callmocks does not serve ongoing calls here"
        raise RpcError("error", "include_ongoing_calls", True, {"error_message": message})
    total, body = await _within_budget(sessions_report.report, exchange, asked)
    return Data(body, total, _shown(asked, total))


async def get_call_legs_report(exchange: Exchange, params: Params) -> Data:
    """``get.call_legs_report``: legs."""
    columns = legs_report.columns(exchange.tenant.history)
    asked = _query(exchange, "get.call_legs_report", params, tables.legs(), columns)
    total, body = await _within_budget(legs_report.report, exchange, asked)
    return Data(body, total, _shown(asked, total))


METHODS: dict[str, Answer] = {
    "login.user": login_user,
    "logout.user": logout_user,
    "get.account": get_account,
    "get.customer_users": get_customer_users,
    "get.calls_report": get_calls_report,
    "get.call_legs_report": get_call_legs_report,
}


def _query(
    exchange: Exchange,
    method: str,
    params: Params,
    table: FieldTable,
    columns: dict[str, pl.DataType],
) -> Query:
    return query.check(exchange, openrpc.methods()[method], params, table, columns)


async def _within_budget(
    report: Callable[[Exchange, Query], Awaitable[tuple[int, Pieces]]],
    exchange: Exchange,
    asked: Query,
) -> tuple[int, Pieces]:
    try:
        return await report(exchange, asked)
    except TooManyRows as problem:
        raise RpcError("error", params={"error_message": str(problem)}) from None


def _shown(asked: Query, total: int) -> int:
    return max(min(asked.limit, total - asked.offset), 0)
