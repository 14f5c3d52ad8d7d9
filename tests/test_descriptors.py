"""What a suite does with few file descriptors, and with none left."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
import websockets.sync.client
from aiohttp import web

from callmocks.arm import frames
from callmocks.arm import schema as arm_schema
from callmocks.config.settings import ServeSettings
from callmocks.control import server as control_server
from callmocks.server import mock_server
from callmocks.server.mock_server import MockServer
from tests.arm.conftest import request_json
from tests.control.server_client import SOAP, basic
from tests.test_serve import FREE, LEGS, get, legs, post, serving
from tests.test_system_failures import read_ids

resource = pytest.importorskip("resource", reason="limits of a process are set by resource")
RLIMIT_NOFILE: int = resource.RLIMIT_NOFILE
ARM = b'<in><request><filters limit="20"/></request></in>'


@contextmanager
def _connections(url: str, count: int) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [
            stack.enter_context(socket.create_connection(_address(url), timeout=30))
            for _ in range(count)
        ]


def _answers(connection: socket.socket) -> bytes:
    """The first line of an answer, or nothing when the connection is cut off."""
    with suppress(OSError):
        connection.sendall(b"POST /v2.0 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
        return connection.recv(4096).partition(b"\r\n")[0]
    return b""


def _retry(work: Callable[[], Any], seconds: float = 30) -> Any:
    """What comes of it as soon as it works."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return work()
        except (OSError, urllib.error.URLError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def test_few_files_mean_few_connections_and_a_warning_at_the_start() -> None:
    command = [sys.executable, "-m", "callmocks", "serve", *FREE, "--json"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: resource.setrlimit(RLIMIT_NOFILE, (128, 128)),
    ) as process:
        try:
            assert process.stdout is not None and process.stderr is not None
            ready = json.loads(process.stdout.readline())
            with _connections(ready["cdr"], 120) as connections:
                lines = [_answers(connection) for connection in connections]
            assert lines[0] == b"HTTP/1.1 200 OK"
            assert lines[-1] in (b"HTTP/1.1 503 Service Unavailable", b"")
            assert lines.count(b"HTTP/1.1 200 OK") > 20
            assert _retry(lambda: legs(ready["cdr"]))["data"]
            process.terminate()
            told = process.stderr.read().decode()
        finally:
            process.kill()
    assert "this process may open few files (ulimit -n)" in told
    assert "Traceback" not in told


def test_a_limit_of_files_that_can_be_raised_leaves_control_all_its_connections() -> None:
    hard = resource.getrlimit(RLIMIT_NOFILE)[1]
    with subprocess.Popen(
        [sys.executable, "-m", "callmocks", "serve", *FREE, "--json", "--max-connections", "10"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: resource.setrlimit(RLIMIT_NOFILE, (128, hard)),
    ) as process:
        try:
            assert process.stdout is not None and process.stderr is not None
            ready = json.loads(process.stdout.readline())
            with _connections(ready["control"], 90) as connections:
                lines = {_answers(connection) for connection in connections}
            assert lines == {b"HTTP/1.1 404 Not Found"}
            process.terminate()
            assert process.stderr.read() == b""
        finally:
            process.kill()


def test_too_few_files_to_serve_at_all_are_one_line_and_exit_code_2() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "callmocks", "serve", *FREE],
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(RLIMIT_NOFILE, (40, 40)),
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "ulimit -n" in done.stderr


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="no limit of another process")
def test_running_out_of_files_while_serving_is_reported_and_survived() -> None:
    with serving("--now", "2026-03-02T12:00:00") as (process, ready):
        before = legs(ready["cdr"])["data"]
        post(ready["cdr"], b"{}")
        used = len(_descriptors(process.pid))
        hard = resource.prlimit(process.pid, RLIMIT_NOFILE)[1]
        resource.prlimit(process.pid, RLIMIT_NOFILE, (used + 3, hard))
        with _connections(ready["cdr"], 12) as connections:
            lines = [_answers(connection) for connection in connections]
            assert lines[:3] == [b"HTTP/1.1 200 OK"] * 3
            assert b"" in lines
            busy = _cpu(process.pid)
            time.sleep(2.5)
            assert _cpu(process.pid) - busy < 0.5  # it waits, it does not spin
            assert _answers(connections[0]) == b"HTTP/1.1 200 OK"
        assert _retry(lambda: legs(ready["cdr"]))["data"] == before
        process.terminate()
        told = process.stderr.read().decode()
    assert told.count("no file descriptor left (ulimit -n)") == 1
    assert "Traceback" not in told


def _descriptors(pid: int) -> set[int]:
    return {int(each.name) for each in Path(f"/proc/{pid}/fd").iterdir()}


