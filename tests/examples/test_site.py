"""The documentation as a site: built strictly, looked at in a browser that reaches nobody else."""

from __future__ import annotations

import functools
import http.server
import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.dashboard.conftest import start_chromium
from tests.examples.snippets import ROOT

PYTHON = ROOT / ".venvs" / "site" / "bin" / "python"
pytestmark = pytest.mark.slow
DEADLINE = 60


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if not PYTHON.exists():
        reason = "make .venvs/site/.installed makes the environment of MkDocs"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    folder = tmp_path_factory.mktemp("site")
    command = [str(PYTHON), "scripts/docs-site", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    handler = functools.partial(QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def offline_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A Chromium for which no name resolves, and which notes every request."""
    rules = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
    logs = {"performance": "ALL", "browser": "ALL"}
    with start_chromium(tmp_path_factory.mktemp("profile"), rules, logs=logs) as browser:
        yield browser


def requested_urls(browser: Any) -> set[str]:
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return {
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    }


def test_no_page_asks_anybody_else_for_anything(site: str, offline_browser: Any) -> None:
    for page in ("index.html", "docs/tutorial.html", "docs/how-to/pytest.html", "README.ru.html"):
        offline_browser.get(f"{site}/{page}")
        assert offline_browser.find_element("css selector", "article h1").text
    own = ("data:", "chrome:", "blob:", site)
    assert {url for url in requested_urls(offline_browser) if not url.startswith(own)} == set()


@pytest.mark.parametrize("word", ["перевод", "timeout"])
def test_the_search_finds_a_word_in_either_language(
    site: str, offline_browser: Any, word: str
) -> None:
    offline_browser.get(f"{site}/index.html")
    offline_browser.find_element("css selector", "input.md-search__input").send_keys(word)
    until = time.monotonic() + DEADLINE
    found: list[Any] = []
    while not found and time.monotonic() < until:
        found = offline_browser.find_elements("css selector", ".md-search-result__item")
        time.sleep(0.1)
    assert word in " ".join(each.get_attribute("textContent") for each in found).lower()


def test_the_map_of_pages_is_the_navigation(site: str, offline_browser: Any) -> None:
    offline_browser.get(f"{site}/index.html")
    links = offline_browser.find_elements("css selector", ".md-nav--primary a.md-nav__link")
    shown = {link.get_attribute("href").removeprefix(f"{site}/") for link in links}
    assert {"docs/tutorial.html", "docs/how-to/pytest.html", "docs/faults.html"} <= shown
