"""The Russian pages have the snippets, links, tables and names of the English ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.examples import snippets
from tests.examples.snippets import ROOT, TRANSLATED, Snippet
from tests.examples.test_links import links

PAGES = pytest.mark.parametrize("page", TRANSLATED, ids=lambda page: page.name)
LANGUAGE_SWITCH = {ROOT / "README.ru.md", ROOT / "README.md"}


def strip_comments(snippet: Snippet) -> str:
    """The text without what a translation writes in its language: comments, short docstrings."""
    if snippet.language not in snippets.MUST_SAY:
        return snippet.text
    text = re.sub(r"(^|(?<=  ))#.*$", "#", snippet.text, flags=re.M)
    return re.sub(r'^( *""")[^"\n]+"""$', r'\1"""', text, flags=re.M)


def read_prose(page: Path) -> str:
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)


def read_targets(page: Path) -> list[Path]:
    """Files that a page links, in order, without the page in the other language."""
    found = [(page.parent / link.partition("#")[0]).resolve() for link in links(page)]
    return [target for target in found if target not in LANGUAGE_SWITCH and target.is_file()]


@PAGES
def test_a_translated_page_has_the_same_snippets(page: Path) -> None:
    translated, original = (
        [(each.language, each.words, strip_comments(each)) for each in snippets.read(path)]
        for path in (page, TRANSLATED[page])
    )
    assert translated == original
    assert translated or "```" not in page.read_text(encoding="utf-8")
    assert set((ROOT / "docs" / "ru").glob("*.md")) < set(TRANSLATED)


@PAGES
def test_a_translated_page_has_the_same_headings_tables_and_names(page: Path) -> None:
    for mark in (r"^#+ |^\||^- ", r"`([^`\n]+)`"):
        translated, original = (
            re.findall(mark, read_prose(path), re.M) for path in (page, TRANSLATED[page])
        )
        assert sorted(set(translated)) == sorted(set(original))
        if mark.startswith("^"):
            assert translated == original


@PAGES
def test_a_russian_page_links_the_russian_pages_where_there_are_any(page: Path) -> None:
    translations = {english: russian for russian, english in TRANSLATED.items()}
    expected = [translations.get(target, target) for target in read_targets(TRANSLATED[page])]
    assert sorted(read_targets(page)) == sorted(expected)


@pytest.mark.parametrize(
    "text",
    [
        'x = f("#1")  # yes\n',
        'x = "a"\n',
        'def f():\n    """Of one."""\n    return """b"""\n',
    ],
)
def test_only_comments_may_differ(text: str) -> None:
    def strip(text: str, language: str = "python") -> str:
        return strip_comments(Snippet(ROOT / "README.md", 1, language, (), text))

    translated = text.replace("yes", "да").replace("Of one", "Об одном")
    assert strip(text) == strip(translated)
    for old, new in (('"a"', '"b"'), ("#1", "#2"), ('"""b"""', '"""c"""')):
        assert (strip(text.replace(old, new)) == strip(text)) == (old not in text)
    assert strip("  #1 a", "text") != strip("  #1 b", "text")
