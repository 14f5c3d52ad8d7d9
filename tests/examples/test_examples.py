"""The integrations in examples/, each tested by the tools of its language against a suite."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.examples.snippets import ENVIRONMENT, ROOT
from tests.test_serve import serving

EXAMPLES = ROOT / "examples"
pytestmark = pytest.mark.slow
SECONDS = 240
COMMANDS = {
    "php": ("phpunit", ["phpunit", "--do-not-cache-result", "CallReportTest.php"], "OK (4 tests"),
    "javascript": ("npm", ["npm", "test"], "# pass 4"),
    "go": ("go", ["go", "test", "-count=1", "./..."], "ok"),
}


@pytest.fixture(scope="module")
def control() -> Iterator[str]:
    with serving("--limits", "off") as (_, ready):
        yield ready["control"]


def run(command: list[str], folder: Path, **environ: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env={**ENVIRONMENT, **environ}, capture_output=True, text=True,
        timeout=SECONDS,
    )  # fmt: skip
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    return output


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The examples as a user has them, in a folder that may be written to."""
    ignore = shutil.ignore_patterns("node_modules", "__pycache__", ".*")
    return shutil.copytree(EXAMPLES, tmp_path / "examples", ignore=ignore)


@pytest.mark.parametrize("language", COMMANDS)
def test_the_client_of_another_language_passes_its_tests(
    language: str, control: str, copy: Path
) -> None:
    tool, command, passed = COMMANDS[language]
    if shutil.which(tool) is None:
        pytest.fail("not installed in CI") if os.environ.get("CI") else pytest.skip(tool)
    if language == "javascript":
        run(["npm", "install", "--no-audit", "--no-fund"], copy / language)
    home = {"HOME": str(copy.parent), "GOCACHE": str(copy.parent / "gocache")}
    assert passed in run(command, copy / language, CALLMOCKS_URL=control, **home)


def test_the_python_client_passes_with_pytest_and_with_unittest(copy: Path) -> None:
    folder = copy / "python"
    assert "11 passed" in run([sys.executable, "-m", "pytest", "-q"], folder)
    assert re.search(r"Ran 3 tests.*OK", run([sys.executable, "-m", "unittest"], folder), re.S)


def test_the_requests_for_editors_are_answered(control: str) -> None:
    text = (EXAMPLES / "requests.http").read_text(encoding="utf-8")
    with urllib.request.urlopen(f"{control}/api/tenants/demo") as answer:
        demo = json.load(answer)
    places = {name: demo[name]["url"] for name in ("arm", "cdr", "onec")} | {"control": control}
    variables = dict(re.findall(r"^@(\w+) = (\S+)$", text, re.M))
    assert set(variables) == set(places)
    for name, url in variables.items():
        path = "" if name == "control" else urllib.parse.urlsplit(url).path
        root = urllib.parse.urlsplit(places[name])
        text = text.replace("{{" + name + "}}", f"{root.scheme}://{root.netloc}{path}")
    requests = text.split("###")[1:]
    assert len(requests) == 7
    for request in requests:
        head, _, body = request.partition("\n")[2].partition("\n\n")
        first, *lines = head.splitlines()
        method, url = first.split()
        headers = dict(line.split(": ", 1) for line in lines)
        user = re.fullmatch(r"Basic (\S+) (\S+)", headers.pop("Authorization", ""))
        made = urllib.request.Request(url, body.strip().encode() or None, headers, method=method)
        if user:
            manager = urllib.request.HTTPPasswordMgrWithDefaultRealm()
            manager.add_password(None, url, *user.groups())
            opener = urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(manager))
        else:
            opener = urllib.request.build_opener()
        with opener.open(made, timeout=30) as answer:
            shown = answer.read()
        assert shown and b'"error":{' not in shown and b"Fault>" not in shown, request
