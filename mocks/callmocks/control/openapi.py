"""The OpenAPI document, from the table of routes and its structs."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from callmocks import __version__
from callmocks.control.guard import OPEN_PATHS
from callmocks.control.json_struct import schema_components
from callmocks.control.problems import CONTENT_TYPE, Problem, format_bytes
from callmocks.control.request_bodies import MAX_BODY_BYTES
from callmocks.control.routing import Route

_REF_TEMPLATE = "#/components/schemas/{name}"

UNREACHABLE = "What replicas share cannot be reached now"
_PATH_PARAMETERS = {
    "tenant": "Name of a tenant",
    "connection": "Id of an open websocket",
    "snapshot": "Name of a snapshot",
    "fault": "Id of a fault that is on",
    "assumption": "Id in the ledger",
    "call": "CDR session id of a pinned call",
    "file": "Name of a file, as `/schemas` lists it",
    "provider": "`arm`, `cdr` or `onec`",
}
_ACCESS = "The token of `--admin-token`; while none is set, none is needed."
_SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": _ACCESS},
    "basic": {
        "type": "http",
        "scheme": "basic",
        "description": f"{_ACCESS} It is the password; any user name will do.",
    },
}


def build_document(
    routes: Sequence[Route], *, guarded: bool, body_limit: int = MAX_BODY_BYTES
) -> dict[str, Any]:
    """``guarded``: a token is required."""
    components = _build_schemas(routes)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        described = _describe_route(route, guarded=guarded, body_limit=body_limit)
        paths.setdefault(route.path, {})[route.method.lower()] = described
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "callmocks control",
            "version": __version__,
            "description": "Tenants, clock, faults, journal, pinned calls and assumptions.",
        },
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": _SECURITY_SCHEMES},
        "security": [{name: []} for name in _SECURITY_SCHEMES] if guarded else [],
    }
    return document


def _build_schemas(routes: Sequence[Route]) -> dict[str, Any]:
    models = [
        model for route in routes for model in (route.body, *route.responses) if model is not None
    ]
    _, components = schema_components([*models, Problem], _REF_TEMPLATE)
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(components))  # without tuples
    return {name: put_descriptions_last(schema) for name, schema in plain.items()}


def put_descriptions_last(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a struct with the members of its fields in their documented order."""
    for field in schema.get("properties", {}).values():
        if "description" in field:
            field["description"] = field.pop("description")
    return schema


def _describe_route(route: Route, *, guarded: bool, body_limit: int) -> dict[str, Any]:
    parameters = [_describe_path_parameter(name) for name in re.findall(r"{(\w+)}", route.path)]
    if route.query is not None:
        parameters += _describe_query(route.query)
    described: dict[str, Any] = {
        "operationId": route.id,
        "summary": route.summary,
        "tags": [route.tag],
        "responses": _describe_responses(route, guarded=guarded, body_limit=body_limit),
    }
    if route.path in OPEN_PATHS:
        described["security"] = []
    if parameters:
        described["parameters"] = parameters
    if route.body is not None:
        content = {"application/json": {"schema": _schema_reference(route.body)}}
        content |= {media: {"schema": {"type": "string"}} for media in route.lines_media}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _describe_responses(route: Route, *, guarded: bool, body_limit: int) -> dict[str, Any]:
    success: dict[str, Any] = {"description": route.summary}
    if route.responses:
        schemas = [_schema_reference(model) for model in route.responses]
        schema = schemas[0] if len(schemas) == 1 else {"oneOf": schemas}
        success["content"] = {media: {"schema": schema} for media in route.media}
    elif route.status != 204:
        success["content"] = {
            media: {"schema": {} if media == "application/json" else {"type": "string"}}
            for media in route.media
        }
    problems = dict(route.problems)
    if guarded and route.path not in OPEN_PATHS:
        problems.setdefault(401, "The admin token is missing or wrong")
    if "{" in route.path:
        problems.setdefault(404, "There is no such thing")
    if route.body is not None:
        problems.setdefault(400, "The body is not JSON")
        problems.setdefault(413, f"The body is longer than {format_bytes(body_limit)}")
    if route.body is not None or route.query is not None:
        problems.setdefault(422, "Something asked for cannot be; the problem names the place")
    if route.replicated:
        problems.setdefault(503, UNREACHABLE)
    problem = {CONTENT_TYPE: {"schema": {"$ref": _REF_TEMPLATE.format(name="Problem")}}}
    answers = {str(route.status): success}
    for status, text in route.other_statuses.items():
        answers[str(status)] = {**success, "description": text}
    for status, text in sorted(problems.items()):
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
    _, components = schema_components([model], _REF_TEMPLATE)
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
    (reference,), _ = schema_components([model], _REF_TEMPLATE)
    return reference
