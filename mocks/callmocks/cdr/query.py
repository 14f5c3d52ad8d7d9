"""The parameters of a method that lists rows, checked in the contract's order and compiled."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from callmocks.cdr import components, dates, openrpc
from callmocks.cdr.filters import RowFilter, compile_filter
from callmocks.cdr.operators import FilterOptions
from callmocks.cdr.parameter_errors import CheckOrder, ParameterErrors
from callmocks.cdr.sorting import SortKey, parse_sort

if TYPE_CHECKING:
    import polars as pl

    from callmocks.cdr.openrpc import MethodParam, MethodSpec
    from callmocks.cdr.tables import FieldTable
    from callmocks.tenants.exchange import Exchange


@dataclass(slots=True)
class ReportQuery:
    """A checked request for rows."""

    fields: tuple[str, ...]
    limit: int = 1000
    offset: int = 0
    filter: RowFilter = field(default_factory=RowFilter)
    sort: tuple[SortKey, ...] = ()
    start: datetime = datetime.min
    end: datetime = datetime.max
    sent: tuple[object, object] = (None, None)
    """The filter and the sort as they were sent."""


def parse_query(
    exchange: Exchange,
    method: MethodSpec,
    params: dict[str, Any],
    table: FieldTable,
    columns: dict[str, pl.DataType],
) -> ReportQuery:
    """Compile the parameters; ``RpcError`` with the first problem, the journal gets them all.

    ``columns`` are the types of the method's frame.
    """
    problems = _make_errors(exchange)
    given = _collect_params(exchange, method, params, problems)
    query = ReportQuery(_parse_fields(exchange, given.get("fields"), table, problems))
    if "filter" in given:
        rules = _make_filter_options(exchange, method)
        query.filter = compile_filter(given["filter"], table, columns, rules, problems)
    if "sort" in given:
        query.sort = parse_sort(given["sort"], table, problems)
    query.sent = given.get("filter"), given.get("sort")
    query.limit = _parse_paging(exchange, method.params["limit"], given, problems)
    query.offset = _parse_paging(exchange, method.params["offset"], given, problems)
    if "date_from" in method.params:
        _parse_window(exchange, given, query, problems)
    _raise_first(exchange, problems)
    return query


def check_params(exchange: Exchange, method: MethodSpec, params: dict[str, Any]) -> dict[str, Any]:
    """Check the parameters of a method without filter and sort; the given ones."""
    problems = _make_errors(exchange)
    given = _collect_params(exchange, method, params, problems)
    _raise_first(exchange, problems)
    return given


def _make_errors(exchange: Exchange) -> ParameterErrors:
    return ParameterErrors(lambda: exchange.use_assumption("cdr.error-path") == "indexed")


def _raise_first(exchange: Exchange, problems: ParameterErrors) -> None:
    for where, expected, got in problems.noted:
        exchange.add_violation(where, expected, got)
    problems.raise_first()


def _collect_params(
    exchange: Exchange, method: MethodSpec, params: dict[str, Any], problems: ParameterErrors
) -> dict[str, Any]:
    """Known parameters of the right type; the rest are problems."""
    given: dict[str, Any] = {}
    for name, value in params.items():
        param = method.params.get(name)
        if param is None:
            expected = ", ".join(method.params)
            problems.add(CheckOrder.UNKNOWN, "unexpected_parameters", name, value, expected)
        elif value is None and exchange.use_assumption("cdr.null-parameter") == "absent":
            continue
        elif param.accepts_type(whole := _to_whole_number(value)):
            given[name] = whole
        else:
            problems.add(CheckOrder.TYPE, "data_type_error", name, value, f"a JSON {param.type}")
    for name, param in method.params.items():
        if param.required and params.get(name) is None:
            problems.add(
                CheckOrder.REQUIRED, "required_parameter_missed", name, None, f"a {param.type}"
            )
    return given


def _to_whole_number(value: Any) -> Any:
    """10.0 is the number 10, as JSON has one kind of number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _parse_fields(
    exchange: Exchange, named: list[Any] | None, table: FieldTable, problems: ParameterErrors
) -> tuple[str, ...]:
    if not named:
        return table.default
    disabled = components.find_disabled_fields(exchange)
    kept: dict[str, None] = {}
    for place, name in enumerate(named):
        where = f"fields.{place}"
        if not isinstance(name, str):
            problems.add(CheckOrder.TYPE, "data_type_error", where, name, "a field's name")
        elif table.get(name) is None:
            problems.add(CheckOrder.UNKNOWN, "unexpected_parameters", where, name, "a field's name")
        elif name in disabled:
            needed: dict[str, object] = {"components": disabled[name]}
            problems.add(
                CheckOrder.PROHIBITED, "parameter_component_disabled", where, name, "", needed
            )
        else:
            kept[name] = None
    return tuple(kept)


def _parse_paging(
    exchange: Exchange, param: MethodParam, given: dict[str, Any], problems: ParameterErrors
) -> int:
    default: int = param.default
    value: int = given.get(param.name, default)
    low, high = param.minimum or 0, param.maximum or value
    if low <= value <= high:
        return value
    if exchange.use_assumption("cdr.paging-bounds") == "clamp":
        return min(max(value, low), high)
    problems.add(CheckOrder.VALUE, "invalid_parameter_value", param.name, value, f"{low} to {high}")
    return default


def _parse_window(
    exchange: Exchange, given: dict[str, Any], query: ReportQuery, problems: ParameterErrors
) -> None:
    ends: list[datetime] = []
    for name in ("date_from", "date_till"):
        if name not in given:
            continue
        moment = dates.parse(given[name])
        if moment is None and exchange.use_assumption("cdr.date-format") == "lenient":
            moment = dates.parse(given[name], lenient=True)
        if moment is None:
            problems.add(
                CheckOrder.VALUE,
                "invalid_parameter_value",
                name,
                given[name],
                "YYYY-MM-DD hh:mm:ss",
            )
        else:
            ends.append(moment)
    if len(ends) < 2:
        return
    query.start, query.end = ends
    if query.start > query.end:
        choice = exchange.use_assumption("cdr.dates-reversed")
        if choice != "empty":
            problems.add(
                CheckOrder.INTERVAL,
                choice,
                "date_from",
                given["date_from"],
                "no later than date_till",
            )
    elif dates.is_too_long(query.start, query.end):
        problems.add(
            CheckOrder.INTERVAL,
            "date_interval_limit_reached",
            "date_till",
            given["date_till"],
            "at most 3 calendar months after date_from",
        )


def _make_filter_options(exchange: Exchange, method: MethodSpec) -> FilterOptions:
    def is_chosen(assumption: str, choice: str) -> bool:
        return exchange.use_assumption(assumption) == choice

    return FilterOptions(
        depth=lambda: int(exchange.use_assumption("cdr.filter-depth")),
        underscore=lambda: is_chosen("cdr.like-underscore", "wildcard"),
        unknown_enum_refused=lambda: is_chosen("cdr.unknown-enum-value", "invalid_parameter_value"),
        condition_required=lambda: is_chosen("cdr.missing-condition", "required_parameter_missed"),
        null_differs=lambda: is_chosen("cdr.null-comparison", "distinct"),
        values=openrpc.load_enum_values(method.name),
    )
