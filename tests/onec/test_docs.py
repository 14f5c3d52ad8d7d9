"""docs/onec.md says what the tables say; its snippets are run by tests/examples."""

from __future__ import annotations

import re
from pathlib import Path

from callmocks.onec.contract import load_operations
from callmocks.onec.envelope import (
    MAX_ATTRIBUTES,
    MAX_NAMESPACE_DECLARATIONS,
    MAX_TAGS,
    MAX_UNTAGGED_BYTES,
)

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "onec.md").read_text(encoding="utf-8")


def test_the_page_lists_the_operations_with_their_parameters_and_columns() -> None:
    for operation in load_operations().values():
        if operation.name == "GetHistoryOfServiceCalls":
            assert all(f"`{name}`" in PAGE for name in operation.parameters)
            continue
        (line,) = re.findall(rf"^\| `[a-z.-]+` \| `{operation.name}` \|.*$", PAGE, re.M)
        cells = [cell.strip() for cell in line.split("|")]
        assert cells[3] == ", ".join(operation.parameters)
        columns = re.sub(r" \([^)]*\)", "", cells[4])
        assert columns == ", ".join(column.name for column in operation.columns.specs)


def test_the_bounds_are_those_of_the_code() -> None:
    assert MAX_UNTAGGED_BYTES == 512 * 1024
    assert MAX_TAGS == 100_000
    assert (MAX_ATTRIBUTES, MAX_NAMESPACE_DECLARATIONS) == (250_000, 5000)
