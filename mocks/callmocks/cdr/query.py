"""The parameters of a method, checked in the contract's order and compiled."""

from datetime import datetime
from typing import Any

import msgspec

from callmocks.cdr import account, dates, openrpc
from callmocks.cdr.errors import CheckOrder, ParameterErrors
from callmocks.cdr.filters import ColumnTypes, FilterCompiler, RowFilter
from callmocks.cdr.openrpc import MethodParam, MethodSpec, Params
from callmocks.cdr.operators import FilterOptions
from callmocks.cdr.tables import FieldTable, load_fields
from callmocks.tenants.exchange import Exchange

# A field and whether it descends.
SortKey = tuple[str, bool]


class ReportQuery(msgspec.Struct):
    """A checked request for rows; ``sent`` are its filter and its sort as they were sent."""

    exchange: Exchange
    fields: tuple[str, ...]
    limit: int = openrpc.DEFAULT_LIMIT
    offset: int = 0
    filter: RowFilter = msgspec.field(default_factory=RowFilter)
    sort: tuple[SortKey, ...] = ()
    start: datetime = datetime.min
    end: datetime = datetime.max
    sent: tuple[object, object] = (None, None)
    call_count: int = 0  # of the days that its window touches


def parse_query(exchange: Exchange, method: str, params: Params, types: ColumnTypes) -> ReportQuery:
    """``RpcError`` with the first error."""
    spec, errors = openrpc.load_methods()[method], ParameterErrors(exchange)
    given = _collect_params(spec, params, errors)
    table = load_fields(method)
    query = ReportQuery(exchange, _parse_fields(given.get("fields", []), table, errors))
    if "filter" in given:
        options = FilterOptions(exchange.use_assumption, openrpc.load_enum_values(method))
        query.filter = FilterCompiler(table, types, options, errors).compile(given["filter"])
    if "sort" in given:
        query.sort = _parse_sort(given["sort"], table, errors)
    query.sent = given.get("filter"), given.get("sort")
    query.limit = _parse_paging(spec.params["limit"], given, errors)
    query.offset = _parse_paging(spec.params["offset"], given, errors)
    if "date_from" in spec.params:
        _parse_window(given, query, errors)
    if errors.first is not None:
        raise errors.first
    return query


def check_params(exchange: Exchange, method: str, params: Params) -> Params:
    """For a method without filter and sort: the known parameters."""
    errors = ParameterErrors(exchange)
    given = _collect_params(openrpc.load_methods()[method], params, errors)
    if errors.first is not None:
        raise errors.first
    return given


def _collect_params(method: MethodSpec, sent: Params, errors: ParameterErrors) -> Params:
    given: Params = {}
    specs = method.params
    for name, value in sent.items():
        spec = specs.get(name)
        if spec is None:
            errors.add("unexpected_parameters", name, value, ", ".join(specs))
        elif value is None and errors.exchange.use_assumption("cdr.null-parameter") == "absent":
            continue
        elif type(value) is spec.python_type:
            given[name] = value
        elif spec.type == "integer" and isinstance(value, float) and value.is_integer():
            given[name] = int(value)  # 10.0 is the number 10, as JSON has one kind of number
        else:
            errors.add("data_type_error", name, value, f"a JSON {spec.type}")
    for name in method.required:
        if sent.get(name) is None:
            errors.add("required_parameter_missed", name, None, f"a {specs[name].type}")
    return given


def _parse_fields(named: list[Any], table: FieldTable, errors: ParameterErrors) -> tuple[str, ...]:
    if not named:
        return table.default
    disabled = account.find_disabled_fields(errors.exchange)
    kept: dict[str, None] = {}
    for index, name in enumerate(named):
        path = f"fields.{index}"
        if not isinstance(name, str):
            errors.add("data_type_error", path, name, "a field's name")
        elif table.fields.get(name) is None:
            errors.add("unexpected_parameters", path, name, "a field's name")
        elif component := disabled.get(name):
            errors.add("parameter_component_disabled", path, name, params={"components": component})
        else:
            kept[name] = None
    return tuple(kept)


def _parse_sort(raw: object, table: FieldTable, errors: ParameterErrors) -> tuple[SortKey, ...]:
    """A field named again changes nothing and is dropped."""
    if not isinstance(raw, list):
        errors.add("data_type_error", "sort", raw, "an array")
        return ()
    keys: dict[str, bool] = {}
    for index, item in enumerate(raw):
        path = f"sort.{index}"
        if not isinstance(item, dict):
            errors.add("data_type_error", path, item, "an object")
            continue
        for key in [key for key in item if key not in ("field", "order")]:
            errors.add("unexpected_parameters", f"{path}.{key}", item[key], "field, order")
        name = _parse_field(item.get("field"), f"{path}.field", table, errors)
        order = item.get("order")
        if order is not None and not isinstance(order, str):
            errors.add("data_type_error", f"{path}.order", order, "asc, desc")
        elif order not in (None, "asc", "desc"):
            errors.add("invalid_parameter_value", f"{path}.order", order, "asc, desc")
        if name is not None:
            keys.setdefault(name, order == "desc")
    return tuple(keys.items())


def _parse_field(name: object, path: str, table: FieldTable, errors: ParameterErrors) -> str | None:
    if name is None:
        errors.add("required_parameter_missed", path, None, "a field's name")
    elif not isinstance(name, str):
        errors.add("data_type_error", path, name, "a string")
    elif (field := table.fields.get(name)) is None:
        errors.add("unexpected_parameters", path, name, "a field's name")
    elif not field.sortable:
        errors.add("sort_prohibited", path, name, "a sortable field")
    else:
        return name
    return None


def _parse_paging(param: MethodParam, given: Params, errors: ParameterErrors) -> int:
    default: int = param.default
    value: int = given.get(param.name, default)
    clamped = clamp_paging(param, value)
    if value == clamped:
        return value
    if errors.exchange.use_assumption("cdr.paging-bounds") == "clamp":
        return clamped
    expected = f"{param.minimum or 0} to {param.maximum or value}"
    errors.add("invalid_parameter_value", param.name, value, expected)
    return default


def clamp_paging(param: MethodParam, value: int) -> int:
    return min(max(value, param.minimum or 0), param.maximum or value)


def _is_too_long(query: ReportQuery) -> bool:
    in_days = query.exchange.use_assumption("cdr.interval-months") == "92-days"
    return dates.is_too_long(query.start, query.end, in_days=in_days)


def _parse_window(given: Params, query: ReportQuery, errors: ParameterErrors) -> None:
    exchange = query.exchange
    ends: list[datetime] = []
    for name in ("date_from", "date_till"):
        if name not in given:
            continue
        parsed = dates.parse(given[name])
        if parsed is None and exchange.use_assumption("cdr.date-format") == "lenient":
            parsed = dates.parse(given[name], lenient=True)
        if parsed is None:
            errors.add("invalid_parameter_value", name, given[name], "YYYY-MM-DD hh:mm:ss")
        else:
            ends.append(parsed)
    if len(ends) < 2:
        return
    query.start, query.end = ends
    if query.start > query.end:
        choice = exchange.use_assumption("cdr.dates-reversed")
        if choice != "empty":
            expected = "no later than date_till"
            errors.add(choice, "date_from", given["date_from"], expected, order=CheckOrder.INTERVAL)
    elif dates.may_be_too_long(query.start, query.end) and _is_too_long(query):
        expected = "at most 3 months after date_from"
        errors.add("date_interval_limit_reached", "date_till", given["date_till"], expected)
