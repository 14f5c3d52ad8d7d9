"""Requests of the handles to control go over kept connections, and none is answered twice or lost.

The other end is a server of a few lines that counts what comes.
"""

from __future__ import annotations

import gc
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests

import callmocks
from callmocks.errors import AdminError
from callmocks.testing.admin_client import AdminClient


class CountingServer(ThreadingHTTPServer):
    """Answers with the request's path; ``seen`` are requests as (connection's number, method).

    It closes the connection instead of answering the next ``silences`` ones.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[tuple[int, str]] = []
        self.ports: list[int] = []
        self.says_close = False
        self.silences = 0
        self.closes = False
        self.gone = threading.Semaphore(0)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: CountingServer
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        server, port = self.server, self.client_address[1]
        if port not in server.ports:
            server.ports.append(port)
        server.seen.append((server.ports.index(port), self.command))
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if server.silences:
            server.silences -= 1
            self.close_connection = True
            return
        body = json.dumps({"path": self.path}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        if server.says_close:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection |= server.closes

    do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815

    def finish(self) -> None:
        super().finish()
        self.request.shutdown(socket.SHUT_RDWR)
        self.server.gone.release()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[CountingServer]:
    with CountingServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def client(server: CountingServer) -> Iterator[AdminClient]:
    client = AdminClient(server.url)
    yield client
    client.close()  # else the server would wait for it


def test_requests_one_after_another_share_a_connection(
    server: CountingServer, client: AdminClient
) -> None:
    for method in ("GET", "POST", "PUT", "DELETE"):
        assert client.request(method, f"/{method}", {"a": 1}) == {"path": f"/{method}"}
    assert server.seen == [(0, "GET"), (0, "POST"), (0, "PUT"), (0, "DELETE")]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("says_close", [True, False])
def test_a_connection_that_the_server_closed_is_not_used(
    server: CountingServer, client: AdminClient, method: str, says_close: bool
) -> None:
    server.says_close = says_close
    server.closes = True
    for number in range(3):
        assert client.request(method, f"/{number}") == {"path": f"/{number}"}
        assert server.gone.acquire(timeout=10)
    assert server.seen == [(number, method) for number in range(3)]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_request_that_may_have_been_carried_out_is_not_sent_again(
    server: CountingServer, client: AdminClient, method: str
) -> None:
    client.get("/first")
    server.silences = 1
    with pytest.raises(AdminError, match="cannot be reached"):
        client.request(method, "/second")
    assert server.seen == [(0, "GET"), (0, method)]
    assert client.get("/third") == {"path": "/third"}


def test_a_read_is_sent_once_more_over_a_new_connection(
    server: CountingServer, client: AdminClient
) -> None:
    client.get("/first")
    server.silences = 1
    assert client.get("/second") == {"path": "/second"}
    server.silences = 2
    with pytest.raises(AdminError, match="cannot be reached"):
        client.get("/third")
    assert server.seen == [(0, "GET"), (0, "GET"), (1, "GET"), (1, "GET"), (2, "GET")]


def test_each_thread_gets_its_own_answers(server: CountingServer, client: AdminClient) -> None:
    def ask(thread: int) -> bool:
        paths = [f"/{thread}/{number}" for number in range(20)]
        return all(client.get(path) == {"path": path} for path in paths)

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(ask, range(8)))
    assert len(server.seen) == 160


def test_nothing_is_warned_of_at_the_end() -> None:
    text = """
import gc
import callmocks
suite = callmocks.running(world="empty")
dropped = callmocks.testing.connect(suite.start().control_url)
del dropped
gc.collect()
suite.stop()
left = callmocks.running(world="empty").start()
assert left.now
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", text], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_stopped_suite_leaves_no_connection_open() -> None:
    suite = callmocks.running(world="empty")
    mocks = suite.start()
    assert mocks.now
    before = _list_sockets()
    suite.stop()
    gc.collect()
    assert mocks.control.url and len(_list_sockets()) < len(before)
    with pytest.raises(AdminError, match="cannot be reached"):
        _ = mocks.now


def _list_sockets() -> list[socket.socket]:
    return [
        found
        for found in gc.get_objects()
        if issubclass(type(found), socket.socket) and found.fileno() >= 0
    ]


def test_connections_of_the_handles_take_no_place_of_the_client_under_test() -> None:
    with callmocks.running(max_connections=1, now="2026-03-02T12:00:00") as mock:
        with ThreadPoolExecutor(4) as threads:  # so many connections are kept
            list(threads.map(lambda _: mock.truth("2026-03-01", "2026-03-02"), range(8)))
        params = {"access_token": mock.cdr.token}
        body: dict[str, Any] = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "get.account",
            "params": params,
        }
        answer = requests.post(mock.cdr.url, json=body | {"params": params}, timeout=10)
        assert answer.status_code == 200
        mock.cdr.assert_called("get.account")
