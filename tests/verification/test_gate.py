"""A check as a gate: known findings, required probes, evidence, choices of the ledger."""

from __future__ import annotations

import json
import random
import tomllib
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from callmocks.contract.assumptions import Assumption, load_ledger
from callmocks.errors import SettingsError
from callmocks.testing import Mocks
from tests.verification.conftest import (
    CommandResult,
    CommandRunner,
    check_arguments,
    write_file,
)
from tests.verification.messages import post_legs
from tests.verification.processes import run_proxy

ORDER: dict[str, Any] = {"assumptions": {"cdr.default-order": "descending"}}
ORDER_ID = "cdr/legs/get.call_legs_report/result.data.*.start_time/ascending-order"


def run_check(
    suite: Mocks, cli: CommandRunner, provider: str, *more: object, **settings: Any
) -> CommandResult:
    with suite.tenant(**settings) as tenant:
        return cli("check", *check_arguments(tenant, provider), "--format", "json", *more)


def test_a_baseline_lets_known_findings_pass_and_new_ones_fail(
    suite: Mocks, cli: CommandRunner, tmp_path: Path
) -> None:
    file = tmp_path / "baseline.toml"
    result = run_check(suite, cli, "cdr", "--write-baseline", file, **ORDER)
    assert result.code == 0
    written = tomllib.loads(file.read_text(encoding="utf-8"))["finding"]
    assert {each["why"] for each in written} == {"not explained yet"}
    assert ORDER_ID in {each["id"] for each in written}
    result = run_check(suite, cli, "cdr", "--baseline", file, **ORDER)
    assert (result.code, result.json["ok"], result.json["new"]) == (0, True, 0)
    assert not any(found["new"] for probe in result.json["probes"] for found in probe["findings"])
    with suite.tenant(**ORDER) as tenant:
        tenant.cdr.fault("missing_metadata", operation="get.account")
        arguments = (*check_arguments(tenant, "cdr"), "--baseline", file)
        result = cli("check", *arguments, "--format", "json")
        text = cli("check", *arguments).out
        junit = etree.fromstring(cli("check", *arguments, "--format", "junit").out.encode())
    new = [f for probe in result.json["probes"] for f in probe["findings"] if f["new"]]
    assert (result.code, [each["id"] for each in new]) == (
        1,
        ["cdr/account/get.account/result.metadata/this-member"],
    )
    assert f"{ORDER_ID}\n      known: not explained yet" in text
    assert text.splitlines()[-1] == f"{len(written) + 1} findings, 1 of them new"
    failed = [
        case.get("name") for case in junit.iter("testcase") if case.find("failure") is not None
    ]
    assert failed == ["account"]


def test_a_known_finding_that_is_gone_fails_if_its_probe_could_have_found_it(
    suite: Mocks, cli: CommandRunner, tmp_path: Path
) -> None:
    other = "onec/wsdl/wsdl/status/*"
    listed = f'[[finding]]\nid = "{ORDER_ID}"\nwhy = "theirs"\n[[finding]]\nid = "{other}"\n'
    file = write_file(tmp_path / "baseline.toml", listed)
    result = run_check(suite, cli, "cdr", "--baseline", file)
    assert (result.code, result.json["gone"]) == (1, [ORDER_ID])
    with suite.tenant() as tenant:
        arguments = (*check_arguments(tenant, "cdr"), "--baseline", file)
        assert f"gone: {ORDER_ID}; remove it" in cli("check", *arguments).out
        junit = etree.fromstring(cli("check", *arguments, "--format", "junit").out.encode())
    assert junit.get("failures") == "1" and ORDER_ID in "".join(map(str, junit.itertext()))
    # Without calls nothing could be found; with a finding below the bar, it is there.
    result = run_check(suite, cli, "cdr", "--baseline", file, world="empty")
    assert (result.code, result.json["gone"]) == (2, [])
    result = run_check(suite, cli, "cdr", "--baseline", file, "--min-evidence", "observed", **ORDER)
    assert (result.code, result.json["gone"]) == (0, [])
    # A new baseline keeps reasons and what could not be looked for, and drops what is gone.
    run_check(suite, cli, "cdr", "--write-baseline", file, world="empty")
    kept = tomllib.loads(file.read_text(encoding="utf-8"))["finding"]
    assert {each["id"]: each["why"] for each in kept} == {
        ORDER_ID: "theirs",
        other: "not explained yet",
    }
    run_check(suite, cli, "cdr", "--write-baseline", file)
    assert ORDER_ID not in file.read_text(encoding="utf-8")