@contextmanager
def _no_descriptor_left(pid: int) -> Iterator[None]:
    opened = _descriptors(pid)
    first_free = min(set(range(len(opened) + 1)) - opened)
    before = resource.prlimit(pid, RLIMIT_NOFILE)
    resource.prlimit(pid, RLIMIT_NOFILE, (first_free, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, RLIMIT_NOFILE, before)


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="no limit of another process")
def test_no_file_left_before_the_first_request_is_a_503_and_nothing_is_broken_after_it() -> None:
    kind = {"Content-Type": "text/xml"}
    requests: dict[str, tuple[str, bytes, dict[str, str]]] = {
        "cdr": ("/v2.0", json.dumps(LEGS).encode(), {}),
        "onec": ("/cus/ws/PartnerWebAPI2", SOAP.encode(), kind | basic("demo")),
        "arm": ("/demo/service/cc/arm/operator_call_history", ARM, kind | basic("101")),
    }
    with serving("--now", "2026-03-02T12:00:00") as (process, ready), ExitStack() as stack:
        before, connections = len(_descriptors(process.pid)), {}
        for name in requests:
            connection = HTTPConnection(*_address(ready[name]), timeout=30)
            connection.connect()
            connections[name] = stack.enter_context(closing(connection))
        deadline = time.monotonic() + 10
        while len(_descriptors(process.pid)) < before + len(requests):  # until they are accepted
            assert time.monotonic() < deadline
            time.sleep(0.01)
        shown = dict[str, bytes]()
        with _no_descriptor_left(process.pid):
            control = stack.enter_context(socket.create_connection(_address(ready["control"]), 30))
            control.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            for name, (path, body, headers) in requests.items():
                connections[name].request("POST", path, body, headers)
                answer = connections[name].getresponse()
                assert answer.status == 503, name
                shown[name] = answer.read()
        error = json.loads(shown["cdr"])
        assert (error["id"], error["error"]["data"]["mnemonic"]) == (LEGS["id"], "internal_error")
        assert b"<faultcode>soap:Server</faultcode>" in shown["onec"]
        assert "ulimit -n" in (arm_schema.parse(shown["arm"]).findtext("error") or "")
        assert all(read_ids(ready))
        process.terminate()
        assert process.stderr is not None
        told = process.stderr.read().decode()
    assert told.count("no file descriptor left (ulimit -n)") == told.count("\n") == 1


USE_ALL_FILES = """
import os, resource, socket, time
import callmocks

with callmocks.running(only=("cdr",)) as mock, socket.socket() as client:
    port = int(mock.cdr.url.split(":")[2].partition("/")[0])
    resource.setrlimit(resource.RLIMIT_NOFILE, (400, 400))
    taken = []
    try:
        while True:
            taken.append(os.dup(0))
    except OSError:
        pass
    client.connect(("127.0.0.1", port))
    time.sleep(1.2)  # descriptors are looked at every second
    for each in taken:
        os.close(each)
    client.settimeout(10)
    client.sendall(b"POST /v2.0 HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 2\\r\\n\\r\\n{}")
    print(client.recv(15))
"""


def test_a_test_that_uses_all_files_of_its_process_is_told_once_and_served_afterwards() -> None:
    command = [sys.executable, "-c", USE_ALL_FILES]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout == "b'HTTP/1.1 200 OK'\n"
    assert done.stderr.count("no file descriptor left (ulimit -n)") == done.stderr.count("\n") == 1


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="no limit of another process")
def test_no_file_left_for_a_frame_is_a_503_in_a_frame() -> None:
    frame = frames.encode_request("0001", "operator_call_history", request_json(limit=1))
    with serving("--now", "2026-03-02T12:00:00") as (process, ready):
        url = ready["arm"].replace("http", "ws") + "/demo/service/cc/arm"
        with websockets.sync.client.connect(url, additional_headers=basic("101")) as arm:
            with _no_descriptor_left(process.pid):
                arm.send(frame, text=True)
                assert str(arm.recv(30))[12:19] == "0001503"
            arm.send(frame, text=True)
            assert str(arm.recv(30))[12:19] == "0001200"


def _address(url: str) -> tuple[str, int]:
    host, port = url.split("/")[2].split(":")
    return host, int(port)


def _cpu(pid: int) -> float:
    """Seconds of processor time."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def test_control_that_cannot_start_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    make_app, failures = control_server.make_app, [OSError("Too many open files")]

    def make_at_second_try(*arguments: Any, **options: Any) -> web.Application:
        if failures:
            raise failures.pop()
        return make_app(*arguments, **options)

    monkeypatch.setattr(control_server, "make_app", make_at_second_try)
    monkeypatch.setattr(mock_server, "_CONTROL_RETRY_SECONDS", 0)
    free = {f"{name}_port": 0 for name in ("arm", "cdr", "onec", "control")}
    async with MockServer(ServeSettings(**free)) as suite:  # type: ignore[arg-type]
        health = await asyncio.to_thread(get, suite.urls["control"] + "/health")
    assert json.loads(health)["status"] == "ok"
    assert "Too many open files" in caplog.text
