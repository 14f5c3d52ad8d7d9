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
from callmocks.cdr.rows import JsonChunks
from callmocks.cdr.selection import select_page
from callmocks.errors import TooManyRows

if TYPE_CHECKING:
    from callmocks.cdr.query import ReportQuery
    from callmocks.cdr.tables import FieldTable
    from callmocks.tenants.exchange import Exchange


class MethodData(msgspec.Struct, frozen=True):
    """A method's data as JSON; ``total`` counts all matches, ``shown`` those in the data."""

    body: JsonChunks
    total: int | None = None
    page_rows: int = 0


Params = dict[str, Any]
MethodHandler = Callable[["Exchange", Params], Awaitable[MethodData]]


async def login_user(exchange: Exchange, params: Params) -> MethodData:
    """``login.user``: a session's token, which lives an hour."""
    given = query.check_params(exchange, openrpc.load_methods()["login.user"], params)
    opened = await account.open_session(exchange, given["login"], given["password"])
    return MethodData((msgspec.json.encode(opened),))


async def logout_user(exchange: Exchange, params: Params) -> MethodData:
    """``logout.user``: the session is over."""
    given = query.check_params(exchange, openrpc.load_methods()["logout.user"], params)
    await account.close_session(exchange, given["access_token"])
    return MethodData((b"{}",))


async def get_account(exchange: Exchange, params: Params) -> MethodData:
    """``get.account``: a list of one."""
    query.check_params(exchange, openrpc.load_methods()["get.account"], params)
    tenant = exchange.tenant
    row = {
        "app_id": account.derive_app_id(tenant.name),
        "name": tenant.name,
        "timezone": tenant.settings.timezone,
    }
    return MethodData((msgspec.json.encode([row]),), 1, 1)


async def get_customer_users(exchange: Exchange, params: Params) -> MethodData:
    """``get.customer_users``: whom a partner may act for."""
    users = exchange.tenant.settings.cdr.customer_users
    schema = {
        name: pl.Int64() if field.type == "number" else pl.String()
        for name, field in tables.load_customer_user_fields().fields.items()
    }
    frame = pl.DataFrame([msgspec.structs.asdict(user) for user in users], schema=schema)
    asked = _parse_query(
        exchange, "get.customer_users", params, tables.load_customer_user_fields(), frame.schema
    )
    total, found = select_page(exchange, asked, frame.sort("id"))
    return MethodData(
        rows.render_rows(found, [pl.col(name) for name in asked.fields]), total, len(found)
    )


async def get_calls_report(exchange: Exchange, params: Params) -> MethodData:
    """``get.calls_report``: sessions."""
    columns = sessions_report.get_column_types(exchange.tenant.history)
    asked = _parse_query(
        exchange, "get.calls_report", params, tables.load_session_fields(), columns
    )
    if params.get("include_ongoing_calls"):
        message = "callmocks does not serve ongoing calls here"
        raise RpcError("error", "include_ongoing_calls", True, {"error_message": message})
    total, body = await _run_report(sessions_report.report_sessions, exchange, asked)
    return MethodData(body, total, _count_page_rows(asked, total))


async def get_call_legs_report(exchange: Exchange, params: Params) -> MethodData:
    """``get.call_legs_report``: legs."""
    columns = legs_report.get_column_types(exchange.tenant.history)
    asked = _parse_query(
        exchange, "get.call_legs_report", params, tables.load_leg_fields(), columns
    )
    total, body = await _run_report(legs_report.report_legs, exchange, asked)
    return MethodData(body, total, _count_page_rows(asked, total))


METHODS: dict[str, MethodHandler] = {
    "login.user": login_user,
    "logout.user": logout_user,
    "get.account": get_account,
    "get.customer_users": get_customer_users,
    "get.calls_report": get_calls_report,
    "get.call_legs_report": get_call_legs_report,
}


def _parse_query(
    exchange: Exchange,
    method: str,
    params: Params,
    table: FieldTable,
    columns: dict[str, pl.DataType],
) -> ReportQuery:
    return query.parse_query(exchange, openrpc.load_methods()[method], params, table, columns)


async def _run_report(
    report: Callable[[Exchange, ReportQuery], Awaitable[tuple[int, JsonChunks]]],
    exchange: Exchange,
    asked: ReportQuery,
) -> tuple[int, JsonChunks]:
    try:
        return await report(exchange, asked)
    except TooManyRows as problem:
        raise RpcError("error", params={"error_message": str(problem)}) from None


def _count_page_rows(asked: ReportQuery, total: int) -> int:
    return max(min(asked.limit, total - asked.offset), 0)
