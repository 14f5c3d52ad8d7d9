"""Filters without dates: the whole default history answers, and others are served meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from callmocks.history import history
from tests.arm.conftest import FACTORY, RunningArm, Start

ALL_TIME_ROW = 60_000
"""An offset that leads years back."""


@pytest.fixture
async def old_row(demo: RunningArm) -> dict[str, str]:
    """A call of operator 101 with a number, in the middle of the default history."""
    page = await demo.history(offset=ALL_TIME_ROW, limit=50)
    row = next(row for row in page.rows if row["direction"] == "in" and row["remote_digits"])
    assert row["start_time"] < "2022"
    return row


@pytest.mark.proves("arm.search")
@pytest.mark.parametrize("name", ["number", "from_number"])
async def test_a_number_is_found_wherever_it_called(
    demo: RunningArm, old_row: dict[str, str], name: str
) -> None:
    number = old_row["remote_digits"]
    found = await demo.history(limit=10_000, **{name: number})
    assert old_row in found.rows
    assert {row["remote_digits"] for row in found.rows} == {number}
    last = len(found.rows) - 1
    assert (await demo.history(limit=5, offset=last, **{name: number})).rows == found.rows[last:]
    assert (await demo.history(limit=5, offset=last + 1, **{name: number})).rows == []


@pytest.mark.proves("arm.search")
@pytest.mark.parametrize(
    "filters",
    [
        {"number": "79161234567"},
        {"to_number": "79161234567", "direction": "out"},
        {"cc_agent_a_id": "101", "cc_agent_b_id": "101"},
        {"direction": "out", "from_number": "102"},
        {"direction": "in", "offset": 1_000_000},
        {"tag": "", "display_name_a": "о", "offset": 500_000},
    ],
    ids=str,
)
async def test_an_empty_result_is_an_answer(demo: RunningArm, filters: dict[str, Any]) -> None:
    answer = await demo.history(**filters)
    assert (answer.status, answer.rows, answer.tag) == (200, [], None)


@pytest.mark.proves("arm.search")
@pytest.mark.parametrize(
    "filters",
    [
        {"display_name": "Никто"},
        {"cc_agent_id": "999"},
        {"cc_agent_b_group": "no such group"},
        {"number": "no such number"},
        {"direction": "in", "cc_agent_a_id": "x", "display_name": "о"},
    ],
    ids=str,
)
async def test_for_whom_the_directory_does_not_know_nothing_is_searched(
    start: Start, filters: dict[str, Any]
) -> None:
    demo = await start(seed=77)
    before = FACTORY.cache.bytes_used
    assert (await demo.history(**filters)).rows == []
    assert FACTORY.cache.bytes_used - before < 2_000_000  # of the day when the page may change


async def test_others_are_served_during_a_search_that_nothing_was_prepared_for(
    start: Start,
) -> None:
    demo = await start(seed=78, history_from="2020-01-01")
    await demo.history("102", limit=1)
    search = asyncio.create_task(demo.history("101", number="79161234567"))
    served = 0
    while not search.done():
        assert (await demo.history("102", limit=1, offset=served % 5)).rows
        served += 1
    assert (await search).rows == []
    assert served > 5


@pytest.mark.proves("arm.search-limits")
async def test_a_search_past_the_budget_says_so_and_shortens_nothing(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo = await start(history_from="2026-01-01", seed=79)
    for budget, rows in (("ROW_BUDGET", 500), ("GENERATION_BUDGET", 20_000)):
        with monkeypatch.context() as patch:
            patch.setattr(history, budget, rows)
            answer = await demo.history(number="79161234567")
        assert f"more than {rows} rows" in answer.error
    assert (await demo.history(number="79161234567")).rows == []
