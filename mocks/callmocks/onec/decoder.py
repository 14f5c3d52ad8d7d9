"""From XML to values: what a client of the service does with an answer, and the mock with Params.

Elements are lxml's. Types are read from ``xsi:type``; an element without it is a string, as it is
when 1C reads ``xs:anyType``. Whatever does not fit raises ``BadValue`` with the place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Final

from lxml import etree

from callmocks.contract.xml import make_parser
from callmocks.errors import CallmocksError
from callmocks.onec.namespaces import CORE, FAULT_PATHS, RETURN, VALUE, XS, XSI_NIL, XSI_TYPE
from callmocks.onec.scalars import SCALARS, read_scalar
from callmocks.onec.values import (
    Array,
    BadValue,
    Column,
    FixedArray,
    FixedMap,
    FixedStructure,
    Map,
    Number,
    Row,
    Structure,
    Text,
    TreeRow,
    TypeDescription,
    Value,
    ValueTable,
    ValueTree,
)

Element = etree._Element


_PARSER = make_parser(huge_tree=True)


class SoapFault(CallmocksError):
    """The service answered a Fault. ``code`` is its code without the prefix."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


def read_answer(body: bytes) -> Structure:
    """``ResultCode`` and ``ResultData`` of an answer in SOAP 1.1 or 1.2.

    ``SoapFault`` when it is a Fault, ``BadValue`` when it is neither.
    """
    try:
        root = etree.fromstring(body, _PARSER)
    except etree.XMLSyntaxError as error:
        raise BadValue("body", "an XML document", str(error)) from None
    for namespace, (code_path, text_path) in FAULT_PATHS.items():
        fault = root.find(f"{{{namespace}}}Body/{{{namespace}}}Fault")
        if fault is not None:
            code = (fault.findtext(code_path) or "").rpartition(":")[2]
            raise SoapFault(code, fault.findtext(text_path) or "")
    result = next(root.iter(RETURN), None)
    if result is None:
        raise BadValue("Body", f"an answer with {RETURN}", str(root.tag))
    return read_structure(result)


def read_structure(element: Element) -> Structure:
    """The structure inside ``return`` or ``Params`` (any element of the type ``Structure``)."""
    return _read_properties(element, "", Structure())


def read_value(element: Element, where: str = "Value") -> Value:
    """The value of an element: nil, a scalar, or one of the composite core types."""
    if element.get(XSI_NIL, "").strip() in ("true", "1"):
        return None
    name = read_type_name(element, where)
    if name is None:
        if len(element):
            raise BadValue(where, "xsi:type on a value with elements", get_local_name(element[0]))
        return element.text or ""
    if name in SCALARS:
        return _read_scalar_element(element, where, name)
    composite = _COMPOSITES.get(name)
    if composite is None:
        raise BadValue(where, "a type of XML Schema or of the core schema", name)
    return composite(element, where)


def read_type_name(element: Element, where: str = "Value") -> str | None:
    """The name in ``xsi:type``, in Clark notation; None when the attribute is absent."""
    text = element.get(XSI_TYPE)
    return None if text is None else resolve_name(element, text, where)


def resolve_name(element: Element, text: str, where: str) -> str:
    """A prefixed name in Clark notation, by the namespaces in scope at an element."""
    prefix, colon, name = text.strip().rpartition(":")
    namespace = element.nsmap.get(prefix if colon else None)
    if namespace is None and colon:
        raise BadValue(where, "a declared prefix", text)
    return f"{{{namespace}}}{name}" if namespace else name


def get_local_name(element: Element) -> str:
    """The element's name without its namespace."""
    return etree.QName(element).localname


def _read_scalar_element(element: Element, where: str, name: str) -> Value:
    if len(element):
        raise BadValue(
            where,
            f"text of the type {_shorten_type_name(name)}",
            f"the element {get_local_name(element[0])}",
        )
    text = element.text or ""
    try:
        return read_scalar(name, text)
    except ValueError:
        raise BadValue(
            where, f"text of the type {_shorten_type_name(name)}", repr(text[:80])
        ) from None


