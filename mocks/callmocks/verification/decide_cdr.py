"""What exchanges of the Data API show of its assumptions; here, what errors show."""

from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import pairwise

from callmocks.cdr import dates, openrpc
from callmocks.verification import decide_cdr_rows
from callmocks.verification.cdr_exchange import RpcExchange, list_leaves
from callmocks.verification.decisions import Sighting, see

REASONS = {
    "cdr.check-order": "it shows only while the account's limit is reached, which no probe does",
    "cdr.component-code": "it shows only where a component of the account is switched off",
    "cdr.ended-session": "it shows only an hour after a login",
    "cdr.foreign-user": "it shows only to a partner: --user-id",
    "cdr.client-user-id": "a foreign user_id is sent for partners alone",
    "cdr.point-windows": "when a day of points begins shows only at that hour",
    "cdr.session-reasons": "the legs that decide a reason are not told apart in the answers",
    "cdr.lost-internal-calls": "a session does not say that its call is internal",
    "cdr.internal-source": "a session does not say that its call is internal",
    "cdr.ongoing-durations": "it shows only while a call is going on",
    "cdr.late-calls": "it shows only after a call has ended and before its rows are there",
    "cdr.late-records": "it shows only before the record of a call is there",
    "cdr.directory-points": "another client of the account may take points at the same time",
    "cdr.directory-settings": "the settings of an account are its own",
    "cdr.left-employees": "nobody whom legs name has left",
    "cdr.status-ids": "no employee has a status",
}


def find_sightings(exchanges: Sequence[RpcExchange], *, masked: bool) -> Iterator[Sighting]:
    """``masked``: texts may not be those that were on the wire, as in a recording."""
    for each in exchanges:
        if not masked:
            yield from _decide_enum_value(each)
        for decide in (*_ONE_EXCHANGE, *decide_cdr_rows.ONE_EXCHANGE):
            yield from decide(each)
    for decide_together in decide_cdr_rows.ALL_EXCHANGES:
        yield from decide_together(exchanges)
    if not masked:
        yield from decide_cdr_rows.decide_like(exchanges)


def _decide_refusal(
    assumption: str, refused: str, accepted: str, field: str, shown: str
) -> Callable[[RpcExchange], Iterator[Sighting]]:
    """Of an exchange whose request has what is in question: the error, or a result."""

    def decide(exchange: RpcExchange) -> Iterator[Sighting]:
        if exchange.result is not None:
            yield from see(assumption, accepted, f"{shown}: a result")
        elif exchange.mnemonic == refused.partition("/")[0] and field in exchange.field:
            choice = refused.partition("/")[2] or refused
            yield from see(assumption, choice, f"{shown}: {exchange.mnemonic}")

    return decide


def _decide_null_parameter(exchange: RpcExchange) -> Iterator[Sighting]:
    spec = openrpc.load_methods().get(exchange.method)
    for name, value in exchange.params.items():
        if value is None and spec and name in spec.params and not spec.params[name].required:
            yield from _decide_refusal(
                "cdr.null-parameter", "data_type_error", "absent", name, "a parameter that is null"
            )(exchange)


def _decide_paging_bounds(exchange: RpcExchange) -> Iterator[Sighting]:
    spec = openrpc.load_methods().get(exchange.method)
    for name in ("limit", "offset"):
        value, bounds = exchange.params.get(name), spec and spec.params.get(name)
        if type(value) is not int or not bounds:
            continue
        if value < (bounds.minimum or 0) or value > (bounds.maximum or value):
            yield from _decide_refusal(
                "cdr.paging-bounds", "invalid_parameter_value", "clamp", name, f"{name} of {value}"
            )(exchange)


def _parse_window(exchange: RpcExchange) -> list[datetime | None]:
    texts = [exchange.params.get(name) for name in ("date_from", "date_till")]
    return [dates.parse(text, lenient=True) if isinstance(text, str) else None for text in texts]


def _decide_dates(exchange: RpcExchange) -> Iterator[Sighting]:
    start, end = _parse_window(exchange)
    if start is None or end is None:
        return
    for name in ("date_from", "date_till"):
        if dates.parse(exchange.params[name]) is None:
            yield from _decide_refusal(
                "cdr.date-format", "invalid_parameter_value/exact", "lenient", name,
                "a time in another form",
            )(exchange)  # fmt: skip
            return
    if start > end:
        for choice in ("invalid_parameters_combination", "invalid_parameter_value"):
            yield from _decide_refusal(
                "cdr.dates-reversed", choice, "empty", "date", "date_from after date_till"
            )(exchange)
    calendar, days = (dates.is_too_long(start, end, in_days=in_days) for in_days in (False, True))
    if calendar and not days:
        yield from _decide_refusal(
            "cdr.interval-months", "date_interval_limit_reached/calendar", "92-days", "",
            "three months and a day or two",
        )(exchange)  # fmt: skip
    if days and not calendar:
        yield from _decide_refusal(
            "cdr.interval-months", "date_interval_limit_reached/92-days", "calendar", "",
            "three long months",
        )(exchange)  # fmt: skip


def _decide_enum_value(exchange: RpcExchange) -> Iterator[Sighting]:
    if exchange.method not in openrpc.load_methods():
        return
    known = openrpc.load_enum_values(exchange.method)
    for leaf in list_leaves(exchange.params.get("filter")):
        values, value = known.get(str(leaf["field"])), leaf.get("value")
        compared = leaf.get("operator") in ("=", "!=") and isinstance(value, str)
        if compared and values and value not in values:
            yield from _decide_refusal(
                "cdr.unknown-enum-value",
                "invalid_parameter_value",
                "no-rows",
                "value",
                "a filter by a value that no row has",
            )(exchange)


