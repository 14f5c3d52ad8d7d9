"""The benchmark's short form: fails on gross regressions of ratios, never on times.

What is compared is the CPU time a request takes on each server, which hardly depends on what else
the machine does; every floor is about half of what docs/performance.md promises.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from benchmarks import load
from benchmarks.cases import Case, fetch_answer, record_cases
from benchmarks.peers import mountebank
from benchmarks.servers import MeasuredServer, start_bare_aiohttp, start_callmocks, start_peer

SECONDS = 1
ROUNDS = 2
NPM_SECONDS = 40

OF_BARE_AIOHTTP = {
    "cdr-1": 0.12,
    "cdr-100": 0.12,
    "onec-1": 0.08,
    "onec-100": 0.08,
    "arm-50": 0.1,
}
OFTEN_RUN = ("cdr-1", "onec-100", "arm-50")
AGAINST_MOUNTEBANK = {"cdr-1": 0.4, "cdr-100": 1.0, "onec-100": 1.0}
"""mountebank is quick with small answers and slow with large ones."""

Cost = Callable[[MeasuredServer, Case], float]


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
        cases = record_cases(ports, tuple(OF_BARE_AIOHTTP))
        yield server, {case.name: case for case in cases}
    finally:
        server.process.stop()


@pytest.fixture(scope="module")
def bare_aiohttp(callmocks: tuple[MeasuredServer, dict[str, Case]]) -> Iterator[MeasuredServer]:
    """Bare aiohttp handlers with the same bytes."""
    server = start_bare_aiohttp(list(callmocks[1].values()))
    yield server
    server.process.stop()


@pytest.fixture(scope="module")
def other_mock(
    callmocks: tuple[MeasuredServer, dict[str, Case]], work: Path
) -> Iterator[MeasuredServer]:
    """mountebank with the same bytes: the smallest of the peers to install."""
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
    server = start_peer(mountebank.PEER, work / "node_modules", list(callmocks[1].values()))
    yield server
    server.process.stop()


@pytest.fixture(scope="module")
def cost(work: Path) -> Cost:
    """CPU seconds of a request, the best of some short runs, made once."""
    (work / "work").mkdir(exist_ok=True)

    @cache
    def measure(name: str, case_name: str) -> float:
        server, case = known[name, case_name]
        address = server.address(case)
        assert address is not None
        costs = []
        for _ in range(ROUNDS):
            before = server.process.cpu_seconds
            run = load.run_load(case, address[0], SECONDS, work / "work", address[1])
            costs.append((server.process.cpu_seconds - before) / run.requests)
        return min(costs)

    known: dict[tuple[str, str], tuple[MeasuredServer, Case]] = {}

    def of(server: MeasuredServer, case: Case) -> float:
        known[server.name, case.name] = server, case
        return measure(server.name, case.name)

    return of


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
    cost: Cost,
    name: str,
) -> None:
    server, cases = callmocks
    share = cost(bare_aiohttp, cases[name]) / cost(server, cases[name])
    assert share > OF_BARE_AIOHTTP[name], f"{share:.2f} of bare aiohttp"


@pytest.mark.slow
@pytest.mark.parametrize("name", AGAINST_MOUNTEBANK)
def test_against_another_mock(
    callmocks: tuple[MeasuredServer, dict[str, Case]],
    other_mock: MeasuredServer,
    cost: Cost,
    name: str,
) -> None:
    server, cases = callmocks
    address = other_mock.address(cases[name])
    assert address is not None
    assert fetch_answer(cases[name], *address)[2] == cases[name].answer
    ratio = cost(other_mock, cases[name]) / cost(server, cases[name])
    assert ratio > AGAINST_MOUNTEBANK[name], f"{ratio:.2f} times as quick"
