"""Errors of msgspec with what would fit: the known names or values."""

import re
from typing import Any

import msgspec
from msgspec import inspect

from callmocks.contract.similar_names import find_similar_name

_QUOTED = re.compile("[`'](.*)[`']")
_UNKNOWN_FIELD = re.compile("Object contains unknown field `(.*?)`")
_PATH_STEP = re.compile(r"\.(\w+)|\[[^\]]*\]")


def describe_error(error: msgspec.ValidationError, model: Any) -> tuple[str, str]:
    """Path and reason of a value that is no ``model``.

    The path is msgspec's, ``$.cdr.day_limit``, and empty for the whole value.
    """
    reason, _, path = str(error).partition(" - at `")
    path = path.rstrip("`")
    if reason.startswith("Expected `str") and reason.endswith("got `int`"):
        return path, f"{reason}: a string is wanted, write it in quotes"
    if reason.startswith(("Expected `int", "Expected `float")) and reason.endswith("got `str`"):
        return path, f"{reason}: a number is wanted, write it without quotes"
    if reason.startswith(("Object contains unknown field", "Invalid enum value")):
        names = [str(each) for each in _known_names(_types_at(inspect.type_info(model), path))]
        unknown = _QUOTED.search(reason)
        near = find_similar_name(unknown[1], names) if unknown else None
        reason += f"; there are {', '.join(names)}" if names else ""
        reason += f"; did you mean {near}?" if near else ""
    return path, reason


def find_unknown_key(reason: str) -> tuple[str, str]:
    """The key that an error of ``describe_error`` is about, and what is said then; else ``""``."""
    unknown = _UNKNOWN_FIELD.match(reason)
    if unknown is None:
        return "", reason
    return unknown[1], f"there is no such key{reason[unknown.end() :]}"


def _types_at(root: inspect.Type, path: str) -> list[inspect.Type]:
    types = _flatten_union(root)
    for step in _PATH_STEP.finditer(path):
        inner: list[inspect.Type] = []
        for each in types:
            if isinstance(each, inspect.StructType):
                inner += [field.type for field in each.fields if field.encode_name == step[1]]
            elif isinstance(each, inspect.ListType | inspect.VarTupleType):
                inner.append(each.item_type)
            elif isinstance(each, inspect.DictType):
                inner.append(each.value_type)
        types = [part for each in inner for part in _flatten_union(each)]
    return types


def _flatten_union(type: inspect.Type) -> list[inspect.Type]:
    """The members of a union, without the metadata around them."""
    if isinstance(type, inspect.Metadata):
        return _flatten_union(type.type)
    if isinstance(type, inspect.UnionType):
        return [part for member in type.types for part in _flatten_union(member)]
    return [type]


def _known_names(types: list[inspect.Type]) -> list[object]:
    for each in types:
        if isinstance(each, inspect.StructType):
            return [field.encode_name for field in each.fields]
        if isinstance(each, inspect.LiteralType):
            return list(each.values)
    return []
