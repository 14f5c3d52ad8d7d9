"""Requests of the journal, copied from its page and run by a real curl, and what the page tells."""

from __future__ import annotations

import json
from typing import Any

import pytest
from lxml import etree

from callmocks.arm import frames
from tests.control.server_client import SOAP, WINDOW, basic
from tests.dashboard.conftest import NOW, Site
from tests.dashboard.test_snippets import run

ARM = "/demo/service/cc/arm"


def last_entry(site: Site, tenant: str = "demo") -> Any:
    return site.api("GET", f"/api/tenants/{tenant}/journal?limit=1")["entries"][-1]


def copies(site: Site, tenant: str = "demo", number: int = 0) -> list[str]:
    """What the page of an entry, the last one by default, offers to copy."""
    number = number or last_entry(site, tenant)["seq"]
    page = site.get(f"/tenants/{tenant}/journal/{number}").page
    figures = page.xpath("//section[@class='copies']//figure")
    return [figure.xpath("string(.//code)") for figure in figures]


def rows(answer: str) -> Any:
    found = json.loads(answer)
    return found["result"]["data"], found["result"]["metadata"]["total_items"]


def post(site: Site, url: str, body: str | bytes, **headers: str) -> Any:
    return site.send(url, "POST", body.encode() if isinstance(body, str) else body, **headers)


def test_a_request_of_the_data_api_is_copied_with_the_tenants_token(site: Site) -> None:
    tree = {"field": "employee_full_name", "operator": "!=", "value": 'it\'s "$HOME" \\ `id`\nBODY'}
    params = {"login": "demo", "password": "demo"}
    login = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "login.user", "params": params})
    token = json.loads(post(site, site.urls["cdr"], login).text)["result"]["data"]["access_token"]
    post(site, site.urls["cdr"], login.replace('"password": "demo"', '"password": "no"'))
    (again,) = copies(site)
    assert json.loads(run("shell", again))["result"]["data"]["access_token"]
    sent = site.rpc("get.call_legs_report", access_token=token, filter=tree, limit=3, **WINDOW)
    (copied,) = copies(site)
    site.rpc("logout.user", access_token=token)
    assert token not in copied and "demo-token" in copied
    assert rows(run("shell", copied)) == rows(json.dumps(sent))
    assert last_entry(site)["request_summary"].startswith(" … ".join(WINDOW.values()))


def test_an_address_is_copied_as_it_was_sent_but_for_credentials(site: Site) -> None:
    url = f"{site.urls['cdr']}?ids=[1-3]&one={{a,b}}&api_key=hidden"
    post(site, url, '{"jsonrpc": "2.0", "id": 1, "method": "get.account"}', X_Auth="hidden")
    sent = last_entry(site, "nobody")
    (copied,) = copies(site, "nobody")
    run("shell", copied)
    again = last_entry(site, "nobody")
    assert (again["seq"], again["target"]) == (sent["seq"] + 1, sent["target"])
    assert "hidden" not in copied and sent["target"].endswith("?ids=[1-3]&one={a,b}&api_key=***")


def test_a_command_of_the_arm_is_copied_with_its_operators_password(site: Site) -> None:
    body = "<in><request><filters limit='3' display_name=\"'&quot;\"/></request></in>\nBODY\n"
    for text in (body.partition("\n")[0], body):
        url = f"{site.urls['arm']}{ARM}/operator_call_history"
        answer = post(site, url, text, Content_Type="text/xml", **basic("102"))
        (copied,) = copies(site)
        assert "102:demo" in copied and "Basic" not in copied
        assert run("shell", copied) == answer.text
    post(site, f"{site.urls['arm']}{ARM}/login", '<in><request login="101" password="no"/></in>')
    assert last_entry(site)["status"] != 200 or last_entry(site)["error"]
    (copied,) = copies(site)
    assert "<ok/>" in run("shell", copied)


def test_a_call_of_1c_is_copied_with_the_tenants_user(site: Site) -> None:
    for text in (
        SOAP,
        SOAP.replace("2026-03-02T09", "2026-03-02T12"),
        SOAP.replace("PeriodF", "F"),
    ):
        answer = post(site, site.urls["onec"], text, Content_Type="text/xml", **basic("demo"))
        (copied,) = copies(site)
        assert "demo:demo" in copied
        assert run("shell", copied) == answer.text
    wsdl = site.send(f"{site.urls['onec']}?wsdl", **basic("demo"))
    (copied,) = copies(site)
    assert run("shell", copied) == wsdl.text


