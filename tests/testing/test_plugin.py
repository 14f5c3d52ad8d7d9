"""The pytest plugin, in pytest runs of its own: fixtures, marker, options, workers."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

import pytest
from _pytest.pytester import LineMatcher

import callmocks
from callmocks.testing import Mocks

Run = Callable[..., pytest.RunResult]

ALL_CLIENTS = """
import asyncio, json
import aiohttp, pytest, requests, websockets
import clients

pytestmark = pytest.mark.callmocks(world="empty", now="2026-03-02T12:00:00")
REPORT = {"jsonrpc": "2.0", "id": 1, "method": "get.call_legs_report"}

def request(cdr):
    return {**REPORT, "params": {"access_token": cdr.token, **clients.DAY}}

def frame(**attributes):
    filters = {"_name": "filters", "_attributes": attributes}
    tree = [{"_name": "in", "_content": [{"_name": "request", "_content": [filters]}]}]
    text = json.dumps(tree, separators=(",", ":"))
    return f"01{48 + len(text):010}0001{'operator_call_history':32}{text}"

def test_requests(cdr, onec):
    call = cdr.pin("2026-03-02T11:00:00")
    answer = requests.post(cdr.url, json=request(cdr), timeout=10).json()
    assert [row["id"] for row in answer["result"]["data"]] == list(call.cdr.leg_ids)
    assert requests.get(onec.wsdl_url, timeout=10).status_code == 200

def test_urllib(cdr, arm, onec):
    call = arm.pin("2026-03-02T11:00:00", operator="102")
    assert clients.leg_ids(cdr) == list(call.cdr.leg_ids)
    assert call.arm[0].call_ref in clients.history(arm, "102")[1]
    assert call.onec.call_id in clients.service_calls(onec)[1]

@pytest.mark.asyncio
async def test_aiohttp(cdr):
    call = cdr.pin("2026-03-02T11:00:00")
    async with aiohttp.ClientSession() as session:
        async def ask():
            async with session.post(cdr.url, json=request(cdr)) as answer:
                return await answer.json()
        cdr.fail_next("limit_exceeded")
        answers = await asyncio.gather(*(ask() for _ in range(5)))
    assert sum("error" in answer for answer in answers) == 1
    cdr.assert_called("get.call_legs_report", times=5)

@pytest.mark.asyncio
async def test_websockets(arm, callmocks_tenant):
    call = callmocks_tenant.pin("2026-03-02T11:00:00", operator="101")
    login = clients.basic("101", arm.operators[0].password)
    async with websockets.connect(arm.websocket_url, additional_headers=login) as socket:
        await socket.send(frame(limit="5"))
        assert call.arm[0].call_ref in str(await socket.recv())
    arm.assert_called("operator_call_history", limit=5)
