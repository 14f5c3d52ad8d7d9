"""Every page on every screen; screenshots: ``browser.SCREENSHOTS``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from lxml import html

from callmocks.control.dashboard.texts import LANGUAGES
from tests.dashboard.browser import CONTRASTS, Browser
from tests.dashboard.conftest import NOW, Site, running
from tests.dashboard.marked_texts import find_unmarked, marked_texts

DAY = {"date_from": "2026-03-02 00:00:00", "date_till": "2026-03-02 23:59:59"}
SCREENS = {
    "light": (1280, False),
    "dark": (1280, True),
    "phone": (390, False),
    "night": (390, True),
}
NARROWEST = 360
FOLDED = "#kind-delay, .entry.violated:first-child details, .as-table, .api, .message details"
VIEWS = {
    "overview": "/",
    "calls": "/tenants/demo/calls",
    "month": "/tenants/demo/calls?span=30",
    "call": "/tenants/demo/calls/{call}",
    "running": "/tenants/demo/calls/{running}",
    "arm": "/tenants/demo/arm?operator=102",
    "sessions": "/tenants/demo/cdr",
    "legs": "/tenants/demo/cdr/legs",
    "onec": "/tenants/demo/onec",
    "journal": "/tenants/demo/journal",
    "entry": "/tenants/demo/journal/1",
    "nobody": "/tenants/nobody/journal",
    "faults": "/tenants/demo/faults",
    "clock": "/tenants/demo/clock",
    "pins": "/tenants/demo/pins",
    "empty": "/tenants/empty",
    "assumptions": "/tenants/demo/assumptions?q=arm",
    "api": "/openapi",
    "docs": "/docs",
    "doc": "/docs/faults.md",
    "tenants": "/tenants",
    "nothing": "/tenants/demo/find?q=nothing",
    "problem": f"/tenants/{'n' * 300}",
}


@pytest.fixture(scope="module")
def busy_site() -> Iterator[Site]:
    """A server with entries, faults, choices and pinned calls; its texts are marked."""
    with running() as site, marked_texts():
        faults = "/api/tenants/demo/faults"
        late = {"provider": "cdr", "fault": "delay", "params": {"ms": 20}, "times": 1}
        site.rpc("get.call_legs_report", **DAY, limit="x", filter={"field": "foo", "value": 3})
        site.api("POST", faults, late)
        broken = {"provider": "onec", "fault": "soap_fault", "operation": "ClientRead"}
        site.api("POST", faults, broken)
        for offset in range(5):
            site.rpc("get.call_legs_report", **DAY, limit=10, offset=10 * offset)
        site.arm("101", 'limit="10" offset="0"')
        site.arm("101", 'limit="many" offset="x" colour="red"')
        site.send(site.urls["cdr"], "POST", b"{")
        leg = "/api/tenants/demo/assumptions/cdr.leg-direction"
        site.api("PUT", leg, {"choice": "session"})
        world = {"title": "t" * 80}
        name = "a-name-of-forty-characters-is-the-longest"
        site.api("POST", "/api/tenants", {"name": name[:40], "seed": -(2**63), "world": world})
        for name in ("filled", "s" * 64):
            site.api("PUT", f"/api/tenants/demo/snapshots/{name}")
        empty = {"name": "empty", "world": "empty", "now": "2026-03-01T12:00:00"}
        site.api("POST", "/api/tenants", empty)
        yield site


@pytest.fixture(scope="module")
def paths(busy_site: Site) -> dict[str, str]:
    calls = busy_site.truth("2026-03-02", NOW)
    ended = max(
        (each for each in calls if each["onec"] and each["finished"]),
        key=lambda each: len(each["legs"]),
    )
    ids = {"call": ended["cdr"]["call_session_id"], "running": busy_site.pin_running_call()}
    return {view: path.format(**ids) for view, path in VIEWS.items()}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("view", VIEWS)
def test_a_page_fits_every_screen_can_be_read_and_logs_nothing(
    chromium: Any, busy_site: Site, paths: dict[str, str], view: str, language: str
) -> None:
    browser = Browser(chromium, busy_site.control)
    browser.size(1280)
    browser.console_messages()
    browser.open(f"/language/{language}?back={quote(paths[view])}")
    assert browser.run("return document.documentElement.lang") == language
    for folded in browser.all(FOLDED)[:2]:
        browser.run("arguments[0].open = true", folded)
    if view == "journal":
        browser.wait(lambda: browser.all("#entries article"))
        browser.wait(lambda: browser.run("return document.querySelector('#live-dot.on')"))
    for screen, (width, dark) in SCREENS.items():
        browser.size(width, dark=dark)
        assert browser.run("return document.documentElement.scrollWidth") <= width
        browser.save_screenshot(f"{view}-{language}-{screen}")
        if screen in ("light", "night"):
            assert browser.run(CONTRASTS) == [], screen
    browser.size(NARROWEST)
    assert browser.run("return document.documentElement.scrollWidth") <= NARROWEST
    assert find_unmarked(html.fromstring(browser.driver.page_source)) == []
    console_messages = [each for each in browser.console_messages() if "404" not in each]
    assert console_messages == [] or view == "problem"


def test_low_contrast_is_noticed(chromium: Any, busy_site: Site) -> None:
    browser = Browser(chromium, busy_site.control)
    browser.size(1280)
    browser.open("/language/en?back=/tenants")
    browser.run("document.documentElement.style.setProperty('--soft', '#999')")
    assert any("Seed" in found for found in browser.run(CONTRASTS))
