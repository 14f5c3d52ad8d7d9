"""A recording of one mock, compared with others: another history is no difference, all else is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import requests
from lxml import etree

from callmocks.errors import CheckError, SettingsError
from callmocks.testing import Mocks
from tests.verification.conftest import (
    DAY,
    CommandResult,
    CommandRunner,
    check_arguments,
    write_file,
)
from tests.verification.messages import basic_auth, post_legs
from tests.verification.processes import run_proxy, run_replay
from tests.verification.test_fault_detection import BREAKING, WAIT, all_findings

PROVIDERS = ("arm", "cdr", "onec")
RECORDED_SEED = 31
READ = """<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"
 xmlns:x="http://www.w3.org/2001/XMLSchema" xmlns:i="http://www.w3.org/2001/XMLSchema-instance"
 xmlns:c="http://v8.1c.ru/8.1/data/core" xmlns:p="http://buhphone.com/PartnerWebAPI2"><s:Body>
<p:{0}><p:Params>{1}</p:Params></p:{0}></s:Body></s:Envelope>"""
CHANGED = (
    '<c:Property name="ChangedFrom"><c:Value i:type="x:dateTime">2026-01-01T00:00:00</c:Value>'
    "</c:Property>"
)
LONG_PERIOD = "".join(
    f'<c:Property name="{name}"><c:Value i:type="x:dateTime">{day}T00:00:00</c:Value></c:Property>'
    for name, day in (("PeriodFrom", "2026-02-20"), ("PeriodTo", DAY))
)


def send_more(provider: str, url: str, name: str) -> None:
    """Requests that `check` does not send."""
    if provider == "onec":
        headers = {"Content-Type": "application/soap+xml"} | basic_auth(name, name)
        for operation in ("SpecialistRead", "ClientRead", "UserServiceLineRead"):
            for params in ("", CHANGED, CHANGED * 2):
                body = READ.format(operation, params)
                requests.post(url, data=body, headers=headers, timeout=10)
        body = READ.format("ClientRead", '<c:Property name="ChangedFrom"><c:Name/></c:Property>')
        requests.post(url, data=body, headers=headers, timeout=10)
        body = READ.format("GetHistoryOfServiceCalls", LONG_PERIOD)
        requests.post(url, data=body, headers=headers, timeout=10)
    if provider == "cdr":
        post_legs(
            url, f"{name}-token", filter={"field": "direction", "operator": "=", "value": "in"}
        )
        by_name = {"field": "employee_full_name", "operator": "=", "value": "Иванова Мария"}
        post_legs(url, f"{name}-token", filter=by_name)
        post_legs(url, f"{name}-token", limit="many")


@pytest.fixture(scope="module")
def recordings(suite: Mocks, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What the proxy writes of a check and of some requests more."""
    import asyncio

    from callmocks.cli.check import make_target
    from callmocks.verification.checks import run_check

    folder, found = tmp_path_factory.mktemp("recordings"), {}
    for provider in PROVIDERS:
        found[provider] = folder / f"{provider}.jsonl"
        with suite.tenant(seed=RECORDED_SEED) as tenant:
            arguments = check_arguments(tenant, provider)
            url = arguments[1]
            with run_proxy(provider, url, "--record", found[provider]) as proxy:
                proxied = url.replace(url.split("/")[2], proxy.ready["proxy"].split("/")[2])
                options = dict(zip(arguments[2::2], arguments[3::2], strict=True))
                day = options.pop("--day", None)
                fields: dict[str, Any] = {"user_id": None, "timeout": 10.0}
                fields |= {name.strip("-"): value for name, value in options.items()}
                target = make_target(provider, proxied, "both", day, None, None, fields)
                assert not asyncio.run(run_check(provider, target)).finding_count
                send_more(provider, proxied, tenant.name)
    return found


def compare(
    cli: CommandRunner, recording: Path, tenant: Any, provider: str, *more: object
) -> CommandResult:
    _, url, *rest = check_arguments(tenant, provider)
    if "--day" in rest:
        del rest[rest.index("--day") :]
    return cli("compare", recording, url, *rest, "--format", "json", *more)


