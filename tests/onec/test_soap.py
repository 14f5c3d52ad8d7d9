"""SOAP as the service speaks it: versions, dispatch, faults."""

from __future__ import annotations

import datetime
import re

import pytest
import requests
import zeep
from lxml import etree
from zeep.transports import Transport

from callmocks.onec import read_answer
from callmocks.onec.contract import load_operations
from tests.onec.conftest import (
    CORE,
    DOCUMENTED,
    SERVICE,
    SOAP11,
    SOAP12,
    XS,
    XSI,
    Client,
    Service,
    get_body_child,
    make_call,
    make_envelope,
    make_history_call,
    make_parameter,
)
from tests.onec.infoset import infoset

REQUEST = (DOCUMENTED / "request.xml").read_bytes()
TYPES = {SOAP11: "text/xml;charset=utf-8", SOAP12: "application/soap+xml;charset=utf-8"}


def read_fault(response: requests.Response) -> tuple[str, str, str]:
    """Version, code without prefix, and text of a Fault, whose prefix must resolve."""
    root = etree.fromstring(response.content)
    version = etree.QName(root).namespace
    assert version is not None
    assert response.headers["Content-Type"] == TYPES[version]
    (found,) = root.findall(f"{{{version}}}Body/{{{version}}}Fault")
    if version == SOAP11:
        code, text = found.find("faultcode"), found.find("faultstring")
        assert [etree.QName(child).namespace for child in found] == [None, None]
    else:
        code = found.find(f"{{{version}}}Code/{{{version}}}Value")
        text = found.find(f"{{{version}}}Reason/{{{version}}}Text")
        assert text is not None and text.get("{http://www.w3.org/XML/1998/namespace}lang") == "en"
    assert code is not None and text is not None and code.text and text.text
    prefix, _, name = code.text.partition(":")
    assert code.nsmap[prefix] == version
    return version, name, text.text


@pytest.mark.proves("onec.soap-version", "onec.content-types")
@pytest.mark.parametrize("content_type", ["application/soap+xml", "text/xml", "text/plain", None])
@pytest.mark.parametrize("version", [SOAP11, SOAP12])
def test_the_answer_follows_the_namespace_of_the_envelope(
    client: Client, version: str, content_type: str | None
) -> None:
    headers = {"SOAPAction": '"http://nothing/of/the/sort"'}
    if content_type:
        headers["Content-Type"] = f"{content_type}; charset=utf-8"
    body = REQUEST if version == SOAP12 else REQUEST.replace(SOAP12.encode(), SOAP11.encode())
    response = client.post(body, headers=headers)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == TYPES[version]
    root = etree.fromstring(response.content)
    assert root.tag == f"{{{version}}}Envelope"
    assert [etree.QName(child).localname for child in root] == ["Body"]
    assert get_body_child(response.content).tag == f"{{{SERVICE}}}GetHistoryOfServiceCallsResponse"


@pytest.mark.proves("onec.namespaces", "onec.columns")
def test_the_documented_request_gets_an_answer_of_the_documented_shape(
    client: Client, wsdl_schema: etree.XMLSchema
) -> None:
    response = client.post(REQUEST)
    ours = get_body_child(response.content)
    wsdl_schema.assertValid(ours)
    documented = get_body_child((DOCUMENTED / "response.xml").read_bytes())
    for answer in (ours, documented):
        for row in answer.findall(f".//{{{CORE}}}row"):
            row.getparent().remove(row)  # type: ignore[union-attr]
    assert infoset(ours) == infoset(documented)


