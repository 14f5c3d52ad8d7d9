"""The id of a finding: the same for the same deviation, whatever calls the endpoint has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from callmocks.contract.assumptions import load_ledger
from callmocks.contract.findings import Findings
from callmocks.testing import Mocks
from tests.verification.conftest import (
    CommandResult,
    CommandRunner,
    check_arguments,
    write_file,
)
from tests.verification.messages import post_legs
from tests.verification.processes import read_exchanges, run_proxy

Settings = dict[str, Any]


def run_check(suite: Mocks, cli: CommandRunner, provider: str, **given: Any) -> CommandResult:
    fault, settings = given.get("fault"), given.get("settings", {})
    with suite.tenant(**settings) as tenant:
        if fault:
            getattr(tenant, provider).fault(fault)
        form = given.get("form", "json")
        return cli("check", *check_arguments(tenant, provider), "--format", form)


def found_ids(result: CommandResult) -> list[str]:
    return [each["id"] for probe in result.json["probes"] for each in probe["findings"]]


@pytest.mark.parametrize(
    ("provider", "fault"),
    [("arm", "breaks_xsd"), ("cdr", "missing_rows"), ("onec", "nil_everywhere")],
)
def test_two_histories_with_the_same_defect_have_the_same_ids(
    suite: Mocks, cli: CommandRunner, provider: str, fault: str
) -> None:
    one, other = (
        found_ids(run_check(suite, cli, provider, fault=fault, settings={"seed": seed}))
        for seed in (1, 2)
    )
    assert one and set(one) == set(other)
    for id in one:
        name, probe, operation, path, *rule = id.split("/")
        assert name == provider and probe and operation and path and rule
        assert " " not in id and not any(part.isdigit() for part in rule)
    assert len(one) == len(set(one))


def test_an_id_names_probe_operation_path_and_rule(suite: Mocks, cli: CommandRunner) -> None:
    settings = {"assumptions": {"cdr.default-order": "descending"}}
    result = run_check(suite, cli, "cdr", settings=settings)
    (found,) = [f for p in result.json["probes"] if p["name"] == "legs" for f in p["findings"]]
    assert found["id"] == ("cdr/legs/get.call_legs_report/result.data.*.start_time/ascending-order")
    assert (found["evidence"], found["assumption"]) == ("assumed", "cdr.default-order")
    text = run_check(suite, cli, "cdr", settings=settings, form="text").out
    assert f"[assumed cdr.default-order]\n      {found['id']}\n" in text
    junit = etree.fromstring(
        run_check(suite, cli, "cdr", settings=settings, form="junit").out.encode()
    )
    assert found["id"] in "".join(map(str, junit.itertext()))


@pytest.mark.parametrize(
    ("provider", "choices"),
    [
        ("arm", {"arm.content-type": "application/xml; charset=utf-8", "arm.opcode": "binary"}),
        ("arm", {"arm.anonymous-upgrade": "refused"}),
        ("cdr", {"cdr.error-path": "indexed", "cdr.error-limits": "absent"}),
    ],
)
def test_an_assumed_finding_names_the_assumption(
    suite: Mocks, cli: CommandRunner, provider: str, choices: dict[str, str]
) -> None:
    result = run_check(suite, cli, provider, settings={"assumptions": choices})
    found = [each for probe in result.json["probes"] for each in probe["findings"]]
    assert {each["assumption"] for each in found} <= {*choices, None}
    assert {each["assumption"] for each in found} & {*choices}
    assert {*choices} <= load_ledger().keys()


def test_the_proxy_and_validate_give_the_same_ids(
    suite: Mocks, cli: CommandRunner, tmp_path: Path
) -> None:
    file = tmp_path / "legs.jsonl"
    with (
        suite.tenant() as tenant,
        run_proxy("cdr", tenant.cdr.url, "--record", file) as proxy,
    ):
        post_legs(proxy.ready["proxy"], f"{tenant.name}-token", limit=5.5)
        proxy.stop()
    (recorded,) = read_exchanges(file)
    (violation,) = recorded["violations"]
    expected = "cdr/request/get.call_legs_report/params.limit/a-JSON-integer"
    assert violation["id"] == expected
    assert any(line.endswith(f"[documented] {expected}") for line in proxy.stderr_lines)
    (validated,) = cli("validate", "--json", file).json
    ids = [each["id"] for message in validated["messages"] for each in message["violations"]]
    assert ids == [expected]
    assert expected in cli("validate", write_file(tmp_path / "m", recorded["request"])).out


def test_findings_that_differ_in_their_values_are_one() -> None:
    found = Findings()
    for number in (5605600000, 5605600001):
        found.add("result.data", f"leg {number} of session 'a b'", "none")
    found.add("result.data", "a list", "none")
    assert [(each.times, each.expected[:4]) for each in found] == [(2, "leg "), (1, "a li")]
