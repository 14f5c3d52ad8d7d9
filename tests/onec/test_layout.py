"""Answers are laid out as the recorded ones: what clients that walk the DOM by position see."""

from __future__ import annotations

import re
from typing import Any
from xml.dom import minidom

import pytest
from lxml import etree

from callmocks.faults.active import FaultScope
from tests.onec.conftest import (
    CORE,
    SERVICE,
    SOAP11,
    SOAP12,
    XS,
    XSI,
    Client,
    Service,
    make_call,
    make_envelope,
    make_history_call,
)
from tests.onec.infoset import infoset

HOUR = {"PeriodFrom": "2026-03-02T12:00:00", "PeriodTo": "2026-03-02T13:00:00"}
REQUESTS = {
    "rows": make_history_call(**HOUR),
    "rows in SOAP 1.1": make_history_call(SOAP11, **HOUR),
    "no row": make_history_call(PeriodFrom="2026-03-02T02:00:00", PeriodTo="2026-03-02T02:01:00"),
    "read": make_call("SpecialistRead"),
    "a code": make_history_call(CallResult=7),
    "a fault": make_call("Nothing"),
    "a fault in SOAP 1.1": make_envelope("<x/>", SOAP11),
}
ATTRIBUTE = re.compile(r'[\w:]+="[^"<]*"')


@pytest.mark.proves("onec.answer-layout")
@pytest.mark.parametrize("name", REQUESTS)
def test_every_line_ends_with_cr_lf_and_begins_with_the_tabs_of_its_level(
    client: Client, name: str
) -> None:
    text = client.post(REQUESTS[name]).content.decode()
    assert text.count("\r") == text.count("\n") == text.count("\r\n")
    depth = 0
    for line in text.split("\r\n"):
        content = line.lstrip("\t")
        tabs = len(line) - len(content)
        if not content.startswith("<"):  # every attribute but the first has a line of its own
            attribute, _, rest = content.partition(">")
            assert tabs == depth + 1 and ATTRIBUTE.fullmatch(attribute) and not rest, line
            continue
        depth -= content.startswith("</")
        assert tabs == depth, line
        opening = content.partition(">")[0]
        assert len(ATTRIBUTE.findall(opening)) <= 1, line
        is_leaf = "</" in content or content.endswith("/>")
        depth += not is_leaf
    assert depth == 0


@pytest.mark.proves("onec.answer-layout", "onec.namespaces")
def test_namespaces_are_declared_where_the_recorded_answers_declare_them(client: Client) -> None:
    declared = re.compile(r"<([\w:]+)((?:\s+xmlns(?::\w+)?=\"[^\"]+\")+)(\s+name=\"\w+\")?")
    text = client.post(REQUESTS["rows"]).content.decode()
    found = [
        (tag, " ".join(names.split()), name.strip()) for tag, names, name in declared.findall(text)
    ]
    assert found == [
        ("soap:Envelope", f'xmlns:soap="{SOAP12}"', ""),
        ("m:GetHistoryOfServiceCallsResponse", f'xmlns:m="{SERVICE}"', ""),
        ("m:return", f'xmlns:xs="{XS}" xmlns:xsi="{XSI}"', ""),
        ("Property", f'xmlns="{CORE}"', 'name="ResultCode"'),
        ("Property", f'xmlns="{CORE}"', 'name="ResultData"'),
    ]


def test_text_nodes_stand_where_a_client_by_position_meets_them(client: Client) -> None:
    document: Any = minidom.parseString(client.post(make_call("DepartmentRead")).content)
    envelope = document.documentElement
    body = envelope.childNodes[1]
    answer = body.childNodes[1].childNodes[1]
    code, data = (answer.childNodes[position].childNodes[1] for position in (1, 3))
    assert (body.nodeName, answer.nodeName) == ("soap:Body", "m:return")
    assert code.firstChild.data == "SUCCESS"
    columns = [data.childNodes[position] for position in (1, 3, 5)]
    assert [each.childNodes[1].firstChild.data for each in columns] == [
        "DepartmentID", "Name", "Deleted",
    ]  # fmt: skip
    row = data.childNodes[7]
    assert [node.nodeName for node in row.childNodes] == ["#text", "Value"] * 3 + ["#text"]
    assert [node.data for node in row.childNodes[::2]] == ["\n" + "\t" * 7] * 3 + ["\n" + "\t" * 6]


@pytest.mark.proves("onec.answer-layout")
def test_compact_answers_are_the_same_without_space(service: Service) -> None:
    indented, compact = service.client(), service.client()
    compact.tenant.assumptions.set_choice("onec.answer-layout", "compact")
    for name, request in REQUESTS.items():
        long, short = (each.post(request).content for each in (indented, compact))
        assert b"\n" not in short and b"> <" not in short
        assert infoset(etree.fromstring(long)) == infoset(etree.fromstring(short)), name


@pytest.mark.parametrize("fault", ["columns_reordered", "table_truncated", "nil_everywhere"])
def test_a_fault_that_edits_the_table_keeps_the_layout(client: Client, fault: str) -> None:
    client.tenant.faults.enable("onec", fault, {}, FaultScope())
    test_every_line_ends_with_cr_lf_and_begins_with_the_tabs_of_its_level(client, "rows")
