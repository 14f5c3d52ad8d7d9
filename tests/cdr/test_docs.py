"""The contract page names every setting and every limit."""

import re
from pathlib import Path

import msgspec

from callmocks.cdr import filters, operators, regex_translation
from callmocks.tenants.settings import CdrSettings
from tests.cdr.conftest import CdrClient, rows

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "cdr.md").read_text(encoding="utf-8")


def test_the_page_leads_to_every_setting_of_the_account() -> None:
    assert "(reference/settings.md)" in PAGE
    settings = (DOCS / "reference" / "settings.md").read_text(encoding="utf-8")
    for field in msgspec.structs.fields(CdrSettings):
        assert f"| `cdr.{field.name}` |" in settings


def test_the_page_names_the_bounds() -> None:
    for bound in (
        filters.MAX_NODES,
        operators.MAX_ELEMENTS,
        filters.MAX_PATTERNS,
        regex_translation.MAX_PATTERN_CHARS,
    ):
        assert f"{bound:,}".replace(",", " ") in PAGE


def test_the_pages_request_is_answered(api: CdrClient) -> None:
    api.tenant("demo")
    found = re.search(r"-d '(\{.*?\})'\n", PAGE, re.DOTALL)
    assert found
    answer = rows(api.post(found[1]))
    assert len(answer) == 2
    assert answer[0]["duration"] >= answer[1]["duration"] > 0
