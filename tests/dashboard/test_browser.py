"""The dashboard in a real Chromium."""

from __future__ import annotations

import json
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from tests.dashboard.browser import Browser
from tests.dashboard.conftest import NOW, Site
from tests.dashboard.test_snippets import run, snippets

TAB, ENTER, ESCAPE, SPACE = "\ue004", "\ue007", "\ue00c", " "
DAY = {"date_from": "2026-03-02 00:00:00", "date_till": "2026-03-02 23:59:59"}


def test_the_first_page_loads_and_links_to_all_sections(browser: Browser) -> None:
    browser.open("/")
    assert browser.driver.title == "Overview · demo · callmocks"
    names = [link.text.split("\n")[0] for link in browser.all("nav[aria-label='Tenant demo'] a")]
    assert names[:2] == ["Overview", "Call history"] and len(names) == 7
    loaded = browser.run("return performance.getEntriesByType('resource').map((e) => e.name)")
    assert loaded and all(name.startswith(browser.address) for name in loaded)


def test_a_fault_switched_on_changes_the_next_answer(browser: Browser, site: Site) -> None:
    browser.open("/tenants/demo/faults?provider=cdr")
    browser.one("#kind-rpc_error summary").click()
    mnemonic = browser.one("#rpc_error-mnemonic")
    mnemonic.send_keys("limit_exceeded")
    browser.one("#rpc_error-params").send_keys('{"no_such_name": "day"}')
    browser.one("#kind-rpc_error button.primary").click()
    browser.wait(lambda: "has no 'no_such_name'" in browser.text("#kind-rpc_error .problem"))
    complaint = browser.console_messages()
    assert len(complaint) == 1 and "422" in complaint[0]
    field = browser.one("#rpc_error-params")
    assert browser.focused() == field
    field.clear()
    field.send_keys('{"limit_type": "day"}')
    browser.one("#rpc_error--times").send_keys("1")
    browser.one("#kind-rpc_error button.primary").click()
    browser.wait(lambda: "rpc_error" in browser.text("#part-on"))
    assert browser.wait(lambda: browser.text("#status")) == "Fault rpc_error is on at CDR"
    answer = site.rpc("get.account")
    assert answer["error"]["data"]["mnemonic"] == "limit_exceeded"
    assert "result" in site.rpc("get.account")
    browser.open("/tenants/demo/faults?provider=cdr")
    assert "used up" in browser.text("#part-on")
    browser.one("#part-on td button").click()
    browser.wait(lambda: "None: every response" in browser.text("#part-on"))
    assert browser.focused().get_attribute("id") == "h-on"
    assert site.api("GET", "/api/tenants/demo/faults")["faults"] == []


def test_websockets_are_ended_one_or_all(browser: Browser, site: Site) -> None:
    with site.open_websocket("101") as first, site.open_websocket("102") as second:
        browser.open("/tenants/demo/faults?provider=arm")
        assert [each.text for each in browser.all("#part-websockets tbody th")] == ["101", "102"]
        browser.one("#part-websockets tbody tr:first-child form:last-child button").click()
        browser.wait(lambda: browser.text("#status") == "The websocket was ended")
        browser.wait(lambda: len(browser.all("#part-websockets tbody tr")) == 1)
        with pytest.raises(ConnectionClosed) as reset:
            first.recv(timeout=5)
        assert reset.value.rcvd is None
        browser.one("#part-websockets > form button").click()
        browser.wait(lambda: "no client of ARM" in browser.text("#part-websockets"))
        with pytest.raises(ConnectionClosed) as closed:
            second.recv(timeout=5)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1001


@pytest.mark.slow
def test_every_fault_form_makes_a_request_the_api_takes(browser: Browser, site: Site) -> None:
    needed = {"mnemonic": "auth_error", "code": "SOME_CODE"}
    for provider in ("arm", "cdr", "onec"):
        browser.open(f"/tenants/demo/faults?provider={provider}")
        kinds = [kind.get_attribute("id") for kind in browser.all("details.kind")]
        for count, kind in enumerate(kinds, 1):
            browser.one(f"#{kind} summary").click()
            for field in browser.all(f"#{kind} input[required]"):
                name = (field.get_attribute("name") or "").removeprefix("params.")
                if not field.get_attribute("value"):
                    field.send_keys(needed.get(name, "x"))
            browser.one(f"#{kind} button.primary").click()

            def is_listed(rows: int = count) -> bool:
                return len(browser.all("#part-on tbody tr")) == rows

            browser.wait(is_listed)
        on = site.api("GET", "/api/tenants/demo/faults")["faults"]
        assert [f"kind-{fault['fault']}" for fault in on] == kinds
        site.api("DELETE", "/api/tenants/demo/faults")


