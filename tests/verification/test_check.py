"""``callmocks check``: no findings in any world, few requests, no credentials in reports."""

from __future__ import annotations

import http.server
import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

import callmocks
from callmocks.contract.resources import fixture_path
from callmocks.errors import CheckError, SettingsError
from callmocks.testing import Mocks
from tests.verification.conftest import (
    DAY,
    CommandResult,
    CommandRunner,
    check_arguments,
    run_command,
)

PROVIDERS = ("arm", "cdr", "onec")
WORLDS = sorted(path.stem for path in fixture_path("worlds").glob("*.toml"))


def probe_outcomes(result: CommandResult) -> dict[str, str]:
    return {probe["name"]: probe["outcome"] for probe in result.json["probes"]}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("world", WORLDS)
def test_the_mock_is_clean_in_every_world(
    suite: Mocks, cli: CommandRunner, world: str, provider: str
) -> None:
    with suite.tenant(world=world) as tenant:
        result = cli("check", *check_arguments(tenant, provider), "--format", "json")
        journal = tenant.request("GET", "journal")["entries"]
    assert [probe["findings"] for probe in result.json["probes"] if probe["findings"]] == []
    assert result.code == (2 if world == "empty" else 0)
    outcomes = set(probe_outcomes(result).values())
    assert outcomes == ({"ok", "skipped"} if world == "empty" else {"ok"})
    # Few requests, and only those that are there to be refused break the contract.
    sent = result.json["requests"]
    refused = [each for each in sent if each["probe"] in ("errors", "frame-errors")]
    broken = [entry for entry in journal if entry["violations"]]
    assert len(broken) <= len(refused) < len(sent) < 40
    assert not [v for entry in broken for v in entry["violations"] if v["side"] == "answer"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_documented_limits_are_never_reached(
    suite: Mocks, cli: CommandRunner, provider: str
) -> None:
    with suite.tenant(limits="documented") as tenant:
        result = cli("check", *check_arguments(tenant, provider), "--format", "json")
        if provider == "cdr":
            notes = {probe["name"]: probe["notes"] for probe in result.json["probes"]}
            assert notes["limits"] == ["2986 of 3000 points left today, 46 of 60 this minute"]
        if provider == "onec":
            history = [e for e in result.json["requests"] if "History" in e["operation"]]
            assert len(history) <= 4
    assert (result.code, result.json["stopped"]) == (0, "")


@pytest.mark.parametrize(
    ("provider", "settings"),
    [
        ("arm", {"arm": {"contract": "strict"}}),
        ("cdr", {"cdr": {"partner": True, "customer_users": [
            {"id": 5, "login": "u", "name": "n", "customer_id": 1}]}}),
    ],
)  # fmt: skip
def test_other_accounts_are_clean_too(
    suite: Mocks, cli: CommandRunner, provider: str, settings: dict[str, Any]
) -> None:
    with suite.tenant(**settings) as tenant:
        more = ("--user-id", "5") if provider == "cdr" else ()
        result = cli("check", *check_arguments(tenant, provider), *more)
    assert result.code == 0, result.out


def test_without_a_token_a_session_is_opened_and_closed(suite: Mocks, cli: CommandRunner) -> None:
    with suite.tenant() as tenant:
        name = tenant.name
        more = ("--login", name, "--password", name, "--day", DAY, "--format", "json")
        result = cli("check", "cdr", tenant.cdr.url, *more)
        operations = [each["operation"] for each in tenant.request("GET", "journal")["entries"]]
    assert result.code == 0
    assert (operations[0], operations[-1]) == ("login.user", "logout.user")


def test_arm_logs_in_by_command_where_basic_is_refused(suite: Mocks, cli: CommandRunner) -> None:
    with suite.tenant(assumptions={"arm.basic": "refused"}) as tenant:
        result = cli("check", *check_arguments(tenant, "arm"), "--format", "json")
        operations = [each["operation"] for each in tenant.request("GET", "journal")["entries"]]
    assert probe_outcomes(result)["history"] == "ok"
    assert operations[1] == "login" and operations[-1] == "logout"


def test_another_choice_of_an_assumption_is_an_assumed_finding(
    suite: Mocks, cli: CommandRunner
) -> None:
    with suite.tenant(assumptions={"cdr.default-order": "descending"}) as tenant:
        result = cli("check", *check_arguments(tenant, "cdr"), "--format", "json")
    found = [each for probe in result.json["probes"] for each in probe["findings"]]
    assert result.code == 1
    assert found and {each["evidence"] for each in found} == {"assumed"}
    assert all("start_time" in each["where"] for each in found)


def test_the_directory_lists_what_legs_name(suite: Mocks, cli: CommandRunner) -> None:
    with suite.tenant() as tenant:
        tenant.cdr.fault("missing_metadata", operation="get.scenarios")
        result = cli("check", *check_arguments(tenant, "cdr"), "--format", "json")
    notes = {probe["name"]: probe["notes"] for probe in result.json["probes"]}["directory"]
    counts = [re.fullmatch(r"(.+): \d+ rows, (\d+) of (\d+) that legs name", n) for n in notes]
    assert [(c[1], c[2] == c[3] != "0") for c in counts if c] == [
        ("get.employees", True),
        ("get.group_employees", True),
        ("get.virtual_numbers", True),
    ]
    found = [each for probe in result.json["probes"] for each in probe["findings"]]
    assert {each["where"].split(":")[0] for each in found} == {"get.scenarios"}


def test_a_websocket_address_is_checked_alone(suite: Mocks, cli: CommandRunner) -> None:
    with suite.tenant() as tenant:
        address = f"{tenant.arm.url.replace('http', 'ws')}/{tenant.name}/service/cc/arm"
        credentials = ("--login", "102", "--password", tenant.name)
        result = cli("check", "arm", address, *credentials, "--format", "json")
    assert result.code == 0, result.out
    assert list(probe_outcomes(result)) == ["frames", "in-flight", "frame-errors"]


def test_https_with_the_certificate_of_its_own_authority(
    cli: CommandRunner, tmp_path: Path
) -> None:
    with callmocks.running(tls="auto", only=("cdr",), now="2026-03-03T12:00:00") as mocks:
        ca = tmp_path / "ca.pem"
        ca.write_bytes(mocks.ca_pem or b"")
        arguments = ("check", "cdr", mocks.cdr.url, "--token", "demo-token", "--day", DAY)
        result = cli(*arguments, "--ca", ca)
        untrusted = "cannot be reached: its certificate is not trusted, .*issuer.*; --ca FILE"
        with pytest.raises(CheckError, match=untrusted):
            cli(*arguments)
    assert result.code == 0, result.out


def test_limits_end_the_check(suite: Mocks, cli: CommandRunner) -> None:
    with suite.tenant(limits="documented", cdr={"minute_limit": 8}) as tenant:
        result = cli("check", *check_arguments(tenant, "cdr"), "--format", "json")
        assert result.json["stopped"] == "3 points are left of the account's limit"
        assert (result.code, result.json["unchecked"]) == (
            2,
            ["paging", "filter", "sort", "sessions"],
        )
        assert probe_outcomes(result)["sessions"] == "skipped"
    with suite.tenant() as tenant:
        tenant.cdr.fault("rpc_error", mnemonic="limit_exceeded")
        with pytest.raises(CheckError, match="nothing could be checked: Limit per minute"):
            cli("check", *check_arguments(tenant, "cdr"))
    with suite.tenant() as tenant:
        tenant.onec.fault("limit_reached", skip=1)
        result = cli("check", *check_arguments(tenant, "onec"), "--format", "json")
        assert result.json["stopped"] == "the service says OUT_OF_LIMIT: limit reached"
        assert (result.code, result.json["unchecked"]) == (2, ["soap-1.1", "parties"])


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("form", ["text", "json", "junit"])
def test_credentials_are_in_no_report(
    suite: Mocks, cli: CommandRunner, tmp_path: Path, provider: str, form: str
) -> None:
    secret = "S3cret-Word"
    settings = {
        "arm": {"password": secret},
        "cdr": {"login": "an-account", "password": secret, "token": "tok-En-123"},
        "onec": {"user": "a-partner", "password": secret},
    }
    arguments = {
        "arm": ("--login", "101", "--password", secret),
        "cdr": ("--token", "tok-En-123"),
        "onec": ("--login", "a-partner", "--password", secret),
    }[provider]
    file = tmp_path / "report"
    with suite.tenant(**settings) as tenant:  # type: ignore[arg-type]
        url = getattr(tenant, provider).url + (f"/{tenant.name}" if provider == "arm" else "")
        # Answers that repeat what they were sent: findings quote them.
        getattr(tenant, provider).fault("status", status=418, body=f"{secret} tok-En-123")
        result = cli("check", provider, url, *arguments, "--format", form, "--output", file)
        assert (result.code, result.out) == (1, "")
    text = file.read_text(encoding="utf-8")
    for each in (secret, "tok-En-123", "a-partner"):
        assert each not in text + result.err


def test_an_error_that_repeats_the_token_is_shown_without_it(
    suite: Mocks, cli: CommandRunner
) -> None:
    with suite.tenant(cdr={"token": "tok-En-123"}) as tenant:
        more = {"error_message": "no such token tok-En-123"}
        tenant.cdr.fault("rpc_error", mnemonic="error", params=more, skip=2)
        url = tenant.cdr.url
        result = cli("check", "cdr", url, "--token", "tok-En-123", "--day", DAY)
    assert result.code == 1
    assert "tok-En-123" not in result.out


def test_credentials_come_from_the_environment(suite: Mocks) -> None:
    with suite.tenant() as tenant:
        env = {"CALLMOCKS_CHECK_TOKEN": f"{tenant.name}-token"}
        result = run_command("check", "cdr", tenant.cdr.url, "--day", DAY, env=env)
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines()[-1] == "no findings"


def test_the_text_lists_probes_and_requests(suite: Mocks, cli: CommandRunner) -> None:
    with suite.tenant() as tenant:
        result = cli("check", *check_arguments(tenant, "onec"))
        lines = result.out.splitlines()
        assert lines[0] == f"1C at {tenant.onec.url}"
        tenant.onec.fault("nil_everywhere")
        found = cli("check", *check_arguments(tenant, "onec")).out
    assert lines[-2].startswith("sent: 10 requests, none of which changes data: 3 GetHistory")
    assert lines[-1] == "no findings"
    assert "  history   FOUND " in found
    assert "(CallID): expected a value: the type of CallID has no Null, got nil (" in found
    assert "times) [documented]" in found


def test_junit_has_a_case_for_each_probe(suite: Mocks, cli: CommandRunner) -> None:
    with suite.tenant(world="empty") as tenant:
        tenant.cdr.fault("missing_metadata", operation="get.account")
        result = cli("check", *check_arguments(tenant, "cdr"), "--format", "junit")
    suites = etree.fromstring(result.out.encode())
    (only,) = suites
    cases = {case.get("name"): case for case in only.iter("testcase")}
    assert (suites.tag, only.tag) == ("testsuites", "testsuite")
    assert list(cases)[:2] == ["account", "legs"]
    assert cases["account"].get("classname") == "callmocks.check.cdr"
    assert only.get("tests") == str(len(cases)) and only.get("errors") == "0"
    assert only.get("failures") == str(len(list(only.iter("failure")))) == "1"
    assert only.get("skipped") == str(len(list(only.iter("skipped"))))
    (failure,) = cases["account"]
    assert "result.metadata: expected this member, got none" in (failure.text or "")
    assert "no legs from" in cases["legs"][0].get("message", "")


def test_missing_responses_and_a_closed_port_stop_it(suite: Mocks, cli: CommandRunner) -> None:
    with suite.tenant() as tenant:
        tenant.cdr.fault("never_answer")
        result = cli(
            "check", *check_arguments(tenant, "cdr"), "--timeout", "0.3", "--format", "json"
        )
    assert result.code == 1
    assert result.json["stopped"] == "the endpoint does not answer properly"
    assert len(result.json["requests"]) == 2
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    result = run_command("check", "cdr", f"http://127.0.0.1:{port}/v2.0", "--token", "t")
    assert (result.code, result.out) == (2, "")
    expected = f"callmocks: http://127.0.0.1:{port}/v2.0 cannot be reached: Connection refused\n"
    assert result.err == expected


@pytest.mark.parametrize("provider", PROVIDERS)
def test_refused_credentials_are_an_error(suite: Mocks, cli: CommandRunner, provider: str) -> None:
    with suite.tenant() as tenant:
        arguments = [
            "wrong" if each in (tenant.name, f"{tenant.name}-token") else each
            for each in check_arguments(tenant, provider)
        ]
        with pytest.raises(CheckError, match="refuses the credentials"):
            cli("check", *arguments)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("onec", "http://h/?wsdl", "--login", "1"), "URL: leave '.wsdl' out"),
        (("cdr", "http://h/v2.0"), "--login and --password or --token: credentials are missing"),
        (("onec", "http://h/", "--token", "x"), "--login and --password: credentials are missing"),
        (("arm", "http://h/d", "--login", "1"), "--login and --password or --cookie: "),
        (("arm", "http://h/d", "--cookie", "x"), "--cookie: it has the form NAME=VALUE"),
        (("arm", "http://h", "--cookie", "a=b"), "URL: the domain is missing"),
        (("cdr", "h", "--token", "t"), "URL: 'h' is not an address such as http://HOST"),
        (("cdr", "ws://h", "--token", "t"), "URL: 'ws://h' is not an address"),
        (("cdr", "http://me:pw@h/", "--token", "t"), "^URL: credentials do not belong in the addr"),
        (("cdr", "http://h/", "--token", "t", "--day", "x"), "--day: 'x' is not a date"),
        (("arm", "ws://h/d", "--cookie", "a=b", "--transport", "http"), "--transport: http, but"),
        (("cdr", "http://h/", "--token", "t", "--ca", "/no"), "--ca: /no: No such file"),
    ],
)
def test_errors_name_the_option(cli: CommandRunner, arguments: tuple[str, ...], error: str) -> None:
    with pytest.raises(SettingsError, match=error):
        cli("check", *arguments)


