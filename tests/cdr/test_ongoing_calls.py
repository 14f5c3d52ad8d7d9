"""``include_ongoing_calls``: sessions of calls that have begun and not ended, as they stand."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from callmocks.cdr import tables
from callmocks.contract.truth import Call
from callmocks.history.walltime import datetime_to_ms
from tests.cdr.conftest import ONE_DAY, CdrClient, error_fields, rows, simple, total

NOW = datetime(2026, 3, 2, 11, 0, 0, 500_000)
FIELDS = list(tables.load_fields("get.calls_report").fields)
Row = dict[str, Any]


@pytest.fixture
def ongoing(api: CdrClient) -> list[tuple[Row, Call]]:
    """Sessions with every field, each with the truth of its call, in a busy minute."""
    tenant = api.tenant(calls_per_day=6000, now=NOW.isoformat())
    calls = tenant.history.truth_between(
        datetime_to_ms(NOW - timedelta(hours=5)), datetime_to_ms(NOW) + 1, datetime_to_ms(NOW)
    )
    wanted = {call.session_id: call for call in calls if not call.finished}
    answer = api.sessions(fields=FIELDS, include_ongoing_calls=True, limit=10_000)
    found = {row["id"]: row for row in rows(answer)}
    ended = rows(api.sessions(fields=FIELDS, limit=10_000))
    assert found.keys() == wanted.keys() | {row["id"] for row in ended}
    assert [row for row in found.values() if row["id"] not in wanted] == ended
    assert total(answer) == len(ended) + len(wanted)
    assert len(wanted) >= 10
    return [(found[number], call) for number, call in wanted.items()]


@pytest.mark.proves("cdr.ongoing", "cdr.ongoing-durations")
def test_they_stand_as_they_are_now(ongoing: list[tuple[Row, Call]]) -> None:
    for row, call in ongoing:
        assert row["finish_time"] is row["finish_reason"] is row["full_record_file_link"] is None
        assert row["call_records"] == row["wav_call_records"] == []
        assert row["is_lost"] is row["is_transfer"] is False
        assert row["last_answered_employee_id"] is row["operator_phone_number"] is None
        elapsed = int((NOW - call.start).total_seconds())
        assert row["total_duration"] == elapsed
        answered = call.answered is not None and call.answered <= NOW
        assert (row["first_answered_employee_id"] is not None) == answered
        assert row["contact_phone_number"] == call.client_phone
        if not answered:
            assert row["wait_duration"] == row["total_wait_duration"] == elapsed
            assert row["talk_duration"] == row["clean_talk_duration"] == 0
        assert abs(row["total_wait_duration"] + row["clean_talk_duration"] - elapsed) <= 1
    assert {row["first_talked_employee_id"] is None for row, _ in ongoing} == {True, False}


def test_their_employees_are_those_whose_legs_have_begun(ongoing: list[tuple[Row, Call]]) -> None:
    for row, call in ongoing:
        begun = [leg for leg in call.legs if leg.operator and leg.start <= NOW]
        assert len(row["employees"]) == len({leg.operator for leg in begun})
        answered = {leg.operator for leg in begun if leg.answered and leg.answered <= NOW}
        assert sum(one["is_answered"] for one in row["employees"]) == len(answered)


def test_filters_and_sorts_see_them_so(api: CdrClient, ongoing: list[tuple[Row, Call]]) -> None:
    numbers = {row["id"] for row, _ in ongoing}
    under_way = simple("finish_reason", "is_null")
    found = api.sessions(filter=under_way, fields=["id"], include_ongoing_calls=True)
    assert {row["id"] for row in rows(found)} == numbers
    assert total(api.sessions(filter=under_way)) == 0
    one = min(numbers)
    for include, count in ((True, 1), (False, 0)):
        answer = api.sessions(filter=simple("id", "=", one), include_ongoing_calls=include)
        assert total(answer) == count


@pytest.mark.proves("cdr.ongoing-durations")
def test_durations_may_be_null(api: CdrClient, ongoing: list[tuple[Row, Call]]) -> None:
    tenant = api.registry.get("t")
    assert tenant is not None
    tenant.assumptions.set_choice("cdr.ongoing-durations", "null")
    answer = api.sessions(filter=simple("finish_reason", "is_null"), include_ongoing_calls=True)
    assert len(rows(answer)) == len(ongoing)
    assert all(row["total_duration"] is row["talk_duration"] is None for row in rows(answer))


def test_pinned_calls_under_way_are_among_them(api: CdrClient) -> None:
    tenant = api.tenant(world="empty", now="2026-03-02T10:00:30")
    tenant.history.pins.add({"start": "2026-03-02T10:00:00", "talk_seconds": 300})
    tenant.history.pins.add({"start": "2026-03-02T10:05:00", "talk_seconds": 300})
    (row,) = rows(api.sessions(include_ongoing_calls=True))
    assert (row["start_time"], row["total_duration"]) == ("2026-03-02 10:00:00", 30)
    assert rows(api.sessions()) == []


def test_a_window_that_ends_before_they_began_has_none(api: CdrClient) -> None:
    api.tenant(now=NOW.isoformat())
    window = (ONE_DAY[0], "2026-03-02 05:00:00")
    assert rows(api.sessions(window, include_ongoing_calls=True)) == rows(api.sessions(window))
    future = ("2026-03-03 00:00:00", "2026-03-03 23:59:59")
    assert rows(api.sessions(future, include_ongoing_calls=True)) == []


@pytest.mark.proves("cdr.ongoing")
def test_the_parameter_is_a_boolean_of_sessions_alone(api: CdrClient) -> None:
    api.tenant()
    assert "result" in api.sessions(include_ongoing_calls=False)
    assert error_fields(api.sessions(include_ongoing_calls="yes"))[0] == "data_type_error"
    assert error_fields(api.legs(include_ongoing_calls=False))[0] == "unexpected_parameters"
