"""Every statement of the contract pages has its evidence and a test that proves it."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from callmocks.contract.assumptions import load_ledger
from contract_evidence import KINDS, PAGES, parse_clause, read_marks, read_page

STATEMENTS = [each for provider in PAGES for each in read_page(provider).statements]


def test_ids_are_unique_and_begin_with_their_page() -> None:
    assert len(STATEMENTS) > 200
    assert [id for id, count in Counter(each.id for each in STATEMENTS).items() if count > 1] == []
    for provider in PAGES:
        for statement in read_page(provider).statements:
            assert re.fullmatch(rf"{provider}\.[a-z0-9]+(-[a-z0-9]+)*", statement.id)


@pytest.fixture(scope="module")
def marks() -> dict[str, list[str]]:
    return read_marks()


def test_every_statement_is_proved_by_a_test(marks: dict[str, list[str]]) -> None:
    assert [each.id for each in STATEMENTS if each.id not in marks] == []


def test_marks_stand_on_tests_alone(marks: dict[str, list[str]]) -> None:
    marked = {test for tests in marks.values() for test in tests}
    assert [each for each in marked if not each.partition("::")[2].startswith("test_")] == []


def test_every_mark_names_a_statement(marks: dict[str, list[str]]) -> None:
    known = {each.id for each in STATEMENTS}
    wrong = {id: tests for id, tests in marks.items() if id not in known}
    assert wrong == {}


@pytest.mark.parametrize("provider", PAGES)
def test_evidence_has_its_source_and_place(provider: str) -> None:
    page = read_page(provider)
    used = set()
    for statement in page.statements:
        for text in statement.clauses:
            try:
                clause = parse_clause(text)
            except ValueError as error:
                pytest.fail(f"{statement.id}: {error}")
            if clause.level in ("documented", "observed"):
                kind, _ = page.sources[clause.source]
                assert clause.level == "observed" or kind == "document", statement.id
                used.add(clause.source)
    assert used == page.sources.keys()
    assert {kind for kind, _ in page.sources.values()} <= set(KINDS)


@pytest.mark.parametrize("provider", PAGES)
def test_all_tables_of_a_page_hold_statements(provider: str) -> None:
    assert read_page(provider).other_tables == []


@pytest.mark.parametrize("provider", PAGES)
def test_a_page_names_every_assumption_of_its_ledger_and_no_other(provider: str) -> None:
    clauses = [text for each in read_page(provider).statements for text in each.clauses]
    named = {id for text in clauses for id in re.findall(rf"`({provider}\.[a-z-]+)`", text)}
    assert named == {entry.id for entry in load_ledger().values() if entry.provider == provider}


@pytest.mark.parametrize(
    "clause",
    [
        *("documented", "documented, page", "observed", "assumed", "assumed, `arm.nothing`"),
        *("assumed, some day", "guessed", "documented,page: XSD"),
    ],
)
def test_evidence_without_source_or_place_is_found(clause: str) -> None:
    with pytest.raises(ValueError, match=r"source|ledger|id|begin"):
        parse_clause(clause)
