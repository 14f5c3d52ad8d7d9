"""Pages as HTTP answers: all of them there, nothing inline, everything escaped, the guard kept."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from click.testing import CliRunner
from lxml import html

from callmocks.cli.commands import group
from tests.dashboard.conftest import Site, running

VIEWS = [
    "/",
    "/tenants",
    "/tenants/demo",
    "/tenants/demo/calls",
    "/tenants/demo/calls?span=7",
    "/tenants/demo/arm",
    "/tenants/demo/cdr",
    "/tenants/demo/cdr/legs",
    "/tenants/demo/onec",
    "/tenants/demo/journal",
    "/tenants/nobody/journal",
    "/tenants/demo/faults?provider=arm",
    "/tenants/demo/faults?provider=cdr",
    "/tenants/demo/faults?provider=onec",
    "/tenants/demo/clock",
    "/tenants/demo/pins",
    "/tenants/demo/assumptions",
    "/tenants/demo/assumptions?q=error&show=changed",
    "/openapi",
    "/docs",
    "/docs/dashboard.md",
]
NAME = """<b onload="x">&'☎"""
NASTY = """<script>alert("x")</script>'&amp;" onload="alert(1) ☎"""


def test_every_link_leads_somewhere_and_nothing_is_inline(site: Site) -> None:
    site.rpc("get.account")
    site.rpc("get.call_legs_report", limit="x")
    site.send(site.urls["cdr"], "POST", b"{")
    seen: set[str] = set()
    waiting = [*VIEWS]
    followed: dict[str, int] = {}
    while waiting:
        path = waiting.pop(0)
        kind = re.sub(r"\d{4,}|=[^&]*", "*", path)
        if path in seen or followed.get(kind, 0) >= 4:
            continue
        seen.add(path)
        followed[kind] = followed.get(kind, 0) + 1
        reply = site.get(path)
        assert reply.status == 200, path
        if reply.headers.get_content_type() != "text/html":
            continue
        page = reply.page
        assert not page.xpath("//@style"), path
        assert not page.xpath("//style"), path
        assert not page.xpath("//script[not(@src)]"), path
        assert not page.xpath("//@*[starts-with(name(), 'on')]"), path
        ids = page.xpath("//@id")
        assert len(ids) == len(set(ids)), (path, ids)
        for href in page.xpath("//a/@href | //link/@href | //script/@src | //img/@src"):
            target = urlsplit(urljoin(path, href))
            assert not target.netloc or path.startswith("/docs/"), (path, href)
            if target.netloc:
                continue
            waiting.append(target.path + (f"?{target.query}" if target.query else ""))
    assert len(seen) > 60


@pytest.mark.parametrize("path", VIEWS)
def test_pages_carry_a_strict_policy(site: Site, path: str) -> None:
    headers = site.get(path).headers
    policy = dict(
        part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", VIEWS)
def test_pages_are_built_for_keyboards_and_screen_readers(site: Site, path: str) -> None:
    page = site.get(path).page
    assert page.xpath("string(/html/@lang)") == "en"
    assert len(page.xpath("//h1")) == 1
    assert page.xpath("//a[1]")[0].get("href") == "#main" and page.xpath("//main[@id='main']")
    assert page.xpath("//*[@role='status' and @aria-live='polite']")
    labels = set(page.xpath("//label/@for"))
    for control in page.xpath("//input[not(@type='hidden')] | //select"):
        named = control.get("aria-label") or control.get("id") in labels
        assert named or control.getparent().tag == "label", html.tostring(control)
    for table in page.xpath("//table"):
        assert table.xpath("./thead//th[@scope='col']")
    for scrolled in page.xpath("//*[contains(@class, 'scroll')] | //pre"):
        assert scrolled.get("tabindex") == "0" and scrolled.get("role") == "region"


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/tenants/none", 404, "no tenant 'none'"),
        ("/tenants/demo/calls/1", 404, "no call '1'"),
        ("/tenants/demo/calls/%3Cb%3E", 404, "no call '<b>'"),
        ("/tenants/demo/calls?day=yesterday", 422, "'yesterday' is not a day"),
        ("/tenants/demo/calls?span=2", 422, "span 2 is none of 1, 7, 30"),
        ("/tenants/demo/calls?page=0", 422, "page '0' is not a whole number from 1"),
        ("/tenants/demo/calls?reason=bored", 422, "'bored' is not a finish reason"),
        ("/tenants/demo/arm?operator=999", 404, "no operator '999'"),
        ("/tenants/demo/faults?provider=sms", 422, "provider 'sms'"),
        ("/tenants/demo/journal/12", 404, "entry '12' is not in the journal"),
        ("/static/../pages.py", 404, ""),
        ("/static/none.js", 404, "no file 'none.js'"),
    ],
)
def test_a_wrong_address_is_reported_as_a_page(
    site: Site, path: str, status: int, text: str
) -> None:
    reply = site.get(path)
    assert reply.status == status
    assert "Traceback" not in reply.text
    if text:
        assert text in reply.page.xpath("string(//main)")


