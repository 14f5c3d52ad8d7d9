"""The ``sort`` parameter: ``[{"field", "order"}]``, several keys, ``asc`` unless sent otherwise."""

from __future__ import annotations

from typing import Any

from callmocks.cdr.parameter_errors import ParameterErrors
from callmocks.cdr.tables import FieldTable

SortKey = tuple[str, bool]
"""A field and whether it descends."""


def parse_sort(raw: object, fields: FieldTable, errors: ParameterErrors) -> tuple[SortKey, ...]:
    """The sort keys, first key first; a field named again changes nothing and is dropped."""
    if not isinstance(raw, list):
        errors.add("data_type_error", "sort", raw, "an array")
        return ()
    keys: dict[str, bool] = {}
    for index, item in enumerate(raw):
        path = f"sort.{index}"
        if not isinstance(item, dict):
            errors.add("data_type_error", path, item, "an object")
            continue
        name, descending = (
            _parse_name(item, path, fields, errors),
            _parse_order(item, path, errors),
        )
        if name is not None:
            keys.setdefault(name, descending)
    return tuple(keys.items())


def _parse_name(
    item: dict[str, Any], path: str, fields: FieldTable, errors: ParameterErrors
) -> str | None:
    for key in item.keys() - {"field", "order"}:
        errors.add("unexpected_parameters", f"{path}.{key}", item[key], "field, order")
    name = item.get("field")
    where = f"{path}.field"
    if name is None:
        errors.add("required_parameter_missed", where, None, "a field's name")
    elif not isinstance(name, str):
        errors.add("data_type_error", where, name, "a string")
    elif (field := fields.get(name)) is None:
        errors.add("unexpected_parameters", where, name, "a field's name")
    elif not field.sortable:
        errors.add("sort_prohibited", where, name, "a sortable field")
    else:
        return name
    return None


def _parse_order(item: dict[str, Any], path: str, errors: ParameterErrors) -> bool:
    order = item.get("order")
    where = f"{path}.order"
    if order is not None and not isinstance(order, str):
        errors.add("data_type_error", where, order, "asc, desc")
    elif order not in (None, "asc", "desc"):
        errors.add("invalid_parameter_value", where, order, "asc, desc")
    return order == "desc"
