"""The statements of the contract pages: what they rest on, and the tests that prove them.

A row of a table whose head is ``| id | … | evidence |`` is a statement. Its evidence is a list of
clauses separated by ``;``::

    documented, SOURCE: PLACE        the heading of the document where it stands
    observed, SOURCE                 a recording, or a client that relies on it
    assumed, `ledger.id`, …
    callmocks                        a choice of this program alone; a note may follow a comma

``SOURCE`` is a row of the page's table ``| source | kind | what it is |``. Tests name the
statements that they prove: ``@pytest.mark.proves("arm.frame-length")``.
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from callmocks.contract.assumptions import load_ledger
from reference_contracts import NOTE, table_lines

ROOT = Path(__file__).resolve().parent.parent
PAGES = {"arm": "ARM", "cdr": "CDR", "onec": "1C"}
KINDS = ("document", "recording", "client")

_CELL = re.compile(r"(?<!\\)\|")
_ID = re.compile(r"`([a-z]+\.[a-z0-9-]+)`")
_LEVEL = re.compile(r"(documented|observed|assumed|callmocks)(?:, (.+))?")
_PLACED = re.compile(r"([\w-]+): (.+)")
_LINK = re.compile(r"\]\((?!https?:)([^)#]*)")


class Statement(NamedTuple):
    id: str
    section: str
    text: str
    clauses: tuple[str, ...]


class Clause(NamedTuple):
    level: str
    source: str  # of the page's sources; of an assumption, its ids
    place: str


class Page(NamedTuple):
    statements: list[Statement]
    sources: dict[str, tuple[str, str]]
    """Kind and description by name."""
    other_tables: list[str]
    """Heads of tables that hold no statements."""


def read_page(provider: str) -> Page:
    text = (ROOT / "docs" / f"{provider}.md").read_text(encoding="utf-8")
    page = Page([], {}, [])
    for section, head, rows in _read_tables(text):
        if head[0] == "id" and head[-1] == "evidence":
            page.statements.extend(
                Statement(
                    row[0].strip("`"),
                    section,
                    " · ".join(cell for cell in row[1:-1] if cell),
                    tuple(row[-1].split("; ")),
                )
                for row in rows
            )
        elif head == ["source", "kind", "what it is"]:
            page.sources.update({row[0].strip("`"): (row[1], row[2]) for row in rows})
        else:
            page.other_tables.append(" | ".join(head))
    return page


def _read_tables(text: str) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    section, lines = "", text.splitlines()
    for number, line in enumerate(lines):
        if line.startswith("## "):
            section = line[3:]
        if re.fullmatch(r"\|(-+\|)+", line):
            rows = []
            for row in lines[number + 1 :]:
                if not row.startswith("|"):
                    break
                rows.append(_split_cells(row))
            yield section, _split_cells(lines[number - 1]), rows


def _split_cells(line: str) -> list[str]:
    return [cell.strip().replace("\\|", "|") for cell in _CELL.split(line)[1:-1]]


def parse_clause(clause: str) -> Clause:
    """``ValueError`` says what is missing."""
    match = _LEVEL.fullmatch(clause)
    if match is None:
        raise ValueError(f"{clause!r} does not begin with documented, observed, assumed, callmocks")
    level, detail = match[1], match[2] or ""
    if level == "assumed":
        ids = _ID.findall(detail)
        if not ids:
            raise ValueError(f"{clause!r} has no id of the ledger")
        unknown = [each for each in ids if each not in load_ledger()]
        if unknown:
            raise ValueError(f"{unknown[0]} is not in the ledger")
        return Clause(level, ", ".join(ids), "")
    if level == "callmocks":
        return Clause(level, "", detail)
    placed = _PLACED.fullmatch(detail)
    source, place = placed.groups() if placed else (detail, "")
    if not source or (level == "documented" and not place):
        raise ValueError(f"{clause!r} has no source, or no place in it")
    return Clause(level, source, place)


def read_marks() -> dict[str, list[str]]:
    """Tests by the statements that they are marked to prove."""
    marks: dict[str, list[str]] = defaultdict(list)
    tests = ROOT / "tests"
    for path in sorted(tests.rglob("test_*.py")):
        module = path.relative_to(tests).with_suffix("")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for statement in _marked_statements(node):
                    marks[statement].append(f"{module.as_posix()}::{node.name}")
    return marks


def _marked_statements(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for decorator in function.decorator_list:
        for node in ast.walk(decorator):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.proves":
                yield from (ast.literal_eval(argument) for argument in node.args)


def evidence_page() -> Iterator[str]:
    yield "# Evidence\n\n" + NOTE
    yield (
        "Every statement of the contract pages with its evidence, its source and the tests that"
        " prove it. The ids of assumptions are those of [the ledger](assumptions.md).\n\n"
    )
    marks = read_marks()
    for provider, title in PAGES.items():
        page = read_page(provider)
        if not page.statements:
            continue
        yield f"## {title}\n\n"
        yield from table_lines(
            ("source", "kind", "what it is"),
            [(f"`{name}`", *described) for name, described in page.sources.items()],
        )
        yield from table_lines(
            ("id", "statement", "evidence", "source", "tests"),
            [_render_row(each, marks, f"{provider}.md") for each in page.statements],
        )


def _render_row(
    statement: Statement, marks: dict[str, list[str]], page_name: str
) -> tuple[str, ...]:
    clauses = [parse_clause(each) for each in statement.clauses]
    places = [
        f"{each.source}: {each.place}" if each.source and each.place else each.source or each.place
        for each in clauses
    ]
    return (
        f"`{statement.id}`",
        _LINK.sub(
            # Links of a page in docs/, seen from docs/reference/.
            lambda link: f"]({posixpath.relpath(link[1] or page_name, 'reference')}",
            statement.text,
        ),
        ", ".join(dict.fromkeys(each.level for each in clauses)),
        "; ".join(filter(None, places)),
        ", ".join(f"`{test}`" for test in marks.get(statement.id, ())),
    )
