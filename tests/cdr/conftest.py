"""A Data API server on a socket of this machine, and a client that speaks JSON-RPC to it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from callmocks.cdr.server import make_app
from callmocks.history.cache import DayCache
from callmocks.history.history import HistoryFactory
from callmocks.tenancy.registry import Registry
from callmocks.tenancy.settings import TenantSettings
from callmocks.tenancy.tenant import Tenant

NOW = "2026-03-05T12:00:00"
DAY = ("2026-03-02 00:00:00", "2026-03-02 23:59:59")

_HISTORIES = HistoryFactory(DayCache())
"""One for all tests: equal tenants share the days they have drawn."""


class Api:
    """A running server: its tenants and a way to call their methods."""

    def __init__(self, registry: Registry, http: aiohttp.ClientSession, root: str) -> None:
        self.registry = registry
        self.http = http
        self.root = root
        self.url = root + "/v2.0"

    def tenant(self, name: str = "t", **settings: Any) -> Tenant:
        """Make a tenant; its token is ``NAME-token``, its clock stands, limits are off."""
        whole = {"now": NOW, "limits": "off"} | settings
        return self.registry.create(TenantSettings(name, **whole))

    async def post(self, body: bytes | str, path: str = "/v2.0", **options: Any) -> dict[str, Any]:
        """The decoded answer to a body; errors too travel with HTTP status 200."""
        async with self.http.post(self.root + path, data=body, **options) as response:
            text = await response.text()
            assert response.status == 200, text
            answer: dict[str, Any] = json.loads(text)
            return answer

    async def rpc(self, method: str, token: str | None = "t-token", **params: Any) -> dict[str, Any]:
        """The answer to a method of tenant ``t``."""
        if token is not None:
            params = {"access_token": token, **params}
        return await self.post(
            json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})
        )

    async def legs(self, window: tuple[str, str] = DAY, **params: Any) -> dict[str, Any]:
        """The answer of ``get.call_legs_report`` for a window."""
        dates = {"date_from": window[0], "date_till": window[1]}
        return await self.rpc("get.call_legs_report", **(dates | params))

    async def sessions(self, window: tuple[str, str] = DAY, **params: Any) -> dict[str, Any]:
        """The answer of ``get.calls_report`` for a window."""
        dates = {"date_from": window[0], "date_till": window[1]}
        return await self.rpc("get.calls_report", **(dates | params))


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    """A Data API server without tenants."""
    registry = Registry(_HISTORIES)
    runner = web.AppRunner(make_app(registry))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    async with aiohttp.ClientSession() as http:
        yield Api(registry, http, f"http://{host}:{port}")
    await runner.cleanup()


@pytest.fixture
def tenant(api: Api) -> Tenant:
    """The tenant ``t`` with the default world and seed 42."""
    return api.tenant()
