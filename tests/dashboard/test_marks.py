"""What the page of an entry marks in a request, whatever is wrong with it."""

from __future__ import annotations

import json

import pytest

from callmocks.arm import frames
from tests.control.server_client import basic
from tests.dashboard.conftest import Site
from tests.onec.conftest import CORE, make_envelope, make_parameter

CALL = "GetHistoryOfServiceCalls"
FROM = make_parameter("PeriodFrom", "2026-03-02T09:00:00")


def make_call(params: str, inside: str = "", attributes: str = "") -> str:
    return f"<par:{CALL}{attributes}><par:Params>{FROM}{params}</par:Params>{inside}</par:{CALL}>"


def make_property(name: str, content: str) -> str:
    return f'<Property xmlns="{CORE}" {name}>{content}</Property>'


VALUE = '<Value xsi:type="xs:string">x</Value>'
REQUESTS = {
    "another element": (make_call(make_property('name="A"', "<Wert>x</Wert>")), "Wert"),
    "an attribute": (make_call(make_property('name="x" extra="x"', VALUE)), "x"),
    "a name": (make_call(make_property('name="Pe riod"', VALUE)), "Pe riod"),
    "text beside a value": (make_call(make_property('name="x"', f"{VALUE}x")), "x"),
    "text in Params": (make_call(" stray text "), "stray text"),
    "an undeclared prefix": (
        make_call(make_parameter("PeriodTo", "").replace("xs:dateTime", "zz:dateTime")),
        "zz:dateTime",
    ),
    "a parameter twice": (
        make_call(make_parameter("PeriodFrom", "2026-03-02T10:00:00")),
        "2026-03-02T10:00:00",
    ),
    "an unknown parameter": (make_call(make_parameter("a:b", "x")), "a:b"),
    "a wrong value": (make_call(make_parameter("PeriodTo", "soon")), "soon"),
    "a second Params": (make_call("", "<par:Params/>"), "Params"),
    "a second Params of another name": (make_call("", "<par:Other/>"), "Other"),
    "an attribute of the call": (make_call("", "", ' a="5"'), "5"),
    "an unknown operation": ("<par:Nope>Nope</par:Nope>", "Nope"),
    "an operation of another namespace": (f'<{CALL} xmlns="urn:x"/>', CALL),
    "text for Params": (f"<par:{CALL}>hm</par:{CALL}>", "hm"),
    "no Params": (f"<par:{CALL}/>", None),
    "no name": (make_call(make_property("", VALUE)), None),
    "two operations": (make_call("") + make_call(""), None),
}


@pytest.mark.parametrize(("inside", "marked"), REQUESTS.values(), ids=REQUESTS)
def test_exactly_the_wrong_value_is_marked(site: Site, inside: str, marked: str | None) -> None:
    body = make_envelope(inside)
    site.send(site.urls["onec"], "POST", body, Content_Type="application/soap+xml", **basic("demo"))
    entry = site.api("GET", "/api/tenants/demo/journal?limit=1")["entries"][-1]
    assert len(entry["violations"]) == 1
    (section, *_) = site.get(f"/tenants/demo/journal/{entry['seq']}").page.xpath("//pre")
    marks = section.xpath(".//mark")
    assert [mark.text_content() for mark in marks] == ([marked] if marked else [])
    if marked and len(marked) == 1:  # the one that is wrong: behind the right ones
        text = section.text_content()
        before = "".join(section.xpath(".//text()[following::mark or following-sibling::mark]"))
        assert text[len(before) :].startswith(marked)


def test_a_value_of_a_frame_that_is_no_string_is_marked(site: Site) -> None:
    filters = {"_name": "filters", "_attributes": {"limit": 5, "offset": "5"}}
    tree = [{"_name": "in", "_content": [{"_name": "request", "_content": [filters]}]}]
    body = json.dumps(tree, separators=(",", ":")).encode()
    with site.open_websocket("101") as websocket:
        websocket.send(frames.encode_request("0007", "operator_call_history", body))
        websocket.recv()
    entry = site.api("GET", "/api/tenants/demo/journal?limit=1")["entries"][-1]
    page = site.get(f"/tenants/demo/journal/{entry['seq']}").page
    assert page.xpath("string(//ol[@class='violations']//code)") == "/in/request/filters/@limit"
    (mark,) = page.xpath("//mark")
    assert mark.text == "5" and mark.getprevious() is None and mark.tail.startswith(",")


@pytest.mark.parametrize("transport", ["http", "frame"])
def test_the_element_too_many_is_marked(site: Site, transport: str) -> None:
    if transport == "http":
        site.arm("101", 'limit="5" offset="0"/><filters limit="5" offset="0"')
    else:
        filters = {"_name": "filters", "_attributes": {"limit": "5", "offset": "0"}}
        request = {"_name": "request", "_content": [filters, filters]}
        body = json.dumps([{"_name": "in", "_content": [request]}]).encode()
        with site.open_websocket("101") as websocket:
            websocket.send(frames.encode_request("0007", "operator_call_history", body))
            websocket.recv()
    entry = site.api("GET", "/api/tenants/demo/journal?limit=1")["entries"][-1]
    page = site.get(f"/tenants/demo/journal/{entry['seq']}").page
    (mark,) = page.xpath("//mark")
    assert mark.text.strip('"') == "filters"
    assert "filters" in page.xpath("string(//mark/preceding-sibling::text())")
    assert "filters" not in mark.tail


def test_a_summary_has_no_parameter_without_a_name(site: Site) -> None:
    body = make_envelope(make_call(make_property("", VALUE)))
    site.send(site.urls["onec"], "POST", body, **basic("demo"))
    entry = site.api("GET", "/api/tenants/demo/journal?limit=1")["entries"][-1]
    assert entry["request_summary"] == "2026-03-02T09:00:00 …"
