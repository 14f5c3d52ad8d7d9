"""A full collection of garbage stops all threads: what a tenant keeps must not be work for it."""

import gc
from collections.abc import Iterator
from itertools import pairwise

import pytest

from callmocks.history.cache import DayCache
from callmocks.history.factory import HistoryFactory
from callmocks.history.history import History
from callmocks.history.world_file import parse_world
from callmocks.tenants.settings import TenantSettings

WORLD = """
calls_per_day = 10
[sizes]
operators = 800
organisations = {organisations}
users = [30, 30]
"""


def make_history(organisations: int, pins: int) -> History:
    world = parse_world(WORLD.format(organisations=organisations), "of a test")
    history = HistoryFactory(DayCache()).create(TenantSettings("t"), world)
    history.generated.get_view("legs", 4000)
    start = "2026-02-03T12:00:00"
    operators = history.directory.operators[:pins]
    history.pins.add_many([{"start": start, "operator": each.number} for each in operators])
    return history


@pytest.fixture(autouse=True)
def other_objects_left_out() -> Iterator[None]:
    gc.freeze()
    yield
    gc.unfreeze()


def count_references() -> int:
    """Those that a full collection follows; without those of dicts, of which Python 3.14 tracks
    all, and older ones only some.
    """
    gc.collect()
    return sum(len(gc.get_referents(each)) for each in gc.get_objects() if type(each) is not dict)


def test_people_and_pinned_calls_are_no_work_for_the_garbage_collector() -> None:
    kept = [make_history(1, 1)]  # and what a process keeps for all
    counts = [count_references()]
    for organisations, pins in ((1, 1), (1000, 1), (1, 800)):
        kept.append(make_history(organisations, pins))
        counts.append(count_references())
    small, with_people, with_pins = (after - before for before, after in pairwise(counts))
    assert with_people - small < 1000, "of 30 000 people"
    assert with_pins - small < 5 * 800, "of 800 pinned calls"
