"""The browsed history against the providers' own answers and the truth."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import datetime
from typing import Any

import pytest

from tests.dashboard.conftest import NOW, Site

DAY = {"date_from": "2026-03-02 00:00:00", "date_till": "2026-03-02 23:59:59"}


def cells(page: Any, column: int) -> list[str]:
    """Texts of a column of the page's list."""
    rows = page.xpath("//table[contains(@class, 'list')]/tbody/tr")
    shown = f"string(*[{column}]/a | *[{column}][not(a)])"  # phones have the reason in it, too
    return [" ".join(row.xpath(shown).split()) for row in rows]


def total(page: Any) -> int:
    """How many rows the list has on all its pages."""
    found = re.search(
        r"of (\d+)", page.xpath("string(//nav[@class='pager'])").replace("\u202f", "")
    )
    assert found is not None
    return int(found[1])


def walk(site: Site, path: str) -> list[Any]:
    """All pages of a list."""
    pages = [site.get(path).page]
    while after := pages[-1].xpath("//nav[@class='pager'][1]/a[@rel='next']/@href"):
        pages.append(site.get(after[0]).page)
    return pages


@pytest.mark.parametrize(
    ("path", "method", "column"),
    [
        ("/tenants/demo/cdr", "get.calls_report", 2),
        ("/tenants/demo/cdr/legs", "get.call_legs_report", 3),
    ],
)
def test_cdr_lists_are_what_the_data_api_answers(
    site: Site, path: str, method: str, column: int
) -> None:
    answer = site.rpc(method, **DAY, limit=10_000, fields=["id"])["result"]
    pages = walk(site, path)
    assert total(pages[0]) == answer["metadata"]["total_items"]
    ids = [int(text) for page in pages for text in cells(page, column)]
    assert ids == [row["id"] for row in reversed(answer["data"])]


def test_a_reason_narrows_the_list(site: Site) -> None:
    reason = {"field": "finish_reason", "operator": "=", "value": "operator_disconnects"}
    answer = site.rpc("get.call_legs_report", **DAY, filter=reason)["result"]
    page = site.get("/tenants/demo/cdr/legs?reason=operator_disconnects").page
    assert total(page) == answer["metadata"]["total_items"] > 0
    assert set(cells(page, 10)) == {"operator_disconnects"}


def test_arm_lists_are_what_the_workplace_answers(site: Site) -> None:
    number = "101"
    window = 'from_date="2026/03/02 00:00:00" skip_incomplete="false" offset="0" limit="1000"'
    rows = site.arm(number, window).xpath("//call_history")
    pages = walk(site, f"/tenants/demo/arm?operator={number}")
    shown = [cell for page in pages for cell in cells(page, 9)]
    hours = [cell[:2] for page in pages for cell in cells(page, 1)]
    assert shown == [row.get("call_ref") for row in rows]
    assert hours == [row.get("start_time")[11:13] for row in rows]


def test_arm_lists_mark_who_has_left(site: Site) -> None:
    roster = site.api(
        "GET", "/api/tenants/demo/roster?from=2026-03-02T00:00:00&till=2026-03-03T00:00:00"
    )
    page = site.get("/tenants/demo/arm").page
    marked = {
        option.get("value"): option.text_content().rpartition(" (left on ")[2].rstrip(")")
        for option in page.xpath("//select[@id='operator']/option")
        if "(left on " in option.text_content()
    }
    assert marked == {
        row["operator"]: row["last_day"] for row in roster["operators"] if row["left"]
    }
    assert len(marked) == 1


def test_onec_lists_hold_the_calls_that_truth_has_for_1c(site: Site) -> None:
    calls = site.truth("2026-03-02", NOW)
    expected = [call["onec"]["CallID"] for call in calls if call["onec"] and call["finished"]]
    shown = [text for page in walk(site, "/tenants/demo/onec") for text in cells(page, 2)]
    assert shown == expected[::-1]


def test_the_calls_and_their_charts_are_the_truth(site: Site) -> None:
    calls = site.truth("2026-03-02", NOW)
    pages = walk(site, "/tenants/demo/calls")
    assert total(pages[0]) == len(calls)
    times = [text for page in pages for text in cells(page, 1)]
    assert times == [call["start"][11:19] for call in reversed(calls)]
    ended = [call for call in calls if call["finished"]]
    table = pages[0].xpath("//table[.//th[.='Finish reason'] and .//th[.='calls']]")[0]
    counted = {
        row.xpath("string(th)"): int(row.xpath("string(td)")) for row in table.xpath("tbody/tr")
    }
    assert sum(counted.values()) == len(ended)
    params = {"access_token": "demo-token", "limit": 10_000, "fields": ["finish_reason"]}
    params |= {"date_from": "2026-03-02 00:00:00", "date_till": "2026-03-02 23:59:59"}
    request = {"jsonrpc": "2.0", "id": 1, "method": "get.calls_report", "params": params}
    answer = json.loads(site.send(site.urls["cdr"], "POST", request).text)
    reasons = Counter(row["finish_reason"] for row in answer["result"]["data"])
    assert counted.items() >= dict(reasons.most_common(5)).items()
    by_hour = pages[0].xpath("//table[.//th[.='Began'] and .//th[.='lost']]")[0]
    ten = by_hour.xpath("tbody/tr[th='10:00']/td/text()")
    assert sum(map(int, ten)) == sum(call["start"][11:13] == "10" for call in ended)


