"""What users import: names, and that importing them costs nothing before they are used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import callmocks
import callmocks.testing

HEAVY = {"aiohttp", "faker", "jinja2", "lxml", "msgspec", "numpy", "polars", "spyne", "uvloop"}
PLUGIN = {"callmocks", "callmocks._version", "callmocks.testing", "callmocks.testing.plugin"}
PYTEST = ("-m", "pytest", "-q", "-s", "-p", "no:cacheprovider")
LIST = "import sys; print(*(f'module:{name}' for name in sys.modules))"


def modules(*arguments: str, cwd: Path | None = None) -> set[str]:
    """Modules that a Python has imported, as it lists them; no plugin but those it is told of."""
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, cwd=cwd, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    words = (word.partition("module:") for word in done.stdout.split())
    return {name for _, mark, name in words if mark}


def test_the_public_names() -> None:
    assert callmocks.__all__ == ["__version__", "arunning", "running"]
    assert callmocks.testing.__all__ == [
        *("Arm", "Call", "Cdr", "Connection", "Exchange", "Fault", "Mocks", "Onec", "Operator"),
        *("Tenant", "connect"),
    ]
    for package in (callmocks, callmocks.testing):
        for name in package.__all__:
            assert getattr(package, name) is getattr(package, name)
            assert name == "__version__" or callable(getattr(package, name))
        with pytest.raises(AttributeError, match="no attribute 'nothing'"):
            _ = package.nothing


def test_importing_callmocks_imports_its_version_alone() -> None:
    found = modules("-c", f"import callmocks; {LIST}")
    assert {name for name in found if name.startswith("callmocks")} == {
        "callmocks",
        "callmocks._version",
    }
    assert found & HEAVY == set()


def test_the_help_of_the_command_names_all_commands_and_imports_none() -> None:
    shown = (
        f"import atexit, sys; sys.argv[1:] = ['--help']; atexit.register(lambda: exec({LIST!r}))"
    )
    found = modules("-c", f"{shown}; from callmocks.cli import main; main()")
    assert found & HEAVY == set()
    assert {name for name in found if name.startswith("callmocks.cli.")} == {
        "callmocks.cli.commands"
    }


def test_the_plugin_of_a_run_that_does_not_use_it_adds_four_small_modules(tmp_path: Path) -> None:
    test = tmp_path / "test_nothing.py"
    test.write_text(f"def test():\n    {LIST}\n")
    with_it = modules(*PYTEST, "-p", "callmocks", "test_nothing.py", cwd=tmp_path)
    without = modules(*PYTEST, "test_nothing.py", cwd=tmp_path)
    assert with_it - without == PLUGIN
    assert with_it & HEAVY == set()


def test_handles_on_a_running_suite_import_nothing_heavy(
    tmp_path: Path, mocks: callmocks.testing.Mocks
) -> None:
    test = tmp_path / "test_remote.py"
    test.write_text(
        "def test(callmocks_tenant, arm, cdr, onec):\n"
        "    cdr.fail_next('limit_exceeded').remove()\n"
        "    cdr.assert_not_called()\n"
        f"    {LIST}\n"
    )
    used = modules(
        *PYTEST,
        *("-p", "callmocks", f"--callmocks-url={mocks.control_url}", "test_remote.py"),
        cwd=tmp_path,
    )
    assert "callmocks.testing.providers" in used
    assert used & HEAVY == set()
    assert {
        "callmocks.server.mock_server",
        "callmocks.config.settings",
        "callmocks.history",
    } & used == set()
