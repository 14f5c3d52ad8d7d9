"""Mistakes of namespaces are told in full: what is expected, what came, and of which namespace."""

from __future__ import annotations

import pytest

from tests.onec.conftest import (
    CORE,
    SERVICE,
    SOAP11,
    SOAP12,
    XS,
    XSI,
    Client,
    make_call,
    make_envelope,
    make_history_call,
    make_parameter,
    make_property,
    make_value,
)
from tests.onec.test_soap import read_fault

NIGHT_BEFORE = "2026-03-02T02:00:00"
HISTORY = "GetHistoryOfServiceCalls"
BARE = '<e:Envelope xmlns:e="{e}"><{body} xmlns:b="{b}"><x:ClientRead xmlns:x="{x}"><p:Params '
BARE += 'xmlns:p="{p}">{inside}</p:Params></x:ClientRead></{body}></e:Envelope>'


def make_bare(inside: str = "", **other: str) -> bytes:
    names = {"e": SOAP12, "body": "b:Body", "b": SOAP12, "x": SERVICE, "p": SERVICE, **other}
    return BARE.format(inside=inside, **names).encode()


@pytest.mark.proves("onec.fault-namespaces")
@pytest.mark.parametrize(
    ("body", "text"),
    [
        (
            make_history_call(PeriodFrom=NIGHT_BEFORE).replace(f' xmlns:xs="{XS}"'.encode(), b""),
            "Params/Property[1] (PeriodFrom)/Value: the prefix xs of xsi:type 'xs:dateTime' is not"
            " declared",
        ),
        (
            make_call(
                HISTORY,
                make_parameter("PeriodFrom", NIGHT_BEFORE)
                + make_property("ClientID", make_value("s:string", "x")),
            ),
            "Params/Property[2] (ClientID)/Value: the prefix s of xsi:type 's:string' is not"
            " declared",
        ),
        (
            make_call(HISTORY, '<Property name="PeriodFrom"><Value/></Property>'),
            f"Params/Property[1]: expected Property of {CORE}, got Property of no namespace",
        ),
        (
            make_call(HISTORY, '<q:Property xmlns:q="urn:q" name="A"><Value/></q:Property>'),
            f"Params/Property[1]: expected Property of {CORE}, got Property of urn:q",
        ),
        (
            make_call(HISTORY, '<par:Property name="PeriodFrom"><par:Value/></par:Property>'),
            f"expected Property of {CORE}, got Property of {SERVICE}",
        ),
        (
            make_call(HISTORY, f'<c:Property xmlns:c="{CORE}" name="A"><Value/></c:Property>'),
            f"Params/Property[1]/Value[1]: expected Value of {CORE}, got Value of no namespace",
        ),
        (
            make_call(HISTORY, f'<c:Property xmlns:c="{CORE}" c:name="A"><c:Value/></c:Property>'),
            f"Params/Property[1]: expected the attribute name, got name of {CORE}",
        ),
        (
            make_bare(p="urn:q"),
            f"Params is of urn:q, expected Params of {SERVICE}",
        ),
        (
            make_bare(p="").replace(b' xmlns:p=""', b"").replace(b"p:Params", b"Params"),
            f"Params is of no namespace, expected Params of {SERVICE}",
        ),
        (make_bare(x="urn:q"), f"ClientRead is of urn:q, the service's is of {SERVICE}"),
        (
            make_bare(b=SOAP11),
            f"the Body is of {SOAP11}, the Envelope of {SOAP12}",
        ),
        (make_bare(body="Body"), f"the Body is of no namespace, the Envelope of {SOAP12}"),
    ],
)  # fmt: skip
def test_a_fault_names_both_namespaces(client: Client, body: bytes, text: str) -> None:
    response = client.post(body)
    _, code, told = read_fault(response)
    assert (code, response.status_code) == ("Sender", 400)
    assert text in told
    got = client.journal[-1].violations[0].got
    assert all(word in told for word in got.split(" of "))


def test_an_envelope_of_another_namespace_is_named_with_those_of_soap(client: Client) -> None:
    _, code, told = read_fault(client.post(make_bare(e="urn:q", b="urn:q")))
    assert code == "VersionMismatch"
    assert all(name in told for name in ("urn:q", SOAP11, SOAP12))
    _, _, told = read_fault(client.post(b"<Envelope><Body/></Envelope>"))
    assert "the Envelope is of no namespace" in told


def test_an_undeclared_prefix_of_xsi_is_no_xml(client: Client) -> None:
    body = make_history_call(PeriodFrom=NIGHT_BEFORE).replace(f' xmlns:xsi="{XSI}"'.encode(), b"")
    assert "prefix xsi" in read_fault(client.post(body))[2]


