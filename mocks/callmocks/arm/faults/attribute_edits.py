"""Answers of the workplace taken apart: the same tree, as JSON in a frame or as XML."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from dataclasses import replace
from typing import Any

import msgspec
from lxml import etree

from callmocks.arm.faults import frame_edits
from callmocks.faults.base import Turn
from callmocks.tenants.exchange import Reply

Attributes = MutableMapping[str, str]

_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)


def with_attributes(
    turn: Turn, reply: Reply, element: str, change: Callable[[Attributes], None]
) -> Reply | None:
    """The answer with the attributes of every such element changed; None when it has none."""
    if turn.exchange.transport == "frame":
        return frame_edits.with_json(reply, _json(frame_edits.json_of(reply), element, change))
    body = _xml(reply.body, element, change)
    return None if body is None else replace(reply, body=body)


def _json(body: bytes, element: str, change: Callable[[Attributes], None]) -> bytes | None:
    try:
        tree = msgspec.json.decode(body)
    except ValueError:
        return None
    found = False

    def walk(node: Any) -> None:
        nonlocal found
        if not isinstance(node, dict):
            return
        if node.get("_name") == element:
            change(node.setdefault("_attributes", {}))
            found = True
        for child in node.get("_content", ()):
            walk(child)

    for root in tree:
        walk(root)
    return msgspec.json.encode(tree) if found else None


def _xml(body: bytes, element: str, change: Callable[[Attributes], None]) -> bytes | None:
    try:
        tree = etree.fromstring(body, _PARSER)
    except etree.XMLSyntaxError:
        return None
    found = list(tree.iter(element))
    for node in found:
        change(node.attrib)
    declared = body.lstrip().startswith(b"<?xml")
    return etree.tostring(tree, encoding="utf-8", xml_declaration=declared) if found else None
