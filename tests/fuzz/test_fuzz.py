"""A short run of every fuzzing target; ``scripts/fuzz`` runs them for as long as one likes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.fuzz_server import FuzzServer
from tests.fuzz.mutate import load_seeds, mutated_inputs
from tests.fuzz.targets import TARGETS, run_target

resource = pytest.importorskip("resource", reason="Windows does not tell the memory it used")
EXAMPLES = 120
MEBIBYTES = 250
"""By which the memory of the process may grow over all targets; most of it is history drawn."""


@pytest.fixture(scope="module")
def server() -> Iterator[FuzzServer]:
    with FuzzServer() as running:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        yield running
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        assert grown < MEBIBYTES, f"{grown:.0f} MiB"


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_of_every_target(server: FuzzServer, name: str) -> None:
    found = load_seeds(name)
    assert found
    for data in found:
        run_target(name, server, data)


@pytest.mark.parametrize("name", TARGETS)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_fuzzed_input(server: FuzzServer, name: str, data: st.DataObject) -> None:
    run_target(name, server, data.draw(mutated_inputs(name)))