@pytest.mark.parametrize("seed", [RECORDED_SEED, 32, 33])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_another_history_is_no_difference(
    suite: Mocks, cli: CommandRunner, recordings: dict[str, Path], provider: str, seed: int
) -> None:
    with suite.tenant(seed=seed) as tenant:
        result = compare(cli, recordings[provider], tenant, provider)
    assert (all_findings(result.json), result.code) == ([], 0)
    assert not result.json["unchecked"] and len(result.json["requests"]) >= 10


@pytest.mark.parametrize(("fault", "provider", "transport"), BREAKING)
def test_a_fault_that_breaks_the_contract_is_found(
    suite: Mocks,
    cli: CommandRunner,
    recordings: dict[str, Path],
    tmp_path: Path,
    fault: str,
    provider: str,
    transport: str,
) -> None:
    kind = "frame" if transport == "websocket" else "http"
    lines = recordings[provider].read_text(encoding="utf-8").splitlines(keepends=True)
    own = [line for line in lines if json.loads(line).get("transport", kind) == kind]
    file = write_file(tmp_path / "own.jsonl", "".join(own[:16]))
    with suite.tenant(seed=32) as tenant:
        enabled = getattr(tenant, provider).fault(fault)
        result = compare(cli, file, tenant, provider, *WAIT.get(fault, ("--timeout", "30")))
        assert enabled.applied > 0
    assert result.code == 1 and all_findings(result.json)


CHOICES = {
    "arm.content-type": "application/xml; charset=utf-8",
    "arm.error-status": "400",
    "arm.error-reason": "other_reason",
    "arm.queue-id": "always",
    "arm.url-list": "empty",
    "arm.own-display-name": "full-name",
    "cdr.error-limits": "absent",
    "cdr.api-version": "deprecated",
    "cdr.error-path": "indexed",
    "cdr.directory-fields": "scalars",
    "cdr.wav-records": "empty",
    "cdr.scenario-lists": "ids",
    "cdr.status-ids": "null",
    "onec.user-service-line-read-columns": "ServiceUserID string?, ServiceID string?",
    "onec.client-read-columns": "Name string(50), ClientID string?",
    "onec.service-line-kind-read-columns": "ServiceID string?, Deleted boolean, Name string(100)",
    "onec.answer-layout": "compact",
    "onec.code-duplicate-parameter": "OTHER_CODE",
    "onec.sender-fault-status": "500",
}


@pytest.mark.parametrize(("id", "choice"), CHOICES.items())
def test_a_choice_that_changes_the_shape_is_found(
    suite: Mocks, cli: CommandRunner, recordings: dict[str, Path], id: str, choice: str
) -> None:
    provider = id.partition(".")[0]
    with suite.tenant(seed=32, assumptions={id: choice}) as tenant:
        result = compare(cli, recordings[provider], tenant, provider)
    found = all_findings(result.json)
    assert result.code == 1
    about = {each["assumption"] for each in found}
    # A code that may be anything, and a refusal of a parameter, name no entry.
    assert id in about or "code" in id, found
    assert all(each["id"].startswith(f"{provider}/compare/") for each in found)


def edit_answers(recording: Path, target: Path, *replaced: tuple[str, str]) -> Path:
    """The recording with other texts in its answers."""
    lines = []
    for line in recording.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        for old, new in replaced:
            entry["response"] = entry.get("response", "").replace(old, new)
        lines.append(json.dumps(entry))
    return write_file(target, "\n".join(lines))


