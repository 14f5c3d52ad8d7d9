"""Results in a page of the documentation, between two marks."""

from __future__ import annotations

from pathlib import Path

from benchmarks.processes import BenchError


def replace_section(page: Path, mark: str, text: str) -> None:
    """Replace what stands between ``<!-- mark -->`` and ``<!-- /mark -->``."""
    begin, end = f"<!-- {mark} -->\n", f"<!-- /{mark} -->"
    head, found, rest = page.read_text(encoding="utf-8").partition(begin)
    _, closed, tail = rest.partition(end)
    if not found or not closed:
        raise BenchError(f"{page} has no place for results: {begin.strip()} … {end}")
    page.write_text(f"{head}{begin}{text}\n{end}{tail}", encoding="utf-8")