def _decide_missing_condition(exchange: RpcExchange) -> Iterator[Sighting]:
    tree = exchange.params.get("filter")
    if isinstance(tree, dict) and "filters" in tree and tree.get("condition") is None:
        yield from _decide_refusal(
            "cdr.missing-condition", "required_parameter_missed", "and", "condition",
            "filters without condition",
        )(exchange)  # fmt: skip


def _decide_filter_depth(exchange: RpcExchange) -> Iterator[Sighting]:
    depth, level = 0, [exchange.params.get("filter")]
    while level := [node for node in level if isinstance(node, dict) and "filters" in node]:
        depth += 1
        children = [node["filters"] for node in level if isinstance(node["filters"], list)]
        level = [child for each in children for child in each]
    choices = ("3", "16", "64")
    shown = f"filters of {depth} levels"
    if exchange.rows is not None and depth > 3:
        fitting = [choice for choice in choices if int(choice) >= depth]
        yield from see("cdr.filter-depth", fitting, f"{shown}: a result")
    elif exchange.mnemonic == "invalid_parameter_value" and exchange.field == "filter":
        fitting = [choice for choice in choices if int(choice) < depth]
        if fitting:
            yield from see("cdr.filter-depth", fitting, f"{shown}: {exchange.mnemonic}")


def _decide_error_path(exchange: RpcExchange) -> Iterator[Sighting]:
    lists = {"sort", "filters"}
    for parent, child in pairwise(exchange.field.split(".")):
        if parent in lists:
            choice = "indexed" if child.isdigit() else "names"
            yield from see("cdr.error-path", choice, f"an error's field below {parent}")


def _decide_error_limits(exchange: RpcExchange) -> Iterator[Sighting]:
    """Errors of parameters come after authentication."""
    after = ("unexpected_parameters", "data_type_error", "sort_prohibited", "filter_prohibited")
    if exchange.error is None or exchange.mnemonic not in after or exchange.field == "params":
        return
    if exchange.method == "login.user":  # its parameters come before it has authenticated
        return
    has_limits = isinstance(exchange.error.get("metadata"), dict)
    shown = f"{exchange.mnemonic} of {'a get method' if _is_get(exchange) else 'logout.user'}"
    shown += f": {'limits' if has_limits else 'no limits'}"
    if _is_get(exchange):
        choices = ("present", "get-methods") if has_limits else ("absent",)
    else:
        choices = ("present",) if has_limits else ("get-methods", "absent")
    yield from see("cdr.error-limits", choices, shown)


def _is_get(exchange: RpcExchange) -> bool:
    return exchange.method.startswith("get.")


def _decide_component_code(exchange: RpcExchange) -> Iterator[Sighting]:
    if exchange.mnemonic == "method_component_disabled":
        yield from see("cdr.component-code", str(exchange.code), "the code of that error")


def _decide_api_version(exchange: RpcExchange) -> Iterator[Sighting]:
    metadata = exchange.result.get("metadata") if exchange.result else None
    if isinstance(metadata, dict) and "limits" in metadata:
        shown = "api_version" in metadata
        choice = "deprecated" if shown else "latest"
        yield from see("cdr.api-version", choice, f"metadata {'with' if shown else 'without'} it")


def _decide_byte_order_mark(exchange: RpcExchange) -> Iterator[Sighting]:
    if exchange.body.startswith(BOM_UTF8):
        shown = "a body that begins with one"
        if exchange.mnemonic == "parse_error":
            yield from see("cdr.byte-order-mark", "parse_error", f"{shown}: parse_error")
        elif exchange.result is not None:
            yield from see("cdr.byte-order-mark", "ignored", f"{shown}: a result")


def _decide_empty_arrays(exchange: RpcExchange) -> Iterator[Sighting]:
    leaf, rows = exchange.params.get("filter"), exchange.result and exchange.result.get("data")
    if not isinstance(leaf, dict) or not isinstance(rows, list):
        return
    choice = {"is_null": "null", "is_not_null": "not-null"}.get(str(leaf.get("operator")))
    if choice and any(isinstance(row, dict) and row.get(leaf.get("field")) == [] for row in rows):
        yield from see("cdr.empty-arrays", choice, f"{leaf['operator']}: a row with []")


def _decide_overlap(exchange: RpcExchange) -> Iterator[Sighting]:
    if exchange.method not in openrpc.load_methods():
        return
    for leaf in list_leaves(exchange.params.get("filter")):
        if leaf.get("operator") == "overlap" and leaf["field"] in ("employees", "tags"):
            yield from _decide_refusal(
                "cdr.overlap-objects", "invalid_parameter_value/refused", "ids", "",
                "overlap on an array of objects",
            )(exchange)  # fmt: skip


_ONE_EXCHANGE: tuple[Callable[[RpcExchange], Iterator[Sighting]], ...] = (
    _decide_null_parameter, _decide_paging_bounds, _decide_dates,
    _decide_missing_condition, _decide_filter_depth, _decide_error_path, _decide_error_limits,
    _decide_component_code, _decide_api_version, _decide_byte_order_mark, _decide_overlap,
    _decide_empty_arrays,
)  # fmt: skip
