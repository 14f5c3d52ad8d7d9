"""The keys of worlds that say how long callers wait, and by what reasons legs end."""

from __future__ import annotations

import polars as pl
import pytest

from callmocks.history.factory import HistoryFactory
from callmocks.history.history import History
from callmocks.history.walltime import DAY_MS
from callmocks.history.world_file import load_world, parse_world
from callmocks.tenants.settings import TenantSettings
from tests.history.conftest import LATER, wall_ms

MONDAY = wall_ms(2026, 3, 16)
SESSION = "call_session_id"


def make_history(text: str) -> History:
    return HistoryFactory().create(TenantSettings("test"), parse_world(text, "mine.toml"))


def read_legs(history: History, days: int = 5) -> pl.DataFrame:
    return history.legs_between(MONDAY, MONDAY + days * DAY_MS - 1, LATER).sort("id")


def find_waits(legs: pl.DataFrame) -> tuple[set[int], set[int]]:
    """Seconds of incoming calls until a telephone rings first, and of its ringing until a talk."""
    first = legs.group_by(SESSION, maintain_order=True).first()
    incoming = first.filter(~pl.col("is_operator") & (pl.col("direction") == "in"))
    tried = legs.join(incoming.select(SESSION, pl.col("_start").alias("begin")), on=SESSION)
    tried = tried.filter(pl.col("is_operator") & ~pl.col("is_coach") & ~pl.col("is_transfered"))
    menu = tried.group_by(SESSION).agg((pl.col("_start") - pl.col("begin")).min() // 1000)
    answered = tried.filter(pl.col("connect_time").is_not_null())
    ring = (answered["connect_time"] - answered["start_time"].cast(pl.Datetime("ms"))).dt
    return {*menu["_start"].to_list()}, {*ring.total_seconds().to_list()}


def test_waits_are_those_of_the_world() -> None:
    history = make_history(
        """
        [traffic]
        episodes = false
        [waiting]
        menu_ms = [3000, 3000]
        answer_ms = [7000, 7000]
        attempts_answered = [1, 0, 0, 0]
        attempts_missed = [1, 0, 0, 0]
        gave_up_ringing = 0
        """
    )
    menu, ring = find_waits(read_legs(history))
    assert menu == {3}
    assert ring <= {6, 7} and 7 in ring  # 6 where a break begins


def test_legs_end_by_the_reasons_of_the_world() -> None:
    history = make_history(
        """
        [traffic]
        episodes = false
        internal = 0
        outgoing = 500
        missed = 300
        [reasons]
        ended_by_client = 1000
        unreached_outgoing = 400
        [reasons.outgoing]
        subscriber_not_responsible = 0
        subscriber_number_problems = 0
        [reasons.menu]
        subscriber_disconnects = 0
        incorrect_input = 1
        max_transition_count_exceeded = 0
        action_interval_exceeded = 0
        """
    )
    legs = read_legs(history)
    reasons = {*legs["finish_reason"].cast(pl.String)}
    assert {"subscriber_busy", "incorrect_input"} < reasons
    never = {"subscriber_not_responsible", "subscriber_number_problems"}
    never |= {"max_transition_count_exceeded", "action_interval_exceeded"}
    assert not reasons & never
    first = legs.group_by(SESSION, maintain_order=True).first()
    dialled = first.filter(pl.col("is_operator") & pl.col("virtual_phone_number").is_not_null())
    busy = dialled["finish_reason"].cast(pl.String) == "subscriber_busy"
    assert 0.35 < busy.mean() < 0.45  # type: ignore[operator]
    talked = legs.filter(pl.col("connect_time").is_not_null() & ~pl.col("is_coach"))
    by_operator = talked["finish_reason"].cast(pl.String) == "operator_disconnects"
    assert by_operator.sum() <= 0.02 * talked.height  # after a fax


def test_days_of_the_week_differ_by_the_world() -> None:
    text = "[traffic]\nweekend = 500\nweekdays = [3000, 1000, 1000, 1000, 500, 2000, 0]"
    legs = read_legs(make_history(text), 7)
    first = legs.group_by(SESSION).agg(pl.col("_start").min())
    counts = first.group_by((pl.col("_start") - MONDAY) // DAY_MS).len().sort("_start")
    calls = dict(counts.iter_rows())
    assert 6 not in calls
    for day, mean in ((0, 1200), (1, 400), (4, 200), (5, 400)):
        assert 0.85 * mean < calls[day] / 1.05 < 1.15 * mean


@pytest.mark.parametrize("queue", [600_000, 1_800_000])
def test_no_call_begins_at_an_hour_without_calls_however_long_it_waits(queue: int) -> None:
    hours = [0] * 9 + [10, 10, 0, 0, 10, 10, 10] + [0] * 8
    history = make_history(
        f"""
        calls_per_day = 500
        [sizes]
        operators = 6
        [traffic]
        weekday_hours = {hours}
        [waiting]
        queue_ms = [{queue // 2}, {queue}]
        """
    )
    legs = read_legs(history)
    first = legs.group_by(SESSION).agg(pl.col("_start").min())
    begun = {*(first["_start"] % DAY_MS // 3_600_000).to_list()}
    assert begun == {9, 10, 13, 14, 15}
    queued = legs.filter(pl.col("finish_reason").cast(pl.String) == "call_enqueued")
    assert queued["total_duration"].max() > queue // 2000  # type: ignore[operator]


def test_defaults_written_out_change_nothing() -> None:
    text = (
        "[traffic]\nweekdays = [1050, 1020, 1000, 980, 950, 1000, 1000]\n"
        "[waiting]\ngave_up_ringing = 600\n[reasons.attempts]\ntimeout = 5"
    )
    assert parse_world(text, "a").fingerprint == load_world("default").fingerprint
    other = text.replace("timeout = 5", "timeout = 6")
    assert parse_world(other, "b").fingerprint != load_world("default").fingerprint
