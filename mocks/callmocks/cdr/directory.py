"""``get.employees``, ``get.group_employees``, ``get.virtual_numbers`` and ``get.scenarios``.

They are small: filters and sorts run over a frame of the columns that a request names, in which an
array is the list of its elements' ids and an object whether it is there.
"""

from collections.abc import Iterable
from functools import partial
from typing import Any

import msgspec
import polars as pl

from callmocks.cdr import directory_rows
from callmocks.cdr.directory_rows import AVAILABLE, NOT_AT_WORK, ROW_BUILDERS, STATUSES, Row
from callmocks.cdr.openrpc import Params
from callmocks.cdr.query import ReportQuery, parse_query
from callmocks.cdr.rows import MethodData
from callmocks.cdr.selection import find_matches
from callmocks.cdr.tables import load_elements, load_fields
from callmocks.history.history import History
from callmocks.history.walltime import datetime_to_ms
from callmocks.tenants.exchange import Exchange
from callmocks.tenants.worker import LONG_REQUEST_BYTES, run_if_long

_ROW_BYTES = 3000
_MANY_ROWS = 1000  # are built, filtered and encoded in a thread
_TIME_FORMAT = "%Y-%m-%d %H:%M:%S"
_DTYPES: dict[str, pl.DataType] = {
    "number": pl.Int64(),
    "string": pl.String(),
    "enum": pl.String(),
    "boolean": pl.Boolean(),
    "iso8601": pl.Datetime("ms"),
    "object": pl.Boolean(),
}
# The table of scenarios says which fields come by default.
DEFAULT_FIELDS_ASSUMED = frozenset(ROW_BUILDERS) - {"get.scenarios"}
# What the history has not, and accounts usually have.
_SETTINGS = ("login", "call_recording", "channels_count", "activation_date", "category")


async def get_directory(method: str, exchange: Exchange, params: Params) -> MethodData:
    directory = exchange.tenant.history.directory
    count = len(directory.operators) + len(directory.lines) + len(directory.scenarios)
    is_long = len(exchange.request) > LONG_REQUEST_BYTES or count > _MANY_ROWS
    return await run_if_long(partial(_list_rows, method, exchange, params), is_long)


def _list_rows(method: str, exchange: Exchange, params: Params) -> MethodData:
    types = get_column_types(method, exchange)
    query = parse_query(exchange, method, params, lambda _: types)
    rows = _apply_choices(method, query, _load_rows(method, exchange))
    if _has_ids_alone(method, exchange):
        rows = _list_ids_alone(rows, exchange.tenant.history)
    names = query.filter.fields.union(name for name, _ in query.sort)
    found = find_matches(query, _make_frame(method, rows, types, ["id", *sorted(names - {"id"})]))
    matching = rows if found is None else [rows[position] for position in found.tolist()]
    fields = query.fields if params.get("fields") else _default_fields(method, query)
    page = matching[query.offset : query.offset + query.limit]
    body = msgspec.json.encode([{name: row[name] for name in fields} for row in page])
    points = int(exchange.use_assumption("cdr.directory-points"))
    return MethodData((body,), len(matching), len(page), points)


def get_column_types(method: str, exchange: Exchange) -> dict[str, pl.DataType]:
    ids_alone = _has_ids_alone(method, exchange)
    types: dict[str, pl.DataType] = {}
    for name, field in load_fields(method).fields.items():
        if field.type == "array":
            plain = "number" if ids_alone else load_elements(method)[name].get("", "number")
            types[name] = pl.List(pl.Int64 if plain == "number" else pl.String)
        else:
            types[name] = _DTYPES[field.type]
    return types


def _has_ids_alone(method: str, exchange: Exchange) -> bool:
    return method == "get.scenarios" and exchange.use_assumption("cdr.scenario-lists") == "ids"


def _load_rows(method: str, exchange: Exchange) -> list[Row]:
    """By id, ascending."""
    history, today = exchange.tenant.history, exchange.now.date()
    left = tuple(each.number for each in history.directory.operators if each.has_left(today))
    statuses = _find_statuses(exchange) if method == "get.employees" else ()

    def build_rows() -> list[Row]:
        rows = ROW_BUILDERS[method](history.directory, today, statuses)
        return sorted(rows, key=lambda row: row["id"])

    return history.generated.get_or_create(
        ("cdr", method, left, statuses),
        history.last_day,
        build_rows,
        lambda rows: _ROW_BYTES * (len(rows) + 1),
    )


def _find_statuses(exchange: Exchange) -> tuple[str, ...]:
    """Of each operator now, as the vendor calls them."""
    history, now = exchange.tenant.history, datetime_to_ms(exchange.now)
    by_roster = exchange.use_assumption("cdr.employee-status") == "roster"
    found = history.find_statuses(now) if by_roster else None
    today = exchange.now.date()
    return tuple(
        NOT_AT_WORK
        if operator.has_left(today)
        else AVAILABLE
        if found is None
        else next(each for each in STATUSES if found[number].endswith(f"_status_{each}"))
        for number, operator in enumerate(history.directory.operators)
    )


def _apply_choices(method: str, query: ReportQuery, rows: list[Row]) -> list[Row]:
    choose = query.exchange.use_assumption
    used = {*query.fields, *query.filter.fields, *(name for name, _ in query.sort)}
    changed: Row = {}
    if method == "get.employees":
        if choose("cdr.left-employees") == "absent":
            operators, today = query.exchange.tenant.history.directory.operators, query.exchange.now
            left = {each.employee_id for each in operators if each.has_left(today.date())}
            rows = [row for row in rows if row["id"] not in left]
        if "status_id" in used and choose("cdr.status-ids") == "null":
            changed["status_id"] = None
    settings = used.intersection(_SETTINGS)
    if settings and choose("cdr.directory-settings") == "null":
        changed |= dict.fromkeys(settings)
    return [row | changed for row in rows] if changed else rows


def _list_ids_alone(scenarios: list[Row], history: History) -> list[Row]:
    ids = directory_rows.number_ids(history.directory)
    return [
        row
        | {
            "virtual_phone_numbers": [ids[number] for number in row["virtual_phone_numbers"]],
            "operations": _element_ids(row["operations"]),
        }
        for row in scenarios
    ]


def _default_fields(method: str, query: ReportQuery) -> tuple[str, ...]:
    if method not in DEFAULT_FIELDS_ASSUMED:
        return query.fields
    if query.exchange.use_assumption("cdr.directory-fields") == "all":
        return query.fields
    fields = load_fields(method).fields
    return tuple(name for name in query.fields if fields[name].type not in ("array", "object"))


def _make_frame(
    method: str, rows: list[Row], types: dict[str, pl.DataType], names: Iterable[str]
) -> pl.DataFrame:
    columns, fields = [], load_fields(method).fields
    for name in names:
        values: list[Any] = [row[name] for row in rows]
        kind, dtype = fields[name].type, types[name]
        if kind == "iso8601":
            times = pl.Series(name, values, pl.String).str.to_datetime(_TIME_FORMAT)
            columns.append(times.cast(dtype))
            continue
        if kind == "array":
            values = [_element_ids(value) for value in values]
        elif kind == "object":
            values = [True if value else None for value in values]
        columns.append(pl.Series(name, values, dtype))
    return pl.DataFrame(columns)


def _element_ids(elements: list[Any]) -> list[Any]:
    """The first number of each object, which is its id; what is no object is its own."""
    return [
        next(value for value in each.values() if isinstance(value, int))
        if isinstance(each, dict)
        else each
        for each in elements
    ]
