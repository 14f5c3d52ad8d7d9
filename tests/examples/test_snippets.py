"""Every snippet of the documentation that says so is run, and every page says so."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.examples import snippets
from tests.examples.snippets import ROOT, Snippet

PAGES = [*sorted(ROOT.glob("README*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
DOCS = ROOT / "docs"
OF_THIS_RUNNER = [
    DOCS / "tutorial.md",
    DOCS / "assistants.md",
    *sorted((DOCS / "how-to").glob("*.md")),
]
"""Pages whose snippets are all marked; those of the others have tests of their own."""
ALL = {page: snippets.read(page) for page in PAGES}
OFTEN_RUN = {ROOT / "docs" / page for page in ("tutorial.md", "how-to/unittest.md")}
"""Pages whose snippets `make test` runs too."""
RUN = [
    each
    for page, found in ALL.items()
    for each in found
    if page not in snippets.TRANSLATED and each.kind in ("test", "run")
]


def mark_if_slow(snippet: Snippet) -> Any:
    marks = () if snippet.page in OFTEN_RUN else pytest.mark.slow
    return pytest.param(snippet, id=snippet.where, marks=marks)


@pytest.mark.parametrize("snippet", [mark_if_slow(each) for each in RUN])
def test_a_snippet_does_what_its_page_says(snippet: Snippet, tmp_path: Path) -> None:
    for command in ("sh", "curl") if snippet.language == "sh" else ():
        if (command == "sh" or command in snippet.text) and shutil.which(command) is None:
            pytest.skip(f"{command} is not installed")
    snippets.run(snippet, ALL[snippet.page], tmp_path)


@pytest.mark.parametrize(
    "page", [page for page in OF_THIS_RUNNER if page.exists()], ids=lambda page: page.name
)
def test_a_page_says_of_every_snippet_how_it_is_run(page: Path) -> None:
    silent = [
        each.where for each in ALL[page] if each.language in snippets.MUST_SAY and not each.kind
    ]
    assert silent == [], "say test, run, file=NAME or shown: see tests/examples/snippets.py"
    assert any(each.kind in ("test", "run") or each.language == "yaml" for each in ALL[page])


def test_fences_are_told_apart(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```python file=a/client.py\nx = 1\n```\n"
        "- item\n\n  ```sh run serving --seed 7\n  echo a\n  ```\n"
        "```text output\na\n```\n```text output\nb … c\n```\n"
        "```python test fails file=test_a.py\n```\n"
        "```\nplain\n```\n"
    )
    client, shell, one, two, test, plain = found = snippets.read(page)
    assert [each.kind for each in found] == ["file", "run", "output", "output", "test", ""]
    assert (shell.text, list(shell.serving or ()), shell.line) == ("echo a\n", ["--seed", "7"], 6)
    assert client.serving is None and plain.language == ""
    assert snippets.outputs(shell, found) == [one, two]
    assert snippets.files_before(test, found) == {"a/client.py": "x = 1\n"}
    assert test.file == "test_a.py"


def test_output_is_compared_line_by_line_in_order() -> None:
    printed = "one\ntwo 2 [x]\nthree\n"
    assert snippets.first_missing("one\nthree", printed) is None
    assert snippets.first_missing("two … [x]\n\n", printed) is None
    assert snippets.first_missing("three\none", printed) == "one"
    assert snippets.first_missing("two", printed) == "two"


@pytest.mark.parametrize(
    ("fence", "text"),
    [
        ("python run", "raise SystemExit(1)"),
        ("python run", "import warnings; warnings.warn('old', stacklevel=1)"),
        ("python test", "def test(): assert not 1"),
        ("python test", "x = 1"),
        ("python test fails", "def test(): pass"),
        ("sh run", "false; true"),
        ("sh run", "echo a >&2"),
    ],
)
def test_a_snippet_that_does_not_do_it_is_noticed(tmp_path: Path, fence: str, text: str) -> None:
    page = ROOT / "README.md"
    language, *words = fence.split()
    snippet = Snippet(page, 1, language, tuple(words), text + "\n")
    with pytest.raises(AssertionError, match=r"README\.md:1"):
        snippets.run(snippet, [snippet], tmp_path)


def test_output_that_a_page_makes_up_is_noticed(tmp_path: Path) -> None:
    page = ROOT / "README.md"
    snippet = Snippet(page, 1, "sh", ("run",), "echo one\n")
    output = Snippet(page, 5, "text", ("output",), "two\n")
    with pytest.raises(AssertionError, match=r"README\.md:5: 'two' was not printed"):
        snippets.run(snippet, [snippet, output], tmp_path)


def test_a_served_suite_is_reached_by_the_default_ports(tmp_path: Path) -> None:
    text = (
        "from callmocks.testing import connect\nprint(connect('http://127.0.0.1:8080').demo.seed)\n"
    )
    snippet = Snippet(ROOT / "README.md", 1, "python", ("run", "serving", "--seed", "7"), text)
    output = Snippet(ROOT / "README.md", 5, "text", ("output",), "7\n")
    snippets.run(snippet, [snippet, output], tmp_path)
