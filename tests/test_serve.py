"""``callmocks serve`` as a process: ready, answering, stopped."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ctypes
import json
import platform
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import websockets.sync.client

import callmocks
from callmocks.config.settings import ServeSettings
from callmocks.errors import SettingsError
from callmocks.server.mock_server import MockServer
from tests.forked import CLEAN_ENVIRONMENT, ForkedCommand, run_command

PORTS = ("arm", "cdr", "onec", "control")
FREE = [argument for name in PORTS for argument in (f"--{name}-port", "0")]
LEGS: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "get.call_legs_report",
    "params": {
        "access_token": "demo-token",
        "date_from": "2026-03-01 00:00:00",
        "date_till": "2026-03-02 00:00:00",
        "limit": 1000,
    },
}


@contextlib.contextmanager
def serving(*arguments: str, **environ: str) -> Iterator[tuple[ForkedCommand, dict[str, Any]]]:
    """A running ``callmocks serve --json`` on free ports, and its readiness line."""
    with ForkedCommand("serve", *FREE, "--json", *arguments, env=environ) as process:
        try:
            line = process.stdout.readline()
            yield process, json.loads(line or process.stderr.read())
        finally:
            process.kill()


@contextlib.contextmanager
def serving_from_start(*arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, Any]]]:
    """The same by the command itself."""
    command = [sys.executable, "-m", "callmocks", "serve", *FREE, "--json", *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, env=CLEAN_ENVIRONMENT) as process:
        try:
            assert process.stdout is not None and process.stderr is not None
            line = process.stdout.readline()
            yield process, json.loads(line or process.stderr.read())
        finally:
            process.kill()


def post(url: str, body: bytes, **headers: str) -> bytes:
    request = urllib.request.Request(url, body, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return bytes(answer.read())


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return bytes(answer.read())


def legs(url: str, **params: object) -> Any:
    message = LEGS | {"params": LEGS["params"] | params}
    return json.loads(post(url, json.dumps(message).encode()))["result"]


def test_the_readiness_line_says_where_everything_is() -> None:
    with serving_from_start("--seed", "7") as (_, ready):
        access = ["login", "password", "token"]
        assert list(ready) == ["arm", "cdr", "onec", "control", "tenant", "seed", *access]
        assert (ready["tenant"], ready["seed"]) == ("demo", 7)
        health = json.loads(get(ready["control"] + "/health"))
        assert health["addresses"] == {name: ready[name] for name in PORTS}
        assert ready["cdr"].endswith("/v2.0")
        assert ready["onec"].endswith("/cus/ws/PartnerWebAPI2")


def test_all_three_providers_answer_at_their_addresses() -> None:
    with serving_from_start("--now", "2026-03-02T12:00:00") as (_, ready):
        assert len(legs(ready["cdr"])["data"]) > 100
        frame = post(
            ready["arm"] + "/demo/service/cc/arm/operator_call_history",
            b'<in><request><filters limit="5" offset="0"/></request></in>',
            **{"Content-Type": "text/xml", "Authorization": _basic("101", "demo")},
        )
        assert frame.count(b"<call_history ") == 5
        assert b"PartnerWebAPI2" in get(ready["onec"] + "?wsdl")


def test_control_starts_at_its_first_connections_and_has_what_was_before() -> None:
    with serving() as (_, ready), ThreadPoolExecutor(3) as threads:
        legs(ready["cdr"])
        pages = list(threads.map(get, [ready["control"] + "/metrics"] * 3))
    labels = b'{operation="get.call_legs_report",provider="cdr",status="200"}'
    assert all(b"callmocks_exchanges_total" + labels + b" 1.0" in page for page in pages)


def test_the_same_seed_and_now_serve_the_same_bytes_from_two_processes() -> None:
    same = ("--now", "2026-03-02T12:00:00", "--limits", "off", "--seed")
    with serving_from_start(*same, "7") as (_, one), serving(*same, "7") as (_, two):
        first = legs(one["cdr"])["data"]
        assert len(first) > 100
        assert json.dumps(first) == json.dumps(legs(two["cdr"])["data"])
    with serving(*same, "8") as (_, other):
        assert legs(other["cdr"])["data"] != first


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_cleanly_whoever_is_connected(number: signal.Signals) -> None:
    with serving_from_start() as (process, ready):
        url = ready["arm"].replace("http", "ws") + "/demo/service/cc/arm"
        host, port = ready["cdr"].split("/")[2].split(":")
        with (
            websockets.sync.client.connect(url, close_timeout=1),
            socket.create_connection((host, int(port))) as half_way,
        ):
            half_way.sendall(b"POST /v2.0 HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
            process.send_signal(number)
            assert process.wait(30) == 0  # aiohttp by itself would wait for 60 s
        assert process.stderr is not None
        assert process.stderr.read() == b""
        with socket.socket() as probe:
            assert probe.connect_ex((host, int(port))) != 0


def test_a_busy_port_is_one_line_and_exit_code_2() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run_command("serve", *FREE, "--onec-port", port)
    assert done.returncode == 2
    assert done.stdout == b""
    assert (
        done.stderr.decode()
        == f"callmocks: --onec-port: 127.0.0.1:{port}: Address already in use\n"
    )


def test_only_starts_some_of_them() -> None:
    with serving(CALLMOCKS_ONLY="cdr") as (_, ready):
        assert ready["arm"] is ready["onec"] is None
        assert legs(ready["cdr"])["data"]
        health = json.loads(get(ready["control"] + "/health"))
        assert health["addresses"]["arm"] is None


def test_without_json_people_read_the_same() -> None:
    with ForkedCommand("serve", *FREE, "--only", "cdr", "--seed", "9") as process:
        text = b"".join(process.stdout.readline() for _ in range(4)).decode()
        process.terminate()
    assert "seed 9" in text
    assert "demo-token" in text
    assert text.count("http://127.0.0.1:") == 2


def test_a_variable_that_is_almost_a_setting_is_warned_of() -> None:
    """``CALLMOCKS_PORT`` and its like an orchestrator makes of a service's name."""
    environ = {
        "CALLMOCKS_LIMIT": "off",
        "CALLMOCKS_PORT": "tcp://10.0.0.1:80",
        "CALLMOCKS_SEED": "9",
    }
    with serving("--only", "cdr", **environ) as (process, ready):
        assert ready["seed"] == 9
        process.terminate()
        text = process.stderr.read().decode()
    expected = "CALLMOCKS_LIMIT is no setting; did you mean CALLMOCKS_LIMITS?"
    assert text.splitlines() == [f"callmocks: warning: {expected}"]


