"""A real server on a free port, and clients that are not the server's own library."""

from __future__ import annotations

import base64
import xml.etree.ElementTree as ElementTree
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from xml.sax.saxutils import quoteattr

import pytest
import websockets
from aiohttp import ClientSession, web

from callmocks.arm import frames, tree
from callmocks.arm.server import ArmServer
from callmocks.contract.journal import JournalEntry
from callmocks.history.cache import DayCache
from callmocks.history.factory import HistoryFactory
from callmocks.server.providers import PROVIDERS
from callmocks.tenants.registry import Registry
from callmocks.tenants.settings import ArmSettings, TenantSettings
from callmocks.tenants.tenant import Tenant

NOW = "2026-03-02T12:00:00"
FACTORY = HistoryFactory(DayCache())


def basic_auth(operator: str, password: str = "demo") -> dict[str, str]:
    credentials = base64.b64encode(f"{operator}:{password}".encode()).decode()
    return {"Authorization": f"Basic {credentials}"}


def request_xml(**filters: object) -> str:
    attributes = " ".join(f"{name}={quoteattr(str(value))}" for name, value in filters.items())
    return f"<in><request><filters {attributes}/></request></in>"


def request_json(**filters: object) -> bytes:
    attributes = {name: str(value) for name, value in filters.items()}
    return tree.encode(
        tree.Node("in", content=[tree.Node("request", content=[tree.Node("filters", attributes)])])
    )


@dataclass
class ParsedResponse:
    """An answer by XML or by frame, read with the standard library."""

    status: int
    body: bytes
    root: ElementTree.Element
    headers: Mapping[str, str] = field(default_factory=dict)
    id: str = ""

    @property
    def rows(self) -> list[dict[str, str]]:
        return [dict(call.attrib) for call in self.root.iter("call_history")]

    @property
    def refs(self) -> list[str]:
        return [row["call_ref"] for row in self.rows]

    @property
    def tag(self) -> str | None:
        (history,) = self.root.iter("history")
        return history.get("tag")

    @property
    def error(self) -> str:
        (error,) = self.root.iter("error")
        return error.text or ""


def parse_frame(message: bytes | str) -> ParsedResponse:
    message = message.encode() if isinstance(message, str) else message
    frame = frames.decode_response(message)
    assert frame.deviations == ()
    root = ElementTree.fromstring(tree.to_xml(tree.decode(frame.body)))
    return ParsedResponse(frame.status, frame.body, root, id=frame.id)


class ArmSocket:
    """A websocket client that counts its requests."""

    def __init__(self, connection: websockets.ClientConnection) -> None:
        self.raw = connection
        self._id = 0

    async def send(self, command: str, body: bytes) -> str:
        self._id += 1
        id = f"{self._id:04d}"
        await self.raw.send(frames.encode_request(id, command, body))
        return id

    async def receive(self) -> ParsedResponse:
        return parse_frame(await self.raw.recv())

    async def request(self, command: str, body: bytes) -> ParsedResponse:
        id = await self.send(command, body)
        answer = await self.receive()
        assert answer.id == id
        return answer

    async def history(self, **filters: object) -> ParsedResponse:
        return await self.request("operator_call_history", request_json(**filters))

    async def login(self, login: str, password: str = "demo") -> ParsedResponse:
        attributes = {"login": login, "password": password, "websocket_control": "true"}
        request = tree.Node("in", content=[tree.Node("request", attributes)])
        return await self.request("login", tree.encode(request))

    async def logout(self) -> ParsedResponse:
        return await self.request("logout", b'[{"_name":"in","_content":[{"_name":"request"}]}]')


@dataclass
class RunningArm:
    """A running server with one tenant, ``demo``."""

    registry: Registry
    tenant: Tenant
    port: int
    session: ClientSession

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/{self.tenant.name}/service/cc/arm"

    @property
    def websocket(self) -> str:
        return self.address.replace("http:", "ws:")

    async def post(
        self, command: str, body: str | bytes, headers: Mapping[str, str] | None = None
    ) -> ParsedResponse:
        url = f"{self.address}/{command}"
        async with self.session.post(url, data=body, headers=headers or {}) as answer:
            content = await answer.read()
            assert content.startswith(b"<?xml"), content
            return ParsedResponse(
                answer.status, content, ElementTree.fromstring(content), dict(answer.headers)
            )

    async def history(self, operator: str = "101", **filters: object) -> ParsedResponse:
        filters = {"limit": 50, **filters}
        body = request_xml(**filters)
        return await self.post("operator_call_history", body, basic_auth(operator))

    def connect(self, operator: str | None = None, **more: Any) -> Any:
        headers = basic_auth(operator) if operator else {}
        return websockets.connect(
            self.websocket, additional_headers=headers, max_size=None, compression=None, **more
        )

    def pin(self, calls: Iterable[dict[str, Any]]) -> None:
        self.tenant.history.pins.add_many(list(calls))

    def now(self, text: str) -> None:
        self.tenant.clock.freeze(datetime.fromisoformat(text))

    def journal(self) -> list[JournalEntry]:
        return list(self.tenant.journal.read_entries())


Start = Callable[..., Awaitable[RunningArm]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start a server with a tenant of chosen settings."""
    runners: list[web.AppRunner] = []
    sessions: list[ClientSession] = []

    async def begin(contract: str = "documented", **settings: Any) -> RunningArm:
        registry = Registry(FACTORY, PROVIDERS)
        settings = {"now": NOW, "arm": ArmSettings(contract=contract), **settings}
        tenant = registry.create(TenantSettings("demo", **settings))
        runner = web.AppRunner(
            ArmServer(registry).create_app(), access_log=None, shutdown_timeout=0.5
        )
        await runner.setup()
        runners.append(runner)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        session = ClientSession()
        sessions.append(session)
        return RunningArm(registry, tenant, runner.addresses[0][1], session)

    yield begin
    for session in sessions:
        await session.close()
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
async def demo(start: Start) -> RunningArm:
    """The default tenant at noon of a Monday."""
    return await start()


@pytest.fixture
async def empty(start: Start) -> RunningArm:
    """A tenant whose only calls are the pinned ones."""
    return await start(world="empty")