"""


@pytest.mark.parametrize("where", ["in this process", "elsewhere"])
def test_synchronous_and_asynchronous_clients_work(run: Run, mocks: Mocks, where: str) -> None:
    url = mocks.control_url if where == "elsewhere" else None
    run(
        ALL_CLIENTS,
        *("-Werror", "--strict-markers", "-oasyncio_default_fixture_loop_scope=function"),
        url=url,
    ).assert_outcomes(passed=4)


def test_a_test_has_one_tenant_that_no_other_test_has(run: Run, mocks: Mocks) -> None:
    before = mocks.control.get("/api/tenants")["tenants"]
    result = run(
        """
        import pytest
        seen = []

        @pytest.mark.parametrize("n", range(3))
        def test_tenant(n, callmocks_tenant, arm, cdr, onec, callmocks_arm, callmocks_cdr,
                        callmocks_onec, callmocks_suite):
            assert arm is callmocks_arm and cdr is callmocks_cdr and onec is callmocks_onec
            assert {each.tenant for each in (arm, cdr, onec)} == {callmocks_tenant}
            views = callmocks_suite.control.get("/api/tenants")["tenants"]
            assert callmocks_tenant.name in [view["name"] for view in views]
            assert callmocks_tenant.name.startswith(f"test-tenant-{n}-")
            seen.append(callmocks_tenant.name)

        def test_names():
            assert len(set(seen)) == 3
        """
    )
    result.assert_outcomes(passed=4)
    assert mocks.control.get("/api/tenants")["tenants"] == before


def test_the_marker_makes_the_tenant_and_the_closest_one_wins(run: Run) -> None:
    result = run(
        """
        import datetime
        import pytest
        from clients import legs

        pytestmark = pytest.mark.callmocks(seed=7, world="default", now="2026-03-02T12:00:00")

        def test_module(callmocks_tenant, cdr):
            assert callmocks_tenant.seed == 7
            assert legs(cdr)["result"]["metadata"]["total_items"] > 100

        @pytest.mark.callmocks(seed=8)
        class TestClass:
            def test_class(self, callmocks_tenant):
                assert callmocks_tenant.seed == 8
                assert callmocks_tenant.now == datetime.datetime(2026, 3, 2, 12)

            @pytest.mark.callmocks(now=datetime.datetime(2026, 3, 2, 15), calls_per_day=0)
            def test_function(self, callmocks_tenant, cdr):
                assert callmocks_tenant.seed == 8
                assert callmocks_tenant.now == datetime.datetime(2026, 3, 2, 15)
                assert legs(cdr)["result"]["data"] == []

        @pytest.mark.callmocks(limits="documented", cdr={"minute_limit": 1, "token": "of-mine"})
        def test_limits(cdr):
            assert cdr.token == "of-mine"
            assert ["error" in legs(cdr) for _ in range(3)] == [False, True, True]

        @pytest.mark.callmocks(cdr={"minute_limit": 1})
        def test_limits_are_off_unless_asked_for(cdr):
            assert not any("error" in legs(cdr) for _ in range(3))
        """,
        "--strict-markers",
    )
    result.assert_outcomes(passed=5)


WRONG_MARKERS = {
    "seed='seven'": "*cannot be made: $.seed: Expected `int`, got `str`*",
    "sed=7": "*cannot be made: Object contains unknown field `sed`; there are name, seed, *",
    "limits='on'": "*$.limits: Invalid enum value 'on'; there are documented, off*",
    "cdr={'points': 9}": "*$.cdr: *unknown field `points`; there are *day_limit*",
    "world='nowhere'": "*cannot be made: *nowhere*",
    "now='2026-03-02T12:00:00+03:00'": "*cannot be made: *has an offset*",
    "only='cdr', tls='auto'": "*; only, tls: of the suite, which callmocks_settings sets",
    "name='mine'": "*a test's tenant cannot be named*",
    "7": "*takes keywords alone, not 7*",
}


def test_a_wrong_marker_is_reported_without_a_traceback(run: Run) -> None:
    tests = (
        f"@pytest.mark.callmocks({marker})\ndef test_{number}(cdr): pass\n"
        for number, marker in enumerate(WRONG_MARKERS)
    )
    result = run("import pytest\n" + "".join(tests))
    result.assert_outcomes(errors=len(WRONG_MARKERS))
    lines = [line for line in result.outlines if not line.startswith("ERROR ")]
    sections = "\n".join(lines).split("ERROR at setup of test_")[1:]
    for section, message in zip(sections, WRONG_MARKERS.values(), strict=True):
        LineMatcher(section.splitlines()).fnmatch_lines([message])
    result.stdout.no_fnmatch_line("*another exception*")
    result.stdout.no_fnmatch_line("*plugin.py*")


def test_the_clock_stands_at_noon_of_a_monday_unless_told_otherwise(run: Run) -> None:
    result = run(
        """
        import time
        import pytest

        @pytest.mark.parametrize("hour", [0, 12])
        def test_it_stands(hour, callmocks_tenant, callmocks_suite):
            clock = callmocks_tenant.request("GET", "clock")
            assert clock == {"mode": "frozen", "now": "2026-03-02T12:00:00", "speed": 0.0}
            assert callmocks_suite.demo.now == callmocks_tenant.now
            assert len(callmocks_tenant.truth("2026-03-02", "2026-03-03")) > 100

        @pytest.mark.callmocks(now="real", timezone="UTC")
        def test_it_follows_the_machine(cdr):
            assert abs(cdr.now.timestamp() - time.time()) < 86400
        """,
        url=None,
    )
    result.assert_outcomes(passed=3)


def test_names_of_the_users_own_win(run: Run) -> None:
    result = run(
        """
        import pytest

        @pytest.fixture
        def cdr(callmocks_cdr):
            return callmocks_cdr.url.upper()

        def test_it(cdr, callmocks_cdr):
            assert cdr == callmocks_cdr.url.upper()
        """
    )
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("where", ["in this process", "elsewhere"])
def test_settings_of_all_tests_stand_in_one_fixture(
    run: Run, mocks: Mocks, pytester: pytest.Pytester, where: str
) -> None:
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture(scope="session")
        def callmocks_settings():
            wall = {"now": "2026-05-04T10:00:00", "world": "empty"}
            lags = {"cdr_lag": {"min": 60, "max": 90}, "arm_lag": 5}
            return {"seed": 7, **wall, **lags, "only": ["cdr", "arm"]}
        """
    )
    result = run(
        """
        import pytest

        def test_them(callmocks_tenant):
            assert callmocks_tenant.seed == 7
            assert callmocks_tenant.now.isoformat() == "2026-05-04T10:00:00"
            call = callmocks_tenant.cdr.pin("2026-05-04T09:00:00")
            assert 60 <= (call.cdr.shown_at - call.end).total_seconds() <= 90
            assert (call.arm[0].shown_at - call.legs[-1].end).total_seconds() == 5

        @pytest.mark.callmocks(seed=9, cdr_lag=1)
        def test_the_marker_wins(callmocks_tenant):
            assert callmocks_tenant.seed == 9
            call = callmocks_tenant.cdr.pin("2026-05-04T09:00:00")
            assert (call.cdr.shown_at - call.end).total_seconds() == 1
            assert callmocks_tenant.now.isoformat() == "2026-05-04T10:00:00"

        def test_not_served(onec): pass
        """,
        url=mocks.control_url if where == "elsewhere" else None,
    )
    if where == "elsewhere":
        result.assert_outcomes(passed=3)
    else:
        result.assert_outcomes(passed=2, errors=1)
        result.stdout.fnmatch_lines(["the suite at http://127.0.0.1:* does not serve onec"])


