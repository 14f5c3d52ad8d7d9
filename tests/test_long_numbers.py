"""Numbers of thousands of digits, which Python refuses to read, wherever a client may write one."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

import callmocks
from callmocks.testing import Mocks
from callmocks.verification.mask_xml import decode_entities
from tests.testing import clients

NINES = "9" * 4400
TENANT = "/api/tenants/demo"


@pytest.fixture(scope="module")
def mocks() -> Iterator[Mocks]:
    with callmocks.running(now="2026-03-02T12:00:00", world="empty") as mocks:
        yield mocks


def send(url: str, method: str = "GET", body: str = "", **headers: str) -> tuple[int, str]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, body.encode() or None, named, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"{TENANT}/journal?after={NINES}", 422),
        ("GET", f"{TENANT}/journal/stream?after={NINES}", 422),
        ("DELETE", f"{TENANT}/calls/{NINES}", 404),
        ("DELETE", f"{TENANT}/connections/{NINES}", 404),
        ("GET", f"/tenants/demo/journal/rows?after={NINES}", 422),
        ("GET", f"/tenants/demo/journal/{NINES}", 404),
        ("GET", f"/tenants/demo/calls/{NINES}", 404),
        ("GET", f"/tenants/demo/cdr?page={NINES}", 422),
        ("GET", f"/tenants/demo/cdr?page={NINES[:18]}", 200),
        ("GET", f"/tenants/demo/find?q={NINES}", 200),
    ],
    ids=lambda value: str(value)[:60].rstrip("9"),
)
def test_addresses_of_control(mocks: Mocks, method: str, path: str, status: int) -> None:
    assert send(mocks.control_url + path, method)[0] == status


def test_the_number_of_a_streams_last_event(mocks: Mocks) -> None:
    url = f"{mocks.control_url}{TENANT}/journal/stream"
    status, text = send(url, Last_Event_ID=NINES)
    assert (status, json.loads(text)["where"]) == (422, "Last-Event-ID")


@pytest.mark.parametrize("number", [NINES, f"-{NINES}", "1e999"])
@pytest.mark.parametrize(
    ("method", "path", "body", "where"),
    [
        ("POST", "/api/tenants", '{"name": "other", "seed": %s}', "$.seed"),
        ("POST", "/faults", '{"provider": "cdr", "fault": "delay", "params": {"ms": %s}}',
         "$.params.ms"),
        ("POST", "/journal/verify", '{"expect": [{}, {"fields": {"limit": [1, %s]}}]}',
         "$.expect[1].fields.limit[1]"),
        ("PUT", "/scenario", '{"quotas": {"a": 1, "onec/x": %s}}', '$.quotas."onec/x"'),
    ],
)  # fmt: skip
def test_numbers_in_bodies_of_control(
    mocks: Mocks, method: str, path: str, body: str, where: str, number: str
) -> None:
    url = mocks.control_url + (path if path.startswith("/api") else TENANT + path)
    status, text = send(url, method, body % number)
    assert (status, json.loads(text)["where"]) == (422, where)
    assert "out of range" in json.loads(text)["detail"]


@pytest.mark.parametrize("number", [NINES, f"-{NINES}", "1e999"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/tenants"),
        ("PUT", "/scenario"),
        ("PUT", "/clock"),
        ("POST", "/clock/advance"),
        ("POST", "/faults"),
        ("POST", "/calls"),
        ("POST", "/journal/verify"),
    ],
)
def test_a_number_alone_in_a_body_of_control(
    mocks: Mocks, method: str, path: str, number: str
) -> None:
    url = mocks.control_url + (path if path.startswith("/api") else TENANT + path)
    status, text = send(url, method, number)
    assert (status, json.loads(text)["where"]) == (422, "$")
    assert "out of range" in json.loads(text)["detail"]


def test_a_number_alone_in_a_line_of_calls(mocks: Mocks) -> None:
    url = f"{mocks.control_url}{TENANT}/calls"
    status, text = send(url, "POST", "\n1e999\n", Content_Type="application/x-ndjson")
    assert (status, json.loads(text)["line"]) == (422, 2)


NUMBERS = [
    *("1e308", "1e-308", "5e-324", "-4e-324", "2e-324", "1e-400", "1.7976931348623157e308"),
    *("2.2250738585072011e-308", "9007199254740993", "12345678901234567890.5", "-0.0", "1E+2"),
    *(f"{'9' * 40}.25", f"{'9' * 300}e-320", f"1{'0' * 25}e-340", f"0.{'0' * 330}1e20"),
    *("1.00000000000000011", f"-{'1' * 400}"),
]


def test_numbers_are_those_that_python_reads(mocks: Mocks) -> None:
    fields = f'{{"a": [{", ".join(NUMBERS)}]}}'
    body = f'{{"expect": [{{"unlisted": true, "fields": {fields}}}]}}'
    status, text = send(f"{mocks.control_url}{TENANT}/journal/verify", "POST", body)
    assert status == 200, text
    assert repr(json.loads(text)["results"][0]["expected"]["fields"]) == repr(json.loads(fields))
    for number in NUMBERS:
        sent = f'{{"jsonrpc": "2.0", "id": 1, "method": [{number}]}}'
        value = json.loads(send(mocks.cdr.url, "POST", sent)[1])["error"]["data"]["value"]
        assert repr(json.loads(value)) == repr([json.loads(number)])


def test_a_body_that_is_broken_behind_a_wrong_value(mocks: Mocks) -> None:
    for value, status, where in (("[]", 400, None), (NINES, 422, "$")):
        body = f'{{"quotas": {{"x": {value}}} ?'
        got, text = send(f"{mocks.control_url}{TENANT}/scenario", "PUT", body)
        assert (got, json.loads(text).get("where")) == (status, where)


def test_a_number_behind_a_document_of_any_depth(mocks: Mocks) -> None:
    # Python 3.13 decodes deeper documents than its own functions can walk through.
    params = '{"a": ' + "[" * 1500 + "]" * 1500 + "}"
    fault = f'{{"provider": "cdr", "fault": "delay", "params": {params}}}'
    body = f'{{"faults": [{fault}], "quotas": {{"x": {NINES}}}}}'
    status, text = send(f"{mocks.control_url}{TENANT}/scenario", "PUT", body)
    assert status in (400, 422), text


def test_the_id_of_a_fax(mocks: Mocks) -> None:
    arm = mocks.arm
    login = clients.basic("101", arm.operators[0].password)
    status, text = send(f"{arm.service_url}/fax/101/{NINES}.pdf", **login)
    assert status == 404 and "<error" in text


def test_calls_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "calls.jsonl"
    legs = f'[{{"talk_seconds": {NINES}}}]'
    file.write_text('{"start": "2026-03-02T11:00:00"}\n{"legs": ' + legs + "}")
    place = r"line 2: legs\[0\]\.talk_seconds: Integer value out of range$"
    with pytest.raises(callmocks.errors.SettingsError, match=place):
        callmocks.running(calls=file).start()


def test_character_references_of_recorded_xml() -> None:
    assert decode_entities(f"a&#1{NINES};b") == f"a&#1{NINES};b"
    assert decode_entities("a&#1114112;b&#xD800;c&#65;&#x42;") == "a&b&cAB"
