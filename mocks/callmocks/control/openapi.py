"""The OpenAPI document, made from the same table of routes and structs that serves."""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from callmocks import __version__
from callmocks.control.field_descriptions import add_field_texts
from callmocks.control.problems import CONTENT_TYPE, Problem
from callmocks.control.routing import Operation

_REFERENCE = "#/components/schemas/{name}"

_NAMES = {
    "tenant": "Name of a tenant",
    "fault": "Id of a fault that is on",
    "assumption": "Id in the ledger",
    "call": "CDR session id of a pinned call",
}


def document(operations: Iterable[Operation], *, guarded: bool) -> dict[str, Any]:
    """The document; ``guarded`` when a token is asked for."""
    table = list(operations)
    components = _schemas(table)
    paths: dict[str, dict[str, Any]] = {}
    for operation in table:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    made: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "callmocks control",
            "version": __version__,
            "description": "Tenants, clock, faults, journal, pinned calls and assumptions.",
        },
        "paths": paths,
        "components": {"schemas": components},
    }
    if guarded:
        made["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        made["security"] = [{"token": []}]
    return made


def _schemas(table: list[Operation]) -> dict[str, Any]:
    shapes = [shape for op in table for shape in (op.body, *op.answers) if shape is not None]
    _, components = msgspec.json.schema_components([*shapes, Problem], ref_template=_REFERENCE)
    structs = {struct.__name__: struct for struct in _structs([*shapes, Problem])}
    for name, schema in components.items():
        if name in structs:
            add_field_texts(schema, structs[name])
    return dict(components)


def _structs(shapes: Iterable[Any]) -> set[type[msgspec.Struct]]:
    """All structs the shapes are made of."""
    found: set[type[msgspec.Struct]] = set()

    def walk(kind: Any) -> None:
        if isinstance(kind, msgspec.inspect.StructType):
            if kind.cls in found:
                return
            found.add(kind.cls)
            for field in kind.fields:
                walk(field.type)
        for part in ("item_type", "value_type", "types", "item_types", "type"):
            inner = getattr(kind, part, None)
            for one in inner if isinstance(inner, tuple) else (inner,):
                if isinstance(one, msgspec.inspect.Type):
                    walk(one)

    for shape in shapes:
        walk(msgspec.inspect.type_info(shape))
    return found


def _operation(operation: Operation) -> dict[str, Any]:
    parameters = [_path_parameter(name) for name in re.findall(r"{(\w+)}", operation.path)]
    if operation.query is not None:
        parameters += _query_parameters(operation.query)
    made: dict[str, Any] = {
        "operationId": operation.handler.__module__.rpartition(".")[2]
        + "_"
        + operation.handler.__name__,
        "summary": operation.summary,
        "tags": [operation.tag],
        "responses": _responses(operation),
    }
    if parameters:
        made["parameters"] = parameters
    if operation.body is not None:
        content = {media: {"schema": _reference(operation.body)} for media in operation.body_media}
        content |= {media: {"schema": {"type": "string"}} for media in operation.lines_media}
        made["requestBody"] = {"required": True, "content": content}
    return made


def _responses(operation: Operation) -> dict[str, Any]:
    good: dict[str, Any] = {"description": operation.summary}
    if operation.answers:
        schemas = [_reference(answer) for answer in operation.answers]
        schema = schemas[0] if len(schemas) == 1 else {"oneOf": schemas}
        good["content"] = {operation.media: {"schema": schema}}
    elif operation.status != 204:
        good["content"] = {operation.media: {"schema": {"type": "string"}}}
    refused = dict(operation.refusals)
    if "{" in operation.path:
        refused.setdefault(404, "There is no such thing")
    if operation.body is not None:
        refused.setdefault(400, "The body is not JSON")
        refused.setdefault(413, "The body is longer than 64 MiB")
    if operation.body is not None or operation.query is not None:
        refused.setdefault(422, "Something asked for cannot be; the problem names the place")
    if operation.shared:
        refused.setdefault(503, "What replicas share cannot be reached now")
    problem = {CONTENT_TYPE: {"schema": {"$ref": _REFERENCE.format(name="Problem")}}}
    answers = {str(operation.status): good}
    for status, text in operation.also.items():
        answers[str(status)] = {**good, "description": text}
    for status, text in sorted(refused.items()):
        answers[str(status)] = {"description": text, "content": problem}
    answers["default"] = {"description": "Any other problem", "content": problem}
    return answers


def _path_parameter(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": _NAMES[name],
        "schema": {"type": "string", "minLength": 1},
    }


def _query_parameters(shape: type[msgspec.Struct]) -> list[dict[str, Any]]:
    _, components = msgspec.json.schema_components([shape], ref_template=_REFERENCE)
    schema = components[shape.__name__]
    add_field_texts(schema, shape)
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "description": text.pop("description", ""),
            "schema": text,
        }
        for name, text in schema["properties"].items()
    ]


def _reference(shape: Any) -> dict[str, Any]:
    (reference,), _ = msgspec.json.schema_components([shape], ref_template=_REFERENCE)
    return reference
