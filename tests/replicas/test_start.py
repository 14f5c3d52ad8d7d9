"""How a replica starts, or says why it does not."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from callmocks.config.settings import ServeSettings
from callmocks.errors import SettingsError
from callmocks.server.mock_server import MockServer
from tests.forked import run_command
from tests.replicas.conftest import (
    DEADLINE,
    PORTS,
    Client,
    RedisServer,
    serve_arguments,
    start_replicas,
)


def serve_settings(url: str, **more: Any) -> ServeSettings:
    ports: dict[str, Any] = dict.fromkeys((f"{name}_port" for name in PORTS), 0)
    return ServeSettings(state=url, only=("cdr",), **ports, **more)


async def start_error(url: str, **more: Any) -> str:
    """Why a replica does not start."""
    with pytest.raises(SettingsError, match=r"^--state: ") as message:
        async with asyncio.timeout(DEADLINE):
            await MockServer(serve_settings(url, **more)).start()
    return str(message.value).removeprefix("--state: ")


def test_without_a_redis_it_is_one_line_and_exit_code_2() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as found:
        port = found.getsockname()[1]
    arguments = serve_arguments("--state", f"redis://user:secret@127.0.0.1:{port}/3")
    done = run_command(*arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    message = f"callmocks: --state: redis://127.0.0.1:{port}/3: Connection refused\n"
    assert done.stderr.decode() == message


async def test_a_silent_server_is_reported_soon() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"redis://127.0.0.1:{silent.getsockname()[1]}"
        assert await start_error(place) == f"{place}/0: no answer within 1 s"


async def test_a_server_that_is_no_redis_is_reported() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    other = await asyncio.start_server(answer, "127.0.0.1", 0)
    place = f"redis://127.0.0.1:{other.sockets[0].getsockname()[1]}"
    assert (await start_error(place)).startswith(f"{place}/0: ")
    other.close()


async def test_a_wrong_password_is_reported_and_not_repeated(redis: RedisServer) -> None:
    message = await start_error(redis.url.replace("://", "://:secret@"))
    assert "secret" not in message
    assert message.startswith(f"{redis.url}: ")


@pytest.mark.parametrize("options", ["?ssl_ca_certs=/nowhere.pem", "?ssl_unheard_of=1", ""])
async def test_a_redis_without_tls_is_reported(redis: RedisServer, options: str) -> None:
    secure = redis.url.replace("redis://", "rediss://")
    assert (await start_error(secure + options)).startswith(f"{secure}: ")


async def test_without_its_library_installing_it_is_explained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "redis"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "redis", None)
    message = await start_error("redis://127.0.0.1:6379")
    assert message == "shared state needs redis: the extra redis of callmocks"


async def test_documents_of_another_version_are_reported(redis: RedisServer) -> None:
    url = redis.take_url()
    async with MockServer(serve_settings(url)):
        pass
    with redis.client(int(url.rpartition("/")[2])) as client:
        birth = json.loads(client.hget("callmocks:documents", "demo/tenant"))
        birth["settings"]["invented_later"] = True
        client.hset("callmocks:documents", "demo/tenant", json.dumps(birth))
    message = await start_error(url)
    assert message.startswith(f"{url}: tenant demo cannot be followed: ")
    assert "invented_later" in message


async def test_a_replica_of_other_settings_does_not_join(
    redis: RedisServer, client: Client
) -> None:
    url = redis.take_url()
    async with MockServer(serve_settings(url, seed=7)) as suite:
        assert await start_error(url, seed=8) == (
            f"replicas at {url} serve the tenant demo with seed 7, not 8; "
            "start this one as they were"
        )
        made = {"name": "kept", "world": "empty"}
        answer = await client.request("POST", f"{suite.urls['control']}/api/tenants", made)
        assert answer.status == 201
    async with MockServer(serve_settings(url, seed=8)) as suite:
        listed = (await client.request("GET", f"{suite.urls['control']}/api/tenants")).json[
            "tenants"
        ]
        assert {each["name"]: each["seed"] for each in listed} == {"demo": 8, "kept": 7}


async def test_calls_of_a_file_are_pinned_once(
    redis: RedisServer, client: Client, tmp_path: Path
) -> None:
    file = tmp_path / "calls.jsonl"
    file.write_text('{"start": "2026-03-01T10:00:00"}\n', encoding="utf-8")
    mine = serve_settings(redis.take_url(), calls=file)
    async with MockServer(mine) as one, MockServer(mine) as two:
        found = [
            (await client.request("GET", f"{suite.urls['control']}/api/tenants/demo/calls")).json
            for suite in (one, two)
        ]
        assert len(found[0]["calls"]) == 1
        assert found[0] == found[1]
        file.write_text('{"start": "2026-03-01T11:00:00"}\n', encoding="utf-8")
        assert "another file of calls" in await start_error(mine.state, calls=file)


def test_a_replica_stops_at_a_signal(redis: RedisServer) -> None:
    with start_replicas(1, "--state", redis.take_url(), "--only", "cdr") as (running,):
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(DEADLINE) == 0
        assert running.process.stderr.read() == b""


def test_a_replica_stops_too_when_redis_hangs(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    server.start()
    try:
        with start_replicas(1, "--state", server.url, "--only", "cdr") as (running,):
            server.suspend()
            running.process.send_signal(signal.SIGTERM)
            assert running.process.wait(DEADLINE) == 0
    finally:
        server.stop()
