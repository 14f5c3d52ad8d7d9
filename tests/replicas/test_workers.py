"""``callmocks serve --workers``: processes on the same ports."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from aiohttp import ClientError

from tests.forked import ForkedCommand, run_command
from tests.replicas.conftest import (
    DEADLINE,
    LEGS,
    NOW,
    Client,
    RedisServer,
    ReplicaProcess,
    serve_arguments,
    start_replicas,
)


@pytest.fixture(scope="module")
def workers(redis: RedisServer) -> Iterator[ReplicaProcess]:
    """Three workers with a database of their own."""
    url = redis.take_url()
    with start_replicas(1, "--workers", "3", "--state", url, "--now", NOW) as (first,):
        yield first


def child_pids(process: ForkedCommand) -> set[int]:
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not listed.exists():
        pytest.skip("the system does not list a process's children")
    return {int(pid) for pid in listed.read_text().split()}


async def worker_names(client: Client, workers: ReplicaProcess, number: int) -> set[str]:
    """Names of the workers that answer, until so many did."""
    names: set[str] = set()
    until = time.monotonic() + DEADLINE
    while len(names) < number and time.monotonic() < until:
        with suppress(ClientError, OSError):
            fresh = {"Connection": "close"}
            url = f"{workers.urls['control']}/health"
            names.add((await client.request("GET", url, headers=fresh)).json["replica"]["name"])
    return names


async def test_all_workers_answer_at_one_port_and_share_their_state(
    workers: ReplicaProcess, client: Client
) -> None:
    assert len(await worker_names(client, workers, 3)) == 3
    name = await client.tenant(workers, limits="documented", cdr={"day_limit": 40})
    opened = await client.rpc(workers, "login.user", login=name, password=name)
    token = opened["data"]["access_token"]
    answers = await asyncio.gather(
        *(client.rpc(workers, "get.account", access_token=token) for _ in range(100))
    )
    assert len([answer for answer in answers if answer != "limit_exceeded"]) == 39
    journals: set[tuple[str, int]] = set()
    until = time.monotonic() + DEADLINE
    while len(journals) < 3 and time.monotonic() < until:
        url = f"{workers.urls['control']}/api/tenants/{name}/journal"
        found = (await client.request("GET", url, headers={"Connection": "close"})).json
        journals.add((found["replica"], len(found["entries"])))
    assert sum(count for _, count in journals) == 101


async def test_a_dead_worker_is_replaced_and_no_connection_is_refused(
    workers: ReplicaProcess, client: Client
) -> None:
    before = child_pids(workers.process)
    assert len(before) == 3
    report = {"access_token": "demo-token", **LEGS, "limit": 3}
    expected = (await client.rpc(workers, "get.call_legs_report", **report))["data"]
    victim = min(before)
    os.kill(victim, signal.SIGKILL)
    refused = wrong = answered = 0
    until = time.monotonic() + DEADLINE
    while (child_pids(workers.process) == before or answered < 30) and time.monotonic() < until:
        body = {"jsonrpc": "2.0", "id": 1, "method": "get.call_legs_report", "params": report}
        try:
            fresh = {"Connection": "close"}
            answer = await client.request("POST", workers.urls["cdr"], body, fresh)
        except ConnectionRefusedError:
            refused += 1
        except (ClientError, OSError):
            continue  # a connection of the worker that died
        else:
            answered += 1
            wrong += answer.json["result"]["data"] != expected
    assert (refused, wrong) == (0, 0)
    assert len(await worker_names(client, workers, 3)) == 3
    after = child_pids(workers.process)
    assert len(after) == 3 and victim not in after
    line = workers.process.stderr.readline().decode()
    assert line == f"callmocks: worker {victim} was ended by signal 9; another takes its place\n"


def test_readiness_is_reported_once_and_it_stops_at_a_signal(redis: RedisServer) -> None:
    settings = ("--state", redis.take_url(), "--only", "cdr", "--tls", "auto")
    with start_replicas(1, "--workers", "2", *settings) as (running,):
        assert running.urls["cdr"].startswith("https://")
        process, pids = running.process, child_pids(running.process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0
        assert not any(_is_running(pid) for pid in pids)
        assert (process.stdout.read(), process.stderr.read()) == (b"", b"")


def test_workers_without_a_redis_are_one_line_and_exit_code_2() -> None:
    arguments = serve_arguments("--workers", "2", "--state", "redis://127.0.0.1:1/0")
    done = run_command(*arguments)
    message = "callmocks: --state: redis://127.0.0.1:1/0: Connection refused\n"
    assert (done.returncode, done.stdout, done.stderr.decode()) == (2, b"", message)


def test_a_port_that_is_taken_is_reported(redis: RedisServer, workers: ReplicaProcess) -> None:
    port = workers.urls["onec"].split("/")[2].split(":")[1]
    arguments = serve_arguments("--onec-port", port, "--workers", "2", "--state", redis.url)
    done = run_command(*arguments)
    assert done.returncode == 2
    message = f"callmocks: --onec-port: 127.0.0.1:{port}: Address already in use\n"
    assert done.stderr.decode() == message


async def test_workers_end_with_the_process_that_started_them(workers: ReplicaProcess) -> None:
    pids = child_pids(workers.process)
    assert len(pids) == 3
    workers.kill()
    until = time.monotonic() + DEADLINE
    while any(_is_running(pid) for pid in pids):
        assert time.monotonic() < until
        await asyncio.sleep(0.02)


def _is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
