"""The admin API on a socket, over its own registry; and a whole server."""

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest
from aiohttp import ClientSession, web

from callmocks.config.settings import ServeSettings
from callmocks.control.addresses import Addresses
from callmocks.control.server import make_app
from callmocks.history.factory import HistoryFactory
from callmocks.server.mock_server import MockServer
from callmocks.server.providers import PROVIDERS
from callmocks.tenants.registry import Registry
from callmocks.tenants.settings import TenantSettings
from tests.control.server_client import Client

NOW = "2026-03-02T12:00:00"
ADDRESSES = Addresses(
    "http://127.0.0.1:1", "http://127.0.0.1:2/v2.0", "http://127.0.0.1:3/cus/ws/PartnerWebAPI2"
)
DEFAULTS = TenantSettings("demo", now=NOW, limits="off")


class ControlClient(NamedTuple):
    """A client of the admin API."""

    url: str
    session: ClientSession
    registry: Registry

    async def call(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, Any]:
        """Status and decoded body; a problem must say its own status."""
        async with self.session.request(method, self.url + path, json=body, **more) as answer:
            found = await answer.json(content_type=None) if answer.status != 204 else None
            if answer.status >= 400:
                assert answer.content_type == "application/problem+json"
                assert found is not None
                assert found["status"] == answer.status and found["title"] and found["detail"]
            return answer.status, found

    async def get(self, path: str) -> Any:
        status, found = await self.call("GET", path)
        assert status == 200, found
        return found

    async def post(self, path: str, body: Any = None) -> Any:
        status, found = await self.call("POST", path, body)
        assert status in (200, 201), found
        return found


@pytest.fixture(scope="session")
def histories() -> HistoryFactory:
    return HistoryFactory()


@pytest.fixture
def registry(histories: HistoryFactory) -> Registry:
    registry = Registry(histories, PROVIDERS)
    registry.create(DEFAULTS)
    return registry


@pytest.fixture
async def serve() -> AsyncIterator[Any]:
    """Serve an application on a free port; its address."""
    runners = []

    async def start(app: web.Application) -> str:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    yield start
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
async def control(registry: Registry, serve: Any) -> AsyncIterator[ControlClient]:
    url = await serve(make_app(registry, ADDRESSES, defaults=DEFAULTS))
    async with ClientSession() as session:
        yield ControlClient(url, session, registry)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    settings = ServeSettings(
        arm_port=0, cdr_port=0, onec_port=0, control_port=0, now="2026-03-02T12:00:00", limits="off"
    )
    async with MockServer(settings) as server, ClientSession() as session:
        yield Client(server, session)
