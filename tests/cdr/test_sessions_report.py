"""``get.calls_report``: every session agrees with its legs."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

import pytest

from callmocks.cdr import tables
from tests.cdr.conftest import (
    ONE_DAY,
    WEEK,
    CdrClient,
    CdrServer,
    error_fields,
    rows,
    simple,
    total,
    tree,
)

LEG_FIELDS = list(tables.load_fields("get.call_legs_report").fields)
SESSION_FIELDS = list(tables.load_fields("get.calls_report").fields)
FORMAT = "%Y-%m-%d %H:%M:%S"
Row = dict[str, Any]


@pytest.fixture(scope="module")
def week_rows(server: CdrServer) -> tuple[list[Row], dict[int, list[Row]]]:
    """A week's sessions with every field, and the legs of each."""
    api = CdrClient(server)
    api.tenant()
    sessions = rows(api.sessions(WEEK, fields=SESSION_FIELDS, limit=10_000))
    legs: dict[int, list[Row]] = defaultdict(list)
    for leg in rows(api.legs(WEEK, fields=LEG_FIELDS, limit=10_000)):
        legs[leg["call_session_id"]].append(leg)
    api.close()
    return sessions, legs


@pytest.fixture
def week(week_rows: Any, api: CdrClient) -> Any:
    """The same rows, and the tenant that has them."""
    api.tenant()
    return week_rows


def moment(text: str) -> datetime:
    return datetime.strptime(text, FORMAT)


def test_every_leg_has_its_session_and_every_session_legs(week: Any) -> None:
    sessions, legs = week
    assert len(sessions) > 1800
    assert {session["id"] for session in sessions} == set(legs)


def test_times_and_durations_agree_with_the_legs(week: Any) -> None:
    sessions, legs = week
    second = timedelta(seconds=1)
    for session in sessions:
        own = legs[session["id"]]
        start, finish = moment(session["start_time"]), moment(session["finish_time"])
        assert start == min(moment(leg["start_time"]) for leg in own)
        ends = [moment(leg["start_time"]) + second * leg["total_duration"] for leg in own]
        assert max(ends) - second <= finish <= max(ends) + second
        assert abs((finish - start).total_seconds() - session["total_duration"]) <= 1
        assert session["clean_talk_duration"] <= session["talk_duration"]
        assert session["talk_duration"] <= session["total_duration"]
        waited = session["total_wait_duration"] + session["clean_talk_duration"]
        assert abs(waited - session["total_duration"]) <= 1
        assert session["wait_duration"] <= session["total_duration"]


@pytest.mark.proves("cdr.talk-duration")
def test_talk_has_the_pauses_that_clean_talk_has_not(week: Any) -> None:
    sessions, legs = week
    pauses = 0
    for session in sessions:
        talks = [
            leg
            for leg in legs[session["id"]]
            if leg["is_operator"] and leg["is_talked"] and not leg["is_coach"]
        ]
        internal = all(leg["is_operator"] for leg in legs[session["id"]])
        lengths = [leg["duration"] for leg in talks]
        clean = max(lengths, default=0) if internal else sum(lengths)
        assert abs(session["clean_talk_duration"] - clean) <= max(len(talks), 1)
        begins = [moment(leg["connect_time"]) for leg in talks]
        ends = [at + timedelta(seconds=n) for at, n in zip(begins, lengths, strict=True)]
        span = (max(ends) - min(begins)).total_seconds() if talks else 0
        assert abs(session["talk_duration"] - span) <= max(len(talks), 1)
        pauses += session["talk_duration"] > session["clean_talk_duration"] + 1
    assert pauses > 10


@pytest.mark.proves("cdr.is-lost", "cdr.lost-internal-calls")
def test_lost_is_a_call_that_nobody_picked_up_and_no_fax(week: Any) -> None:
    sessions, legs = week
    for session in sessions:
        picked = any(
            leg["is_operator"] and not leg["is_coach"] and leg["connect_time"]
            for leg in legs[session["id"]]
        )
        fax = any(leg["finish_reason"] == "fax_session_done" for leg in legs[session["id"]])
        assert session["is_lost"] == (not picked and not fax)
    lost = {(session["direction"], session["is_lost"]) for session in sessions}
    assert lost == {("in", True), ("in", False), ("out", True), ("out", False)}


@pytest.mark.proves("cdr.source", "cdr.internal-source")
def test_sources_are_those_of_the_vendors_table(week: Any) -> None:
    sessions, legs = week
    for session in sessions:
        dialled = all(leg["is_operator"] for leg in legs[session["id"]]) or any(
            leg["is_operator"] and leg["direction"] == "in" for leg in legs[session["id"]]
        )
        reasons = {leg["finish_reason"] for leg in legs[session["id"]]}
        dialled &= "auto_out_calls_not_allowed_by_status" not in reasons
        automatic = "auto_out_calls" if session["direction"] == "out" else "va"
        assert session["source"] == ("sip" if dialled else automatic)
    assert {session["source"] for session in sessions} == {"va", "sip", "auto_out_calls"}


