"""The XML tree of the workplace's protocol, written as JSON.

    [{"_name": n, "_attributes": {name: text}, "_content": [children]}]

Documented by example: exactly one root, keys in this order, ``_attributes`` and ``_content``
left out when empty, every attribute value a string. A text among the children is a plain string
(assumed).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

import msgspec

from callmocks.errors import CallmocksError

MAX_DEPTH = 32
"""Elements inside one another; the protocol's deepest tree has 6."""


class TreeError(CallmocksError):
    """JSON that is not such a tree, or a tree that no XML document can be; names the place."""


class Node(
    msgspec.Struct,
    rename={"name": "_name", "attributes": "_attributes", "content": "_content"},
    omit_defaults=True,
    forbid_unknown_fields=True,
):
    """One element: its name, its attributes in order, its children and texts."""

    name: str
    attributes: dict[str, str] = {}
    content: list[Node | str] = []


_decoder = msgspec.json.Decoder(list[Node])
_encoder = msgspec.json.Encoder()

# XML's names, a little wider: the XML parser that reads the result is the judge of the rest.
_NAME = re.compile(r"[^\W\d][\w.\-]*(:[^\W\d][\w.\-]*)?")
_SPECIAL = re.compile(r'[&<>"\t\n\r]')
_ESCAPED = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "\t": "&#9;",
    "\n": "&#10;",
    "\r": "&#13;",
}


def decode(body: bytes) -> Node:
    """The root of a tree; ``TreeError`` when the JSON is anything else."""
    try:
        roots = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise TreeError(f"JSON: {error}") from None
    except RecursionError:
        raise TreeError(f"JSON: nested deeper than {MAX_DEPTH} elements") from None
    if len(roots) != 1:
        raise TreeError(f"JSON: expected exactly one root in the outermost array, got {len(roots)}")
    return roots[0]


def encode(root: Node) -> bytes:
    """Compact JSON in UTF-8: what the vendor's declared lengths count."""
    return _encoder.encode([root])


def json_to_xml(body: bytes) -> bytes:
    """The document that a tree in JSON stands for; errors of ``decode`` and ``to_xml``."""
    return to_xml(decode(body))


def iter_nodes(root: Node) -> Iterator[Node]:
    """A node and all below it, in the order of the document."""
    yield root
    for child in root.content:
        if isinstance(child, Node):
            yield from iter_nodes(child)


def encode_element(node: Node) -> bytes:
    """Compact JSON of one element without the outermost array."""
    return _encoder.encode(node)


def to_xml(root: Node) -> bytes:
    """The XML the tree stands for, in UTF-8 and without a declaration.

    ``TreeError`` for names that XML does not have and for trees that are too deep; whether the
    characters and the namespaces are XML's, a parser must say.
    """
    return _render_element(root, 1).encode("utf-8")


def escape_text(text: str) -> str:
    """Text as it stands in XML, between tags or quotes."""
    return _SPECIAL.sub(_escape_character, text) if _SPECIAL.search(text) else text


def _escape_character(match: re.Match[str]) -> str:
    return _ESCAPED[match[0]]


def _render_element(node: Node, depth: int) -> str:
    if depth > MAX_DEPTH:
        raise TreeError(f"nested deeper than {MAX_DEPTH} elements")
    name = _check_name(node.name)
    pairs = [
        f' {_check_name(key)}="{escape_text(value)}"' for key, value in node.attributes.items()
    ]
    if not node.content:
        return f"<{name}{''.join(pairs)}/>"
    inside = [
        escape_text(child) if isinstance(child, str) else _render_element(child, depth + 1)
        for child in node.content
    ]
    return f"<{name}{''.join(pairs)}>{''.join(inside)}</{name}>"


@lru_cache(maxsize=1024)
def _check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise TreeError(f"expected the name of an element or attribute, got {name[:80]!r}")
    return name
