"""Pinned calls: over the drawn history, in every view, refused when they cannot be."""

from typing import Any

import pytest

from callmocks.contract.truth import Call
from callmocks.errors import Contradiction
from callmocks.history import reasons
from callmocks.history.history import History

from .conftest import LATER, NOON, MakeHistory, wall_ms

TEN = "2026-03-02T10:00:00"
WINDOW = (wall_ms(2026, 3, 2, 10), wall_ms(2026, 3, 2, 10, 0, 1))


@pytest.fixture
def empty(make_history: MakeHistory) -> History:
    return make_history(world="empty")


def only_call(history: History) -> Call:
    (call,) = history.truth_between(*WINDOW, LATER)
    return call


def test_a_pinned_call_is_in_all_three_views(empty: History) -> None:
    user = empty.directory.users[3]
    pin = empty.pins.add(
        {"start": TEN, "operator": "101", "client_phone": user.phone, "wait_seconds": 10,
         "talk_seconds": 61.5}
    )  # fmt: skip
    call = only_call(empty)
    assert call.session_id == pin.id
    assert (call.talk_seconds, call.user_id) == (61, user.user_id)
    (rows,) = empty.arm_frames("101", NOON, wall_ms(2026, 1, 1))
    row = rows.row(0, named=True)
    assert (row["duration"], row["remote_digits"]) == (61, user.phone)
    session = empty.find_session(pin.id, NOON).row(0, named=True)
    assert (session["wait_duration"], session["talk_duration"]) == (10, 61)
    service = empty.service_calls_between(wall_ms(2026, 3, 1), wall_ms(2026, 3, 3), NOON).row(
        0, named=True
    )
    assert call.onec is not None
    assert service["CallID"] == call.onec.call_id
    assert (service["Duration"], service["ServiceUserID"]) == (61, user.user_id)
    assert empty.legs_between(wall_ms(2026, 3, 2), wall_ms(2026, 3, 3), NOON)[
        "id"
    ].to_list() == sorted(call.cdr.leg_ids)


def test_an_open_search_finds_a_pin_in_the_empty_world_at_once(empty: History) -> None:
    empty.pins.add({"start": "2015-02-03T04:05:06", "operator": "101", "talk_seconds": 1})
    (rows,) = empty.arm_frames("101", wall_ms(2034, 12, 31), wall_ms(2015, 1, 1))
    assert len(rows) == 1


def test_pins_mix_with_drawn_calls_in_order(history: History) -> None:
    before = history.legs_between(wall_ms(2026, 3, 2), wall_ms(2026, 3, 2, 23), LATER)
    history.pins.add({"start": TEN, "operator": "101"})
    after = history.legs_between(wall_ms(2026, 3, 2), wall_ms(2026, 3, 2, 23), LATER)
    assert len(after) > len(before)
    assert after["_start"].is_sorted()
    history.pins.clear()
    assert history.legs_between(wall_ms(2026, 3, 2), wall_ms(2026, 3, 2, 23), LATER).equals(before)


@pytest.mark.parametrize("reason", reasons.NAMES)
def test_every_finish_reason_can_be_pinned(empty: History, reason: str) -> None:
    empty.pins.add({"start": TEN, "finish_reason": reason})
    call = only_call(empty)
    assert reason in {leg.finish_reason for leg in call.legs}


