"""Addresses that are a mistake: message as such, and not as findings."""

from __future__ import annotations

import http.server
import threading

import pytest

from callmocks.errors import CheckError
from callmocks.testing import Mocks
from tests.verification.conftest import CommandRunner, run_command


class RedirectHandler(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_response(308)
        self.send_header("Location", "https://other.example/v2.0")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_https_to_an_http_server(suite: Mocks, cli: CommandRunner) -> None:
    address = suite.cdr.url.replace("http:", "https:")
    with pytest.raises(CheckError, match="cannot be reached: there is no TLS there, perhaps it is"):
        cli("check", "cdr", address, "--token", "t")


@pytest.mark.parametrize(
    ("provider", "path", "error"),
    [
        ("cdr", "/v1.0", "answers 404: wrong path. URL is like https://HOST/v2.0"),
        ("onec", "/cus", "answers 404: .* URL is like https://HOST/cus/ws/PartnerWebAPI2"),
        ("arm", "/nodomain", "answers 404: .* URL is like http://HOST:8086/DOMAIN"),
        ("arm", "ws/nodomain", "answers 404: .* URL is like"),
    ],
)
def test_a_wrong_path_is_one_error_instead_of_findings(
    suite: Mocks, cli: CommandRunner, provider: str, path: str, error: str
) -> None:
    root = getattr(suite, provider).url.partition("/v2")[0].partition("/cus")[0]
    if path.startswith("ws"):
        root, path = root.replace("http:", "ws:"), path[2:]
    with pytest.raises(CheckError, match=error):
        cli("check", provider, root + path, "--login", "demo", "--password", "x")


def test_a_redirect_is_an_error_that_names_the_new_address(cli: CommandRunner) -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), RedirectHandler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        with pytest.raises(CheckError, match="answers 308 and leads to https:"):
            cli("check", "cdr", f"http://127.0.0.1:{server.server_port}/v2.0", "--token", "t")
        server.shutdown()


def test_an_unknown_provider_is_an_error_with_the_known_ones() -> None:
    for command in ("check", "proxy"):
        assert run_command(command).err == (
            "callmocks: Missing argument 'PROVIDER'. Choose from: arm, cdr, onec\n"
        )
        assert "'PROVIDER': 'sip' is not one of" in run_command(command, "sip", "http://h").err
