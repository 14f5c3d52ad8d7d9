"""``callmocks validate``: detects every kind of message, gives each violation a path."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import requests

from callmocks.contract.resources import fixture_path
from callmocks.errors import SettingsError
from callmocks.testing import Mocks
from tests.verification.conftest import DAY, CommandRunner, run_command, write_file
from tests.verification.messages import (
    history_frame,
    property_xml,
    soap_envelope,
)

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTED = ROOT / "fixtures" / "documented"


def violation_paths(
    cli: CommandRunner, *files: Path, contract: str = "documented"
) -> list[list[tuple[str, bool]]]:
    """Place and tolerance of each finding, file by file."""
    result = cli("validate", "--json", "--contract", contract, *files)
    found = [
        [
            (each["where"], each["tolerated"])
            for message in file["messages"]
            for each in message["violations"]
        ]
        for file in result.json
    ]
    counted = any(not tolerated for file in found for _, tolerated in file)
    assert result.code == int(counted)
    return found


def detected_kind(cli: CommandRunner, file: Path) -> str:
    (only,) = cli("validate", "--json", file).json
    return str(only["kind"])


def test_the_documented_request_has_the_three_known_deviations(cli: CommandRunner) -> None:
    (found,) = violation_paths(cli, DOCUMENTED / "arm" / "request.frame")
    assert found == [
        ("bytes 3-12 (length)", False),
        ("bytes 17-48 (command)", False),
        ("/in/request/filters/@offset", True),
    ]
    (strict,) = violation_paths(cli, DOCUMENTED / "arm" / "request.frame", contract="strict")
    assert strict[-1] == ("/in/request/filters/@offset", False)


def test_the_documented_answer_has_the_two_known_deviations(cli: CommandRunner) -> None:
    file = DOCUMENTED / "arm" / "response.frame"
    (found,) = violation_paths(cli, file)
    reason = "/out/response/history/call_history[1]/@release_reason"
    assert found == [("bytes 3-12 (length)", False), (reason, True)]
    (only,) = cli("validate", "--json", file).json
    assert only["messages"][0]["violations"][1]["times"] == 11
    (strict,) = violation_paths(cli, file, contract="strict")
    assert (reason, False) in strict


def test_the_documented_soap_messages_are_clean(cli: CommandRunner) -> None:
    files = [DOCUMENTED / "onec" / name for name in ("request.xml", "response.xml")]
    assert violation_paths(cli, *files) == [[], []]
    assert [detected_kind(cli, file) for file in files] == [
        "SOAP 1.2 request, GetHistoryOfServiceCalls",
        "SOAP 1.2 answer, GetHistoryOfServiceCalls",
    ]


def test_the_documented_json_names_types_where_values_belong_and_nothing_else_is_wrong(
    cli: CommandRunner,
) -> None:
    request, answer = DOCUMENTED / "cdr" / "request.json", DOCUMENTED / "cdr" / "response.json"
    found = violation_paths(cli, request, answer)
    assert [where for where, _ in found[0]] == [
        "params.user_id",
        "params.offset",
        "params.limit",
        "params.fields.0",
        "params.sort.0.field",
        "params.sort.0.order",
        "params.date_from",
        "params.date_till",
    ]
    row = json.loads(answer.read_text(encoding="utf-8"))["result"]["data"][0]
    named = {f"result.data.0.{name}" for name, value in row.items() if value != []}
    texts = {f"result.data.0.{name}" for name, value in row.items() if value == "string"}
    phones = {where for where in texts if where.endswith("_phone_number")}
    assert {where for where, _ in found[1]} == {
        "result.metadata.total_items",
        "result.metadata.limits",
        *(named - texts),
        *phones,
    }


LEGS: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "get.call_legs_report",
    "params": {
        "access_token": "t",
        "date_from": f"{DAY} 00:00:00",
        "date_till": f"{DAY} 23:59:59",
    },
}


def legs_request(params: str) -> str:
    """A request for legs with one parameter more."""
    known = '"access_token":"t","date_from":"2026-03-02 00:00:00","date_till":"2026-03-02 23:59:59"'
    return (
        f'{{"jsonrpc":"2.0","id":1,"method":"get.call_legs_report","params":{{{known},{params}}}}}'
    )


@pytest.mark.parametrize(
    ("content", "kind", "found"),
    [
        (history_frame(offset="0", limit="5"), "ARM request frame, operator_call_history", []),
        (
            history_frame(offset="0", limit="5").replace(b"01", b"01", 1)[:-1],
            "ARM request frame, operator_call_history",
            ["bytes 3-12 (length)", "body"],
        ),
        (b"01000000001x0001200[]", "unknown", ["byte 1"]),
        (
            '<in><request><filters offset="0" limit="5"/></request></in>',
            "ARM request XML, operator_call_history",
            [],
        ),
        (
            '<in><request><filters offset="0" limit="0" direction="up"/></request></in>',
            "ARM request XML, operator_call_history",
            ["/in/request/filters/@direction"],
        ),
        (
            '<in><request><filters offset="0" limit="0"/></request></in>',
            "ARM request XML, operator_call_history",
            ["/in/request/filters/@limit"],
        ),
        ('<in><request login="101" password="x"/></in>', "ARM request XML, login", []),
        (
            '<out><error cmd="operator_call_history">no</error></out>',
            "ARM answer XML, operator_call_history",
            ["/out/error/@reason"],
        ),
        ("<in><request>", "ARM request XML", ["byte 14"]),
        (
            '[{"_content":[],"_name":"in"}]',
            "ARM request tree, logout",
            ["/in", "/in"],
        ),
        (json.dumps(LEGS), "JSON-RPC request, get.call_legs_report", []),
        (
            json.dumps(LEGS | {"jsonrpc": 2}),
            "JSON-RPC request, get.call_legs_report",
            ["jsonrpc"],
        ),
        (
            json.dumps({**LEGS, "params": {**LEGS["params"], "filter": {"filters": [
                {"field": "call_records", "operator": "=", "value": 1},
                {"field": "no", "operator": "=", "value": 1},
                {"field": "id", "operator": "~", "value": 1},
            ], "condition": "and"}}}),
            "JSON-RPC request, get.call_legs_report",
            [
                "params.filter.filters.0.field",
                "params.filter.filters.1.field",
                "params.filter.filters.2.operator",
            ],
        ),
        ('{"jsonrpc": "2.0", "id": 1, "method": ', "JSON-RPC request", ["byte 39"]),
        ("[1]", "JSON-RPC request", ["request"]),
        (
            '{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no","data":{'
            '"mnemonic":"method_not_found","field":null,"value":null,"params":{},'
            '"extended_helper":null}}}',
            "JSON-RPC answer",
            ["error.message"],
        ),
        (
            '{"jsonrpc":"2.0","id":1,"error":{"code":-32001,"message":'
            '"The method does not exist / is not available","data":{'
            '"mnemonic":"method_not_found","field":null,"params":{},"extended_helper":null}}}',
            "JSON-RPC answer",
            ["error.data.value", "error.code"],
        ),
        (
            '{"jsonrpc":"2.0","id":1,"result":{}}',
            "JSON-RPC answer",
            ["result.metadata", "result.data"],
        ),
        (soap_envelope("<p:Params/>"), "SOAP 1.1 request, GetHistoryOfServiceCalls", []),
        (
            soap_envelope("<p:Params/>", "http://www.w3.org/2003/05/soap-envelope"),
            "SOAP 1.2 request, GetHistoryOfServiceCalls",
            [],
        ),
        (
            soap_envelope("<p:Params>" + property_xml("ClientID", "x", "string")
                 + property_xml("CallResult", "3", "decimal")
                 + property_xml("Colour", "red", "string") + "</p:Params>"),
            "SOAP 1.1 request, GetHistoryOfServiceCalls",
            [f"/Envelope/Body/GetHistoryOfServiceCalls/Params/Property[{n}] ({name})"
             for n, name in ((1, "ClientID"), (2, "CallResult"), (3, "Colour"))],
        ),
        (
            soap_envelope("<p:Params><Other/></p:Params>"),
            "SOAP 1.1 request, GetHistoryOfServiceCalls",
            ["/Envelope/Body/GetHistoryOfServiceCalls/Params/Other"],
        ),
        (soap_envelope("")[:-3], "SOAP message", ["byte 292"]),
        (b'{"jsonrpc":"2.0","id":1,"result":"\xff"}', "JSON-RPC answer", ["byte 35"]),
        (b'{"jsonrpc":"2.0","id":"\xff","method":"x"}', "JSON-RPC request", ["byte 24"]),
        (b"[" * 5000 + b"1" + b"]" * 5000, "JSON-RPC request", ["request"]),
        (b'[{"_name":"in","_content":' * 900, "ARM request tree", ["body"]),
        (b"<out>" * 900, "ARM answer XML", ["byte 1285"]),
        ("", "unknown", ["byte 1"]),
        ("hello", "unknown", ["byte 1"]),
    ],
)  # fmt: skip
def test_messages_are_detected_and_violations_have_a_path(
    cli: CommandRunner, tmp_path: Path, content: bytes | str, kind: str, found: list[str]
) -> None:
    file = write_file(tmp_path / "message", content)
    (only,) = cli("validate", "--json", file).json
    message = [each["where"] for message in only["messages"] for each in message["violations"]]
    assert (only["kind"], message) == (kind, found)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (
            legs_request('"limit":"5"'),
            'params.limit: expected a JSON integer, got "5" [documented]',
        ),
        (
            legs_request('"limit":5.5'),
            "params.limit: expected a JSON integer, got 5.5 [documented]",
        ),
        ("[{}]", "request: expected one request object, got an array [documented]"),
    ],
)
def test_a_violation_quotes_the_value_as_it_was_sent(
    cli: CommandRunner, tmp_path: Path, content: str, error: str
) -> None:
    assert error in cli("validate", write_file(tmp_path / "message", content)).out


def test_a_byte_order_mark_is_skipped(cli: CommandRunner, tmp_path: Path) -> None:
    file = write_file(tmp_path / "m.json", b"\xef\xbb\xbf" + json.dumps(LEGS).encode())
    assert violation_paths(cli, file) == [[]]


def test_what_the_mock_sends_is_clean(suite: Mocks, cli: CommandRunner, tmp_path: Path) -> None:
    with suite.tenant() as tenant:
        name = tenant.name
        legs = requests.post(
            tenant.cdr.url,
            json={**LEGS, "params": {**LEGS["params"], "access_token": f"{name}-token"}},
        )
        window = property_xml("PeriodFrom", f"{DAY}T00:00:00", "dateTime")
        calls = requests.post(
            tenant.onec.url, data=soap_envelope(f"<p:Params>{window}</p:Params>"), auth=(name, name)
        )
        wsdl = requests.get(f"{tenant.onec.url}?wsdl")
        address = f"{tenant.arm.url}/{name}/service/cc/arm/operator_call_history"
        page = '<in><request><filters offset="0" limit="300"/></request></in>'
        history = requests.post(address, data=page, auth=("101", name))
    files = [
        write_file(tmp_path / str(number), answer.content)
        for number, answer in enumerate((legs, calls, wsdl, history))
    ]
    for file in violation_paths(cli, *files):
        assert [where for where, tolerated in file if not tolerated] == []
    assert [detected_kind(cli, file) for file in files] == [
        "JSON-RPC answer, get.call_legs_report",
        "SOAP 1.1 answer, GetHistoryOfServiceCalls",
        "WSDL",
        "ARM answer XML, operator_call_history",
    ]
    broken = legs.json()
    broken["result"]["data"][7]["direction"] = "sideways"
    broken["result"]["data"][9] |= {"is_failed": not broken["result"]["data"][9]["is_failed"]}
    assert violation_paths(cli, write_file(tmp_path / "broken", json.dumps(broken))) == [
        [("result.data.7.direction", False), ("result.data.9.is_failed", False)]
    ]


@pytest.fixture
def journal(suite: Mocks) -> dict[str, Any]:
    """A journal of one right and one wrong request."""
    with suite.tenant() as tenant:
        for limit in (5, "ten"):
            params = {**LEGS["params"], "access_token": f"{tenant.name}-token", "limit": limit}
            requests.post(tenant.cdr.url, json={**LEGS, "params": params})
        url = f"{suite.control_url}/api/tenants/{tenant.name}/journal"
        exported: dict[str, Any] = requests.get(url).json()
    return exported


def test_journals_are_read_whole_and_line_by_line(
    cli: CommandRunner, tmp_path: Path, journal: dict[str, Any]
) -> None:
    whole = write_file(tmp_path / "journal.json", json.dumps(journal, indent=2))
    lines = "".join(json.dumps(entry) + "\n" for entry in journal["entries"])
    listed = write_file(tmp_path / "journal.jsonl", lines)
    for file in (whole, listed):
        assert detected_kind(cli, file) == "journal of 2 exchanges"
        assert violation_paths(cli, file) == [[("params.limit", False)]]
        (only,) = cli("validate", "--json", file).json
        assert [message["line"] for message in only["messages"]] == [1, 1, 2, 2]


def test_truncated_entries_of_a_journal_are_not_validated(
    cli: CommandRunner, tmp_path: Path, journal: dict[str, Any]
) -> None:
    journal["entries"][0] |= {"response_sha256": "0" * 64, "response": "{"}
    result = cli("validate", write_file(tmp_path / "j", json.dumps(journal)))
    assert "only the beginning of a message: not validated" in result.out
    assert "1 violation" in result.out


def test_a_damaged_line_is_named_and_those_before_it_are_validated(
    cli: CommandRunner, tmp_path: Path, journal: dict[str, Any]
) -> None:
    right, wrong = (msgspec.json.encode(entry) for entry in journal["entries"])
    file = write_file(tmp_path / "j.jsonl", right + b"\n" + wrong[:200] + b"\n")
    result = cli("validate", file)
    assert result.code == 1
    assert "line 2: expected an exchange" in result.out


def test_the_text_has_file_kind_path_and_evidence(cli: CommandRunner) -> None:
    file = DOCUMENTED / "arm" / "request.frame"
    result = cli("validate", file)
    assert result.out.splitlines() == [
        f"{file}: ARM request frame, operator_call_history: 2 violations",
        "    bytes 3-12 (length): expected 173, in bytes, got 159 [observed]",
        "      arm/request/operator_call_history/bytes-*-length/*-in-bytes",
        "    bytes 17-48 (command): expected the name padded with spaces to 32 bytes, "
        "got JSON from byte 39 on [observed]",
        "      arm/request/operator_call_history/bytes-*-command/"
        "the-name-padded-with-spaces-to-*-bytes",
        "    /in/request/filters/@offset: expected this attribute, it is required, got none "
        "[tolerated]",
        "      arm/request/operator_call_history/in/request/filters/@offset/"
        "this-attribute-it-is-required",
    ]


def test_exit_codes_and_stdin_of_the_command() -> None:
    good = fixture_path("documented/onec/request.xml")
    assert run_command("validate", good).code == 0
    result = run_command("validate", "-", stdin="{}")
    assert (result.code, result.out.splitlines()[0]) == (1, "-: JSON-RPC request: 1 violation")
    result = run_command("validate", good, "/no/such/file")
    assert (result.code, result.out) == (2, "")
    assert result.err == "callmocks: /no/such/file: No such file or directory\n"
    assert run_command("validate").code == 2


def test_a_directory_is_an_error(cli: CommandRunner, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="directory"):
        cli("validate", tmp_path)
