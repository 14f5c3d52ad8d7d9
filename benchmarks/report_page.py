"""Results in a page of the documentation, between two marks."""

from __future__ import annotations

from pathlib import Path

from benchmarks.processes import BenchError


def read_section(page: Path, mark: str) -> str:
    """What stands between ``<!-- mark -->`` and ``<!-- /mark -->``."""
    return _split(page, mark)[1].removesuffix("\n")


def replace_section(page: Path, mark: str, text: str) -> None:
    head, _, tail = _split(page, mark)
    page.write_text(f"{head}{text}\n{tail}", encoding="utf-8")


def _split(page: Path, mark: str) -> tuple[str, str, str]:
    """The page up to the first mark, between the marks, and from the second on."""
    begin, end = f"<!-- {mark} -->\n", f"<!-- /{mark} -->"
    head, found, rest = page.read_text(encoding="utf-8").partition(begin)
    section, closed, tail = rest.partition(end)
    if not found or not closed:
        raise BenchError(f"{page} has no place for results: {begin.strip()} … {end}")
    return head + found, section, closed + tail
