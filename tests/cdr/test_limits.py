"""Points of the day and of the minute, by the tenant's clock."""

from __future__ import annotations

from typing import Any

import pytest

from callmocks.tenants.settings import CdrSettings
from tests.cdr.conftest import Answer, CdrClient, last_entry, mnemonic


def limits(answer: Answer) -> dict[str, int]:
    part: dict[str, Any] = answer["result"] if "result" in answer else answer["error"]["data"]
    found: dict[str, int] = part["metadata"]["limits"]
    return found


def remaining(answer: Answer) -> tuple[int, int]:
    found = limits(answer)
    return found["day_remaining"], found["minute_remaining"]


@pytest.mark.proves("cdr.point-windows")
def test_default_limits_are_3000_and_60(api: CdrClient) -> None:
    api.tenant(limits="documented")
    found = limits(api.rpc("get.account"))
    assert (found["day_limit"], found["minute_limit"]) == (3000, 60)
    assert (found["day_remaining"], found["minute_remaining"]) == (2999, 59)


@pytest.mark.proves("cdr.points", "cdr.login-metadata")
def test_every_successful_call_costs_a_point(api: CdrClient) -> None:
    api.tenant(limits="documented")
    calls = [
        lambda: api.rpc("login.user", token=None, login="t", password="t"),
        lambda: api.rpc("get.account"),
        lambda: api.legs(),
        lambda: api.sessions(),
        lambda: api.rpc("logout.user"),
    ]
    assert [remaining(call()) for call in calls] == [(3000 - n, 60 - n) for n in range(1, 6)]


@pytest.mark.proves("cdr.points")
def test_failed_calls_cost_nothing(api: CdrClient) -> None:
    api.tenant(limits="documented")
    for answer in (
        api.legs(page=2),
        api.rpc("get.nothing"),
        api.rpc("get.account", token="wrong"),
        api.rpc("get.customer_users"),
        api.rpc("login.user", token=None, login="t", password="wrong"),
    ):
        assert "error" in answer
    assert remaining(api.rpc("get.account")) == (2999, 59)


@pytest.mark.proves("cdr.point-windows")
def test_the_minute_runs_out_and_comes_back(api: CdrClient) -> None:
    tenant = api.tenant(limits="documented", now="2026-03-05T12:00:20")
    answers = [api.rpc("get.account") for _ in range(61)]
    assert remaining(answers[59]) == (2940, 0)
    refused = answers[60]["error"]
    assert refused["message"] == (
        "Limit per minute has been exceeded. Value of current limit per minute is 60"
    )
    assert limits(answers[60])["minute_reset"] == 40
    tenant.clock.advance(39)
    assert mnemonic(api.rpc("get.account")) == "limit_exceeded"
    tenant.clock.advance(1)
    assert remaining(api.rpc("get.account")) == (2939, 59)


@pytest.mark.proves("cdr.point-windows")
def test_the_day_runs_out_and_comes_back_at_midnight(api: CdrClient) -> None:
    tenant = api.tenant(limits="documented", cdr=CdrSettings(day_limit=2, minute_limit=60))
    assert remaining(api.rpc("get.account")) == (1, 59)
    assert remaining(api.rpc("get.account")) == (0, 58)
    answer = api.rpc("get.account")
    assert answer["error"]["data"]["params"] == {"limit_type": "day", "limit_max_value": 2}
    assert limits(answer)["day_reset"] == 12 * 3600
    tenant.clock.advance(12 * 3600 - 1)
    assert mnemonic(api.rpc("get.account")) == "limit_exceeded"
    tenant.clock.advance(1)
    assert remaining(api.rpc("get.account")) == (1, 59)


@pytest.mark.proves("cdr.point-windows")
def test_days_can_be_those_of_utc(api: CdrClient) -> None:
    tenant = api.tenant(
        limits="documented", now="2026-03-05T12:00:00", timezone="Asia/Yekaterinburg"
    )
    assert limits(api.rpc("get.account"))["day_reset"] == 12 * 3600
    tenant.assumptions.set_choice("cdr.point-windows", "utc")
    assert limits(api.rpc("get.account"))["day_reset"] == 17 * 3600
    tenant.clock.advance(17 * 3600 - 1)
    assert remaining(api.rpc("get.account"))[0] == 2997
    tenant.clock.advance(1)
    assert remaining(api.rpc("get.account"))[0] == 2999


