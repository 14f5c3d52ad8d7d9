"""One call, three views: times, parties and durations agree."""

import itertools
from datetime import datetime
from typing import Any

import polars as pl
import pytest

from callmocks.contract.truth import Call
from callmocks.history.history import History
from callmocks.history.walltime import datetime_to_ms

from .conftest import LATER, NOON, MakeHistory, wall_ms

DAY = (wall_ms(2026, 3, 2), wall_ms(2026, 3, 3))


def shown_time(exact: datetime) -> datetime:
    return exact.replace(microsecond=0)


@pytest.fixture(params=["default", "edge-cases"])
def busy(request: pytest.FixtureRequest, make_history: MakeHistory) -> History:
    return make_history(world=request.param)


def test_each_call_of_the_truth_is_the_same_call_in_every_view(busy: History) -> None:
    history = busy
    calls = history.truth_between(*DAY, LATER)
    assert len(calls) > 100
    in_arm = in_onec = 0
    operators = {o.number: o for o in history.directory.operators}
    for call in calls:
        session = history.find_session(call.session_id, LATER).row(0, named=True)
        legs = history.legs_of_session(call.session_id, LATER)
        assert sorted(legs["id"]) == sorted(call.cdr.leg_ids)
        assert session["start_time"] == shown_time(call.start)
        assert session["finish_time"] == shown_time(call.end)
        assert session["clean_talk_duration"] == call.talk_seconds
        assert session["contact_phone_number"] == call.client_phone
        by_id = {row["id"]: row for row in legs.iter_rows(named=True)}
        rows = arm_rows(history, call)
        assert len(rows) == len(call.arm)
        for row in rows:
            leg = by_id[row["_leg_id"]]
            assert row["start_time"] == leg["start_time"]
            assert row["answer_time"] == leg["connect_time"]
            assert row["duration"] == leg["duration"]
            assert operators[row["digits"]].employee_id == leg["employee_id"]
            in_arm += 1
        if call.onec:
            service = history.find_service_call(call.onec.call_id, LATER).row(0, named=True)
            assert service["Duration"] == call.talk_seconds
            assert service["CallTime"] == shown_time(call.answered or call.start)
            assert service["CallResult"] == (1 if call.answered else 2)
            assert service["_session_id"] == call.session_id
            in_onec += 1
    assert in_arm > 50 and in_onec > 50


def arm_rows(history: History, call: Call) -> list[dict[str, Any]]:
    refs = {(each.operator, each.call_ref) for each in call.arm}
    found = []
    for operator in {each.operator for each in call.arm}:
        for rows in history.arm_frames(operator, *reversed(DAY)):
            found += [
                row
                for row in rows.iter_rows(named=True)
                if (row["digits"], row["call_ref"]) in refs
            ]
    return found


def test_who_is_missing_from_1c(history: History) -> None:
    """Calls lost in the IVR, internal ones and those to unknown numbers are absent."""
    for call in history.truth_between(*DAY, LATER):
        operators = [leg for leg in call.legs if leg.role != "subscriber"]
        unknown = call.user_id is None and not (call.onec and call.onec.vendor_scheme)
        absent = call.direction == "internal" or not operators or len(call.legs) == 1
        absent = absent or (unknown and call.direction != "in")
        assert (call.onec is None) == absent, call


def test_arm_shows_only_legs_that_rang_and_no_coaching(busy: History) -> None:
    for call in busy.truth_between(*DAY, LATER):
        rang = [leg for leg in call.legs if leg.rang and leg.operator]
        expected = [leg.operator or "" for leg in rang if leg.role != "coach"]
        assert sorted(row.operator for row in call.arm) == sorted(expected)


