"""What all tests share: their environment, and the other Pythons of the machine."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import hypothesis
import pytest

pytest_plugins = ["pytester"]
hypothesis.settings.register_profile("callmocks", deadline=None)  # a busy machine is no failure
hypothesis.settings.load_profile("callmocks")
# `make test ARGS=...` hands its arguments down to every `make` that a test runs.
for name in ("ARGS", "MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS"):
    os.environ.pop(name, None)

ROOT = Path(__file__).resolve().parents[1]
SUPPORTED = ("3.11", "3.12", "3.13")
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


def interpreters() -> dict[str, Path]:
    """Supported Pythons on this machine besides the running one, by version."""
    found: dict[str, Path] = {}
    managers = [Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"]
    for version in SUPPORTED:
        if version == HERE:
            continue
        candidates = [
            *(p for m in managers for p in sorted(m.glob(f"{version}.*/bin/python{version}"))),
            *(Path(p) for p in (shutil.which(f"python{version}"),) if p),
        ]
        for candidate in candidates:
            asked = subprocess.run([candidate, "-c", "import ensurepip"], capture_output=True)
            if asked.returncode == 0:
                found[version] = candidate
                break
    return found


@pytest.fixture(scope="session", params=[v for v in SUPPORTED if v != HERE])
def other_python(request: pytest.FixtureRequest) -> Iterator[Path]:
    """The interpreter of an environment with callmocks and its tests' needs, for another version.

    The environments are kept in ``.venvs``; a version that is not on the machine is skipped.
    """
    version = request.param
    base = interpreters().get(version)
    if base is None:
        pytest.skip(f"Python {version} is not on this machine")
    home = ROOT / ".venvs" / version
    stamp, needs = home / ".installed", [ROOT / "pyproject.toml", ROOT / "constraints.txt"]
    if not stamp.exists() or any(n.stat().st_mtime > stamp.stat().st_mtime for n in needs):
        made = subprocess.run(
            [base, ROOT / "scripts" / "bootstrap", home, "--tests"], capture_output=True, text=True
        )
        if made.returncode:
            pytest.skip(f"cannot install for Python {version}: {made.stderr[-300:]}")
        stamp.touch()
    yield home / "bin" / "python"


@pytest.fixture
def kept_modules() -> Iterator[dict[str, ModuleType]]:
    kept: dict[str, ModuleType] = {}
    yield kept
    sys.modules.update(kept)


@pytest.fixture
def pytester(
    kept_modules: dict[str, ModuleType], pytester: pytest.Pytester
) -> Iterator[pytest.Pytester]:
    """The one of pytest forgets what was imported meanwhile; cryptography cannot be imported twice.

    The suites of other tests run in this process, too.
    """
    yield pytester
    kept_modules.update(sys.modules)
