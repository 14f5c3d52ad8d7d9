"""The other supported Pythons of this machine: the same calls, SOAP that works, memory given back.

spyne is the one library that its authors keep for older Pythons (``callmocks.onec.spyne_compat``),
so the whole 1C suite runs on each. Which frames refer to which, and so which tenants errors keep,
differs between versions.
"""

import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow


def run(python: Path, *arguments: str) -> str:
    done = subprocess.run(
        [python, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_it_draws_the_same_calls(other_python: Path) -> None:
    golden = json.loads((ROOT / "fixtures" / "golden" / "fingerprints.json").read_text())
    printed = run(other_python, "callmocks", "history", "fingerprint", "--seed", "42")
    assert golden["42"]["default"] in printed


@pytest.mark.parametrize("tests", ["tests/onec", "tests/tenants/test_deletion.py"])
def test_the_suite_passes(other_python: Path, tests: str) -> None:
    assert " passed" in run(other_python, "pytest", tests, "-q", "-p", "no:cacheprovider")