@pytest.mark.parametrize("path", ["/nix", "/tenants/demo/nix", "/tenants/", "/docs/nix/%3Cb%3E"])
def test_an_unknown_path_is_a_page_in_a_browser_and_a_problem_elsewhere(
    site: Site, path: str
) -> None:
    reply = site.get(path, Accept="text/html,*/*;q=0.8", Accept_Language="ru")
    assert (reply.status, reply.page.xpath("string(//h1)")) == (404, "Не найдено")
    assert reply.page.xpath("//main//a[@href='/']") and not reply.page.xpath("//main//b")
    assert "script-src 'self'" in reply.headers["Content-Security-Policy"]
    for other in (site.get("/nix"), site.get("/api/nix", Accept="text/html")):
        assert json.loads(other.text)["detail"].endswith("; /openapi.json lists what there is")
    assert site.send(site.control + path, "POST", Accept="text/html").status in (404, 405)


def test_what_clients_write_is_text_and_never_markup(site: Site) -> None:
    site.api(
        "POST",
        "/api/tenants",
        {"name": "nasty", "arm": {"password": NASTY}, "cdr": {"token": NASTY, "login": NASTY}},
    )
    call = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": NASTY,
        "params": {"access_token": NASTY, NASTY: NASTY},
    }
    site.send(site.urls["cdr"], "POST", call)
    site.send(site.urls["cdr"], "POST", NASTY.encode())
    pages = ["/tenants/nasty", "/tenants/nasty/journal", "/tenants/nasty/journal/1"]
    pages += ["/tenants/nobody/journal", f"/tenants/demo/find?q={NASTY.replace(' ', '+')[:20]}"]
    for path in pages:
        reply = site.get(path.replace("<", "%3C").replace(">", "%3E").replace('"', "%22"))
        assert reply.status == 200
        assert reply.page.xpath("//script/@src") == ["/static/dashboard.js"]
        assert not reply.page.xpath("//script[not(@src)]")
        assert not reply.page.xpath("//@onload")
        assert "alert(" not in reply.text or "&lt;script&gt;" in reply.text
    assert "<script>alert(" in site.get("/tenants/nasty/journal/1").page.xpath("string(//pre)")
    assert NASTY in site.get("/tenants/nasty").page.xpath("string(//main)")


def test_names_of_the_contact_centre_are_text(tmp_path: Any) -> None:
    world = tmp_path / "nasty.toml"
    world.write_text(
        'title = "nasty"\n'
        f"[[operators]]\nnumber = '201'\nlast_name = '''{NAME}'''\n"
        f"[[operators]]\nnumber = '202'\nlast_name = '''{NAME}'''\n"
        f"[[organisations]]\nname = '''{NAME}'''\n",
        encoding="utf-8",
    )
    with running(world=str(world), only=("cdr",)) as site:
        listed = site.get("/tenants/demo/arm")
        assert NAME in listed.page.xpath("string(//select[@id='operator']/option[1])")
        first = listed.page.xpath("//table//a/@href")[0]
        for path in ("/tenants/demo/calls", "/tenants/demo/cdr", "/tenants/demo/onec", first):
            page = site.get(path).page
            assert NAME in page.xpath("string(//main)"), path
            assert not page.xpath("//b[@onload] | //@onload"), path


