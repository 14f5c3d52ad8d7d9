"""Wrong documents are validated in a time that grows with their length."""

from __future__ import annotations

import pytest
from lxml import etree

from callmocks.arm import schema
from callmocks.contract import xsd
from callmocks.contract.xsd import XsdValidator
from callmocks.onec import wsdl
from tests.limited_server import error_text, limited_server

CORE = "http://v8.1c.ru/8.1/data/core"
CALL = (
    '<x:ClientRead xmlns:x="http://buhphone.com/PartnerWebAPI2" xmlns="{}"'
    ' xmlns:xs="http://www.w3.org/2001/XMLSchema"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
    "<x:Params>{}</x:Params></x:ClientRead>"
)
ENVELOPE = (
    '<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Body>{}</e:Body></e:Envelope>'
)
PARAMS = (
    "",
    "x&amp;y",
    "<a/>" * 3,
    '<Property name="A"/>' * 2,
    '<Property><Value/></Property><Property name="a b" c="1"><Value/><Value/>x</Property>',
    '<Property name="A"><Value xsi:type="xs:decimal" d="1">x</Value></Property>',
    '<Property name="A"><Value xsi:type="Array"><Value xsi:type="q:x"/><b/></Value></Property>',
    '<Property name="A"><Value xsi:type="xs:decimal"><b/></Value></Property><column/>',
)
FILTERS = (
    '<filters limit="1" offset="0"/>',
    '<filters limit="x" a="1">x</filters><filters/><a/>',
    "<filters/>x",
)


def list_documents() -> list[tuple[XsdValidator, etree._Element]]:
    calls = [(wsdl.load_validator(), CALL.format(CORE, inside)) for inside in PARAMS]
    calls.append((calls[0][0], '<ClientRead xmlns="http://buhphone.com/PartnerWebAPI2"/>'))
    validator = schema.get_schema(schema.HISTORY).validator
    requests = [(validator, f"<in><request>{each}</request></in>") for each in FILTERS]
    return [(each, etree.fromstring(text)) for each, text in calls + requests]


def test_violations_are_those_that_libxml2_tells_of_a_tree(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(xsd, "_SMALL_ELEMENTS", 0)
    invalid = 0
    for validator, root in list_documents():
        is_valid = validator.schema.validate(root)
        log = validator.schema.error_log
        expected = [(each.path, each.message) for each in log]  # type: ignore[attr-defined]
        assert validator.is_valid(root) is is_valid
        tree = root.getroottree()
        found = validator.find_violations(root, 100)
        assert [(tree.getpath(each.element), each.message) for each in found] == expected
        assert validator.find_violations(root, 2) == found[:2]
        invalid += not is_valid
    assert invalid > 5


@pytest.mark.parametrize("wrong", ['<Property name="A"/>', "<a/>", "<Property/>", "x<Property/>"])
async def test_violations_of_a_tree_of_many_elements_are_not_listed(wrong: str) -> None:
    async with limited_server() as server, server.raw("onec") as onec, server.raw("arm") as arm:
        trees = wsdl.load_validator().schema, schema.get_schema(schema.HISTORY).validator.schema
        for each in trees:
            each.validate(etree.Element("x"))  # empties its log
        body = ENVELOPE.format(CALL.format(CORE, wrong * 2000)).encode()
        status, answer = await onec.request("onec", body)
        assert (status, "Params" in error_text("onec", answer)) == (400, True), answer
        body = f"<in><request>{wrong * 2000}</request></in>".encode()
        status, answer = await arm.request("arm", body)
        assert (status, "/in/request" in error_text("arm", answer)) == (200, True), answer
        assert len(answer) < 5000
        assert [len(each.error_log) for each in trees] == [1, 1]  # type: ignore[arg-type]
