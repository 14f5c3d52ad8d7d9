"""Finish reasons of sessions: each outcome has its own, and all that are served occur."""

import csv
from collections import defaultdict
from typing import Any

import pytest

from callmocks.contract.resources import schema_path
from tests.cdr.conftest import WEEK, Answer, CdrClient, rows, simple, total

BLOCK_CALLS = 29
Row = dict[str, Any]


def read_table(name: str) -> list[dict[str, str]]:
    with schema_path(f"cdr/{name}").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


TABLE = read_table("session_finish_reasons.csv")
OUTCOMES = {row["outcome"]: row["first_leg_reason"] for row in read_table("session_outcomes.csv")}
SERVED = {row["finish_reason"] for row in TABLE if row["outcomes"]}
NOT_SERVED = {row["finish_reason"] for row in TABLE if not row["outcomes"]}


def reasons_of(outcome: str) -> set[str]:
    return {row["finish_reason"] for row in TABLE if outcome in row["outcomes"].split()}


def read_all(report: Any, window: tuple[str, str], **params: Any) -> list[Row]:
    found: list[Row] = []
    while page := rows(report(window, limit=10_000, offset=len(found), **params)):
        found += page
    return found


@pytest.mark.proves("cdr.session-reason-list")
def test_the_table_is_whole() -> None:
    assert len(TABLE) == 92
    assert all(bool(row["outcomes"]) != bool(row["lacks"]) for row in TABLE)
    legs = {row["finish_reason"] for row in read_table("finish_reasons.csv")}
    outcomes = {outcome for row in TABLE for outcome in row["outcomes"].split()}
    assert outcomes - legs == OUTCOMES.keys()
    assert {"sitephone_is_not_configured", "call_generator_is_not_configured"} <= NOT_SERVED
    assert len(NOT_SERVED) == 8


@pytest.mark.proves("cdr.session-reason-list")
@pytest.mark.parametrize("calls_per_day", [400, 87])
def test_all_that_are_served_occur_in_any_20_blocks(api: CdrClient, calls_per_day: int) -> None:
    api.tenant(world="finish-reasons", calls_per_day=calls_per_day)
    window = ("2025-12-20 00:00:00", "2026-03-02 23:59:59")
    found = [
        row["finish_reason"] for row in read_all(api.sessions, window, fields=["finish_reason"])
    ]
    blocks = [
        set(found[start : start + BLOCK_CALLS]) for start in range(0, len(found), BLOCK_CALLS)
    ]
    assert len(blocks) > 100
    for first in range(len(blocks) - 20):
        assert set().union(*blocks[first : first + 20]) == SERVED


def outcome_of(session: Row, legs: list[Row]) -> tuple[str, str]:
    """The outcome by the legs that the API shows, and the reason of the first leg."""
    first = legs[0]
    operators = [
        leg
        for leg in legs
        if leg["is_operator"] and not leg["is_coach"] and leg["direction"] == "out"
    ]
    own = first["finish_reason"]
    answered = any(leg["connect_time"] for leg in operators)
    if session["source"] == "sip":
        if len(legs) == 1 or first["connect_time"]:
            return own, own
        internal = all(leg["is_operator"] for leg in legs)
        return ("colleague_unreached" if internal else "subscriber_unreached"), own
    if any(leg["is_transfered"] and not leg["connect_time"] for leg in legs):
        return "transfer_unanswered", own
    if any(leg["finish_reason"] in ("operator_answer", "another_operator_answer") for leg in legs):
        return "parallel_phones", own
    if any(leg["finish_reason"] == "scenario_disconnects" for leg in operators):
        return "scenario_started", own
    if own != "subscriber_disconnects" or answered:
        return own, own
    if not operators:
        return "hung_up_early", own
    gave_up = any(leg["finish_reason"] == "subscriber_disconnects" for leg in operators)
    return (own if gave_up else "nobody_answered"), own


@pytest.mark.proves("cdr.session-reasons")
def test_each_session_has_a_reason_of_its_outcome(api: CdrClient) -> None:
    api.tenant()
    legs: dict[int, list[Row]] = defaultdict(list)
    for leg in read_all(api.legs, WEEK):
        legs[leg["call_session_id"]].append(leg)
    seen = defaultdict(set)
    for session in read_all(api.sessions, WEEK):
        outcome, own = outcome_of(session, legs[session["id"]])
        allowed = reasons_of(outcome)
        if OUTCOMES.get(outcome) != "replaced":
            allowed |= {own}
        assert session["finish_reason"] in allowed, (outcome, own)
        seen[outcome].add(session["finish_reason"])
    assert seen["subscriber_unreached"] == {"no_success_subscriber_call"}
    assert {"nobody_answered", "colleague_unreached", "hung_up_early"} <= seen.keys()


@pytest.mark.proves("cdr.session-reasons")
def test_the_first_legs_reason_is_a_choice(api: CdrClient) -> None:
    tenant = api.tenant()
    unreached = simple("finish_reason", "=", "no_success_subscriber_call")
    assert total(api.sessions(filter=unreached)) > 0
    tenant.assumptions.set_choice("cdr.session-reasons", "first-leg")
    assert total(api.sessions(filter=unreached)) == 0
    own = {leg["call_session_id"]: leg["finish_reason"] for leg in reversed(rows(api.legs()))}
    for session in rows(api.sessions(fields=["id", "finish_reason"])):
        assert session["finish_reason"] == own[session["id"]]


def test_pinned_calls_have_the_first_reason_of_their_outcome(api: CdrClient) -> None:
    tenant = api.tenant(world="empty")
    pins: list[tuple[Row, str | None, bool]] = [
        ({"finish_reason": "no_money"}, "no_money", True),
        (
            {"direction": "out", "finish_reason": "subscriber_busy"},
            "no_success_subscriber_call",
            True,
        ),
        ({"answered": False}, None, True),
        ({"talk_seconds": 30}, None, False),
    ]
    for hour, (pin, _, _) in enumerate(pins, 10):
        tenant.history.pins.add({"start": f"2026-03-02T{hour}:00:00"} | pin)
    found = rows(api.sessions())
    for session, (_, reason, lost) in zip(found, pins, strict=True):
        assert session["is_lost"] is lost
        assert reason in (None, session["finish_reason"])


@pytest.mark.proves("cdr.lost-internal-calls")
def test_internal_calls_may_never_be_lost(api: CdrClient) -> None:
    tenant = api.tenant()
    lost_inside = {
        "filters": [simple("is_lost", "=", True), simple("virtual_phone_number", "is_null")],
        "condition": "and",
    }

    def lost(window: tuple[str, str] = WEEK) -> Answer:
        return api.sessions(window, filter=lost_inside, limit=0)

    assert total(lost()) > 0
    tenant.assumptions.set_choice("cdr.lost-internal-calls", "never")
    assert total(lost()) == 0


@pytest.mark.proves("cdr.internal-source")
def test_the_source_of_internal_calls_is_a_choice(api: CdrClient) -> None:
    tenant = api.tenant()
    for choice in ("sip", "va"):
        tenant.assumptions.set_choice("cdr.internal-source", choice)
        found = rows(api.sessions(filter=simple("virtual_phone_number", "is_null")))
        assert {row["source"] for row in found} == {choice}
        by_source = rows(api.sessions(filter=simple("source", "=", "va"), limit=10_000))
        assert (found[0] in by_source) == (choice == "va")