@pytest.mark.proves("onec.namespaces", "onec.result-order", "onec.date-form")
def test_a_full_answer_declares_its_prefixes_where_the_documented_one_does(
    client: Client, wsdl_schema: etree.XMLSchema
) -> None:
    body = make_history_call(PeriodFrom="2026-03-02T00:00:00", PeriodTo="2026-03-03T00:00:00")
    content = client.post(body).content
    wsdl_schema.assertValid(get_body_child(content))
    assert b" ".join(content.split()).count(f'xmlns:xs="{XS}" xmlns:xsi="{XSI}">'.encode()) == 1
    assert content.count(f'xmlns="{CORE}"'.encode()) == 2
    code, data = get_body_child(content)[0]
    assert (code.get("name"), data.get("name")) == ("ResultCode", "ResultData")
    assert b"<row>" in content
    times = re.findall(rb'<Value xsi:type="xs:dateTime">([^<]*)<', content)
    assert times and all(re.fullmatch(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", each) for each in times)


@pytest.mark.proves("onec.dispatch")
@pytest.mark.parametrize(
    "body",
    [
        f'<a:Envelope xmlns:a="{SOAP12}"><a:Body><DepartmentRead xmlns="{SERVICE}"><Params/>'
        "</DepartmentRead></a:Body></a:Envelope>",
        f'<Envelope xmlns="{SOAP11}"><Header/><Body><q:DepartmentRead xmlns:q="{SERVICE}">'
        f'<w:Params xmlns:w="{SERVICE}"></w:Params></q:DepartmentRead></Body></Envelope>',
        f'<?xml version="1.0"?><!-- a comment --><e:Envelope xmlns:e="{SOAP12}"><e:Body>'
        f'<!-- another --><p:DepartmentRead xmlns:p="{SERVICE}"><p:Params> <!-- and one -->'
        "</p:Params></p:DepartmentRead></e:Body></e:Envelope>",
    ],
)
def test_prefixes_and_comments_do_not_matter(client: Client, body: str) -> None:
    assert len(client.table(body.encode()).rows) == 3


@pytest.mark.parametrize("operation", sorted(load_operations()))
@pytest.mark.parametrize("version", [SOAP11, SOAP12])
def test_every_operation_answers_in_both_versions(
    client: Client, wsdl_schema: etree.XMLSchema, operation: str, version: str
) -> None:
    client.tenant.clock.freeze(datetime.datetime(2015, 1, 13, 2))
    response = client.post(make_call(operation, version=version))
    wsdl_schema.assertValid(get_body_child(response.content))
    answer = read_answer(response.content)
    assert answer["ResultCode"] == "SUCCESS"
    table = answer["ResultData"]
    assert tuple(table.columns) == tuple(  # type: ignore[union-attr]
        column.to_column() for column in load_operations()[operation].columns.specs
    )
    assert client.journal[-1].operation == operation


BROKEN = {
    "empty": b"",
    "no XML": b"hello",
    "cut": REQUEST[:400],
    "not SOAP": b"<a/>",
    "no Body": f'<e:Envelope xmlns:e="{SOAP12}"/>'.encode(),
    "empty Body": make_envelope(""),
    "text in Body": make_envelope("hello"),
    "wrong namespace": make_envelope('<x:ClientRead xmlns:x="urn:x"/>'),
    "no Params": make_envelope("<par:ClientRead/>"),
    "two Params": make_envelope("<par:ClientRead><par:Params/><par:Params/></par:ClientRead>"),
    "Params of no namespace": make_envelope("<par:ClientRead><Params/></par:ClientRead>"),
    "no name": make_call("ClientRead", f'<Property xmlns="{CORE}"><Value/></Property>'),
    "no Value": make_call("ClientRead", f'<Property xmlns="{CORE}" name="ChangedFrom"/>'),
    "two Values": make_call(
        "ClientRead", f'<Property xmlns="{CORE}" name="ChangedFrom"><Value/><Value/></Property>'
    ),
    "bare Property": make_call("ClientRead", "<Property name=\"ChangedFrom\"><Value/></Property>"),
    "attribute": make_call(
        "ClientRead", f'<Property xmlns="{CORE}" name="a" b=""><Value/></Property>'
    ),
}  # fmt: skip


@pytest.mark.proves("onec.fault-sender", "onec.fault-status")
@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_an_invalid_call_gets_a_fault_with_the_reason(client: Client, body: bytes) -> None:
    response = client.post(body)
    version, code, text = read_fault(response)
    assert (version, code, response.status_code) == (SOAP12, "Sender", 400)
    assert len(text) > 20
    (violation,) = client.journal[-1].violations
    assert all(word in text for word in violation.got.split(" of "))
    in_eleven = client.post(body.replace(SOAP12.encode(), SOAP11.encode()), headers={})
    version, code, other = read_fault(in_eleven)
    assert (version, code, in_eleven.status_code) == (SOAP11, "Client", 500)
    assert other == text


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (BROKEN["no name"], "Params/Property[1]: expected the attribute name"),
        (BROKEN["no Value"], "Params/Property[1]: expected one Value, got 0 elements"),
        (BROKEN["two Values"], "Params/Property[1]: expected one Value, got 2 elements"),
        (BROKEN["no Params"], f"ClientRead: expected Params of {SERVICE}, got no element"),
        (BROKEN["cut"], "line 6, column"),
    ],
)
def test_a_fault_names_the_path(client: Client, body: bytes, path: str) -> None:
    assert path in read_fault(client.post(body))[2]


