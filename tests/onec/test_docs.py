"""docs/onec.md says what the ledger and the tables say; its snippets are run by tests/examples."""

from __future__ import annotations

import re
from pathlib import Path

from callmocks.contract.assumptions import load_ledger
from callmocks.onec.contract import load_operations
from callmocks.onec.envelope import (
    MAX_ATTRIBUTES,
    MAX_NAMESPACE_DECLARATIONS,
    MAX_TAGS,
    MAX_UNTAGGED_BYTES,
)

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "onec.md").read_text(encoding="utf-8")


def test_the_page_names_every_assumption_of_the_ledger_and_no_other() -> None:
    named = set(re.findall(r"`(onec\.[a-z-]+)`", PAGE))
    mine = {entry.id for entry in load_ledger().values() if entry.provider == "onec"}
    assert named == mine


def test_the_page_lists_the_operations_with_their_parameters_and_columns() -> None:
    for operation in load_operations().values():
        if operation.name == "GetHistoryOfServiceCalls":
            assert all(f"`{name}`" in PAGE for name in operation.parameters)
            continue
        (line,) = re.findall(rf"^\| `{operation.name}` \|.*$", PAGE, re.M)
        cells = [cell.strip() for cell in line.split("|")]
        assert cells[2] == ", ".join(operation.parameters)
        columns = re.sub(r" \([^)]*\)", "", cells[3])
        assert columns == ", ".join(column.name for column in operation.columns.specs)


def test_every_statement_has_its_evidence() -> None:
    tables = re.findall(r"^\|[^\n]*\| evidence \|\n\|[-|]+\|\n((?:\|.*\n)+)", PAGE, re.M)
    assert len(tables) == 9
    for table in tables:
        for line in table.splitlines():
            evidence = line.split("|")[-2]
            assert re.search(r"documented|observed|assumed|callmocks", evidence), line


def test_the_bounds_are_those_of_the_code() -> None:
    assert MAX_UNTAGGED_BYTES == 512 * 1024
    assert MAX_TAGS == 100_000
    assert (MAX_ATTRIBUTES, MAX_NAMESPACE_DECLARATIONS) == (250_000, 5000)
