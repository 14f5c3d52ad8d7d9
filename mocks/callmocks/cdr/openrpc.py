"""The OpenRPC document: what methods there are, what they take, what their rows look like."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from callmocks.contract.resources import schema

_TYPES: dict[str, tuple[type, ...]] = {
    "integer": (int,),
    "string": (str,),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


class Param(msgspec.Struct, frozen=True):
    """A parameter: its JSON type, whether it must be there, and its bounds when it has some."""

    name: str
    required: bool
    type: str
    minimum: int | None = None
    maximum: int | None = None
    default: Any = None

    def fits(self, value: object) -> bool:
        """Whether the value is of the parameter's type (true is no number)."""
        if isinstance(value, bool) and self.type != "boolean":
            return False
        return isinstance(value, _TYPES[self.type])


class Method(msgspec.Struct, frozen=True):
    """A method: its parameters by name, and the schema of each field of its rows."""

    name: str
    params: dict[str, Param]
    row: dict[str, dict[str, Any]]


@cache
def source() -> msgspec.Raw:
    """The document as it is, for ``rpc.discover``."""
    text = schema("cdr/openrpc.json").read_bytes()
    return msgspec.Raw(msgspec.json.format(text, indent=0).strip())


@cache
def document() -> dict[str, Any]:
    """The document, parsed."""
    parsed: dict[str, Any] = msgspec.json.decode(source())
    return parsed


@cache
def methods() -> dict[str, Method]:
    """All methods by name."""
    return {raw["name"]: _method(raw) for raw in document()["methods"]}


@cache
def choices(method: str) -> dict[str, frozenset[str]]:
    """The values of each enumerated field of a method's rows."""
    return {
        name: frozenset(filter(None, shape["enum"]))
        for name, shape in methods()[method].row.items()
        if "enum" in shape
    }


@cache
def shared(name: str) -> dict[str, Any]:
    """A schema among the components."""
    found: dict[str, Any] = document()["components"]["schemas"][name]
    return found


def resolve(part: dict[str, Any]) -> dict[str, Any]:
    """The schema itself where a reference stands for it."""
    while "$ref" in part:
        target: Any = document()
        for step in part["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        part = target
    return part


def _method(raw: dict[str, Any]) -> Method:
    params = {param["name"]: _param(param) for param in raw["params"]}
    answer = resolve(raw["result"]["schema"]).get("properties", {})
    data = resolve(answer.get("data", {}))
    row = resolve(data["items"])["properties"] if data.get("type") == "array" else {}
    return Method(raw["name"], params, row)


def _param(raw: dict[str, Any]) -> Param:
    shape = resolve(raw["schema"])
    bounds = {key: shape[key] for key in ("minimum", "maximum", "default") if key in shape}
    return Param(raw["name"], raw["required"], shape["type"], **bounds)
