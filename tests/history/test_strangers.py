"""Strangers who become known: what providers say of them before that day and after it."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

import callmocks
from callmocks.onec import read_answer
from callmocks.testing.mocks import Mocks
from callmocks.testing.tenant import TenantHandle
from tests.history.observed_quarter import send
from tests.onec.conftest import make_call

FIELDS = ["start_time", "contact_phone_number", "contact_id"]


@pytest.fixture(scope="module")
def mocks() -> Iterator[Mocks]:
    with callmocks.running(world="default", limits="off") as suite:
        yield suite


def read_calls(
    tenant: TenantHandle, first: str, last: str, phones: list[str]
) -> list[dict[str, Any]]:
    params = {
        "access_token": tenant.cdr.token,
        "date_from": f"{first} 00:00:00",
        "date_till": f"{last} 23:59:59",
        "fields": FIELDS,
        "limit": 10_000,
        "filter": {"field": "contact_phone_number", "operator": "in", "value": phones},
    }
    body = {"jsonrpc": "2.0", "id": 1, "method": "get.calls_report", "params": params}
    answer = json.loads(send(tenant.cdr.url, json.dumps(body).encode()))
    rows: list[dict[str, Any]] = answer["result"]["data"]
    return rows


def read_users(mocks: Mocks, now: str) -> dict[str, int]:
    """Contact ids by phone, as 1C lists them at a time."""
    tenant = mocks.tenant(seed=42, now=f"{now}T12:00:00")
    key = base64.b64encode(f"{tenant.name}:{tenant.name}".encode()).decode()
    answer = read_answer(
        send(
            tenant.onec.url,
            make_call("ClientUserRead"),
            **{
                "Authorization": f"Basic {key}",
                "Content-Type": "application/soap+xml; charset=utf-8",
            },
        )
    )
    rows = answer["ResultData"].records()  # type: ignore[union-attr]
    return {str(row["Phone"]): int(str(row["Login"])) for row in rows}


def test_a_stranger_becomes_known_to_all_providers(mocks: Mocks) -> None:
    early, late = read_users(mocks, "2015-02-01"), read_users(mocks, "2026-03-02")
    assert early.items() < late.items()
    strangers = sorted(late.keys() - early.keys())
    assert 0.05 < len(strangers) / len(late) < 0.25
    tenant = mocks.tenant(seed=42, now="2026-03-02T12:00:00")
    calls = read_calls(tenant, "2015-01-01", "2015-01-31", strangers)
    assert len(calls) > 20
    assert {call["contact_id"] for call in calls} == {None}
    calls = read_calls(tenant, "2026-01-01", "2026-01-31", strangers)
    assert len(calls) > 20
    for call in calls:
        assert call["contact_id"] == late[call["contact_phone_number"]]


def test_the_day_is_one_for_the_list_and_for_the_calls(mocks: Mocks) -> None:
    """Of one who rings often: listed on the day of his first call as a contact, or before."""
    late, early = read_users(mocks, "2026-03-02"), read_users(mocks, "2015-02-01")
    strangers = sorted(late.keys() - early.keys())
    tenant = mocks.tenant(seed=42, now="2026-03-02T12:00:00")
    for year in range(2015, 2026):
        calls = read_calls(tenant, f"{year}-01-01", f"{year}-03-01", strangers)
        listed = read_users(mocks, f"{year}-01-01"), read_users(mocks, f"{year}-03-01")
        for call in calls:
            phone, known = call["contact_phone_number"], call["contact_id"] is not None
            assert known or phone not in listed[0], call
            assert phone in listed[1] or not known, call
