"""Windows that reach into the present: a leg appears when its whole call has ended."""

from __future__ import annotations

from typing import Any

import pytest

from callmocks.history.walltime import day_start, ms_to_datetime
from tests.cdr.conftest import CdrClient, rows, simple, total

WINDOW = ("2026-02-27 00:00:00", "2026-03-02 23:59:59")
DAYS = range(4075, 4079)
"""The same days as numbers."""
PAGE = 700


def everything(api: CdrClient, **params: Any) -> list[dict[str, Any]]:
    """All rows of the window, page after page; each page counts them all."""
    found: list[dict[str, Any]] = []
    while True:
        answer = api.legs(WINDOW, limit=PAGE, offset=len(found), **params)
        found += rows(answer)
        if len(rows(answer)) < PAGE:
            assert len(found) == total(answer)
            return found


@pytest.mark.parametrize("index", [0, 50, 51, 150, -1])
@pytest.mark.parametrize("before_ms", [1, 0])
def test_a_leg_is_shown_when_its_call_has_ended(api: CdrClient, index: int, before_ms: int) -> None:
    """Just before and just when one of the day's calls ends, by the truth of the history."""
    history = api.tenant("other").history
    ends = sorted(day_start(DAYS[-1]) + history.generated.get_day(DAYS[-1]).calls.end.astype(int))
    now = int(ends[index]) - before_ms
    truth = history.truth_between(day_start(DAYS[0]), day_start(DAYS[-1] + 1), now)
    expected = {leg for call in truth if call.finished for leg in call.cdr.leg_ids}
    api.tenant(now=ms_to_datetime(now).isoformat())
    plain = everything(api)
    assert {row["id"] for row in plain} == expected
    starts = [row["start_time"] for row in plain]
    assert starts == sorted(starts)
    longest = [{"field": "total_duration", "order": "desc"}]
    for params in ({"sort": longest}, {"sort": longest, "fields": ["id", "total_duration"]}):
        lengths = everything(api, **params)
        assert {row["id"] for row in lengths} == expected
        durations = [row["total_duration"] for row in lengths]
        assert durations == sorted(durations, reverse=True)
    operators = everything(api, filter=simple("is_operator", "=", True))
    assert [row["id"] for row in operators] == [row["id"] for row in plain if row["is_operator"]]