def test_arm_durations_follow_the_documented_rule(history: History) -> None:
    offsets = set()
    for rows in history.arm_frames("101", LATER, wall_ms(2026, 11, 1)):
        for row in rows.iter_rows(named=True):
            start = datetime_to_ms(row["start_time"]) // 1000
            answer = row["answer_time"] and datetime_to_ms(row["answer_time"]) // 1000
            release = datetime_to_ms(row["release_time"]) // 1000
            assert row["total_duration"] == release - start
            assert row["waiting_duration"] == (answer or release) - start
            assert row["talk_duration"] == (release - answer if answer else 0)
            exact = (row["_release"] - row["_answer"]) // 1000 if answer else 0
            assert row["duration"] == exact
            offsets.add(row["talk_duration"] - row["duration"])
    assert offsets == {0, 1}


def test_calls_show_up_when_they_have_ended(history: History) -> None:
    day = history.truth_between(*DAY, LATER)
    call = max(day, key=lambda c: len(c.legs))
    end = datetime_to_ms(call.end)
    session = call.session_id
    for now, there in ((end - 1, 0), (end, 1)):
        assert len(history.find_session(session, now)) == there
        legs = history.legs_between(*DAY, now).filter(pl.col("call_session_id") == session)
        assert len(legs) == there * len(call.legs)
        assert len(history.legs_of_session(session, now)) == there * len(call.legs)


def test_windows_split_anywhere_hold_the_same_rows(history: History) -> None:
    whole = history.legs_between(wall_ms(2026, 2, 23), wall_ms(2026, 3, 2), LATER)
    cuts = [
        wall_ms(2026, 2, 23),
        wall_ms(2026, 2, 24, 10, 17),
        wall_ms(2026, 2, 27, 0),
        wall_ms(2026, 3, 2),
    ]
    parts = [
        history.legs_between(begin, end - (1000 if end != cuts[-1] else 0), LATER)
        for begin, end in itertools.pairwise(cuts)
    ]
    assert pl.concat(parts)["id"].to_list() == whole["id"].to_list()
    assert whole["id"].is_unique().all()


def test_records_lead_to_their_talk(history: History) -> None:
    legs = history.legs_between(*DAY, LATER).filter(pl.col("_record_1").is_not_null())
    assert len(legs) > 50
    for leg in legs.head(60).iter_rows(named=True):
        record = history.find_record(leg["_record_1"])
        assert record is not None
        assert record.session_id == leg["call_session_id"]
        if (
            leg["is_operator"] and leg["virtual_phone_number"]
        ):  # two legs of an internal call share one
            assert record.leg_id == leg["id"]
            assert record.talk_ms // 1000 == leg["duration"]
    assert history.find_record("0" * 32) is None
    wrong = legs["_record_1"][0][:-1] + "z"
    assert history.find_record(wrong) is None


def test_another_seed_does_not_know_the_record(history: History, make_history: MakeHistory) -> None:
    record = history.legs_between(*DAY, LATER)["_record_1"].drop_nulls()[0]
    assert make_history(seed=43).find_record(record) is None


def test_history_is_empty_outside_its_span(make_history: MakeHistory) -> None:
    history = make_history(history_from="2026-03-02")
    assert (
        len(history.legs_between(wall_ms(2026, 2, 1), wall_ms(2026, 3, 1, 23, 59, 59), LATER)) == 0
    )
    assert len(history.legs_between(wall_ms(2026, 2, 1), wall_ms(2026, 3, 2, 23), LATER)) > 100
    assert len(history.legs_between(wall_ms(1990, 1, 1), wall_ms(2014, 12, 31), LATER)) == 0
    assert (
        len(history.legs_between(wall_ms(2035, 1, 1), wall_ms(2040, 1, 1), wall_ms(2041, 1, 1)))
        == 0
    )
    assert not list(history.arm_frames("101", wall_ms(2014, 1, 1), wall_ms(1990, 1, 1)))


def test_an_unknown_operator_has_no_rows(history: History) -> None:
    assert not list(history.arm_frames("9999", NOON, wall_ms(2026, 3, 1)))
