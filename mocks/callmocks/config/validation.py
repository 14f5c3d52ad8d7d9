"""Documents converted to structs; an error says where, and what would fit: names or values."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from functools import partial
from types import GenericAlias
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from callmocks.contract.json_values import decode_json, describe_bad_utf8
from callmocks.contract.quoting import shorten_text
from callmocks.contract.similar_names import find_similar_name

_UNQUOTED_TEXT = re.compile(r"Expected `str.*got `(int|float|bool|datetime|date|time)`$")
_QUOTED = re.compile("[`'](.*)[`']", re.DOTALL)
_UNKNOWN_FIELD = re.compile("Object contains unknown field `(.*)`(?=$|; there are )", re.DOTALL)
_MISSING_FIELD = re.compile(r"Object missing required field `(\w+)`$")
_PATH_STEP = re.compile(r"\.(\w+)|\[[^\]]*\]")
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]|(\[\.\.\.\])")
_OF_A_KEY = "key` in `"
_WRAPPED = "$[0]"
Step = str | int
_Convert = Callable[[Any], Any]
T = TypeVar("T")


def format_key(key: str) -> str:
    """As a step of a path: ``.name`` or, in quotes, ``."2026-03-02"``."""
    return f".{key}" if key.isidentifier() else f'."{key}"'


def format_steps(steps: Iterable[Step]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else format_key(step) for step in steps)


class Misfit(ValueError):
    """Where a value is no ``model``, ``$.cdr.day_limit`` (empty: the whole of it), and why."""

    def __init__(self, steps: list[Step], reason: str) -> None:
        self.steps = steps
        self.path = f"${format_steps(steps)}" if steps else ""
        self.reason = reason
        super().__init__(f"{self.path}: {reason}" if steps else reason)


def read_json(raw: bytes) -> Any:
    """``Misfit`` for a number out of the range that is read, ``ValueError`` for what is no JSON."""
    try:
        return decode_json(raw)
    except UnicodeDecodeError:
        raise ValueError(describe_bad_utf8(raw)) from None
    except msgspec.ValidationError as error:
        reason = str(error).partition(" - at ")[0]
    raise Misfit(_locate_number(raw), reason)


def convert_document(document: Any, model: type[T], *, strict: bool = True) -> T:
    """A ``model`` of what JSON, TOML or a query was read into; else ``Misfit``."""
    convert = partial(_convert, model=model, strict=strict)
    try:
        converted: T = convert(document)
        return converted
    except msgspec.ValidationError as error:
        path, reason = _split_error(error)
    types = _types_at(inspect.type_info(model), path)
    raise Misfit(_find_steps(document, path, convert), _explain(reason, types, strict))


def _convert(document: Any, model: Any, strict: bool) -> Any:
    # In an array each error ends with a path: no text of the document is taken for one.
    wrapped = GenericAlias(tuple, (model,))
    return msgspec.convert((document,), wrapped, strict=strict, str_keys=True)[0]


def _split_error(error: msgspec.ValidationError) -> tuple[str, str]:
    """Path, in which ``[...]`` is a key of a table, and reason."""
    reason, _, path = str(error).rpartition(" - at `")
    path = path.rstrip("`")
    if path.startswith(_OF_A_KEY):
        path, reason = f"{path.removeprefix(_OF_A_KEY)}[...]", f"the key does not fit: {reason}"
    return path.removeprefix(_WRAPPED), reason


def _explain(reason: str, types: list[inspect.Type], strict: bool) -> str:
    """With what would fit instead."""
    if reason.startswith("Expected") and any(isinstance(t, inspect.LiteralType) for t in types):
        return f"{reason}; there are {', '.join(map(str, _known_names(types)))}"
    if _UNQUOTED_TEXT.match(reason):
        return f"{reason}: a string is wanted, write it in quotes"
    if reason.startswith(("Expected `int", "Expected `float")) and reason.endswith("got `str`"):
        return f"{reason}: a number is wanted" + ", write it without quotes" * strict
    if reason.startswith(("Object contains unknown field", "Invalid enum value")):
        names = [str(each) for each in _known_names(types)]
        unknown = _QUOTED.search(reason)
        near = None
        if unknown is not None:
            near = find_similar_name(unknown[1], names)
            reason = reason.replace(unknown[1], shorten_text(unknown[1]))
        reason += f"; there are {', '.join(names)}" if names else ""
        reason += f"; did you mean {near}?" if near else ""
    return reason


def _locate_number(raw: bytes) -> list[Step]:
    beyond = object()

    def read(text: str) -> object:
        try:
            return decode_json(text)
        except msgspec.ValidationError:
            return beyond

    try:
        return _find_value(json.loads(raw, parse_int=read, parse_float=read), beyond)
    except (ValueError, RecursionError):  # broken behind the number, or too deep for Python
        return []


def _find_value(document: Any, value: object) -> list[Step]:
    """Empty when it is the whole of it."""
    items: Iterable[tuple[Step, Any]] = ()
    if isinstance(document, dict | list):
        items = document.items() if isinstance(document, dict) else enumerate(document)
    for step, item in items:
        if item is value:
            return [step]
        if steps := _find_value(item, value):
            return [step, *steps]
    return []


def _find_steps(document: Any, path: str, convert: _Convert) -> list[Step]:
    steps: list[Step] = []
    value, place = document, ""
    for match in _STEP.finditer(path):
        step: Step = match[1] or (int(match[2]) if match[2] else "")
        if match[3]:
            step = _find_wrong_key(value, steps, place + path[match.start() :], convert)
        steps.append(step)
        value = value[step]
        place += "[0]" if match[2] else match[0]
    return steps


def _find_wrong_key(table: dict[str, Any], steps: list[Step], path: str, convert: _Convert) -> str:
    """The first one: what is converted stops there."""
    keys = [*table]
    while len(keys) > 1:
        half = keys[: len(keys) // 2]
        part: Any = {key: table[key] for key in half}
        for step in reversed(steps):  # nothing else of the document, which would take its time
            part = [part] if isinstance(step, int) else {step: part}
        keys = half if _find_error_path(part, convert) == path else keys[len(half) :]
    return keys[0]


def _find_error_path(document: Any, convert: _Convert) -> str | None:
    try:
        convert(document)
    except msgspec.ValidationError as error:
        return _split_error(error)[0]
    return None


def find_unknown_key(reason: str) -> tuple[str, str]:
    """The key that the reason of a ``Misfit`` is about, and what is said then; else ``""``."""
    unknown = _UNKNOWN_FIELD.match(reason)
    if unknown is None:
        return "", reason
    return unknown[1], f"there is no such key{reason[unknown.end() :]}"


def find_missing_key(reason: str) -> str:
    missing = _MISSING_FIELD.match(reason)
    return missing[1] if missing else ""


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
