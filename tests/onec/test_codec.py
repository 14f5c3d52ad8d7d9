"""The codec of Structure and ValueTable, which clients may use too."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

import callmocks.onec as onec
from callmocks.onec import (
    EMPTY_DATE,
    NULL,
    Array,
    BadValue,
    Column,
    FixedArray,
    FixedMap,
    FixedStructure,
    Map,
    Number,
    SoapFault,
    Structure,
    Text,
    TreeRow,
    TypeDescription,
    ValueTable,
    ValueTree,
    read_answer,
    read_structure,
    read_value,
    write_structure,
    write_value,
)
from tests.onec.conftest import CORE, DOCUMENTED, SERVICE, SOAP11, SOAP12, XS, XSI, make_envelope
from tests.onec.infoset import infoset

RETURN = f"{{{SERVICE}}}return"
RESPONSE = (DOCUMENTED / "response.xml").read_bytes()


def parsed(xml: str) -> etree._Element:
    """An element in a scope with the prefixes of the documents."""
    return etree.fromstring(
        f'<x xmlns="{CORE}" xmlns:xs="{XS}" xmlns:xsi="{XSI}" xmlns:c="{CORE}">{xml}</x>'
    )[0]


def test_the_documented_answer_is_read_as_a_person_reads_it() -> None:
    answer = read_answer(RESPONSE)
    assert list(answer) == ["ResultCode", "ResultData"]
    assert answer["ResultCode"] == "SUCCESS"
    table = answer["ResultData"]
    assert isinstance(table, ValueTable)
    assert table.names == [
        "CallID", "ClientID", "ServiceUserID", "ServiceID", "CallTime", "CallerID", "CalleeID",
        "CallResult", "Duration",
    ]  # fmt: skip
    first, second = table.records()
    assert first["CallID"] == "5f99f58f-2003-4e1c-a049-2cf58efc68a1"
    assert first["CallTime"] == datetime(2019, 9, 26, 18, 29, 37)
    assert (first["Duration"], second["Duration"]) == (Decimal(13), Decimal(24))
    nullable = TypeDescription(
        types=(f"{{{XS}}}string", f"{{{CORE}}}Null"), string=Text(0, "Variable")
    )
    assert table.columns[1] == Column("ClientID", nullable)
    assert table.columns[8] == Column(
        "Duration",
        TypeDescription(types=(f"{{{XS}}}decimal",), number=Number(10, 0, "Nonnegative")),
    )


def test_the_documented_answer_round_trips_to_an_equal_infoset() -> None:
    original = next(etree.fromstring(RESPONSE).iter(RETURN))
    written = etree.fromstring(write_structure(read_structure(original), RETURN))
    assert infoset(written) == infoset(original)


def test_properties_carry_the_core_namespace_as_the_default_one() -> None:
    written = write_structure(Structure(A=NULL, B=ValueTable()), RETURN).decode()
    assert (
        f'<Property xmlns="{CORE}" name="A"><Value xsi:type="Null"></Value></Property>' in written
    )
    assert f'<Property xmlns="{CORE}" name="B"><Value xsi:type="ValueTable">' in written
    assert f'<m:return xmlns:m="{SERVICE}" xmlns:xs="{XS}" xmlns:xsi="{XSI}">' in written


@pytest.mark.parametrize(
    ("xml", "expected"),
    [
        ('<Value xsi:nil="true"/>', None),
        ('<Value xsi:nil="1" xsi:type="xs:string"/>', None),
        ("<Value>text</Value>", "text"),
        ("<Value/>", ""),
        ('<Value xsi:type="xs:string">  kept  </Value>', "  kept  "),
        ('<Value xsi:type="xs:decimal"> 1.50 </Value>', Decimal("1.50")),
        ('<Value xsi:type="xs:int">-7</Value>', -7),
        ('<Value xsi:type="xs:double">1e3</Value>', 1000.0),
        ('<Value xsi:type="xs:double">-INF</Value>', float("-inf")),
        ('<Value xsi:type="xs:boolean">1</Value>', True),
        ('<Value xsi:type="xs:boolean">false</Value>', False),
        ('<Value xsi:type="xs:dateTime">0001-01-01T00:00:00</Value>', EMPTY_DATE),
        ('<Value xsi:type="xs:dateTime">2019-09-21T24:00:00</Value>', datetime(2019, 9, 22)),
        (
            '<Value xsi:type="xs:dateTime">2019-09-21T01:00:00.1234567+03:00</Value>',
            datetime(2019, 9, 21, 1, 0, 0, 123456, timezone(timedelta(hours=3))),
        ),
        ('<Value xsi:type="xs:date">2019-09-21</Value>', date(2019, 9, 21)),
        ('<Value xsi:type="xs:time">01:02:03</Value>', time(1, 2, 3)),
        ('<Value xsi:type="xs:base64Binary">AAEC\n/w==</Value>', b"\0\1\2\xff"),
        ('<Value xsi:type="Null"/>', NULL),
        (
            '<Value xsi:type="UUID">90028E2B-2003-11e7-80e6-0025904f970f</Value>',
            UUID("90028e2b-2003-11e7-80e6-0025904f970f"),
        ),
        (
            '<Value xsi:type="c:Array"><Value xsi:type="xs:decimal">1</Value>'
            '<Value xsi:nil="true"/><Value xsi:type="Array"/></Value>',
            Array([Decimal(1), None, Array()]),
        ),
        (
            '<Value xsi:type="Structure"><Property name="a"><Value xsi:type="Structure">'
            '<Property name="b"><Value xsi:type="xs:string">deep</Value></Property>'
            "</Value></Property></Value>",
            Structure(a=Structure(b="deep")),
        ),
        (
            '<Value xsi:type="Map"><pair><Key xsi:type="Array"/><Value xsi:nil="true"/></pair>'
            "</Value>",
            Map([(Array(), None)]),
        ),
    ],
)
def test_values_are_read_by_their_type(xml: str, expected: object) -> None:
    found = read_value(parsed(xml))
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("xml", "where", "expected"),
    [
        ('<Value xsi:type="xs:decimal">many</Value>', "Value", "xs:decimal"),
        ('<Value xsi:type="xs:dateTime">2019-09-31T00:00:00</Value>', "Value", "xs:dateTime"),
        ('<Value xsi:type="xs:dateTime">2019-09-21</Value>', "Value", "xs:dateTime"),
        ('<Value xsi:type="xs:boolean">yes</Value>', "Value", "xs:boolean"),
        ('<Value xsi:type="xs:base64Binary">a</Value>', "Value", "xs:base64Binary"),
        ('<Value xsi:type="Null">x</Value>', "Value", "Null"),
        ('<Value xsi:type="xs:string"><b/></Value>', "Value", "xs:string"),
        ('<Value xsi:type="no:string">x</Value>', "Value", "a declared prefix"),
        ('<Value xsi:type="xs:nothing">x</Value>', "Value", "a type that callmocks.onec reads"),
        ("<Value><b/></Value>", "Value", "xsi:type"),
        (
            '<Value xsi:type="Array"><Value/><Val/></Value>', "Value/Val[1]", "Value"
        ),
        (
            '<Value xsi:type="Structure"><Property><Value/></Property></Value>',
            "Value/Property[1]",
            "the attribute name",
        ),
        (
            '<Value xsi:type="Structure"><Property name="a"/></Value>',
            "Value/Property[1]",
            "one Value",
        ),
        (
            '<Value xsi:type="ValueTable"><row><Value/><Value xsi:type="xs:decimal">x</Value></row>'
            "</Value>",
            "Value/row[1]/Value[2]",
            "xs:decimal",
        ),
        ('<Value xsi:type="ValueTable"><row/><column/></Value>', "Value/column[1]", "column"),
        ('<Value xsi:type="Map"><pair><Key/></pair></Value>', "Value/pair[1]", "Key and Value"),
        (
            '<Value xsi:type="Map"><pair><Key xsi:nil="true"/><Value/></pair></Value>',
            "Value/pair[1]/Key",
            "a value",
        ),
        (
            '<Value xsi:type="ValueTree"><row><Value/><row/></row></Value>',
            "Value/row[1]/row[1]",
            "row before Value",
        ),
    ],
)  # fmt: skip
def test_an_invalid_value_is_refused_with_its_path(xml: str, where: str, expected: str) -> None:
    with pytest.raises(BadValue) as caught:
        read_value(parsed(xml))
    assert caught.value.where == where
    assert expected in caught.value.expected


def test_a_name_comes_once_in_a_structure() -> None:
    twice = '<Property name="a"><Value/></Property>' * 2
    with pytest.raises(BadValue, match="a name once"):
        read_structure(parsed(f"<r>{twice}</r>"))


_texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Cn")), max_size=8)
_scalars = st.one_of(
    st.none(),
    _texts,
    st.booleans(),
    st.decimals(
        allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9
    ),
    st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31)),
    st.dates(),
    st.times(),
    st.binary(max_size=8),
    st.uuids(),
    st.just(NULL),
)
_names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,6}", fullmatch=True)
_types = st.builds(
    TypeDescription,
    types=st.lists(
        st.sampled_from([f"{{{XS}}}string", f"{{{CORE}}}Null", "{urn:other}Thing"]), max_size=2
    ).map(tuple),
    number=st.none() | st.just(Number(10, 2, "Nonnegative")),
    string=st.none() | st.just(Text(5, "Fixed")),
    date=st.none() | st.just("Time"),
    binary=st.none() | st.just(Text(9, "Variable")),
)
_columns = st.builds(
    Column,
    name=st.none() | _names,
    type=st.none() | _types,
    title=st.none() | _texts,
    width=st.none() | st.just(12),
)


def _composite(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    rows = st.lists(st.lists(inner, max_size=3).map(tuple), max_size=2)
    columns = st.lists(_columns, max_size=2)
    keys = inner.filter(lambda key: key is not None)
    return st.one_of(
        *(
            st.builds(c, st.dictionaries(_names, inner, max_size=3))
            for c in (Structure, FixedStructure)
        ),
        *(st.builds(c, st.lists(inner, max_size=3)) for c in (Array, FixedArray)),
        *(st.builds(c, st.lists(st.tuples(keys, inner), max_size=2)) for c in (Map, FixedMap)),
        st.builds(ValueTable, columns=columns, rows=rows, indexes=st.just([("a", "b")])),
        st.builds(
            lambda columns, rows: ValueTree(columns, [TreeRow(r, [TreeRow(r)]) for r in rows]),
            columns,
            rows,
        ),
        _types,
    )


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(_names, st.recursive(_scalars, _composite, max_leaves=8), max_size=4))
def test_what_is_written_validates_and_is_read_back(
    wsdl_schema: etree.XMLSchema, values: dict[str, object]
) -> None:
    structure = Structure(values)  # type: ignore[arg-type]
    written = write_structure(structure, RETURN)
    answer = etree.fromstring(f'<m:ClientReadResponse xmlns:m="{SERVICE}"/>')
    answer.append(etree.fromstring(written))
    wsdl_schema.assertValid(answer)
    assert read_structure(etree.fromstring(written)) == structure


@pytest.mark.parametrize("text", ["<&>\"'", "]]>", "ё 🌻", "a\r\nb", "\t tab"])
def test_text_survives_whatever_it_holds(text: str) -> None:
    written = write_structure(Structure(a=text), RETURN)
    assert read_structure(etree.fromstring(written))["a"] == text


@pytest.mark.parametrize(
    "bad", ["\0", "\x0b", "\ud800", Decimal("NaN"), object(), Map([(None, "a")])]
)
def test_what_xml_cannot_hold_is_not_written(bad: object) -> None:
    with pytest.raises(BadValue):
        write_value(bad)  # type: ignore[arg-type]


def test_a_fault_is_raised_to_the_client_that_reads_it() -> None:
    eleven = (
        "<soap:Fault><faultcode>soap:Client</faultcode><faultstring>no</faultstring></soap:Fault>"
    )
    twelve = (
        "<soap:Fault><soap:Code><soap:Value>soap:Sender</soap:Value></soap:Code>"
        '<soap:Reason><soap:Text xml:lang="en">no</soap:Text></soap:Reason></soap:Fault>'
    )
    for inside, version, code in ((eleven, SOAP11, "Client"), (twelve, SOAP12, "Sender")):
        with pytest.raises(SoapFault) as caught:
            read_answer(make_envelope(inside, version))
        assert (caught.value.code, caught.value.text) == (code, "no")
    for nonsense in (b"", b"<a/>", b"<a", make_envelope("<par:X/>")):
        with pytest.raises(BadValue):
            read_answer(nonsense)


def test_the_public_names_are_these() -> None:
    assert set(onec.__all__) == {
        "EMPTY_DATE", "NULL", "Array", "BadValue", "Column", "FixedArray", "FixedMap",
        "FixedStructure", "Map", "Number", "SoapFault", "Structure", "Text", "TreeRow",
        "TypeDescription", "Value", "ValueTable", "ValueTree", "read_answer", "read_structure",
        "read_value", "write_structure", "write_value",
    }  # fmt: skip
    assert all(hasattr(onec, name) for name in onec.__all__)