def test_an_advanced_clock_shows_new_calls(browser: Browser, site: Site) -> None:
    browser.open("/tenants/demo/calls")
    before = browser.text("nav.pager span")
    browser.open("/tenants/demo/clock")
    browser.one("button[value='3600']").click()
    browser.wait(lambda: browser.text(".big") == "2026-03-02 16:04:05")
    assert browser.text("#part-face time") == "2026-03-02 16:04:05"
    assert browser.focused().get_attribute("value") == "3600"
    browser.open("/tenants/demo/calls")
    after = browser.text("nav.pager span")
    assert before != after
    assert browser.text("table.list tbody th a") > "15:04:05"
    assert site.api("GET", "/api/tenants/demo/clock")["now"] == "2026-03-02T16:04:05"


def test_moving_the_clock_ends_sessions_unless_they_are_kept(browser: Browser, site: Site) -> None:
    login = site.rpc("login.user", access_token="", login="demo", password="demo")
    if "error" in login:
        call = {"jsonrpc": "2.0", "id": 1, "method": "login.user"}
        call["params"] = {"login": "demo", "password": "demo"}
        login = json.loads(site.send(site.urls["cdr"], "POST", call).text)
    token = login["result"]["data"]["access_token"]
    browser.open("/tenants/demo/clock")
    form = "form[data-path$='/advance']"
    browser.one(f"{form} [name='keep_sessions']").click()
    browser.one(f"{form} button[value='86400']").click()
    browser.wait(lambda: browser.text(".big") == "2026-03-03 15:04:05")
    assert "moved by 24:00:00 without ending sessions" in browser.text("#part-clock")
    assert "result" in site.rpc("get.account", access_token=token)
    browser.one("#now").clear()
    browser.run("document.getElementById('now').value = '2026-03-05T10:00:00'")
    browser.one("form:has(#now) [name='keep_sessions']").click()
    browser.one("form:has(#now) button").click()
    browser.wait(lambda: browser.text(".big") == "2026-03-05 10:00:00")
    assert "result" in site.rpc("get.account", access_token=token)
    browser.one(f"{form} [name='keep_sessions']").click()
    browser.one(f"{form} button[value='86400']").click()
    browser.wait(lambda: browser.text(".big") == "2026-03-06 10:00:00")
    assert "error" in site.rpc("get.account", access_token=token)


def test_the_clock_is_released_runs_and_is_frozen(browser: Browser, site: Site) -> None:
    browser.open("/tenants/demo/clock")
    browser.one("form:has([value='real']) button").click()
    browser.wait(lambda: "real time" in browser.text("#part-face"))
    first = browser.text("#part-face time")
    browser.wait(lambda: browser.text("#part-face time") > first)
    assert site.api("GET", "/api/tenants/demo/clock")["mode"] == "real"
    browser.one("form:has([value='frozen']) button").click()
    browser.wait(lambda: "frozen" in browser.text("#part-face"))
    assert site.api("GET", "/api/tenants/demo/clock")["mode"] == "frozen"


def test_a_tenant_is_made_switched_to_reset_and_deleted(browser: Browser, site: Site) -> None:
    browser.open("/tenants")
    browser.one("#name").send_keys("second")
    browser.one("#seed").send_keys("9007199254740993")
    browser.one("form.sheet button").click()
    browser.wait(lambda: "second" in browser.driver.title)
    tenant = site.api("GET", "/api/tenants/second")
    assert tenant["seed"] == 9007199254740993
    browser.one(".switcher summary").click()
    browser.one(".switcher a[href='/tenants/demo']").click()
    browser.wait(lambda: browser.text("h1") == "Tenant demo")
    site.api("POST", "/api/tenants/second/clock/advance", {"seconds": 60})
    browser.open("/tenants")
    browser.one("form[data-path='/api/tenants/second/reset'] button").click()
    browser.wait(lambda: "Reset second?" in browser.text("#confirm"))
    browser.one("#confirm button[value='no']").click()
    assert site.api("GET", "/api/tenants/second/clock")["now"].endswith("15:05:05")
    browser.one("form[data-path='/api/tenants/second/reset'] button").click()
    browser.one("#confirm button[value='yes']").click()
    browser.wait(lambda: "was reset" in browser.text("#status"))
    assert site.api("GET", "/api/tenants/second/clock")["now"].endswith("15:04:05")
    browser.one("form[data-path='/api/tenants/second'] button").click()
    browser.one("#confirm button[value='yes']").click()
    browser.wait(lambda: len(browser.all("#part-tenants tbody tr")) == 1)


