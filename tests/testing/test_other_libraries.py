"""A suite beside what other libraries and the system do to the process of a test run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("CALLMOCKS_")}


def run_python(*arguments: str) -> str:
    """In a process of its own: what a library caches at its first use is cached for all tests."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=CLEAN, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize(
    ("library", "begins", "tick"),
    [
        ("freezegun", "start", "stop"),
        pytest.param("freezegun", "middle", "tick", marks=pytest.mark.slow),
        pytest.param("time_machine", "middle", "stop", marks=pytest.mark.slow),
    ],
)
def test_nothing_depends_on_patched_clocks(library: str, begins: str, tick: str) -> None:
    assert run_python("-m", "tests.testing.patched_clocks", library, begins, tick) == "done\n"


CASSETTE = """
import sys, vcr, urllib.request
with vcr.use_cassette(sys.argv[1], record_mode="none"):
    import callmocks
    with callmocks.running(world="empty") as mocks:
        mocks.pin("2026-03-02T12:00:00")
        try:
            urllib.request.urlopen(mocks.onec.wsdl_url)
        except vcr.errors.CannotOverwriteExistingCassetteException:
            print("the client's request is the cassette's")
assert mocks.control.url
with callmocks.running(world="empty") as mocks:
    print(len(mocks.truth("2026-03-02", "2026-03-03")))
"""


def test_requests_of_the_fixtures_go_into_no_cassette(tmp_path: Path) -> None:
    shown = run_python("-c", CASSETTE, str(tmp_path / "cassette.yaml"))
    assert shown == "the client's request is the cassette's\n0\n"
    assert list(tmp_path.iterdir()) == []


FORK = """
import os, sys, warnings
import callmocks
warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of a fork with threads
outer = callmocks.running(world="empty")
mocks = outer.start()
def ask():
    return all(mocks.tenant().name != mocks.demo.name for _ in range(20))
assert ask()
child = os.fork()
assert ask()  # both at once; the suite of the parent is there
if not child:
    try:
        callmocks.running(world="empty").start()
    except callmocks.errors.CallmocksError as error:
        outer.stop()
        os._exit(7 if "spawn" in str(error) else 8)
    os._exit(9)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert mocks.now  # and goes on after the child's end
outer.stop()
outer.stop()
with callmocks.running(world="empty") as mocks:
    print(mocks.demo.name)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_process_is_told_that_it_cannot_have_a_suite() -> None:
    assert run_python("-c", FORK) == "demo\n"


FORGOTTEN_MODULES = """
import sys, urllib.error, urllib.request
from unittest import mock
import callmocks

def show(mocks, path):
    request = urllib.request.Request(mocks.control_url + path, headers={"Accept": "text/html"})
    try:
        with urllib.request.urlopen(request) as answer:
            found = answer
    except urllib.error.HTTPError as error:
        found = error
    return found.status, found.headers.get_content_type()

def walk(mocks):
    for path in PATHS:
        print(*show(mocks, path))
    try:
        mocks.tenant(world="none.toml")
    except callmocks.errors.AdminError as error:
        print(error.status)

PATHS = ("/", "/openapi", "/openapi.json", "/docs", "/metrics", "/nothing", "/static/nothing",
         "/tenants/demo/calls/1", "/tenants/demo/journal/rows?after=x", "/api/tenants/nobody/clock")
settings = {"world": "empty", "now": "2026-03-02T12:00:00"}
if sys.argv[1] == "forget":
    with callmocks.running(**settings) as mocks:
        with mock.patch.dict(sys.modules):
            mocks.pin("2026-03-02T11:00:00")
        walk(mocks)
        with mock.patch.dict(sys.modules):
            walk(mocks)
with callmocks.running(**settings) as mocks:
    walk(mocks)
"""


def test_modules_that_a_test_has_forgotten_have_one_copy() -> None:
    expected = run_python("-c", FORGOTTEN_MODULES, "keep")
    assert expected.startswith("200 text/html\n200 text/html\n200 application/json\n")
    assert run_python("-c", FORGOTTEN_MODULES, "forget") == 3 * expected