@pytest.mark.parametrize(
    ("pin", "field"),
    [
        ({}, "call"),
        ({"start": "yesterday"}, "start"),
        ({"start": "2026-03-02T10:00:00+03:00"}, "start"),
        ({"start": "2040-01-01T10:00:00"}, "start"),
        ({"start": TEN, "colour": "red"}, "call"),
        ({"start": TEN, "operator": "999"}, "operator"),
        ({"start": TEN, "operator": 101}, "operator"),
        ({"start": TEN, "finish_reason": "bored"}, "finish_reason"),
        ({"start": TEN, "finish_reason": "no_money", "talk_seconds": 3}, "talk_seconds"),
        ({"start": TEN, "finish_reason": "no_money", "operator": "101"}, "operator"),
        ({"start": TEN, "answered": False, "talk_seconds": 3}, "talk_seconds"),
        (
            {"start": TEN, "finish_reason": "operator_disconnects", "answered": False},
            "finish_reason",
        ),
        ({"start": TEN, "talk_seconds": -1}, "talk_seconds"),
        ({"start": TEN, "rating": 6}, "rating"),
        ({"start": TEN, "direction": "sideways"}, "direction"),
        ({"start": TEN, "direction": "in", "finish_reason": "subscriber_busy"}, "direction"),
        ({"start": TEN, "direction": "out", "finish_reason": "no_operation"}, "finish_reason"),
        ({"start": TEN, "client_phone": "+79001112233"}, "client_phone"),
        ({"start": TEN, "anonymous": True, "client_phone": "79001112233"}, "client_phone"),
        ({"start": TEN, "anonymous": True, "direction": "out"}, "anonymous"),
        ({"start": TEN, "operator": "101", "to_operator": "101"}, "operator"),
        ({"start": TEN, "operator": "101", "transfer_to": "101"}, "operator"),
        ({"start": TEN, "to_operator": "102", "client_phone": "79001112233"}, "client_phone"),
        ({"start": TEN, "line": "1"}, "line"),
        ({"start": TEN, "user": "nobody"}, "user"),
    ],
)
def test_a_contradiction_names_its_field(empty: History, pin: dict[str, Any], field: str) -> None:
    with pytest.raises(Contradiction) as caught:
        empty.pins.add(pin)
    assert caught.value.field == field
    assert not empty.pins


def test_an_operator_speaks_in_one_pinned_call_at_a_time(empty: History) -> None:
    empty.pins.add({"start": TEN, "operator": "101", "wait_seconds": 5, "talk_seconds": 60})
    with pytest.raises(Contradiction, match="101 speaks"):
        empty.pins.add({"start": "2026-03-02T10:00:30", "operator": "101", "wait_seconds": 5})
    empty.pins.add({"start": "2026-03-02T10:00:30", "operator": "102", "talk_seconds": 3})
    empty.pins.add({"start": "2026-03-02T10:02:00", "operator": "101", "talk_seconds": 3})
    assert len(empty.pins) == 3


def test_many_pins_are_all_taken_or_none(empty: History) -> None:
    good = {"start": TEN, "operator": "101", "talk_seconds": 1}
    with pytest.raises(Contradiction) as caught:
        empty.pins.add_many([good, {"start": TEN, "operator": "999"}])
    assert caught.value.field == "[1].operator"
    assert not empty.pins
    first = empty.pins.add_many([good])[0]
    empty.pins.clear()
    assert empty.pins.add(good).id == first.id, "rows begin anew"


def test_a_removed_pin_is_gone_and_the_others_keep_their_ids(empty: History) -> None:
    one = empty.pins.add({"start": TEN, "operator": "101", "talk_seconds": 1})
    two = empty.pins.add({"start": TEN, "operator": "102", "talk_seconds": 1})
    assert empty.pins.remove(one.id)
    assert not empty.pins.remove(one.id)
    assert [pin.id for pin in empty.pins.list_all()] == [two.id]
    assert len(empty.find_session(one.id, LATER)) == 0
    assert len(empty.find_session(two.id, LATER)) == 1


def test_a_pinned_record_can_be_found(empty: History) -> None:
    pin = empty.pins.add({"start": TEN, "operator": "101", "talk_seconds": 7, "recorded": True})
    record = empty.find_record(empty.find_session(pin.id, LATER)["_record_1"][0])
    assert record is not None
    assert (record.talk_ms, record.session_id) == (7000, pin.id)


def test_the_record_of_a_call_with_many_given_legs_can_be_found(empty: History) -> None:
    hung_up, missed = "subscriber_disconnects", "operator_not_responsible"
    legs: list[dict[str, Any]] = [
        {"role": "subscriber", "start": 0, "connect": 1, "end": 40, "finish_reason": hung_up},
        *({"role": "operator", "operator": "101", "start": n, "end": n + 1, "finish_reason": missed}
          for n in range(1, 11)),
        {"role": "operator", "operator": "102", "start": 20, "connect": 22, "end": 40,
         "finish_reason": hung_up},
    ]  # fmt: skip
    call = {"direction": "in", "line": next(iter(empty.directory.lines_by_name)), "recorded": True}
    for _ in range(2):
        pin = empty.pins.add({"start": TEN, **call, "legs": legs})
        record = empty.find_record(empty.find_session(pin.id, LATER)["_record_1"][0])
        assert record is not None
        assert (record.talk_ms, record.session_id) == (18_000, pin.id)


