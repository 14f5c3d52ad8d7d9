"""``python -m callmocks.server.healthcheck``: the container's health check."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.test_serve import serving


def run_healthcheck(*arguments: str, **environ: str) -> tuple[int, str]:
    """Exit code and its output."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("CALLMOCKS_")}
    done = subprocess.run(
        [sys.executable, "-m", "callmocks.server.healthcheck", *arguments],
        env=clean | environ,
        capture_output=True,
        timeout=20,
        text=True,
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


def port_of(url: str) -> str:
    return url.rpartition(":")[2]


def test_a_suite_that_answers_is_healthy_and_one_that_has_gone_is_not() -> None:
    with serving("--only", "cdr", "--host", "0.0.0.0") as (process, ready):
        where = {"CALLMOCKS_HOST": "0.0.0.0", "CALLMOCKS_CONTROL_PORT": port_of(ready["control"])}
        assert run_healthcheck(**where) == (0, "")
        process.terminate()
        process.wait()
        code, output = run_healthcheck(**where)
        assert code == 1
        assert output.startswith(f"callmocks: http://127.0.0.1:{port_of(ready['control'])}: ")
        assert output.count("\n") == 1


@pytest.mark.parametrize("told", [{"CALLMOCKS_TLS": "auto"}, {}], ids=["told", "not told"])
def test_over_tls_too_also_when_only_a_flag_says_so(told: dict[str, str]) -> None:
    with serving("--only", "cdr", "--tls", "auto") as (_, ready):
        assert run_healthcheck(CALLMOCKS_CONTROL_PORT=port_of(ready["control"]), **told) == (0, "")


def test_a_token_is_not_needed() -> None:
    with serving("--only", "cdr", "--admin-token", "s3cret") as (_, ready):
        assert run_healthcheck(CALLMOCKS_CONTROL_PORT=port_of(ready["control"])) == (0, "")


def test_the_config_file_and_an_address_say_where_it_is(tmp_path: Path) -> None:
    with serving("--only", "cdr") as (_, ready):
        config = tmp_path / "callmocks.toml"
        config.write_text(f"control-port = {port_of(ready['control'])}\n", encoding="utf-8")
        assert run_healthcheck(CALLMOCKS_CONFIG=str(config)) == (0, "")
        assert run_healthcheck(ready["control"], CALLMOCKS_CONTROL_PORT="1") == (0, "")


@pytest.mark.parametrize(
    ("arguments", "environ"),
    [
        (("127.0.0.1:8080",), {}),
        (("http://127.0.0.1:port",), {}),
        ((), {"CALLMOCKS_CONTROL_PORT": "many"}),
        ((), {"CALLMOCKS_CONFIG": "/nowhere/callmocks.toml"}),
    ],
)
def test_an_unknown_address_is_one_line(
    arguments: tuple[str, ...], environ: dict[str, str]
) -> None:
    code, output = run_healthcheck(*arguments, **environ)
    assert code == 1
    assert output.startswith("callmocks: the address of control is unknown: ")
    assert output.count("\n") == 1


@pytest.fixture
def silent() -> Iterator[int]:
    """A port where connections are accepted and nothing is answered."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_silent_server_is_unhealthy_within_the_engines_timeout(silent: int) -> None:
    code, output = run_healthcheck(f"http://127.0.0.1:{silent}")
    assert code == 1
    assert "timed out" in output


class _ErrorHandler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(503)

    def log_message(self, *_: object) -> None:
        pass


def test_another_status_is_not_healthy() -> None:
    server = HTTPServer(("127.0.0.1", 0), _ErrorHandler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        code, output = run_healthcheck(f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()
    assert (code, output.rpartition(" ")[2]) == (1, "503\n")


def test_it_imports_nothing_heavy() -> None:
    code = "import sys, callmocks.server.healthcheck; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    loaded = set(done.stdout.split())
    assert "callmocks.server.healthcheck" in loaded
    assert not loaded & {"aiohttp", "numpy", "polars", "click", "lxml", "msgspec"}