def test_json_names_every_request(suite: Mocks, cli: CommandRunner) -> None:
    with suite.tenant() as tenant:
        result = cli("check", *check_arguments(tenant, "arm"), "--format", "json")
        journaled = tenant.request("GET", "journal")["entries"]
    sent = result.json["requests"]
    assert {each["probe"] for each in sent} == set(probe_outcomes(result))
    assert len(sent) == len([e for e in journaled if e["operation"] != "upgrade"])
    assert json.dumps(sent)


class Stub(http.server.BaseHTTPRequestHandler):
    """An endpoint that answers everything with the same."""

    body = b""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    do_GET = do_POST  # noqa: N815 - the library's name

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def run_stub(body: bytes) -> Iterator[str]:
    handler = type("Handler", (Stub,), {"body": body})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/x"
        server.shutdown()


RESULT = {"metadata": {"total_items": 2, "limits": {}}, "data": [{"id": [], "start_time": {}}] * 2}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"\xff\xfe\x00",
        b"[[]]",
        b"<out><response><history><call_history/></history></response></out>",
        json.dumps({"jsonrpc": "2.0", "id": 1, "result": RESULT}).encode(),
        b"[" * 100_000,
        b"<a>" * 100_000,
    ],
    ids=range(8),
)
def test_garbage_responses_are_findings(cli: CommandRunner, provider: str, body: bytes) -> None:
    with run_stub(body) as url:
        more = ("--token", "t") if provider == "cdr" else ("--login", "1", "--password", "p")
        result = cli("check", provider, url, *more, "--timeout", "5", "--format", "json")
    assert result.code == 1
    assert not result.json["ok"]


