"""A provider of ten lines on a real socket, over the real pipeline: what a provider's server is."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest
from aiohttp import ClientSession, web

from callmocks.faults import Scope, Switched
from callmocks.history.factory import HistoryFactory
from callmocks.provider.http import read_body, send
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
    return Registry(histories)


@pytest.fixture
def tenant(registry: Registry) -> Tenant:
    return registry.create(TenantSettings("acme", now=NOW, world="empty"))


class Provider(NamedTuple):
    """The provider's address and tenant, and what it does with an exchange."""

    url: str
    port: int
    tenant: Tenant
    handle: list[Callable[[Exchange], Awaitable[Reply]]]

    async def post(self, body: bytes = b"{}", path: str = "") -> tuple[int, str, bytes]:
        """Status, content type and body of the answer."""
        async with ClientSession() as session, session.post(self.url + path, data=body) as answer:
            return answer.status, answer.headers["Content-Type"], await answer.read()

    async def raw(self, body: bytes = b"{}") -> tuple[bytes, BaseException | None]:
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

    def switch_on(self, fault: str, params: Any = None, **scope: Any) -> Switched:
        return self.tenant.faults.switch_on("cdr", fault, params or {}, Scope(**scope))

    def last_faults(self) -> list[str]:
        return [*self.tenant.journal.entries()][-1].faults


async def echo(exchange: Exchange) -> Reply:
    exchange.operation = "echo"
    return Reply(ANSWER)


@asynccontextmanager
async def serving(tenant: Tenant) -> AsyncIterator[Provider]:
    handle = [echo]

    async def serve(request: web.Request) -> web.StreamResponse:
        body = await read_body(request, 1 << 24)
        exchange = Exchange.of(tenant, "cdr", body, operation=request.path[1:])
        return await send(request, await pipeline.run(exchange, handle[0]))

    app = web.Application()
    app.router.add_route("POST", "/{operation:.*}", serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    yield Provider(f"http://127.0.0.1:{port}/", port, tenant, handle)
    await runner.cleanup()


@pytest.fixture
async def provider(tenant: Tenant) -> AsyncIterator[Provider]:
    async with serving(tenant) as provider:
        yield provider
