"""Dataclasses as JSON values and back.

A field is a scalar, a naive ``datetime`` (ISO text with milliseconds), a dataclass, a tuple of
one type, or one of these or ``None``. ``Annotated`` texts describe it; a ``JsonName`` renames it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")


class JsonName(str):
    __slots__ = ()


class JsonMember(NamedTuple):
    """``type`` is the field's without ``Annotated``; ``key`` its name in JSON."""

    name: str
    key: str
    type: Any
    description: str


def to_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, tuple):
        return [to_json(item) for item in value]
    if is_dataclass(value):
        members = json_members(type(value))  # type: ignore[arg-type]
        return {member.key: to_json(getattr(value, member.name)) for member in members}
    return value


def from_json(model: type[T], raw: Mapping[str, Any]) -> T:
    """Members that the model does not have are ignored."""
    return model(**{m.name: _decode(m.type, raw[m.key]) for m in json_members(model)})  # type: ignore[arg-type]


@cache
def json_members(model: type) -> tuple[JsonMember, ...]:
    types = get_type_hints(model)
    annotated = get_type_hints(model, include_extras=True)
    members = []
    for name in (field.name for field in fields(model)):
        texts = getattr(annotated[name], "__metadata__", ())
        key = next((str(text) for text in texts if isinstance(text, JsonName)), name)
        description = next((text for text in texts if not isinstance(text, JsonName)), "")
        members.append(JsonMember(name, key, types[name], description))
    return tuple(members)


def _decode(kind: Any, value: Any) -> Any:
    if value is None:
        return None
    if is_dataclass(kind):
        return from_json(kind, value)  # type: ignore[arg-type]
    if kind is datetime:
        return datetime.fromisoformat(value)
    inner = get_args(kind)
    if get_origin(kind) is tuple:
        return tuple(_decode(inner[0], item) for item in value)
    return _decode(inner[0], value) if inner else value  # "X | None"
