"""At the documented maxima no request holds up the others.

A server in a process of its own measures the callbacks of its loop, another process asks for
``/health`` all the time, and all operations are walked through.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.maxima_steps import REFUSED, STEPS, WORLD, MaximalSuite

pytestmark = [pytest.mark.slow, pytest.mark.alone]

# Prints the longest time that /health took, in seconds, since the last line that it read. Waits in
# which the server's process has no CPU are other processes', and do not count where /proc tells.
PROBE = """
import os, sys, threading, time, urllib.request
longest = 0.0
def measure():
    try:
        with open(f"/proc/{sys.argv[2]}/stat") as file:
            user, system = file.read().rpartition(")")[2].split()[11:13]
    except OSError:
        return time.perf_counter(), time.perf_counter()
    return time.perf_counter(), (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
def ask():
    global longest
    while True:
        begun = measure()
        urllib.request.urlopen(sys.argv[1], timeout=60).read()
        wall, cpu = (after - before for before, after in zip(begun, measure()))
        longest = max(longest, min(wall, cpu))
        time.sleep(0.02)
threading.Thread(target=ask, daemon=True).start()
for _ in sys.stdin:
    print(longest, flush=True)
    longest = 0.0
"""
MAX_HEALTH_SECONDS = 0.5


@contextmanager
def running(*command: str) -> Iterator[subprocess.Popen[str]]:
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, *command], stdin=pipe, stdout=pipe, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_nothing_holds_up_other_requests_at_the_documented_maxima(tmp_path: Path) -> None:
    world = tmp_path / "maxima.toml"
    world.write_text(WORLD, encoding="utf-8")
    server_file = str(Path(__file__).with_name("measured_server.py"))
    with running(server_file, str(world)) as server:
        assert server.stdout is not None
        urls = json.loads(server.stdout.readline())
        suite = MaximalSuite(urls, str(world))
        late: dict[str, float] = {}
        ended: dict[str, float] = {}
        with running("-c", PROBE, urls["control"] + "/health", str(server.pid)) as probe:
            assert probe.stdin is not None and probe.stdout is not None
            for name, step in STEPS.items():
                status, body = step(suite)
                expected = (REFUSED[name],) if name in REFUSED else (200, 201, 204)
                fits = status in expected and (status < 500 or b"Fault" in body)
                assert fits, (name, status, body[:200])
                ended[name] = time.time()
                probe.stdin.write("\n")
                probe.stdin.flush()
                seconds = float(probe.stdout.readline())
                if seconds > MAX_HEALTH_SECONDS:
                    late[name] = seconds
        server.kill()
        slow = [json.loads(line) for line in server.stdout]
    for each in slow:  # in which step it was
        each["step"] = next((n for n, at in ended.items() if each["ended"] < at + 0.1), "the end")
    assert (slow, late) == ([], {})
