"""The workplace's documents as the trees that its frames carry."""

from __future__ import annotations

from lxml import etree

from callmocks.arm import tree


def element_to_tree(element: etree._Element) -> tree.Node:
    """A document's element, its attributes, children and text, as a node."""
    attributes = {str(name): str(value) for name, value in element.attrib.items()}
    if element.getparent() is None:  # only roots declare namespaces in this protocol
        declared = {f"xmlns:{prefix}": name for prefix, name in element.nsmap.items() if prefix}
        prefixes = {name: prefix for prefix, name in element.nsmap.items() if prefix}
        attributes = declared | {_prefixed_name(n, prefixes): v for n, v in attributes.items()}
    content: list[tree.Node | str] = [element_to_tree(child) for child in element]
    if element.text and element.text.strip():
        content.insert(0, element.text)
    return tree.Node(str(element.tag), attributes, content)


def _prefixed_name(name: str, prefixes: dict[str, str]) -> str:
    parts = etree.QName(name)
    prefix = prefixes.get(parts.namespace or "")
    return f"{prefix}:{parts.localname}" if prefix else parts.localname
