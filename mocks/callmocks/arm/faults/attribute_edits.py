from collections.abc import Callable, MutableMapping
from typing import Any

from lxml import etree
from msgspec.structs import replace

from callmocks.arm import frames, tree
from callmocks.contract.xml import edit_document
from callmocks.faults.base import FaultContext
from callmocks.tenants.exchange import Reply

Attributes = MutableMapping[str, str]
# Of all elements of a name.
Change = Callable[[list[Attributes]], None]


def change_attributes(
    context: FaultContext, reply: Reply, element: str, change: Change
) -> Reply | None:
    """The answer with the attributes of every such element changed; None when it has none."""

    def edit(root: etree._Element) -> bool:
        found: list[Any] = [node.attrib for node in root.iter(element)]
        if found:
            change(found)
        return bool(found)

    if context.exchange.transport == "frame":
        body = _edit_frame(reply.body, element, change)
    else:
        body = edit_document(reply.body, edit)
    return None if body is None else replace(reply, body=body)


def _edit_frame(frame: bytes, element: str, change: Change) -> bytes | None:
    try:
        root = tree.decode(frames.get_body(frame))
    except tree.TreeError:
        return None
    found: list[Attributes] = [n.attributes for n in tree.iter_nodes(root) if n.name == element]
    if not found:
        return None
    change(found)
    return frames.with_body(frame, tree.encode(root))
