"""The methods that serve no report, and all methods by name."""

from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
import polars as pl

from callmocks.cdr import account, directory, legs_report, query, rows, sessions_report, tables
from callmocks.cdr.directory import get_directory
from callmocks.cdr.directory_rows import ROW_BUILDERS
from callmocks.cdr.filters import ColumnTypes
from callmocks.cdr.legs_report import get_call_legs_report
from callmocks.cdr.openrpc import Params
from callmocks.cdr.rows import MethodData
from callmocks.cdr.selection import select_page
from callmocks.cdr.sessions_report import get_calls_report
from callmocks.tenants.exchange import Exchange
from callmocks.tenants.worker import LONG_REQUEST_BYTES, run_if_long

MethodHandler = Callable[["Exchange", Params], Awaitable[MethodData]]


async def login_user(exchange: Exchange, params: Params) -> MethodData:
    given = query.check_params(exchange, "login.user", params)
    opened = await account.open_session(exchange, given["login"], given["password"])
    return MethodData((msgspec.json.encode(opened),))


async def logout_user(exchange: Exchange, params: Params) -> MethodData:
    given = query.check_params(exchange, "logout.user", params)
    await account.close_session(exchange, given["access_token"])
    return MethodData((b"{}",))


async def get_account(exchange: Exchange, params: Params) -> MethodData:
    query.check_params(exchange, "get.account", params)
    tenant = exchange.tenant
    zone = tenant.settings.timezone
    row = {"app_id": account.derive_app_id(tenant.name), "name": tenant.name, "timezone": zone}
    return MethodData((msgspec.json.encode([row]),), 1, 1)


def get_customer_user_types(_: object = None) -> dict[str, pl.DataType]:
    fields = tables.load_fields("get.customer_users").fields.items()
    return {name: pl.Int64() if field.type == "number" else pl.String() for name, field in fields}


async def get_customer_users(exchange: Exchange, params: Params) -> MethodData:
    is_long = len(exchange.request) > LONG_REQUEST_BYTES
    return await run_if_long(partial(_list_customer_users, exchange, params), is_long)


def _list_customer_users(exchange: Exchange, params: Params) -> MethodData:
    parsed = query.parse_query(exchange, "get.customer_users", params, get_customer_user_types)
    settings = exchange.tenant.settings.cdr
    users = [msgspec.structs.asdict(user) for user in settings.customer_users]
    frame = pl.DataFrame(users, schema=get_customer_user_types()).sort("id")
    total, page = select_page(parsed, frame)
    body = rows.render_rows(page, [pl.col(name) for name in parsed.fields])
    return MethodData(body, total, len(page))


METHODS: dict[str, MethodHandler] = {
    "login.user": login_user,
    "logout.user": logout_user,
    "get.account": get_account,
    "get.customer_users": get_customer_users,
    **{method: partial(get_directory, method) for method in ROW_BUILDERS},
    "get.calls_report": get_calls_report,
    "get.call_legs_report": get_call_legs_report,
}

_COLUMN_TYPES: dict[str, ColumnTypes] = {
    "get.customer_users": get_customer_user_types,
    "get.calls_report": sessions_report.get_column_types,
    "get.call_legs_report": legs_report.get_column_types,
}


def check_params(exchange: Exchange, method: str, params: Params) -> None:
    """``RpcError`` for what the method refuses, whoever sends it."""
    if method in ROW_BUILDERS:
        types = directory.get_column_types(method, exchange)
        query.parse_query(exchange, method, params, lambda _: types)
    elif method in _COLUMN_TYPES:
        query.parse_query(exchange, method, params, _COLUMN_TYPES[method])
    else:
        query.check_params(exchange, method, params)
