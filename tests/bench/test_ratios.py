"""The benchmark's short form: fails on gross regressions of ratios, never on times.

What is compared is the CPU time a request takes on each server, which hardly depends on what else
the machine does; every floor is about half of what docs/performance.md promises (tables.TARGETS).
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from math import inf
from pathlib import Path

import pytest
from benchmarks import load, same_job
from benchmarks.cases import Case, arm_case, fetch_answer, record_answer, record_cases
from benchmarks.peers import mountebank
from benchmarks.peers.base import SAME_JOB, STUB, is_recorded
from benchmarks.processes import BenchError
from benchmarks.servers import MeasuredServer, start_bare_aiohttp, start_callmocks, start_peer
from benchmarks.tables import SAME_JOB_SHARE, TARGETS

SECONDS = 1
ROUNDS = 2
NPM_SECONDS = 40
WARM_ROWS = 1050
"""Rows of all pages of ``arm-50-pages``, read before: days that nobody asked for cost more."""

OFTEN_RUN = ("cdr-1", "onec-100", "arm-50-pages")
OF_BARE_AIOHTTP = {name: 0.4 / target.floor for name, target in TARGETS.items()}
AGAINST_STUBS = {"cdr-1": 0.4, "cdr-100": 1.0}
"""mountebank as a constant stub is quick with small answers and slow with large ones."""
AGAINST_SAME_JOB = 0.5 / SAME_JOB_SHARE

Ratio = Callable[[MeasuredServer, MeasuredServer, Case, float], float]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The benchmarks' cache, fresh and short-lived."""
    from benchmarks import servers

    place = tmp_path_factory.mktemp("bench")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(servers, "CACHE", place)
        yield place


@pytest.fixture(scope="module")
def wrk() -> None:
    """The load generator."""
    if shutil.which("wrk") is None:
        pytest.skip("wrk is not installed (Debian: apt-get install wrk)")


@pytest.fixture(scope="module")
def callmocks(wrk: None, work: Path) -> Iterator[tuple[MeasuredServer, dict[str, Case]]]:
    """callmocks, and the cases with its answers."""
    server, ports = start_callmocks()
    try:
        cases = {case.name: case for case in record_cases(ports, tuple(OF_BARE_AIOHTTP))}
        cases["cdr-1"] = same_job.add_expectations(cases["cdr-1"], ports)
        record_answer(arm_case("arm-warm", (0,), limit=WARM_ROWS), ports)
        yield server, cases
    finally:
        server.process.stop()


@pytest.fixture(scope="module")
def bare_aiohttp(callmocks: tuple[MeasuredServer, dict[str, Case]]) -> Iterator[MeasuredServer]:
    """Bare aiohttp handlers with the same bytes."""
    server = start_bare_aiohttp(list(callmocks[1].values()))
    yield server
    server.process.stop()


@pytest.fixture(scope="module")
def other_modules(work: Path) -> Path:
    """mountebank: the smallest of the peers to install."""
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    packages = Path(load.__file__).with_name("package.json")
    version = json.loads(packages.read_text(encoding="utf-8"))["dependencies"]["mountebank"]
    command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", work]
    try:
        subprocess.run(
            [*map(str, command), f"mountebank@{version}"],
            capture_output=True,
            timeout=NPM_SECONDS,
            check=True,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"mountebank cannot be had from the npm registry: {error}")
    return work / "node_modules"


@pytest.fixture(scope="module")
def other_mock(
    request: pytest.FixtureRequest,
    callmocks: tuple[MeasuredServer, dict[str, Case]],
    other_modules: Path,
) -> Iterator[MeasuredServer]:
    """mountebank with the recorded answers."""
    cases = [callmocks[1][name] for name in AGAINST_STUBS]
    server = start_peer(mountebank.PEER, other_modules, cases, request.param)
    yield server
    server.process.stop()


@pytest.fixture(scope="module")
def ratio(work: Path) -> Ratio:
    """CPU time of a request on another server per CPU time of it on ours.

    Of each the best of some short runs, which end once the ratio is above a floor.
    """
    (work / "work").mkdir(exist_ok=True)

    def measure(server: MeasuredServer, case: Case) -> float:
        address = server.address(case)
        assert address is not None
        before = server.process.cpu_seconds
        run = load.run_load(case, address[0], SECONDS, work / "work", address[1])
        return (server.process.cpu_seconds - before) / run.requests

    def compare(other: MeasuredServer, ours: MeasuredServer, case: Case, floor: float) -> float:
        best: dict[str, float] = {}
        for _ in range(ROUNDS):
            for server in (other, ours):
                best[server.name] = min(measure(server, case), best.get(server.name, inf))
            if best[other.name] > floor * best[ours.name]:
                break
        return best[other.name] / best[ours.name]

    return compare


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in OFTEN_RUN else pytest.mark.slow)
        for name in OF_BARE_AIOHTTP
    ],
)
def test_share_of_bare_aiohttp(
    callmocks: tuple[MeasuredServer, dict[str, Case]],
    bare_aiohttp: MeasuredServer,
    ratio: Ratio,
    name: str,
) -> None:
    server, cases = callmocks
    share = ratio(bare_aiohttp, server, cases[name], OF_BARE_AIOHTTP[name])
    assert share > OF_BARE_AIOHTTP[name], f"{share:.2f} of bare aiohttp"


@pytest.mark.slow
@pytest.mark.parametrize("other_mock", [STUB], indirect=True)
@pytest.mark.parametrize("name", AGAINST_STUBS)
def test_against_a_constant_stub(
    callmocks: tuple[MeasuredServer, dict[str, Case]],
    other_mock: MeasuredServer,
    ratio: Ratio,
    name: str,
) -> None:
    server, cases = callmocks
    address = other_mock.address(cases[name])
    assert address is not None
    assert fetch_answer(cases[name], *address)[2] == cases[name].answer
    speed = ratio(other_mock, server, cases[name], AGAINST_STUBS[name])
    assert speed > AGAINST_STUBS[name], f"{speed:.2f} times as quick"
    if cases[name].expectations:
        with pytest.raises(BenchError, match="expectation 1 of"):
            same_job.check_answers(cases[name], "a stub", address, is_recorded)


@pytest.mark.slow
@pytest.mark.parametrize("other_mock", [SAME_JOB], indirect=True)
def test_against_another_mock_at_the_same_job(
    callmocks: tuple[MeasuredServer, dict[str, Case]], other_mock: MeasuredServer, ratio: Ratio
) -> None:
    server, cases = callmocks
    case = cases["cdr-1"]
    address = other_mock.address(case)
    assert address is not None
    same_job.check_answers(case, "mountebank", address, is_recorded)
    speed = ratio(other_mock, server, case, AGAINST_SAME_JOB)
    assert speed > AGAINST_SAME_JOB, f"{speed:.2f} times as quick"