@pytest.mark.parametrize(
    ("provider", "old", "new", "where", "expected", "got"),
    [
        ("cdr", '"duration":', '"talk_length":', "talk_length", "this member", "none"),
        ("cdr", '"duration":', '"talk_length":', "*.duration", "no such member", "one"),
        ("cdr", '"is_coach":false', '"is_coach":0', "is_coach", "a number", "true or false"),
        ("cdr", '"id":', '"late":1,"id":', "late", "this member", "none"),
        ("cdr", '"code":-32602', '"code":-1', "mnemonic", "data_type_error -1", "-32602"),
        ("onec", "<Name>CallTime<", "<Name>CallDate<", "CallDate", "this member", "none"),
        ("onec", "<Name>CallTime<", "<Name>Ivan Petrov<", "/xxxx xxxxxx", "this member", "none"),
        ("onec", "<Length>0<", "<Length>40<", "ClientID", "string(40)?", "string?"),
        ("onec", "PARAM_DUPLICATE", "TWICE", "ResultCode", "TWICE", "PARAM_DUPLICATE"),
        ("onec", "Sender<", "Receiver<", "Fault", "a Fault Receiver", "a Fault Sender"),
        ("arm", " release_reason=", " end_reason=", "@end_reason", "this member", "none"),
        ("arm", 'reason="cannot_perform_cmd"', 'reason="busy"', "@reason", "busy", "cannot"),
        ("arm", "2026/03/0", "2026-03-0", "@start_time", "9999-99", "9999/99/99 99:99:99"),
    ],
)
def test_what_was_recorded_otherwise_is_told(
    suite: Mocks, cli: CommandRunner, recordings: dict[str, Path], tmp_path: Path,
    provider: str, old: str, new: str, where: str, expected: str, got: str,
) -> None:  # fmt: skip
    file = edit_answers(recordings[provider], tmp_path / "edited.jsonl", (old, new))
    with suite.tenant(seed=32) as tenant:
        found = all_findings(compare(cli, file, tenant, provider).json)
    assert any(
        where in each["where"] and expected in each["expected"] and got in each["got"]
        for each in found
    ), found


def test_the_order_of_columns_is_told(
    suite: Mocks, cli: CommandRunner, recordings: dict[str, Path], tmp_path: Path
) -> None:
    swapped = (("<Name>CallerID<", "<Name>C<"), ("<Name>CalleeID<", "<Name>CallerID<"))
    file = tmp_path / "edited.jsonl"
    edit_answers(recordings["onec"], file, *swapped, ("<Name>C<", "<Name>CalleeID<"))
    with suite.tenant(seed=32) as tenant:
        found = all_findings(compare(cli, file, tenant, "onec").json)
    assert ("ResultData/column", "CalleeID before CallerID") in {
        (each["where"], each["expected"]) for each in found
    }


def test_a_value_is_new_when_neither_the_contract_nor_the_recording_has_it(
    cli: CommandRunner, recordings: dict[str, Path], tmp_path: Path
) -> None:
    """Of an endpoint that answers as another recording."""
    reason = "subscriber_not_responsible"
    known, new = (
        edit_answers(recordings["cdr"], tmp_path / f"{value}.jsonl", (reason, value))
        for value in ("known_value", "new_value")
    )
    for answers, expected in ((known, []), (new, ["'new_value'"])):
        with run_replay(answers) as urls:
            result = cli("compare", known, urls["cdr"], "--token", "any", "--format", "json")
        found = all_findings(result.json)
        assert [each["got"] for each in found] == expected, found
        assert {each["id"] for each in found} <= {
            "cdr/compare/get.call_legs_report/result.data.*.finish_reason/"
            "a-value-of-the-contract-s-list-or-of-the-recording"
        }


