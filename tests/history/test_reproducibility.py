"""Same seed, same bytes: in this process, in another, on another Python, for another tenant."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from callmocks.history.cache import DayCache
from callmocks.history.factory import HistoryFactory
from callmocks.history.fingerprint import fingerprint
from callmocks.tenants.settings import TenantSettings

GOLDEN = Path(__file__).parents[2] / "fixtures" / "golden" / "fingerprints.json"
WORLDS = ("default", "edge-cases", "finish-reasons", "quiet", "busy", "empty")

PROGRAM = """
import sys
from callmocks.history.fingerprint import fingerprint
from callmocks.history.factory import HistoryFactory
from callmocks.tenants.settings import TenantSettings
seed, world = int(sys.argv[1]), sys.argv[2]
print(fingerprint(HistoryFactory().of(TenantSettings("other", seed=seed, world=world))))
"""


def elsewhere(python: str, seed: int, world: str = "default") -> str:
    done = subprocess.run(
        [python, "-c", PROGRAM, str(seed), world], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.parametrize("world", WORLDS)
def test_golden_fingerprints_of_seed_42(make_history, world):
    assert fingerprint(make_history(world=world)) == json.loads(GOLDEN.read_text())["42"][world]


def test_two_processes_draw_the_same(make_history):
    assert elsewhere(sys.executable, 7) == fingerprint(make_history(seed=7))


def test_seeds_differ(make_history):
    assert fingerprint(make_history(seed=7)) != fingerprint(make_history(seed=8))


def test_two_tenants_with_one_seed_hold_equal_bytes():
    factory = HistoryFactory()
    one, two = (factory.of(TenantSettings(name, seed=7)) for name in ("one", "two"))
    other = HistoryFactory().of(TenantSettings("three", seed=7))
    assert fingerprint(one) == fingerprint(two) == fingerprint(other)


def test_a_dropped_day_is_drawn_again_bit_for_bit():
    cache = DayCache(most_bytes=1)
    history = HistoryFactory(cache).of(TenantSettings("small", seed=42))
    assert fingerprint(history) == json.loads(GOLDEN.read_text())["42"]["default"]
    assert len(cache) == 1
    assert fingerprint(history) == json.loads(GOLDEN.read_text())["42"]["default"]


def test_the_cache_is_bounded_by_bytes():
    cache = DayCache(most_bytes=2_000_000)
    history = HistoryFactory(cache).of(TenantSettings("small"))
    for day in range(4000, 4060):
        history.drawn.legs(day)
    assert 500_000 < cache.bytes <= 2_000_000


def test_a_world_with_other_traffic_has_the_same_people(make_history):
    assert make_history(world="empty").cast == make_history(calls_per_day=7).cast
    assert make_history(seed=1).cast != make_history(seed=2).cast


def test_a_history_nobody_uses_leaves_no_memory():
    import gc

    factory = HistoryFactory()
    one = factory.of(TenantSettings("one", seed=1))
    two = factory.of(TenantSettings("two", seed=1))
    assert one.drawn is two.drawn
    del one, two
    gc.collect()
    assert not factory._drawn and not factory._casts
