"""What does not fit a struct, told with what would: the names and values there are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import inspect

_PATH_STEP = re.compile(r"\.(\w+)|\[[^\]]*\]")


def describe_error(error: msgspec.ValidationError, model: Any) -> tuple[str, str]:
    """Place and reason of a value that is no ``shape``.

    The place is msgspec's path, ``$.cdr.day_limit``, and empty for the whole value.
    """
    reason, _, place = str(error).partition(" - at `")
    place = place.rstrip("`")
    known: Iterable[object] = ()
    if reason.startswith(("Object contains unknown field", "Invalid enum value")):
        known = _known_names(_types_at(inspect.type_info(model), place))
    listed = ", ".join(map(str, known))
    return place, f"{reason}; there are {listed}" if listed else reason


def _types_at(kind: inspect.Type, path: str) -> list[inspect.Type]:
    """The types that may stand at a place."""
    kinds = _flatten_union(kind)
    for step in _PATH_STEP.finditer(path):
        inside: list[inspect.Type] = []
        for each in kinds:
            if isinstance(each, inspect.StructType):
                found = (field.type for field in each.fields if field.encode_name == step[1])
                inside += [part for kind in found for part in _flatten_union(kind)]
            elif isinstance(each, inspect.ListType | inspect.VarTupleType):
                inside += _flatten_union(each.item_type)
            elif isinstance(each, inspect.DictType):
                inside += _flatten_union(each.value_type)
        kinds = inside
    return kinds


def _flatten_union(kind: inspect.Type) -> list[inspect.Type]:
    """The members of a union, without what is only metadata around them."""
    if isinstance(kind, inspect.Metadata):
        return _flatten_union(kind.type)
    if isinstance(kind, inspect.UnionType):
        return [part for each in kind.types for part in _flatten_union(each)]
    return [kind]


def _known_names(kinds: list[inspect.Type]) -> list[object]:
    """The names of a struct's fields, or the values of a literal."""
    for each in kinds:
        if isinstance(each, inspect.StructType):
            return [field.encode_name for field in each.fields]
        if isinstance(each, inspect.LiteralType):
            return list(each.values)
    return []
