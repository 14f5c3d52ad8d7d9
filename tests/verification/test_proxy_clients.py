"""The proxy for clients with a built-in https address, and for peers that are not well behaved."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
import requests

import callmocks
from callmocks.errors import SettingsError
from callmocks.server.providers import PROVIDERS
from callmocks.testing import Mocks
from callmocks.verification import exchange_processor
from callmocks.verification.proxy_server import ProxyServer, ProxySettings
from tests.verification.conftest import NOW, CommandRunner, write_file
from tests.verification.messages import WINDOW, post_legs
from tests.verification.processes import read_exchanges, run_proxy

LEGS: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "get.call_legs_report",
    "params": {"access_token": "demo-token", **WINDOW, "limit": 5},
}


@pytest.fixture(scope="module")
def https_suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Mocks, Path]]:
    """A suite with TLS, and the certificate to trust."""
    with callmocks.running(tls="auto", only=("cdr",), now=NOW) as mocks:
        yield mocks, write_file(tmp_path_factory.mktemp("ca") / "ca.pem", mocks.ca_pem or b"")


def proxied_session(proxy: str, ca: Path) -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # which may say that this machine needs no proxy
    session.proxies, session.verify = {"https": proxy}, str(ca)
    return session


def test_clients_may_connect_by_https(suite: Mocks, tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    more = ("--tls", "auto", "--tls-ca-out", ca)
    with suite.tenant() as tenant, run_proxy("cdr", tenant.cdr.url, *more) as proxy:
        url = proxy.ready["proxy"]
        assert url.startswith("https://127.0.0.1:")
        body = {**LEGS, "params": {**LEGS["params"], "access_token": f"{tenant.name}-token"}}
        assert requests.post(url, json=body, verify=str(ca), timeout=10).json()["result"]["data"]
        with pytest.raises(requests.exceptions.SSLError):
            requests.post(url, json=body, timeout=10)
        assert proxy.stop() == 0


def test_a_client_with_a_built_in_address_is_recorded(
    https_suite: tuple[Mocks, Path], tmp_path: Path
) -> None:
    mocks, ca = https_suite
    host = urlsplit(mocks.cdr.url).netloc
    own_ca, file = tmp_path / "own.pem", tmp_path / "r.jsonl"
    more = ("--forward", host, "--tls-ca-out", own_ca, "--ca", ca, "--record", file)
    with run_proxy("cdr", mocks.cdr.url, *more) as proxy:
        address = proxy.ready["proxy"].removesuffix("/v2.0")
        assert address.startswith("http://")
        with proxied_session(address, own_ca) as client:
            for _ in range(2):
                answer = client.post(mocks.cdr.url, json=LEGS, timeout=10)
                assert answer.json()["result"]["data"]
            with pytest.raises(requests.exceptions.ProxyError, match="403"):
                client.post("https://other.example/", timeout=10)
        # The proxy's own address leads to the provider too.
        assert post_legs(proxy.ready["proxy"], "demo-token").json()["result"]
        assert proxy.stop() == 0
    assert [each["operation"] for each in read_exchanges(file)] == ["get.call_legs_report"] * 3


def test_the_certificate_of_a_forwarded_host_is_verified(
    https_suite: tuple[Mocks, Path], tmp_path: Path
) -> None:
    mocks, _ = https_suite
    own_ca = tmp_path / "own.pem"
    more = ("--forward", urlsplit(mocks.cdr.url).netloc, "--tls-ca-out", own_ca)
    with run_proxy("cdr", mocks.cdr.url, *more) as proxy:
        address = proxy.ready["proxy"].removesuffix("/v2.0")
        with proxied_session(address, own_ca) as client:
            assert client.post(mocks.cdr.url, json=LEGS, timeout=10).status_code == 502
        proxy.stop()
    assert any("certificate is not trusted" in line for line in proxy.stderr_lines)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("--forward", "h", "--host", "0.0.0.0"), "--forward: only with a --host of this machine"),
        (("--forward", "a b"), "--forward: 'a b' is not a host such as"),
        (("--forward", "http://h/"), "--forward: 'http://h/' is not a host"),
        (("--forward", "h:0"), "--forward: 'h:0' is not a host"),
        (("--tls-ca-out", "x"), "--tls-ca-out: only --tls auto and --forward"),
        (("--tls-key", "x"), "--tls-key: there is no certificate"),
        (("--tls", "auto", "--tls-cert", "x"), "--tls-cert: --tls auto makes"),
    ],
)
def test_options_that_do_not_fit_are_named(
    cli: CommandRunner, arguments: tuple[str, ...], error: str
) -> None:
    with pytest.raises(SettingsError, match=error):
        cli("proxy", "cdr", "http://h/", *arguments)


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def run_raw_upstream(handle: Handler) -> AsyncIterator[str]:
    """A server that sends whatever bytes it likes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        try:
            await handle(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    yield f"http://{host}:{port}"
    server.close()


@asynccontextmanager
async def run_local_proxy(
    upstream: str, provider: str = "cdr"
) -> AsyncIterator[tuple[ProxyServer, list[str]]]:
    events: list[str] = []
    settings = ProxySettings(PROVIDERS[provider], f"{upstream}/v2.0")
    async with ProxyServer(settings, events.append) as proxy:
        yield proxy, events


async def test_an_absolute_target_is_taken_and_other_hosts_are_not() -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    async with run_raw_upstream(answer) as upstream, run_local_proxy(upstream) as (proxy, _):
        own = proxy.url.removesuffix("/v2.0")
        found = []
        for target in (f"{upstream}/v2.0", f"{own}/v2.0", "http://other.example/v2.0", "/v2.0"):
            parts = urlsplit(proxy.url)
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            head = f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
            writer.write(head.encode())
            found.append(int((await reader.read()).split()[1]))
            writer.close()
    assert found == [200, 200, 403, 200]


async def test_a_redirect_leads_to_the_proxy_and_headers_are_clean() -> None:
    async def redirect(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = writer.get_extra_info("sockname")
        head = "HTTP/1.1 302 Found\r\nX-Odd: a\x02b\x7f\r\n"
        head += f"Location: http://{host}:{port}/v2.0/?a=b\r\n"
        writer.write(head.encode() + b"X-Bytes: \xff\r\nContent-Length: 0\r\n\r\n")

    async with (
        run_raw_upstream(redirect) as upstream,
        run_local_proxy(upstream) as (proxy, events),
        aiohttp.ClientSession() as client,
        client.post(proxy.url, data=b"{}", allow_redirects=False) as response,
    ):
        await response.read()
        own = proxy.url.removesuffix("/v2.0")
        assert (response.status, response.reason) == (302, "Found")
        assert response.headers["Location"] == f"{own}/v2.0/?a=b"
        assert response.headers["X-Odd"].strip() == "a b"
    assert any("control characters" in line for line in events)


@pytest.mark.parametrize("reads", [True, False])
async def test_an_endless_answer_ends_with_its_client(
    reads: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange_processor, "MAX_BODY_BYTES", 1024 * 1024)
    sent, ended = 0, asyncio.Event()

    async def stream(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        try:
            while True:
                writer.write(b"x" * 65536)
                await writer.drain()
                sent += 65536
        except OSError:
            ended.set()

    async with run_raw_upstream(stream) as upstream, run_local_proxy(upstream) as (proxy, events):
        parts = urlsplit(proxy.url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=4096)
        body = json.dumps(LEGS).encode()
        head = f"POST /v2.0 HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await reader.readuntil(b"\r\n\r\n")
        while reads and sent < 8 * 1024 * 1024:
            await reader.read(65536)
        writer.transport.abort()
        await asyncio.wait_for(ended.wait(), 10)
        processor = proxy.processor
    # What is not read is not fetched: sockets and buffers hold some megabytes.
    assert sent < 64 * 1024 * 1024
    assert processor.exchange_count == 1
    assert processor._held_bytes == 0
    assert any("the client did not wait for the whole answer" in line for line in events)
    assert any("too long to be kept" in line for line in events) or not reads


async def test_a_client_that_goes_before_the_answer_ends_the_request() -> None:
    ended = asyncio.Event()

    async def never(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        while await reader.read(1024):
            pass
        ended.set()

    async with run_raw_upstream(never) as upstream, run_local_proxy(upstream) as (proxy, _):
        parts = urlsplit(proxy.url)
        with socket.create_connection((parts.hostname or "", parts.port or 0)) as client:
            client.sendall(b"POST /v2.0 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}")
            await asyncio.sleep(0.05)
        await asyncio.wait_for(ended.wait(), 10)


async def test_copies_that_wait_have_a_limit_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange_processor, "MAX_HELD_BYTES", 2000)

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = b'{"jsonrpc":"2.0","id":1,"result":"' + b"x" * 5000 + b'"}'
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    async with run_raw_upstream(answer) as upstream, run_local_proxy(upstream) as (proxy, events):
        async with aiohttp.ClientSession() as client:
            for _ in range(3):
                async with client.post(proxy.url, json=LEGS) as response:
                    assert len(await response.read()) == 5036
        processor = proxy.processor
    assert processor._held_bytes == 0
    assert len([line for line in events if "too long to be kept" in line]) == 3
