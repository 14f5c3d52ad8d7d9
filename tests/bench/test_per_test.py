"""What a test costs its suite, against bare round trips of the same process: no gross regression.

The limit is about twice what docs/performance.md promises.
"""

from __future__ import annotations

from benchmarks import per_test

MOST_BARE_ROUND_TRIPS = 35


def test_cost_of_a_test_in_bare_round_trips() -> None:
    cost = per_test.measure_test_cost(tests=20, warm_up=5)
    trips = cost.test / cost.bare * per_test.ROUND_TRIPS
    assert trips < MOST_BARE_ROUND_TRIPS, f"as many CPU seconds as {trips:.0f} bare round trips"