def _shorten_type_name(name: str) -> str:
    return name.replace(f"{{{XS}}}", "xs:").replace(f"{{{CORE}}}", "")


def _join_path(where: str, step: str) -> str:
    return f"{where}/{step}" if where else step


def _iterate_children(
    element: Element, where: str, *names: str
) -> Iterator[tuple[str, Element, str]]:
    """Local name, element and path of each child; ``names`` is the order they must come in."""
    if element.text and not element.text.isspace():
        raise BadValue(where or get_local_name(element), "elements", repr(element.text[:80]))
    stage = 0
    counts: dict[str, int] = {}
    for child in element.iterchildren(tag=etree.Element):
        namespace, name = etree.QName(child).namespace, get_local_name(child)
        counts[name] = counts.get(name, 0) + 1
        path = _join_path(where, f"{name}[{counts[name]}]")
        if namespace != CORE or name not in names:
            raise BadValue(path, " or ".join(names), etree.QName(child).text)
        if names.index(name) < stage:
            raise BadValue(path, f"{name} before {names[stage]}", f"{name} after it")
        stage = names.index(name)
        yield name, child, path


def _read_properties(element: Element, where: str, into: Structure) -> Structure:
    for _, child, path in _iterate_children(element, where, "Property"):
        name = child.get("name")
        if not name:
            raise BadValue(path, "the attribute name", "none")
        if name in into:
            raise BadValue(path, "a name once", f"{name} again")
        into[name] = _read_property(child, path)
    return into


def _read_property(element: Element, path: str) -> Value:
    if len(element) == 1 and element[0].tag == VALUE:
        return read_value(element[0], f"{path}/Value")
    raise BadValue(path, "one Value", f"{len(element)} elements")


def _read_array(element: Element, where: str, into: Array) -> Array:
    into.extend(
        read_value(child, path) for _, child, path in _iterate_children(element, where, "Value")
    )
    return into


def _read_map(element: Element, where: str, into: Map) -> Map:
    for _, pair, path in _iterate_children(element, where, "pair"):
        parts = list(_iterate_children(pair, path, "Key", "Value"))
        if [name for name, _, _ in parts] != ["Key", "Value"]:
            raise BadValue(path, "Key and Value", f"{len(parts)} elements")
        key, value = (read_value(part, step) for _, part, step in parts)
        into.append((key, value))
    return into


def _read_table(element: Element, where: str) -> ValueTable:
    columns: list[Column] = []
    indexes: list[tuple[str, ...]] = []
    rows: list[Row] = []
    for name, child, path in _iterate_children(element, where, "column", "index", "row"):
        if name == "row":
            rows.append(_read_row(child, path))
        elif name == "column":
            columns.append(_read_column(child, path))
        else:
            steps = _iterate_children(child, path, "column")
            indexes.append(tuple(step.text or "" for _, step, _ in steps))
    return ValueTable(columns, rows, indexes)


def _read_row(element: Element, where: str) -> Row:
    cells = _iterate_children(element, where, "Value")
    return tuple(read_value(cell, path) for _, cell, path in cells)


def _read_tree(element: Element, where: str) -> ValueTree:
    tree = ValueTree([], [])
    columns: list[Column] = []
    for name, child, path in _iterate_children(element, where, "column", "row"):
        if name == "column":
            columns.append(_read_column(child, path))
        else:
            tree.rows.append(_read_tree_row(child, path))
    tree.columns = columns
    return tree


def _read_tree_row(element: Element, where: str) -> TreeRow:
    values: list[Value] = []
    rows: list[TreeRow] = []
    for name, child, path in _iterate_children(element, where, "Value", "row"):
        if name == "Value":
            values.append(read_value(child, path))
        else:
            rows.append(_read_tree_row(child, path))
    return TreeRow(tuple(values), rows)