def test_what_is_not_sent_is_listed_and_findings_quote_nothing_of_anybody(
    suite: Mocks, cli: CommandRunner, recordings: dict[str, Path], tmp_path: Path
) -> None:
    lines = recordings["cdr"].read_text(encoding="utf-8")
    entry = json.loads(lines.splitlines()[-1])
    session = {**entry, "operation": "login.user", "seq": 900}
    unknown = {**entry, "operation": "get.ivanov", "seq": 901}
    broken = {**entry, "request": "{", "seq": 902}
    unanswered = {**entry, "status": 0, "seq": 903}
    writing = entry["request"].replace("get.call_legs_report", "delete.employees")
    other = {**entry, "request": writing, "seq": 904}
    limited = {
        **entry,
        "response": '{"jsonrpc":"2.0","id":1,"error":{"code":-32029,"message":"",'
        '"data":{"mnemonic":"limit_exceeded"}}}',
    }
    skipped = (session, unknown, broken, unanswered, limited, other)
    added = "".join(f"{json.dumps(e)}\n" for e in skipped)
    file = write_file(tmp_path / "more.jsonl", lines + added)
    with suite.tenant(seed=32) as tenant:
        result = compare(cli, file, tenant, "cdr")
        _, url, *rest = check_arguments(tenant, "cdr")
        out = cli("compare", file, url, *rest[:2]).out
        filters = [
            json.dumps(each["request"])
            for each in tenant.request("GET", "journal?limit=1000")["entries"]
        ]
    why = {(each["operation"], each["why"]): each["count"] for each in result.json["left_out"]}
    assert why["login.user", "it opens or ends a session"] == 1
    assert why["unknown", "callmocks does not serve it"] >= 1
    assert why["get.call_legs_report", "it cannot be read"] == 1
    assert why["get.call_legs_report", "it has no answer"] == 1
    assert why["get.call_legs_report", "it asks for another operation than the recording says"] == 1
    limit = "the recorded answer tells that the account's limit is reached"
    assert why["get.call_legs_report", limit] == 1
    assert why["get.call_legs_report", "a value in it is masked"] >= 1
    assert "left out: 1 login.user: it opens or ends a session\n" in out
    assert not any("employee_full_name" in each and "filter" in each and '"value' in each
                   and "operator" in each and "Иванова" in each for each in filters)  # fmt: skip


def test_what_is_refused_by_day_is_no_difference_by_night(
    suite: Mocks, cli: CommandRunner, recordings: dict[str, Path]
) -> None:
    with suite.tenant(seed=32, assumptions={"onec.day-hours": "never"}) as tenant:
        result = compare(cli, recordings["onec"], tenant, "onec")
    assert (all_findings(result.json), result.code) == ([], 0)
    assert "its answer depends on the hour" in {each["why"] for each in result.json["left_out"]}


def test_a_comparison_is_a_gate(
    suite: Mocks, cli: CommandRunner, recordings: dict[str, Path], tmp_path: Path
) -> None:
    recording, file = recordings["cdr"], tmp_path / "baseline.toml"
    listed = '[[finding]]\nid = "cdr/legs/get.call_legs_report/result/a"\nwhy = "of check"\n'
    write_file(file, listed)
    with suite.tenant(seed=32, assumptions={"cdr.status-ids": "null"}) as tenant:
        assert compare(cli, recording, tenant, "cdr", "--write-baseline", file).code == 0
        again = compare(cli, recording, tenant, "cdr", "--baseline", file)
        junit = compare(cli, recording, tenant, "cdr", "--format", "junit").out
    id = "cdr/compare/get.employees/result.data.*.status_id/a-value-in-some-rows"
    assert id in file.read_text(encoding="utf-8") and "of check" in file.read_text(encoding="utf-8")
    assert (again.code, again.json["new"]) == (0, 0)
    root = etree.fromstring(junit.encode())
    failed = [
        each.get("name") for each in root.iter("testcase") if each.find("failure") is not None
    ]
    assert (root.get("name"), failed) == ("callmocks compare", ["get.employees"])
    with suite.tenant(seed=32) as tenant:
        gone = compare(cli, recording, tenant, "cdr", "--baseline", file)
    assert (gone.code, gone.json["gone"]) == (1, [id])


def test_nothing_is_compared_without_rows(
    suite: Mocks, cli: CommandRunner, recordings: dict[str, Path]
) -> None:
    for provider in PROVIDERS:
        with suite.tenant(world="empty") as tenant:
            result = compare(cli, recordings[provider], tenant, provider)
            none = compare(cli, recordings[provider], tenant, provider, "--require", "")
        assert result.code == 2 and result.json["unchecked"]
        assert (all_findings(none.json), none.code) == ([], 0)
    assert result.json["probes"][0]["skipped"] == "no rows on either side, or on one"


