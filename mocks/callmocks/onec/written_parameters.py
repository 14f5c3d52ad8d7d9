"""The parameters of a call as it writes them.

A call of the usual form is checked and read in one walk, which costs a third of libxml2's
validation. It accepts less than the WSDL's schema does; what it does not, libxml2 validates.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final

import msgspec
from lxml import etree

from callmocks.onec.namespaces import PARAMS, PROPERTY, VALUE, XS, XSI_TYPE

_XML_SPACE: Final = " \t\r\n"
_DATE_TIME: Final = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3])(?::[0-9]{2}){2}")
_DECIMAL: Final = re.compile("[0-9]{1,9}")
# The forms of simple types, narrower than XML Schema has them.
_FORMS: Final[Mapping[tuple[str | None, str], re.Pattern[str]]] = {
    (XS, "dateTime"): _DATE_TIME,
    (XS, "decimal"): _DECIMAL,
    (XS, "string"): re.compile(".*", re.DOTALL),
}


class WrittenParameter(msgspec.Struct, frozen=True, gc=False):
    """``type_name``, in Clark notation, and ``content`` are those of a value of the usual form."""

    name: str
    value: etree._Element
    type_name: str = ""
    content: str | datetime = ""


def list_parameters(properties: Iterable[etree._Element]) -> Iterator[WrittenParameter]:
    """Of a valid call, in any form."""
    for element in properties:
        yield WrittenParameter(element.get("name", "").strip(), element[0])


def read_usual_call(call: etree._Element) -> list[WrittenParameter] | None:
    """Of a call that the WSDL's schema allows; None for one of another form."""
    if len(call) != 1 or call.attrib or not _is_blank(call.text):
        return None
    params = call[0]
    if params.tag != PARAMS or params.attrib:
        return None
    if not (_is_blank(params.text) and _is_blank(params.tail)):
        return None
    written: list[WrittenParameter] = []
    for element in params:
        parameter = _read_usual_property(element)
        if parameter is None:
            return None
        written.append(parameter)
    return written


def _read_usual_property(element: etree._Element) -> WrittenParameter | None:
    if element.tag != PROPERTY or len(element) != 1:
        return None
    value = element[0]
    if value.tag != VALUE or len(value):
        return None
    name, written = element.get("name", ""), value.get(XSI_TYPE, "")
    if len(element.attrib) != 1 or len(value.attrib) != 1:
        return None
    if not (name.isascii() and name.isalpha()):
        return None
    if not _is_blank((element.text or "") + (element.tail or "") + (value.tail or "")):
        return None
    prefix, _, local = written.partition(":")
    form, text = _FORMS.get((value.nsmap.get(prefix), local)), value.text or ""
    if form is None or not form.fullmatch(text):
        return None
    content: str | datetime = text
    if form is _DATE_TIME:
        try:
            content = datetime.fromisoformat(text)
        except ValueError:  # no date of the calendar
            return None
    return WrittenParameter(name, value, f"{{{XS}}}{local}", content)


def _is_blank(text: str | None) -> bool:
    return text is None or not text.strip(_XML_SPACE)