@pytest.mark.parametrize(
    "pin",
    [
        *({"direction": direction} for direction in ("in", "out", "auto", "internal")),
        {"direction": "auto", "finish_reason": "employee_busy", "answered": True},
        {"direction": "auto", "answered": False},
        {"answered": False},
        *({"finish_reason": each} for each in ("incorrect_input", "no_money")),
        *({"finish_reason": each} for each in ("subscriber_busy", "out_call_not_allowed")),
    ],
    ids=str,
)
def test_the_wait_lasts_to_the_answer_or_to_giving_up(empty: History, pin: dict[str, Any]) -> None:
    empty.pins.add({"start": TEN, "wait_seconds": 30, **pin})
    call = only_call(empty)
    assert ((call.answered or call.end) - call.start).total_seconds() == 30


@pytest.mark.parametrize("reason", ["operator_answer", "another_operator_answer"])
def test_another_telephone_is_of_who_answers_or_of_a_colleague(empty: History, reason: str) -> None:
    for operator in empty.directory.operators:
        empty.pins.add({"start": TEN, "operator": operator.number, "finish_reason": reason})
        legs = {leg.finish_reason == reason: leg for leg in only_call(empty).legs if leg.operator}
        same = legs[True].operator == legs[False].operator == operator.number
        assert same == (reason == "operator_answer")
        empty.pins.clear()


def test_a_talk_after_a_transfer_needs_no_name(empty: History) -> None:
    transfer = {"finish_reason": "transfer_disconnects", "transfer_talk_seconds": 30}
    empty.pins.add({"start": TEN, "talk_seconds": 20, **transfer})
    assert only_call(empty).talk_seconds == 50


def test_the_field_of_a_number_that_is_a_users_is_the_number(empty: History) -> None:
    phone = empty.directory.users[0].phone
    for pin in ({"vendor": True}, {"to_operator": "101"}):
        with pytest.raises(Contradiction, match=r"^client_phone: .* number of a user"):
            empty.pins.add({"start": TEN, "client_phone": phone, **pin})


def test_a_transfer_and_a_coach_are_laid_out(empty: History) -> None:
    empty.pins.add(
        {"start": TEN, "operator": "101", "talk_seconds": 20, "transfer_to": "102",
         "transfer_talk_seconds": 30, "coach": "103"}
    )  # fmt: skip
    call = only_call(empty)
    roles = {leg.role: leg for leg in call.legs}
    assert roles["operator"].finish_reason == "transfer_disconnects"
    assert roles["transfer"].operator == "102"
    assert roles["coach"].operator == "103"
    assert call.talk_seconds == 50
    assert {each.operator for each in call.arm} == {"101", "102"}


def test_a_call_before_the_first_day_is_refused(make_history: MakeHistory) -> None:
    history = make_history(world="empty", history_from="2026-03-02")
    with pytest.raises(Contradiction, match=r"^start: .* begins on 2026-03-02"):
        history.pins.add({"start": "2026-03-01T23:59:59"})
    history.pins.add({"start": "2026-03-02T00:00:00"})


def test_a_call_that_ends_after_the_last_day_is_refused(empty: History) -> None:
    late = {"start": "2034-12-31T23:59:00", "wait_seconds": 30}
    with pytest.raises(Contradiction, match=r"^start: .* 2035-01-01 00:00:3.*2034-12-31"):
        empty.pins.add({**late, "talk_seconds": 60})
    with pytest.raises(Contradiction, match=r"^\[1\]\.start: "):
        empty.pins.add_many([{"start": TEN}, {**late, "talk_seconds": 60}])
    assert not empty.pins
    empty.pins.add({**late, "talk_seconds": 20})
