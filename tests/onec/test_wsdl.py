"""The WSDL as it is served: the structure of the live one, the address of the client."""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
import zeep
from lxml import etree
from zeep.transports import Transport

from callmocks.onec.contract import load_operation_names, load_operations
from tests.onec.conftest import CORE, PATH, SERVICE, SOAP11, XS, Client, Service, make_call
from tests.onec.live_schema import CORE_TYPES

W = "{http://schemas.xmlsoap.org/wsdl/}"
S11 = "{http://schemas.xmlsoap.org/wsdl/soap/}"
S12 = "{http://schemas.xmlsoap.org/wsdl/soap12/}"
ROOT = Path(__file__).resolve().parents[2]
HEX = "[0-9a-fA-F]"
UUID_PATTERN = "-".join(f"{HEX}{{{length}}}" for length in (8, 4, 4, 4, 12))


@pytest.fixture(scope="module")
def wsdl(service: Service) -> etree._Element:
    """The document."""
    return etree.fromstring(requests.get(f"{service.url}?wsdl", timeout=30).content)


def list_operations(holder: etree._Element) -> list[str]:
    return [found.get("name", "") for found in holder.findall(f"{W}operation")]


@pytest.mark.proves("onec.wsdl", "onec.wsdl-access")
def test_it_is_served_as_text_xml_without_credentials(service: Service) -> None:
    for query in ("wsdl", "WSDL", "wsdl="):
        response = requests.get(f"{service.url}?{query}", timeout=30)
        assert response.status_code == 200
        assert response.headers["Content-Type"] == "text/xml; charset=utf-8"
        assert response.content.startswith(b"<?xml")
    wrong = requests.get(f"{service.url}?wsdl", auth=("no", "body"), timeout=30)
    assert wrong.status_code == 200


def test_the_service_itself_is_not_fetched(service: Service) -> None:
    response = requests.get(service.url, timeout=30)
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")
    for answer in (response, requests.get(service.url.rpartition("/cus")[0] + "/", timeout=30)):
        fault = etree.fromstring(answer.content).findtext(".//faultstring") or ""
        assert "posted to /cus/ws/PartnerWebAPI2" in fault and "?wsdl" in fault
    assert answer.status_code == 404


@pytest.mark.proves("onec.wsdl")
@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "mock.example"])
def test_the_address_is_the_one_the_client_used(service: Service, host: str) -> None:
    name = host.format(port=service.port)
    response = requests.get(f"{service.url}?wsdl", headers={"Host": name}, timeout=30)
    root = etree.fromstring(response.content)
    found = [e.get("location") for tag in (S11, S12) for e in root.iter(f"{tag}address")]
    assert found == [f"http://{name}{PATH}"] * 2


@pytest.mark.proves("onec.wsdl-wrapping", "onec.wsdl-ports", "onec.wsdl-messages")
def test_names_and_ports(wsdl: etree._Element) -> None:
    assert (wsdl.get("name"), wsdl.get("targetNamespace")) == ("PartnerWebAPI2", SERVICE)
    (port_type,) = wsdl.findall(f"{W}portType")
    assert port_type.get("name") == "PartnerWebAPI2PortType"
    ports = [(p.get("name"), p.get("binding"), p[-1].tag) for p in wsdl.iter(f"{W}port")]
    assert ports == [
        ("PartnerWebAPI2Soap", "tns:PartnerWebAPI2SoapBinding", f"{S11}address"),
        ("PartnerWebAPI2Soap12", "tns:PartnerWebAPI2Soap12Binding", f"{S12}address"),
    ]
    claims = [each.get("conformsTo") for each in wsdl.iterfind(f".//{W}documentation/*")]
    assert claims == ["http://ws-i.org/profiles/basic/1.1"]
    assert not list(wsdl.iter(f"{W}fault"))


def test_it_lists_the_operations_that_are_served(wsdl: etree._Element) -> None:
    (port_type,) = wsdl.findall(f"{W}portType")
    assert list_operations(port_type) == list(load_operations())
    assert set(list_operations(port_type)) < load_operation_names()


@pytest.mark.proves("onec.wsdl-wrapping", "onec.soap-action")
def test_bindings_are_document_literal_with_the_live_soap_actions(wsdl: etree._Element) -> None:
    bindings = wsdl.findall(f"{W}binding")
    assert [b.get("name") for b in bindings] == [
        "PartnerWebAPI2SoapBinding",
        "PartnerWebAPI2Soap12Binding",
    ]
    for binding, soap in zip(bindings, (S11, S12), strict=True):
        assert binding.find(f"{soap}binding").get("style") == "document"  # type: ignore[union-attr]
        assert list_operations(binding) == list(load_operations())
        for operation in binding.findall(f"{W}operation"):
            action = operation.find(f"{soap}operation")
            assert action is not None
            name = operation.get("name")
            assert action.get("soapAction") == f"{SERVICE}#PartnerWebAPI2:{name}"
            assert action.get("style") == "document"
            assert {body.get("use") for body in operation.iter(f"{soap}body")} == {"literal"}


