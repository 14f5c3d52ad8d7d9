"""What is wrong with the elements of a call: the first mistake that the WSDL forbids, and where."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from lxml import etree

from callmocks.onec.decoder import get_local_name, read_structure, resolve_name
from callmocks.onec.namespaces import (
    CORE,
    PARAMS,
    PROPERTY,
    SERVICE,
    XSI,
    XSI_NIL,
    XSI_TYPE,
    name_namespace,
    split_name,
)
from callmocks.onec.values import BadValue

_SHOWN_CHARACTERS: Final = 80
_XML_SPACE: Final = " \t\r\n"
_NMTOKEN: Final = re.compile(r"[-.:\w]+")
_PARAMS_TYPE: Final = f"{{{CORE}}}Structure"


class StructureMistake(NamedTuple):
    """``got`` is what stands at ``where``; ``text`` tells it in words."""

    where: str
    expected: str
    got: str
    text: str


def find_structure_mistake(call: etree._Element) -> StructureMistake:
    """In a call that the WSDL does not allow; values of parameters are not looked at."""
    name, expected = get_local_name(call), "as the WSDL describes it"
    other = StructureMistake(name, expected, "something else", f"{name}: not {expected}")
    return next(_iter_mistakes(call), other)


def _make_mistake(
    where: str, expected: str, got: str, remark: str = "", path: str = ""
) -> StructureMistake:
    """``path`` is the exact one, where the text names the element that it belongs to."""
    shown = got if "'" not in got or path else f"the text {got}"
    text = f"{where}: expected {expected}, got {shown}{remark}"
    return StructureMistake(path or where, expected, got, text)


def _iter_mistakes(call: etree._Element) -> Iterator[StructureMistake]:
    where, expected = get_local_name(call), f"Params of {SERVICE}"
    yield from _find_attribute_mistakes(call, where)
    children = list(call)
    if not children:
        yield _make_mistake(where, expected, _find_text(call) or "no element")
        return
    params = children[0]
    if params.tag != PARAMS:
        got = _describe_element(params)
        namespace, name = split_name(str(params.tag))
        if name == "Params":
            text = f"Params is of {name_namespace(namespace)}, expected {expected}"
            yield StructureMistake(where, expected, got, text)
        yield _make_mistake(where, expected, got)
    if text := _find_text(call):
        yield _make_mistake(where, f"{expected} alone", text, " beside it")
    if len(children) > 1:
        path = f"{where}/{get_local_name(children[1])}"
        path += "[2]" if children[1].tag == PARAMS else ""
        got = _describe_element(children[1])
        yield _make_mistake(where, "one Params", got, " after it", path)
    yield from _find_attribute_mistakes(params, "Params", _PARAMS_TYPE)
    if text := _find_text(params):
        yield _make_mistake("Params", "elements", text)
    yield from _find_property_mistakes(params)


def _find_property_mistakes(params: etree._Element) -> Iterator[StructureMistake]:
    try:
        read_structure(params)
    except BadValue as error:
        if "/Value/" not in f"{error.where}/":
            where = f"Params/{error.where}"
            yield StructureMistake(where, error.expected, error.got, f"Params/{error}")
    for number, element in enumerate(params.iterchildren(PROPERTY), 1):
        where = f"Params/Property[{number}]"
        name = element.get("name", "")
        yield from _find_attribute_mistakes(element, where, allowed=("name",))
        if text := _find_text(element):
            yield _make_mistake(where, "one Value", text, " beside it")
        if not _NMTOKEN.fullmatch(name.strip(_XML_SPACE)):
            expected = "a name of letters, digits and . - _ :"
            yield _make_mistake(where, expected, _quote(name), path=f"{where}/@name")


def _find_attribute_mistakes(
    element: etree._Element, where: str, type_name: str = "", allowed: tuple[str, ...] = ()
) -> Iterator[StructureMistake]:
    for written in map(str, element.attrib):
        namespace, name = split_name(written)
        got, path = _quote(element.get(written, "")), f"{where}/@{name}"
        if written == XSI_NIL:
            yield _make_mistake(where, "no xsi:nil", got, path=path)
        elif written == XSI_TYPE:
            if not type_name:
                yield _make_mistake(where, "no xsi:type", got, path=path)
            elif not _is_of_type(element, where, type_name):
                expected = f"{split_name(type_name)[1]} of {split_name(type_name)[0]}"
                yield _make_mistake(where, f"no xsi:type but {expected}", got, path=path)
        elif namespace != XSI and written not in allowed:
            yield _make_mistake(where, f"no attribute {name}", got, path=path)


def _is_of_type(element: etree._Element, where: str, type_name: str) -> bool:
    try:
        return resolve_name(element, element.get(XSI_TYPE, ""), where) == type_name
    except BadValue:
        return False


def _describe_element(element: etree._Element) -> str:
    namespace, name = split_name(str(element.tag))
    return f"{name} of {name_namespace(namespace)}"


def _find_text(element: etree._Element) -> str:
    """The first text between the elements, quoted; empty when there is none."""
    for text in (element.text, *(child.tail for child in element)):
        if text and text.strip(_XML_SPACE):
            return _quote(text.strip(_XML_SPACE))
    return ""


def _quote(text: str) -> str:
    return repr(text[:_SHOWN_CHARACTERS])
