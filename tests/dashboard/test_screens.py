"""Every page on every screen; screenshots: ``browser.SCREENSHOTS``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.dashboard.browser import CONTRASTS, Browser
from tests.dashboard.conftest import NOW, Site, running

DAY = {"date_from": "2026-03-02 00:00:00", "date_till": "2026-03-02 23:59:59"}
SCREENS = {
    "light": (1280, False),
    "dark": (1280, True),
    "phone": (360, False),
    "night": (360, True),
}
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
    "assumptions": "/tenants/demo/assumptions",
    "tenants": "/tenants",
    "nothing": "/tenants/demo/find?q=nothing",
    "problem": "/tenants/none",
}


@pytest.fixture(scope="module")
def busy_site() -> Iterator[Site]:
    """A server with entries, faults and choices."""
    with running() as site:
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
        name = "a-name-of-forty-characters-is-the-longest"
        site.api("POST", "/api/tenants", {"name": name[:40], "seed": -(2**63)})
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


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("view", VIEWS)
def test_a_page_fits_its_screen_can_be_read_and_logs_nothing(
    chromium: Any, busy_site: Site, paths: dict[str, str], view: str, screen: str
) -> None:
    browser = Browser(chromium, busy_site.control)
    width, dark = SCREENS[screen]
    browser.size(width, dark=dark)
    browser.console_messages()
    browser.open(paths[view])
    for folded in browser.all("#kind-delay, .entry.violated:first-child details, .as-table")[:2]:
        browser.run("arguments[0].open = true", folded)
    if view == "journal":
        browser.wait(lambda: browser.all("#entries article"))
        browser.wait(lambda: browser.text("#live-state") == "Live")
    assert browser.run("return document.documentElement.scrollWidth") <= width
    browser.save_screenshot(f"{view}-{screen}")
    assert browser.run(CONTRASTS) == []
    console_messages = [each for each in browser.console_messages() if "404" not in each]
    assert console_messages == [] or view == "problem"


def test_low_contrast_is_noticed(chromium: Any, busy_site: Site) -> None:
    browser = Browser(chromium, busy_site.control)
    browser.size(1280)
    browser.open("/tenants")
    browser.run("document.documentElement.style.setProperty('--soft', '#999')")
    assert any("TH Seed" in found for found in browser.run(CONTRASTS))
