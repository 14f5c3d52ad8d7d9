"""What the directory of a Data API shows of its assumptions."""

from collections.abc import Iterator, Sequence
from typing import Any

from callmocks.cdr import tables
from callmocks.cdr.directory_rows import STATUSES
from callmocks.verification.cdr_exchange import LEGS_METHOD, RpcExchange
from callmocks.verification.decisions import Sighting, see

EMPLOYEES_METHOD = "get.employees"


def _decide_directory_fields(exchange: RpcExchange) -> Iterator[Sighting]:
    described = ("get.employees", "get.group_employees", "get.virtual_numbers")
    if exchange.method not in described or exchange.params.get("fields") or not exchange.rows:
        return
    fields = tables.load_fields(exchange.method).fields
    nested = {name for name, field in fields.items() if field.type in ("array", "object")}
    there = nested & exchange.rows[0].keys()
    if nested:
        choice = "all" if there else "scalars"
        yield from see("cdr.directory-fields", choice, f"{choice} fields without fields")


def _decide_scenario_lists(exchange: RpcExchange) -> Iterator[Sighting]:
    for row in exchange.rows or [] if exchange.method == "get.scenarios" else []:
        for element in (row.get("operations") or [])[:1]:
            choice = "values" if isinstance(element, dict) else "ids"
            yield from see("cdr.scenario-lists", choice, f"operations are {choice}")


def _decide_status_ids(exchange: RpcExchange) -> Iterator[Sighting]:
    """Of employees whose status is known."""
    if exchange.method != EMPLOYEES_METHOD:
        return
    rows = [row for row in exchange.rows or [] if "status_id" in row and row.get("status")]
    ids = {row["status"]: row["status_id"] for row in rows}
    if not ids:
        return
    positions = {name: number for number, name in enumerate(STATUSES, 1)}
    if all(id is None for id in ids.values()):
        yield from see("cdr.status-ids", "null", "status_id is null")
    elif all(positions.get(name) == id for name, id in ids.items()):
        yield from see("cdr.status-ids", "position", "status_id is the position of the status")
    else:
        yield from see("cdr.status-ids", (), "status_id is a number of another kind")


def decide_left_employees(exchanges: Sequence[RpcExchange]) -> Iterator[Sighting]:
    """Whom legs name: one who is not listed has left; who is listed and cannot be called, too."""
    named = {
        row["employee_id"]
        for each in exchanges
        if each.method == LEGS_METHOD
        for row in each.rows or []
        if row.get("employee_id") is not None
    }
    for each in exchanges:
        if each.method != EMPLOYEES_METHOD or not each.rows or not _is_whole(each):
            continue
        listed = {row.get("id") for row in each.rows}
        if named and not named <= listed:
            yield from see("cdr.left-employees", "absent", "legs name employees who are not listed")
        elif any(row.get("id") in named and _has_left(row) for row in each.rows):
            shown = "an employee without an active number is listed, whom legs name"
            yield from see("cdr.left-employees", "listed", shown)


def _is_whole(exchange: RpcExchange) -> bool:
    metadata = exchange.result.get("metadata") if exchange.result else None
    total = metadata.get("total_items") if isinstance(metadata, dict) else None
    return not exchange.params.get("filter") and total == len(exchange.rows or [])


def _has_left(row: dict[str, Any]) -> bool:
    numbers = row.get("phone_numbers")
    inactive = (
        isinstance(numbers, list)
        and bool(numbers)
        and all(isinstance(each, dict) and each.get("status") == "inactive" for each in numbers)
    )
    return inactive and row.get("allowed_in_call_types") == []


ONE_EXCHANGE = (_decide_directory_fields, _decide_scenario_lists, _decide_status_ids)
