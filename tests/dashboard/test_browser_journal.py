"""The journal's page in a real Chromium, as requests come."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.dashboard.browser import Browser
from tests.dashboard.conftest import Site, running

DAY = {"date_from": "2026-03-02 00:00:00", "date_till": "2026-03-02 23:59:59"}
LEFT_EDGES = """
const text = document.querySelector(arguments[0]).firstChild;
return [0, text.length - 1].map((at) => {
  const range = document.createRange();
  range.setStart(text, at);
  range.setEnd(text, at + 1);
  return range.getBoundingClientRect().left;
});
"""
"""Of the first and the last character."""


def entries(browser: Browser) -> list[Any]:
    return browser.all("#entries > li")


def test_a_request_appears_in_the_journal_the_moment_it_comes(browser: Browser, site: Site) -> None:
    browser.open("/tenants/demo/journal")
    browser.wait(lambda: browser.text("#live-state") == "Live")
    assert entries(browser) == []
    site.rpc("get.account")
    browser.wait(lambda: len(entries(browser)) == 1)
    assert "get.account" in entries(browser)[0].text
    assert browser.text("#counted") == "1 entry, 0 with violations"
    for number in range(5):
        site.rpc("get.call_legs_report", **DAY, limit=number + 1)
    browser.wait(lambda: len(entries(browser)) == 6)
    newest = browser.run("return [...document.querySelectorAll('#entries > li')].map((e) => e.id)")
    numbers = [int(name.removeprefix("e")) for name in newest]
    assert numbers == list(range(numbers[0], numbers[0] - 6, -1))


def test_violations_are_marked_and_opened_in_place(browser: Browser, site: Site) -> None:
    browser.open("/tenants/demo/journal")
    browser.wait(lambda: browser.text("#live-state") == "Live")
    site.rpc("get.call_legs_report", **DAY, limit="x", sort=[{"field": "<b>"}])
    entry = browser.wait(lambda: browser.one("#entries > li.violated"))
    assert "2 violations" in entry.text
    browser.wait(lambda: browser.text(".count.journal") == "1\nwith violations")
    entry.find_element("css selector", "summary").click()
    browser.wait(lambda: browser.one("#entries .violations"))
    assert "a JSON integer" in browser.text("#entries .violations")
    marked = [mark.text for mark in browser.all("#entries mark")]
    assert marked == ['"x"', '"<b>"']
    browser.one("#entries .facts a[href*='assumptions#']").click()
    browser.wait(lambda: "Assumptions" in browser.driver.title)


def test_a_row_tells_the_end_of_an_answer_that_was_being_sent(browser: Browser, site: Site) -> None:
    fault = {"provider": "cdr", "fault": "delay", "params": {"ms": 1500}, "times": 1}
    site.api("POST", "/api/tenants/demo/faults", fault)
    browser.open("/tenants/demo/journal")
    browser.wait(lambda: browser.text("#live-state") == "Live")
    with ThreadPoolExecutor(1) as thread:
        sent = thread.submit(site.rpc, "get.account")
        browser.wait(lambda: "being sent" in browser.text("#entries .marks"))
        assert "result" in sent.result(30)
    browser.wait(lambda: "being sent" not in browser.text("#entries .marks"))
    assert browser.text("#entries .marks").startswith("fault delay")
    assert browser.text("#entries .took").endswith("+ 1500 ms")
    browser.one("#entries summary").click()
    copied = browser.wait(lambda: browser.one("#entries .copies .snippet"))
    assert "demo-token" in copied.find_element("css selector", "code").get_attribute("textContent")


def test_a_paused_journal_continues_where_it_stopped(browser: Browser, site: Site) -> None:
    browser.open("/tenants/demo/journal")
    browser.wait(lambda: browser.text("#live-state") == "Live")
    pause = browser.one("[data-pause]")
    pause.click()
    assert pause.get_attribute("aria-pressed") == "true"
    assert browser.text("#live-state") == "Paused"
    for _ in range(3):
        site.rpc("get.account")
    assert entries(browser) == []
    pause.click()
    browser.wait(lambda: len(entries(browser)) == 3)


def test_a_filtered_journal_stays_filtered(browser: Browser, site: Site) -> None:
    browser.open("/tenants/demo/journal?violations=1")
    browser.wait(lambda: browser.text("#live-state") == "Live")
    site.rpc("get.account")
    site.rpc("get.account", limit="x")
    browser.wait(lambda: len(entries(browser)) == 1)
    browser.wait(lambda: browser.text("#counted") == "2 entries, 1 with violations")
    assert (
        entries(browser)[0]
        .get_attribute("id")
        .endswith(str(site.api("GET", "/api/tenants/demo/journal")["entries"][-1]["seq"]))
    )


def test_a_busy_journal_keeps_the_page_short(browser: Browser, site: Site) -> None:
    browser.open("/tenants/demo")
    for _ in range(30):
        site.rpc("get.account")
    browser.wait(lambda: browser.text("#counted").startswith("30 entries"))
    assert len(entries(browser)) == 6


def test_text_of_clients_never_runs(browser: Browser, site: Site) -> None:
    browser.open("/tenants/demo/journal")
    browser.wait(lambda: browser.text("#live-state") == "Live")
    evil = "<img src=x onerror='window.ran=1'><script>window.ran=1</script>"
    call = {"jsonrpc": "2.0", "id": 1, "method": evil, "params": {"access_token": "demo-token"}}
    site.send(site.urls["cdr"], "POST", call)
    browser.wait(lambda: len(entries(browser)) == 1)
    entries(browser)[0].find_element("css selector", "summary").click()
    browser.wait(lambda: browser.all("#entries article"))
    assert evil in entries(browser)[0].text
    assert browser.run("return window.ran") is None
    assert browser.all("#entries img") == []


def test_text_of_clients_turns_no_other_text_around(browser: Browser, site: Site) -> None:
    site.rpc("get.account", **{"a\u202e": "b"})
    site.api("POST", "/api/tenants", {"name": "turned", "world": {"title": "a\u202e"}})
    for path, other, text in (
        ("/tenants/demo/journal", "#entries .exchanged .bad", "unexpected_parameters"),
        ("/tenants/turned", ".lead a", "All calls"),
    ):
        browser.open(path)
        assert browser.text(other) == text
        first, last = browser.run(LEFT_EDGES, other)
        assert first < last


def test_pages_forms_and_streams_require_the_token(chromium: Any) -> None:
    with running(admin_token="secret", only=("cdr",)) as site:
        browser = Browser(chromium, site.control.replace("://", "://any:secret@"))
        browser.size(1280)
        browser.open("/tenants/demo/journal")
        browser.wait(lambda: browser.text("#live-state") == "Live")
        site.rpc("get.account")
        browser.wait(lambda: len(entries(browser)) == 1)
        browser.open("/tenants/demo/clock")
        browser.one("button[value='60']").click()
        browser.wait(lambda: browser.text(".big") == "2026-03-02 15:05:05")
        assert browser.console_messages() == []
