"""A request's body, parsed and validated: JSON tree or XML document, then the command's XSD."""

from collections.abc import Callable, Mapping
from functools import cache, lru_cache, partial
from typing import Literal, NamedTuple

from lxml import etree

from callmocks.arm import prepared_filters, schema, tree
from callmocks.arm.schema import Schema, SchemaViolation
from callmocks.contract.garbage import paused_collection
from callmocks.errors import CallmocksError

BodyFormat = Literal["json", "xml"]

_MAX_CACHED_BYTES = 2048
_ATTRIBUTE_ELEMENTS = {schema.HISTORY: "filters", schema.LOGIN: "request", schema.LOGOUT: "in"}


class BodyOptions(NamedTuple):
    """``charset`` is the Content-Type's. Without ``empty_values``, an empty one is not given."""

    format: BodyFormat
    contract: str
    empty_values: bool = True
    charset: str | None = None


class CommandBody(NamedTuple):
    """``dropped``: an empty value counted as not given; ``parse_problem``: where it is no tree."""

    attributes: Mapping[str, str]
    explain: Callable[[], tuple[SchemaViolation, ...]] | None = None  # of an invalid one
    parse_error: str = ""
    parse_problem: tree.Problem | None = None
    dropped: bool = False

    @property
    def violations(self) -> tuple[SchemaViolation, ...]:
        return () if self.explain is None else self.explain()


def parse_body(body: bytes, command: str, options: BodyOptions) -> CommandBody:
    # A client that polls sends the same bytes again and again.
    if command == schema.HISTORY and len(body) <= _MAX_CACHED_BYTES:
        return _parse_small_body(body, command, options)
    with paused_collection():
        return _parse_body(body, command, options)


@lru_cache(maxsize=512)
def _parse_small_body(body: bytes, command: str, options: BodyOptions) -> CommandBody:
    if options.format == "json":
        filters = prepared_filters.read_filters(body, options.contract)
        if filters is not None:
            return CommandBody(filters)
    return _parse_body(body, command, options)


def _parse_body(body: bytes, command: str, options: BodyOptions) -> CommandBody:
    try:
        document = tree.json_to_xml(body) if options.format == "json" else body
        root = schema.parse(document, options.charset)
    except tree.TreeError as error:
        return CommandBody({}, parse_error=str(error), parse_problem=error.problem)
    except CallmocksError as error:
        return CommandBody({}, parse_error=str(error))
    dropped = command == schema.HISTORY and not options.empty_values and _drop_empty_values(root)
    validator = schema.get_schema(command, options.contract)
    if root.tag != "in" or not validator.is_valid(root):
        return CommandBody({}, cache(partial(_find_violations, validator, root)), dropped=dropped)
    element = next(root.iter(_ATTRIBUTE_ELEMENTS[command]))
    attributes = {str(name): str(value) for name, value in element.attrib.items()}
    return CommandBody(attributes, dropped=dropped)


def _find_violations(validator: Schema, root: etree._Element) -> tuple[SchemaViolation, ...]:
    if root.tag != "in":  # the schema has the root of answers, too
        return (schema.describe_wrong_root(root),)
    return tuple(validator.explain(root))


def _drop_empty_values(root: etree._Element) -> bool:
    """Take the empty filters away before the schema sees them: they are no numbers."""
    empty = [
        (element, name)
        for element in root.iter("filters")
        for name, value in element.attrib.items()
        if not value
    ]
    for element, name in empty:
        del element.attrib[name]
    return bool(empty)