def test_a_frame_is_copied_as_text_and_as_the_post_that_means_the_same(site: Site) -> None:
    filters = {"_name": "filters", "_attributes": {"limit": "3"}}
    login = {"_name": "request", "_attributes": {"login": "103", "password": "x"}}
    bodies = [{"_name": "request", "_content": [filters]}, login]
    commands = ["operator_call_history", "login"]
    sent = []
    with site.open_websocket("101") as arm:
        for command, node in zip(commands, bodies, strict=True):
            body = json.dumps([{"_name": "in", "_content": [node]}]).encode()
            sent.append(frames.encode_request("0007", command, body))
            arm.send(sent[-1])
            answer = frames.decode_response(arm.recv())
            if command != "login":
                shown = json.loads(answer.body)
    last = last_entry(site)["seq"]
    text, posted = copies(site, number=last - 1)
    assert text.encode() == sent[0]
    history = etree.fromstring(run("shell", posted).encode()).find("response/history")
    calls = shown[0]["_content"][0]["_content"][0]["_content"]
    assert history is not None and "101:demo" in posted
    assert [dict(call.attrib) for call in history] == [
        {name: str(value) for name, value in call["_attributes"].items()} for call in calls
    ]
    text, posted = copies(site, number=last)
    with site.open_websocket("101") as arm:
        arm.send(text.encode())
        assert frames.decode_response(arm.recv()).status == 200
    assert "<ok/>" in run("shell", posted)


def test_credentials_may_hold_special_characters(site: Site) -> None:
    hard = """it's "$HOME" \\ <&> `id` é"""
    new = {"arm": {"password": hard}, "cdr": {"token": hard}, "onec": {"password": hard}}
    site.api("POST", "/api/tenants", {"name": "hard", "now": NOW, **new})
    login = '<in><request login="101" password="wrong"/></in>'
    post(site, f"{site.urls['arm']}/hard/service/cc/arm/login", login)
    assert "<ok/>" in run("shell", copies(site, "hard")[0])
    site.rpc("get.account", access_token=hard)
    assert "result" in json.loads(run("shell", copies(site, "hard")[0]))


def test_a_request_of_nobody_is_copied_as_it_was_sent(site: Site) -> None:
    answer = site.rpc("get.account", access_token="stolen")
    (copied,) = copies(site, "nobody")
    assert json.loads(run("shell", copied)) == answer
    assert answer["error"]["data"]["mnemonic"]


@pytest.mark.parametrize(
    "body", [b"\xff\xfe", b'{"a": "\0"}', b"[" + b" " * 200_000 + b"]", b'"' * 120_000]
)
def test_what_is_no_text_or_not_kept_whole_is_not_copied(site: Site, body: bytes) -> None:
    post(site, site.urls["cdr"], body)
    assert copies(site, "nobody") == []
    page = site.get(f"/tenants/nobody/journal/{last_entry(site, 'nobody')['seq']}")
    assert "This request cannot be copied" in page.text


def test_a_row_tells_number_times_and_what_was_asked_and_came(site: Site) -> None:
    site.rpc("get.call_legs_report", limit=2, offset=1, **WINDOW)
    site.rpc("get.call_legs_report", limit="x", **WINDOW)
    delay = {"provider": "cdr", "fault": "delay", "params": {"ms": 5}}
    site.api("POST", "/api/tenants/demo/faults", delay)
    site.rpc("get.account")
    account, wrong, legs = site.get("/tenants/demo/journal").page.xpath("//li[@class]/details")

    def text(row: Any, place: str) -> str:
        return " ".join(row.xpath(f"string(.//*[contains(@class, '{place}')])").split())

    entry = last_entry(site)
    last = entry["seq"]
    numbers = [text(row, "seq") for row in (legs, wrong, account)]
    assert numbers == [str(last - 2), str(last - 1), str(last)]
    assert text(account, "real") == f"{entry['real_time'][11:19]}Z"
    assert text(legs, "exchanged").startswith(
        " … ".join(WINDOW.values()) + ", limit 2, offset 1 2 of"
    )
    assert wrong.xpath(".//b[@class='bad']/text()") == ["data_type_error"]
    assert "bad" in wrong.xpath("string(.//*[contains(@class, 'outcome')]/@class)")
    assert text(account, "took").endswith("+ 5 ms")
    opened = site.get(f"/tenants/demo/journal/{entry['seq']}").page
    assert "Content-Length" in opened.xpath("string(//details[@class='headers'])")
    found = site.get("/tenants/demo/journal?text=DATA_type").page
    assert found.xpath("//ol[@id='entries']/li/@id") == [f"e{last - 1}"]
    assert found.xpath("//ol[@id='entries']/@data-rows")[0].endswith("rows?text=DATA_type")
