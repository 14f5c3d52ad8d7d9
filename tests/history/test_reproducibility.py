"""Same seed, same bytes: in this process, in another, on another Python, for another tenant."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from callmocks.history.cache import DayCache
from callmocks.history.factory import HistoryFactory
from callmocks.history.fingerprint import compute_fingerprint
from callmocks.tenants.settings import TenantSettings

GOLDEN = Path(__file__).parents[2] / "fixtures" / "golden" / "fingerprints.json"
WORLDS = ("default", "edge-cases", "finish-reasons", "quiet", "busy", "empty")

PROGRAM = """
import sys
from callmocks.history.fingerprint import compute_fingerprint
from callmocks.history.factory import HistoryFactory
from callmocks.tenants.settings import TenantSettings
seed, world = int(sys.argv[1]), sys.argv[2]
print(compute_fingerprint(HistoryFactory().create(TenantSettings("other", seed=seed, world=world))))
"""


def fingerprint_in_process(python: str, seed: int, world: str = "default") -> str:
    done = subprocess.run(
        [python, "-c", PROGRAM, str(seed), world], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.parametrize("world", WORLDS)
def test_golden_fingerprints_of_seed_42(make_history, world):
    assert (
        compute_fingerprint(make_history(world=world))
        == json.loads(GOLDEN.read_text())["42"][world]
    )


def test_two_processes_draw_the_same(make_history):
    assert fingerprint_in_process(sys.executable, 7) == compute_fingerprint(make_history(seed=7))


def test_seeds_differ(make_history):
    assert compute_fingerprint(make_history(seed=7)) != compute_fingerprint(make_history(seed=8))


def test_two_tenants_with_one_seed_hold_equal_bytes():
    factory = HistoryFactory()
    one, two = (factory.create(TenantSettings(name, seed=7)) for name in ("one", "two"))
    other = HistoryFactory().create(TenantSettings("three", seed=7))
    assert compute_fingerprint(one) == compute_fingerprint(two) == compute_fingerprint(other)


def test_a_dropped_day_is_drawn_again_bit_for_bit():
    cache = DayCache(max_bytes=1)
    history = HistoryFactory(cache).create(TenantSettings("small", seed=42))
    assert compute_fingerprint(history) == json.loads(GOLDEN.read_text())["42"]["default"]
    assert len(cache) == 1
    assert compute_fingerprint(history) == json.loads(GOLDEN.read_text())["42"]["default"]


def test_the_cache_is_bounded_by_bytes():
    cache = DayCache(max_bytes=2_000_000)
    history = HistoryFactory(cache).create(TenantSettings("small"))
    for day in range(4000, 4060):
        history.generated.legs_view(day)
    assert 500_000 < cache.bytes_used <= 2_000_000


def test_a_world_with_other_traffic_has_the_same_people(make_history):
    assert make_history(world="empty").directory == make_history(calls_per_day=7).directory
    assert make_history(seed=1).directory != make_history(seed=2).directory


def test_a_history_nobody_uses_leaves_no_memory():
    import gc

    factory = HistoryFactory()
    one = factory.create(TenantSettings("one", seed=1))
    two = factory.create(TenantSettings("two", seed=1))
    assert one.generated is two.generated
    del one, two
    gc.collect()
    assert not factory._generated and not factory._directories
