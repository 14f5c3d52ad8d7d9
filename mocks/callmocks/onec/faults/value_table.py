"""Answers of the 1C-Connect service taken apart: the ValueTable in the envelope."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from lxml import etree

from callmocks.tenants.exchange import Reply

CORE = "{http://v8.1c.ru/8.1/data/core}"
XSI = "{http://www.w3.org/2001/XMLSchema-instance}"

_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)


class ValueTableElement:
    """A ValueTable: its element, its columns and its rows."""

    def __init__(self, element: etree._Element) -> None:
        self.element = element
        self.columns = element.findall(f"{CORE}column")
        self.rows = element.findall(f"{CORE}row")


def edit_table(reply: Reply, change: Callable[[ValueTableElement], bool]) -> Reply | None:
    """The answer with its table changed; None when it has no table or nothing was changed."""
    try:
        tree = etree.fromstring(reply.body, _PARSER)
    except etree.XMLSyntaxError:
        return None
    first = next(tree.iter(f"{CORE}column"), None)
    element = None if first is None else first.getparent()
    if element is None or not change(ValueTableElement(element)):
        return None
    declared = reply.body.lstrip().startswith(b"<?xml")
    return replace(reply, body=etree.tostring(tree, encoding="utf-8", xml_declaration=declared))
