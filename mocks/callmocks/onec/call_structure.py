"""What is wrong with the elements of a call: the first mistake that the WSDL forbids, and where."""

import re
from collections.abc import Iterator
from typing import Final

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


def explain_structure_violation(call: etree._Element) -> str:
    """For a call that the WSDL does not allow; values of parameters are not looked at."""
    return next(_iter_mistakes(call), f"{get_local_name(call)}: not as the WSDL describes it")


def _iter_mistakes(call: etree._Element) -> Iterator[str]:
    where, expected = get_local_name(call), f"Params of {SERVICE}"
    yield from _find_attribute_mistakes(call, where)
    children = list(call)
    if not children:
        yield f"{where}: expected {expected}, got {_describe_text(call) or 'no element'}"
        return
    params = children[0]
    if params.tag != PARAMS:
        namespace, name = split_name(str(params.tag))
        if name == "Params":
            yield f"Params is of {name_namespace(namespace)}, expected {expected}"
        yield f"{where}: expected {expected}, got {_describe_element(params)}"
    if text := _describe_text(call):
        yield f"{where}: expected {expected} alone, got {text} beside it"
    if len(children) > 1:
        yield f"{where}: expected one Params, got {_describe_element(children[1])} after it"
    yield from _find_attribute_mistakes(params, "Params", _PARAMS_TYPE)
    if text := _describe_text(params):
        yield f"Params: expected elements, got {text}"
    yield from _find_property_mistakes(params)


def _find_property_mistakes(params: etree._Element) -> Iterator[str]:
    try:
        read_structure(params)
    except BadValue as error:
        if "/Value/" not in f"{error.where}/":
            yield f"Params/{error}"
    for number, element in enumerate(params.iterchildren(PROPERTY), 1):
        where = f"Params/Property[{number}]"
        name = element.get("name", "")
        yield from _find_attribute_mistakes(element, where, allowed=("name",))
        if text := _describe_text(element):
            yield f"{where}: expected one Value, got {text} beside it"
        if not _NMTOKEN.fullmatch(name.strip(_XML_SPACE)):
            yield f"{where}: expected a name of letters, digits and . - _ :, got {_quote(name)}"


def _find_attribute_mistakes(
    element: etree._Element, where: str, type_name: str = "", allowed: tuple[str, ...] = ()
) -> Iterator[str]:
    for written in map(str, element.attrib):
        namespace, name = split_name(written)
        value = _quote(element.get(written, ""))
        if written == XSI_NIL:
            yield f"{where}: expected no xsi:nil, got {value}"
        elif written == XSI_TYPE:
            if not type_name:
                yield f"{where}: expected no xsi:type, got {value}"
            elif not _is_of_type(element, where, type_name):
                expected = f"{split_name(type_name)[1]} of {split_name(type_name)[0]}"
                yield f"{where}: expected no xsi:type but {expected}, got {value}"
        elif namespace != XSI and written not in allowed:
            yield f"{where}: expected no attribute {name}, got {value}"


def _is_of_type(element: etree._Element, where: str, type_name: str) -> bool:
    try:
        return resolve_name(element, element.get(XSI_TYPE, ""), where) == type_name
    except BadValue:
        return False


def _describe_element(element: etree._Element) -> str:
    namespace, name = split_name(str(element.tag))
    return f"{name} of {name_namespace(namespace)}"


def _describe_text(element: etree._Element) -> str:
    """The first text between the elements; empty when there is none."""
    for text in (element.text, *(child.tail for child in element)):
        if text and text.strip(_XML_SPACE):
            return f"the text {_quote(text.strip(_XML_SPACE))}"
    return ""


def _quote(text: str) -> str:
    return repr(text[:_SHOWN_CHARACTERS])
