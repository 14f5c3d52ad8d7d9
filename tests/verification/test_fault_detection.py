"""Every fault that breaks the contract is found by the check; those that do not, are not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callmocks.server.providers import FAULT_TYPES
from callmocks.testing import Mocks
from tests.verification.conftest import CommandRunner, check_arguments

WITHOUT_EFFECT = ("wrong_id", "arm", "http")
"""ARM answers over HTTP carry no id."""
WAIT = {"never_answer": ("--timeout", "0.2")}
TRANSPORTS = {"http": "http", "frame": "websocket"}
BREAKING = [
    pytest.param(
        kind.model.fault_name,
        provider,
        TRANSPORTS[transport],
        id=f"{kind.model.fault_name}-{provider}-{transport}",
    )
    for kind in FAULT_TYPES.values()
    if kind.model.breaks_contract
    for provider in kind.providers
    for transport in kind.model.transports
    if transport == "http" or provider == "arm"
    if (kind.model.fault_name, provider, transport) != WITHOUT_EFFECT
]
HARMLESS = [
    pytest.param(name, provider, params, id=f"{name}-{provider}")
    for name, provider, params in (
        ("delay", "arm", {"ms": 20}),
        ("delay", "cdr", {"ms": 20}),
        ("delay", "onec", {"ms": 20}),
        ("dribble", "cdr", {"bytes": 4000, "pause_ms": 1}),
        ("dribble", "onec", {"bytes": 4000, "pause_ms": 1}),
        ("out_of_order", "arm", {"wait_ms": 50}),
    )
]


def run_check(
    cli: CommandRunner, tenant: Any, provider: str, *more: str
) -> tuple[int, dict[str, Any]]:
    """Exit code and report."""
    result = cli(
        "check", *check_arguments(tenant, provider), "--format", "json", "--timeout", "30", *more
    )
    return result.code, json.loads(result.out)


def all_findings(report: dict[str, Any]) -> list[dict[str, Any]]:
    return [found for probe in report["probes"] for found in probe["findings"]]


@pytest.mark.parametrize(("fault", "provider", "transport"), BREAKING)
def test_a_fault_that_breaks_the_contract_is_found(
    suite: Mocks, cli: CommandRunner, fault: str, provider: str, transport: str
) -> None:
    with suite.tenant() as tenant:
        switched = getattr(tenant, provider).fault(fault)
        more = list(WAIT.get(fault, ()))
        more += ["--transport", transport] if provider == "arm" else []
        code, report = run_check(cli, tenant, provider, *more)
        assert switched.applied > 0
    assert code == 1
    assert not report["ok"]
    assert all_findings(report)
    assert {found["evidence"] for found in all_findings(report)} <= {
        "documented",
        "observed",
        "assumed",
    }


def test_the_excluded_combination_has_no_effect(suite: Mocks, cli: CommandRunner) -> None:
    fault, provider, transport = WITHOUT_EFFECT
    with suite.tenant() as tenant:
        switched = getattr(tenant, provider).fault(fault)
        code, _ = run_check(cli, tenant, provider, "--transport", TRANSPORTS[transport])
        assert (switched.applied, code) == (0, 0)


def test_every_contract_breaking_fault_is_tested() -> None:
    assert {parameter.values[0] for parameter in BREAKING} == {
        kind.model.fault_name for kind in FAULT_TYPES.values() if kind.model.breaks_contract
    }
    assert "table_truncated" not in {parameter.values[0] for parameter in BREAKING}


@pytest.mark.parametrize(("fault", "provider", "params"), HARMLESS)
def test_a_fault_that_keeps_the_contract_is_no_finding(
    suite: Mocks, cli: CommandRunner, fault: str, provider: str, params: dict[str, Any]
) -> None:
    with suite.tenant() as tenant:
        getattr(tenant, provider).fault(fault, **params)
        code, report = run_check(cli, tenant, provider)
    assert all_findings(report) == []
    assert code == 0


@pytest.mark.parametrize(
    ("fault", "provider", "params", "where", "expected"),
    [
        ("wrong_id", "cdr", {}, "id", "the request's, 1"),
        ("missing_metadata", "cdr", {}, "result.metadata", "this member"),
        ("missing_rows", "cdr", {}, "page 2 of 20, row 1", "as without pages"),
        ("duplicate_rows", "cdr", {}, "page 2 of 20, row 1", "as without pages"),
        ("wrong_length", "arm", {"by": 7}, "bytes 3-12 (length)", "in bytes"),
        ("breaks_xsd", "arm", {"how": "direction"}, "/@direction", "'in' or 'out'"),
        ("breaks_xsd", "arm", {"how": "missing"}, "/@call_ref", "it is required"),
        ("undeclared_attribute", "arm", {"name": "vip"}, "/@vip", "attributes of this list"),
        ("columns_reordered", "onec", {}, "Value/column", "CallID, ClientID, ServiceUserID"),
        ("nil_everywhere", "onec", {}, "(CallID)", "has no Null"),
        ("content_type", "onec", {}, "Content-Type", "application/soap+xml"),
        ("status", "cdr", {"status": 500}, "status", "200"),
        ("never_answer", "onec", {}, "connection", "an answer"),
    ],
)
def test_the_finding_names_what_is_broken(
    suite: Mocks,
    cli: CommandRunner,
    fault: str,
    provider: str,
    params: dict[str, Any],
    where: str,
    expected: str,
) -> None:
    with suite.tenant() as tenant:
        getattr(tenant, provider).fault(fault, **params)
        _, report = run_check(cli, tenant, provider, *WAIT.get(fault, ()))
    assert any(
        where in found["where"] and expected in found["expected"] for found in all_findings(report)
    ), all_findings(report)
