"""``GetHistoryOfServiceCalls``: which calls it gives, and what it says of them."""

from __future__ import annotations

import re
from datetime import datetime

import pytest

from callmocks.onec import EMPTY_DATE
from tests.onec.conftest import FROM, NIGHT, TO, Client, Service, make_history_call
from tests.onec.service_call_truth import Record, get_ids, read_truth

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NULLABLE = {"ClientID", "ServiceUserID", "ServiceID", "CallerID", "CalleeID"}


@pytest.fixture(scope="module")
def reader(service: Service) -> Client:
    """An account of the same world, for its reads."""
    return service.client()


# ---- What a row says -------------------------------------------------------------------------


@pytest.mark.proves("onec.row-order")
def test_the_rows_are_the_calls_of_the_truth(reader: Client, week: list[Record]) -> None:
    expected = read_truth(reader, FROM, TO)
    assert len(week) > 1000
    assert get_ids(week) == [entry["onec"]["CallID"] for entry in expected]


def test_ids_are_uuids_and_a_call_id_comes_once(week: list[Record]) -> None:
    assert len(set(get_ids(week))) == len(week)
    for record in week:
        for name in (*NULLABLE, "CallID"):
            assert record[name] is None or UUID.fullmatch(record[name])


@pytest.mark.proves("onec.nil")
def test_nil_stands_only_where_the_type_lists_null(week: list[Record]) -> None:
    missing = {name for record in week for name, cell in record.items() if cell is None}
    assert missing
    assert missing <= NULLABLE


@pytest.mark.proves("onec.failed-duration")
def test_results_and_durations(week: list[Record]) -> None:
    by_result = {result: [r for r in week if r["CallResult"] == result] for result in (1, 2)}
    assert len(by_result[1]) + len(by_result[2]) == len(week)
    assert by_result[1] and by_result[2]
    assert all(record["Duration"] == 0 for record in by_result[2])
    assert sum(record["Duration"] > 0 for record in by_result[1]) > 0.9 * len(by_result[1])
    assert all(datetime(2026, 2, 23) <= record["CallTime"] for record in week)


@pytest.mark.proves(
    "onec.vendor-scheme", "onec.third-party", "onec.unknown-callers", "onec.parties"
)
def test_joins_hold_and_of_vendor_scheme_calls_only_people_do_not_resolve(
    reader: Client, week: list[Record]
) -> None:
    clients = {row["ClientID"] for row in reader.read("ClientRead")}
    users = {row["ClientUserID"]: row["ClientID"] for row in reader.read("ClientUserRead")}
    lines = {row["ServiceID"] for row in reader.read("ServiceLineKindRead")}
    specialists = {row["SpecialistID"] for row in reader.read("SpecialistRead")}
    subscribed = {
        (row["ServiceUserID"], row["ServiceID"]) for row in reader.read("UserServiceLineRead")
    }
    vendor = {
        e["onec"]["CallID"] for e in read_truth(reader, FROM, TO) if e["onec"]["vendor_scheme"]
    }
    assert 0.002 < len(vendor) / len(week) < 0.03
    for record in week:
        if record["ServiceUserID"] is None:  # an unknown caller
            assert record["ClientID"] is record["ServiceID"] is record["CallerID"] is None
            assert record["CalleeID"] is None or record["CalleeID"] in specialists
            continue
        parties = {record["CallerID"], record["CalleeID"]}
        assert record["ServiceUserID"] in parties
        (other,) = parties - {record["ServiceUserID"]}
        assert record["ServiceID"] in lines
        assert record["ClientID"] in clients
        assert (record["ServiceUserID"], record["ServiceID"]) in subscribed
        if record["CallID"] in vendor:
            assert record["ServiceUserID"] not in users
            assert other not in specialists
        else:
            assert users[record["ServiceUserID"]] == record["ClientID"]
            assert other is None or other in specialists


