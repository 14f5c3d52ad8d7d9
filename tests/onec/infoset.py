"""An XML element without what is only spelling: prefixes, indentation, order of attributes."""

from __future__ import annotations

from typing import Any

from lxml import etree

XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
CORE = "{http://v8.1c.ru/8.1/data/core}"
NAMES_IN_TEXT = {f"{CORE}Type", f"{CORE}TypeSet"}


def infoset(element: etree._Element) -> Any:
    """Nested tuples of names, attributes and text; names in content are resolved."""
    attributes = {
        name: _resolved(element, str(text)) if name == XSI_TYPE else text
        for name, text in element.attrib.items()
    }
    text = element.text or ""
    if len(element):
        assert not text.strip() and not any((child.tail or "").strip() for child in element)
        text = ""
    elif element.tag in NAMES_IN_TEXT:
        text = _resolved(element, text)
    return (
        element.tag,
        tuple(sorted(attributes.items())),
        text,
        tuple(infoset(child) for child in element),
    )


def _resolved(element: etree._Element, text: str) -> str:
    prefix, _, local = text.strip().rpartition(":")
    return f"{{{element.nsmap[prefix or None]}}}{local}"
