"""Calls an hour: how many, of whom, until when."""

from __future__ import annotations

from datetime import datetime

import pytest

from callmocks.onec.contract import load_operations
from tests.onec.conftest import (
    DAY,
    NIGHT,
    Client,
    Service,
    make_call,
    make_history_call,
    make_parameter,
)

LINES = make_call("ServiceLineKindRead")
CALLS = make_history_call(PeriodFrom="2026-03-02T00:00:00", PeriodTo="2026-03-02T00:01:00")


def answered(client: Client, body: bytes, limit: int) -> int:
    """How many calls succeed before the first refusal for the limit."""
    for number in range(limit + 1):
        answer = client.answer(body)
        if answer["ResultCode"] == "OUT_OF_LIMIT":
            assert answer["ResultData"] == "limit reached"
            return number
    return limit + 1


def limited(service: Service, now: str, **settings: str) -> Client:
    return service.client(now=now, limits="documented", **settings)


@pytest.mark.proves("onec.quota", "onec.code-out-of-limit")
@pytest.mark.parametrize(("now", "limit"), [(DAY, 10), (NIGHT, 50)])
def test_the_history_is_limited_to_10_by_day_and_50_by_night(
    service: Service, now: str, limit: int
) -> None:
    assert answered(limited(service, now), CALLS, limit) == limit


@pytest.mark.proves("onec.read-limits", "onec.quota-account")
@pytest.mark.parametrize(
    ("now", "limit"), [(DAY, 250), pytest.param(NIGHT, 1250, marks=pytest.mark.slow)]
)
def test_reads_are_limited_to_250_by_day_and_1250_by_night(
    service: Service, now: str, limit: int
) -> None:
    client = limited(service, now, world="empty")
    assert answered(client, LINES, limit) == limit
    assert client.code(make_call("DepartmentRead")) == "SUCCESS", "each operation has its own"


def test_the_limits_are_those_of_the_table() -> None:
    limits = {name: (op.limits.day, op.limits.night) for name, op in load_operations().items()}
    assert limits.pop("GetHistoryOfServiceCalls") == (10, 50)
    assert set(limits.values()) == {(250, 1250)}


@pytest.mark.proves("onec.quota-account")
def test_each_account_has_its_limit(service: Service) -> None:
    first, second = limited(service, DAY), limited(service, DAY)
    assert answered(first, CALLS, 10) == 10
    assert second.code(CALLS) == "SUCCESS"


@pytest.mark.proves("onec.quota-hour")
def test_the_hour_is_the_clocks_hour(service: Service) -> None:
    client = limited(service, "2026-03-03T12:59:59")
    assert answered(client, CALLS, 10) == 10
    client.tenant.clock.advance(0.9)
    assert client.code(CALLS) == "OUT_OF_LIMIT"
    client.tenant.clock.advance(0.1)
    assert answered(client, CALLS, 10) == 10


def test_at_night_fall_the_limit_of_the_night_begins(service: Service) -> None:
    client = limited(service, "2026-03-03T19:59:00")
    assert answered(client, CALLS, 10) == 10
    client.tenant.clock.freeze(datetime(2026, 3, 3, 20))
    assert answered(client, CALLS, 50) == 50


@pytest.mark.proves("onec.quota-counts")
def test_refused_calls_count_too(service: Service) -> None:
    client = limited(service, DAY)
    bad = make_history_call(PeriodFrom="2020-01-01T00:00:00")
    for _ in range(10):
        assert client.code(bad) == "PERIOD_TOO_LONG"
    assert client.code(bad) == "OUT_OF_LIMIT"
    assert client.code(CALLS) == "OUT_OF_LIMIT"


@pytest.mark.proves("onec.quota-counts")
def test_unauthorized_and_invalid_requests_do_not_count(service: Service) -> None:
    client = limited(service, DAY)
    for _ in range(12):
        assert client.post(CALLS, auth=(client.tenant.name, "wrong")).status_code == 401
        assert client.post(b"<broken").status_code == 400
        assert client.post(make_call("GetHistoryOfServiceCalls", "<x/>")).status_code == 400
    assert answered(client, CALLS, 10) == 10


def test_limits_off_stops_the_counters_and_nothing_else(service: Service) -> None:
    client = service.client(now=DAY, limits="off")
    assert answered(client, CALLS, 20) == 21
    assert client.code(make_history_call(PeriodFrom="2020-01-01T00:00:00")) == "PERIOD_TOO_LONG"
    assert client.code(make_history_call()) == "PARAM_NOT_EXIST"


def test_the_journal_says_that_a_frozen_clock_never_resets_a_limit(service: Service) -> None:
    client = limited(service, DAY)
    answered(client, CALLS, 10)
    (note,) = client.journal[-1].notes
    assert "frozen" in note
    assert "onec.quota-hour" in client.journal[-1].assumptions
    client.tenant.clock.run(datetime.fromisoformat(DAY))
    assert client.code(CALLS) == "OUT_OF_LIMIT"
    assert client.journal[-1].notes == ()


async def test_reset_gives_the_hour_back(service: Service) -> None:
    client = limited(service, DAY)
    answered(client, CALLS, 10)
    await client.tenant.reset()
    assert client.code(CALLS) == "SUCCESS"


@pytest.mark.proves("onec.quota-counts")
def test_the_limit_is_checked_before_the_parameters(service: Service) -> None:
    client = limited(service, DAY)
    answered(client, CALLS, 10)
    bad = make_call("GetHistoryOfServiceCalls", make_parameter("Colour", "red"))
    assert client.code(bad) == "OUT_OF_LIMIT"
