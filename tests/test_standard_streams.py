"""Standard streams as supervisors leave them: pipes nobody reads, and none at all."""

from __future__ import annotations

import http.client
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.forked import CLEAN_ENVIRONMENT, ForkedCommand
from tests.test_serve import FREE, get

PIPE_BYTES = 65_536
SECONDS = 30  # for what takes a fraction of one
STOP_SECONDS = 2  # the documented ones
pytestmark = pytest.mark.skipif(os.name == "nt", reason="descriptors and signals of POSIX")


@contextmanager
def running_command(*arguments: str) -> Iterator[tuple[ForkedCommand, dict[str, Any]]]:
    """A command whose stdout and stderr nobody reads, after its readiness line."""
    reader, writer = os.pipe()
    with (
        ForkedCommand(*arguments, stdout=writer) as process,
        os.fdopen(reader, "rb") as stdout,
        os.fdopen(writer, "wb"),
    ):
        try:
            ready = json.loads(stdout.readline())
            fill_pipe(writer)
            yield process, ready
        finally:
            process.kill()


def send_many(url: str, count: int, method: str, path: str, body: bytes = b"") -> None:
    connection = http.client.HTTPConnection(url.split("/")[2], timeout=SECONDS)
    for _ in range(count):
        connection.request(method, path, body)
        connection.getresponse().read()
    connection.close()


def stop(process: ForkedCommand) -> list[str]:
    """End it in time while its stderr is full; what stands there."""
    begun, waited_before = time.monotonic(), read_waiting_seconds(process.pid)
    waited = waited_before
    process.send_signal(signal.SIGTERM)
    while process.poll() is None:
        waited = max(waited, read_waiting_seconds(process.pid))
        assert time.monotonic() - begun < SECONDS
        time.sleep(0.005)
    seconds = time.monotonic() - begun - (waited - waited_before)
    assert process.returncode == 0
    assert seconds < STOP_SECONDS
    return process.stderr.read().decode().splitlines()


def read_waiting_seconds(pid: int) -> float:
    """For which it was ready to run and a busy machine had no core for it."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return 0.0


def fill_pipe(writer: int) -> None:
    """Its flags are those of all who have it: it stays a blocking one."""
    while select.select([], [writer], [], 0)[1]:
        os.write(writer, b"x" * select.PIPE_BUF)


def test_a_log_that_nobody_reads_stops_nothing_and_its_losses_are_told() -> None:
    with running_command("serve", *FREE, "--json", "--log", "json", "--only", "cdr") as (
        process,
        ready,
    ):
        url = ready["control"]
        long = "/nothing/" + "x" * 7000
        send_many(url, 2600, "GET", long)  # 18 MB of lines, of which 16 MiB wait
        dropped = json.loads(get(url + "/health"))["log_lines_dropped"]
        assert 0 < dropped < 2600
        assert f"callmocks_log_lines_dropped_total {dropped}.0".encode() in get(url + "/metrics")
        lines = map(json.loads, iter(process.stderr.readline, b""))
        told = next(line for line in lines if line["event"] != "control")
        assert told["event"] == "log lines dropped" and told["lines"] == dropped
        send_many(url, 30, "GET", long)
        assert len(stop(process)) <= 2 * PIPE_BYTES // len(long)


def test_a_proxy_whose_findings_nobody_reads_goes_on() -> None:
    with (
        running_command("serve", *FREE, "--json", "--only", "cdr") as (_, upstream),
        running_command(
            *("proxy", "cdr", upstream["cdr"], "--port", "0", "--control-port", "0", "--json")
        ) as (process, ready),
    ):
        send_many(ready["proxy"], 700, "POST", "/v2.0", b'{"jsonrpc": "2.0"}')
        assert json.loads(get(ready["control"] + "/health"))["log_lines_dropped"] == 0
        shown = stop(process)
        assert 265 < len(shown) < 700  # as many as a pipe holds


@pytest.mark.parametrize("command", ["serve", "proxy"])
def test_a_full_stdout_delays_neither_service_nor_end(command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    arguments = ["serve", *FREE, "--control-port", str(port)]
    if command == "proxy":
        arguments = [
            "proxy",
            "cdr",
            "http://localhost/",
            "--port",
            "0",
            "--control-port",
            str(port),
        ]
    reader, writer = os.pipe()
    fill_pipe(writer)
    with (
        ForkedCommand(*arguments, stdout=writer) as process,
        os.fdopen(reader),
        os.fdopen(writer, "wb"),
    ):
        try:
            wait_until_healthy(f"http://127.0.0.1:{port}/health")
            assert stop(process) == ["callmocks: 0 exchanges, 0 with findings"] * (
                command == "proxy"
            )
        finally:
            process.kill()


def wait_until_healthy(url: str) -> None:
    begun = time.monotonic()
    while True:
        try:
            get(url)
            return
        except OSError:
            assert time.monotonic() - begun < SECONDS
            time.sleep(0.02)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_do_not_matter(closed: str) -> None:
    script = (
        "import os, signal\n"
        "from callmocks import cli\n"
        "from callmocks.cli import serve\n"
        "show = serve.print_ready\n"
        "end = lambda: os.kill(os.getpid(), signal.SIGTERM)\n"
        "serve.print_ready = lambda suite: (show(suite), end())\n"
        "cli.main()\n"
    )
    shell = f'exec "$0" -c "$1" serve {" ".join(FREE)} {closed}'
    done = subprocess.run(
        ["sh", "-c", shell, sys.executable, script], env=CLEAN_ENVIRONMENT, timeout=60
    )
    assert done.returncode == 0
