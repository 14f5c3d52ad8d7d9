"""A real Redis and real processes of callmocks: what the tests of replicas start, ask and stop."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiohttp import ClientSession, ClientTimeout

from tests.forked import ForkedCommand

REDIS = shutil.which("redis-server") or shutil.which("valkey-server")
NOW = "2026-03-02T12:00:00"
PORTS = ("arm", "cdr", "onec", "control")
FREE_PORTS = [argument for name in PORTS for argument in (f"--{name}-port", "0")]
DEADLINE = 40.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if REDIS is None:
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="redis-server is not on this machine"))


_DATABASES = 4096


class RedisServer:
    """A redis-server on a port of its own, to be stopped, started and stunned."""

    def __init__(self, folder: Path, *, persistent: bool = False) -> None:
        with socket.create_server(("127.0.0.1", 0)) as found:
            self.port = found.getsockname()[1]
        self._folder = folder
        self._persistent = persistent
        self._databases = iter(range(20, _DATABASES))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def take_url(self) -> str:
        """Of a database that no other test has."""
        return f"redis://127.0.0.1:{self.port}/{next(self._databases)}"

    @property
    def is_running(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        kept = ["--appendonly", "yes"] if self._persistent else ["--save", "", "--appendonly", "no"]
        command = [str(REDIS), "--port", str(self.port), "--bind", "127.0.0.1", *kept]
        command += ["--databases", str(_DATABASES)]
        self._process = subprocess.Popen(
            [*command, "--dir", str(self._folder)], stdout=subprocess.DEVNULL
        )
        until = time.monotonic() + DEADLINE
        while b"PONG" not in self._send(b"PING\r\n"):
            assert time.monotonic() < until, "redis-server does not start"
            time.sleep(0.02)

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            self._process.wait(DEADLINE)
            self._process = None

    def suspend(self) -> None:
        """It takes connections and commands, and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def key_ttls(self) -> dict[str, int]:
        """All keys, and the seconds they will be kept for (-1: for ever)."""
        with self.client(0) as client:
            return {key.decode(): client.ttl(key) for key in client.scan_iter()}

    def client(self, database: int) -> Any:
        import redis

        return redis.Redis(port=self.port, db=database)

    def _send(self, command: bytes) -> bytes:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as connection:
            connection.settimeout(1)
            connection.sendall(command)
            return connection.recv(100)
        return b""


class ReplicaProcess(NamedTuple):
    """A running ``callmocks serve``."""

    process: ForkedCommand
    urls: dict[str, str]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(DEADLINE)


def serve_arguments(*arguments: str) -> list[str]:
    return ["serve", *FREE_PORTS, "--json", *arguments]


@contextmanager
def start_replicas(number: int, *arguments: str) -> Iterator[list[ReplicaProcess]]:
    """Processes that are ready, started at the same moment."""
    with ExitStack() as stack:
        started = []
        for _ in range(number):
            process = ForkedCommand(*serve_arguments(*arguments))
            stack.enter_context(process)
            stack.callback(process.kill)
            started.append(process)
        ready = []
        for process in started:
            line = process.stdout.readline()
            assert line, process.stderr.read().decode()
            ready.append(ReplicaProcess(process, json.loads(line)))
        yield ready


def round_robin(replicas: list[ReplicaProcess], number: int) -> list[ReplicaProcess]:
    """Replicas in turn, as a balancer would ask them."""
    return [replicas[place % len(replicas)] for place in range(number)]


class HttpAnswer(NamedTuple):
    status: int
    body: bytes
    type: str
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else None


class Client:
    """Asks replicas, whichever provider, and says what came back."""

    def __init__(self, session: ClientSession) -> None:
        self.session = session

    async def request(
        self, method: str, url: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> HttpAnswer:
        sent = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        async with self.session.request(method, url, data=sent, headers=headers) as answer:
            return HttpAnswer(
                answer.status, await answer.read(), answer.content_type, dict(answer.headers)
            )

    async def control(
        self, replica: ReplicaProcess, method: str, path: str, body: Any = None
    ) -> HttpAnswer:
        return await self.request(method, f"{replica.urls['control']}{path}", body)

    async def tenant(self, replica: ReplicaProcess, **settings: Any) -> str:
        """A new tenant that stands still at NOW; its name."""
        name = settings.pop("name", f"t{next(_NUMBERS)}")
        made = await self.control(replica, "POST", "/api/tenants", {"name": name, **settings})
        assert made.status == 201, made
        return str(name)

    async def rpc(self, replica: ReplicaProcess, method: str, **params: Any) -> Any:
        """The answer of the Data API: its ``result``, or the mnemonic of its error."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = await self.request("POST", replica.urls["cdr"], body)
        assert answer.status == 200, answer
        return answer.json.get("result") or answer.json["error"]["data"]["mnemonic"]

    async def arm(
        self, replica: ReplicaProcess, tenant: str, command: str, body: str, **more: str
    ) -> HttpAnswer:
        url = f"{replica.urls['arm']}/{tenant}/service/cc/arm/{command}"
        return await self.request("POST", url, body.encode(), {"Content-Type": "text/xml", **more})

    async def onec(
        self, replica: ReplicaProcess, tenant: str, operation: str, params: str = ""
    ) -> HttpAnswer:
        return await self.request(
            "POST",
            replica.urls["onec"],
            ENVELOPE.format(operation=operation, params=params).encode(),
            {"Content-Type": "text/xml", "Authorization": basic_auth(tenant, tenant)},
        )

    async def wait_healthy(self, replica: ReplicaProcess, path: str = "/health") -> None:
        begun = time.monotonic()
        while (await self.control(replica, "GET", path)).status != 200:
            assert time.monotonic() < begun + DEADLINE
            await asyncio.sleep(0.02)


def basic_auth(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


_NUMBERS = count(1)
ENVELOPE = """<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"
 xmlns:p="http://buhphone.com/PartnerWebAPI2" xmlns:xs="http://www.w3.org/2001/XMLSchema"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<s:Body><p:{operation}><p:Params>{params}</p:Params></p:{operation}></s:Body></s:Envelope>"""
LEGS = {"date_from": "2026-03-01 00:00:00", "date_till": "2026-03-02 23:59:59", "limit": 1000}
FORBIDDEN = {"provider": "cdr", "fault": "rpc_error", "params": {"mnemonic": "forbidden"}}
"""A fault that is easily recognised."""
HISTORY = "<in><request><filters limit='5' offset='0'/></request></in>"
_HISTORY_JSON = (
    '[{"_name":"in","_content":[{"_name":"request","_content":[{"_name":"filters",'
    '"_attributes":{"limit":"1"}}]}]}]'
)
HISTORY_FRAME = f"01{48 + len(_HISTORY_JSON):010}0001{'operator_call_history':32}{_HISTORY_JSON}"


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis that runs all the time."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def three(redis: RedisServer) -> Iterator[list[ReplicaProcess]]:
    """Three replicas that run all the time."""
    with start_replicas(3, "--state", redis.url, "--now", NOW) as running:
        yield running


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with ClientSession(timeout=ClientTimeout(DEADLINE)) as session:
        yield Client(session)
