"""``GetHistoryOfServiceCalls``: its parameters, by day and by night, and how they are written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from lxml import etree

from callmocks.onec import read_answer
from tests.onec.conftest import (
    CORE,
    DAY,
    FROM,
    NIGHT,
    TO,
    Client,
    Service,
    get_body_child,
    make_call,
    make_history_call,
    make_parameter,
    make_property,
    make_value,
)
from tests.onec.service_call_truth import Record, get_ids, read_truth

# ---- The parameters --------------------------------------------------------------------------

PICKS: dict[str, Callable[[Record], Any]] = {
    "ClientID": lambda record: record["ClientID"],
    "ServiceUserID": lambda record: record["ServiceUserID"],
    "ServiceID": lambda record: record["ServiceID"],
    "CallResult": lambda record: record["CallResult"],
}


@pytest.mark.proves("onec.client-id", "onec.service-user-id", "onec.service-id", "onec.call-result")
@pytest.mark.parametrize("name", PICKS)
def test_a_filter_gives_exactly_the_rows_that_match(
    client: Client, week: list[Record], name: str
) -> None:
    pick = PICKS[name]
    wanted = pick(next(record for record in week[40:] if pick(record) is not None))
    found = client.records(make_history_call(PeriodFrom=FROM, PeriodTo=TO, **{name: wanted}))
    assert found == [record for record in week if pick(record) == wanted]
    assert 0 < len(found) < len(week)


@pytest.mark.proves("onec.specialist-id")
def test_the_specialist_is_caller_or_callee(client: Client, week: list[Record]) -> None:
    specialist = client.read("SpecialistRead")[3]["SpecialistID"]
    found = client.records(make_history_call(PeriodFrom=FROM, PeriodTo=TO, SpecialistID=specialist))
    expected = [r for r in week if specialist in (r["CallerID"], r["CalleeID"])]
    assert found == expected
    assert {r["CallerID"] == specialist for r in found} == {True, False}


@pytest.mark.proves(
    "onec.period",
    "onec.client-id",
    "onec.service-user-id",
    "onec.service-id",
    "onec.specialist-id",
    "onec.call-result",
)
def test_all_seven_parameters_together(client: Client, week: list[Record]) -> None:
    wanted = next(r for r in week if r["CallResult"] == 1 and r["ClientID"] and r["CalleeID"])
    specialist = ({wanted["CallerID"], wanted["CalleeID"]} - {wanted["ServiceUserID"]}).pop()
    parameters = {name: wanted[name] for name in ("ClientID", "ServiceUserID", "ServiceID")}
    body = make_history_call(
        PeriodFrom=FROM,
        PeriodTo=TO,
        SpecialistID=specialist.upper(),
        CallResult="1.0",
        **parameters,
    )
    found = client.records(body)
    assert wanted in found
    assert all(record[name] == parameters[name] for record in found for name in parameters)


@pytest.mark.proves("onec.unknown-uuid", "onec.columns")
def test_an_unknown_uuid_gives_no_rows(client: Client, wsdl_schema: etree.XMLSchema) -> None:
    for name in ("ClientID", "ServiceUserID", "ServiceID", "SpecialistID"):
        body = make_history_call(PeriodFrom=FROM, **{name: "00000000-0000-4000-8000-000000000001"})
        response = client.post(body)
        wsdl_schema.assertValid(get_body_child(response.content))
        answer = read_answer(response.content)
        assert answer["ResultCode"] == "SUCCESS"
        table = answer["ResultData"]
        assert (len(table.columns), table.rows) == (9, [])  # type: ignore[union-attr]
        assert "onec.unknown-uuid" in client.journal[-1].assumptions


@pytest.mark.proves("onec.period", "onec.period-bounds")
def test_bounds_are_from_included_to_excluded(client: Client, week: list[Record]) -> None:
    entries = read_truth(client, FROM, TO)[:50]
    begin, end = (str(entry["start"])[:19] for entry in (entries[10], entries[20]))
    found = get_ids(client.records(make_history_call(PeriodFrom=begin, PeriodTo=end)))
    inside = [e["onec"]["CallID"] for e in entries if begin <= str(e["start"])[:19] < end]
    assert found == inside
    assert found[0] == entries[10]["onec"]["CallID"]
    assert entries[20]["onec"]["CallID"] not in found


def test_windows_side_by_side_miss_nothing_and_repeat_nothing(
    client: Client, week: list[Record]
) -> None:
    moment, end, rows = datetime.fromisoformat(FROM), datetime.fromisoformat(TO), []
    step = timedelta(hours=7, minutes=13, seconds=7)
    while moment < end:
        after = min(moment + step, end)
        parameters = {"PeriodFrom": moment.isoformat(), "PeriodTo": after.isoformat()}
        rows += client.records(make_history_call(**parameters))
        moment = after
    assert rows == week


@pytest.mark.proves("onec.columns")
def test_a_single_row_and_an_empty_table(client: Client, wsdl_schema: etree.XMLSchema) -> None:
    starts = Counter(str(entry["start"])[:19] for entry in read_truth(client, FROM, TO))
    start = datetime.fromisoformat(next(moment for moment, calls in starts.items() if calls == 1))
    one = make_history_call(
        PeriodFrom=start.isoformat(), PeriodTo=(start + timedelta(seconds=1)).isoformat()
    )
    none = make_history_call(PeriodFrom="2026-02-28T03:00:00", PeriodTo="2026-02-28T03:00:01")
    for body, rows in ((one, 1), (none, 0)):
        content = client.post(body).content
        wsdl_schema.assertValid(get_body_child(content))
        assert content.count(b"<row>") == rows
        assert content.count(b"<column>") == 9


@pytest.mark.proves("onec.row-appearance")
def test_only_ended_calls_are_there(service: Service) -> None:
    client = service.client(now=DAY)
    table = client.records(make_history_call(PeriodFrom="2026-03-03T00:00:00"))
    now = datetime.fromisoformat(DAY)
    assert table
    for record in table:
        assert record["CallTime"] + timedelta(seconds=int(record["Duration"])) <= now
    client.tenant.clock.advance(3600)
    later = client.records(make_history_call(PeriodFrom="2026-03-03T00:00:00", PeriodTo=DAY))
    assert set(get_ids(later)) > set(get_ids(table)), "calls under way have ended since"


def test_outside_the_history_there_is_nothing(service: Service) -> None:
    client = service.client(history_from="2026-03-01")
    assert client.records(make_history_call(PeriodFrom="1990-01-01T00:00:00", PeriodTo=FROM)) == []
    first = client.records(make_history_call(PeriodFrom="0002-01-01T00:00:00", PeriodTo=NIGHT))
    assert min(record["CallTime"] for record in first) >= datetime(2026, 3, 1)
    after = make_history_call(PeriodFrom=NIGHT, PeriodTo="9999-12-31T23:59:59")
    assert client.records(after) == []


# ---- Day and night ---------------------------------------------------------------------------


@pytest.mark.proves("onec.period-cap", "onec.code-period-too-long")
def test_by_day_the_period_may_be_seven_calendar_days_and_no_more(service: Service) -> None:
    client = service.client(now=DAY)
    whole = make_history_call(PeriodFrom="2026-02-24T12:30:00", PeriodTo=DAY)
    assert client.code(whole) == "SUCCESS"
    longer = make_history_call(PeriodFrom="2026-02-24T12:29:59", PeriodTo=DAY)
    answer = client.answer(longer)
    assert answer["ResultCode"] == "PERIOD_TOO_LONG"
    assert answer["ResultData"] == "PERIODTO: expected 7 days at most by day, got 7 days, 0:00:01"
    assert client.code(make_history_call(PeriodFrom="2026-02-24T12:29:59")) == "PERIOD_TOO_LONG"
    assert client.code(make_history_call(PeriodFrom="2026-02-24T12:30:00")) == "SUCCESS"


@pytest.mark.proves("onec.period-cap")
def test_by_night_the_period_has_no_cap(client: Client) -> None:
    assert len(client.records(make_history_call(PeriodFrom="2026-01-01T00:00:00"))) > 10_000


@pytest.mark.proves(
    "onec.period-from",
    "onec.missing-period-from",
    "onec.missing-period-to",
    "onec.code-missing-parameter",
)
def test_period_from_is_required_by_day_and_optional_by_night(service: Service) -> None:
    by_day = service.client(now=DAY).answer(make_history_call())
    assert (by_day["ResultCode"], by_day["ResultData"]) == ("PARAM_NOT_EXIST", "PERIODFROM")
    client = service.client(history_from="2026-03-01")
    everything = client.records(make_history_call())
    assert everything == client.records(
        make_history_call(PeriodFrom="2015-01-01T00:00:00", PeriodTo=NIGHT)
    )
    assert everything
    until = client.records(make_history_call(PeriodTo="2026-03-02T00:00:00"))
    assert until == everything[: len(until)] != []


@pytest.mark.proves("onec.day-hours")
@pytest.mark.parametrize(
    ("now", "day"),
    [
        ("2026-03-03T07:59:59", False),
        ("2026-03-03T08:00:00", True),
        ("2026-03-03T19:59:59", True),
        ("2026-03-03T20:00:00", False),
        ("2026-03-07T12:00:00", True),
    ],
)
def test_day_is_from_eight_to_twenty(service: Service, now: str, day: bool) -> None:
    code = service.client(now=now).code(make_history_call(PeriodFrom="2026-02-01T00:00:00"))
    assert code == ("PERIOD_TOO_LONG" if day else "SUCCESS")


@pytest.mark.proves("onec.reversed-period")
def test_a_period_backwards_is_empty(client: Client) -> None:
    assert client.records(make_history_call(PeriodFrom=TO, PeriodTo=FROM)) == []
    assert client.records(make_history_call(PeriodFrom=TO, PeriodTo=TO)) == []
    assert "onec.reversed-period" in client.journal[-2].assumptions
    assert "onec.reversed-period" not in client.journal[-1].assumptions


# ---- Values ----------------------------------------------------------------------------------


@pytest.mark.proves("onec.dates-accepted", "onec.offset-dates", "onec.value-typing")
@pytest.mark.parametrize(
    "written",
    [
        make_value("xs:dateTime", "2026-03-02T00:00:00"),
        make_value("xs:dateTime", "2026-03-02T00:00:00.999"),
        make_value("xs:dateTime", "2026-03-02T00:00:00+03:00"),
        make_value("xs:dateTime", "2026-03-01T21:00:00Z"),
        make_value("xs:date", "2026-03-02"),
        "<Value>2026-03-02T00:00:00</Value>",
        "<Value> 2026-03-02 </Value>",
    ],
)
def test_dates_may_be_written_in_these_ways(client: Client, written: str) -> None:
    plain = client.records(make_history_call(PeriodFrom="2026-03-02T00:00:00"))
    assert plain
    body = make_call("GetHistoryOfServiceCalls", make_property("PeriodFrom", written))
    assert client.records(body) == plain


@pytest.mark.proves(
    "onec.result-code",
    "onec.value-typing",
    "onec.unknown-parameter",
    "onec.parameter-case",
    "onec.code-unknown-parameter",
    "onec.code-wrong-type",
    "onec.code-bad-uuid",
    "onec.code-wrong-value",
)
@pytest.mark.parametrize(
    ("name", "written", "code", "reason"),
    [
        ("PeriodFrom", make_value("xs:string", FROM), "PARAM_WRONG_TYPE", "xs:dateTime"),
        ("PeriodFrom", make_value("xs:dateTime", "yesterday"), "PARAM_WRONG_TYPE", "'yesterday'"),
        (
            "PeriodFrom",
            make_value("xs:dateTime", "2026-02-30T00:00:00"),
            "PARAM_WRONG_TYPE",
            "02-30",
        ),
        (
            "PeriodFrom",
            make_value("xs:dateTime", "12026-01-01T00:00:00"),
            "PARAM_WRONG_TYPE",
            "12026",
        ),
        (
            "PeriodFrom",
            make_value("xs:dateTime", "0001-01-01T00:00:01+14:00"),
            "PARAM_WRONG_TYPE",
            "0001",
        ),
        ("PeriodFrom", make_value("xs:decimal", 1), "PARAM_WRONG_TYPE", "xs:decimal"),
        ("PeriodFrom", "<Value>soon</Value>", "PARAM_WRONG_TYPE", "'soon'"),
        (
            "PeriodFrom",
            f'<Value xmlns:q="urn:q" xsi:type="q:dateTime">{FROM}</Value>',
            "PARAM_WRONG_TYPE",
            "expected xs:dateTime, got dateTime of urn:q",
        ),
        (
            "PeriodFrom",
            make_value("dateTime", FROM),
            "PARAM_WRONG_TYPE",
            f"expected xs:dateTime, got dateTime of {CORE}",
        ),
        ("CallResult", make_value("xs:double", "1.5E0"), "PARAM_WRONG_VALUE", "got 1.5E0"),
        ("CallResult", make_value("xs:double", "INF"), "PARAM_WRONG_VALUE", "got INF"),
        ("CallResult", make_value("xs:decimal", "1E0"), "PARAM_WRONG_TYPE", "'1E0'"),
        ("CallResult", make_value("xs:decimal", "9" * 400_000), "PARAM_WRONG_VALUE", "got 999"),
        ("CallResult", make_value("Null", "x"), "PARAM_WRONG_TYPE", "Null of"),
        ("ClientID", make_value("xs:string", "Romashka"), "PARAM_WRONG_UUID", "'Romashka'"),
        ("ClientID", make_value("xs:decimal", 7), "PARAM_WRONG_TYPE", "xs:decimal"),
        ("ServiceID", make_value("xs:string", "{" + "0" * 36 + "}"), "PARAM_WRONG_UUID", "a UUID"),
        ("CallResult", make_value("xs:decimal", 3), "PARAM_WRONG_VALUE", "expected 1 or 2, got 3"),
        ("CallResult", make_value("xs:decimal", "1.5"), "PARAM_WRONG_VALUE", "got 1.5"),
        ("CallResult", make_value("xs:string", 1), "PARAM_WRONG_TYPE", "xs:string"),
        ("CallResult", make_value("xs:decimal", "one"), "PARAM_WRONG_TYPE", "'one'"),
        ("CallResult", make_value("Structure", ""), "PARAM_WRONG_TYPE", "Structure"),
        ("CallResult", make_value("KeyAndValue", ""), "PARAM_WRONG_TYPE", "KeyAndValue"),
        ("Colour", make_value("xs:string", "red"), "PARAM_UNKNOWN", "one of PeriodFrom, PeriodTo"),
        ("periodfrom", make_value("xs:dateTime", FROM), "PARAM_UNKNOWN", "PERIODFROM"),
    ],
)
def test_a_bad_parameter_is_refused_with_its_name_and_the_reason(
    client: Client, wsdl_schema: etree.XMLSchema, name: str, written: str, code: str, reason: str
) -> None:
    response = client.post(make_call("GetHistoryOfServiceCalls", make_property(name, written)))
    assert response.status_code == 200
    wsdl_schema.assertValid(get_body_child(response.content))
    answer = read_answer(response.content)
    assert list(answer) == ["ResultCode", "ResultData"]
    assert answer["ResultCode"] == code
    text = answer["ResultData"]
    assert isinstance(text, str)
    assert reason in text and text.startswith(f"{name.upper()}: expected ")
    entry = client.journal[-1]
    assert [violation.where for violation in entry.violations] == [f"Params/{name}"]
    assert any(choice.startswith("onec.code-") for choice in entry.assumptions)


@pytest.mark.proves("onec.code-duplicate-parameter")
def test_a_parameter_twice_is_refused(client: Client) -> None:
    twice = make_parameter("PeriodFrom", FROM) * 2
    assert client.code(make_call("GetHistoryOfServiceCalls", twice)) == "PARAM_DUPLICATE"


@pytest.mark.proves("onec.empty-parameter")
@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("PeriodTo", '<Value xsi:nil="true"/>'),
        ("PeriodTo", make_value("xs:dateTime", "0001-01-01T00:00:00")),
        ("ClientID", make_value("xs:string", "")),
        ("ClientID", "<Value/>"),
        ("CallResult", '<Value xsi:nil="1" xsi:type="xs:decimal"/>'),
    ],
)
def test_an_empty_parameter_counts_as_absent(client: Client, name: str, written: str) -> None:
    plain = client.records(make_history_call(PeriodFrom="2026-03-02T00:00:00"))
    params = make_parameter("PeriodFrom", "2026-03-02T00:00:00") + make_property(name, written)
    assert client.records(make_call("GetHistoryOfServiceCalls", params)) == plain
    assert "onec.empty-parameter" in client.journal[-1].assumptions
