"""Conversations that together touch every assumption of the ledger; what was answered is kept.

Each case starts from freshly reset tenants. Tenants differ in what a case needs of them:
``TENANTS`` has their settings.
"""

import base64
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import ClientSession, WSMsgType

from callmocks.server.mock_server import MockServer

NOW = "2026-03-02T12:00:00"

TENANTS: dict[str, dict[str, Any]] = {
    "demo": {},
    "free": {"limits": "off"},
    "poor": {"limits": "documented", "cdr": {"minute_limit": 0}},
    "partner": {
        "cdr": {
            "partner": True,
            "customer_users": [{"id": 1, "login": "u", "name": "U", "customer_id": 2}],
        }
    },
    "basic-plan": {"cdr": {"disabled_components": ["data_api_reports"]}},
    "far": {"timezone": "Asia/Vladivostok", "limits": "off"},
    "late": {"limits": "off", "arm_lag": 1800, "cdr_lag": 1800, "records_lag": 3600},
    "bare": {"world": "empty", "limits": "off"},
    "huge": {"calls_per_day": 150_000, "limits": "off"},
}


class RecordingClient:
    """A client of all providers that writes down every answer."""

    def __init__(self, suite: MockServer, http: ClientSession) -> None:
        self.suite, self.urls, self.http = suite, suite.urls, http
        self.responses: list[object] = []

    async def call_control(self, method: str, tenant: str, path: str, body: Any = None) -> Any:
        url = f"{self.urls['control']}/api/tenants/{tenant}{path}"
        async with self.http.request(method, url, json=body) as answer:
            assert answer.status < 300, await answer.text()
            return None if answer.status == 204 else await answer.json()

    async def set_clock(self, now: str, tenant: str = "free") -> None:
        await self.call_control("PUT", tenant, "/clock", {"now": now})

    async def advance_clock(self, minutes: float, tenant: str = "demo") -> None:
        await self.call_control("POST", tenant, "/clock/advance", {"seconds": minutes * 60})

    async def post(self, url: str, **request: Any) -> bytes:
        async with self.http.post(url, **request) as answer:
            body = await answer.read()
            self.responses.append((answer.status, answer.headers.get("Content-Type"), body))
            return body

    def basic_auth(self, user: str, password: str) -> dict[str, str]:
        secret = base64.b64encode(f"{user}:{password}".encode()).decode()
        return {"Authorization": f"Basic {secret}"}

    async def run_case(self, case: Callable[["RecordingClient"], Awaitable[None]]) -> list[object]:
        """All responses of a case."""
        self.responses = []
        self.http.cookie_jar.clear()
        try:
            await case(self)
        except (IndexError, KeyError):
            self.responses.append("the conversation cannot go on")
        return self.responses


MESSAGE_TYPES = {WSMsgType.TEXT: "text", WSMsgType.BINARY: "binary"}
