"""docs/reference/ says what the code and the schemas say."""

from __future__ import annotations

import re
import subprocess
import sys

from click.testing import CliRunner

from callmocks.cli.commands import group
from callmocks.contract.assumptions import load_ledger
from callmocks.server.providers import FAULT_TYPES
from tests.examples.snippets import ROOT

REFERENCE = ROOT / "docs" / "reference"


def page(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


def test_it_is_up_to_date() -> None:
    command = [sys.executable, "scripts/reference", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_flag_of_the_help_is_there() -> None:
    told = CliRunner().invoke(group, ["serve", "--help"]).output
    flags = re.findall(r"^  (--[a-z-]+)", told, re.M)
    section = page("cli.md").partition("## `callmocks serve`")[2].partition("\n## ")[0]
    assert len(flags) > 25
    assert [flag for flag in flags if f"| `{flag}` |" not in section] == []


def test_every_fault_and_assumption_has_its_place() -> None:
    assert re.findall(r"^## `(.*)`$", page("faults.md"), re.M) == sorted(FAULT_TYPES)
    listed = re.findall(r"^\| `((?:arm|cdr|onec|history)\..*?)` \|", page("assumptions.md"), re.M)
    assert sorted(listed) == sorted(load_ledger())


def test_tables_are_whole() -> None:
    for path in REFERENCE.glob("*.md"):
        columns = 0
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
            assert not (columns and cells) or cells == columns, f"{path.name}:{number}"
            columns = cells