@pytest.mark.proves("onec.parties", "onec.specialist-id")
@pytest.mark.parametrize("world", ["default", "edge-cases"])
def test_the_initiator_of_an_outgoing_call_is_its_caller_though_nobody_answered(
    service: Service, world: str
) -> None:
    client = service.client(world=world)
    people = {each.number: each.specialist_id for each in client.tenant.history.directory.operators}
    rows = {row["CallID"]: row for row in client.records(make_history_call(PeriodFrom=FROM))}
    dialled: dict[str, set[str]] = {}
    for entry in read_truth(client, FROM, NIGHT):
        if entry["direction"] != "out" or entry["onec"]["vendor_scheme"] or entry["answered"]:
            continue
        row = rows[entry["onec"]["CallID"]]
        (initiator,) = (leg["operator"] for leg in entry["legs"] if leg["role"] == "initiator")
        assert (row["CallResult"], row["CallerID"]) == (2, people[initiator])
        assert row["CalleeID"] == row["ServiceUserID"] is not None
        dialled.setdefault(row["CallerID"], set()).add(row["CallID"])
    assert sum(map(len, dialled.values())) > 20
    failed = [
        row
        for row in rows.values()
        if row["CallResult"] == 2 and row["CalleeID"] == row["ServiceUserID"] is not None
    ]
    assert failed and all(row["CallerID"] is not None for row in failed)
    specialist, calls = next(iter(dialled.items()))
    body = make_history_call(PeriodFrom=FROM, SpecialistID=specialist, CallResult=2)
    assert calls <= {row["CallID"] for row in client.records(body)}


@pytest.mark.proves("onec.unknown-callers", "onec.nil")
def test_nil_stands_in_all_five_columns_that_may_hold_it(service: Service) -> None:
    rows = service.client(world="edge-cases").records(make_history_call(PeriodFrom=FROM))
    assert {name for row in rows for name, cell in row.items() if cell is None} == NULLABLE
    unknown = [row for row in rows if row["ClientID"] is None]
    assert all(
        row["ServiceUserID"] is row["ServiceID"] is row["CallerID"] is None for row in unknown
    )
    assert any(row["CallResult"] == 1 and row["Duration"] > 0 for row in unknown)


@pytest.mark.proves("onec.period-by-start", "onec.call-time")
def test_call_time_may_lie_past_the_period(service: Service) -> None:
    client = service.client(world="empty")
    client.tenant.history.pins.add(
        {"start": "2026-03-02T11:59:50", "operator": "101", "wait_seconds": 15, "talk_seconds": 60}
    )
    begin, end = "2026-03-02T11:59:00", "2026-03-02T12:00:00"
    (record,) = client.records(make_history_call(PeriodFrom=begin, PeriodTo=end))
    assert record["CallTime"] == datetime(2026, 3, 2, 12, 0, 5)
    assert client.records(make_history_call(PeriodFrom=end, PeriodTo="2026-03-02T13:00:00")) == []


# ---- Pinned calls ----------------------------------------------------------------------------


@pytest.mark.proves("onec.duration")
def test_pinned_calls_stand_between_generated_ones(service: Service, week: list[Record]) -> None:
    client = service.client()
    pinned = client.tenant.history.pins.add(
        {"start": "2026-02-25T12:00:00", "operator": "102", "talk_seconds": 61}
    )
    found = client.records(make_history_call(PeriodFrom=FROM, PeriodTo=TO))
    assert len(found) == len(week) + 1
    (new,) = [record for record in found if record not in week]
    assert new["Duration"] == 61
    starts = [entry["start"] for entry in read_truth(client, FROM, TO)]
    assert starts == sorted(starts)
    assert get_ids(found) == [entry["onec"]["CallID"] for entry in read_truth(client, FROM, TO)]
    only = client.records(make_history_call(PeriodFrom=FROM, PeriodTo=TO, ClientID=new["ClientID"]))
    assert new in only and len(only) < len(found)
    assert pinned.request["operator"] == "102"


def test_two_tenants_with_one_seed_hold_the_same_bytes(service: Service) -> None:
    body = make_history_call(PeriodFrom=FROM, PeriodTo=TO)
    first, second, other = (service.client(seed=seed).post(body).content for seed in (7, 7, 8))
    assert first == second != other


def test_violations_in_answers_are_noted(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    client = service.client(world="empty")
    client.tenant.history.pins.add({"start": "2026-03-02T12:00:00", "talk_seconds": 5})
    assert client.records(make_history_call())[0]["CallTime"] != EMPTY_DATE
    assert not client.journal[-1].violations
    monkeypatch.setattr("callmocks.onec.tables._UUID", "^x$")
    client.records(make_history_call())
    assert {violation.side for violation in client.journal[-1].violations} == {"answer"}
    assert "CallID: 1 rows are no UUID" in [v.got for v in client.journal[-1].violations]


def test_without_self_check_answers_are_not_checked(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = service.client(world="empty", self_check=False)
    client.tenant.history.pins.add({"start": "2026-03-02T12:00:00", "talk_seconds": 5})
    monkeypatch.setattr("callmocks.onec.tables._UUID", "^x$")
    assert client.records(make_history_call())
    assert not client.journal[-1].violations