def test_a_data_api_asks_for_no_http_credentials(suite: Mocks, cli: CommandRunner) -> None:
    with pytest.raises(CheckError, match="a demand for HTTP credentials, not as CDR"):
        cli("check", "cdr", suite.onec.url, "--token", "t")


FOREIGN = {
    "a web page": b"<!DOCTYPE html>\n<html><body>It works</body></html>",
    "CDR": b'{"jsonrpc":"2.0","id":1,"error":{"code":[],"data":{"mnemonic":"error"}}}',
    "ARM": b"<?xml version='1.0'?><out><error reason='cannot_perform_cmd'>no</error></out>",
    "1C": b"<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'><s:Body/></s:Envelope>",
}
TITLES = {"arm": "ARM", "cdr": "CDR", "onec": "1C"}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("whose", FOREIGN)
def test_answers_of_something_else_are_one_error(
    cli: CommandRunner, provider: str, whose: str
) -> None:
    with run_stub(FOREIGN[whose]) as url:
        more = ("--token", "t") if provider == "cdr" else ("--login", "1", "--password", "p")
        arguments = ("check", provider, url, *more, "--timeout", "5")
        if TITLES[provider] == whose:
            assert cli(*arguments).code in (1, 2)
        else:
            with pytest.raises(CheckError, match=f"{whose}.*, not as {TITLES[provider]}: wrong"):
                cli(*arguments)