def test_a_recording_of_what_is_not_served_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "arm.jsonl"
    exchange = {"seq": 1, "at": "2026-03-02T12:00:00", "provider": "arm", "status": 200}
    other = {"operation": "logout", "request": "<in/>", "response": "<out/>"}
    file.write_text(json.dumps(exchange | other), encoding="utf-8")
    told = rf"replay: {file}: arm is recorded, which --only leaves out$"
    with pytest.raises(SettingsError, match=told), callmocks.running(only="cdr", replay=file):
        pass
    with callmocks.running(only="cdr,arm", replay=file) as mocks:
        assert b"result" in post(mocks.cdr.url, json.dumps(LEGS).encode())


def test_listening_for_other_machines_warns() -> None:
    with serving("--host", "0.0.0.0", "--only", "cdr") as (process, ready):
        assert ready["cdr"].startswith("http://0.0.0.0:")
        process.terminate()
        text = process.stderr.read().decode()
        assert text.startswith("callmocks: warning: 0.0.0.0 can be reached from other machines")
        assert text.count("\n") == 1


def test_public_addresses_are_those_the_user_gave() -> None:
    with serving("--public-url", "https://mocks.example", "--only", "cdr") as (_, ready):
        assert ready["cdr"] == "https://mocks.example/v2.0"
    address = "http://{}:{{port}}".format
    with serving("--public-url", address("mocks"), "--only", "onec") as (_, ready):
        assert ready["onec"].startswith("http://mocks:")
        assert "{" not in ready["onec"]
    with serving("--public-url", address("localhost"), "--only", "onec") as (_, ready):
        assert ready["onec"].startswith("http://localhost:")
        wsdl = get(ready["onec"].replace("localhost", "127.0.0.1") + "?wsdl").decode()
        assert wsdl.count(f'location="{ready["onec"]}"') == 2


