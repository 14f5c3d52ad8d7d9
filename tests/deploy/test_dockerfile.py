"""The Dockerfile agrees with the package; ``scripts/container-check`` builds and runs it."""

from __future__ import annotations

import importlib.util
import json
import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

from callmocks.config.options import SETTINGS
from callmocks.config.settings import ServeSettings
from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def instructions() -> list[tuple[str, str]]:
    """Instruction and arguments, continued lines joined, comments left out."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    return [
        (word, " ".join(rest.split()))
        for word, _, rest in (line.partition(" ") for line in text.splitlines() if line)
    ]


def of(word: str) -> list[str]:
    return [rest for found, rest in instructions() if found == word]


def ignored(path: Path) -> bool:
    """Whether .dockerignore keeps a file out: the last pattern that fits decides."""
    out = False
    names = [path, *path.parents]
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        pattern = line.removeprefix("!").removeprefix("**/")
        deep = line.startswith("**/")
        if any(fnmatch(name.name if deep else str(name), pattern) for name in names):
            out = not line.startswith("!")
    return out


def copied() -> set[str]:
    return {
        source
        for rest in of("COPY")
        if not rest.startswith("--from")
        for source in rest.split()[:-1]
    }


def test_whatever_the_wheel_is_made_of_is_copied() -> None:
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    metadata = [PROJECT["project"]["readme"], *PROJECT["project"]["license-files"]]
    needed = {*wheel["packages"], *wheel["force-include"], *metadata, "pyproject.toml"}
    for path in needed:
        assert {path, path.split("/")[0]} & copied(), path


def test_what_is_copied_exists_and_is_not_ignored() -> None:
    for source in copied():
        files = [ROOT / source, *(ROOT / source).rglob("*")]
        assert files[0].exists(), source
        used = [f for f in files if "__pycache__" not in f.parts and "golden" not in f.parts]
        out = [f for f in used if ignored(f.relative_to(ROOT))]
        assert not out, out[:5]


def test_nothing_else_reaches_the_build() -> None:
    for name in (".git/config", "tests/conftest.py", ".venv/pyvenv.cfg", "docs/worlds.md"):
        assert ignored(Path(name)), name
    assert ignored(Path("mocks/callmocks/__pycache__/web.cpython-311.pyc"))


def test_the_base_is_an_argument_and_both_stages_use_it() -> None:
    assert of("ARG")[0].startswith("BASE=")
    assert of("FROM") == ["${BASE} AS build", "${BASE}"]


def test_ports_are_those_of_the_settings() -> None:
    defaults = ServeSettings()
    ports = [getattr(defaults, f"{name}_port") for name in ("control", "arm", "cdr", "onec")]
    assert of("EXPOSE") == [" ".join(map(str, ports))]


def test_variables_are_settings() -> None:
    names = re.findall(r"\bCALLMOCKS_\w+", " ".join(of("ENV")))
    assert names
    assert set(names) <= {setting.env_var for setting in SETTINGS.values()}


def test_the_health_check_and_the_command_are_modules_that_exist() -> None:
    check = json.loads(of("HEALTHCHECK")[0].partition("CMD")[2])
    start = json.loads(of("ENTRYPOINT")[0])
    for command in (check, start):
        assert command[:2] == ["python3", "-m"]
        assert importlib.util.find_spec(command[2])
    assert json.loads(of("CMD")[0]) == ["serve"]


def test_the_extras_that_are_installed_exist() -> None:
    extras = re.findall(r"\.\[([\w,]+)\]", " ".join(of("RUN")))[0].split(",")
    assert set(extras) <= set(PROJECT["project"]["optional-dependencies"])


def test_the_user_is_a_number_and_not_root() -> None:
    (user,) = of("USER")
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)
