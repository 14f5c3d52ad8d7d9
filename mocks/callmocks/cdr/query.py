"""The parameters of a method that lists rows, checked in the contract's order and compiled."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from callmocks.cdr import components, dates, openrpc
from callmocks.cdr.filters import Filter, compile_filter
from callmocks.cdr.operators import Rules
from callmocks.cdr.parameter_errors import Problems, Rank
from callmocks.cdr.sorting import SortKey, compile_sort

if TYPE_CHECKING:
    import polars as pl

    from callmocks.cdr.openrpc import Method, Param
    from callmocks.cdr.tables import FieldTable
    from callmocks.tenants.exchange import Exchange


@dataclass(slots=True)
class Query:
    """A checked request for rows."""

    fields: tuple[str, ...]
    limit: int = 1000
    offset: int = 0
    filter: Filter = field(default_factory=Filter)
    sort: tuple[SortKey, ...] = ()
    start: datetime = datetime.min
    end: datetime = datetime.max
    asked: tuple[object, object] = (None, None)
    """The filter and the sort as they were sent."""


def check(
    exchange: Exchange,
    method: Method,
    params: dict[str, Any],
    table: FieldTable,
    columns: dict[str, pl.DataType],
) -> Query:
    """Compile the parameters; ``RpcError`` with the first problem, the journal gets them all.

    ``columns`` are the types of the method's frame.
    """
    problems = _problems(exchange)
    given = _given(exchange, method, params, problems)
    query = Query(_fields(exchange, given.get("fields"), table, problems))
    if "filter" in given:
        rules = _rules(exchange, method)
        query.filter = compile_filter(given["filter"], table, columns, rules, problems)
    if "sort" in given:
        query.sort = compile_sort(given["sort"], table, problems)
    query.asked = given.get("filter"), given.get("sort")
    query.limit = _bounded(exchange, method.params["limit"], given, problems)
    query.offset = _bounded(exchange, method.params["offset"], given, problems)
    if "date_from" in method.params:
        _dates(exchange, given, query, problems)
    _settle(exchange, problems)
    return query


def check_plain(exchange: Exchange, method: Method, params: dict[str, Any]) -> dict[str, Any]:
    """Check the parameters of a method without filter and sort; the given ones."""
    problems = _problems(exchange)
    given = _given(exchange, method, params, problems)
    _settle(exchange, problems)
    return given


def _problems(exchange: Exchange) -> Problems:
    return Problems(lambda: exchange.assume("cdr.error-path") == "indexed")


def _settle(exchange: Exchange, problems: Problems) -> None:
    for where, expected, got in problems.noted:
        exchange.violated(where, expected, got)
    problems.raise_first()


def _given(
    exchange: Exchange, method: Method, params: dict[str, Any], problems: Problems
) -> dict[str, Any]:
    """Known parameters of the right type; the rest are problems."""
    given: dict[str, Any] = {}
    for name, value in params.items():
        param = method.params.get(name)
        if param is None:
            expected = ", ".join(method.params)
            problems.add(Rank.UNKNOWN, "unexpected_parameters", name, value, expected)
        elif value is None and exchange.assume("cdr.null-parameter") == "absent":
            continue
        elif param.fits(whole := _whole(value)):
            given[name] = whole
        else:
            problems.add(Rank.TYPE, "data_type_error", name, value, f"a JSON {param.type}")
    for name, param in method.params.items():
        if param.required and params.get(name) is None:
            problems.add(Rank.REQUIRED, "required_parameter_missed", name, None, f"a {param.type}")
    return given


def _whole(value: Any) -> Any:
    """10.0 is the number 10, as JSON has one kind of number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _fields(
    exchange: Exchange, named: list[Any] | None, table: FieldTable, problems: Problems
) -> tuple[str, ...]:
    if not named:
        return table.default
    disabled = components.disabled_fields(exchange)
    kept: dict[str, None] = {}
    for place, name in enumerate(named):
        where = f"fields.{place}"
        if not isinstance(name, str):
            problems.add(Rank.TYPE, "data_type_error", where, name, "a field's name")
        elif table.get(name) is None:
            problems.add(Rank.UNKNOWN, "unexpected_parameters", where, name, "a field's name")
        elif name in disabled:
            needed: dict[str, object] = {"components": disabled[name]}
            problems.add(Rank.PROHIBITED, "parameter_component_disabled", where, name, "", needed)
        else:
            kept[name] = None
    return tuple(kept)


def _bounded(exchange: Exchange, param: Param, given: dict[str, Any], problems: Problems) -> int:
    default: int = param.default
    value: int = given.get(param.name, default)
    low, high = param.minimum or 0, param.maximum or value
    if low <= value <= high:
        return value
    if exchange.assume("cdr.paging-bounds") == "clamp":
        return min(max(value, low), high)
    problems.add(Rank.VALUE, "invalid_parameter_value", param.name, value, f"{low} to {high}")
    return default


def _dates(exchange: Exchange, given: dict[str, Any], query: Query, problems: Problems) -> None:
    ends: list[datetime] = []
    for name in ("date_from", "date_till"):
        if name not in given:
            continue
        moment = dates.parse(given[name])
        if moment is None and exchange.assume("cdr.date-format") == "lenient":
            moment = dates.parse(given[name], lenient=True)
        if moment is None:
            problems.add(
                Rank.VALUE, "invalid_parameter_value", name, given[name], "YYYY-MM-DD hh:mm:ss"
            )
        else:
            ends.append(moment)
    if len(ends) < 2:
        return
    query.start, query.end = ends
    if query.start > query.end:
        choice = exchange.assume("cdr.dates-reversed")
        if choice != "empty":
            problems.add(
                Rank.INTERVAL, choice, "date_from", given["date_from"], "no later than date_till"
            )
    elif dates.too_long(query.start, query.end):
        problems.add(
            Rank.INTERVAL,
            "date_interval_limit_reached",
            "date_till",
            given["date_till"],
            "at most 3 calendar months after date_from",
        )


def _rules(exchange: Exchange, method: Method) -> Rules:
    def holds(assumption: str, choice: str) -> bool:
        return exchange.assume(assumption) == choice

    return Rules(
        depth=lambda: int(exchange.assume("cdr.filter-depth")),
        underscore=lambda: holds("cdr.like-underscore", "wildcard"),
        unknown_enum_refused=lambda: holds("cdr.unknown-enum-value", "invalid_parameter_value"),
        condition_required=lambda: holds("cdr.missing-condition", "required_parameter_missed"),
        null_differs=lambda: holds("cdr.null-comparison", "distinct"),
        values=openrpc.choices(method.name),
    )