PARAMS_MISTAKES = {
    ">x</par:ClientRead": f"ClientRead: expected Params of {SERVICE}, got the text 'x'",
    "><Foo/></par:ClientRead": f"ClientRead: expected Params of {SERVICE}, got Foo of {CORE}",
    "><par:Params/> x</par:ClientRead": f"ClientRead: expected Params of {SERVICE} alone, got the"
    " text 'x' beside it",
    "><par:Params/><par:Params/></par:ClientRead": "ClientRead: expected one Params, got Params of"
    f" {SERVICE} after it",
    ' a="1"><par:Params/></par:ClientRead': "ClientRead: expected no attribute a, got '1'",
    ' xsi:type="A"><par:Params/></par:ClientRead': "ClientRead: expected no xsi:type, got 'A'",
    "><par:Params>x</par:Params></par:ClientRead": "Params: expected elements, got the text 'x'",
    '><par:Params xsi:nil="1"/></par:ClientRead': "Params: expected no xsi:nil, got '1'",
    '><par:Params xsi:type="q:A"/></par:ClientRead': "Params: expected no xsi:type but Structure"
    f" of {CORE}, got 'q:A'",
    '><par:Params><Property name="A"><Value/></Property><Property name="B C"><Value/></Property>'
    "</par:Params></par:ClientRead": "Params/Property[2]: expected a name of letters, digits and"
    " . - _ :, got 'B C'",
    '><par:Params><Property name="A" b="1"><Value/></Property></par:Params></par:ClientRead': (
        "Params/Property[1]: expected no attribute b, got '1'"
    ),
    '><par:Params><Property name="A">x<Value/></Property></par:Params></par:ClientRead': (
        "Params/Property[1]: expected one Value, got the text 'x' beside it"
    ),
}


@pytest.mark.proves("onec.fault-sender")
@pytest.mark.parametrize("inside", PARAMS_MISTAKES)
def test_a_fault_tells_in_words_what_the_wsdl_forbids(client: Client, inside: str) -> None:
    call = f'<par:ClientRead xmlns="{CORE}" xmlns:xsi="{XSI}"{inside}>'
    _, code, text = read_fault(client.post(make_envelope(call)))
    assert (code, text) == ("Sender", PARAMS_MISTAKES[inside])


@pytest.mark.proves("onec.unserved-operation", "onec.unknown-operation")
def test_an_operation_of_the_real_service_that_is_not_served_is_named(client: Client) -> None:
    _, code, text = read_fault(client.post(make_call("ClientAdd")))
    assert code == "Sender"
    assert "PartnerWebAPI2 has the operation ClientAdd" in text
    assert "GetHistoryOfServiceCalls" in text
    _, _, unknown = read_fault(client.post(make_call("NoSuchThing")))
    assert unknown == "PartnerWebAPI2 has no operation NoSuchThing"
    assert client.journal[-1].operation == "NoSuchThing"