def test_limits_are_kept(
    suite: Mocks, cli: CommandRunner, recordings: dict[str, Path], tmp_path: Path
) -> None:
    """Three points are left to others; of ten calls an hour, five; a refusal ends it."""
    with suite.tenant(seed=32, limits="documented", cdr={"minute_limit": 8}) as tenant:
        result = compare(cli, recordings["cdr"], tenant, "cdr")
        assert "3 points are left" in result.json["stopped"]
    assert all_findings(result.json) == []
    assert sum(each["why"] == "after the stop" for each in result.json["left_out"])
    entries = recordings["onec"].read_text(encoding="utf-8").splitlines()
    hours = [entries[1].replace("T10:00:00", f"T{hour:02}:00:00", 1) for hour in range(1, 10)]
    file = write_file(tmp_path / "hours.jsonl", "\n".join([*entries, *hours]))
    with suite.tenant(seed=32, limits="documented") as tenant:
        results = [compare(cli, file, tenant, "onec") for _ in range(2)]
        with pytest.raises(CheckError, match="compared: the service says OUT_OF_LIMIT"):
            compare(cli, file, tenant, "onec")
    calls = [each["operation"] for each in results[0].json["requests"]]
    assert calls.count("GetHistoryOfServiceCalls") == 5
    assert [each.code for each in results] == [0, 0]


def test_mistakes_are_told(
    suite: Mocks, cli: CommandRunner, recordings: dict[str, Path], tmp_path: Path
) -> None:
    both = "".join(recordings[name].read_text(encoding="utf-8") for name in ("arm", "cdr"))
    mixed = write_file(tmp_path / "mixed.jsonl", both)
    token = ("--token", "t")
    with pytest.raises(SettingsError, match="it has exchanges of arm and cdr: compare takes one"):
        cli("compare", mixed, "http://127.0.0.1:9/v2.0", *token)
    with pytest.raises(SettingsError, match=r"FILE: .*none: No such file"):
        cli("compare", tmp_path / "none", "http://127.0.0.1:9/v2.0", *token)
    with pytest.raises(SettingsError, match="credentials are missing"):
        cli("compare", recordings["cdr"], "http://127.0.0.1:9/v2.0")
    with pytest.raises(SettingsError, match=r"--require: 'x' was not recorded, only get\.acc"):
        cli("compare", recordings["cdr"], "http://127.0.0.1:9/v2.0", *token, "--require", "x")
    lines = recordings["cdr"].read_text(encoding="utf-8").splitlines()
    session = json.dumps({**json.loads(lines[1]), "operation": "login.user"})
    alone = write_file(tmp_path / "alone.jsonl", f"{lines[0]}\n{session}\n")
    with pytest.raises(CheckError, match=r"sent again: 1 login\.user: it opens or ends a session"):
        cli("compare", alone, "http://127.0.0.1:9/v2.0", *token)
    with pytest.raises(CheckError, match="cannot be reached"):
        cli("compare", recordings["cdr"], "http://127.0.0.1:9/v2.0", *token)
    with suite.tenant() as tenant:
        for provider, wrong in (("cdr", token), ("onec", ("--login", "a", "--password", "b"))):
            url = check_arguments(tenant, provider)[1]
            with pytest.raises(CheckError, match="credentials are refused"):
                cli("compare", recordings[provider], url, *wrong)
        with pytest.raises(CheckError, match="refuse"):
            url = check_arguments(tenant, "arm")[1]
            cli("compare", recordings["arm"], url, "--login", "101", "--password", "no")
        with pytest.raises(CheckError, match="not as CDR: wrong address"):
            cli("compare", recordings["cdr"], check_arguments(tenant, "onec")[1], *token)


def test_a_session_is_opened_with_login_and_password(
    suite: Mocks, cli: CommandRunner, recordings: dict[str, Path]
) -> None:
    with suite.tenant(seed=32) as tenant:
        login = ("--login", tenant.name, "--password", tenant.name)
        result = cli("compare", recordings["cdr"], tenant.cdr.url, *login, "--format", "json")
    assert (all_findings(result.json), result.code) == ([], 0)
    sent = [each["operation"] for each in result.json["requests"]]
    assert (sent[0], sent[-1]) == ("login.user", "logout.user")
    with suite.tenant(seed=32, assumptions={"arm.basic": "refused"}) as tenant:
        result = compare(cli, recordings["arm"], tenant, "arm")
    assert (all_findings(result.json), result.code) == ([], 0)
    assert {"login", "logout"} <= {each["operation"] for each in result.json["requests"]}
