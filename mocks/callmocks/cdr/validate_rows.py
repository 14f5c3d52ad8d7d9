"""The rows of a report held against the request, and each against itself.

``schemas/cdr/reason_agreement.csv`` says what a finish reason means for the other fields of a leg.
That the vendor's reasons mean just this is derived from their descriptions: assumed.
"""

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

from callmocks.cdr import dates, openrpc, tables
from callmocks.cdr.directory import DEFAULT_FIELDS_ASSUMED
from callmocks.cdr.openrpc import Params
from callmocks.cdr.schema_validation import format_value
from callmocks.contract.findings import Evidence, Findings
from callmocks.history import reasons

Row = dict[str, Any]


def check_rows(
    method: str,
    rows: list[Row],
    total: object,
    params: Params | None,
    choices: Mapping[str, str],
    found: Findings,
) -> None:
    if method == "get.call_legs_report":
        for index, row in enumerate(rows):
            _check_leg(row, f"result.data.{index}", choices, found)
    elif method == "get.calls_report":
        ongoing = params is None or params.get("include_ongoing_calls") is True
        for index, row in enumerate(rows):
            _check_session(row, f"result.data.{index}", ongoing, found)
    _check_unique_ids(rows, found)
    if params is None:
        return
    _check_fields(method, rows, params, choices["cdr.directory-fields"], found)
    _check_page(rows, total, params, found)
    for index, row in enumerate(rows):
        _check_window(row, params, f"result.data.{index}", found)
        _check_filter(row, params.get("filter"), f"result.data.{index}", found)
    _check_order(method, rows, params, choices["cdr.default-order"], found)


def _get_leg_kind(row: Row) -> str:
    if row["is_coach"]:
        return "coach"
    if row["is_transfered"]:
        return "transfer"
    if not row["is_operator"]:
        return "subscriber"
    return "initiator" if row["direction"] == "in" else "operator"


def _check_leg(row: Row, where: str, choices: Mapping[str, str], found: Findings) -> None:
    def add_finding(
        field: str, expected: str, evidence: Evidence, assumption: str | None = None
    ) -> None:
        got = format_value(field, row.get(field))
        found.add(f"{where}.{field}", expected, got, evidence, assumption)

    has = row.keys().__contains__
    if has("connect_time"):
        _check_answered(row, add_finding)
    if has("duration") and has("total_duration"):
        total, talk = row["total_duration"], row["duration"]
        if isinstance(total, int) and isinstance(talk, int) and talk > total:
            add_finding("duration", "total_duration at most", "documented")
    known = row.get("employee_id") is not None
    if has("employee_id"):
        for name in ("employee_full_name", "employee_phone_number"):
            if has(name) and (row[name] is not None) != known:
                add_finding(name, "null exactly when employee_id is", "assumed")
        if known and row.get("is_operator") is False:
            add_finding("employee_id", "null on a subscriber's leg", "assumed")
    if row.get("call_records") and row.get("is_talked") is False:
        add_finding("call_records", "[] of a leg without talk", "assumed")
    if isinstance(row.get("finish_reason"), str):
        _check_reason(row, choices["cdr.leg-direction"], add_finding)


def _check_session(row: Row, where: str, ongoing: bool, found: Findings) -> None:
    """``ongoing``: whether calls that have not ended may be among them."""
    names = ("clean_talk_duration", "talk_duration", "total_duration")
    known = [(name, row[name]) for name in names if isinstance(row.get(name), int)]
    for (name, shorter), (longest, longer) in pairwise(known):
        if shorter > longer:
            found.add(f"{where}.{name}", f"{longest} at most", shorter)
    for name in ("finish_time", "finish_reason"):
        if not ongoing and name in row and row[name] is None:
            found.add(f"{where}.{name}", "a value without include_ongoing_calls", "null")


def _check_answered(row: Row, add: Any) -> None:
    answered = row["connect_time"] is not None
    if not answered and row.get("duration", 0) != 0:
        add("duration", "0 of a leg nobody picked up", "documented")
    if not answered and row.get("is_talked") is True:
        add("is_talked", "false of a leg nobody picked up", "documented")
    if isinstance(row.get("is_failed"), bool) and row["is_failed"] == answered:
        add("is_failed", "true exactly when nobody picked up", "observed")
    start = row.get("start_time")
    if answered and isinstance(start, str) and str(row["connect_time"]) < start:
        add("connect_time", "start_time or later", "documented")


