"""The HTTP transport: addresses, methods, bodies, and errors in the provider's own shape."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ElementTree

import pytest
import xmlschema

from callmocks.arm import pages, rows
from callmocks.contract.resources import schema_path as schema_file
from callmocks.errors import SettingsError
from callmocks.tenants.settings import ArmSettings, TenantSettings
from tests.arm.conftest import ParsedResponse, RunningArm, Start, basic_auth, request_xml

JUDGE = xmlschema.XMLSchema(str(schema_file("arm/operator_call_history.documented.xsd")))


@pytest.mark.proves("arm.content-type")
@pytest.mark.parametrize(
    "content_type", ["text/xml", "application/xml", "text/xml; charset=utf-8", "text/plain", None]
)
async def test_any_content_type_is_taken_and_text_xml_is_answered(
    demo: RunningArm, content_type: str | None
) -> None:
    headers = basic_auth("101") | ({"Content-Type": content_type} if content_type else {})
    answer = await demo.post("operator_call_history", request_xml(limit=2).encode(), headers)
    assert (answer.status, len(answer.rows)) == (200, 2)
    assert answer.headers["Content-Type"] == "text/xml; charset=utf-8"
    demo.tenant.assumptions.set_choice("arm.content-type", "application/xml; charset=utf-8")
    other = await demo.post("operator_call_history", request_xml(limit=2), headers)
    assert other.headers["Content-Type"] == "application/xml; charset=utf-8"


@pytest.mark.parametrize(
    "body",
    [
        '<?xml version="1.0" encoding="UTF-8"?>\n' + request_xml(limit=2),
        '<?xml version="1.0" encoding="windows-1251"?>'
        + request_xml(limit=2, display_name="о").replace("UTF-8", "windows-1251"),
        "<!-- a comment -->\n" + request_xml(limit=2).replace("/>", "></filters>"),
        '<in xmlns:xs="http://www.w3.org/2001/XMLSchema-instance" '
        'xs:noNamespaceSchemaLocation="operator_call_history.xsd">'
        '<request>\n  <filters limit="2"/>\n</request></in>',
    ],
)
async def test_xml_may_be_written_in_all_its_ways(demo: RunningArm, body: str) -> None:
    data = body.encode("windows-1251" if "1251" in body else "utf-8")
    answer = await demo.post("operator_call_history", data, basic_auth("101"))
    assert (answer.status, len(answer.rows)) == (200, 2)


def without_declaration(charset: str) -> bytes:
    return request_xml(limit=50, from_date="2026/02/20", display_name="Ов").encode(charset)


@pytest.mark.proves("arm.charset")
async def test_a_document_without_a_declaration_has_the_charset_of_its_content_type(
    demo: RunningArm,
) -> None:
    async def post(body: bytes, charset: str) -> ParsedResponse:
        headers = basic_auth("101") | {"Content-Type": f"text/xml; charset={charset}"}
        return await demo.post("operator_call_history", body, headers)

    plain = await post(without_declaration("utf-8"), "utf-8")
    assert plain.rows
    for charset in ("windows-1251", "koi8-r", "utf-16"):
        assert (await post(without_declaration(charset), charset)).rows == plain.rows
    declared = b'<?xml version="1.0" encoding="utf-8"?>' + without_declaration("utf-8")
    assert (await post(declared, "windows-1251")).rows == plain.rows
    unknown = await post(without_declaration("utf-8"), "x-nothing")
    assert (unknown.status, unknown.error) == (
        400, "the charset 'x-nothing' of the Content-Type is not known",
    )  # fmt: skip
    demo.tenant.assumptions.set_choice("arm.charset", "ignored")
    assert (await post(without_declaration("windows-1251"), "windows-1251")).status == 400


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ('<filters limit="1"/>', "/filters: expected the root in, got 'filters'"),
        (
            '<in><request><filters limit="1">text</filters></request></in>',
            "/in/request/filters: expected no text here, got 'text'",
        ),
        (
            '<in><request><filters limit="1"/>text</request></in>',
            "/in/request: expected no text here, got 'text'",
        ),
        ("<in/>", "/in: expected request, got nothing"),
        (
            '<in><request><filters limit="x"/></request></in>',
            "/in/request/filters/@limit: expected xs:integer, got 'x'",
        ),
    ],
)
async def test_an_error_names_what_is_wrong_where(demo: RunningArm, body: str, says: str) -> None:
    answer = await demo.post("operator_call_history", body, basic_auth("101"))
    assert answer.error == says


async def test_depth_is_told_without_the_parsers_options(demo: RunningArm) -> None:
    headers = basic_auth("101") | {"Content-Type": "text/xml; charset=utf-16le"}
    answer = await demo.post("operator_call_history", ("<a>" * 300).encode("utf-16le"), headers)
    assert answer.error.startswith("not well-formed XML: Excessive depth in document: 256, line 1,")


async def test_broken_xml_is_told_by_line_and_column(demo: RunningArm) -> None:
    answer = await demo.post("operator_call_history", "<in><a></in>", basic_auth("101"))
    assert answer.error == (
        "not well-formed XML: Opening and ending tag mismatch: a line 1 and in, line 1, column 13"
    )


@pytest.mark.proves("arm.cors")
async def test_browser_clients_of_other_origins_are_let_in_by_a_setting(start: Start) -> None:
    page = "http://localhost:3000"
    preflight = {"Origin": page, "Access-Control-Request-Method": "POST"}
    demo = await start()
    url = f"{demo.address}/operator_call_history"
    async with demo.session.options(url, headers=preflight) as answer:
        assert (answer.status, "Access-Control-Allow-Origin" in answer.headers) == (405, False)
    for origins in (["*"], ["https://a.example", page]):
        arm = ArmSettings(cors_origins=origins)
        open_demo = await start(arm=arm)
        url = f"{open_demo.address}/operator_call_history"
        async with open_demo.session.options(url, headers=preflight) as answer:
            assert answer.status == 204
            assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
            assert answer.headers["Access-Control-Allow-Origin"] == page
        asked = "authorization,content-type,x-requested-with"
        wish = {**preflight, "Access-Control-Request-Headers": asked}
        async with open_demo.session.options(url, headers=wish) as answer:
            assert answer.headers["Access-Control-Allow-Headers"] == asked
        headers = basic_auth("101") | {"Origin": page}
        answered = await open_demo.post("operator_call_history", request_xml(limit=1), headers)
        refused = await open_demo.post("operator_call_history", "<in/>", {"Origin": page})
        for got in (answered, refused):
            assert got.headers["Access-Control-Allow-Origin"] == page
            assert got.headers["Access-Control-Allow-Credentials"] == "true"
            assert got.headers["Vary"] == "Origin"
        plain = await open_demo.post("operator_call_history", request_xml(limit=1))
        assert "Access-Control-Allow-Origin" not in plain.headers
    async with open_demo.session.options(url, headers={**preflight, "Origin": "http://x"}) as no:
        assert (no.status, "Access-Control-Allow-Origin" in no.headers) == (405, False)


@pytest.mark.parametrize("origin", ["localhost", "http://*.example", "http://a/", "http://a b"])
def test_an_origin_that_is_none_is_refused(origin: str) -> None:
    text = f"arm.cors_origins: {origin!r} is neither"
    with pytest.raises(SettingsError, match=re.escape(text)):
        TenantSettings("t", arm=ArmSettings(cors_origins=[origin])).with_defaults().check()


@pytest.mark.proves("arm.transport-status")
@pytest.mark.parametrize(
    "body",
    [
        b"", b"{}", b"<in>", b"\xff\xfe<", b"<in><request></in>", b"<in>" * 300,
        b'<!DOCTYPE in [<!ENTITY a "x">]><in>&a;</in>',
        b'<!DOCTYPE in [<!ENTITY a SYSTEM "file:///etc/passwd">]><in><request>&a;</request></in>',
        b'<!DOCTYPE lolz [<!ENTITY a "' + b"x" * 1000 + b'">'
        + b"".join(b'<!ENTITY a%d "%b">' % (n + 1, b"&a%d;" % n * 10) for n in range(9))
        + b"]><in>&a9;</in>",
    ],
)  # fmt: skip
async def test_a_body_that_cannot_be_read_is_400(demo: RunningArm, body: bytes) -> None:
    answer = await demo.post("operator_call_history", body, basic_auth("101"))
    assert answer.status == 400
    assert answer.error
    JUDGE.validate(answer.body.decode().partition("\n")[2])
    assert "root:" not in answer.error
    assert [v.where for v in demo.journal()[-1].violations] == ["body"]


@pytest.mark.proves("arm.error-reason", "arm.error-status")
async def test_a_violation_says_xpath_expected_and_got_in_answer_and_journal(
    demo: RunningArm,
) -> None:
    answer = await demo.post(
        "operator_call_history",
        '<in><request><filters limit="many" direction="up" colour="red"/></request></in>',
        basic_auth("101"),
    )
    assert answer.status == 200
    (error,) = answer.root.iter("error")
    assert (error.get("cmd"), error.get("reason")) == (
        "operator_call_history",
        "cannot_perform_cmd",
    )
    assert "/in/request/filters/@limit: expected xs:integer, got 'many'" in answer.error
    assert "/in/request/filters/@direction: expected 'in' or 'out', got 'up'" in answer.error
    assert "/in/request/filters/@colour" in answer.error
    entry = demo.journal()[-1]
    assert {violation.where for violation in entry.violations} == {
        f"/in/request/filters/@{name}" for name in ("limit", "direction", "colour")
    }


async def test_an_answer_sent_back_as_a_request_is_refused(demo: RunningArm) -> None:
    answer = await demo.history()
    again = await demo.post("operator_call_history", answer.body, basic_auth("101"))
    assert "/out: expected the root in" in again.error


@pytest.mark.proves("arm.transport-status")
async def test_unknown_commands_domains_and_addresses_are_404(demo: RunningArm) -> None:
    answer = await demo.post("make_call", request_xml(limit=1), basic_auth("101"))
    assert answer.status == 404
    assert "operator_call_history" in answer.error
    (error,) = answer.root.iter("error")
    assert error.get("cmd") == "make_call"
    base = f"http://127.0.0.1:{demo.port}"
    for path in ("/nowhere/service/cc/arm/operator_call_history", "/", "/demo", "/demo/service/x"):
        async with demo.session.post(base + path, data=request_xml(limit=1)) as refused:
            assert refused.status == 404
            JUDGE.validate((await refused.text()).partition("\n")[2])
    last = next(demo.registry.unmatched.journal.read_entries())
    assert (last.operation, last.status) == ("operator_call_history", 404)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
async def test_another_method_is_405(demo: RunningArm, method: str) -> None:
    url = f"{demo.address}/operator_call_history"
    async with demo.session.request(method, url) as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")
        if method != "HEAD":
            assert ElementTree.fromstring(await answer.read()).tag == "out"


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_huge_body_is_refused_before_it_is_read(demo: RunningArm, chunked: bool) -> None:
    async def chunks() -> object:
        for _ in range(64):
            yield b" " * 262_144

    data = chunks() if chunked else io.BytesIO(b" " * (16 << 20))
    url = f"{demo.address}/operator_call_history"
    try:
        async with demo.session.post(url, data=data, headers=basic_auth("101")) as answer:
            assert answer.status == 413
            assert b"bytes" in await answer.read()
    except (ConnectionError, OSError):
        pass  # the server closed while the client was still sending
    assert demo.journal()[-1].status == 413


async def test_get_on_the_sockets_address_says_that_it_is_one(demo: RunningArm) -> None:
    async with demo.session.get(demo.address) as answer:
        assert answer.status == 426
        assert "websocket" in await answer.text()


async def test_a_host_header_that_is_none_does_not_reach_the_answer(demo: RunningArm) -> None:
    headers = {**basic_auth("101"), "Host": 'x"><script>'}
    answer = await demo.post("operator_call_history", request_xml(limit=100), headers)
    assert answer.status == 200
    assert b"script" not in answer.body


@pytest.mark.proves("arm.transport-status")
async def test_a_defect_of_our_own_is_an_internal_error_in_the_providers_shape(
    demo: RunningArm, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(pages, "get_page", broken)
    answer = await demo.history()
    assert (answer.status, answer.error) == (500, "internal error")
    assert "ZeroDivisionError" in caplog.text


async def test_a_row_that_breaks_the_schema_is_a_loud_defect(
    empty: RunningArm, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    make = rows._build_node

    def wrong(*arguments: object) -> object:
        node = make(*arguments)  # type: ignore[arg-type]
        node.attributes["direction"] = "sideways"
        return node

    monkeypatch.setattr(rows, "_build_node", wrong)
    empty.pin([{"start": "2026-03-02T11:00:00", "operator": "101"}])
    answer = await empty.history()
    assert answer.rows[0]["direction"] == "sideways"
    (violation,) = empty.journal()[-1].violations
    assert violation.side == "answer"
    assert violation.where == "/out/response/history/call_history/@direction"
    assert "sideways" in caplog.text
