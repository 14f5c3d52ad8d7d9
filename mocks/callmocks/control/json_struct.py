"""Structs that describe the JSON of dataclasses: the OpenAPI document is made from structs."""

from dataclasses import is_dataclass
from datetime import datetime
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from callmocks.contract.json_model import json_members


@cache
def json_struct(model: type) -> type[msgspec.Struct]:
    """``json_name`` of the model, where it has one, is the struct's name."""
    members = json_members(model)
    return msgspec.defstruct(
        getattr(model, "json_name", model.__name__),
        [(member.name, _json_type(member.type, member.description)) for member in members],
        rename={member.name: member.key for member in members},
        namespace={"__doc__": model.__doc__},
        module=__name__,
    )


def _json_type(kind: Any, description: str = "") -> Any:
    if description:
        return Annotated[_json_type(kind), msgspec.Meta(description=description)]
    if is_dataclass(kind):
        return json_struct(kind)  # type: ignore[arg-type]
    if kind is datetime:
        return str
    if get_origin(kind) is tuple:
        return list[_json_type(get_args(kind)[0])]  # type: ignore[misc]
    if isinstance(kind, UnionType):
        return Union[tuple(map(_json_type, get_args(kind)))]  # noqa: UP007
    return kind
