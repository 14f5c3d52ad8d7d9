"""A provider of ten lines on a real socket, over the real pipeline: what a provider's server is."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest
from aiohttp import ClientSession, web

from callmocks.faults.active import ActiveFault, FaultScope
from callmocks.history.factory import HistoryFactory
from callmocks.provider.bodies import read_body
from callmocks.provider.server import collect_head, send_reply
from callmocks.server.providers import PROVIDERS
from callmocks.tenants import pipeline
from callmocks.tenants.exchange import Exchange, Reply
from callmocks.tenants.registry import Registry
from callmocks.tenants.settings import TenantSettings
from callmocks.tenants.tenant import Tenant

NOW = "2026-03-02T12:00:00"
ANSWER = b'{"answer": "' + b"0123456789" * 30 + b'"}'


@pytest.fixture(scope="session")
def histories() -> HistoryFactory:
    return HistoryFactory()


@pytest.fixture
def registry(histories: HistoryFactory) -> Registry:
    return Registry(histories, PROVIDERS)


@pytest.fixture
def tenant(registry: Registry) -> Tenant:
    return registry.create(TenantSettings("acme", now=NOW, world="empty"))


class EchoServer(NamedTuple):
    """The provider's address and tenant, and what it does with an exchange."""

    url: str
    port: int
    tenant: Tenant
    handle: list[Callable[[Exchange], Awaitable[Reply]]]

    async def post(self, body: bytes = b"{}", path: str = "") -> tuple[int, str, bytes]:
        """Status, content type and body of the answer."""
        async with ClientSession() as session, session.post(self.url + path, data=body) as answer:
            return answer.status, answer.headers["Content-Type"], await answer.read()

    async def read_raw(self, body: bytes = b"{}") -> tuple[bytes, BaseException | None]:
        """All bytes of the answer until the connection ended, and the error it ended with."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(b"POST / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n")
        writer.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        got = b""
        try:
            while piece := await asyncio.wait_for(reader.read(65536), 5):
                got += piece
        except (ConnectionError, TimeoutError) as error:
            return got, error
        finally:
            writer.close()
        return got, None

    def enable(self, fault: str, params: Any = None, **scope: Any) -> ActiveFault:
        wanted = FaultScope(**scope, unlisted=True)
        return self.tenant.faults.enable("cdr", fault, params or {}, wanted)

    def last_faults(self) -> list[str]:
        return list([*self.tenant.journal.read_entries()][-1].faults)


async def handle_echo(exchange: Exchange) -> Reply:
    exchange.operation = "echo"
    return Reply(ANSWER)


@asynccontextmanager
async def serve_echo(tenant: Tenant) -> AsyncIterator[EchoServer]:
    handle: list[Callable[[Exchange], Awaitable[Reply]]] = [handle_echo]

    async def serve(request: web.Request) -> web.StreamResponse:
        body = await read_body(request, 1 << 24)
        exchange = Exchange.start(tenant, PROVIDERS["cdr"], body, operation=request.path[1:])
        exchange.head = collect_head(request)
        reply = await pipeline.run(exchange, handle[0])
        return await send_reply(request, reply, exchange.transmission)

    app = web.Application()
    app.router.add_route("POST", "/{operation:.*}", serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    yield EchoServer(f"http://127.0.0.1:{port}/", port, tenant, handle)
    await runner.cleanup()


@pytest.fixture
async def provider(tenant: Tenant) -> AsyncIterator[EchoServer]:
    async with serve_echo(tenant) as provider:
        yield provider
