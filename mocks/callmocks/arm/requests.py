"""A request's body read and validated: JSON tree or XML document, then the command's XSD.

The outcome depends on the bytes alone, so that of small bodies is remembered: a client that polls
sends the same ones again and again.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, NamedTuple

from callmocks.arm import schema, tree
from callmocks.arm.schema import SchemaViolation
from callmocks.errors import CallmocksError

BodyFormat = Literal["json", "xml"]

_MAX_CACHED_BYTES = 2048
"""Bytes of the longest body whose outcome is remembered."""
_ATTRIBUTE_ELEMENTS = {schema.HISTORY: "filters", schema.LOGIN: "request", schema.LOGOUT: "in"}
"""The element of each command that has attributes."""


class CommandBody(NamedTuple):
    """What a body says: the attributes of its command, or why there are none.

    ``unreadable``: it is no tree or no document. ``faults``: its schema refuses it.
    """

    attributes: Mapping[str, str]
    violations: tuple[SchemaViolation, ...] = ()
    parse_error: str = ""


def parse_body(body: bytes, body_format: BodyFormat, command: str, contract: str) -> CommandBody:
    """Read and validate the body of a known command."""
    if command == schema.HISTORY and len(body) <= _MAX_CACHED_BYTES:
        return _parse_cached(body, body_format, command, contract)
    return _parse_body(body, body_format, command, contract)


def _parse_body(body: bytes, body_format: BodyFormat, command: str, contract: str) -> CommandBody:
    try:
        root = schema.parse(tree.to_xml(tree.decode(body)) if body_format == "json" else body)
    except CallmocksError as error:
        return CommandBody({}, parse_error=str(error))
    faults = schema.get_schema(command, contract).validate(root)
    if not faults and root.tag != "in":
        faults = [SchemaViolation(f"/{root.tag}", "the root in", str(root.tag))]
    if faults:
        return CommandBody({}, tuple(faults))
    bearer = next(root.iter(_ATTRIBUTE_ELEMENTS[command]))
    return CommandBody({str(name): str(value) for name, value in bearer.attrib.items()})


_parse_cached = lru_cache(maxsize=512)(_parse_body)
