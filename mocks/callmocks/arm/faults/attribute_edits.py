from collections.abc import Callable, MutableMapping
from typing import Any

from lxml import etree
from msgspec.structs import replace

from callmocks.arm import frames, tree
from callmocks.contract.xml import edit_document
from callmocks.faults.base import FaultContext
from callmocks.tenants.exchange import Reply

Attributes = MutableMapping[str, str]


def change_attributes(
    context: FaultContext, reply: Reply, element: str, change: Callable[[Attributes], None]
) -> Reply | None:
    """The answer with the attributes of every such element changed; None when it has none."""

    def edit(root: etree._Element) -> bool:
        found = list(root.iter(element))
        for node in found:
            attributes: Any = node.attrib
            change(attributes)
        return bool(found)

    if context.exchange.transport == "frame":
        body = _edit_frame(reply.body, element, change)
    else:
        body = edit_document(reply.body, edit)
    return None if body is None else replace(reply, body=body)


def _edit_frame(frame: bytes, element: str, change: Callable[[Attributes], None]) -> bytes | None:
    try:
        root = tree.decode(frames.get_body(frame))
    except tree.TreeError:
        return None
    found = [node for node in tree.iter_nodes(root) if node.name == element]
    for node in found:
        change(node.attributes)
    return frames.with_body(frame, tree.encode(root)) if found else None