def test_impossible_settings_are_reported_once_without_a_traceback(
    run: Run, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture(scope="session")
        def callmocks_settings():
            return {"calls_per_day": "many"}
        """
    )
    result = run("def test_it(cdr): pass", url=None)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["callmocks_settings: calls_per_day: 'many' is not a whole *"])
    result.stdout.no_fnmatch_line("*another exception*")


def test_an_unreachable_suite_is_reported_without_a_traceback(run: Run) -> None:
    result = run("def test_it(cdr): pass", url="http://127.0.0.1:1")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["--callmocks-url: callmocks at http://127.0.0.1:1 cannot be reached: *refused*"]
    )
    result.stdout.no_fnmatch_line("*another exception*")


def test_the_address_of_a_provider_is_rejected(run: Run, mocks: Mocks) -> None:
    provider = mocks.onec.url.partition("/cus")[0]
    result = run("def test_it(cdr): pass", url=provider)
    result.assert_outcomes(errors=1)
    message = (
        f"--callmocks-url: {provider} is not the control address of a callmocks suite: /health *"
    )
    result.stdout.fnmatch_lines([message])


def test_it_needs_nothing_that_pytest_7_lacks(
    run: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hook wrappers of the newer kind came with pluggy 1.2, levels of verbosity with pytest 8."""
    pytester.makepyfile(
        sitecustomize="""
        import sys, pytest

        def older(real, what):
            def asked(*args, **kwargs):
                asker = sys._getframe(1).f_globals["__name__"]
                if asker.startswith("callmocks") and (what is None or what in kwargs):
                    raise TypeError(f"{asker} asks for what there is not")
                return real(*args, **kwargs)
            return asked

        pytest.hookimpl = older(pytest.hookimpl, "wrapper")
        pytest.Config.get_verbosity = older(pytest.Config.get_verbosity, None)
        """
    )
    monkeypatch.setenv("PYTHONPATH", str(pytester.path), prepend=os.pathsep)
    result = run("def test_it(cdr): assert cdr is None")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*callmocks: exchanges of tenant test-it-*"])


def test_the_address_may_stand_in_the_configuration(
    run: Run, mocks: Mocks, pytester: pytest.Pytester
) -> None:
    pytester.makeini(f"[pytest]\ncallmocks_url = {mocks.control_url}\n")
    result = run(
        f"""
        def test_it(callmocks_suite):
            assert callmocks_suite.control_url == "{mocks.control_url}"
        """,
        url=None,
    )
    result.assert_outcomes(passed=1)


def test_an_admin_token_goes_in_with_the_address(run: Run) -> None:
    now = "2026-07-01T08:00:00"
    with callmocks.running(world="empty", admin_token="s3cret", now=now) as guarded:
        url = guarded.control_url.replace("://", "://any:s3cret@")
        text = f"""
            def test_it(cdr):
                assert 's3cret' not in repr(cdr)
                assert cdr.now.isoformat() == "{now}"
            """
        result = run(text, url=url)
        result.assert_outcomes(passed=1)
        result = run("def test_it(cdr): pass", url=guarded.control_url)
        result.assert_outcomes(errors=1)
        message = "*token is missing or wrong; it goes into the address, as in http://any:TOKEN@*"
        result.stdout.fnmatch_lines([message])


def test_a_suite_with_tls_hands_its_ca_to_clients(run: Run, pytester: pytest.Pytester) -> None:
    pytest.importorskip("trustme")
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture(scope="session")
        def callmocks_settings():
            return {"tls": "auto", "world": "empty"}
        """
    )
    result = run(
        """
        import requests

        def test_it(onec, callmocks_ca_file):
            answer = requests.get(onec.wsdl_url, verify=callmocks_ca_file, timeout=10)
            assert answer.status_code == 200 and onec.wsdl_url.startswith("https:")
        """,
        url=None,
    )
    result.assert_outcomes(passed=1)


def test_without_tls_there_is_no_ca(run: Run) -> None:
    result = run("def test_it(callmocks_ca_file): pass")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(['callmocks_ca_file: the suite has no CA; use tls="auto"'])


PARALLEL = """
import pytest
from clients import leg_ids

@pytest.mark.parametrize("n", range(8))
@pytest.mark.callmocks(world="empty", now="2026-03-02T12:00:00")
def test_it(n, cdr, callmocks_suite, worker_id, capsys):
    call = cdr.pin("2026-03-02T11:00:00")
    assert leg_ids(cdr) == list(call.cdr.leg_ids)
    cdr.advance(n)
    assert cdr.now.second == n
    cdr.assert_called(times=1)
    assert worker_id in cdr.tenant.name
    with open(f"seen-{n}-{worker_id}", "w") as file:
        file.write(callmocks_suite.control_url)
"""


@pytest.mark.parametrize("where", ["in this process", "elsewhere"])
def test_xdist_workers_use_different_tenants(
    run: Run, mocks: Mocks, pytester: pytest.Pytester, where: str
) -> None:
    url = mocks.control_url if where == "elsewhere" else None
    run(PARALLEL, "-n", "2", url=url).assert_outcomes(passed=8)
    seen: dict[str, set[str]] = {}
    for path in pytester.path.glob("seen-*"):
        seen.setdefault(path.name[-3:], set()).add(path.read_text())
    assert set(seen) == {"gw0", "gw1"}
    if where == "elsewhere":
        assert seen["gw0"] == seen["gw1"] == {mocks.control_url}
    else:
        assert len(seen["gw0"]) == len(seen["gw1"]) == 1
        assert seen["gw0"] != seen["gw1"]


def test_the_marker_and_the_fixtures_are_explained(run: Run) -> None:
    message = run("", "--markers").stdout.str()
    assert (
        "@pytest.mark.callmocks(seed=..., now=..., calls_per_day=..., world=..., limits" in message
    )
    message = run("", "--fixtures").stdout.str().partition("from callmocks.testing.plugin")[2]
    ours = message.partition("\n---")[0]
    for name in ("arm", "cdr", "onec"):
        assert re.search(rf"^{name} -- .*\n +\w", ours, re.M)
    for name in ("arm", "cdr", "onec", "tenant", "suite", "settings", "ca_file"):
        assert re.search(rf"^callmocks_{name}( \[session scope\])? -- .*\n +\w", ours, re.M)
    assert "no docstring available" not in ours