@pytest.mark.parametrize("written", [":", ":dateTime", ":Null"])
def test_an_empty_prefix_is_none_that_is_declared(client: Client, written: str) -> None:
    body = make_call(HISTORY, make_property("PeriodFrom", make_value(written, NIGHT_BEFORE)))
    where = "Params/Property[1] (PeriodFrom)/Value"
    expected = f"{where}: the prefix (none) of xsi:type '{written}' is not declared"
    assert read_fault(client.post(body))[2] == expected


def test_an_undeclared_prefix_counts_no_call_and_no_choice_lets_it_pass(client: Client) -> None:
    client.tenant.assumptions.set_choice("onec.value-typing", "text")
    body = make_call(HISTORY, make_property("PeriodFrom", make_value("q:dateTime", NIGHT_BEFORE)))
    assert "is not declared" in read_fault(client.post(body))[2]


@pytest.mark.proves("onec.empty-parameter")
@pytest.mark.parametrize("written", ["Null", "c:Null", " c:Null "])
def test_the_cores_null_is_nil(client: Client, written: str) -> None:
    null = make_property(
        "ServiceID", f'<Value xmlns:c="{CORE}" xsi:type="{written}"></Value>'
    )  # fmt: skip
    period = make_parameter("PeriodFrom", NIGHT_BEFORE) + make_parameter(
        "PeriodTo", "2026-03-02T12:00:00"
    )
    assert client.records(make_call(HISTORY, period + null)) == client.records(
        make_call(HISTORY, period)
    )
    client.tenant.assumptions.set_choice("onec.empty-parameter", "as-is")
    answer = client.answer(make_call(HISTORY, period + null))
    assert answer["ResultCode"] == "PARAM_WRONG_TYPE"
    assert str(answer["ResultData"]).endswith("got nil")


@pytest.mark.parametrize("text", ["1.0E0", "1e0", "1", "10E-1", "+1.0"])
@pytest.mark.parametrize("kind", ["double", "float"])
def test_a_double_may_have_an_exponent(client: Client, kind: str, text: str) -> None:
    period = make_parameter("PeriodFrom", "2026-03-02T00:00:00")
    result = make_property("CallResult", make_value(f"xs:{kind}", text))
    rows = client.records(make_call(HISTORY, period + result))
    assert rows and {row["CallResult"] for row in rows} == {1}


@pytest.mark.proves("onec.must-understand")
@pytest.mark.parametrize(
    ("version", "attribute", "answered"),
    [
        (SOAP12, f'role="{SOAP12}/role/none"', True),
        (SOAP12, f'role="{SOAP12}/role/ultimateReceiver"', False),
        (SOAP12, f'role="{SOAP12}/role/other"', True),
        (SOAP12, 'actor="urn:somebody-else"', False),  # 1.2 has no actor
        (SOAP11, 'actor="http://schemas.xmlsoap.org/soap/actor/next"', False),
        (SOAP11, 'actor=""', False),
        (SOAP11, f'actor="{SOAP11}"', True),
    ],
)
def test_whose_a_header_block_is(
    client: Client, version: str, attribute: str, answered: bool
) -> None:
    block = f'<x:Trace xmlns:x="urn:x" soap:mustUnderstand="1" soap:{attribute}/>'
    inside = "<par:DepartmentRead><par:Params/></par:DepartmentRead>"
    body = make_envelope(inside, version, f"<soap:Header>{block}</soap:Header>")
    if answered:
        assert client.code(body) == "SUCCESS"
    else:
        assert read_fault(client.post(body))[1] == "MustUnderstand"


@pytest.mark.proves("onec.multipart")
@pytest.mark.parametrize("version", [SOAP11, SOAP12])
def test_a_multipart_request_gets_a_fault_that_names_it(client: Client, version: str) -> None:
    media = 'multipart/related; boundary=b; type="application/xop+xml"'
    part = b"--b\r\nContent-Type: application/xop+xml\r\n\r\n%s\r\n--b--\r\n"
    body = part % make_call("DepartmentRead", version=version)
    found, _, text = read_fault(client.post(body, headers={"Content-Type": media}))
    assert (found, "multipart/related" in text, "MTOM" in text) == (version, True, True)
    assert client.journal[-1].request.startswith("--b")


@pytest.mark.proves("onec.multipart")
@pytest.mark.parametrize("encoding", ["compress", "gzip, br", "x" * 200])
def test_a_body_in_an_unknown_encoding_gets_a_fault_that_names_it(
    client: Client, encoding: str
) -> None:
    headers = {"Content-Type": "text/xml", "Content-Encoding": encoding}
    _, _, text = read_fault(client.post(make_call("DepartmentRead"), headers=headers))
    assert f"Content-Encoding '{encoding[:80]}'" in text