def test_the_admin_api_can_ask_for_a_token() -> None:
    with serving("--admin-token", "s3cret", "--host", "0.0.0.0", "--only", "cdr") as (_, ready):
        address = ready["control"] + "/api/tenants"
        with pytest.raises(urllib.error.HTTPError, match="401"):
            get(address)
        asked = urllib.request.Request(address, headers={"Authorization": "Bearer s3cret"})
        with urllib.request.urlopen(asked, timeout=10) as answer:
            assert answer.status == 200


def test_tenants_made_later_are_as_demo_unless_set_otherwise() -> None:
    with serving("--seed", "7", "--limits", "off", "--now", "2026-03-02T12:00:00") as (_, ready):
        made = json.loads(post(ready["control"] + "/api/tenants", b'{"name": "other"}'))
        assert (made["seed"], made["limits"]) == (7, "off")
        mine, others = legs(ready["cdr"]), legs(ready["cdr"], access_token="other-token")
        assert mine["data"] == others["data"]


def test_every_exchange_is_a_line_on_stderr_with_log_json() -> None:
    with serving("--log", "json", "--only", "cdr") as (process, ready):
        legs(ready["cdr"])
        process.terminate()
        lines = [json.loads(line) for line in process.stderr.read().splitlines()]
    assert [line["operation"] for line in lines] == ["get.call_legs_report"]


def test_pinned_calls_of_a_file_are_served(tmp_path: Path) -> None:
    file = tmp_path / "calls.jsonl"
    file.write_text(
        '{"start": "2026-03-01T10:00:00", "client_phone": "79990000001"}', encoding="utf-8"
    )
    with serving("--world", "empty", "--calls", str(file)) as (_, ready):
        assert {leg["start_time"][:16] for leg in legs(ready["cdr"])["data"]} == {
            "2026-03-01 10:00"
        }


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


# in the same process


ANY = ServeSettings(arm_port=0, cdr_port=0, onec_port=0, control_port=0, now="2026-03-02T12:00:00")


async def test_a_suite_serves_inside_a_test() -> None:
    async with MockServer(ANY) as suite:
        assert set(suite.urls) == set(PORTS)
        answer = await asyncio.to_thread(legs, suite.urls["cdr"])
        assert answer["data"]
        demo = suite.registry.get("demo")
        assert demo is not None
        assert len(list(demo.journal.read_entries())) == 1


async def test_a_suite_frees_its_ports_and_can_start_again() -> None:
    suite = MockServer(ANY)
    await suite.start()
    address = suite.urls["control"]
    await suite.stop()
    await suite.stop()
    with pytest.raises(urllib.error.URLError):
        get(address)
    async with suite:
        assert await asyncio.to_thread(get, suite.urls["control"] + "/health")


async def test_a_suite_that_cannot_start_leaves_nothing_behind() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with socket.create_server(("127.0.0.1", 0)) as found:
            free = found.getsockname()[1]
        suite = MockServer(
            ServeSettings(
                arm_port=free, cdr_port=taken.getsockname()[1], onec_port=0, control_port=0
            )
        )
        with pytest.raises(SettingsError, match="--cdr-port"):
            await suite.start()
    socket.create_server(("127.0.0.1", free)).close()


PROXY = ("proxy", "cdr", "http://127.0.0.1:9/v2.0", "--port", "0", "--json")


@pytest.mark.skipif(sys.platform != "linux", reason="tgkill is Linux's")
@pytest.mark.parametrize("command", [("serve", *FREE, "--json"), PROXY], ids=lambda it: it[0])
def test_a_stop_signal_may_come_to_any_thread(command: tuple[str, ...]) -> None:
    whole = [sys.executable, "-m", "callmocks", *command]
    libc = ctypes.CDLL(None, use_errno=True)
    with subprocess.Popen(whole, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        process.stdout.readline()
        threads = [int(each.name) for each in Path(f"/proc/{process.pid}/task").iterdir()]
        tgkill = {"x86_64": 234, "aarch64": 131}[platform.machine()]
        for other in threads:  # one may have ended meanwhile
            if other != process.pid:
                libc.syscall(tgkill, process.pid, other, int(signal.SIGTERM))
        try:
            assert process.wait(10) == 0
        finally:
            process.kill()
