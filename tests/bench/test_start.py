"""The start's short form: ratios to bare imports in one run, which only a gross regression breaks.

docs/performance.md has the targets.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

if sys.platform != "linux":
    pytest.skip("figures of processes are read from /proc", allow_module_level=True)

from benchmarks import start
from benchmarks.start import StartFigures

ROUNDS = 2
ALL_THREE = "all three, one after another"
LIST_MODULES = "print(*sorted(sys.modules))"
SERVE = f"""
import asyncio, sys
from callmocks.cli import serve
from callmocks.config.settings import ServeSettings
from callmocks.server.mock_server import MockServer

async def main():
    async with MockServer(ServeSettings(arm_port=0, cdr_port=0, onec_port=0, control_port=0)):
        {LIST_MODULES}

asyncio.run(main())
"""
HELP = f"""
import sys
from callmocks.cli import main

sys.argv = ["callmocks", "--help"]
try:
    main()
finally:
    {LIST_MODULES}
"""


@pytest.fixture(scope="module")
def figures() -> tuple[StartFigures, StartFigures]:
    """Those of bare imports, and those of callmocks."""
    assert importlib.util.find_spec("rfc3987_syntax") is None, (
        "jsonschema imports rfc3987_syntax for 3 s: make clean, and install again"
    )
    requests = {ALL_THREE: start.FIRST_REQUESTS[ALL_THREE]}
    return start.measure_start(sys.executable, ROUNDS, lambda _: None, requests, settle=0)


def test_ready(figures: tuple[StartFigures, StartFigures]) -> None:
    imports, callmocks = figures
    assert min(callmocks.cpu) < 1.7 * min(imports.cpu), figures


def test_idle_memory(figures: tuple[StartFigures, StartFigures]) -> None:
    imports, callmocks = figures
    assert min(callmocks.idle) < 1.35 * min(imports.idle), figures


def test_first_answers(figures: tuple[StartFigures, StartFigures]) -> None:
    imports, callmocks = figures
    assert min(callmocks.answers[ALL_THREE]) < 0.8 * min(imports.wall), figures


def test_help(figures: tuple[StartFigures, StartFigures]) -> None:
    imports, _ = figures
    assert min(start.measure_help(sys.executable, ROUNDS)) < 0.3 * min(imports.cpu)


def loaded_modules(code: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_what_serving_does_not_load() -> None:
    loaded = loaded_modules(SERVE)
    assert "callmocks.onec.server" in loaded
    libraries = {name.partition(".")[0] for name in loaded}
    assert not libraries & {"faker", "jinja2", "prometheus_client", "pytest", "redis", "rich"}
    assert not libraries & {"lameenc", "simplecharts", "structlog", "trustme", "xmlschema"}
    # People and days are drawn at the first request for them, control has had no connection.
    assert not loaded & {"numpy.random", "callmocks.history.day_generator", "stringprep"}
    assert "callmocks.control.server" not in loaded
    folders = {".".join(name.split(".")[:2]) for name in loaded}
    assert not folders & {"callmocks.replication", "callmocks.testing", "callmocks.verification"}


def test_what_help_does_not_load() -> None:
    loaded = loaded_modules(HELP)
    assert "click" in loaded
    assert not loaded & {"aiohttp", "lxml", "msgspec", "numpy", "polars", "spyne"}