@pytest.mark.proves("cdr.source")
def test_automatic_dialling_that_a_status_forbids_is_automatic(api: CdrClient) -> None:
    api.tenant(world="finish-reasons")
    refused = simple("finish_reason", "=", "auto_out_calls_not_allowed_by_status")
    sessions = rows(api.sessions(fields=["direction", "source"], filter=refused))
    assert sessions
    assert all(row == {"direction": "out", "source": "auto_out_calls"} for row in sessions)


def test_employees_are_those_of_the_legs(week: Any) -> None:
    sessions, legs = week
    for session in sessions:
        expected: dict[int, Row] = {}
        for leg in legs[session["id"]]:
            if leg["employee_id"] is not None:
                one = expected.setdefault(
                    leg["employee_id"],
                    {
                        "employee_id": leg["employee_id"],
                        "employee_full_name": leg["employee_full_name"],
                        "is_answered": False,
                        "is_talked": False,
                    },
                )
                one["is_answered"] |= leg["connect_time"] is not None
                one["is_talked"] |= leg["is_talked"]
        assert session["employees"] == list(expected.values())


def test_first_and_last_employees_are_among_those_who_answered(week: Any) -> None:
    sessions, _ = week
    seen = 0
    for session in sessions:
        answered = {e["employee_id"] for e in session["employees"] if e["is_answered"]}
        for which in ("first_answered", "last_answered", "first_talked", "last_talked"):
            employee = session[f"{which}_employee_id"]
            assert (employee is None) == (session[f"{which}_employee_full_name"] is None)
            if employee is not None:
                assert employee in answered
                seen += 1
    assert seen > 1000


@pytest.mark.proves("cdr.wav-records")
def test_records_are_those_of_the_legs(week: Any) -> None:
    sessions, legs = week
    several = 0
    for session in sessions:
        own = {record for leg in legs[session["id"]] for record in leg["call_records"]}
        assert set(session["call_records"]) == own
        wav = {record for leg in legs[session["id"]] for record in leg["wav_call_records"]}
        assert set(session["wav_call_records"]) == wav
        assert not wav & own
        several += len(session["call_records"]) > 1
        link = session["full_record_file_link"]
        assert (link is None) == (not own)
    assert several > 10


def test_operations_scenario_and_contact_agree(week: Any) -> None:
    sessions, legs = week
    for session in sessions:
        own = legs[session["id"]]
        operations = {
            leg["action_id"]: leg["action_name"] for leg in own if leg["action_id"] is not None
        }
        listed = session["scenario_operations"]
        assert {one["id"]: one["name"] for one in listed} == operations
        for field in ("virtual_phone_number", "contact_id", "contact_full_name", "scenario_id"):
            assert {leg[field] for leg in own} == {session[field]}
        assert session["is_transfer"] == any(leg["is_transfered"] for leg in own)


@pytest.mark.proves("cdr.sessions-fields", "cdr.sessions-empty")
def test_fields_without_a_source_are_empty(week: Any) -> None:
    sessions, _ = week
    visitor = set(tables.FieldTable("calls_report_visitor_fields.csv").fields)
    others = {"call_api_request_id", "call_api_external_id", "ext_id", "communication_number"}
    others |= {
        "tags",
        "voice_mail_records",
        "postprocess_duration",
        "lost_call_processing_duration",
    }
    arrays = {"visitor_custom_properties", "segments", "attributes", "tags", "voice_mail_records"}
    empty = {
        name
        for name in sessions[0]
        if all(session[name] == ([] if name in arrays else None) for session in sessions)
    }
    assert empty == visitor | others


@pytest.mark.parametrize(
    ("wanted", "keep"),
    [
        (simple("is_lost", "=", True), lambda s: s["is_lost"]),
        (simple("talk_duration", ">", 120), lambda s: s["talk_duration"] > 120),
        (simple("direction", "in", ["out"]), lambda s: s["direction"] == "out"),
        (simple("utm_source", "is_null"), lambda s: True),
        (simple("utm_source", "=", "google"), lambda s: False),
        (simple("sale_date", ">", "2020-01-01 00:00:00"), lambda s: False),
        (simple("tags", "is_null"), lambda s: False),
        (simple("segments", "overlap", [1, 2]), lambda s: False),
        (simple("segments", "not_overlap", [1, 2]), lambda s: True),
        (
            tree("and", simple("is_transfer", "=", True), simple("is_lost", "=", False)),
            lambda s: s["is_transfer"] and not s["is_lost"],
        ),
    ],
)
def test_filters_of_sessions(week: Any, api: CdrClient, wanted: Row, keep: Any) -> None:
    sessions, _ = week
    found = rows(api.sessions(WEEK, fields=["id"], filter=wanted, limit=10_000))
    assert [row["id"] for row in found] == [s["id"] for s in sessions if keep(s)]


