"""Programs in ``scripts/`` have no ending that tells ruff and mypy what they are."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]


def scripts_in(language: str) -> set[str]:
    return {
        f"scripts/{path.name}"
        for path in (ROOT / "scripts").iterdir()
        if path.is_file() and language in path.read_text(encoding="utf-8").partition("\n")[0]
    }


def test_mypy_checks_every_script() -> None:
    listed = {path for path in TOOLS["mypy"]["files"] if path.startswith("scripts/")}
    assert listed == scripts_in("python")


def test_ruff_checks_every_script() -> None:
    assert TOOLS["ruff"]["extend-include"] == ["scripts/*"]
    assert set(TOOLS["ruff"]["extend-exclude"]) == scripts_in("/bin/sh")
