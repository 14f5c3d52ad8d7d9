"""The map of pages, docs/index.md, and how pages are shown outside the repository."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent / "docs"
_FENCE = re.compile(r"^( *```\w+) [^\n]*$", re.M)


def read_sections() -> Iterator[tuple[str, str]]:
    """Heading and text of each section of the map; what stands before the first has none."""
    text = (DOCS / "index.md").read_text(encoding="utf-8")
    first, *sections = re.split(r"^## ", text, flags=re.M)
    yield "", first
    for section in sections:
        heading, _, body = section.partition("\n")
        yield heading.strip(), body


def strip_fence_words(text: str) -> str:
    """Without the words behind the language of a fence, which say how tests run the snippet."""
    return _FENCE.sub(r"\1", text)
