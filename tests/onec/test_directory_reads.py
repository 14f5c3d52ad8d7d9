"""The sibling reads: whom and what the ids of a call name."""

from __future__ import annotations

from datetime import datetime, time, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from lxml import etree

from callmocks.history.clock import Clock
from callmocks.onec import EMPTY_DATE, Text, TypeDescription
from callmocks.onec.contract import load_operations
from tests.onec.conftest import CORE, XS, Client, Service, make_call, make_parameter
from tests.onec.live_schema import RECORDED_COLUMNS

READS = [name for name in load_operations() if name.endswith("Read")]


@pytest.mark.proves("onec.specialist-read", "onec.department-read")
@pytest.mark.parametrize("operation", RECORDED_COLUMNS)
def test_columns_are_those_of_the_recorded_answer(client: Client, operation: str) -> None:
    answer = etree.fromstring(client.post(make_call(operation)).content)
    found = []
    for column in answer.iter(f"{{{CORE}}}column"):
        name, described = column
        types = [each.text for each in described if etree.QName(each).localname == "Type"]
        groups = [each for each in described if len(each)]
        qualifiers = [f"{etree.QName(q).localname} {q.text}" for group in groups for q in group]
        found.append((name.text, *types, *qualifiers))
    assert found == RECORDED_COLUMNS[operation]


@pytest.mark.proves("onec.read-ids")
@pytest.mark.parametrize("operation", READS)
def test_ids_are_strings_of_any_length_or_null(client: Client, operation: str) -> None:
    key = TypeDescription((f"{{{XS}}}string", f"{{{CORE}}}Null"), string=Text(0, "Variable"))
    columns = client.table(make_call(operation)).columns
    assert {c.type == key for c in columns if (c.name or "").endswith("ID")} == {True}


@pytest.mark.proves("onec.client-read", "onec.third-party", "onec.vendor-clients")
def test_clients_are_the_organisations_and_those_of_the_vendor_scheme(client: Client) -> None:
    cast = client.tenant.history.directory
    rows = client.read("ClientRead")
    own, others = rows[: len(cast.organisations)], rows[len(cast.organisations) :]
    assert [(r["ClientID"], r["TaxPayerIdentificator"], r["KPP"]) for r in own] == [
        (c.client_id, c.inn, c.kpp) for c in cast.organisations
    ]
    assert [row["Name"] for row in own] == [c.name[:50] for c in cast.organisations]
    assert [row["FullName"] for row in own] == [c.full_name[:255] for c in cast.organisations]
    assert [row["ClientID"] for row in others] == list(cast.vendor_clients)
    assert all(row["Name"] and not row["TaxPayerIdentificator"] for row in others)
    assert not any("партнёр" in row["Name"] for row in others)  # names of companies
    assert {row["FullName"] for row in others}.isdisjoint(row["FullName"] for row in own)
    assert len({row["Name"] for row in rows}) == len(rows)


@pytest.mark.proves("onec.client-read", "onec.client-user-read")
def test_clients_by_position_find_what_they_find_in_production(client: Client) -> None:
    """As a public client of 2022 resolves the author of a request."""
    users = client.table(make_call("ClientUserRead")).rows
    clients = client.table(make_call("ClientRead")).rows
    for person in client.tenant.history.directory.users[:20]:
        (user,) = [row for row in users if row[0] == person.user_id]
        assert (user[4], user[5]) == (person.first_name[:20], person.last_name[:20])
        (company,) = [row for row in clients if row[0] == user[1]]
        inn = client.tenant.history.directory.organisations[person.organisation].inn
        assert company[4] == inn


@pytest.mark.proves("onec.client-user-read")
def test_users_belong_to_clients(client: Client) -> None:
    cast = client.tenant.history.directory
    rows = client.read("ClientUserRead")
    assert len(rows) == len(cast.users)
    for row, user in zip(rows, cast.users, strict=True):
        assert row["ClientUserID"] == user.user_id
        assert row["ClientID"] == cast.organisations[user.organisation].client_id
        names = (row["Name"], row["Surname"], row["SecondaryName"])
        assert names == (user.first_name[:20], user.last_name[:20], user.patronymic[:20])


@pytest.mark.proves("onec.client-user-read")
def test_users_of_one_client(client: Client) -> None:
    wanted = client.read("ClientRead")[4]["ClientID"]
    rows = client.read("ClientUserRead", ClientID=wanted)
    assert rows
    assert rows == [row for row in client.read("ClientUserRead") if row["ClientID"] == wanted]
    assert client.read("ClientUserRead", ClientID="00000000-0000-4000-8000-000000000001") == []


@pytest.mark.proves("onec.specialist-read")
def test_specialists_have_the_observed_columns(client: Client) -> None:
    cast = client.tenant.history.directory
    rows = client.read("SpecialistRead")
    assert list(rows[0]) == [
        "SpecialistID", "CreatedAt", "Deleted", "Login", "Name", "Surname", "SecondaryName",
        "Birthday", "Post", "DepartmentID", "Phone", "EMail",
    ]  # fmt: skip
    departments = {row["DepartmentID"] for row in client.read("DepartmentRead")}
    for row, person in zip(rows, cast.operators, strict=True):
        assert row["SpecialistID"] == person.specialist_id
        assert row["Deleted"] is person.has_left(client.tenant.clock.now().date())
        assert isinstance(row["Login"], Decimal)
        assert row["Birthday"].date() == person.birthday
        assert row["DepartmentID"] in departments