@pytest.mark.proves("onec.version-mismatch")
def test_another_envelope_is_a_version_mismatch(client: Client) -> None:
    body = make_call("ClientRead", version="http://www.w3.org/2001/12/soap-envelope")
    response = client.post(body, headers={"Content-Type": "text/xml"})
    version, code, _ = read_fault(response)
    assert (version, code, response.status_code) == (SOAP11, "VersionMismatch", 500)


@pytest.mark.proves("onec.must-understand")
@pytest.mark.parametrize(
    ("version", "flag", "answered"),
    [
        (SOAP11, 'mustUnderstand="1"', False),
        (SOAP12, 'mustUnderstand="true"', False),
        (SOAP12, 'mustUnderstand="false"', True),
        (SOAP11, 'mustUnderstand="1" soap:actor="urn:somebody-else"', True),
        (SOAP12, f'mustUnderstand="1" soap:role="{SOAP12}/role/next"', False),
    ],
)
def test_header_blocks_that_must_be_understood(
    client: Client, version: str, flag: str, answered: bool
) -> None:
    header = f'<soap:Header><x:Security xmlns:x="urn:x" soap:{flag}/></soap:Header>'
    inside = "<par:DepartmentRead><par:Params/></par:DepartmentRead>"
    response = client.post(make_envelope(inside, version, header))
    if answered:
        assert read_answer(response.content)["ResultCode"] == "SUCCESS"
    else:
        found, code, text = read_fault(response)
        assert (found, code, response.status_code) == (version, "MustUnderstand", 500)
        assert "{urn:x}Security" in text


@pytest.mark.proves("onec.body-elements")
def test_a_second_element_in_the_body_is_noted_and_passed_over(client: Client) -> None:
    one = "<par:DepartmentRead><par:Params/></par:DepartmentRead>"
    assert client.code(make_envelope(one + one)) == "SUCCESS"
    assert [v.where for v in client.journal[-1].violations] == ["Body"]


def test_zeep_understands_our_faults(service: Service, client: Client) -> None:
    client.session.auth = (client.tenant.name, client.tenant.name)
    made = zeep.Client(f"{service.url}?wsdl", transport=Transport(session=client.session))
    broken = etree.fromstring(make_call("ClientRead", make_parameter("Colour", "red"), SOAP11))
    broken[0][0][0][0].attrib.pop("name")
    with made.settings(raw_response=True):
        raw = client.post(etree.tostring(broken))
    with pytest.raises(zeep.exceptions.Fault) as caught:
        made.service.ClientRead._proxy._binding.process_reply(
            made,
            made.wsdl.bindings[f"{{{SERVICE}}}PartnerWebAPI2SoapBinding"].get("ClientRead"),
            raw,
        )
    assert caught.value.code == "soap:Client"
    assert "the attribute name" in caught.value.message


@pytest.mark.proves("onec.request-encoding")
@pytest.mark.parametrize(
    ("encode", "headers"),
    [
        ("utf-8", {}),
        ("utf-8-sig", {"Content-Type": "text/xml"}),
        ("utf-16", {"Content-Type": "application/soap+xml; charset=utf-16"}),
        ("utf-16", {"Content-Type": "text/xml"}),
        ("windows-1251", {"Content-Type": "text/xml; charset=windows-1251"}),
    ],
)
def test_encodings_are_those_that_the_request_declares(
    client: Client, encode: str, headers: dict[str, str]
) -> None:
    body = make_call("ClientRead", make_parameter("Цвет", "красный")).decode().encode(encode)
    answer = read_answer(client.post(body, headers=headers).content)
    assert answer["ResultCode"] == "PARAM_UNKNOWN"
    assert "ЦВЕТ" in str(answer["ResultData"])


@pytest.mark.proves("onec.request-encoding")
def test_a_declared_encoding_overrules_the_header(client: Client) -> None:
    text = (
        '<?xml version="1.0" encoding="windows-1251"?>'
        + make_call("ClientRead", make_parameter("Цвет", "красный")).decode()
    )
    response = client.post(
        text.encode("cp1251"), headers={"Content-Type": "text/xml; charset=utf-16"}
    )
    assert read_answer(response.content)["ResultCode"] == "PARAM_UNKNOWN"
