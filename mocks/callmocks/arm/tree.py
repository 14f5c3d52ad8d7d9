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
from typing import Any

import msgspec
from lxml import etree

from callmocks.contract.json_values import decode_json, describe_bad_utf8
from callmocks.contract.quoting import shorten_text
from callmocks.contract.xml import replace_forbidden
from callmocks.errors import CallmocksError

# Elements inside one another; the protocol's deepest tree has 6.
MAX_DEPTH = 32
_MAX_VALUE_CHARS = 80


Problem = tuple[str, str, str]
"""Where, what was expected, what is there."""


class TreeError(CallmocksError):
    """JSON that is no such tree, or a tree that no XML document can be; names the path."""

    def __init__(self, text: str, problem: Problem | None = None) -> None:
        super().__init__(text)
        self.problem = problem


class Node(
    msgspec.Struct,
    rename={"name": "_name", "attributes": "_attributes", "content": "_content"},
    omit_defaults=True,
    forbid_unknown_fields=True,
):
    """One element: its children and texts are ``content``."""

    name: str
    attributes: dict[str, str] = {}
    content: list[Node | str] = []


_decoder = msgspec.json.Decoder(list[Node])
_encoder = msgspec.json.Encoder()
encode_element = _encoder.encode  # without the outermost array

# A little wider than the names of XML, but no longer ones than are worth keeping: the parser that
# reads the result refuses the rest.
_NAME = re.compile(r"[^\W\d][\w.\-]{0,99}(:[^\W\d][\w.\-]{0,99})?")
_SPECIAL = re.compile(r'[&<>"\t\n\r]')
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}
_ESCAPED = str.maketrans(_ENTITIES | {char: f"&#{ord(char)};" for char in "\t\n\r"})


def decode(body: bytes) -> Node:
    try:
        roots = _decoder.decode(body)
    except msgspec.ValidationError as error:
        problem = _locate_error(body)
        if problem is None:
            raise TreeError(f"JSON: {error}") from None
        where, expected, got = problem
        text = f"JSON: {where}: expected {expected}, got {got}".replace("JSON: : ", "JSON: ")
        raise TreeError(text, problem if where else None) from None
    except UnicodeDecodeError:
        raise TreeError(f"JSON: {describe_bad_utf8(body)}") from None
    except msgspec.MsgspecError as error:
        raise TreeError(f"JSON: {error}") from None
    except RecursionError:
        raise TreeError(f"JSON: nested deeper than {MAX_DEPTH} elements") from None
    if len(roots) != 1:
        raise TreeError(f"JSON: expected exactly one root in the outermost array, got {len(roots)}")
    return roots[0]


def _locate_error(body: bytes) -> Problem | None:
    """Where JSON is no tree, by the names of elements and attributes; msgspec counts places."""
    try:
        roots = decode_json(body)
        if not isinstance(roots, list):
            return "", "an array of one root", _describe_value(roots)
        problems = (_find_problem(root, "") for root in roots)
        return next(filter(None, problems), None)
    except UnicodeDecodeError:
        raise TreeError(f"JSON: {describe_bad_utf8(body)}") from None
    except (msgspec.DecodeError, RecursionError):
        return None  # behind the place where it is no tree, it is no JSON, or too deep


def _find_problem(item: Any, path: str) -> Problem | None:
    if not isinstance(item, dict):
        return path or "/", "an element", _describe_value(item)
    name, attributes, content = (item.get(k) for k in ("_name", "_attributes", "_content"))
    if not isinstance(name, str):
        return path or "/", "an element's name in _name", _describe_value(name)
    path = f"{path}/{name}"
    unknown = item.keys() - {"_name", "_attributes", "_content"}
    if unknown:
        return path, "_name, _attributes and _content alone", ", ".join(sorted(unknown))
    if not isinstance(attributes, dict | None):
        return path, "an object in _attributes", _describe_value(attributes)
    for key, value in (attributes or {}).items():
        if not isinstance(value, str):
            return f"{path}/@{key}", "a string", _describe_value(value)
    if not isinstance(content, list | None):
        return path, "an array in _content", _describe_value(content)
    for index, child in enumerate(content or ()):
        if not isinstance(child, str | dict):
            return path, f"an element or a text in _content[{index}]", _describe_value(child)
    children = (_find_problem(child, path) for child in content or () if isinstance(child, dict))
    return next(filter(None, children), None)


def _describe_value(value: Any) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    text = msgspec.json.encode(value).decode()
    return shorten_text(text, _MAX_VALUE_CHARS)


def encode(root: Node) -> bytes:
    """Compact JSON: the declared length of the vendor's frames counts it so."""
    return _encoder.encode([root])


def json_to_xml(body: bytes) -> bytes:
    return to_xml(decode(body))


def answer_to_xml(body: bytes) -> bytes:
    """Characters that XML cannot hold are replaced, as they are in our own error texts."""
    return replace_forbidden(json_to_xml(body).decode("utf-8")).encode("utf-8")


def iter_nodes(root: Node) -> Iterator[Node]:
    yield root
    for child in root.content:
        if isinstance(child, Node):
            yield from iter_nodes(child)


def element_to_tree(element: etree._Element) -> Node:
    attributes = {str(name): str(value) for name, value in element.attrib.items()}
    if element.getparent() is None:  # only roots declare namespaces in this protocol
        declared = {f"xmlns:{prefix}": name for prefix, name in element.nsmap.items() if prefix}
        prefixes = {name: prefix for prefix, name in element.nsmap.items() if prefix}
        attributes = declared | {_prefixed_name(n, prefixes): v for n, v in attributes.items()}
    content: list[Node | str] = [element_to_tree(child) for child in element]
    if element.text and element.text.strip():
        content.insert(0, element.text)
    return Node(str(element.tag), attributes, content)


def _prefixed_name(name: str, prefixes: dict[str, str]) -> str:
    parts = etree.QName(name)
    prefix = prefixes.get(parts.namespace or "")
    return f"{prefix}:{parts.localname}" if prefix else parts.localname


def to_xml(root: Node) -> bytes:
    """``TreeError`` for invalid names and too deep trees; the parser refuses the rest."""
    return _render_element(root, 1).encode("utf-8")


def escape_text(text: str) -> str:
    return text.translate(_ESCAPED) if _SPECIAL.search(text) else text


def _render_element(node: Node, depth: int) -> str:
    if depth > MAX_DEPTH:
        raise TreeError(f"nested deeper than {MAX_DEPTH} elements")
    name = _check_name(node.name)
    pairs = [f' {_check_name(key)}="{escape_text(text)}"' for key, text in node.attributes.items()]
    if not node.content:
        return f"<{name}{''.join(pairs)}/>"
    content = [
        escape_text(child) if isinstance(child, str) else _render_element(child, depth + 1)
        for child in node.content
    ]
    return f"<{name}{''.join(pairs)}>{''.join(content)}</{name}>"


@lru_cache(maxsize=1024)
def _check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise TreeError(f"expected the name of an element or attribute, got {name[:80]!r}")
    return name