@pytest.mark.proves("onec.wsdl-wrapping", "onec.wsdl-messages")
def test_messages_wrap_one_element_each_way(wsdl: etree._Element) -> None:
    elements = {e.get("name"): e for e in wsdl.iter(f"{{{XS}}}element") if e.get("name")}
    messages = {m.get("name"): m for m in wsdl.findall(f"{W}message")}
    for name in load_operations():
        for message, element, inside in (
            (f"{name}RequestMessage", name, "Params"),
            (f"{name}ResponseMessage", f"{name}Response", "return"),
        ):
            (part,) = messages[message]
            assert (part.get("name"), part.get("element")) == ("parameters", f"tns:{element}")
            (child,) = elements[element].iter(f"{{{XS}}}sequence")
            assert [(c.get("name"), c.get("type")) for c in child] == [(inside, "core:Structure")]


@pytest.mark.proves("onec.wsdl-schemas")
def test_two_inline_schemas_and_an_import_without_location(wsdl: etree._Element) -> None:
    core, service = wsdl.findall(f"{W}types/{{{XS}}}schema")
    assert (core.get("targetNamespace"), service.get("targetNamespace")) == (CORE, SERVICE)
    assert core.get("elementFormDefault") == "qualified"
    assert not core.findall(f"{{{XS}}}element")
    (imported,) = service.findall(f"{{{XS}}}import")
    assert imported.items() == [("namespace", CORE)]


@pytest.mark.proves("onec.core-types", "onec.value-type")
def test_core_types_are_those_of_the_live_schema(wsdl: etree._Element) -> None:
    core = wsdl.find(f"{W}types/{{{XS}}}schema")
    assert core is not None
    assert {each.get("name"): describe_type(each) for each in core} == CORE_TYPES


def describe_type(declared: etree._Element) -> str:
    """A type in the notation of ``CORE_TYPES``."""
    if declared.tag == f"{{{XS}}}simpleType":
        (restriction,) = declared
        facets = [
            (etree.QName(facet).localname, facet.get("value", "").replace(UUID_PATTERN, "<UUID>"))
            for facet in restriction
        ]
        listed = " | ".join(value for name, value in facets if name == "enumeration")
        other = [f"{name} {value}" for name, value in facets if name != "enumeration"]
        return " ".join(filter(None, [restriction.get("base", ""), listed, *other]))
    said = ["abstract"] if declared.get("abstract") == "true" else []
    extended = declared.find(f"{{{XS}}}complexContent/{{{XS}}}extension")
    if extended is not None:
        said.append("extends " + extended.get("base", "").removeprefix("core:"))
    holder = declared if extended is None else extended
    said += [_describe_attribute(each) for each in holder.iterfind(f"{{{XS}}}attribute")]
    (group,) = (each for each in holder if each.tag != f"{{{XS}}}attribute")
    elements = ", ".join(map(_describe_element, group))
    if group.tag == f"{{{XS}}}choice":
        elements = f"one of {elements}"
    return f"{', '.join(said)}: {elements}" if said else elements


def _describe_attribute(attribute: etree._Element) -> str:
    default = attribute.get("default")
    use = "!" if attribute.get("use") == "required" else "" if default is None else f"={default}"
    return f"{attribute.get('name')} {attribute.get('type', '').removeprefix('core:')}{use}"


def _describe_element(element: etree._Element) -> str:
    occurs = {(1, "1"): "", (0, "1"): "?", (0, "unbounded"): "*", (1, "unbounded"): "+"}[
        int(element.get("minOccurs", "1")), element.get("maxOccurs", "1")
    ]
    name, kind = element.get("name", ""), element.get("type")
    text = name + ("" if kind is None else " " + kind.removeprefix("core:"))
    text += ("~" if element.get("nillable") == "true" else "") + occurs
    for inline in element.iterfind(f"{{{XS}}}complexType"):
        attributes = map(_describe_attribute, inline.iterfind(f"{{{XS}}}attribute"))
        elements = map(_describe_element, inline.iterfind(f"{{{XS}}}sequence/{{{XS}}}element"))
        text += f"({', '.join([*attributes, *elements])})"
    return text


