"""Headers on the wire: values that are none are refused, never a 500; those of answers."""

from __future__ import annotations

import json
import re
import socket
from base64 import b64encode
from collections.abc import Iterator

import pytest

import callmocks
from callmocks.testing import Mocks
from tests.control.server_client import SOAP, basic
from tests.limited_server import ARM, CDR, NAMES, PATHS, error_text

BODIES = {"arm": ARM, "cdr": CDR, "onec": SOAP.encode(), "control": b"{}"}
LOGINS = {"arm": "101", "onec": "demo"}
TOKEN = "the-admin-token"


@pytest.fixture(scope="module")
def suite() -> Iterator[Mocks]:
    with callmocks.running(now="2026-03-02T12:00:00", calls_per_day=20, admin_token=TOKEN) as mocks:
        yield mocks


def find_port(suite: Mocks, name: str) -> int:
    access = {"arm": suite.arm.url, "cdr": suite.cdr.url, "onec": suite.onec.url}
    return int(access.get(name, suite.control_url).split(":")[2].partition("/")[0])


def make_request(name: str, body: bytes, headers: dict[bytes, bytes]) -> bytes:
    method = "GET" if name == "control" else "POST"
    standard = {
        b"Host": b"localhost",
        b"Content-Length": b"%d" % len(body),
        b"Connection": b"close",
    }
    standard[b"Content-Type"] = b"application/json" if name == "cdr" else b"text/xml"
    if name in LOGINS:
        standard |= {k.encode(): v.encode() for k, v in basic(LOGINS[name]).items()}
    if name == "control":
        standard[b"Authorization"] = b"Bearer " + TOKEN.encode()
    lines = [key + b": " + value for key, value in (standard | headers).items()]
    return b"\r\n".join([f"{method} {PATHS[name]} HTTP/1.1".encode(), *lines, b"", body])


def send(suite: Mocks, name: str, body: bytes, headers: dict[bytes, bytes]) -> tuple[int, bytes]:
    with socket.create_connection(("127.0.0.1", find_port(suite, name)), timeout=20) as raw:
        raw.sendall(make_request(name, body, headers))
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    head, _, rest = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), rest


@pytest.mark.parametrize("host", [b"\xff", b"\xd0\xbc.test", b"a b", b"a\tb"])
@pytest.mark.parametrize("name", NAMES)
def test_a_host_that_is_no_visible_ascii_is_refused_in_the_servers_own_shape(
    suite: Mocks, name: str, host: bytes
) -> None:
    status, body = send(suite, name, BODIES[name], {b"Host": host})
    assert status == 400
    assert error_text(name, body) and b"\xff" not in body


@pytest.mark.parametrize("host", [b"a{0}b", b"{}", b"%s{x!r}", b"a_b", b"<b>&", b'"', b"x" * 4000])
@pytest.mark.parametrize("name", NAMES)
def test_any_other_host_is_a_host_like_another(suite: Mocks, name: str, host: bytes) -> None:
    status, _ = send(suite, name, BODIES[name], {b"Host": host})
    assert status == 200


def test_an_address_in_an_answer_repeats_the_host_as_it_came(suite: Mocks) -> None:
    params = {
        "access_token": "demo-token",
        "date_from": "2026-03-02 00:00:00",
        "date_till": "2026-03-02 23:59:59",
        "fields": ["id", "full_record_file_link", "call_records"],
    }
    request = {"jsonrpc": "2.0", "id": 1, "method": "get.calls_report", "params": params}
    status, body = send(suite, "cdr", json.dumps(request).encode(), {b"Host": b"a{0}b"})
    links = [row["full_record_file_link"] for row in json.loads(body)["result"]["data"]]
    assert status == 200 and any(links)
    assert all(link.startswith("http://a{0}b/") for link in links if link)


@pytest.mark.parametrize(
    "value",
    [
        b"\xff",
        b"Basic \xff",
        b"Bearer \xff",
        b"Basic " + b64encode(b"demo:\xff"),
        b"Basic " + b64encode(b"\xff:demo"),
        "Basic ключ".encode(),
        b"Basic " + b64encode("demo:ключ".encode()),
        "Bearer ключ".encode(),
    ],
)
@pytest.mark.parametrize("name", ["arm", "onec", "control"])
def test_credentials_that_are_no_ascii_are_wrong_ones(
    suite: Mocks, name: str, value: bytes
) -> None:
    assert send(suite, name, BODIES[name], {b"Authorization": value})[0] == 401


@pytest.mark.parametrize("name", ["cdr", "onec"])
def test_an_answer_has_the_same_bytes_whether_or_not_its_connection_stays_open(
    suite: Mocks, name: str
) -> None:
    closing = exchange_raw(suite, name, BODIES[name], {b"Connection": b"close"})
    kept, second = (
        exchange_raw(suite, name, BODIES[name], {b"Connection": b"keep-alive"}, count)[-1]
        for count in (1, 2)
    )
    assert len(closing) == 1 and b"Connection" not in kept.partition(b"\r\n\r\n")[0]
    assert without_date(kept) == without_date(second)
    assert without_date(kept) == without_date(closing[0]).replace(b"Connection: close\r\n", b"")


def exchange_raw(
    suite: Mocks, name: str, body: bytes, headers: dict[bytes, bytes], count: int = 1
) -> list[bytes]:
    """The answers to so many equal requests in one connection, sent together."""
    with socket.create_connection(("127.0.0.1", find_port(suite, name)), timeout=20) as raw:
        raw.sendall(make_request(name, body, headers) * count)
        answers, read = [], raw.makefile("rb")
        for _ in range(count):
            head = b"".join(iter(read.readline, b"\r\n")) + b"\r\n"
            (length,) = re.findall(rb"Content-Length: (\d+)", head)
            answers.append(head + read.read(int(length)))
        return answers


def without_date(answer: bytes) -> bytes:
    return re.sub(rb"Date: [^\r]+", b"Date", answer)


@pytest.mark.parametrize("name", ["cdr", "onec"])
def test_a_client_that_asks_whether_to_go_on_is_told_before_it_sends_the_body(
    suite: Mocks, name: str
) -> None:
    head, _, body = make_request(name, BODIES[name], {b"Expect": b"100-continue"}).partition(
        b"\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", find_port(suite, name)), timeout=20) as raw:
        raw.sendall(head + b"\r\n\r\n")
        assert raw.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        raw.sendall(body)
        assert raw.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")
