"""Errors of msgspec with what would fit: the known names or values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import inspect

from callmocks.contract.quoting import shorten_text
from callmocks.contract.similar_names import find_similar_name

_UNQUOTED_TEXT = re.compile(r"Expected `str.*got `(int|float|bool|datetime|date|time)`$")
_QUOTED = re.compile("[`'](.*)[`']")
_UNKNOWN_FIELD = re.compile("Object contains unknown field `(.*?)`")
_PATH_STEP = re.compile(r"\.(\w+)|\[[^\]]*\]")
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]|(\[\.\.\.\])")
_OF_A_KEY = "key` in `"
Step = str | int


def format_key(key: str) -> str:
    """As a step of a path: ``.name`` or, in quotes, ``."2026-03-02"``."""
    return f".{key}" if key.isidentifier() else f'."{key}"'


def format_steps(steps: Iterable[Step]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else format_key(step) for step in steps)


def describe_error(error: msgspec.ValidationError, model: Any) -> tuple[str, str]:
    """Path and reason of a value that is no ``model``.

    The path is msgspec's, ``$.cdr.day_limit``, and empty for the whole value; ``[...]`` in it
    is one of the keys of a table.
    """
    reason, _, path = str(error).partition(" - at `")
    path = path.rstrip("`")
    if path.startswith(_OF_A_KEY):
        return f"{path.removeprefix(_OF_A_KEY)}[...]", f"the key does not fit: {reason}"
    types = _types_at(inspect.type_info(model), path)
    if reason.startswith("Expected") and any(isinstance(t, inspect.LiteralType) for t in types):
        return path, f"{reason}; there are {', '.join(map(str, _known_names(types)))}"
    if _UNQUOTED_TEXT.match(reason):
        return path, f"{reason}: a string is wanted, write it in quotes"
    if reason.startswith(("Expected `int", "Expected `float")) and reason.endswith("got `str`"):
        return path, f"{reason}: a number is wanted, write it without quotes"
    if reason.startswith(("Object contains unknown field", "Invalid enum value")):
        names = [str(each) for each in _known_names(types)]
        unknown = _QUOTED.search(reason)
        near = None
        if unknown is not None:
            near = find_similar_name(unknown[1], names)
            reason = reason.replace(unknown[1], shorten_text(unknown[1]))
        reason += f"; there are {', '.join(names)}" if names else ""
        reason += f"; did you mean {near}?" if near else ""
    return path, reason


def locate_error(error: msgspec.ValidationError, document: Any, model: Any) -> tuple[str, str]:
    """The same of a document that was converted; the path names keys of tables too."""
    path, reason = describe_error(error, model)
    if "[...]" in path:
        path = f"${format_steps(find_steps(document, path, model))}"
    return path, reason


def locate_number(raw: bytes) -> str:
    """The path of a number in JSON that is out of the range that is read; ``$`` without one."""
    beyond = object()

    def read(text: str) -> object:
        try:
            return msgspec.json.decode(text)
        except msgspec.ValidationError:
            return beyond

    try:
        document = json.loads(raw, parse_int=read, parse_float=read)
        return f"${format_steps(_find_value(document, beyond))}"
    except (ValueError, RecursionError):  # broken behind the number, or too deep for Python
        return "$"


def _find_value(document: Any, value: object) -> list[Step]:
    items = document.items() if isinstance(document, dict) else enumerate(document)
    for step, item in items:
        if item is value:
            return [step]
        if isinstance(item, dict | list) and (steps := _find_value(item, value)):
            return [step, *steps]
    return []


def find_steps(document: Any, path: str, model: Any) -> list[Step]:
    """The keys and indexes of a path of ``describe_error`` in the document it is about."""
    steps: list[Step] = []
    value = document
    for match in _STEP.finditer(path):
        step: Step = match[1] or (int(match[2]) if match[2] else "")
        if match[3]:
            step = _find_wrong_key(document, steps, value, path, model)
        steps.append(step)
        value = value[step]
    return steps


def _find_wrong_key(
    document: Any, steps: list[Step], table: dict[str, Any], path: str, model: Any
) -> str:
    """The first one: what is converted stops there."""
    keys = [*table]
    while len(keys) > 1:
        half = keys[: len(keys) // 2]
        part = _replace_value(document, steps, {key: table[key] for key in half})
        keys = half if _has_error_at(part, path, model) else keys[len(half) :]
    return keys[0]


def _has_error_at(document: Any, path: str, model: Any) -> bool:
    try:
        msgspec.convert(document, model)
    except msgspec.ValidationError as error:
        return describe_error(error, model)[0] == path
    return False


def _replace_value(document: Any, steps: list[Step], value: Any) -> Any:
    if not steps:
        return value
    copy = document.copy()
    copy[steps[0]] = _replace_value(document[steps[0]], steps[1:], value)
    return copy


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
