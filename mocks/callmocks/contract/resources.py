"""Schemas and data sets: at the top of the repository, and in the wheel as copies."""

from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent
_BUNDLED = _PACKAGE / "_data"
_ROOT = _BUNDLED if _BUNDLED.is_dir() else _PACKAGE.parent.parent


def schema_path(name: str) -> Path:
    return _ROOT / "schemas" / name


def fixture_path(name: str) -> Path:
    return _ROOT / "fixtures" / name


def docs_path(name: str) -> Path:
    return _ROOT / "docs" / name


@cache
def load_table(name: str) -> tuple[dict[str, str], ...]:
    import csv

    with schema_path(name).open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))
