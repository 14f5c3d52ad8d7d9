"""Dataclasses as JSON values and back.

A field is a scalar, a naive ``datetime`` (ISO text with milliseconds), a dataclass, a tuple of
one type, a JSON value, or one of these or ``None``. ``Annotated`` texts describe it; a ``JsonName``
renames it, a ``Minimum`` bounds it. A model with ``json_omit_defaults`` leaves out what is default.
"""

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")
_SCALARS = (str, int, float, bool, type(None))


class JsonName(str):
    __slots__ = ()


class Minimum(int):
    __slots__ = ()


class JsonMember(NamedTuple):
    """``type`` is the field's without ``Annotated``; ``key`` its name in JSON."""

    name: str
    key: str
    type: Any
    default: Any  # ``MISSING`` when there is none
    description: str
    minimum: int | None


def to_json(value: Any) -> Any:
    if type(value) in _SCALARS:
        return value
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, tuple):
        return [to_json(item) for item in value]
    if is_dataclass(value):
        omit = getattr(value, "json_omit_defaults", False)
        return {
            member.key: to_json(item)
            for member in json_members(type(value))  # type: ignore[arg-type]
            if (item := getattr(value, member.name)) != member.default or not omit
        }
    return value


def from_json(model: type[T], raw: Mapping[str, Any]) -> T:
    """Members that the model does not have are ignored."""
    members = (member for member in json_members(model) if member.key in raw)  # type: ignore[arg-type]
    return model(**{member.name: _decode(member.type, raw[member.key]) for member in members})


@cache
def json_members(model: type) -> tuple[JsonMember, ...]:
    types = get_type_hints(model)
    annotated = get_type_hints(model, include_extras=True)
    members = []
    for field in fields(model):
        name, default = field.name, field.default
        if field.default_factory is not MISSING:
            default = field.default_factory()
        notes = {type(note): note for note in getattr(annotated[name], "__metadata__", ())}
        key = str(notes.get(JsonName, name))
        description, minimum = notes.get(str, ""), notes.get(Minimum)
        members.append(JsonMember(name, key, types[name], default, description, minimum))
    return tuple(members)


def _decode(kind: Any, value: Any) -> Any:
    if value is None or kind in _SCALARS:
        return value
    if is_dataclass(kind):
        return from_json(kind, value)  # type: ignore[arg-type]
    if isinstance(kind, type) and issubclass(kind, datetime):  # one that a test patched, too
        return datetime.fromisoformat(value)
    inner = get_args(kind)
    if get_origin(kind) is tuple:
        return tuple(_decode(inner[0], item) for item in value)
    return _decode(inner[0], value) if inner else value  # "X | None"
