"""The OpenAPI document, made from the same table of routes and structs that serves."""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from callmocks import __version__
from callmocks.control.problems import CONTENT_TYPE, Problem
from callmocks.control.routing import Route

_REF_TEMPLATE = "#/components/schemas/{name}"

_PATH_PARAMETERS = {
    "tenant": "Name of a tenant",
    "fault": "Id of a fault that is on",
    "assumption": "Id in the ledger",
    "call": "CDR session id of a pinned call",
}


def build_document(operations: Iterable[Route], *, guarded: bool) -> dict[str, Any]:
    table = list(operations)
    components = _build_schemas(table)
    paths: dict[str, dict[str, Any]] = {}
    for operation in table:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _describe_operation(
            operation
        )
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


def _build_schemas(operations: list[Route]) -> dict[str, Any]:
    models = [model for op in operations for model in (op.body, *op.responses) if model is not None]
    _, components = msgspec.json.schema_components([*models, Problem], ref_template=_REF_TEMPLATE)
    return {name: put_descriptions_last(schema) for name, schema in components.items()}


def put_descriptions_last(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a struct with the members of its fields in their documented order."""
    for field in schema.get("properties", {}).values():
        if "description" in field:
            field["description"] = field.pop("description")
    return schema


def _describe_operation(operation: Route) -> dict[str, Any]:
    parameters = [_describe_path_parameter(name) for name in re.findall(r"{(\w+)}", operation.path)]
    if operation.query is not None:
        parameters += _describe_query(operation.query)
    made: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [operation.tag],
        "responses": _describe_responses(operation),
    }
    if parameters:
        made["parameters"] = parameters
    if operation.body is not None:
        content = {
            media: {"schema": _schema_reference(operation.body)} for media in operation.body_media
        }
        content |= {media: {"schema": {"type": "string"}} for media in operation.lines_media}
        made["requestBody"] = {"required": True, "content": content}
    return made


def _describe_responses(operation: Route) -> dict[str, Any]:
    good: dict[str, Any] = {"description": operation.summary}
    if operation.responses:
        schemas = [_schema_reference(answer) for answer in operation.responses]
        schema = schemas[0] if len(schemas) == 1 else {"oneOf": schemas}
        good["content"] = {operation.media: {"schema": schema}}
    elif operation.status != 204:
        good["content"] = {operation.media: {"schema": {"type": "string"}}}
    refused = dict(operation.problems)
    if "{" in operation.path:
        refused.setdefault(404, "There is no such thing")
    if operation.body is not None:
        refused.setdefault(400, "The body is not JSON")
        refused.setdefault(413, "The body is longer than 64 MiB")
    if operation.body is not None or operation.query is not None:
        refused.setdefault(422, "Something asked for cannot be; the problem names the place")
    if operation.replicated:
        refused.setdefault(503, "What replicas share cannot be reached now")
    problem = {CONTENT_TYPE: {"schema": {"$ref": _REF_TEMPLATE.format(name="Problem")}}}
    answers = {str(operation.status): good}
    for status, text in operation.other_statuses.items():
        answers[str(status)] = {**good, "description": text}
    for status, text in sorted(refused.items()):
        answers[str(status)] = {"description": text, "content": problem}
    answers["default"] = {"description": "Any other problem", "content": problem}
    return answers


def _describe_path_parameter(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": _PATH_PARAMETERS[name],
        "schema": {"type": "string", "minLength": 1},
    }


def _describe_query(model: type[msgspec.Struct]) -> list[dict[str, Any]]:
    _, components = msgspec.json.schema_components([model], ref_template=_REF_TEMPLATE)
    schema = components[model.__name__]
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "description": field.pop("description", ""),
            "schema": field,
        }
        for name, field in schema["properties"].items()
    ]


def _schema_reference(model: Any) -> dict[str, Any]:
    (reference,), _ = msgspec.json.schema_components([model], ref_template=_REF_TEMPLATE)
    return reference