def test_a_snapshot_is_kept_restored_and_removed(browser: Browser, site: Site) -> None:
    browser.open("/tenants/demo")
    browser.one("#snapshot").send_keys("..\n")  # no path could name it
    assert browser.run("return document.querySelector('#snapshot').validity.patternMismatch")
    browser.one("#snapshot").clear()
    browser.one("#snapshot").send_keys("Before.1\n")
    browser.wait(lambda: "Before.1" in browser.text("#part-snapshots tbody"))
    site.api("POST", "/api/tenants/demo/clock/advance", {"seconds": 3600})
    browser.open("/tenants/demo")
    browser.one("#part-snapshots tbody form[data-method='POST'] button").click()
    browser.wait(lambda: "Restore Before.1?" in browser.text("#confirm"))
    browser.one("#confirm button[value='yes']").click()
    browser.wait(lambda: "15:04:05" in browser.text("#part-face"))
    browser.one("#part-snapshots form[data-method='DELETE'] button").click()
    browser.wait(lambda: not browser.all("#part-snapshots table"))
    assert site.api("GET", "/api/tenants/demo/snapshots") == {"snapshots": []}


def test_a_taken_name_is_reported_beside_the_form(browser: Browser) -> None:
    browser.open("/tenants")
    browser.one("#name").send_keys("demo")
    browser.one("form.sheet button").click()
    browser.wait(lambda: "tenant 'demo' exists already" in browser.text("form.sheet .problem"))
    assert browser.focused().get_attribute("id") == "name"
    assert "409" in browser.console_messages()[0]


def test_a_call_is_pinned_seen_at_all_providers_and_unpinned(browser: Browser, site: Site) -> None:
    site.api("POST", "/api/tenants", {"name": "empty", "world": "empty", "now": NOW})
    browser.open("/tenants/empty")
    assert "This day has no call." in browser.text("main")
    browser.one("main .note a").click()
    browser.wait(lambda: "Pinned calls" in browser.driver.title and not browser.all("[disabled]"))
    user = browser.one("#pin-user-fits option").get_attribute("value")
    filled = {"start": "2026-03-02T14:30:00", "user": user, "talk_seconds": "61", "operator": "99"}
    for name, value in filled.items():
        browser.one(f"#pin-{name}").clear()
        browser.one(f"#pin-{name}").send_keys(value)
    browser.one("#pin button").click()
    browser.wait(lambda: "no operator '99'; there are 101, 102" in browser.text("#pin"))
    field = browser.focused()
    assert field.get_attribute("id") == "pin-operator"
    error = browser.one(f"#{field.get_attribute('aria-errormessage')}")
    assert error.find_element("xpath", "..").find_elements("id", "pin-operator")
    assert "422" in browser.console_messages()[0]
    field.clear()
    field.send_keys("103")
    browser.one("#pin button").click()
    browser.wait(lambda: "2026-03-02 14:30:00" in browser.text("#part-pins"))
    assert not browser.all("#pin .field .problem, #pin [aria-invalid]")
    browser.one("#part-pins tbody a").click()
    browser.wait(lambda: "Incoming call" in browser.driver.title)
    page = site.get(browser.run("return location.pathname")).page
    session = browser.run("return location.pathname.split('/').pop()")
    requests = {each: snippets(page, each)[0] for each in ("arm", "cdr", "onec")}
    answers = {each: run(*request) for each, request in requests.items()}
    assert "<call_history" in answers["arm"] and 'start_time="2026/03/02 14:30:' in answers["arm"]
    (row,) = json.loads(answers["cdr"])["result"]["data"]
    assert str(row["id"]) == session and row["start_time"] == "2026-03-02 14:30:00"
    assert answers["onec"].count("<core:row>") == 1 or user in answers["onec"]
    browser.open("/tenants/empty/pins")
    browser.one("#part-pins td button").click()
    browser.wait(lambda: "None yet." in browser.text("#part-pins"))
    assert browser.focused().get_attribute("id") == "h-pins"
    answers = {each: run(*request) for each, request in requests.items()}
    assert json.loads(answers["cdr"])["result"]["data"] == []
    assert "<call_history " not in answers["arm"] and user not in answers["onec"]


