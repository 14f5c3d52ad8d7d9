"""The admin API as a page, from the document that ``/openapi.json`` serves."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from callmocks.control.routing import TENANT, RequestContext
from callmocks.control.server import find_document

_REF = "#/components/schemas/"


class Member(NamedTuple):
    """``type`` is a list of words and of schemas' names, the latter linked."""

    name: str
    type: list[tuple[str, bool]]
    required: bool
    default: str
    description: str


class Operation(NamedTuple):
    id: str
    method: str
    path: str
    summary: str
    parameters: list[Member]
    body: list[tuple[str, bool]]
    responses: list[tuple[str, str, list[tuple[str, bool]]]]


async def show_api(context: RequestContext) -> dict[str, Any]:
    document = find_document(context.request.app)
    tags: dict[str, list[Operation]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            tag = "tenants" if path == TENANT else operation["tags"][0]
            tag = tag if path.startswith("/api/") else "server"
            tags.setdefault(tag, []).append(_read_operation(path, method, operation))
    schemas = document["components"]["schemas"]
    return {
        "document": document,
        "tags": tags,
        "schemas": {
            name: (schema.get("description", ""), list(_read_members(schema)))
            for name, schema in sorted(schemas.items())
        },
    }


def _read_operation(path: str, method: str, operation: dict[str, Any]) -> Operation:
    parameters = [
        Member(
            each["name"],
            list(_describe_type(each["schema"])),
            each["required"],
            _show_default(each["schema"]),
            each.get("description", ""),
        )
        for each in operation.get("parameters", ())
    ]
    responses = [
        (status, each["description"], _describe_content(each))
        for status, each in operation["responses"].items()
    ]
    return Operation(
        operation["operationId"],
        method.upper(),
        path,
        operation["summary"],
        parameters,
        _describe_content(operation.get("requestBody", {})),
        responses,
    )


def _describe_content(message: dict[str, Any]) -> list[tuple[str, bool]]:
    words: list[tuple[str, bool]] = []
    for media, content in message.get("content", {}).items():
        words += [(f"{media}:", False), *_describe_type(content["schema"])]
    return words


def _read_members(schema: dict[str, Any]) -> Iterator[Member]:
    required = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        yield Member(
            name,
            list(_describe_type(field)),
            name in required,
            _show_default(field),
            field.get("description", ""),
        )


def _show_default(schema: dict[str, Any]) -> str:
    return msgspec.json.encode(schema["default"]).decode() if "default" in schema else ""


def _describe_type(schema: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    options = schema.get("anyOf") or schema.get("oneOf")
    if "$ref" in schema:
        yield schema["$ref"].removeprefix(_REF), True
    elif options:
        for index, option in enumerate(options):
            yield from [("|", False)][: bool(index)]
            yield from _describe_type(option)
    elif "enum" in schema:
        yield " | ".join(msgspec.json.encode(each).decode() for each in schema["enum"]), False
    elif schema.get("type") == "array" and "items" in schema:
        yield "[", False
        yield from _describe_type(schema["items"] or {})
        yield "]", False
    elif schema.get("type") == "object" and "additionalProperties" in schema:
        yield "{name:", False
        yield from _describe_type(schema["additionalProperties"] or {})
        yield "}", False
    else:
        limits = (
            f" {name} {schema[name]}"
            for name in ("minimum", "exclusiveMinimum", "maximum", "maxLength", "pattern", "format")
            if name in schema
        )
        yield schema.get("type", "any") + ",".join(limits), False
