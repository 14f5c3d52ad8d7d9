"""deploy/nginx.conf before two replicas: the real nginx, with this machine's ports in it."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import websockets.sync.client

from tests.conftest import ROOT
from tests.forked import ForkedCommand
from tests.test_serve import LEGS, PORTS, serving

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not on this machine")
DEFAULTS = {"control": 8080, "arm": 8086, "cdr": 8087, "onec": 8088}


class Balanced(NamedTuple):
    ports: dict[str, int]
    replicas: list[dict[str, str]]
    processes: list[ForkedCommand]

    def url(self, server: str, path: str = "") -> str:
        return f"http://localhost:{self.ports[server]}{path}"


def configured(folder: Path, ports: dict[str, int], replicas: list[dict[str, str]]) -> Path:
    """The configuration with other ports and folders, and replicas by address."""
    text = (ROOT / "deploy/nginx.conf").read_text(encoding="utf-8").replace("/tmp/", f"{folder}/")
    for server, port in DEFAULTS.items():
        places = [replica[server].split("/")[2] for replica in replicas]
        text, listens = re.subn(rf"listen {port};", f"listen 127.0.0.1:{ports[server]};", text)
        found = re.findall(rf"server replica:{port}([^;]*);", text)
        assert (listens, len(found)) == (1, 1), server
        servers = " ".join(f"server {place}{found[0]};" for place in places)
        text = text.replace(f"server replica:{port}{found[0]};", servers)
    path = folder / "nginx.conf"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def balanced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Balanced]:
    folder = tmp_path_factory.mktemp("nginx")
    with ExitStack() as stack:
        running = [
            stack.enter_context(serving("--now", "2026-03-02T12:00:00", "--limits", "off"))
            for _ in range(2)
        ]
        replicas = [ready for _, ready in running]
        with ExitStack() as held:
            listeners = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in PORTS]
            ports = {
                name: listener.getsockname()[1]
                for name, listener in zip(PORTS, listeners, strict=True)
            }
        path = configured(folder, ports, replicas)
        command = [str(NGINX), "-e", "stderr", "-p", str(folder), "-c", str(path)]
        subprocess.run([*command, "-t", "-q"], check=True, timeout=20)
        nginx = stack.enter_context(subprocess.Popen([*command, "-g", "daemon off;"]))
        stack.callback(nginx.terminate)
        _wait_for(ports["control"])
        yield Balanced(ports, replicas, [process for process, _ in running])


def _wait_for(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail("nginx does not listen")


def fetch(url: str, body: object = None) -> bytes:
    sent = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(url, sent, timeout=20) as answer:
        return bytes(answer.read())


def legs(url: str) -> Any:
    return json.loads(fetch(url, LEGS))["result"]["data"]


def test_all_replicas_serve_the_same_calls_and_each_gets_its_share(balanced: Balanced) -> None:
    alone = legs(balanced.replicas[0]["cdr"])
    assert len(alone) > 100
    for _ in range(10):
        assert legs(balanced.url("cdr", "/v2.0")) == alone
    for replica in balanced.replicas:
        journal = json.loads(fetch(replica["control"] + "/api/tenants/demo/journal?provider=cdr"))
        assert len(journal["entries"]) >= 5


def test_addresses_lead_to_the_balancer(balanced: Balanced) -> None:
    address = balanced.url("onec", "/cus/ws/PartnerWebAPI2")
    for _ in range(2):
        assert fetch(address + "?wsdl").count(f'location="{address}"'.encode()) == 2


def test_the_workplaces_websocket_passes(balanced: Balanced) -> None:
    url = balanced.url("arm", "/demo/service/cc/arm").replace("http", "ws")
    for _ in range(2):
        with websockets.sync.client.connect(url) as frames:
            frames.send(b"not a frame")
            assert frames.recv(timeout=10)


def test_the_admin_api_answers_to_the_balancers_name(balanced: Balanced) -> None:
    assert json.loads(fetch(balanced.url("control", "/health")))["status"] == "ok"


def test_a_replica_that_has_gone_is_not_missed(balanced: Balanced) -> None:
    alone = legs(balanced.replicas[1]["cdr"])
    balanced.processes[0].terminate()
    balanced.processes[0].wait(5)
    for _ in range(6):
        assert legs(balanced.url("cdr", "/v2.0")) == alone