@pytest.mark.proves("cdr.points", "cdr.point-windows")
@pytest.mark.parametrize(
    ("now", "day", "minute"),
    [
        ("2026-03-05T00:00:00", 86_400, 60),
        ("2026-03-05T23:59:59", 1, 1),
        ("2026-03-05T12:34:56.789", 41_104, 4),
    ],
)
def test_resets_are_seconds_to_the_windows_end(
    api: CdrClient, now: str, day: int, minute: int
) -> None:
    api.tenant(now=now)
    found = limits(api.rpc("get.account"))
    assert (found["day_reset"], found["minute_reset"]) == (day, minute)


def test_with_limits_off_counters_stand_at_their_maxima(api: CdrClient) -> None:
    api.tenant(limits="off")
    for _ in range(70):
        assert remaining(api.rpc("get.account")) == (3000, 60)


def test_a_frozen_clock_never_resets_and_the_journal_says_so(api: CdrClient) -> None:
    tenant = api.tenant(limits="documented", cdr=CdrSettings(minute_limit=0))
    api.rpc("get.account")
    (note,) = last_entry(tenant).notes
    assert "never resets" in note
    assert "frozen" in note


def test_tenants_have_points_of_their_own(api: CdrClient) -> None:
    api.tenant(limits="documented")
    api.tenant("u", limits="documented")
    api.rpc("get.account")
    assert remaining(api.rpc("get.account", token="u-token")) == (2999, 59)


@pytest.mark.proves("cdr.error-metadata")
def test_errors_before_authentication_show_no_limits(api: CdrClient) -> None:
    api.tenant()
    for answer in (api.rpc("get.account", token="wrong"), api.rpc("get.nothing")):
        assert "metadata" not in answer["error"]["data"]


@pytest.mark.proves("cdr.api-version")
def test_a_deprecated_version_says_so_in_metadata(api: CdrClient) -> None:
    tenant = api.tenant()
    answers = [api.legs(limit=1)["result"], api.legs(page=2)["error"]["data"]]
    assert all(list(answer["metadata"])[-1:] == ["limits"] for answer in answers)
    assert not any("api_version" in answer["metadata"] for answer in answers)
    assert "cdr.api-version" not in last_entry(tenant).assumptions
    tenant.assumptions.set_choice("cdr.api-version", "deprecated")
    for answer in (api.legs(limit=1)["result"], api.legs(page=2)["error"]["data"]):
        version = answer["metadata"]["api_version"]
        assert version["current_version_depricated"] is True
        assert version["current_version"] == "v2.0" < version["latest_version"]
        assert "limits" in answer["metadata"]
    assert "cdr.api-version" in last_entry(tenant).assumptions


@pytest.mark.proves("cdr.error-limits")
def test_errors_can_come_without_limits(api: CdrClient) -> None:
    tenant = api.tenant()
    assert "metadata" in api.legs(page=2)["error"]["data"]
    assert "metadata" in api.rpc("logout.user", page=2)["error"]["data"]
    tenant.assumptions.set_choice("cdr.error-limits", "get-methods")
    assert "metadata" in api.legs(page=2)["error"]["data"]
    assert "metadata" not in api.rpc("logout.user", page=2)["error"]["data"]
    tenant.assumptions.set_choice("cdr.error-limits", "absent")
    assert "metadata" not in api.legs(page=2)["error"]["data"]


@pytest.mark.proves("cdr.check-order")
def test_parameters_can_come_before_limits(api: CdrClient) -> None:
    tenant = api.tenant(limits="documented", cdr=CdrSettings(minute_limit=0))
    tenant.assumptions.set_choice("cdr.check-order", "parameters-first")
    assert mnemonic(api.legs(page=2)) == "unexpected_parameters"
    assert mnemonic(api.legs()) == "limit_exceeded"