def test_charts_consist_of_shapes_and_text(site: Site) -> None:
    page = site.get("/tenants/demo/calls?span=30").page
    charts = page.xpath("//figure[@class='chart']//*[local-name()='svg']")
    assert len(charts) == 4
    for chart in charts:
        assert chart.xpath(".//*[local-name()='rect']")
        assert not chart.xpath(".//*[local-name()='style' or local-name()='script']")
    titles = page.xpath("//figure[@class='chart'][1]//div[@class='wide']//*[local-name()='title']")
    assert re.fullmatch(r"2026-02-01: \d+", titles[0].text)


def test_the_same_call_is_linked_across_views(site: Site) -> None:
    calls = site.truth("2026-03-02", NOW)
    call = next(
        each for each in calls if each["onec"] and len(each["arm"]) > 1 and each["finished"]
    )
    session = call["cdr"]["call_session_id"]
    page = site.get(f"/tenants/demo/calls/{session}").page
    arm, cdr, onec = (
        page.xpath(f"string(//section[@id='{provider}'])") for provider in ("arm", "cdr", "onec")
    )
    assert all(each["call_ref"] in arm for each in call["arm"])
    assert all(str(leg) in cdr for leg in call["cdr"]["leg_ids"]) and str(session) in cdr
    assert call["onec"]["CallID"] in onec
    for href in page.xpath("//section[contains(@class, 'part')]//a/@href"):
        listed = site.get(href)
        assert listed.status == 200
        assert "2026-03-02" in href
    bars = page.xpath("//ol[@class='legs']/li")
    assert len(bars) == len(call["legs"])


def test_any_id_leads_to_its_call(site: Site) -> None:
    calls = site.truth("2026-03-02", NOW)
    call = next(each for each in calls if each["onec"] and each["arm"] and each["recorded"])
    session = call["cdr"]["call_session_id"]
    path = f"/tenants/demo/calls/{session}"
    record = site.get(path).page.xpath("string(//div[dt='call_records']/dd)")
    ids = [
        str(session),
        str(call["cdr"]["communication_id"]),
        *map(str, call["cdr"]["leg_ids"]),
        call["onec"]["CallID"].upper(),
        call["arm"][0]["call_ref"],
        record.split(",")[0],
    ]
    for wanted in ids:
        reply = site.get(f"/tenants/demo/find?q={wanted}&day=2026-03-02")
        assert str(session) in reply.page.xpath("string(//section[@id='cdr'])"), wanted


def test_a_phone_number_leads_to_its_calls(site: Site) -> None:
    calls = site.truth("2026-03-02", NOW)
    phone = next(call["client_phone"] for call in calls if call["client_phone"])
    page = site.get(f"/tenants/demo/find?q=%2B{phone}&day=2026-03-02").page
    assert total(page) == sum(call["client_phone"] == phone for call in calls)


@pytest.mark.parametrize("wanted", ["xyz", "0" * 32, "99999999999", "<b>"])
def test_an_unknown_id_is_reported(site: Site, wanted: str) -> None:
    page = site.get(f"/tenants/demo/find?q={wanted}").page
    text = page.xpath("string(//main)")
    assert wanted in text or "Nothing like this" in text


def test_a_call_under_way_shows_nothing_of_its_end(site: Site) -> None:
    session = site.pin_running_call()
    calls = site.truth("2026-03-02", NOW)
    call = next(each for each in calls if each["cdr"]["call_session_id"] == session)
    assert not call["finished"]
    page = site.get(f"/tenants/demo/calls/{call['cdr']['call_session_id']}").page
    text = page.xpath("string(//main)")
    assert "under way" in text
    assert call["end"][11:19] not in text
    assert datetime.fromisoformat(call["end"]) > datetime.fromisoformat(NOW)
    assert "The Data API shows a call when it has ended" in text
    row = site.get("/tenants/demo/calls").page.xpath("//tr[@class='running'][1]")[0]
    assert "under way" in row.xpath("string()")


def test_a_call_that_has_not_begun_is_not_there(site: Site) -> None:
    site.api("PUT", "/api/tenants/demo/clock", {"now": "2026-03-02T18:00:00"})
    later = site.truth("2026-03-02T17:00:00", "2026-03-02T18:00:00")[0]
    site.api("PUT", "/api/tenants/demo/clock", {"now": NOW})
    session = later["cdr"]["call_session_id"]
    assert site.get(f"/tenants/demo/calls/{session}").status == 404
    assert "Nothing like this" in site.get(f"/tenants/demo/find?q={session}").text


def test_pinned_calls_are_listed_and_named_so(site: Site) -> None:
    pin = site.api(
        "POST",
        "/api/tenants/demo/calls",
        {"start": "2026-03-02T12:34:56", "operator": "103", "talk_seconds": 60},
    )
    times = [text for page in walk(site, "/tenants/demo/calls") for text in cells(page, 1)]
    assert "12:34:56" in times
    page = site.get(f"/tenants/demo/calls/{pin['id']}").page
    assert "pinned" in page.xpath("string(//main)")
    assert "Operator 103" in page.xpath("string(//section[@id='arm'])")


def test_a_leg_that_starts_after_midnight_leads_to_its_call(site: Site) -> None:
    call = {"start": "2026-03-01T23:59:50", "wait_seconds": 30, "operator": "101"}
    pin = site.api("POST", "/api/tenants/demo/calls", call)
    for leg in pin["cdr"]["leg_ids"]:
        page = site.get(f"/tenants/demo/find?q={leg}").page
        assert str(pin["id"]) in page.xpath("string(//section[@id='cdr'])")
