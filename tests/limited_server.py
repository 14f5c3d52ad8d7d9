"""A suite with bounds, and connections whose bytes a test writes itself."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from xml.etree import ElementTree

from callmocks.config.settings import ServeSettings
from callmocks.server.mock_server import MockServer
from tests.control.server_client import SOAP, basic

FREE = {f"{name}_port": 0 for name in ("arm", "cdr", "onec", "control")}
PATHS = {
    "arm": "/demo/service/cc/arm/operator_call_history",
    "cdr": "/v2.0",
    "onec": "/cus/ws/PartnerWebAPI2",
    "control": "/api/tenants",
}
ARM = b'<in><request><filters limit="1"/></request></in>'
CDR = json.dumps(
    {"jsonrpc": "2.0", "id": 7, "method": "get.account", "params": {"access_token": "demo-token"}}
).encode()
GOOD = {"arm": ARM, "cdr": CDR, "onec": SOAP.encode(), "control": b'{"name": "other"}'}
NAMES = tuple(PATHS)
PROVIDERS = NAMES[:3]


class RawConnection:
    """A connection whose bytes the test writes itself."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def head(self, name: str, length: int, *more: str) -> bytes:
        lines = [f"POST {PATHS[name]} HTTP/1.1", "Host: localhost", f"Content-Length: {length}"]
        user = {"arm": "101", "onec": "demo"}.get(name)
        if user:
            lines += [f"{key}: {value}" for key, value in basic(user).items()]
        lines += ["Content-Type: text/xml" if user else "Content-Type: application/json"]
        return "\r\n".join([*lines, *more, "", ""]).encode()

    async def answer(self, seconds: float = 30) -> tuple[int, bytes]:
        """Status and body of the next answer; status 0 when the server closes without one."""
        async with asyncio.timeout(seconds):
            status = (await self.reader.readline()).split()
            if not status:
                return 0, b""
            length = 0
            while line := (await self.reader.readline()).strip():
                key, _, value = line.partition(b":")
                if key.lower() == b"content-length":
                    length = int(value)
            return int(status[1]), await self.reader.readexactly(length)

    async def request(self, name: str, body: bytes | None = None, *more: str) -> tuple[int, bytes]:
        sent = GOOD[name] if body is None else body
        self.writer.write(self.head(name, len(sent), *more) + sent)
        return await self.answer()

    async def closed(self, seconds: float = 30) -> bool:
        async with asyncio.timeout(seconds):
            try:
                return await self.reader.read() == b""
            except ConnectionError:
                return True


class LimitedServer:
    """A running suite with bounds."""

    def __init__(self, suite: MockServer) -> None:
        self.suite = suite

    @asynccontextmanager
    async def raw(self, name: str) -> AsyncIterator[RawConnection]:
        ca = self.suite.ca_pem
        trusting = ssl.create_default_context(cadata=ca.decode()) if ca else None
        port = self.suite.get_port(name)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
        try:
            yield RawConnection(reader, writer)
        finally:
            writer.close()


@asynccontextmanager
async def limited_server(**bounds: Any) -> AsyncIterator[LimitedServer]:
    chosen: dict[str, Any] = {**FREE, "now": "2026-03-02T12:00:00", "limits": "off", **bounds}
    settings = ServeSettings(**chosen)
    async with MockServer(settings) as suite:
        yield LimitedServer(suite)


def error_text(name: str, body: bytes) -> str:
    """What an answer complains of, read in the shape of its provider."""
    if name == "cdr":
        return str(json.loads(body)["error"]["data"]["mnemonic"])
    if name == "control":
        return str(json.loads(body)["detail"])
    root = ElementTree.fromstring(body)
    if name == "onec":
        return "".join(text.strip() for text in root.itertext())
    error = root.find(".//error")
    assert error is not None
    return error.text or ""
