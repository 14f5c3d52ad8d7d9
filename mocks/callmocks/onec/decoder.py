"""From XML to values: what a client of the service does with an answer, and the mock with Params.

Elements are lxml's. Types are read from ``xsi:type``; an element without it is a string, as it is
when 1C reads ``xs:anyType``. Whatever does not fit raises ``BadValue`` with the path.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from typing import Final

from lxml import etree

from callmocks.contract.xml import make_parser
from callmocks.errors import CallmocksError
from callmocks.onec import values
from callmocks.onec.namespaces import (
    CORE,
    FAULT_PATHS,
    RETURN,
    VALUE,
    XS,
    XSI_NIL,
    XSI_TYPE,
    name_namespace,
    split_name,
)
from callmocks.onec.scalars import SCALARS, read_scalar
from callmocks.onec.values import BadValue, Structure, UnreadType, Value

Element = etree._Element
_PARSER = make_parser(huge_tree=True)


class SoapFault(CallmocksError):
    """The service answered a Fault. ``code`` is its code without the prefix."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


def read_answer(body: bytes) -> Structure:
    """ResultCode and ResultData; ``SoapFault`` when it is a Fault, ``BadValue`` when neither."""
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
    return _read_structure(Structure, element, "")


def read_value(element: Element, where: str = "Value") -> Value:
    if element.get(XSI_NIL, "").strip() in ("true", "1"):
        return None
    written = element.get(XSI_TYPE)
    if written is None:
        if len(element):
            raise BadValue(where, "xsi:type on a value with elements", get_local_name(element[0]))
        return element.text or ""
    type_name = resolve_name(element, written, where)
    if type_name in SCALARS:
        return _read_scalar_element(element, where, type_name)
    read_composite = _COMPOSITES.get(type_name)
    if read_composite is None:
        # XML Schema's own types are all known, so that another one there is a mistake.
        namespace, short_name = split_name(type_name)
        error = BadValue if namespace in (XS, "") else UnreadType
        raise error(where, "a type that callmocks.onec reads", short_name or type_name)
    return read_composite(element, where)


def resolve_name(element: Element, text: str, where: str) -> str:
    prefix, colon, name = text.strip().rpartition(":")
    namespace = element.nsmap.get(prefix if colon else None)
    if namespace is None and colon:
        raise BadValue(where, "a declared prefix", text)
    return f"{{{namespace}}}{name}" if namespace else name


def get_local_name(element: Element) -> str:
    return etree.QName(element).localname


def _read_scalar_element(element: Element, where: str, type_name: str) -> Value:
    short_name = type_name.replace(f"{{{XS}}}", "xs:").replace(f"{{{CORE}}}", "")
    expected = f"text of the type {short_name}"
    if len(element):
        raise BadValue(where, expected, f"the element {get_local_name(element[0])}")
    text = element.text or ""
    try:
        return read_scalar(type_name, text)
    except ValueError:
        raise BadValue(where, expected, repr(text[:80])) from None


def _iter_children(element: Element, where: str, *names: str) -> Iterator[tuple[str, Element, str]]:
    """Local name, element and path of each child; ``names`` is the order they must come in."""
    if element.text and not element.text.isspace():
        raise BadValue(where or get_local_name(element), "elements", repr(element.text[:80]))
    stage = 0
    counts: dict[str, int] = {}
    for child in element.iterchildren(tag=etree.Element):
        namespace, name = etree.QName(child).namespace, get_local_name(child)
        counts[name] = counts.get(name, 0) + 1
        path = f"{where}/{name}[{counts[name]}]".removeprefix("/")
        if name not in names:
            raise BadValue(path, " or ".join(names), etree.QName(child).text)
        if namespace != CORE:
            got = f"{name} of {name_namespace(namespace or '')}"
            raise BadValue(path, f"{name} of {CORE}", got)
        if names.index(name) < stage:
            raise BadValue(path, f"{name} before {names[stage]}", f"{name} after it")
        stage = names.index(name)
        yield name, child, path


def _describe_attributes(element: Element) -> str:
    """``none``, or the namespaces of attributes called name."""
    names = (split_name(str(each)) for each in element.attrib)
    found = [f"name of {namespace}" for namespace, local in names if local == "name" and namespace]
    return ", ".join(found) or "none"


def _read_structure(kind: type[Structure], element: Element, where: str) -> Structure:
    structure = kind()
    for _, child, path in _iter_children(element, where, "Property"):
        name = child.get("name")
        if not name:
            raise BadValue(path, "the attribute name", _describe_attributes(child))
        if name in structure:
            raise BadValue(path, "a name once", f"{name} again")
        if len(child) != 1 or child[0].tag != VALUE:
            next(_iter_children(child, path, "Value"), None)
            raise BadValue(path, "one Value", f"{len(child)} elements")
        structure[name] = read_value(child[0], f"{path}/Value")
    return structure


def _read_array(kind: type[values.Array], element: Element, where: str) -> values.Array:
    items = _iter_children(element, where, "Value")
    return kind(read_value(item, path) for _, item, path in items)


def _read_map(kind: type[values.Map], element: Element, where: str) -> values.Map:
    pairs = kind()
    for _, pair, path in _iter_children(element, where, "pair"):
        parts = list(_iter_children(pair, path, "Key", "Value"))
        if [name for name, _, _ in parts] != ["Key", "Value"]:
            raise BadValue(path, "Key and Value", f"{len(parts)} elements")
        key, value = (read_value(part, part_path) for _, part, part_path in parts)
        if key is None:
            raise BadValue(f"{path}/Key", "a value", "nil")
        pairs.append((key, value))
    return pairs


