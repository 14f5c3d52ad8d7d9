"""What the machine may do to a suite: kill it, fill its disk, set its clock, run out of files."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
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
from callmocks.history import clock
from callmocks.onec import read_answer
from callmocks.server import mock_server
from callmocks.server.mock_server import MockServer
from tests.arm.conftest import request_json
from tests.control.server_client import SOAP, basic
from tests.forked import run_command
from tests.test_serve import FREE, LEGS, get, legs, post, serving

resource = pytest.importorskip("resource", reason="limits of a process are set by resource")
RLIMIT_NOFILE: int = resource.RLIMIT_NOFILE
ARM = b'<in><request><filters limit="20"/></request></in>'


def _ids(ready: dict[str, Any]) -> list[bytes]:
    """What all three providers say of a day, and the whole truth with all ids."""
    arm = ready["arm"] + "/demo/service/cc/arm/operator_call_history"
    truth = "/api/tenants/demo/truth?from=2026-03-01&till=2026-03-02"
    return [
        json.dumps(legs(ready["cdr"])["data"]).encode(),
        post(arm, ARM, **{"Content-Type": "text/xml"}, **basic("101")),
        post(ready["onec"], SOAP.encode(), **{"Content-Type": "text/xml"}, **basic("demo")),
        get(ready["control"] + truth),
    ]


class Load(threading.Thread):
    """A client that asks without pause until it cannot any more."""

    def __init__(self, ready: dict[str, Any]) -> None:
        super().__init__(daemon=True)
        self.ready, self.answers, self.half = ready, 0, 0

    def run(self) -> None:
        body = json.dumps(LEGS).encode()
        while True:
            try:
                answer = post(self.ready["cdr"], body)
            except (OSError, urllib.error.URLError):
                return
            except Exception:  # cut off in the middle of an answer
                self.half += 1
                return
            json.loads(answer)
            self.answers += 1


# killed


def test_killed_under_load_and_started_again_it_has_the_same_data_and_ids(tmp_path: Path) -> None:
    pins = tmp_path / "calls.jsonl"
    pins.write_text(
        '{"start": "2026-03-01T10:00:00", "client_phone": "79990000001", "operator": "101"}\n'
        '{"start": "2026-03-01T11:00:00", "client_phone": "79990000002", "operator": "102"}\n',
        encoding="utf-8",
    )
    same = ("--now", "2026-03-02T12:00:00", "--seed", "7", "--calls", str(pins), "--limits", "off")
    with serving(*same) as (process, ready):
        before = _ids(ready)
        assert b"79990000001" in before[3]
        clients = [Load(ready) for _ in range(4)]
        for client in clients:
            client.start()
        deadline = time.monotonic() + 10
        while min(client.answers for client in clients) < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        process.kill()
        for client in clients:
            client.join(10)
        assert process.wait() == -signal.SIGKILL
        assert all(client.answers >= 3 for client in clients)
        ports = [
            argument
            for name in ("arm", "cdr", "onec", "control")
            for argument in (f"--{name}-port", ready[name].split(":")[2].partition("/")[0])
        ]
    with serving(*same, *ports) as (_, again):  # at once, on the very same ports
        assert again == ready
        assert _ids(again) == before


# a full disk


def _run_with_full_disk(command: list[str], most: int) -> subprocess.CompletedProcess[str]:
    """Run a command whose files cannot grow beyond so many bytes."""
    return subprocess.run(
        [sys.executable, "-m", "callmocks", *command],
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
    )


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_an_export_that_does_not_fit_says_so_and_leaves_nothing(tmp_path: Path, form: str) -> None:
    target = tmp_path / f"january.{form}"
    window = ["--from", "2026-01-01", "--till", "2026-02-01", "--output", str(target)]
    done = _run_with_full_disk(["history", "export", *window], 50_000)
    assert done.returncode == 2
    assert done.stderr.startswith("callmocks: --output: ")
    assert "File too large" in done.stderr and done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize(
    "command",
    [["history", "show", "--view", "cdr-legs"], ["history", "fingerprint"], ["serve", *FREE]],
)
def test_output_that_does_not_fit_is_one_line_and_exit_code_2(command: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = run_command(*command, stdout=full.fileno())
    assert done.returncode == 2
    assert done.stderr.decode() == "callmocks: [Errno 28] No space left on device\n"


def test_a_recording_that_meets_a_full_disk_ends_whole_and_the_proxy_goes_on(
    tmp_path: Path,
) -> None:
    record = tmp_path / "calls.jsonl"
    with serving("--now", "2026-03-02T12:00:00", "--only", "cdr") as (_, ready):
        proxy = subprocess.Popen(
            [
                *(sys.executable, "-m", "callmocks", "proxy", "cdr", ready["cdr"]),
                *("--port", "0", "--record", str(record), "--json"),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)),
        )
        try:
            assert proxy.stdout is not None and proxy.stderr is not None
            ready = json.loads(proxy.stdout.readline())
            through = next(v for v in ready.values() if str(v).startswith("http"))
            for _ in range(8):
                assert len(legs(through)["data"]) > 100
            proxy.terminate()
            _, told = proxy.communicate(timeout=60)
        finally:
            proxy.kill()
    assert told.count("recording ended after") == 1
    assert "File too large" in told
    lines = record.read_text(encoding="utf-8").splitlines(keepends=True)
    assert len(lines) >= 1
    assert all(line.endswith("\n") and json.loads(line) for line in lines)


# a clock that jumps

JUMPS = {
    "an hour back": -3600.0,
    "a day on": 86_400.0,
    "to the history's last days": 2.788e8,
    "beyond the history": 3.2e9,
    "to 1970": -1.79e9,
}


@pytest.mark.parametrize("jump", JUMPS)
async def test_the_machines_clock_may_jump(jump: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    now = [1_772_442_000.0]
    monkeypatch.setattr(clock, "unix_time", lambda: now[0])
    free = {f"{name}_port": 0 for name in ("arm", "cdr", "onec", "control")}
    async with MockServer(ServeSettings(**free)) as suite:  # type: ignore[arg-type]
        urls: dict[str, Any] = dict(suite.urls)

        def ask() -> tuple[Any, Any, Any]:
            arm = urls["arm"] + "/demo/service/cc/arm/operator_call_history"
            kind = {"Content-Type": "text/xml"}
            return (
                json.loads(post(urls["cdr"], json.dumps(LEGS).encode())),
                arm_schema.parse(post(arm, ARM, **kind, **basic("101"))),
                read_answer(post(urls["onec"], SOAP.encode(), **kind, **basic("demo"))),
            )

        login = {"jsonrpc": "2.0", "id": 1, "method": "login.user"}
        params = {"login": "demo", "password": "demo"}
        body = json.dumps({**login, "params": params}).encode()
        token = json.loads(await asyncio.to_thread(post, urls["cdr"], body))
        session = token["result"]["data"]["access_token"]
        before, _, _ = await asyncio.to_thread(ask)
        now[0] += JUMPS[jump]
        after, arm, onec = await asyncio.to_thread(ask)
        assert ("result" in after) or after["error"]["data"]["mnemonic"] != "internal_error"
        assert arm.tag == "out"
        assert onec["ResultCode"]
        if jump in ("an hour back", "a day on"):
            assert after["result"]["data"] == before["result"]["data"]
        body = json.dumps(
            {**login, "method": "get.account", "params": {"access_token": session}}
        ).encode()
        kept = json.loads(await asyncio.to_thread(post, urls["cdr"], body))
        assert ("result" in kept) is (JUMPS[jump] < 0)  # its hour is over, or is not
        now[0] -= JUMPS[jump]
        again, _, _ = await asyncio.to_thread(ask)
        assert again["result"]["data"] == before["result"]["data"]
        entries = json.loads(
            await asyncio.to_thread(get, urls["control"] + "/api/tenants/demo/journal")
        )["entries"]
        assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
        assert all(entry["duration_ms"] >= 0 for entry in entries)
        assert not [v for entry in entries for v in entry["violations"] if v["side"] == "answer"]


# no files left


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
        assert all(_ids(ready))
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
                try:
                    got = str(arm.recv(30))
                except Exception:
                    process.terminate()
                    print(process.stderr.read().decode())
                    raise
                assert got[12:19] == "0001503"
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