def test_weaker_evidence_is_shown_and_not_counted(suite: Mocks, cli: CommandRunner) -> None:
    for least, code in (("assumed", 1), ("observed", 0), ("documented", 0)):
        result = run_check(suite, cli, "cdr", "--min-evidence", least, **ORDER)
        found = [f for probe in result.json["probes"] for f in probe["findings"]]
        assert (result.code, bool(found)) == (code, True)
    with suite.tenant() as tenant:
        tenant.cdr.fault("missing_metadata", operation="get.account")
        arguments = check_arguments(tenant, "cdr")
        assert cli("check", *arguments, "--min-evidence", "documented").code == 1


def test_a_required_probe_that_is_skipped_is_no_check(suite: Mocks, cli: CommandRunner) -> None:
    with suite.tenant(limits="documented") as tenant:  # ten calls of the history an hour
        arguments = (*check_arguments(tenant, "onec"), "--format", "json")
        results = [cli("check", *arguments) for _ in range(3)]
    assert [each.code for each in results] == [0, 0, 2]
    assert results[2].json["unchecked"] and not results[2].json["ok"]
    for provider in ("arm", "cdr", "onec"):
        result = run_check(suite, cli, provider, world="empty")
        assert result.code == 2 and result.json["unchecked"] and not result.json["ok"]
        assert run_check(suite, cli, provider, "--require", "", world="empty").code == 0
    required = ("--require", "account, errors")
    assert run_check(suite, cli, "cdr", *required, world="empty").code == 0
    with suite.tenant(world="empty") as tenant:
        out = cli("check", *check_arguments(tenant, "cdr")).out
    assert "; required and not checked: legs, default-fields, paging, filter" in out


@pytest.mark.parametrize(
    ("option", "content", "error"),
    [
        ("--baseline", "x = 1", r"--baseline: .*: Object contains unknown field `x`"),
        ("--baseline", '[[finding]]\nid = "CDR/legs/a"', "finding 1: id: 'CDR' is none of arm"),
        ("--baseline", '[[finding]]\nid = "a b"', "finding 1: id: 'a b' is not like cdr/"),
        ("--baseline", '[[finding]]\nid="cdr/b/c"\n[[finding]]\nid="cdr/b/c"', "cdr/b/c: it is"),
        ("--baseline", '[[finding]]\nid = "cdr/leg/a/b/c"', "cdr/leg/a/b/c: 'leg' is none of"),
        ("--baseline", "[[", r"--baseline: .*: Invalid initial char"),
        ("--assumptions", '[assumptions]\n"cdr.no" = "x"', r'"cdr.no": there is no assumption'),
        ("--assumptions", '[assumptions]\n"cdr.error-limit" = ""', "did you mean cdr.error-limits"),
        ("--assumptions", '[assumptions]\n"cdr.error-limits" = 1', "expected a text in quotes"),
        ("--assumptions", '[assumptions]\n"cdr.error-limits" = "x"', "'x' is none of present"),
        ("--assumptions", '[assumptions]\ncdr.error-limits = "x"', 'write "cdr.error-limits" ='),
        ("--assumptions", "[other]", r"expected the table \[assumptions\] and nothing else, got"),
        ("--require", None, "--require: 'nothing' is none of account, legs"),
    ],
)  # fmt: skip
def test_mistakes_are_located(
    cli: CommandRunner, tmp_path: Path, option: str, content: str | None, error: str
) -> None:
    value: object = "nothing"
    if content is not None:
        value = write_file(tmp_path / "file.toml", content)
    with pytest.raises(SettingsError, match=error):
        cli("check", "cdr", "http://127.0.0.1:9/v2.0", "--token", "t", option, value)


def test_a_missing_file_is_an_error(cli: CommandRunner, tmp_path: Path) -> None:
    for option in ("--baseline", "--assumptions"):
        with pytest.raises(SettingsError, match=f"{option}: .*: No such file"):
            cli("check", "cdr", "http://h/", "--token", "t", option, tmp_path / "no")


COLUMNS = "Deleted boolean, Name string(150), ServiceID string?"
"""A choice for columns; texts that may be anything are an unused code."""
TEXTS = {"arm.websocket-path": "elsewhere/ws", "arm.error-reason": "other_reason"}


