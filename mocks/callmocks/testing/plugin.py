"""The pytest plugin: a suite for the session, a tenant for each test."""

# pytest imports this module in every run where callmocks is installed, so it imports nothing but
# pytest; fixtures import the rest.

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    import pluggy

    from callmocks.testing.mocks import Mocks
    from callmocks.testing.providers import Arm, Cdr, Onec
    from callmocks.testing.tenant import TenantHandle
    from callmocks.testing.unmet_faults import UnmetFault

P = TypeVar("P")

_PASSED = pytest.StashKey[bool]()
_TENANT = pytest.StashKey["TenantHandle"]()
_NOW = "2026-03-02T12:00:00"  # a Monday; by the machine's clock, tests would depend on the hour
_UNMET_FAULTS = "callmocks_unmet_faults"  # in the configuration, and a property of a test
_MAX_EXCHANGES = 1000  # in the report of a failed test with -vv, which shows whole messages
_MARKER = (
    "callmocks(seed=..., now=..., calls_per_day=..., world=..., limits=...): "
    "the settings of this test's tenant"
)
# Those of `callmocks_settings` that a tenant has too.
_TENANT_SETTINGS = (
    *("seed", "world", "calls_per_day", "now", "timezone", "history_from", "limits"),
    *("arm_lag", "cdr_lag", "onec_lag", "records_lag"),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--callmocks-url`` and the same in the configuration file."""
    parser.getgroup("callmocks").addoption(
        "--callmocks-url",
        metavar="URL",
        help="Control address of a running suite to test against, instead of one in this process.",
    )
    parser.addini("callmocks_url", "What --callmocks-url is when it is not given.")
    parser.addini(
        _UNMET_FAULTS,
        "What becomes of a test that passes while a fault with times was applied to nothing: "
        "error, warn or off.",
        default="error",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", _MARKER)
    mode = config.getini(_UNMET_FAULTS)
    if mode not in ("error", "warn", "off"):
        raise pytest.UsageError(f"{_UNMET_FAULTS}: {mode!r} is none of error, warn, off")
    if mode == "off":
        ignored = "ignore::callmocks.errors.UnmetFaultWarning"
        config.addinivalue_line("filterwarnings", ignored)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [each for found in terminalreporter.stats.values() for each in found]
    lines = [
        f"{report.nodeid}: {text}"
        for report in reports
        if getattr(report, "when", None) == "teardown"
        for name, text in report.user_properties
        if name == _UNMET_FAULTS
    ]
    if lines:
        terminalreporter.section("callmocks: faults applied less often than they were to be")
        terminalreporter.write("".join(f"{line}\n" for line in lines))


# The older of the two kinds of wrapper: pytest 7 may come with a pluggy that has no other.
@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pluggy.Result[pytest.TestReport], None]:
    outcome = yield
    report = outcome.get_result()
    if report.when == "call":
        item.stash[_PASSED] = report.passed
    tenant = item.stash.get(_TENANT, None)
    if report.failed and report.when != "teardown" and tenant is not None:
        whole = item.config.getoption("verbose") > 1
        unmet = item.config.getini(_UNMET_FAULTS) != "off"
        text = _describe_tenant(tenant, whole=whole, unmet=unmet)
        report.sections.append((f"callmocks: exchanges of tenant {tenant.name}", text))


def _describe_tenant(tenant: TenantHandle, *, whole: bool, unmet: bool) -> str:
    from callmocks.errors import CallmocksError
    from callmocks.testing.unmet_faults import find_unmet_faults

    try:
        text = tenant.transcript(_MAX_EXCHANGES, None) if whole else tenant.transcript()
        clock = tenant.request("GET", "clock")
        lines = [f"Its clock: {clock['now']} ({clock['mode']})"]
        if unmet:
            lines += [fault.text for fault in find_unmet_faults(tenant.control, tenant.name)]
        return "\n\n".join(["\n".join(lines), text])
    except CallmocksError as error:
        return f"(not available: {error})"


@pytest.fixture(scope="session")
def callmocks_settings() -> dict[str, Any]:
    """Settings of the suite; override it: ``return {"seed": 7, "world": "empty"}``.

    They are the keywords of ``callmocks.running``; without ``now`` the clock stands at
    2026-03-02T12:00:00. A suite that runs already keeps its own settings, but gives each test's
    tenant what a tenant can have.
    """
    return {}


@pytest.fixture(scope="session")
def callmocks_suite(
    request: pytest.FixtureRequest, callmocks_settings: dict[str, Any]
) -> Iterator[Mocks]:
    """The suite of this session (of this worker, under xdist)."""
    from contextlib import ExitStack

    from callmocks.errors import CallmocksError
    from callmocks.testing.inprocess import running
    from callmocks.testing.mocks import connect

    url = request.config.getoption("callmocks_url") or request.config.getini("callmocks_url")
    with ExitStack() as stack:
        try:
            settings = {"now": _NOW, **callmocks_settings}
            mocks = connect(url) if url else stack.enter_context(running(**settings))
        except (CallmocksError, TypeError) as error:
            where = "--callmocks-url" if url else "callmocks_settings"
            _fail_test(f"{where}: {error}")
        yield mocks


@pytest.fixture(scope="session")
def callmocks_ca_file(callmocks_suite: Mocks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PEM file with the CA that clients have to trust, of a suite with ``tls="auto"``."""
    if callmocks_suite.ca_pem is None:
        _fail_test('callmocks_ca_file: the suite has no CA; use tls="auto"')
    path = tmp_path_factory.mktemp("callmocks") / "ca.pem"
    path.write_bytes(callmocks_suite.ca_pem)
    return path


@pytest.fixture
def callmocks_tenant(
    request: pytest.FixtureRequest, callmocks_suite: Mocks, callmocks_settings: dict[str, Any]
) -> Iterator[TenantHandle]:
    """A tenant of this test's own, as its markers say; limits are off unless they say otherwise."""
    from callmocks.errors import CallmocksError
    from callmocks.testing.unmet_faults import find_unmet_faults

    settings = {
        "limits": "off",
        **{name: value for name, value in callmocks_settings.items() if name in _TENANT_SETTINGS},
        **_read_markers(request.node),
    }
    worker = getattr(request.config, "workerinput", {}).get("workerid", "")
    try:
        tenant = callmocks_suite.create_numbered_tenant(f"{worker} {request.node.name}", settings)
    except CallmocksError as error:
        _fail_test(f"the tenant of this test cannot be made: {error}{_hint_at_suite(settings)}")
    request.node.stash[_TENANT] = tenant
    yield tenant
    try:
        unmet = find_unmet_faults(tenant.control, tenant.name)
        missed = {(fault.provider, fault.operation): None for fault in unmet if not fault.met}
        hints = [text for each in missed if (text := tenant.describe_other_requests(*each))]
    finally:
        tenant.delete()
    _report_unmet_faults(request, unmet, hints)


@pytest.fixture
def callmocks_arm(callmocks_tenant: TenantHandle) -> Arm:
    """The ARM of this test's tenant."""
    return _get_provider(lambda: callmocks_tenant.arm)


@pytest.fixture
def callmocks_cdr(callmocks_tenant: TenantHandle) -> Cdr:
    """The Data API of this test's tenant."""
    return _get_provider(lambda: callmocks_tenant.cdr)


@pytest.fixture
def callmocks_onec(callmocks_tenant: TenantHandle) -> Onec:
    """1C-Connect of this test's tenant."""
    return _get_provider(lambda: callmocks_tenant.onec)


@pytest.fixture
def arm(callmocks_arm: Arm) -> Arm:
    """The ARM of this test's tenant; ``callmocks_arm`` when the name is yours already."""
    return callmocks_arm


@pytest.fixture
def cdr(callmocks_cdr: Cdr) -> Cdr:
    """The Data API of this test's tenant; ``callmocks_cdr`` when the name is yours already."""
    return callmocks_cdr


@pytest.fixture
def onec(callmocks_onec: Onec) -> Onec:
    """1C-Connect of this test's tenant; ``callmocks_onec`` when the name is yours already."""
    return callmocks_onec


def _report_unmet_faults(
    request: pytest.FixtureRequest, unmet: list[UnmetFault], hints: list[str]
) -> None:
    mode = request.config.getini(_UNMET_FAULTS)
    if mode == "off":
        return
    passed = request.node.stash.get(_PASSED, False)
    failing = [fault for fault in unmet if passed and not fault.applied]
    for fault in unmet:
        if fault not in failing:
            request.node.user_properties.append((_UNMET_FAULTS, fault.text))
    if failing and mode == "error":
        hint = f"remove() it, or set {_UNMET_FAULTS} = warn"
        _fail_test("\n".join([*(fault.text for fault in failing), *hints, hint]))
    for fault in failing:
        from callmocks.errors import UnmetFaultWarning

        warnings.warn(fault.text, UnmetFaultWarning, stacklevel=1)


def _read_markers(item: pytest.Item) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for marker in item.iter_markers("callmocks"):
        if marker.args:
            _fail_test(f"@pytest.mark.callmocks takes keywords alone, not {marker.args[0]!r}")
        found = {**marker.kwargs, **found}
    if "name" in found:
        _fail_test("@pytest.mark.callmocks: a test's tenant cannot be named")
    return found


def _hint_at_suite(settings: dict[str, Any]) -> str:
    from callmocks.config.settings import ServeSettings
    from callmocks.tenants.settings import TenantSettings

    of_suite = set(ServeSettings.__slots__) - {*TenantSettings.__struct_fields__, *_TENANT_SETTINGS}
    names = ", ".join(sorted(of_suite & set(settings)))
    return f"; {names}: of the suite, which callmocks_settings sets" if names else ""


def _get_provider(provider: Callable[[], P]) -> P:
    from callmocks.errors import CallmocksError

    try:
        return provider()
    except CallmocksError as error:
        _fail_test(str(error))


def _fail_test(text: str) -> NoReturn:
    """Fail without a traceback: the mistake is in the test's settings."""
    raise pytest.fail.Exception(text, pytrace=False) from None
