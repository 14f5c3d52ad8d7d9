"""Small days are generated in batches, with the same result as one by one."""

import gc
import tracemalloc
from typing import Any

import numpy as np
import polars as pl
import pytest

from callmocks.history.cache import DayCache
from callmocks.history.factory import HistoryFactory
from callmocks.history.history import History
from callmocks.history.walltime import DAYS, day_start
from callmocks.tenants.settings import TenantSettings

VIEWS = ("legs", "sessions", "onec")


def make_history(**settings: Any) -> History:
    """A history with a cache of its own, so that nothing is at hand."""
    return HistoryFactory(DayCache()).create(TenantSettings("t", **settings))


@pytest.mark.parametrize("what", VIEWS)
@pytest.mark.parametrize(
    ("first", "settings"),
    [
        (0, {}),
        (4090, {"seed": 7}),
        (4203, {"world": "edge-cases"}),
        (3000, {"calls_per_day": 3}),
        (3000, {"calls_per_day": 2500}),
        (DAYS - 20, {"seed": 8}),
        (4000, {"world": "finish-reasons"}),
    ],
)
def test_days_viewed_together_are_the_days_viewed_one_by_one(
    what: str, first: int, settings: dict[str, Any]
) -> None:
    days = range(first, first + 20)
    together = make_history(**settings).generated.get_views(what, days)
    alone = make_history(**settings).generated
    for day, view in zip(days, together, strict=True):
        expected = alone.get_view(what, day)
        assert view.frame.equals(expected.frame), day
        assert view.frame.schema == expected.frame.schema
        assert np.array_equal(view.starts, expected.starts)
        assert np.array_equal(view.ends, expected.ends)
        assert view.last_end == expected.last_end
        for own, others in zip(view.legs or (), expected.legs or (), strict=True):
            assert np.array_equal(own, others)


def test_a_query_finds_what_an_earlier_one_had_drawn_together() -> None:
    drawn = make_history().generated
    week = drawn.get_views("legs", range(4000, 4007))
    day = drawn.get_view("legs", 4003)
    assert day is week[3]
    assert drawn.get_views("legs", range(4002, 4010))[1] is week[3]


@pytest.mark.parametrize(
    ("operator", "count"), [("101", 150), pytest.param("111", 365, marks=pytest.mark.slow)]
)
def test_an_operators_rows_of_many_days_are_those_of_each_day(operator: str, count: int) -> None:
    last = 4000 + count
    walked = list(make_history().arm_frames(operator, day_start(last) - 1, day_start(4000)))
    assert len(walked) < count / 9
    days = make_history()
    alone = [
        frame
        for day in range(last - 1, 3999, -1)
        for frame in days.arm_frames(operator, day_start(day + 1) - 1, day_start(day))
    ]
    assert pl.concat(walked).equals(pl.concat(alone))


def test_the_cache_counts_what_a_search_over_many_operators_keeps() -> None:
    cache = DayCache()
    history = HistoryFactory(cache).create(TenantSettings("t", world="busy", calls_per_day=200))
    batches = range(3000, 3480, 24)
    history.generated.operator_legs(2976, 24)  # what the process keeps for all
    gc.collect()
    tracemalloc.start()
    try:
        counted = cache.bytes_used
        for first in batches:
            assert len(history.generated.operator_legs(first, 24)) > 150
        gc.collect()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 1.2 * (cache.bytes_used - counted)


def test_a_search_through_large_days_keeps_the_legs_alone() -> None:
    cache = DayCache()
    history = HistoryFactory(cache).create(TenantSettings("t", calls_per_day=12_000))
    assert history.generated.days_per_search == 1
    legs = [history.generated.operator_legs(day) for day in (3001, 3002)]
    assert cache.bytes_used == sum(each.nbytes for each in legs)


def test_pinned_calls_stand_among_the_rows_of_days_drawn_together() -> None:
    pinned = make_history()
    pinned.pins.add({"start": "2026-02-03T12:00:00", "operator": "101"})
    before, after = make_history(), pinned
    end, begin = day_start(4090), day_start(4000)
    starts = [
        [start for rows in one.arm_frames("101", end, begin) for start in rows["_start"]]
        for one in (before, after)
    ]
    assert len(starts[1]) == len(starts[0]) + 1
    assert starts[1] == sorted(starts[1], reverse=True)


@pytest.mark.parametrize("what", VIEWS)
def test_a_frame_of_nothing_has_the_types_of_a_days(what: str) -> None:
    drawn = make_history().generated
    assert drawn.empty_frame(what).schema == drawn.get_view(what, 4000).frame.schema
    assert not len(drawn.empty_frame(what))
