"""The clock page against the counters of the providers."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.dashboard.conftest import Site
from tests.dashboard.test_snippets import run, snippets


def left(site: Site, tenant: str = "demo") -> dict[str, tuple[str, str]]:
    """By limit: what is left, and in how long it is whole again."""
    page = site.get(f"/tenants/{tenant}/clock").page
    rows = page.xpath("//table[@class='limits']/tbody/tr")
    texts = [
        [" ".join(cell.text_content().replace("\u202f", "").split()) for cell in row]
        for row in rows
    ]
    return {cells[1]: (cells[2], cells[-1]) for cells in texts}


def test_points_of_the_data_api_are_what_its_answers_say(site: Site) -> None:
    for _ in range(4):
        answer = site.rpc("get.account")
    limits: dict[str, int] = answer["result"]["metadata"]["limits"]
    shown = left(site)
    assert shown["points a minute"] == (f"{limits['minute_remaining']} of 60", "0:55")
    assert shown["points a day"] == (f"{limits['day_remaining']} of 3000", "8:55:55")
    assert limits["minute_remaining"] == 56
    assert left(site) == shown, "reading the page uses nothing"


def test_calls_of_1c_connect_are_counted_by_its_hours(site: Site) -> None:
    name = "GetHistoryOfServiceCalls an hour"
    assert left(site)[name] == ("10 of 10", "55:55")
    request = snippets(site.get("/").page, "onec")[0]
    for used in range(1, 4):
        assert "SUCCESS" in run(*request)
        assert left(site)[name][0] == f"{10 - used} of 10"
    site.api("POST", "/api/tenants/demo/clock/advance", {"seconds": 3600})
    assert left(site)[name][0] == "10 of 10"
    site.api("POST", "/api/tenants/demo/clock/advance", {"seconds": 5 * 3600})
    assert left(site)[name][0] == "50 of 50", "by night"


def test_an_hour_that_begins_with_a_call_is_not_started_by_reading_the_page(site: Site) -> None:
    hour = "/api/tenants/demo/assumptions/onec.quota-hour"
    choices = site.api("GET", "/api/tenants/demo/assumptions")["assumptions"]
    known = next(each for each in choices if each["id"] == "onec.quota-hour")
    site.api("PUT", hour, {"choice": next(iter(known["alternatives"]))})
    name = "GetHistoryOfServiceCalls an hour"
    assert left(site)[name] == ("10 of 10", "–")
    site.api("POST", "/api/tenants/demo/clock/advance", {"seconds": 600})
    run(*snippets(site.get("/").page, "onec")[0])
    site.api("POST", "/api/tenants/demo/clock/advance", {"seconds": 60})
    assert left(site)[name] == ("9 of 10", "59:00")


def test_a_tenant_that_does_not_count_says_so(site: Site) -> None:
    now = site.api("GET", "/api/tenants/demo/clock")["now"]
    site.api("POST", "/api/tenants", {"name": "free", "limits": "off", "now": now})
    run(*snippets(site.get("/tenants/free").page, "onec")[0])
    page = site.get("/tenants/free/clock").page
    assert "does not count" in page.xpath("string(//main)")
    assert all(re.fullmatch(r"(\d+) of \1", text) for text, _ in left(site, "free").values())


@pytest.mark.parametrize(
    "jump", [{"now": "2026-03-09T09:00:00"}, {"now": "2026-03-09T09:00:00", "mode": "offset"}]
)
def test_a_clock_that_is_set_keeps_sessions_when_requested(site: Site, jump: Any) -> None:
    clock = "/api/tenants/demo/clock"
    assert "result" in site.rpc("get.account", access_token=token(site))
    kept = token(site)
    site.api("PUT", clock, {**jump, "keep_sessions": True})
    assert "result" in site.rpc("get.account", access_token=kept)
    site.api("PUT", clock, {"now": "2026-03-16T09:00:00"})
    assert "error" in site.rpc("get.account", access_token=kept)


def token(site: Site) -> str:
    """A new session's token."""
    answer = run(*snippets(site.get("/").page, "cdr")[1])
    found = re.search(r'"access_token":\s*"(\w+)"', answer)
    assert found is not None
    return found[1]


def test_the_page_shows_the_progress_of_the_day(site: Site) -> None:
    text = " ".join(site.get("/tenants/demo/clock").page.text_content().split())
    counted = re.search(
        r"Today (\d+) calls ended, (\d+) under way, (\d+) to come; the next at", text
    )
    assert counted is not None
    ended, under_way, to_come = map(int, counted.groups())
    calls = site.truth("2026-03-02", "2026-03-03")
    assert (ended, under_way) == (
        sum(call["finished"] for call in calls),
        sum(not call["finished"] for call in calls),
    )
    site.api("PUT", "/api/tenants/demo/clock", {"now": "2026-03-03T00:00:00"})
    assert len(site.truth("2026-03-02", "2026-03-03")) == ended + under_way + to_come
