"""Filters and sorts over decoded rows in plain Python, written from the contract alone."""

from __future__ import annotations

import re
from functools import cmp_to_key
from typing import Any

Row = dict[str, Any]


def matches(row: Row, node: dict[str, Any]) -> bool:
    """Whether a row passes a filter; SQL's third value counts as no."""
    if "filters" in node:
        inside = [matches(row, child) for child in node["filters"]]
        if not inside:
            return True
        return any(inside) if node["condition"] == "or" else all(inside)
    return _matches_condition(row[node["field"]], node["operator"], node.get("value"))


def _matches_condition(value: Any, operator: str, wanted: Any) -> bool:
    if operator == "is_null" or (operator == "=" and wanted is None):
        return value is None
    if operator == "is_not_null" or (operator == "!=" and wanted is None):
        return value is not None
    if value is None:
        return False
    if operator == "in":
        return any(value == one for one in wanted if one is not None)
    if operator == "not_in":
        return None not in wanted and value not in wanted
    if operator in ("like", "ilike"):
        return _matches_like(value, wanted, operator == "ilike")
    if operator in ("not_like", "not_ilike"):
        return not _matches_like(value, wanted, operator == "not_ilike")
    if operator == "regexp":
        python = wanted.replace("[[]", r"[\[]")  # Python warns of a bare [ in brackets
        return re.search(python, value, re.DOTALL) is not None
    if operator == "=":
        return bool(value == wanted)
    if operator == "!=":
        return bool(value != wanted)
    compared = {"<": value < wanted, ">": value > wanted}
    compared |= {"<=": value <= wanted, ">=": value >= wanted}
    return bool(compared[operator])


def _matches_like(value: str, pattern: str, fold: bool) -> bool:
    """A like pattern by trying every way to spend its percent signs, character by character."""
    if fold:
        value, pattern = value.casefold(), pattern.casefold()
    reach = {0}
    escaped = False
    for character in pattern:
        if not escaped and character == "\\":
            escaped = True
            continue
        if character == "%" and not escaped:
            reach = set(range(min(reach), len(value) + 1)) if reach else set()
        elif character == "_" and not escaped:
            reach = {position + 1 for position in reach if position < len(value)}
        else:
            reach = {
                position + 1
                for position in reach
                if position < len(value) and value[position] == character
            }
        escaped = False
    return len(value) in reach


def sort_rows(rows: list[Row], sort: list[dict[str, str]]) -> list[Row]:
    """Rows in the order of the keys; nulls last ascending and first descending; else as before."""

    def compare(one: Row, other: Row) -> int:
        for key in sort:
            a, b = one[key["field"]], other[key["field"]]
            if a != b:
                larger = a is None or (b is not None and a > b)  # a null is the largest value
                return (1 if larger else -1) * (-1 if key.get("order") == "desc" else 1)
        return 0

    return sorted(rows, key=cmp_to_key(compare))