def test_pages_are_guarded() -> None:
    key = base64.b64encode(b":secret").decode()
    with running(admin_token="secret", only=("cdr",)) as site:
        for path in (
            "/",
            "/tenants/demo/journal",
            "/tenants/demo/journal/rows",
            "/static/forms.js",
        ):
            refused = site.get(path)
            assert refused.status == 401 and "Basic" in refused.headers["WWW-Authenticate"]
            assert site.get(path, Authorization="Bearer secret").status == 200
            assert site.get(path, Authorization=f"Basic {key}").status == 200
            rebound = site.get(path, Authorization="Bearer secret", Host="evil.example")
            assert rebound.status == 421
            foreign = site.get(path, Authorization="Bearer secret", Origin="http://evil.example")
            assert foreign.status == 403
        assert "A token is required" in site.get("/openapi", Authorization="Bearer secret").text


def test_a_form_of_another_site_changes_nothing(site: Site) -> None:
    before = site.api("GET", "/api/tenants/demo/clock")
    for headers in ({"Origin": "http://evil.example"}, {"Sec_Fetch_Site": "cross-site"}):
        url = site.control + "/api/tenants/demo/clock/advance"
        assert site.send(url, "POST", {"seconds": 60}, **headers).status == 403
    assert site.api("GET", "/api/tenants/demo/clock") == before


def test_pages_change_nothing(site: Site) -> None:
    """Nothing but GET and HEAD is served outside the admin API."""
    for path in VIEWS:
        for method in ("POST", "PUT", "DELETE"):
            assert site.send(site.control + path, method, b"").status == 405


def test_static_files_are_revalidated(site: Site) -> None:
    first = site.get("/static/dashboard.css")
    assert first.status == 200 and first.headers["Cache-Control"] == "no-cache"
    again = site.get("/static/dashboard.css", If_None_Match=first.headers["ETag"])
    assert again.status == 304 and again.text == ""


@pytest.mark.parametrize(
    "now", ["1970-01-01T00:00:00", "2199-12-31T23:59:59", "2015-01-01T06:00:00"]
)
def test_pages_are_served_whatever_the_clock_shows(site: Site, now: str) -> None:
    site.api("PUT", "/api/tenants/demo/clock", {"now": now})
    for path in VIEWS:
        assert site.get(path).status == 200, path


def test_an_empty_tenant_and_no_tenant(site: Site) -> None:
    site.api("POST", "/api/tenants", {"name": "empty", "world": "empty"})
    for path in VIEWS:
        assert site.get(path.replace("demo", "empty")).status == 200, path
    assert "No call in these days" in site.get("/tenants/empty/calls").page.xpath("string(//main)")
    with running(only=("cdr",)) as other:
        other.api("DELETE", "/api/tenants/demo")
        assert "New tenant" in other.get("/").page.xpath("string(//main)")


def test_providers_that_do_not_run_are_named() -> None:
    with running(only=("cdr",)) as site:
        page = site.get("/").page
        assert "Not started" in page.xpath("string(//section[@aria-labelledby='h-arm'])")
        assert "Not started" in page.xpath("string(//section[@aria-labelledby='h-onec'])")
        assert site.urls["cdr"] in page.xpath("string(//section[@aria-labelledby='h-cdr'])")
        for path in VIEWS:
            assert site.get(path).status == 200, path


def test_no_page_of_the_journal_has_more_than_two_megabytes(site: Site) -> None:
    levels = 450
    nested = '{"x": [' * levels + ", ".join(["[]"] * 15_000) + "]}" * levels
    elements = "<a>" * 200 + "<b/>" * 15_000 + "</a>" * 200
    quotes = '{"method": "%s"}' % ("<'&\\u003c" * 7_000)
    for url, body in (
        (site.urls["cdr"], nested),
        (site.urls["cdr"], quotes),
        (site.urls["onec"], elements),
        (site.urls["arm"] + "/demo/service/cc/arm/login", elements),
    ):
        site.send(url, "POST", body.encode())
    seen = 0
    for name in ("nobody", "demo"):
        for entry in site.api("GET", f"/api/tenants/{name}/journal")["entries"][-4:]:
            page = site.get(f"/tenants/{name}/journal/{entry['seq']}")
            assert page.status == 200
            assert len(page.text.encode()) < 2_000_000
            seen += len(entry["request"]) > 60_000
    assert seen == 4


