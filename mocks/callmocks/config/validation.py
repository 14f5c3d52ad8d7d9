"""What does not fit a struct, told with what would: the names and values there are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import inspect

_STEP = re.compile(r"\.(\w+)|\[[^\]]*\]")


def told(error: msgspec.ValidationError, shape: Any) -> tuple[str, str]:
    """Place and reason of a value that is no ``shape``.

    The place is msgspec's path, ``$.cdr.day_limit``, and empty for the whole value.
    """
    reason, _, place = str(error).partition(" - at `")
    place = place.rstrip("`")
    known: Iterable[object] = ()
    if reason.startswith(("Object contains unknown field", "Invalid enum value")):
        known = _known(_at(inspect.type_info(shape), place))
    listed = ", ".join(map(str, known))
    return place, f"{reason}; there are {listed}" if listed else reason


def _at(kind: inspect.Type, place: str) -> list[inspect.Type]:
    """The types that may stand at a place."""
    kinds = _apart(kind)
    for step in _STEP.finditer(place):
        inside: list[inspect.Type] = []
        for each in kinds:
            if isinstance(each, inspect.StructType):
                found = (field.type for field in each.fields if field.encode_name == step[1])
                inside += [part for kind in found for part in _apart(kind)]
            elif isinstance(each, inspect.ListType | inspect.VarTupleType):
                inside += _apart(each.item_type)
            elif isinstance(each, inspect.DictType):
                inside += _apart(each.value_type)
        kinds = inside
    return kinds


def _apart(kind: inspect.Type) -> list[inspect.Type]:
    """The members of a union, without what is only metadata around them."""
    if isinstance(kind, inspect.Metadata):
        return _apart(kind.type)
    if isinstance(kind, inspect.UnionType):
        return [part for each in kind.types for part in _apart(each)]
    return [kind]


def _known(kinds: list[inspect.Type]) -> list[object]:
    """The names of a struct's fields, or the values of a literal."""
    for each in kinds:
        if isinstance(each, inspect.StructType):
            return [field.encode_name for field in each.fields]
        if isinstance(each, inspect.LiteralType):
            return list(each.values)
    return []