def _read_column(element: Element, where: str) -> Column:
    said: dict[str, Element] = {}
    for name, child, _ in _iterate_children(element, where, "Name", "ValueType", "Title", "Width"):
        said[name] = child
    kind, width = said.get("ValueType"), said.get("Width")
    return Column(
        name=said["Name"].text or "" if "Name" in said else None,
        type=None if kind is None else _read_type_description(kind, f"{where}/ValueType"),
        title=said["Title"].text or "" if "Title" in said else None,
        width=None if width is None else _read_decimal(width, f"{where}/Width"),
    )


_TYPE_DESCRIPTION_PARTS = (
    "Type",
    "TypeSet",
    "TypeId",
    "NumberQualifiers",
    "StringQualifiers",
    "DateQualifiers",
    "BinaryDataQualifiers",
)


def _read_type_description(element: Element, where: str) -> TypeDescription:
    names: dict[str, list[str]] = {"Type": [], "TypeSet": [], "TypeId": []}
    found: dict[str, dict[str, Element]] = {}
    for name, child, path in _iterate_children(element, where, *_TYPE_DESCRIPTION_PARTS):
        if name == "TypeId":
            names[name].append((child.text or "").strip())
        elif name in names:
            names[name].append(resolve_name(child, child.text or "", path))
        else:
            found[name] = {get_local_name(part): part for part in child}
    return TypeDescription(
        types=tuple(names["Type"]),
        sets=tuple(names["TypeSet"]),
        ids=tuple(names["TypeId"]),
        number=_read_number_qualifiers(found.get("NumberQualifiers"), where),
        string=_read_length_qualifiers(found.get("StringQualifiers"), where),
        date=_read_text(found["DateQualifiers"], "DateFractions")
        if "DateQualifiers" in found
        else None,
        binary=_read_length_qualifiers(found.get("BinaryDataQualifiers"), where),
    )


def _read_number_qualifiers(parts: dict[str, Element] | None, where: str) -> Number | None:
    if parts is None:
        return None
    digits, fraction = (
        int(_read_decimal(parts[name], f"{where}/NumberQualifiers/{name}")) if name in parts else 0
        for name in ("Digits", "FractionDigits")
    )
    return Number(digits, fraction, _read_text(parts, "AllowedSign"))


def _read_length_qualifiers(parts: dict[str, Element] | None, where: str) -> Text | None:
    if parts is None:
        return None
    length = _read_decimal(parts["Length"], f"{where}/Length") if "Length" in parts else Decimal(0)
    return Text(int(length), _read_text(parts, "AllowedLength"))


def _read_text(parts: dict[str, Element], name: str) -> str:
    return (parts[name].text or "").strip() if name in parts else ""


def _read_decimal(element: Element, where: str) -> Decimal:
    value = _read_scalar_element(element, where, f"{{{XS}}}decimal")
    assert isinstance(value, Decimal)
    return value


_COMPOSITES: Final[dict[str, Callable[[Element, str], Value]]] = {
    f"{{{CORE}}}Structure": lambda element, where: _read_properties(element, where, Structure()),
    f"{{{CORE}}}FixedStructure": lambda element, where: _read_properties(
        element, where, FixedStructure()
    ),
    f"{{{CORE}}}Array": lambda element, where: _read_array(element, where, Array()),
    f"{{{CORE}}}FixedArray": lambda element, where: _read_array(element, where, FixedArray()),
    f"{{{CORE}}}Map": lambda element, where: _read_map(element, where, Map()),
    f"{{{CORE}}}FixedMap": lambda element, where: _read_map(element, where, FixedMap()),
    f"{{{CORE}}}ValueTable": _read_table,
    f"{{{CORE}}}ValueTree": _read_tree,
    f"{{{CORE}}}TypeDescription": _read_type_description,
}
