"""Many pinned calls look as each of them does alone, and cost no more."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl
import pytest

from callmocks.history import columns, pins
from callmocks.history.columns import DayColumns
from callmocks.history.factory import HistoryFactory
from callmocks.history.history import History
from callmocks.history.pins import PinCounters, Pins
from callmocks.history.views.arm import OperatorLegs
from callmocks.tenants.settings import TenantSettings

FAR = 10**15
VIEWS = ("legs", "sessions", "onec")


def make_empty_history() -> History:
    return HistoryFactory().create(TenantSettings("pins", world="empty"))


def pin_requests(count: int, made: History) -> list[dict[str, object]]:
    """Calls of all kinds, some on one day, some on days far from one another, in no order."""
    base = datetime(2020, 1, 1, 8)
    users = made.directory.users
    kinds: tuple[dict[str, object], ...] = (
        {},
        {"direction": "out"},
        {"talk_seconds": 0},
        {"operator": "103"},
    )
    return [
        {
            "start": (base + timedelta(days=(n * 37) % 400, minutes=n % 700)).isoformat(),
            "client_phone": users[n % len(users)].phone if n % 3 else f"7999{n:07}",
            **({} if "talk_seconds" in kinds[n % 4] else {"talk_seconds": 10}),
            **kinds[n % 4],
        }
        for n in range(count)
    ]


def copy_of_one(pins: Pins, session_id: int) -> Pins:
    alone = pins.copy()
    for pin in pins.list_all():
        if pin.id != session_id:
            alone.remove(pin.id)
    return alone


def frames_of_single_pins(pins: Pins, name: str) -> pl.DataFrame:
    """The same frame, made for each call by itself."""
    frames: list[pl.DataFrame] = []
    for pin in pins.list_all():
        alone = copy_of_one(pins, pin.id)
        frames.append(alone.view_frame(name))
    return pl.concat(frames)


@pytest.mark.parametrize("name", VIEWS)
def test_together_they_are_what_each_is_alone(name: str) -> None:
    made = make_empty_history()
    pins = made.pins
    pins.add_many(pin_requests(120, made))
    seen = pins.view_frame(name)
    assert seen.height > 60
    key = "_session_id" if name == "onec" else "id"
    assert seen.equals(frames_of_single_pins(pins, name).sort("_start", key))
    assert seen.schema == make_empty_history().pins.view_frame(name).schema


def test_a_call_that_is_pinned_while_those_before_are_put_together_is_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = make_empty_history()
    first, second = pin_requests(2, made)
    made.pins.add(first)

    def concat_days(days: Sequence[DayColumns]) -> DayColumns:
        if len(made.pins) == 1:  # as the event loop may, while a thread does this
            made.pins.add(second)
        return columns.concat_days(days)

    monkeypatch.setattr("callmocks.history.pins.concat_days", concat_days)
    made.pins.slice_batch(0, FAR)
    assert len(made.pins.slice_batch(0, FAR).calls.row) == len(made.pins) == 2


def test_operators_see_the_same_rows() -> None:
    made = make_empty_history()
    pins = made.pins
    pins.add_many(pin_requests(120, made))
    alone = call_refs_of_single_pins(pins)
    legs = pins.operator_legs
    assert {k: len(v) for k, v in legs.items()} == {k: len(v) for k, v in alone.items()}
    for operator, rows in legs.items():
        frame = made.generated.build_arm_rows(rows)
        assert sorted(frame["call_ref"]) == sorted(alone[operator])
        assert frame["_start"].is_sorted(descending=True)


def call_refs(pins: Pins, legs: OperatorLegs) -> list[str]:
    return pins._generated.build_arm_rows(legs)["call_ref"].to_list()


def call_refs_of_single_pins(pins: Pins) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for pin in pins.list_all():
        alone = copy_of_one(pins, pin.id)
        for operator, legs in alone.operator_legs.items():
            found.setdefault(operator, []).extend(call_refs(pins, legs))
    return found


def test_the_truth_has_each_of_them() -> None:
    made = make_empty_history()
    pins = made.pins.add_many(pin_requests(120, made))
    truth = made.truth_between(0, FAR, FAR)
    assert {call.session_id for call in truth} == {pin.id for pin in pins}
    legs = {leg for call in truth for leg in call.cdr.leg_ids}
    assert legs == set(made.pins.view_frame("legs")["id"])
    refs = {row.call_ref for call in truth for row in call.arm}
    shown = made.pins.operator_legs.values()
    assert refs == {ref for legs in shown for ref in call_refs(made.pins, legs)}


def test_what_counts_the_days_is_not_copied_for_each_pin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    copies: list[PinCounters] = []

    class RecordedCounters(PinCounters, frozen=True):
        def __post_init__(self) -> None:
            copies.append(self)

    monkeypatch.setattr(pins, "PinCounters", RecordedCounters)
    made = make_empty_history()
    added = made.pins.add_many(pin_requests(50, made))
    assert (len(added), made.pins.counters.added, len(copies) < 10) == (50, 50, True)


def test_a_thousand_pins_do_not_cost_a_thousand_times_as_much() -> None:
    def seconds(count: int) -> float:
        made = make_empty_history()
        pins = made.pins
        pins.add_many(pin_requests(count, made))
        least = 1e9
        for _ in range(3):
            pins._frames = None
            begun = time.process_time()
            for name in VIEWS:
                pins.view_frame(name)
            assert pins.operator_legs
            least = min(least, time.process_time() - begun)
        return least

    assert seconds(1000) < 100 * seconds(1)
