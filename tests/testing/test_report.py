"""The report of a failed test shows the exchanges with its tenant."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from callmocks.testing import Mocks

Run = Callable[..., pytest.RunResult]

FAILING = """
import pytest
from clients import history, legs

pytestmark = pytest.mark.callmocks(world="empty", now="2026-03-02T12:00:00")

def test_passes(cdr):
    legs(cdr, sort=[{"field": "elsewhere", "order": "asc"}])

def test_fails(cdr, arm):
    cdr.fail_next("limit_exceeded", limit_type="day")
    legs(cdr, sort=[{"field": "nonsense", "order": "asc"}])
    legs(cdr, sort=[{"field": "nonsense", "order": "asc"}])
    history(arm)
    cdr.assert_called("get.calls_report")
"""


@pytest.mark.parametrize(
    ("where", "workers"), [("elsewhere", ()), ("elsewhere", ("-n2",)), ("in this process", ())]
)
def test_a_failed_test_shows_its_exchanges(
    run: Run, mocks: Mocks, where: str, workers: tuple[str, ...]
) -> None:
    result = run(FAILING, *workers, url=mocks.control_url if where == "elsewhere" else None)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "E * AssertionError: cdr: get.calls_report",
            "E * was expected at least once, and never came.",
            "E * Nearest of 2 requests:",
            'E * operation: expected "get.calls_report", got "get.call_legs_report"',
            "*- callmocks: exchanges of tenant *test-fails-* -*",
            "Its clock: 2026-03-02T12:00:00 (frozen)",
            "[#]1 12:00:00.000 cdr get.call_legs_report → 200 error limit_exceeded in * ms",
            "  real time 20* UTC",
            "  asked: 2026-03-02 00:00:00 … 2026-03-02 23:59:59, sort nonsense asc",
            "  came: error limit_exceeded",
            "  ! by fault: rpc_error",
            '  > {"jsonrpc": "2.0", *',
            '  < {"jsonrpc":"2.0","id":1,"error":{"code":-32029,"message":"Limit per day *',
            "[#]2 12:00:00.000 cdr get.call_legs_report → 200 error unexpected_parameters in * ms",
            "  ! the request breaks the contract: sort.0.field: expected *, got nonsense",
            "[#]3 12:00:00.000 arm operator_call_history → 200 in * ms",
            "  asked: operator 101, limit 50",
            "  came: 0 rows",
            "  [?] rests on: arm.basic, *",
            "  > <in><request>*",
        ]
    )
    result.stdout.no_fnmatch_line("*elsewhere*")
    assert "tenant.py" not in result.stdout.str() and "providers.py" not in result.stdout.str()


def test_a_test_that_did_not_ask_for_a_tenant_shows_none(run: Run) -> None:
    result = run("def test_it(callmocks_suite): assert not callmocks_suite.control_url")
    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*exchanges of tenant*")


def test_a_test_whose_client_sent_nothing_says_so(run: Run) -> None:
    result = run("def test_it(cdr): assert not cdr.url")
    result.stdout.fnmatch_lines(["Nobody sent a request as this tenant."])


def test_a_client_with_wrong_credentials_is_pointed_out(run: Run) -> None:
    result = run(
        """
        from clients import legs
        def test_it(cdr):
            assert "result" in legs(cdr, token="wrong")
        """
    )
    result.stdout.fnmatch_lines(
        [
            "Nobody sent a request as this tenant.",
            "A request came with an address, credentials or a domain that are nobody's; *",
        ]
    )


def test_a_fixture_that_fails_shows_the_exchanges_too(run: Run) -> None:
    result = run(
        """
        import pytest
        from clients import legs

        @pytest.fixture
        def client(cdr):
            legs(cdr)
            raise RuntimeError("no client")

        def test_it(client): pass
        """
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*exchanges of tenant*", "[#]1 * cdr get.call_legs_report *"])


LONG = """
import pytest
from clients import legs

def test_it(cdr):
    for _ in range(30):
        legs(cdr, filter={"field": "direction", "operator": "in", "value": ["in"] * 2000})
    pytest.fail("as intended")
"""


def test_long_exchanges_are_cut_unless_asked_for_whole(run: Run) -> None:
    brief = run(LONG)
    brief.stdout.fnmatch_lines(["(10 earlier)", "* more characters"])
    assert len(brief.stdout.str()) < 60_000
    whole = run(LONG, "-vv")
    whole.stdout.no_fnmatch_line("(10 earlier)")
    whole.stdout.no_fnmatch_line("* more characters")
    assert whole.stdout.str().count('"get.call_legs_report"') == 30


def test_a_stopped_suite_does_not_break_the_report(run: Run) -> None:
    result = run(
        """
        import pytest
        import callmocks

        @pytest.fixture(scope="session")
        def callmocks_suite():
            return callmocks.testing.connect(PORT)

        @pytest.fixture(scope="session", autouse=True)
        def short_lived():
            global PORT, block
            import callmocks.testing
            block = callmocks.running(world="empty")
            PORT = block.__enter__().control_url

        def test_it(cdr):
            block.__exit__(None, None, None)
            assert cdr.now
        """,
        url=None,
    )
    result.assert_outcomes(failed=1, errors=1)
    result.stdout.fnmatch_lines(["(not available: callmocks at http* cannot be reached: *)"])
