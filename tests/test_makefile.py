"""``make test-slow``: two runs of pytest, the second alone, with one outcome."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.skipif(
    os.name == "nt" or shutil.which("make") is None, reason="needs make and a POSIX shell"
)
SCRIPTED = """#!/bin/sh
echo "$@" >> runs
exit "$(sed -n "$(wc -l < runs)p" codes)"
"""
PROJECT = {
    "tiny.py": "def add(a, b):\n    return a + b\n\n\ndef subtract(a, b):\n    return a - b\n",
    "test_tiny.py": """
import os, pytest, tiny

@pytest.mark.slow
def test_beside_others():
    assert "PYTEST_XDIST_WORKER" in os.environ
    assert tiny.add(1, 1) == 2

@pytest.mark.slow
@pytest.mark.alone
def test_alone():
    assert "PYTEST_XDIST_WORKER" not in os.environ
    assert tiny.subtract(1, 1) == 0
""",
    "pyproject.toml": """
[tool.pytest.ini_options]
addopts = "-m 'not slow'"
markers = ["slow", "alone"]
""",
}


def make_slow_tests(home: Path, python: str, arguments: str) -> subprocess.CompletedProcess[str]:
    """In a directory that has an environment of its own, where ``python`` is a shell script."""
    for name in ("pyproject.toml", "constraints.txt", "venv/.installed", "venv/.tests"):
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).touch()
    program = home / "venv" / "bin" / "python"
    program.parent.mkdir()
    program.write_text(python, encoding="utf-8")
    program.chmod(0o755)
    command = ["make", "-f", str(ROOT / "Makefile"), "VENV=venv", "test-slow", f"ARGS={arguments}"]
    # A worker of these tests is no worker there.
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(command, cwd=home, env=env, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("codes", "runs", "code"),
    [
        ("00", 2, 0),
        ("05", 2, 0),
        ("50", 2, 0),
        ("55", 2, 5),  # a misspelt -k
        ("1", 1, 1),
        ("2", 1, 2),  # interrupted
        ("01", 2, 1),
        ("52", 2, 2),
    ],
)
def test_slow_tests_have_the_exit_code_of_the_run_that_failed(
    tmp_path: Path, codes: str, runs: int, code: int
) -> None:
    (tmp_path / "codes").write_text("\n".join(codes) + "\n", encoding="utf-8")
    made = make_slow_tests(tmp_path, SCRIPTED, "-n 4")
    assert len((tmp_path / "runs").read_text(encoding="utf-8").splitlines()) == runs
    assert (made.returncode != 0) == (code != 0)
    assert code == 0 or f"Error {code}\n" in made.stderr


@pytest.mark.slow
def test_what_measures_is_alone_and_coverage_is_that_of_both_runs(tmp_path: Path) -> None:
    for name, text in PROJECT.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    python = f'#!/bin/sh\nPYTHONPATH=. exec "{sys.executable}" "$@"\n'
    made = make_slow_tests(tmp_path, python, "-n 2 --cov=tiny --cov-report=term -p no:callmocks")
    assert made.returncode == 0, made.stdout + made.stderr
    assert made.stdout.count("1 passed") == 2
    assert "tiny.py       4      0   100%" in made.stdout
