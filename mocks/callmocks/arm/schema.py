"""Validation by XSD: lxml tells whether a message is valid, xmlschema what is wrong with it."""

from __future__ import annotations

import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from contextlib import suppress
from functools import cache, lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from lxml import etree

from callmocks.contract.quoting import shorten_text
from callmocks.contract.resources import schema_path
from callmocks.contract.xml import find_excess, get_dtd, make_parser
from callmocks.contract.xsd import XsdValidator, XsdViolation, is_small
from callmocks.errors import CallmocksError

if TYPE_CHECKING:
    import xmlschema

HISTORY = "operator_call_history"
LOGIN = "login"
LOGOUT = "logout"
COMMANDS = (HISTORY, LOGIN, LOGOUT)

_XS = "{http://www.w3.org/2001/XMLSchema}"
_XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
_TYPE_ERROR = re.compile(f"Element '[^']*', attribute '{re.escape(_XSI_TYPE)}': ")
_VALUE_ERROR = re.compile(r"attribute ([^\s=]+)=")
_MISSING_ERROR = re.compile(r"missing required attribute '([^']+)'")
_UNKNOWN_ERROR = re.compile(r"'([^']+)' attribute not allowed")
# What libxml2 adds to an error that names line and column already.
_POSITION = re.compile(r"\s*\(<string>, line \d+\)$")
# An option of the parser, which is not the client's.
_ADVICE = re.compile(r", use XML_PARSE_HUGE option|\n")
_BYTE_ORDER_MARKS = (BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE)
_MAX_VALUE_CHARS = 80
_MAX_NAMESPACES = 100  # in scope; the protocol has one
_MAX_VIOLATIONS = 10
_MAX_EXPLAINED_ERRORS = 100


class SchemaViolation(NamedTuple):
    """Where a message breaks its schema; ``where`` is an XPath."""

    where: str
    expected: str
    got: str


class XmlError(CallmocksError):
    """A document that is not well-formed, has a document type or an element beyond a bound."""


class AttributeType(NamedTuple):
    """``type`` is one of XML Schema's own, or has ``choices``."""

    name: str
    type: str
    choices: tuple[str, ...]
    required: bool


class Schema:
    def __init__(self, file: str) -> None:
        self._path = str(schema_path(f"arm/{file}"))
        self.validator = XsdValidator(etree.XMLSchema(file=self._path))
        self._parser = make_parser(schema=self.validator.schema)
        self._xmlschema: xmlschema.XMLSchema | None = None

    def is_valid(self, root: etree._Element) -> bool:
        return self.validator.is_valid(root)

    def validate(self, root: etree._Element) -> list[SchemaViolation]:
        return [] if self.is_valid(root) else self.explain(root)

    def validate_bytes(self, document: bytes) -> list[SchemaViolation]:
        """The same for a document that is well-formed, but not parsed yet."""
        try:
            etree.fromstring(document, self._parser)
        except etree.XMLSyntaxError:
            return self.explain(parse(document))
        return []

    def explain(self, root: etree._Element) -> list[SchemaViolation]:
        """Of an invalid one. The first time takes long, see ``load_explainer``."""
        errors = self.validator.find_violations(root, _MAX_EXPLAINED_ERRORS + 1)
        explained = _find_wrong_types(errors)
        # xmlschema writes the whole element into each error: hundreds of them would take minutes,
        # and so would a few of an element with thousands of children.
        if not explained and is_small(root) and len(errors) <= _MAX_EXPLAINED_ERRORS:
            explained = [*dict.fromkeys(self._iter_explained(root))]
        return explained or [
            SchemaViolation(_get_path(error.element), error.message, "this")
            for error in errors[:_MAX_VIOLATIONS]
        ]

    def _iter_explained(self, root: etree._Element) -> Iterator[SchemaViolation]:
        from xmlschema import XMLSchemaException

        # Behind a mistake, where lxml looks no further, an unknown xsi:type ends it with an error.
        with suppress(XMLSchemaException):
            for error in islice(self.load_explainer().iter_errors(root), _MAX_VIOLATIONS):
                yield _locate_error(error)

    @property
    def has_explainer(self) -> bool:
        return self._xmlschema is not None

    # It takes a hundred times longer than lxml: invalid messages alone need it.
    def load_explainer(self) -> xmlschema.XMLSchema:
        """With the first invalid message, beside the event loop: 250 ms."""
        if self._xmlschema is None:
            import xmlschema

            self._xmlschema = xmlschema.XMLSchema(self._path, allow="local")
        return self._xmlschema


@cache
def get_schema(command: str, contract: str = "documented") -> Schema:
    """The schema of a command: the vendor's to the letter in the contract profile ``strict``."""
    if command == HISTORY and contract == "documented":
        return Schema(f"{HISTORY}.documented.xsd")
    return Schema(f"{command}.xsd")


