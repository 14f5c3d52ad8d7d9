"""A Data API server on a socket of this machine, and a client that speaks JSON-RPC to it."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web

from callmocks.cdr.provider import CDR
from callmocks.contract.journal import JournalEntry
from callmocks.history.factory import HistoryFactory
from callmocks.server.providers import PROVIDERS
from callmocks.tenants.registry import Registry
from callmocks.tenants.settings import TenantSettings
from callmocks.tenants.tenant import Tenant

CONTENT_TYPE = "application/json; charset=UTF-8"
NOW = "2026-03-05T12:00:00"
ONE_DAY = ("2026-03-02 00:00:00", "2026-03-02 23:59:59")
WEEK = ("2026-02-24 00:00:00", "2026-03-02 23:59:59")

Answer = dict[str, Any]


class CdrServer:
    """The Data API in a thread of its own; its registry is empty between tests."""

    def __init__(self) -> None:
        self._history_factory = HistoryFactory()
        self.registry = Registry(self._history_factory, PROVIDERS)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._runner = web.AppRunner(CDR.create_app(self.registry))
        self.port = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)

    async def _start(self) -> int:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return int(self._runner.addresses[0][1])

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


class CdrClient:
    """A client of a server, with the tenants that its test makes."""

    def __init__(self, server: CdrServer) -> None:
        self.registry = server.registry
        self.root = f"http://127.0.0.1:{server.port}"
        self.url = f"{self.root}/v2.0"
        self._http = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)

    def tenant(self, name: str = "t", **settings: Any) -> Tenant:
        """Make a tenant; its token is ``NAME-token``, its clock stands, limits are off."""
        values = {"now": NOW, "limits": "off"} | settings
        return self.registry.create(TenantSettings(name, **values))

    def fetch(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """Any HTTP request: the response and its body."""
        self._http.request(method, path, body, headers)
        response = self._http.getresponse()
        return response, response.read()

    def post(self, body: bytes | str, path: str = "/v2.0", **headers: str) -> Answer:
        """The decoded answer to a body; errors too travel with HTTP status 200."""
        raw = body if isinstance(body, bytes) else body.encode()
        headers = {"Content-Type": CONTENT_TYPE} | headers
        response, text = self.fetch("POST", path, raw, **headers)
        assert response.status == 200, text
        answer: Answer = json.loads(text)
        return answer

    def rpc(self, method: str, token: str | None = "t-token", **params: Any) -> Answer:
        """The answer to a method of tenant ``t``."""
        if token is not None:
            params = {"access_token": token, **params}
        return self.post(
            json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})
        )

    def legs(self, window: tuple[str, str] = ONE_DAY, **params: Any) -> Answer:
        """The answer of ``get.call_legs_report`` for a window."""
        dates = {"date_from": window[0], "date_till": window[1]}
        return self.rpc("get.call_legs_report", **(dates | params))

    def sessions(self, window: tuple[str, str] = ONE_DAY, **params: Any) -> Answer:
        """The answer of ``get.calls_report`` for a window."""
        dates = {"date_from": window[0], "date_till": window[1]}
        return self.rpc("get.calls_report", **(dates | params))

    def close(self) -> None:
        self._http.close()
        for tenant in self.registry:
            self.registry.delete(tenant.name)


@pytest.fixture(scope="session")
def server() -> Iterator[CdrServer]:
    """One server for all tests, without tenants."""
    running = CdrServer()
    yield running
    running.stop()


@pytest.fixture
def api(server: CdrServer) -> Iterator[CdrClient]:
    """A client; the tenants it makes are gone after the test."""
    client = CdrClient(server)
    yield client
    client.close()


@pytest.fixture
def tenant(api: CdrClient) -> Tenant:
    """The tenant ``t`` with the default world and seed 42."""
    return api.tenant()


def rows(answer: Answer) -> list[dict[str, Any]]:
    """The rows of an answer that must be a success."""
    assert "result" in answer, answer
    data: list[dict[str, Any]] = answer["result"]["data"]
    return data


def total(answer: Answer) -> int:
    """The count of all matches."""
    count: int = answer["result"]["metadata"]["total_items"]
    return count


def mnemonic(answer: Answer) -> str:
    """The mnemonic of an answer that must be an error."""
    assert "error" in answer, answer
    name: str = answer["error"]["data"]["mnemonic"]
    return name


def error_fields(answer: Answer) -> tuple[str, str | None, str | None]:
    """Mnemonic, field and value of an error."""
    data = answer["error"]["data"]
    return data["mnemonic"], data["field"], data["value"]


def simple(field: str, operator: str, value: Any = None) -> dict[str, Any]:
    """A simple filter."""
    return {"field": field, "operator": operator, "value": value}


def tree(condition: str, *filters: dict[str, Any]) -> dict[str, Any]:
    """A tree of filters."""
    return {"filters": list(filters), "condition": condition}


def last_entry(tenant: Tenant) -> JournalEntry:
    """The newest journal entry of a tenant."""
    return list(tenant.journal.read_entries())[-1]