def choose_alternative(entry: Assumption, source: random.Random) -> str:
    choice = source.choice((entry.default, *entry.alternatives))
    if choice != "*":
        return choice
    if entry.fields:
        return COLUMNS if "ServiceID" in entry.fields and "Name" in entry.fields else entry.default
    return TEXTS.get(entry.id, f"CODE_{source.randrange(1000)}")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("provider", ["arm", "cdr", "onec"])
def test_an_endpoint_is_judged_by_the_choices_of_a_file(
    suite: Mocks, cli: CommandRunner, tmp_path: Path, provider: str, seed: int
) -> None:
    source = random.Random(f"{provider} {seed}")
    entries = [entry for entry in load_ledger().values() if entry.provider == provider]
    choices = {entry.id: choose_alternative(entry, source) for entry in entries}
    lines = "".join(f"{json.dumps(id)} = {json.dumps(c)}\n" for id, c in choices.items())
    file = write_file(tmp_path / "choices.toml", f"[assumptions]\n{lines}")
    result = run_check(suite, cli, provider, "--assumptions", file, assumptions=choices)
    found = [each for probe in result.json["probes"] for each in probe["findings"]]
    assert (found, result.code) == ([], 0), choices


def test_a_status_of_failed_commands_that_was_not_chosen_is_found(
    suite: Mocks, cli: CommandRunner
) -> None:
    result = run_check(suite, cli, "arm", assumptions={"arm.error-status": "500"})
    found = [each for probe in result.json["probes"] for each in probe["findings"]]
    assert (result.code, {each["assumption"] for each in found}) == (1, {"arm.error-status"})
    assert {each["where"].partition(": ")[2] for each in found} == {"status"}


def test_the_path_of_the_websocket_can_be_given(suite: Mocks, cli: CommandRunner) -> None:
    choice = {"arm.websocket-path": "elsewhere/ws"}
    assert run_check(suite, cli, "arm", assumptions=choice).code == 1
    result = run_check(suite, cli, "arm", "--websocket-path", "elsewhere/ws", assumptions=choice)
    assert result.code == 0


@pytest.mark.parametrize(
    ("limit", "fail_on", "code"),
    [("ten", "documented", 1), ("ten", None, 0), (5, "assumed", 0)],
)
def test_a_proxy_fails_on_findings_and_reports_them(
    suite: Mocks, tmp_path: Path, limit: object, fail_on: str | None, code: int
) -> None:
    file = tmp_path / "report"
    more = ("--report", "json", "--output", file, *(("--fail-on", fail_on) if fail_on else ()))
    with suite.tenant() as tenant, run_proxy("cdr", tenant.cdr.url, *more) as proxy:
        for _ in range(2):
            post_legs(proxy.ready["proxy"], f"{tenant.name}-token", limit=limit)
        assert proxy.stop() == code
    report = json.loads(file.read_bytes())
    assert (report["ok"], report["exchanges"]) == (code == 0, 2)
    if limit == "ten":
        (found,) = report["findings"]
        assert found["id"] == "cdr/request/get.call_legs_report/params.limit/a-JSON-integer"
        assert (found["side"], found["first"], found["exchanges"]) == ("request", 1, 2)


def test_the_report_of_a_proxy_as_junit(suite: Mocks, tmp_path: Path, cli: CommandRunner) -> None:
    file = tmp_path / "report.xml"
    more = ("--report", "junit", "--output", file, "--fail-on", "observed")
    choice = {"cdr.default-order": "descending"}
    with (
        suite.tenant(assumptions=choice) as tenant,
        run_proxy("cdr", tenant.cdr.url, *more) as proxy,
    ):
        post_legs(proxy.ready["proxy"], f"{tenant.name}-token", limit="ten")
        post_legs(proxy.ready["proxy"], f"{tenant.name}-token")
        assert proxy.stop() == 1
    root = etree.fromstring(file.read_bytes())
    failed = [case.get("name") for case in root.iter("testcase") if len(case)]
    assert failed == ["get.call_legs_report request"]
    assert (root.get("tests"), root.get("failures")) == ("2", "1")
    with pytest.raises(SettingsError, match="--report and --output: use both"):
        cli("proxy", "cdr", "http://h/", "--report", "json")