@pytest.mark.proves("cdr.overlap-objects")
def test_overlap_compares_the_ids_of_the_elements(week: Any, api: CdrClient) -> None:
    sessions, _ = week
    chosen = sorted({e["employee_id"] for s in sessions for e in s["employees"]})[:2]
    for operator, holds in (("overlap", True), ("not_overlap", False)):
        wanted = simple("employees", operator, chosen)
        found = rows(api.sessions(WEEK, fields=["id", "employees"], filter=wanted, limit=10_000))
        expected = [
            s["id"]
            for s in sessions
            if holds == any(e["employee_id"] in chosen for e in s["employees"])
        ]
        assert [row["id"] for row in found] == expected
        assert 0 < len(expected) < len(sessions)
    tenant = api.registry.get("t")
    assert tenant is not None
    tenant.assumptions.set_choice("cdr.overlap-objects", "refused")
    refused = api.sessions(filter=simple("employees", "overlap", chosen))
    assert error_fields(refused)[:2] == ("invalid_parameter_value", "filter.operator")
    wrong = api.sessions(filter=simple("employees", "overlap", ["x"]))
    assert error_fields(wrong) == ("data_type_error", "filter.value", '["x"]')


@pytest.mark.proves("cdr.empty-arrays")
def test_an_empty_array_is_null_by_choice(week: Any, api: CdrClient) -> None:
    sessions, _ = week
    tenant = api.registry.get("t")
    assert tenant is not None
    for choice in ("not-null", "null"):
        tenant.assumptions.set_choice("cdr.empty-arrays", choice)
        for field in ("tags", "employees"):
            nulls = [s["id"] for s in sessions if choice == "null" and not s[field]]
            others = [s["id"] for s in sessions if s["id"] not in set(nulls)]
            for operator, expected in (("is_null", nulls), ("is_not_null", others)):
                wanted = simple(field, operator)
                found = rows(api.sessions(WEEK, fields=["id"], filter=wanted, limit=10_000))
                assert [row["id"] for row in found] == expected
    assert nulls and others


@pytest.mark.proves("cdr.empty-arrays")
def test_an_empty_object_is_null_and_an_empty_array_is_not(week: Any, api: CdrClient) -> None:
    tenant = api.registry.get("t")
    assert tenant is not None
    tenant.assumptions.set_choice("cdr.empty-arrays", "not-null")
    employees = rows(api.rpc("get.employees"))
    assert employees and all(each["coach"] == {} for each in employees)
    nulls = {name: simple(name, "is_null") for name in ("coach", "groups")}
    assert total(api.rpc("get.employees", filter=nulls["coach"])) == len(employees)
    assert total(api.rpc("get.employees", filter=nulls["groups"])) == 0
    tenant.assumptions.set_choice("cdr.empty-arrays", "null")
    alone = sum(not each["groups"] for each in employees)
    assert total(api.rpc("get.employees", filter=nulls["groups"])) == alone


def test_sorts_of_sessions(week: Any, api: CdrClient) -> None:
    sessions, _ = week
    sort = [{"field": "finish_reason", "order": "desc"}, {"field": "start_time", "order": "desc"}]
    found = rows(api.sessions(WEEK, fields=["id"], sort=sort, limit=10_000))
    by_time = sorted(sessions, key=lambda s: s["start_time"], reverse=True)
    expected = sorted(by_time, key=lambda s: s["finish_reason"], reverse=True)
    assert [row["id"] for row in found] == [s["id"] for s in expected]
    assert rows(api.sessions(WEEK, sort=[{"field": "site_id"}], fields=["id"], limit=3))


def test_pages_of_sessions(week: Any, api: CdrClient) -> None:
    sessions, _ = week
    fields = SESSION_FIELDS
    found: list[Row] = []
    while page := rows(api.sessions(WEEK, fields=fields, limit=700, offset=len(found))):
        found += page
    assert found == sessions


def test_a_session_id_is_an_address(week: Any, api: CdrClient) -> None:
    sessions, _ = week
    for session in sessions[::100]:
        wanted = simple("id", "=", session["id"])
        answer = api.sessions(WEEK, fields=SESSION_FIELDS, filter=wanted)
        assert (rows(answer), total(answer)) == ([session], 1)
    outside = simple("id", "=", sessions[0]["id"])
    assert total(api.sessions(ONE_DAY, filter=outside)) == 0


def test_a_pinned_call_over_midnight_has_its_employees(api: CdrClient) -> None:
    tenant = api.tenant(world="empty")
    call = {"start": "2026-03-01T23:59:50", "wait_seconds": 30, "talk_seconds": 20}
    tenant.history.pins.add({**call, "operator": "101", "transfer_to": "102"})
    wanted = {operator.employee_id for operator in tenant.history.directory.operators[:2]}
    evening = ("2026-03-01 00:00:00", "2026-03-01 23:59:59")
    fields = ["id", "employees", "scenario_operations", "start_time", "finish_time"]
    (session,) = rows(api.sessions(evening, fields=fields))
    assert session["start_time"] < evening[1] < session["finish_time"]
    assert {employee["employee_id"] for employee in session["employees"]} == wanted
    for employee in wanted:
        found = simple("employees", "overlap", [employee])
        assert total(api.sessions(evening, fields=["id"], filter=found)) == 1