def test_a_page_of_many_tenants_and_faults_lists_some_and_says_how_many_more(site: Site) -> None:
    names = [f"many-{number}" for number in range(502)]
    for name in names:
        site.api("POST", "/api/tenants", {"name": name, "world": "empty"})
    assert re.search(r"\d+ tenants more\.", site.get("/tenants").text)
    for name in names:
        site.api("DELETE", f"/api/tenants/{name}")


def test_the_api_page_has_every_operation_field_and_schema(site: Site) -> None:
    document = site.api("GET", "/openapi.json")
    page = site.get("/openapi").page
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            (shown,) = page.xpath(f"//details[@id='{operation['operationId']}']")
            assert shown.xpath("string(summary)").split()[:2] == [method.upper(), path]
            statuses = shown.xpath(".//dt/code/text()")
            assert statuses == list(operation["responses"])
    for name, schema in document["components"]["schemas"].items():
        (shown,) = page.xpath(f"//details[@id='schema-{name}']")
        assert shown.xpath(".//tbody/tr/th/code/text()") == list(schema.get("properties", ()))
    assert "A token is required" not in page.xpath("string(//main)")
    targets = {
        href.removeprefix("#") for href in page.xpath("//main//a[starts-with(@href,'#')]/@href")
    }
    assert targets and targets <= set(page.xpath("//@id"))


def test_the_documentation_is_there_without_a_network(site: Site) -> None:
    pages = site.get("/docs").page.xpath("//main//ul//a/@href")
    assert {"/docs/tutorial.md", "/docs/reference/faults.md", "/docs/ru/tutorial.md"} <= {*pages}
    page = site.get("/docs/control.md").page
    assert page.xpath("//article//h1") and page.xpath("//article//table//th[@scope='col']")
    linked = page.xpath("//article//a[contains(@href, '#')]/@href")
    assert "/docs/history.md#pinned-calls" in linked
    assert site.get("/docs/history.md").page.xpath("//h2[@id='pinned-calls']")
    assert site.get("/docs/ru/tutorial.md").page.xpath("string(//article/@lang)") == "ru"
    assert site.get("/docs/../pyproject.toml").status == 404


def test_a_tenant_is_saved_as_a_scenario_file(site: Site, tmp_path: Path) -> None:
    made = {"name": "kept", "world": {"title": "Мой мир", "operators": [{"number": "777"}, {}]}}
    assert site.send(f"{site.control}/api/tenants", "POST", made).status == 201
    try:
        page = site.get("/tenants").page
        (link,) = page.xpath("//a[@download='kept.json']")
        assert link.text == "Save"
        assert "Мой мир" in site.get("/tenants/kept").text
        file = tmp_path / link.get("download")
        file.write_text(site.get(link.get("href")).text, encoding="utf-8")
        checked = CliRunner().invoke(group, ["scenario", "check", str(file)])
        assert (checked.exit_code, checked.stderr) == (0, "")
    finally:
        site.send(f"{site.control}/api/tenants/kept", "DELETE")


def test_the_form_of_a_pin_has_all_its_fields_and_what_fits(site: Site) -> None:
    form = site.get("/tenants/demo/pins").page.xpath("//form[@id='pin']")[0]
    names = form.xpath(".//input/@name | .//select/@name")
    schemas = site.api("GET", "/openapi.json")["components"]["schemas"]
    assert sorted(names) == sorted(schemas["PinnedCall"]["properties"])
    listed = {
        name: form.xpath(f".//datalist[@id='pin-{name}-fits']/option/@value")
        for name in ("operator", "line", "user", "client_phone", "finish_reason", "direction")
    }
    for name, values in listed.items():
        body = {"start": "2026-03-02T14:00:00", name: values[-1]}
        reply = site.send(f"{site.control}/api/tenants/demo/calls", "POST", body)
        assert reply.status == 201, (name, reply.text)
        site.api("DELETE", "/api/tenants/demo/calls")
    assert len(listed["finish_reason"]) == 64
