"""``--host`` takes names and lists: every address answers, at one port.

In a network of its own, whose loopback interface has both kinds of addresses; that takes root, and
elsewhere these tests use the machine's own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import pytest

# Starts callmocks with the arguments given, asks every server at every address that follows `ask`,
# and prints its readiness line and the statuses.
ASK = """
import fcntl, json, socket, struct, subprocess, sys, urllib.error, urllib.parse, urllib.request
SET_FLAGS, UP_AND_RUNNING = 0x8914, 0x41
hosts_file, taken = sys.argv[3:]
if hosts_file:
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SET_FLAGS, struct.pack("16sh22x", b"lo", UP_AND_RUNNING))
    subprocess.run(["mount", "--bind", hosts_file, "/etc/hosts"], check=True)
holders = []
for port in json.loads(taken):
    holders.append(socket.create_server(("::1", port), family=socket.AF_INET6))
    with open("/proc/sys/net/ipv4/ip_local_port_range", "w") as free_ports:
        free_ports.write("20000 20039")
arguments, addresses = json.loads(sys.argv[1]), json.loads(sys.argv[2])
command = [sys.executable, "-m", "callmocks", "serve", "--json", *arguments]
with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as server:
    line = server.stdout.readline()
    if not line:
        sys.exit(server.stderr.read().decode())
    ready, statuses = json.loads(line), []
    for name in ("arm", "cdr", "onec", "control"):
        port = urllib.parse.urlsplit(ready[name]).port
        for address in addresses:
            try:
                request = urllib.request.urlopen(f"http://{address}:{port}/health", timeout=30)
                statuses.append(request.status)
            except urllib.error.HTTPError as error:
                statuses.append(error.code)
            except OSError as error:
                statuses.append(str(error))
    server.terminate()
print(json.dumps([ready, statuses]))
"""
NAMES = ("arm", "cdr", "onec", "control")
PORTS = [part for name in NAMES for part in (f"--{name}-port", "0")]
NEW_NETWORK = ["unshare", "--net", "--mount"] if os.geteuid() == 0 else []
Served = tuple[dict[str, str], list[int | str]]
Serve = Callable[..., Served]
BOTH = ["127.0.0.1", "[::1]"]


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    hosts_file = tmp_path / "hosts"
    hosts_file.write_text("127.0.0.1 localhost\n::1 localhost\n", encoding="utf-8")

    def run(host: str, addresses: list[str], *ports: str, taken: Sequence[int] = ()) -> Served:
        first, second = json.dumps(["--host", host, *PORTS, *ports]), json.dumps(addresses)
        command = [*NEW_NETWORK, sys.executable, "-c", ASK, first, second]
        command += [str(hosts_file) if NEW_NETWORK else "", json.dumps([*taken])]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        ready, statuses = json.loads(done.stdout)
        return ready, statuses

    return run


@pytest.mark.parametrize("host", ["localhost", "::1, 127.0.0.1", "::", "0.0.0.0,::"])
def test_every_address_answers_at_one_port(serve: Serve, host: str) -> None:
    ready, statuses = serve(host, BOTH)
    assert len(statuses) == 8
    assert [status for status in statuses if not isinstance(status, int)] == []
    first = host.partition(",")[0]
    shown = f"[{first}]" if ":" in first else first
    assert ready["control"].startswith(f"http://{shown}:")


def test_an_address_alone_is_an_address_alone(serve: Serve) -> None:
    assert all("refused" in str(status) for status in serve("127.0.0.1", ["[::1]"])[1])


@pytest.mark.skipif(not NEW_NETWORK, reason="needs root: which ports are free is set")
def test_a_free_port_is_free_at_all_addresses(serve: Serve) -> None:
    ready, statuses = serve("127.0.0.1,::1", BOTH, taken=range(20_000, 20_020))
    assert {urlsplit(ready[name]).port for name in NAMES} <= set(range(20_020, 20_040))
    assert [status for status in statuses if not isinstance(status, int)] == []


@pytest.mark.skipif(not NEW_NETWORK, reason="needs root: the port may be taken already")
def test_a_port_that_is_taken_at_one_address_is_refused_with_that_address(serve: Serve) -> None:
    with pytest.raises(AssertionError, match="--cdr-port: ::1:18087: Address already in use"):
        serve("127.0.0.1,::1", BOTH, "--cdr-port", "18087", taken=[18_087])