@cache
def load_request_attributes(command: str) -> tuple[str, ...]:
    """``filters.limit``: element and attribute, as the schema declares them below ``in``."""
    root = etree.parse(schema_path(f"arm/{command}.xsd"), make_parser()).getroot()
    types = {each.get("name"): each for each in root.iter(f"{_XS}complexType") if each.get("name")}
    request = next(each for each in root if each.get("name") == "in")
    found = []
    for element in request.iter(f"{_XS}element"):
        declared = types.get(element.get("type"), element.find(f"{_XS}complexType"))
        attributes = [] if declared is None else declared.findall(f"{_XS}attribute")
        found += [f"{element.get('name')}.{each.get('name')}" for each in attributes]
    return tuple(found)


def load_filter_types(contract: str) -> list[AttributeType]:
    """The attributes of ``filters``, as the contract's schema declares them."""
    file = f"{HISTORY}.documented.xsd" if contract == "documented" else f"{HISTORY}.xsd"
    root = etree.parse(schema_path(f"arm/{file}"), make_parser()).getroot()
    included = [each.get("schemaLocation") for each in root.iter(f"{_XS}include")]
    choices: dict[str, tuple[str, ...]] = {}
    for each in included:
        document = etree.parse(schema_path(f"arm/{each}"), make_parser())
        for type_ in document.getroot().iter(f"{_XS}simpleType"):
            values = type_.iter(f"{_XS}enumeration")
            choices[type_.get("name", "")] = tuple(value.get("value", "") for value in values)
    (filters,) = (each for each in root.iter(f"{_XS}complexType") if each.get("name") == "Filters")
    return [
        AttributeType(
            each.get("name", ""),
            each.get("type", ""),
            choices.get(each.get("type", ""), ()),
            each.get("use") == "required",
        )
        for each in filters.iter(f"{_XS}attribute")
    ]


def parse(document: bytes, charset: str | None = None) -> etree._Element:
    """The root of a document from outside; ``XmlError`` also for one with a document type.

    ``charset`` is the Content-Type's, for a document that has no declaration (RFC 7303).
    """
    declares = document.startswith((b"<?xml", *_BYTE_ORDER_MARKS))
    parser = _request_parser if charset is None or declares else _get_parser(charset)
    try:
        root = etree.fromstring(document, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        text = _ADVICE.sub("", _POSITION.sub("", str(error)))
        raise XmlError(f"not well-formed XML: {text}") from None
    if get_dtd(root.getroottree()) is not None:
        raise XmlError("a document type declaration is not accepted")
    if excess := find_excess(root, document, _MAX_NAMESPACES):
        raise XmlError(excess)
    return root


_request_parser = make_parser()


@lru_cache(maxsize=16)
def _get_parser(charset: str) -> etree.XMLParser:
    try:
        return make_parser(encoding=charset)
    except LookupError:
        raise XmlError(f"the charset {charset!r} of the Content-Type is not known") from None


def describe_wrong_root(root: etree._Element) -> SchemaViolation:
    """Of a request."""
    name = etree.QName(root).localname
    return SchemaViolation(f"/{name}", "the root in", _format_value(root.tag))


def _find_wrong_types(errors: list[XsdViolation]) -> list[SchemaViolation]:
    """Of ``xsi:type``: xmlschema raises an error of its own for a type that is not there."""
    return [
        SchemaViolation(
            f"{_get_path(error.element)}/@xsi:type",
            "a type of the schema that this element may have",
            _format_value(error.element.get(_XSI_TYPE)),
        )
        for error in errors[:_MAX_VIOLATIONS]
        if _TYPE_ERROR.match(error.message)
    ]


def _get_path(element: etree._Element) -> str:
    return str(element.getroottree().getpath(element))


def _locate_error(error: Any) -> SchemaViolation:
    path, reason, validator = error.path or "/", error.reason or "", error.validator
    value = _VALUE_ERROR.match(reason)
    if value:
        choices = " or ".join(map(repr, getattr(validator, "enumeration", None) or ()))
        type_name = str(getattr(validator, "prefixed_name", None) or "")
        expected = choices or type_name or reason.rpartition(": ")[2]
        return SchemaViolation(f"{path}/@{value[1]}", expected, _format_value(error.obj))
    missing = _MISSING_ERROR.match(reason)
    if missing:
        return SchemaViolation(f"{path}/@{missing[1]}", "this attribute, it is required", "none")
    unknown = _UNKNOWN_ERROR.match(reason)
    if unknown:
        known = ", ".join(name for name in validator if name) or "none"
        expected = f"attributes of this list: {known}"
        return SchemaViolation(f"{path}/@{unknown[1]}", expected, unknown[1])
    if error.expected_tags or error.invalid_tag:
        expected = " or ".join(map(str, error.expected_tags)) or "no further element"
        return SchemaViolation(path, expected, str(error.invalid_tag or "nothing"))
    if reason.startswith("character data"):
        texts = (error.elem.text, *(child.tail for child in error.elem))
        text = next((each.strip() for each in texts if each and each.strip()), "")
        return SchemaViolation(path, "no text here", _format_value(text))
    if reason.endswith("is not an element of the schema"):
        expected = f"the root {' or '.join(map(str, validator.elements))}"
        return SchemaViolation(path, expected, _format_value(error.elem.tag))
    return SchemaViolation(path, reason, _format_value(error.elem.text or error.elem.tag))


def _format_value(value: object) -> str:
    text = repr(value)
    return shorten_text(text, _MAX_VALUE_CHARS)
