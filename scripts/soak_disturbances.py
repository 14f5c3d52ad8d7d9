"""What disturbs the server that `scripts/soak` runs: abandoned answers, readers that take nothing,
and, beside it, two replicas whose Redis is killed and comes back from a snapshot.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import socket
import sys
import tempfile
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

REDIS = shutil.which("redis-server") or shutil.which("valkey-server")
TENANT = "soak-disturbed"
STUCK_READERS = 4
PAGE = {
    "access_token": f"{TENANT}-token",
    "date_from": "2026-01-01 00:00:00",
    "date_till": "2026-03-02 00:00:00",
    "limit": 10_000,
}
_PORTS = [word for name in ("arm", "cdr", "onec", "control") for word in (f"--{name}-port", "0")]


async def abandon_answers(url: str, count: Callable[[], None]) -> None:
    """Ask for pages of megabytes, read a byte of each and go away."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "get.call_legs_report", "params": PAGE})
    parts = urlsplit(url)
    head = f"POST {parts.path} HTTP/1.1\r\nHost: soak\r\nContent-Length: {len(body)}\r\n\r\n"
    while True:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write((head + body).encode())
        count()
        await reader.read(1)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        await asyncio.sleep(0.5)


async def follow_and_take_nothing(url: str, count: Callable[[], None]) -> None:
    """Streams of the journal that nobody reads: the server drops them and is asked again."""
    parts, loop = urlsplit(url), asyncio.get_running_loop()
    path = f"/api/tenants/{TENANT}/journal/stream"
    while True:
        async with AsyncExitStack() as stack:
            for _ in range(STUCK_READERS):
                reader = stack.enter_context(socket.socket())
                reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                reader.setblocking(False)
                await loop.sock_connect(reader, (parts.hostname, parts.port))
                await loop.sock_sendall(reader, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                count()
            await asyncio.sleep(45)


class ReplicaPair:
    """Two replicas and their Redis; ``failures`` are what went wrong."""

    def __init__(self, session: Any) -> None:
        self.http = session
        self.restarts = 0
        self.failures: list[str] = []
        self._tenants: list[str] = []
        self._tokens: set[str] = set()

    async def run(self) -> None:
        with (
            tempfile.TemporaryDirectory() as folder,
            socket.create_server(("127.0.0.1", 0)) as free,
        ):
            port = free.getsockname()[1]
            free.close()
            redis = await self._start_redis(port, folder)
            replicas = [await self._start_replica(port) for _ in range(2)]
            try:
                while True:
                    await self._change(replicas)
                    if self.restarts % 2 == 0:
                        await self._save(port)
                    await self._change(replicas)
                    redis.kill()
                    await redis.wait()
                    redis = await self._start_redis(port, folder)
                    self.restarts += 1
                    await self._check(replicas)
                    await asyncio.sleep(5)
            finally:
                for process in (redis, *(process for process, _ in replicas)):
                    with suppress(ProcessLookupError):
                        process.send_signal(signal.SIGKILL)
                    await process.wait()

    async def _start_redis(self, port: int, folder: str) -> asyncio.subprocess.Process:
        assert REDIS is not None
        command = (REDIS, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder)
        quiet = asyncio.subprocess.DEVNULL
        return await asyncio.create_subprocess_exec(*command, stdout=quiet)

    async def _start_replica(self, port: int) -> tuple[asyncio.subprocess.Process, dict[str, str]]:
        state = ("--state", f"redis://127.0.0.1:{port}/0", "--json")
        pipe, quiet = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        command = (sys.executable, "-m", "callmocks", "serve", *_PORTS, *state)
        for _ in range(20):  # Redis may not be ready yet
            process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=quiet)
            assert process.stdout is not None
            if line := await process.stdout.readline():
                return process, json.loads(line)
            await process.wait()
        raise RuntimeError("no replica starts")

    async def _save(self, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"SAVE\r\n")
        await reader.readline()
        writer.close()

    async def _change(self, replicas: list[tuple[Any, dict[str, str]]]) -> None:
        name = f"pair-{len(self._tenants)}"
        (_, one), (_, other) = replicas
        url = one["control"] + "/api/tenants"
        async with self.http.post(url, json={"name": name, "world": "empty"}) as answer:
            if answer.status == 201:
                self._tenants.append(name)
        login = {"jsonrpc": "2.0", "id": 1, "method": "login.user"}
        login["params"] = {"login": "demo", "password": "demo"}
        async with self.http.post(other["cdr"], json=login) as answer:
            found = json.loads(await answer.read()).get("result", {})
        token = found.get("data", {}).get("access_token")
        if token in self._tokens:
            self.failures.append(f"a token was given twice: {token}")
        if token:
            self._tokens.add(token)

    async def _check(self, replicas: list[tuple[Any, dict[str, str]]]) -> None:
        for _, urls in replicas:
            async with asyncio.timeout(20):
                while True:
                    async with self.http.get(urls["control"] + "/health") as answer:
                        if answer.status == 200:
                            break
                    await asyncio.sleep(0.05)
            present = await self._list_tenants(urls["control"] + "/api/tenants")
            if lost := set(self._tenants) - present:
                self.failures.append(f"tenants lost by {urls['control']}: {sorted(lost)[:5]}")

    async def _list_tenants(self, url: str) -> set[str]:
        async with asyncio.timeout(20):
            while True:  # the first command on a connection that broke is answered 503
                async with self.http.get(url) as answer:
                    if answer.status == 200:
                        return {tenant["name"] for tenant in (await answer.json())["tenants"]}


async def start_disturbances(run: Any, pair: ReplicaPair) -> list[asyncio.Task[None]]:
    settings = {"name": TENANT, "limits": "off"}
    await run.call_control("POST", "/api/tenants", settings, 201)
    urls = run.server.urls

    def count_admin() -> None:
        run.admin += 1

    steps = [
        abandon_answers(urls["cdr"], lambda: run.sent.update(cdr=1)),
        follow_and_take_nothing(urls["control"], count_admin),
        *([pair.run()] if REDIS else []),
    ]
    return [asyncio.create_task(step) for step in steps]


async def stop_disturbances(
    run: Any, pair: ReplicaPair, disturbances: list[asyncio.Task[None]]
) -> None:
    for task in disturbances:
        run.expect(not task.done(), f"a disturbance ended: {task}")
        task.cancel()
    await asyncio.gather(*disturbances, return_exceptions=True)
    run.failures += pair.failures
    await asyncio.sleep(2)  # the server notices who has gone
    await run.call_control("DELETE", f"/api/tenants/{TENANT}", None, 204)
