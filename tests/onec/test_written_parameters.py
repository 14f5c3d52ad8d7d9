"""Calls of the usual form are valid by the WSDL's schema, and read as any call is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import product
from pathlib import Path

import pytest
import xmlschema
from lxml import etree

from callmocks.onec import wsdl
from callmocks.onec.contract import HISTORY_OPERATION, load_operations
from callmocks.onec.parameters import ParameterValue, read_parameters
from callmocks.onec.provider import ONEC
from callmocks.onec.results import ResultCodeError
from callmocks.onec.values import BadValue
from callmocks.onec.written_parameters import WrittenParameter, list_parameters, read_usual_call
from callmocks.tenants.detached import detached_exchange
from tests.onec.conftest import CORE, SERVICE, XS, XSI

NAMES = ("PeriodFrom", "ClientID", "CallResult", "Unknown", "", " PeriodFrom", "a b", "Период", "1")
TYPES = (
    *("xs:dateTime", "xs:string", "xs:decimal", "xs:date", "xs:int", "xs:none", "other:string"),
    *("string", "Structure", " xs:string", "xs:", ":string", "Null"),
)
TEXTS = (
    *("2026-03-02T09:00:00", "2024-02-29T23:59:59", "0001-01-01T00:00:00", "1", "", " ", "x"),
    *("2026-02-29T00:00:00", "2026-13-01T00:00:00", "2026-03-02T24:00:00", "2026-W10-1T09:00:00"),
    *("0000-01-01T00:00:00", "2026-03-02T09:60:00", "2026-03-02T09:00:60", "-1", "1.5", "9" * 30),
    *("2026-03-02T09:00:00Z", "2026-03-02T09:00:00.5", " 2026-03-02T09:00:00\n", "&lt;", "٣"),
    *("2026-03-02 09:00:00", "0f0e8a3c-0000-4000-8000-32bd7c61561f"),
)
# Each is put somewhere into the usual call.
CHANGES = {
    "<tns:X>": ("<tns:X a='1'>", "<tns:X xsi:nil='true'>", "<tns:X>\n", "<tns:X>x", "<tns:X>\xa0"),
    "<tns:Params>": (
        *("<tns:Params a='1'>", "<tns:Params xsi:type='Structure'>", "<tns:Params> ", "<Params>"),
        *("<tns:Params/><tns:Params>", "<tns:Params>x"),
    ),
    "</tns:Params>": ("</tns:Params>x", "</tns:Params>\r\n", "</tns:Params><tns:Params/>"),
    "<Property name='PeriodFrom'>": (
        *("<Property name='PeriodFrom' b='1'>", "<Property>", "<Property name='PeriodFrom'>x"),
        *("<Property other='PeriodFrom'>", "<Property xsi:nil='true' name='PeriodFrom'>"),
        *("<Property xsi:type='Property' name='PeriodFrom'>", "<tns:Property name='PeriodFrom'>"),
        *("<Property name='PeriodFrom'><!-- c -->", "<Property name='PeriodFrom'><Value/>"),
    ),
    "</Property>": ("</Property>x", "</Property>\t", "</Property><Value/>", "</Property><column/>"),
    "<Value xsi:type='xs:dateTime'>": (
        *("<Value>", "<Value xsi:nil='true'>", "<tns:Value xsi:type='xs:dateTime'>"),
        *("<Value xsi:type='xs:dateTime' xsi:nil='false'>", "<Value type='xs:dateTime'>"),
        *("<Value xsi:type='xs:dateTime'><a/>", "<Value xsi:type='xs:dateTime' a='1'>"),
        *("<Value xmlns:xs='urn:x' xsi:type='xs:dateTime'>", "<Value xsi:type='xs:string'>"),
    ),
    "</Value>": ("</Value>x", "</Value> ", "</Value><Value/>", "</Value><Name/>"),
}


def write_call(name: str, kind: str, text: str, tag: str = "GetHistoryOfServiceCalls") -> str:
    return (
        f"<tns:{tag} xmlns:tns='{SERVICE}' xmlns:xs='{XS}' xmlns:xsi='{XSI}'><tns:Params>"
        f"<Property xmlns='{CORE}' name='{name}'><Value xsi:type='{kind}'>{text}</Value></Property>"
        f"</tns:Params></tns:{tag}>"
    )


def list_calls() -> Iterator[str]:
    for name, kind, text in product(("PeriodFrom",), TYPES, TEXTS):
        yield write_call(name, kind, text)
    for name in NAMES:
        yield write_call(name, "xs:string", "1")
    head = f"<tns:{HISTORY_OPERATION} xmlns:tns='{SERVICE}' xmlns:xs='{XS}' xmlns:xsi='{XSI}'"
    call = f"{head} xmlns='{CORE}'><tns:Params><Property name='PeriodFrom'>"
    call += "<Value xsi:type='xs:dateTime'>2026-03-02T09:00:00</Value></Property></tns:Params>"
    call += f"</tns:{HISTORY_OPERATION}>"
    for part, others in CHANGES.items():
        for other in others:
            start = f"{head} xmlns='{CORE}'>"
            if part == "<tns:X>":
                yield call.replace(start, start[:-1] + other.removeprefix("<tns:X"), 1)
            else:
                assert part in call
                yield call.replace(part, other, 1)
    yield call.replace("<Property", "\n<Property").replace("</tns:Params>", "\n</tns:Params>")


@pytest.fixture(scope="module")
def is_valid(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], bool]:
    """By xmlschema."""
    folder: Path = tmp_path_factory.mktemp("schemas")
    (folder / "core.xsd").write_bytes(wsdl.load_schemas()[CORE])
    (folder / "service.xsd").write_bytes(wsdl.load_schemas()[SERVICE])
    schema = xmlschema.XMLSchema(str(folder / "service.xsd"))
    return schema.is_valid


def test_what_is_read_without_the_schema_is_valid_by_it(is_valid: Callable[[str], bool]) -> None:
    usual, others = 0, 0
    for call in list_calls():
        try:
            element = etree.fromstring(call, etree.XMLParser(remove_comments=True))
        except etree.XMLSyntaxError:
            continue
        if read_usual_call(element) is None:
            others += 1
            continue
        usual += 1
        assert is_valid(call), call
        assert not wsdl.load_validator().find_violations(element, 1), call
    assert usual > 30
    assert others > 200


def test_a_usual_call_is_read_as_any_call_is() -> None:
    operation = load_operations()[HISTORY_OPERATION]

    def read(written: Iterable[WrittenParameter]) -> dict[str, ParameterValue] | str | list[str]:
        exchange = detached_exchange(ONEC)
        try:
            values = read_parameters(exchange, operation, written)
        except (ResultCodeError, BadValue) as error:
            return str(error)
        return values or list(exchange.assumptions)

    for name, kind, text in product(NAMES, TYPES, TEXTS):
        call = etree.fromstring(write_call(name, kind, text))
        usual = read_usual_call(call)
        if usual is not None:
            assert read(usual) == read(list_parameters(call[0])), (name, kind, text)


@pytest.mark.parametrize(
    ("name", "kind", "text"),
    [
        ("PeriodFrom", "xs:dateTime", "2026-03-31T09:00:00"),
        ("CallResult", "xs:decimal", "2"),
        ("ClientID", "xs:string", "0f0e8a3c-0000-4000-8000-32bd7c61561f"),
    ],
)
def test_documented_parameters_are_of_the_usual_form(name: str, kind: str, text: str) -> None:
    call = etree.fromstring(write_call(name, kind, text))
    content = datetime.fromisoformat(text) if kind == "xs:dateTime" else text
    expected = WrittenParameter(name, call[0][0][0], f"{{{XS}}}{kind[3:]}", content)
    assert read_usual_call(call) == [expected]
