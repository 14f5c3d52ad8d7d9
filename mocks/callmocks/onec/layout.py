"""The spacing of answers, which clients that walk the DOM by position see as text nodes."""

from collections.abc import Iterator
from io import BytesIO
from typing import Final, NamedTuple

from lxml import etree

from callmocks.contract.xml import make_parser
from callmocks.onec.namespaces import split_name
from callmocks.onec.scalars import escape_text, quote_attribute

_LINE_END: Final = "\r\n"
_ROW_DEPTH: Final = 6  # Envelope, Body, response, return, Property, Value
_XML_NAMESPACE: Final = "http://www.w3.org/XML/1998/namespace"


class Layout(NamedTuple):
    """``row`` comes before the tags of a row, ``cell`` before each of its cells."""

    row: str
    cell: str
    indented: bool

    def format_document(self, xml: bytes) -> bytes:
        """``xml``, which is compact, in this layout."""
        return indent_document(xml) if self.indented else xml


def _break_line(depth: int) -> str:
    return _LINE_END + "\t" * depth


# By the choice of ``onec.answer-layout``.
LAYOUTS: Final = {
    "indented": Layout(_break_line(_ROW_DEPTH), _break_line(_ROW_DEPTH + 1), True),
    "compact": Layout("", "", False),
}


def indent_document(xml: bytes) -> bytes:
    """A document without mixed content as the live service writes it.

    A tab for each level, two more before each attribute but the first.
    """
    root = etree.fromstring(xml, make_parser(huge_tree=True))  # which no other thread waits for
    written = BytesIO()  # all pieces together take more room than their bytes
    for piece in _write_element(root, 0):
        written.write(piece.encode())
    return written.getvalue()


def _write_element(element: etree._Element, depth: int) -> Iterator[str]:
    name = _write_name(element, element.tag)
    attributes = _break_line(depth + 2).join(_list_attributes(element))
    yield f"<{name} {attributes}" if attributes else f"<{name}"
    if len(element):
        yield ">"
        for child in element:
            yield _break_line(depth + 1)
            yield from _write_element(child, depth + 1)
        yield f"{_break_line(depth)}</{name}>"
    elif element.text:
        yield f">{escape_text(element.text)}</{name}>"
    else:
        yield "/>"


def _list_attributes(element: etree._Element) -> Iterator[str]:
    parent = element.getparent()
    inherited = {} if parent is None else parent.nsmap
    declared = element.nsmap.items() - inherited.items()
    for prefix, namespace in sorted(declared, key=lambda each: each[0] or ""):
        yield f"xmlns{f':{prefix}' if prefix else ''}={quote_attribute(namespace)}"
    for name, value in element.attrib.items():
        yield f"{_write_name(element, name)}={quote_attribute(str(value))}"


def _write_name(element: etree._Element, name: object) -> str:
    namespace, local = split_name(str(name))
    if name == element.tag:
        return f"{element.prefix}:{local}" if element.prefix else local
    if not namespace:
        return local
    if namespace == _XML_NAMESPACE:
        return f"xml:{local}"
    prefixes = (prefix for prefix, known in element.nsmap.items() if prefix and known == namespace)
    return f"{next(prefixes)}:{local}"
