"""A server in its own thread, its client, and a real Chromium."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from lxml import html
from websockets.sync.client import connect

from callmocks.config.settings import ServeSettings
from callmocks.server.mock_server import MockServer
from tests.dashboard.browser import Browser

NOW = "2026-03-02T15:04:05"
CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


_STAYING_OPENER = urllib.request.build_opener(_NoRedirects)


class Reply(NamedTuple):
    """What a server answered."""

    status: int
    headers: Any
    text: str

    @property
    def page(self) -> Any:
        """The answer as HTML."""
        return html.fromstring(self.text)


class Site:
    """A client of a running server."""

    def __init__(self, urls: dict[str, str]) -> None:
        self.urls = urls
        self.control = urls["control"]

    def send(self, url: str, method: str = "GET", body: Any = None, **headers: str) -> Reply:
        return self._open(urllib.request.urlopen, url, method, body, headers)

    def redirect(self, path: str, **headers: str) -> Reply:
        """The answer itself, not the page that it leads to."""
        return self._open(_STAYING_OPENER.open, self.control + path, "GET", None, headers)

    def _open(
        self, open_url: Any, url: str, method: str, body: Any, headers: dict[str, str]
    ) -> Reply:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        request = urllib.request.Request(url, data, named, method=method)
        try:
            with open_url(request, timeout=20) as answer:
                return Reply(answer.status, answer.headers, answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return Reply(error.code, error.headers, error.read().decode())

    def get(self, path: str, **headers: str) -> Reply:
        return self.send(self.control + path, **headers)

    def api(self, method: str, path: str, body: Any = None) -> Any:
        reply = self.send(self.control + path, method, body)
        assert reply.status < 300, reply.text
        return json.loads(reply.text) if reply.text else None

    def rpc(self, method: str, **params: Any) -> Any:
        """A call of the Data API as tenant demo."""
        call = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": method,
            "params": {"access_token": "demo-token", **params},
        }
        return json.loads(self.send(self.urls["cdr"], "POST", call).text)

    def truth(self, first: str, till: str) -> list[dict[str, Any]]:
        calls: list[dict[str, Any]] = self.api(
            "GET", f"/api/tenants/demo/truth?from={first}&till={till}"
        )["calls"]
        return calls

    def pin_running_call(self) -> int:
        """Pins a call that goes on at NOW; its session id."""
        pinned = {"start": "2026-03-02T15:00:00", "operator": "103", "talk_seconds": 1200}
        self.api("POST", "/api/tenants/demo/calls", pinned)
        calls = self.truth("2026-03-02T15:00:00", "2026-03-02T15:00:01")
        return next(int(c["cdr"]["call_session_id"]) for c in calls if not c["finished"])

    def open_websocket(self, operator: str) -> Any:
        url = self.urls["arm"].replace("http", "ws", 1) + "/demo/service/cc/arm"
        return connect(url, additional_headers={"Authorization": self._basic_auth(operator)})

    def _basic_auth(self, operator: str) -> str:
        return "Basic " + base64.b64encode(f"{operator}:demo".encode()).decode()

    def arm(self, operator: str, filters: str) -> Any:
        """``operator_call_history`` over HTTP, as XML."""
        reply = self.send(
            self.urls["arm"] + "/demo/service/cc/arm/operator_call_history",
            "POST",
            f"<in><request><filters {filters}/></request></in>".encode(),
            Authorization=self._basic_auth(operator),
        )
        assert reply.status == 200, reply.text
        return html.fromstring(reply.text.encode())


@contextmanager
def running(**settings: Any) -> Iterator[Site]:
    """A server on free ports in a thread, so that a browser can wait for it."""
    ports = dict.fromkeys(("arm_port", "cdr_port", "onec_port", "control_port"), 0)
    ready, urls = threading.Event(), {}
    stop: list[Callable[[], Any]] = []

    async def serve() -> None:
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        stop.append(lambda: loop.call_soon_threadsafe(stopped.set))
        async with MockServer(ServeSettings(**{**ports, "now": NOW, **settings})) as server:
            urls.update(server.urls)
            ready.set()
            await stopped.wait()

    with ThreadPoolExecutor(1) as thread:
        served = thread.submit(asyncio.run, serve())
        while not ready.wait(0.05):
            if served.done():
                served.result()
        try:
            yield Site(urls)
        finally:
            stop[0]()
            served.result(10)


@pytest.fixture(scope="package")
def running_site() -> Iterator[Site]:
    with running() as site:
        yield site


@pytest.fixture
def site(running_site: Site) -> Site:
    """The server with tenant demo alone, in its first state."""
    for tenant in running_site.api("GET", "/api/tenants")["tenants"]:
        if tenant["name"] != "demo":
            running_site.api("DELETE", f"/api/tenants/{tenant['name']}")
    running_site.api("POST", "/api/tenants/demo/reset")
    running_site.api("DELETE", "/api/tenants/nobody/journal")
    return running_site


@contextmanager
def start_chromium(profile: Path, *flags: str, logs: dict[str, str]) -> Iterator[Any]:
    """A Chromium with a profile of its own; the test is skipped where there is none."""
    webdriver = pytest.importorskip("selenium.webdriver")
    driver = shutil.which("chromedriver")
    if not Path(CHROMIUM).exists() or driver is None:
        pytest.skip("chromium and chromium-driver (Debian packages) are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, *flags, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", logs)
    browser = webdriver.Chrome(
        options=options, service=webdriver.ChromeService(executable_path=driver)
    )
    yield browser
    browser.quit()


@pytest.fixture(scope="package")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with start_chromium(tmp_path_factory.mktemp("profile"), logs={"browser": "ALL"}) as browser:
        yield browser


@pytest.fixture
def browser(chromium: Any, site: Site) -> Iterator[Browser]:
    """A browser on the server; no test may leave a console message."""
    browser = Browser(chromium, site.control)
    browser.size(1280)
    browser.driver.delete_all_cookies()
    browser.console_messages()
    yield browser
    assert browser.console_messages() == []