def _check_reason(row: Row, whose_direction: str, add: Any) -> None:
    reason = row["finish_reason"]
    rule = reasons.AGREEMENT.get(reason)
    if rule is None:
        return
    described = reasons.DESCRIPTIONS[reasons.INDEX[reason]]
    if row.get("finish_reason_description", described) != described:
        add("finish_reason_description", repr(described), "documented")
    answered = row.get("connect_time") is not None
    if "connect_time" in row and _contradicts(rule["answered"], answered):
        expected = "a time" if rule["answered"] == "yes" else "null"
        add("connect_time", f"{expected}, for the reason {reason}", "assumed")
    talked = row.get("is_talked")
    if isinstance(talked, bool) and _contradicts(rule["talked"], talked):
        add("is_talked", f"{rule['talked'] == 'yes'}, for the reason {reason}".lower(), "assumed")
    if row.get("release_cause_code", int(rule["cause"])) != int(rule["cause"]):
        add("release_cause_code", f"{rule['cause']}, for the reason {reason}", "assumed")
    if rule["employee"] == "no" and row.get("employee_id") is not None:
        add("employee_id", f"null, for the reason {reason}", "assumed")
    if rule["employee"] == "yes" and row.get("is_operator") and row.get("employee_id", 0) is None:
        add("employee_id", f"a number, for the reason {reason}", "assumed")
    flags = ("is_coach", "is_transfered", "is_operator", "direction")
    # The session's direction does not tell an initiator's leg from another operator's.
    if whose_direction == "leg" and all(row.get(name) is not None for name in flags):
        kind = _get_leg_kind(row)
        if kind not in rule["legs"].split("|"):
            text = f"a reason of the {kind}'s leg"
            add("finish_reason", text, "assumed", "cdr.leg-direction")


def _contradicts(rule: str, value: bool) -> bool:
    return rule not in ("any", "yes" if value else "no")


def _check_unique_ids(rows: Iterable[Row], found: Findings) -> None:
    seen: set[object] = set()
    for index, row in enumerate(rows):
        number = row.get("id")
        if isinstance(number, int):
            if number in seen:
                found.add(f"result.data.{index}.id", "each id once", number)
            seen.add(number)


def _check_fields(
    method: str, rows: list[Row], params: Params, directory_fields: str, found: Findings
) -> None:
    named = params.get("fields")
    if named is not None and not isinstance(named, list):
        return
    known = tables.load_fields(method)
    expected = set(filter(lambda name: isinstance(name, str), named or known.default))
    chosen = method in DEFAULT_FIELDS_ASSUMED and not named
    if chosen and directory_fields == "scalars":
        nested = {name for name, each in known.fields.items() if each.type in ("array", "object")}
        expected -= nested
    how: tuple[Evidence, str | None] = ("documented", None)
    how = ("assumed", "cdr.directory-fields") if chosen else how
    for index, row in enumerate(rows):
        for name in expected - row.keys():
            found.add(f"result.data.{index}.{name}", "this field", "none", *how)
        for name in row.keys() & known.fields.keys() - expected:
            text = "only the fields asked for" if named else "only the default fields"
            found.add(f"result.data.{index}.{name}", text, "one more")


def _check_page(rows: list[Row], total: object, params: Params, found: Findings) -> None:
    limit = _int_or_default(params.get("limit"), openrpc.DEFAULT_LIMIT)
    offset = _int_or_default(params.get("offset"), 0)
    if not isinstance(total, int):
        return
    expected = min(limit, max(total - offset, 0))
    if len(rows) != expected:
        text = f"{expected} rows: limit {limit}, offset {offset}, total_items {total}"
        found.add("result.data", text, len(rows))


def _int_or_default(value: object, default: int) -> int:
    return value if type(value) is int else default


def _check_window(row: Row, params: Params, where: str, found: Findings) -> None:
    start = row.get("start_time")
    low, high = (str(params.get(name, "")) for name in ("date_from", "date_till"))
    if not isinstance(start, str) or not dates.parse(low) or not dates.parse(high):
        return
    if not low <= start <= high:
        found.add(f"{where}.start_time", f"{low} to {high}, asked for", start)


def _check_filter(row: Row, node: object, where: str, found: Findings) -> None:
    """Equalities only, alone or ANDed."""
    if not isinstance(node, dict):
        return
    children = node.get("filters")
    if isinstance(children, list) and node.get("condition", "and") == "and":
        for child in children:
            _check_filter(row, child, where, found)
    name, value = node.get("field"), node.get("value")
    if node.get("operator") != "=" or not isinstance(name, str) or name not in row:
        return
    if isinstance(value, float):
        return
    if row[name] != value:
        expected = f"{format_value(str(name), value)}, filtered by"
        found.add(f"{where}.{name}", expected, format_value(str(name), row[name]))


def _check_order(
    method: str, rows: list[Row], params: Params, default_order: str, found: Findings
) -> None:
    """The first sort key, unless it is a text: the order of texts is not documented."""
    sort = params.get("sort")
    field, descending = "start_time", default_order == "descending"
    evidence: Evidence = "assumed"
    assumption: str | None = "cdr.default-order"
    if isinstance(sort, list) and sort and isinstance(sort[0], dict):
        field, descending = str(sort[0].get("field")), sort[0].get("order") == "desc"
        evidence, assumption = "documented", None
    known = tables.load_fields(method).fields.get(field)
    if known is None or known.type not in ("number", "iso8601"):
        return
    kind = int if known.type == "number" else str
    values = [(index, row[field]) for index, row in enumerate(rows) if type(row.get(field)) is kind]
    for (_, one), (index, other) in pairwise(values):
        if one < other if descending else one > other:
            text = f"{'descending' if descending else 'ascending'} order"
            where, got = f"result.data.{index}.{field}", f"{other} after {one}"
            found.add(where, text, got, evidence, assumption)
