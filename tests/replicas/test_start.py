"""How a replica starts, or says why it does not."""

from __future__ import annotations

import signal
import socket
import subprocess
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.replicas.conftest import (
    DEADLINE,
    NOW,
    Client,
    Redis,
    command,
    environment,
    replicas,
)


def refused(*arguments: str) -> str:
    """What a replica says on stderr that does not start."""
    begun = time.monotonic()
    asked = [*command(*arguments), "--only", "cdr"]
    done = subprocess.run(asked, capture_output=True, timeout=DEADLINE, env=environment())
    assert (done.returncode, done.stdout) == (2, b"")
    assert time.monotonic() - begun < 10
    text = done.stderr.decode()
    assert text.startswith("callmocks: --state: ") and text.count("\n") == 1
    return text.removeprefix("callmocks: --state: ").rstrip("\n")


def test_without_a_redis_it_is_one_line_and_exit_code_2() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as found:
        port = found.getsockname()[1]
    told = refused("--state", f"redis://user:secret@127.0.0.1:{port}/3")
    assert told == f"redis://127.0.0.1:{port}/3: Connection refused"


def test_a_server_that_says_nothing_is_told_soon() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        told = refused("--state", f"redis://127.0.0.1:{port}")
    assert told == f"redis://127.0.0.1:{port}/0: no answer within 1 s"


def test_a_server_that_is_no_redis_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        def answer() -> None:
            with other.accept()[0] as client:
                client.recv(1000)
                client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        told = refused("--state", f"redis://127.0.0.1:{port}")
        thread.join()
    assert told.startswith(f"redis://127.0.0.1:{port}/0: ")


def test_a_wrong_password_is_told_and_not_repeated(redis: Redis) -> None:
    told = refused("--state", redis.url.replace("://", "://:secret@"))
    assert "secret" not in told
    assert told.startswith(f"{redis.url}: ")


def test_a_certificate_that_cannot_be_checked_is_told(redis: Redis) -> None:
    secure = redis.url.replace("redis://", "rediss://") + "?ssl_ca_certs=/nowhere.pem"
    assert refused("--state", secure).startswith(redis.url.replace("redis:", "rediss:"))


async def test_a_replica_of_other_settings_does_not_join(redis: Redis, client: Client) -> None:
    url = redis.url.replace("/0", "/5")
    with replicas(1, "--state", url, "--seed", "7", "--now", NOW, "--only", "cdr") as (running,):
        told = refused("--state", url, "--seed", "8", "--now", NOW)
        assert told == (
            f"replicas at {url} serve the tenant demo with seed 7, not 8; "
            "start this one as they were"
        )
        await client.tenant(running, name="kept", world="empty")
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(DEADLINE) == 0
    with replicas(1, "--state", url, "--seed", "8", "--now", NOW, "--only", "cdr") as (running,):
        tenants = (await client.control(running, "GET", "/api/tenants")).json["tenants"]
        assert {each["name"]: each["seed"] for each in tenants} == {"demo": 8, "kept": 7}


async def test_calls_of_a_file_are_pinned_once(
    redis: Redis, client: Client, tmp_path: Path
) -> None:
    file = tmp_path / "calls.jsonl"
    file.write_text('{"start": "2026-03-01T10:00:00"}\n', encoding="utf-8")
    settings = ("--state", redis.url.replace("/0", "/6"), "--calls", str(file), "--only", "cdr")
    with replicas(2, *settings) as running:
        found = [
            (await client.control(replica, "GET", "/api/tenants/demo/calls")).json["calls"]
            for replica in running
        ]
    assert len(found[0]) == 1
    assert found[0] == found[1]
    file.write_text('{"start": "2026-03-01T11:00:00"}\n', encoding="utf-8")
    with replicas(1, "--state", redis.url.replace("/0", "/7"), "--calls", str(file)) as _:
        told = refused("--state", redis.url.replace("/0", "/7"))
    assert "another file of calls" in told


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_replica_stops_within_two_seconds(redis: Redis, number: signal.Signals) -> None:
    with replicas(1, "--state", redis.url.replace("/0", "/4"), "--only", "cdr") as (running,):
        begun = time.monotonic()
        running.process.send_signal(number)
        assert running.process.wait(DEADLINE) == 0
        assert time.monotonic() - begun < 2
        assert running.process.stderr is not None
        assert running.process.stderr.read() == b""


def test_a_replica_stops_as_fast_when_redis_hangs(tmp_path: Path) -> None:
    server = Redis(tmp_path)
    server.start()
    try:
        with replicas(1, "--state", server.url, "--only", "cdr") as (running,):
            server.stun()
            begun = time.monotonic()
            running.process.send_signal(signal.SIGTERM)
            assert running.process.wait(DEADLINE) == 0
            assert time.monotonic() - begun < 2
    finally:
        server.stop()
