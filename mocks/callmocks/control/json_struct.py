"""Structs that describe the JSON of dataclasses: the OpenAPI document is made from structs."""

from collections.abc import Iterable
from dataclasses import MISSING, is_dataclass
from datetime import date, datetime
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from msgspec import UnsetType

from callmocks.contract.json_model import JsonMember, json_members
from callmocks.history.clock import find_builtin_type

Natural = Annotated[int, msgspec.Meta(ge=0)]
ServerMade = Annotated[
    Any | UnsetType, msgspec.Meta(description="Ignored, so that an answer can be sent again.")
]


def doc(text: str, **constraints: Any) -> msgspec.Meta:
    return msgspec.Meta(description=text, **constraints)


def schema_components(
    models: Iterable[Any], ref_template: str = "#/$defs/{name}"
) -> tuple[tuple[dict[str, Any], ...], dict[str, Any]]:
    """JSON Schema of each model, and of the structs these refer to, by name."""
    return msgspec.json.schema_components(
        models, schema_hook=_describe_builtin_date, ref_template=ref_template
    )


def _describe_builtin_date(kind: type) -> dict[str, Any]:
    # While a test has patched the classes of ``datetime``, msgspec knows those of models no more.
    if kind is find_builtin_type(datetime):
        return {"type": "string"}
    if kind is find_builtin_type(date):
        return {"type": "string", "format": "date"}
    raise NotImplementedError


@cache
def json_struct(model: type) -> type[msgspec.Struct]:
    """``json_name`` of the model, where it has one, is the struct's name.

    With ``json_forbid_unknown`` it decodes requests: ``check`` of the model is called then.
    """
    members = json_members(model)
    strict = getattr(model, "json_forbid_unknown", False)
    return msgspec.defstruct(
        getattr(model, "json_name", model.__name__),
        [_struct_field(member) for member in members],
        rename={member.name: member.key for member in members},
        namespace={"__doc__": model.__doc__} | ({"__post_init__": model.check} if strict else {}),  # type: ignore[attr-defined]
        module=__name__,
        forbid_unknown_fields=strict,
    )


def _struct_field(member: JsonMember) -> tuple[str, Any] | tuple[str, Any, Any]:
    kind = _json_type(member.type, member.minimum)
    if member.description:
        kind = Annotated[kind, doc(member.description)]
    if member.default is MISSING:
        return member.name, kind
    if isinstance(member.default, tuple | dict):
        factory = list if isinstance(member.default, tuple) else dict
        return member.name, kind, msgspec.field(default_factory=factory)
    return member.name, kind, member.default


def _json_type(kind: Any, minimum: int | None = None) -> Any:
    if kind is int and minimum is not None:
        return Annotated[int, msgspec.Meta(ge=int(minimum))]
    if is_dataclass(kind):
        return json_struct(kind)  # type: ignore[arg-type]
    if isinstance(kind, type) and issubclass(kind, datetime):
        return str
    if get_origin(kind) is tuple:
        return list[_json_type(get_args(kind)[0])]  # type: ignore[misc]
    if isinstance(kind, UnionType):
        inner = tuple(_json_type(each, minimum) for each in get_args(kind))
        return Union[inner]  # noqa: UP007
    return kind
