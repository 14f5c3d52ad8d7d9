"""The OpenRPC document: what methods there are, what they take, what their rows look like."""

from functools import cache, lru_cache
from typing import Any

import msgspec

from callmocks.contract.resources import schema_path

DEFAULT_LIMIT = 1000
CREDENTIALS = frozenset({"access_token", "login", "password"})
PYTHON_TYPES = {"integer": int, "string": str, "boolean": bool, "array": list, "object": dict}
Params = dict[str, Any]
Schema = dict[str, Any]
_ANY_DATA = {"metadata": {"type": "object"}, "data": {}}
_ANY_RESULT = {"type": "object", "properties": _ANY_DATA, "required": list(_ANY_DATA)}


class MethodParam(msgspec.Struct, frozen=True):
    name: str
    required: bool
    type: str
    python_type: Any
    minimum: int | None = None
    maximum: int | None = None
    default: Any = None


class MethodSpec(msgspec.Struct, frozen=True):
    """``required`` are names of parameters, ``row`` the schemas of the fields of its rows."""

    name: str
    params: dict[str, MethodParam]
    required: tuple[str, ...]
    row: dict[str, dict[str, Any]]
    result: dict[str, Any]


@lru_cache(maxsize=16)
def load_source(url: str) -> msgspec.Raw:
    """For ``rpc.discover`` at an address."""
    servers = [{"name": "callmocks", "url": url}]
    return msgspec.Raw(msgspec.json.encode(load_document() | {"servers": servers}))


@cache
def load_document() -> dict[str, Any]:
    text = schema_path("cdr/openrpc.json").read_bytes()
    return msgspec.json.decode(text, type=dict[str, Any])


@cache
def load_methods() -> dict[str, MethodSpec]:
    return {raw["name"]: _parse_method(raw) for raw in load_document()["methods"]}


@cache
def load_enum_values(method: str) -> dict[str, frozenset[str]]:
    """Of each enumerated field of a method's rows."""
    row = load_methods()[method].row.items()
    return {name: frozenset(filter(None, shape["enum"])) for name, shape in row if "enum" in shape}


@cache
def load_shared_schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = load_document()["components"]["schemas"][name]
    return found


def get_result_schema(method: str) -> dict[str, Any]:
    """Of an unknown method: what all results have."""
    spec = load_methods().get(method)
    return _ANY_RESULT if spec is None else spec.result


def has_pages(method: str) -> bool:
    spec = load_methods().get(method)
    return spec is not None and {"limit", "offset"} <= spec.params.keys()


def resolve_reference(part: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in part:
        target: Any = load_document()
        for step in part["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        part = target
    return part


def _parse_method(raw: dict[str, Any]) -> MethodSpec:
    params = {param["name"]: _parse_param(param) for param in raw["params"]}
    result = raw["result"]["schema"]
    members = resolve_reference(result).get("properties", {})
    data = resolve_reference(members.get("data", {}))
    row = resolve_reference(data["items"])["properties"] if data.get("type") == "array" else {}
    required = tuple(name for name, param in params.items() if param.required)
    return MethodSpec(raw["name"], params, required, row, result)


def _parse_param(raw: dict[str, Any]) -> MethodParam:
    shape = resolve_reference(raw["schema"])
    bounds = {key: shape[key] for key in ("minimum", "maximum", "default") if key in shape}
    kind = shape["type"]
    return MethodParam(raw["name"], raw["required"], kind, PYTHON_TYPES[kind], **bounds)