@pytest.mark.proves("onec.service-line-kind-read")
def test_lines_have_the_id_first_and_the_name_third(client: Client) -> None:
    table = client.table(make_call("ServiceLineKindRead"))
    lines = client.tenant.history.directory.lines
    assert [(row[0], row[2]) for row in table.rows] == [(n.service_id, n.name) for n in lines]


@pytest.mark.proves("onec.user-service-line-read", "onec.empty-date", "onec.third-party")
def test_every_user_has_every_line_and_some_for_ever(client: Client) -> None:
    cast = client.tenant.history.directory
    rows = client.read("UserServiceLineRead")
    users = {user.user_id for user in cast.users} | {*cast.vendor_users}
    assert {(row["ServiceUserID"], row["ServiceID"]) for row in rows} == {
        (user, line.service_id) for user in users for line in cast.lines
    }
    expires = {row["ExpiresDate"] for row in rows}
    assert EMPTY_DATE in expires and len(expires) > 1
    assert all(moment == EMPTY_DATE or moment > datetime(2034, 12, 31) for moment in expires)
    assert all(row["CreateTime"] < datetime(2015, 1, 1) for row in rows)


@pytest.mark.proves("onec.read-zones")
@pytest.mark.parametrize("zone", ["Asia/Vladivostok", "America/New_York", "Europe/Moscow"])
def test_dates_of_a_subscription_are_in_gmt_3_and_other_times_in_the_cabinets_zone(
    service: Service, zone: str
) -> None:
    moscow, other = service.client(timezone="Etc/GMT-3"), service.client(timezone=zone)
    pairs = zip(moscow.read("UserServiceLineRead"), other.read("UserServiceLineRead"), strict=True)
    changed = 0
    for ours, theirs in pairs:
        assert ours["CreateTime"] == theirs["CreateTime"]
        assert ours["ExpiresDate"] == theirs["ExpiresDate"]
        assert ours["ActivateDate"] == datetime.combine(ours["CreateTime"].date(), time())
        begun = theirs["CreateTime"].replace(tzinfo=ZoneInfo(zone))
        there = begun.astimezone(timezone(timedelta(hours=3)))
        assert theirs["ActivateDate"] == datetime.combine(there.date(), time())
        changed += ours["ActivateDate"] != theirs["ActivateDate"]
    assert changed


@pytest.mark.proves("onec.changed-from")
@pytest.mark.parametrize("operation", READS)
def test_changed_from_selects_what_changed_since(service: Service, operation: str) -> None:
    client = service.client(now="2026-03-03T02:30:00")
    everything = client.read(operation)
    assert client.read(operation, ChangedFrom="2014-01-01T00:00:00") == everything
    assert client.read(operation, ChangedFrom="2025-03-03T02:30:01") == everything
    assert client.read(operation, ChangedFrom="2026-03-03T02:30:01") == []
    assert "onec.changed-times" in client.journal[-1].assumptions


@pytest.mark.proves("onec.changed-times")
def test_changes_of_a_year_come_one_after_the_other(service: Service) -> None:
    client = service.client(now="2026-03-03T02:30:00")
    counts = []
    for days in (1, 30, 100, 200, 366):
        since = datetime(2026, 3, 3, 2, 30) - timedelta(days=days)
        counts.append(len(client.read("UserServiceLineRead", ChangedFrom=since.isoformat())))
    assert counts == sorted(counts)
    assert counts[0] < counts[2] < counts[-1] == len(client.read("UserServiceLineRead"))
    zone = client.tenant.clock.zone
    client.tenant.clock = Clock(zone, datetime(2026, 3, 4, 2, 30))
    news = client.read("UserServiceLineRead", ChangedFrom="2026-03-03T02:30:01")
    client.tenant.clock = Clock(zone, datetime(2026, 3, 3, 2, 30))
    olds = client.read("UserServiceLineRead", ChangedFrom="2026-02-03T02:30:01")
    assert all(row not in olds for row in news), "nothing changes twice in a month"


@pytest.mark.parametrize("operation", READS)
def test_reads_refuse_unknown_parameters(client: Client, operation: str) -> None:
    call = make_call(operation, make_parameter("PeriodFrom", "2026-01-01T00:00:00"))
    answer = client.answer(call)
    assert answer["ResultCode"] == "PARAM_UNKNOWN"
    assert str(answer["ResultData"]).endswith(", got 'PeriodFrom'")


def test_long_names_are_cut_and_special_characters_kept(service: Service) -> None:
    client = service.client()
    text = " ".join(row["FullName"] + row["Name"] for row in client.read("ClientRead"))
    text += " ".join(row["Name"] + row["Surname"] for row in client.read("ClientUserRead"))
    assert {"&", '"', "ё", "🌻"} <= set(text)
