"""Answers of the workplace taken apart: the same tree, as JSON in a frame or as XML."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from dataclasses import replace
from typing import Any

import msgspec
from lxml import etree

from callmocks.arm.faults import frame_edits
from callmocks.contract.xml import edit_document
from callmocks.faults.base import FaultContext
from callmocks.tenants.exchange import Reply

Attributes = MutableMapping[str, str]


def change_attributes(
    turn: FaultContext, reply: Reply, element: str, change: Callable[[Attributes], None]
) -> Reply | None:
    """The answer with the attributes of every such element changed; None when it has none."""
    if turn.exchange.transport == "frame":
        changed = _change_json(frame_edits.get_body(reply), element, change)
        return None if changed is None else frame_edits.replace_body(reply, changed)

    def edit(root: etree._Element) -> bool:
        found = list(root.iter(element))
        for node in found:
            attributes: Any = node.attrib
            change(attributes)
        return bool(found)

    body = edit_document(reply.body, edit)
    return None if body is None else replace(reply, body=body)


def _change_json(body: bytes, element: str, change: Callable[[Attributes], None]) -> bytes | None:
    try:
        tree = msgspec.json.decode(body)
    except ValueError:
        return None
    found = False

    def visit(node: Any) -> None:
        nonlocal found
        if not isinstance(node, dict):
            return
        if node.get("_name") == element:
            change(node.setdefault("_attributes", {}))
            found = True
        for child in node.get("_content", ()):
            visit(child)

    for root in tree:
        visit(root)
    return msgspec.json.encode(tree) if found else None
