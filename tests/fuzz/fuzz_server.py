"""A mock server in its own thread, for targets that connect to it over sockets."""

from __future__ import annotations

import asyncio
import http.client
import logging
import threading
from types import TracebackType
from urllib.parse import urlsplit

from websockets.sync.client import ClientConnection, connect

from callmocks.config.settings import ServeSettings
from callmocks.server.mock_server import MockServer
from tests.control.server_client import basic

SETTINGS = ServeSettings(
    arm_port=0,
    cdr_port=0,
    onec_port=0,
    control_port=0,
    now="2026-03-02T12:00:00",
    limits="off",
    calls_per_day=40,
    header_timeout=3,
    body_timeout=3,
)


class LogCapture(logging.Handler):
    """Every warning that the server logs: there should be none."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(self.format(record))


class FuzzServer:
    """Keeps its connections open and opens them again when the server has closed them."""

    def __init__(self) -> None:
        self.log = LogCapture()
        self.urls: dict[str, str] = {}
        self._connections: dict[str, http.client.HTTPConnection] = {}
        self._socket: ClientConnection | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run_server()), daemon=True)

    def __enter__(self) -> FuzzServer:
        logging.getLogger().addHandler(self.log)
        self._thread.start()
        if not self._ready.wait(30):
            raise AssertionError("the server does not start")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for connection in self._connections.values():
            connection.close()
        if self._socket is not None:
            self._socket.close()
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        logging.getLogger().removeHandler(self.log)

    async def _run_server(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with MockServer(SETTINGS) as server:
            self.urls = server.urls
            self._ready.set()
            await self._stop.wait()

    def port(self, name: str) -> int:
        return urlsplit(self.urls[name]).port or 0

    def send_request(
        self, name: str, method: str, path: str, body: bytes, content_type: str, user: str = ""
    ) -> tuple[int, str, bytes]:
        """Status, media type and body of the answer."""
        headers = {"Content-Type": content_type, **(basic(user) if user else {})}
        try:
            return self._send_once(name, method, path, body, headers)
        except (http.client.HTTPException, ConnectionError):  # the server closed it meanwhile
            return self._send_once(name, method, path, body, headers)

    def _send_once(
        self, name: str, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, str, bytes]:
        connection = self._connections.pop(name, None)
        if connection is None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port(name), timeout=5)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            whole = response.read()
        except (http.client.HTTPException, ConnectionError):
            connection.close()
            raise
        if response.will_close:
            connection.close()
        else:
            self._connections[name] = connection
        return response.status, response.headers.get("Content-Type", ""), whole

    def exchange_frame(self, message: bytes) -> bytes:
        """The answer to a message on the workplace's websocket."""
        if self._socket is None:
            address = self.urls["arm"].replace("http", "ws") + "/demo/service/cc/arm"
            login = basic("101")
            self._socket = connect(address, additional_headers=login, max_size=None).__enter__()
        self._socket.send(message)
        answer = self._socket.recv(timeout=5)
        return answer if isinstance(answer, bytes) else answer.encode()