def test_an_assumption_is_chosen(browser: Browser, site: Site) -> None:
    browser.open("/tenants/demo/assumptions")
    assert not any(each.is_displayed() for each in browser.all(".ledger li"))
    line = "[id='cdr.leg-direction']"
    browser.open("/tenants/demo/assumptions?q=leg-direction")
    assert len(browser.all(".ledger li")) == 1
    browser.one(f"{line} input[value='session']").click()
    browser.wait(lambda: browser.text("#part-counts li:last-child") == "Changed 1")
    assert browser.focused().get_attribute("value") == "session"
    assert browser.text("#status") == "Saved: cdr.leg-direction"
    browser.open("/tenants/demo/assumptions?show=used#onec.realm")
    browser.open("/tenants/demo/assumptions#onec.realm")
    own = browser.one("[id='onec.realm-own']")
    assert own.is_displayed()
    own.send_keys("Some realm", ENTER)
    browser.wait(lambda: browser.text("#part-counts li:last-child") == "Changed 2")
    assert "Some realm" in browser.text("[id='onec.realm'] .own")
    choices = site.api("GET", "/api/tenants/demo/assumptions")["assumptions"]
    chosen = {each["id"]: each["choice"] for each in choices}
    assert chosen["cdr.leg-direction"] == "session" and chosen["onec.realm"] == "Some realm"


def test_a_chosen_language_stays_and_scripts_speak_it(browser: Browser) -> None:
    browser.open("/tenants/demo/journal?violations=1")
    browser.one("a[hreflang='ru']").click()
    browser.wait(lambda: browser.text("h1") == "Журнал")
    assert browser.driver.current_url.endswith("/tenants/demo/journal?violations=1")
    browser.wait(lambda: browser.text("#live-state") == "Обновляется")
    browser.one("[data-pause]").click()
    assert browser.text("#live-state") == "На паузе"
    assert browser.text("[data-pause]") == "Продолжить"
    browser.open("/tenants/demo/clock")
    browser.one("button[value='60']").click()
    browser.wait(lambda: browser.text("#status") == "Часы переведены")
    browser.one("a[hreflang='en']").click()
    browser.wait(lambda: browser.text("h1") == "Clock and limits")


def test_a_phone_shows_the_switch_of_a_fault_and_the_reason_of_a_call(
    browser: Browser, site: Site
) -> None:
    fault = {"provider": "cdr", "fault": "rpc_error", "params": {"mnemonic": "limit_exceeded"}}
    site.api("POST", "/api/tenants/demo/faults", fault)
    browser.size(390)
    for path, selector in (
        ("/tenants/demo/faults", "#part-on td button"),
        ("/tenants/demo/calls", "tbody th .reason"),
        ("/tenants/demo/cdr/legs", "tbody th .reason"),
        ("/tenants", "#part-tenants td button"),
    ):
        browser.open(path)
        for element in browser.all(selector)[:5]:
            box = element.rect
            assert element.is_displayed() and box["x"] >= 0 and box["width"] > 20, path
            assert box["x"] + box["width"] <= 390, path
        assert browser.all(selector), path


def test_a_request_is_copied_whole(browser: Browser) -> None:
    grant = {
        "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"],
        "origin": browser.address,
    }
    browser.driver.execute_cdp_cmd("Browser.grantPermissions", grant)
    browser.open("/")
    button = browser.one("section[aria-labelledby='h-cdr'] [data-copy]")
    button.click()
    browser.wait(lambda: button.text.startswith("Copied"))
    copied = browser.driver.execute_async_script(
        "navigator.clipboard.readText().then(arguments[0])"
    )
    assert copied == browser.run(
        "return document.querySelector('[aria-labelledby=h-cdr] figure code').textContent"
    )


def test_everything_can_be_done_with_the_keyboard(browser: Browser, site: Site) -> None:
    browser.open("/tenants/demo/journal")
    browser.press(TAB)
    assert browser.focused().text == "Skip to the content"
    browser.press(ENTER)
    assert browser.run("return document.activeElement.id") == "main"
    browser.open("/")
    reach(browser, lambda: browser.focused().text.startswith("Tenant"))
    browser.press(ENTER)
    assert browser.one(".switcher ul").is_displayed()
    browser.press(ESCAPE)
    assert not browser.one(".switcher ul").is_displayed()
    reach(browser, lambda: browser.focused().text.startswith("Faults"))
    browser.press(ENTER)
    browser.wait(lambda: "Faults" in browser.driver.title)
    browser.wait(lambda: not browser.all("button[disabled]"))
    reach(browser, lambda: browser.focused().text.startswith("missing_result"))
    browser.press(SPACE)
    reach(browser, lambda: browser.focused().text == "Switch on missing_result")
    browser.press(ENTER)
    browser.wait(lambda: "missing_result" in browser.text("#part-on"))
    assert browser.focused().text == "Switch on missing_result"
    assert "result" not in site.rpc("get.account")


def reach(browser: Browser, found: Any, most: int = 80) -> None:
    """Press Tab until the focus is where it should be, seen at every step."""
    for _ in range(most):
        browser.press(TAB)
        outline = browser.run("return getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", browser.focused().tag_name
        if found():
            return
    raise AssertionError("the focus never came there")
