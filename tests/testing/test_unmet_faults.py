"""Faults with ``times`` that were applied to nothing, or less often, fail or show in a run."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Run = Callable[..., pytest.RunResult]

UNMET = """
import pytest
from clients import legs

def test_never(cdr):
    cdr.fail_next("limit_exceeded", operation="get.calls_report", limit_type="day")
    legs(cdr)

def test_seldom(cdr):
    cdr.fail_next(503, times=3)
    with pytest.raises(ValueError):
        assert not legs(cdr)

def test_taken_back(cdr, onec):
    cdr.fail_next("internal_error").remove()
    onec.fault("close", times=2)
    onec.tenant.clear_faults()

def test_in_a_block(cdr, callmocks_suite):
    with cdr.fail_next(500):
        assert legs(callmocks_suite.cdr)

def test_without_a_count(arm):
    arm.fault("close")
    arm.fault("delay", times=0)

def test_met(cdr):
    cdr.fail_next("internal_error")
    assert "error" in legs(cdr)

def test_fails(cdr):
    cdr.fail_next("internal_error", operation="get.account")
    assert not legs(cdr)
"""
NEVER = (
    "fault f1 (cdr rpc_error, mnemonic limit_exceeded, params {'limit_type': 'day'}, "
    "only get.calls_report) was applied 0 of 1 time; 0 requests matched it"
)


@pytest.mark.parametrize(
    ("mode", "arguments"),
    [
        ("error", ()),
        ("warn", ("-n1",)),
        ("off", ("-Werror", "-oasyncio_default_fixture_loop_scope=function")),
    ],
)
def test_a_fault_that_was_applied_to_nothing_fails_its_test(
    run: Run, pytester: pytest.Pytester, mode: str, arguments: tuple[str, ...]
) -> None:
    pytester.makeini("[pytest]" + (f"\ncallmocks_unmet_faults = {mode}\n" * (mode != "error")))
    result = run(UNMET, *arguments)
    result.assert_outcomes(
        passed=6, failed=1, errors=2 * (mode == "error"), warnings=2 * (mode == "warn")
    )
    text = result.stdout.str()
    assert text.count(NEVER) == (mode != "off")
    fails = "fault f1 (cdr rpc_error, mnemonic internal_error, only get.account) was applied 0"
    seldom = "fault f1 (cdr status, status 503, body Service Unavailable) was applied 1 of 3 times"
    assert f"::test_seldom: {seldom}" in text or mode == "off"
    assert text.count(fails) == (0 if mode == "off" else 2)  # its report, and the summary
    assert text.count("status 500, body Internal Server Error) was applied 0") == (mode != "off")
    assert text.count("Such a request came as tenant demo, the last as #") == (mode == "error")
    assert text.count("was applied") == (0 if mode == "off" else 5)


def test_a_mode_for_such_faults_that_there_is_not_is_refused(
    run: Run, pytester: pytest.Pytester
) -> None:
    pytester.makeini("[pytest]\ncallmocks_unmet_faults = eror\n")
    result = run("def test_it(): pass")
    message = "ERROR: callmocks_unmet_faults: 'eror' is none of error, warn, off"
    result.stderr.fnmatch_lines([message])