def _read_table(element: Element, where: str) -> values.ValueTable:
    columns: list[values.Column] = []
    indexes: list[tuple[str, ...]] = []
    rows: list[values.Row] = []
    for name, child, path in _iter_children(element, where, "column", "index", "row"):
        if name == "row":
            cells = _iter_children(child, path, "Value")
            rows.append(tuple(read_value(cell, cell_path) for _, cell, cell_path in cells))
        elif name == "column":
            columns.append(_read_column(child, path))
        else:
            names = _iter_children(child, path, "column")
            indexes.append(tuple(each.text or "" for _, each, _ in names))
    return values.ValueTable(columns, rows, indexes)


def _read_tree(element: Element, where: str) -> values.ValueTree:
    columns: list[values.Column] = []
    rows: list[values.TreeRow] = []
    for name, child, path in _iter_children(element, where, "column", "row"):
        if name == "column":
            columns.append(_read_column(child, path))
        else:
            rows.append(_read_tree_row(child, path))
    return values.ValueTree(columns, rows)


def _read_tree_row(element: Element, where: str) -> values.TreeRow:
    cells: list[Value] = []
    rows: list[values.TreeRow] = []
    for name, child, path in _iter_children(element, where, "row", "Value"):
        if name == "Value":
            cells.append(read_value(child, path))
        else:
            rows.append(_read_tree_row(child, path))
    return values.TreeRow(tuple(cells), rows)


def _read_column(element: Element, where: str) -> values.Column:
    children = _iter_children(element, where, "Name", "ValueType", "Title", "Width")
    parts = {name: child for name, child, _ in children}
    described, width = parts.get("ValueType"), parts.get("Width")
    return values.Column(
        name=parts["Name"].text or "" if "Name" in parts else None,
        type=None if described is None else _read_type(described, f"{where}/ValueType"),
        title=parts["Title"].text or "" if "Title" in parts else None,
        width=None if width is None else _read_width(width, f"{where}/Width"),
    )


_TYPE_NAMES = ("Type", "TypeSet", "TypeId")
_QUALIFIERS = [f"{kind}Qualifiers" for kind in ("Number", "String", "Date", "BinaryData")]


def _read_type(element: Element, where: str) -> values.TypeDescription:
    names: dict[str, list[str]] = {name: [] for name in _TYPE_NAMES}
    qualifiers: dict[str, dict[str, Element]] = {}
    for name, child, path in _iter_children(element, where, *_TYPE_NAMES, *_QUALIFIERS):
        if name == "TypeId":
            names[name].append((child.text or "").strip())
        elif name in names:
            names[name].append(resolve_name(child, child.text or "", path))
        else:
            qualifiers[name] = {get_local_name(part): part for part in child}
    dates = qualifiers.get("DateQualifiers")
    return values.TypeDescription(
        types=tuple(names["Type"]),
        sets=tuple(names["TypeSet"]),
        ids=tuple(names["TypeId"]),
        number=_read_number_qualifiers(qualifiers.get("NumberQualifiers"), where),
        string=_read_length_qualifiers(qualifiers.get("StringQualifiers"), where),
        date=None if dates is None else _read_text(dates, "DateFractions"),
        binary=_read_length_qualifiers(qualifiers.get("BinaryDataQualifiers"), where),
    )


def _read_number_qualifiers(parts: dict[str, Element] | None, where: str) -> values.Number | None:
    if parts is None:
        return None
    where = f"{where}/NumberQualifiers"
    digits, fraction = (_read_int(parts, name, where) for name in ("Digits", "FractionDigits"))
    return values.Number(digits, fraction, _read_text(parts, "AllowedSign"))


def _read_length_qualifiers(parts: dict[str, Element] | None, where: str) -> values.Text | None:
    if parts is None:
        return None
    return values.Text(_read_int(parts, "Length", where), _read_text(parts, "AllowedLength"))


def _read_text(parts: dict[str, Element], name: str) -> str:
    return (parts[name].text or "").strip() if name in parts else ""


def _read_int(parts: dict[str, Element], name: str, where: str) -> int:
    return int(_read_decimal(parts[name], f"{where}/{name}")) if name in parts else 0


def _read_width(element: Element, where: str) -> int:
    value = _read_scalar_element(element, where, f"{{{XS}}}nonNegativeInteger")
    assert isinstance(value, int)
    return value


def _read_decimal(element: Element, where: str) -> Decimal:
    value = _read_scalar_element(element, where, f"{{{XS}}}decimal")
    assert isinstance(value, Decimal)
    return value


_COMPOSITES: Final[dict[str, Callable[[Element, str], Value]]] = {
    f"{{{CORE}}}Structure": partial(_read_structure, Structure),
    f"{{{CORE}}}FixedStructure": partial(_read_structure, values.FixedStructure),
    f"{{{CORE}}}Array": partial(_read_array, values.Array),
    f"{{{CORE}}}FixedArray": partial(_read_array, values.FixedArray),
    f"{{{CORE}}}Map": partial(_read_map, values.Map),
    f"{{{CORE}}}FixedMap": partial(_read_map, values.FixedMap),
    f"{{{CORE}}}ValueTable": _read_table,
    f"{{{CORE}}}ValueTree": _read_tree,
    f"{{{CORE}}}TypeDescription": _read_type,
}
