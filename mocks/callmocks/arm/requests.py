"""A request's body, parsed and validated: JSON tree or XML document, then the command's XSD."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, NamedTuple

from callmocks.arm import schema, tree
from callmocks.arm.schema import SchemaViolation
from callmocks.errors import CallmocksError

BodyFormat = Literal["json", "xml"]

_MAX_CACHED_BYTES = 2048
_ATTRIBUTE_ELEMENTS = {schema.HISTORY: "filters", schema.LOGIN: "request", schema.LOGOUT: "in"}


class CommandBody(NamedTuple):
    attributes: Mapping[str, str]
    violations: tuple[SchemaViolation, ...] = ()
    parse_error: str = ""


def parse_body(body: bytes, body_format: BodyFormat, command: str, contract: str) -> CommandBody:
    # A client that polls sends the same bytes again and again.
    if command == schema.HISTORY and len(body) <= _MAX_CACHED_BYTES:
        return _parse_cached(body, body_format, command, contract)
    return _parse_body(body, body_format, command, contract)


def _parse_body(body: bytes, body_format: BodyFormat, command: str, contract: str) -> CommandBody:
    try:
        root = schema.parse(tree.json_to_xml(body) if body_format == "json" else body)
    except CallmocksError as error:
        return CommandBody({}, parse_error=str(error))
    violations = schema.get_schema(command, contract).validate(root)
    if not violations and root.tag != "in":
        violations = [SchemaViolation(f"/{root.tag}", "the root in", str(root.tag))]
    if violations:
        return CommandBody({}, tuple(violations))
    element = next(root.iter(_ATTRIBUTE_ELEMENTS[command]))
    return CommandBody({str(name): str(value) for name, value in element.attrib.items()})


_parse_cached = lru_cache(maxsize=512)(_parse_body)
