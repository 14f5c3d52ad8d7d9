"""Same seed, same bytes: in this process, in another, on another Python, for another tenant."""

import gc
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from callmocks.history.cache import DayCache
from callmocks.history.factory import HistoryFactory
from callmocks.history.fingerprint import compute_fingerprint
from callmocks.history.world_file import world_names
from callmocks.tenants.settings import TenantSettings
from tests.script_module import load_script

from .conftest import MakeHistory

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "fixtures" / "golden" / "fingerprints.json"

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


@pytest.fixture(scope="module")
def golden() -> Any:
    """The program scripts/golden as a module."""
    return load_script("golden")


@pytest.mark.slow
def test_golden_fingerprints_of_seed_42_in_every_world(golden: Any) -> None:
    assert golden.main(["--check"]) == 0


def test_golden_fingerprint_of_seed_42_in_the_default_world() -> None:
    stored = json.loads(GOLDEN.read_text())["42"]
    assert set(stored) == set(world_names())
    history = HistoryFactory().create(TenantSettings("golden", seed=42, world="default"))
    assert compute_fingerprint(history) == stored["default"]


def test_golden_check_reports_what_differs(
    golden: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stored = GOLDEN.read_text()
    busy = json.loads(stored)["42"]["busy"]
    monkeypatch.setattr(golden, "render_fingerprints", lambda: stored.replace(busy, "0" * 64))
    assert golden.main(["--check"]) == 1
    assert f'-  "busy": "{busy}' in capsys.readouterr().out
    assert GOLDEN.read_text() == stored


def test_two_processes_draw_the_same(make_history: MakeHistory) -> None:
    assert fingerprint_in_process(sys.executable, 7) == compute_fingerprint(make_history(seed=7))


def test_seeds_differ(make_history: MakeHistory) -> None:
    assert compute_fingerprint(make_history(seed=7)) != compute_fingerprint(make_history(seed=8))


def test_two_tenants_with_one_seed_hold_equal_bytes() -> None:
    factory = HistoryFactory()
    one, two = (factory.create(TenantSettings(name, seed=7)) for name in ("one", "two"))
    other = HistoryFactory().create(TenantSettings("three", seed=7))
    assert compute_fingerprint(one) == compute_fingerprint(two) == compute_fingerprint(other)


def test_a_dropped_day_is_drawn_again_bit_for_bit() -> None:
    cache = DayCache(max_bytes=1)
    history = HistoryFactory(cache).create(TenantSettings("small", seed=42))
    assert compute_fingerprint(history) == json.loads(GOLDEN.read_text())["42"]["default"]
    assert len(cache) == 1
    assert compute_fingerprint(history) == json.loads(GOLDEN.read_text())["42"]["default"]


def test_the_cache_is_bounded_by_bytes() -> None:
    cache = DayCache(max_bytes=2_000_000)
    history = HistoryFactory(cache).create(TenantSettings("small"))
    for day in range(4000, 4060):
        history.generated.get_view("legs", day)
    assert 500_000 < cache.bytes_used <= 2_000_000


def test_a_world_with_other_traffic_has_the_same_people(make_history: MakeHistory) -> None:
    assert make_history(world="empty").directory == make_history(calls_per_day=7).directory
    assert make_history(seed=1).directory != make_history(seed=2).directory


def test_an_unused_history_leaves_no_memory() -> None:
    factory = HistoryFactory()
    one = factory.create(TenantSettings("one", seed=1))
    two = factory.create(TenantSettings("two", seed=1))
    assert one.generated is two.generated
    del one, two
    gc.collect()
    assert not factory._generated and not factory._directories