def test_the_script_tells_every_structural_difference(tmp_path: Path) -> None:
    ours = (ROOT / "schemas" / "onec" / "PartnerWebAPI2.wsdl").read_text(encoding="utf-8")
    changes = {
        '"Value" nillable="true"': '"Value" type="xs:anyType" nillable="true"',
        '<xs:element name="index" type="core:ValueTableIndex"': '<xs:element name="indexes"',
        '"Width" type="xs:nonNegativeInteger"': '"Width" type="xs:decimal"',
        '<xs:enumeration value="Fixed"/>': "",
        "#PartnerWebAPI2:ClientRead": "#ClientRead",
        'name="PartnerWebAPI2Soap" ': 'name="PartnerWebAPI2Soap11" ',
        'use="required"': "",
        'name="ClientUserRead"': 'name="RegionRead"',
    }
    for old, new in changes.items():
        assert old in ours
        other = tmp_path / "other.wsdl"
        other.write_text(ours.replace(old, new), encoding="utf-8")
        assert compare_wsdl(other)[0] == 1, old
    other.write_text(
        ours.replace("core:", "k:").replace("xmlns:core=", "xmlns:k=").replace("    ", "\t")
        .replace("LOCATION", "https://cus.example/ws").replace("<!-- ", "<!-- other words "),
        encoding="utf-8",
    )  # fmt: skip
    assert compare_wsdl(other) == (0, "0 differences\n0 operations of the reference are not served")
    assert compare_wsdl(tmp_path / "none.wsdl")[0] == 2


def compare_wsdl(reference: Path) -> tuple[int, str]:
    command = [sys.executable, str(ROOT / "scripts" / "compare-wsdl"), str(reference)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout.strip()


def test_zeep_loads_it_and_calls_both_ports(service: Service, client: Client) -> None:
    session = requests.Session()
    session.auth = (client.tenant.name, client.tenant.name)
    made = zeep.Client(f"{service.url}?wsdl", transport=Transport(session=session))
    moment = made.get_type(f"{{{XS}}}dateTime")

    def prop(name: str, kind: Any, value: Any) -> dict[str, Any]:
        return {"name": name, "Value": zeep.xsd.AnyObject(kind, value)}

    params = [
        prop("PeriodFrom", moment, datetime.datetime(2026, 3, 2)),
        prop("PeriodTo", moment, datetime.datetime(2026, 3, 3)),
        prop("CallResult", made.get_type(f"{{{XS}}}decimal"), 2),
    ]
    answers = []
    for port in ("PartnerWebAPI2Soap", "PartnerWebAPI2Soap12"):
        bound = made.bind("PartnerWebAPI2", port)
        answers.append(bound.GetHistoryOfServiceCalls(Params={"Property": params}))
    code, data = answers[0]
    assert (code["name"], code["Value"]) == ("ResultCode", "SUCCESS")
    rows = [row["Value"] for row in data["Value"]["row"]]
    assert rows
    assert all(row[7] == 2 and row[8] == 0 for row in rows)
    assert all(row[4].date() == datetime.date(2026, 3, 2) for row in rows)
    assert [row["Value"] for row in answers[1][1]["Value"]["row"]] == rows


@pytest.mark.proves("onec.dispatch")
def test_zeep_in_the_lazy_form_sends_an_empty_params(service: Service) -> None:
    by_night = service.client(world="empty")
    by_day = service.client(world="empty", now="2026-03-03T12:00:00")
    for client, code in ((by_night, "SUCCESS"), (by_day, "PARAM_NOT_EXIST")):
        client.session.auth = (client.tenant.name, client.tenant.name)
        made = zeep.Client(f"{service.url}?wsdl", transport=Transport(session=client.session))
        answer = made.service.GetHistoryOfServiceCalls("Params")
        assert answer[0]["Value"] == code
    specialists = made.service.SpecialistRead("Params")
    rows = specialists[1]["Value"]["row"]
    assert {row["Value"][0] for row in rows} == {
        person.specialist_id for person in by_day.tenant.history.directory.operators
    }


def test_stubs_compile_from_it_and_read_an_answer(
    service: Service, client: Client, tmp_path: Path
) -> None:
    pytest.importorskip("xsdata", reason="xsdata, which compiles WSDL to stubs, is not installed")
    (tmp_path / "partner.wsdl").write_bytes(requests.get(f"{service.url}?wsdl", timeout=30).content)
    command = [sys.executable, "-m", "xsdata", "generate", "partner.wsdl", "--package", "stubs"]
    beside = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # it calls ruff
    made = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PATH": beside},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert made.returncode == 0, made.stderr
    script = (
        "import sys, stubs\n"
        "from xsdata.formats.dataclass.parsers import XmlParser\n"
        "port = stubs.PartnerWebApi2PortTypeDepartmentReadOutput\n"
        "answer = XmlParser().from_bytes(sys.stdin.buffer.read(), port)\n"
        "code, data = answer.body.department_read_response.return_value.property\n"
        "print(code.value, len(data.value.row))\n"
    )
    answer = client.post(make_call("DepartmentRead", version=SOAP11))
    read = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, input=answer.content, capture_output=True,
        timeout=120,
    )  # fmt: skip
    assert read.stdout.decode().strip() == "SUCCESS 3", read.stderr.decode()
