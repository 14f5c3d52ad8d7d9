"""Requests that would cost much more than it takes to send them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from callmocks.arm import frames
from callmocks.config.options import resolve_settings
from callmocks.errors import SettingsError
from callmocks.history.world_file import load_world
from tests.control.server_client import SOAP, basic
from tests.limited_server import NAMES, PATHS, error_text, limited_server
from tests.test_serve import get, post, serving

MIB = 1024 * 1024
ELSEWHERE = {"arm": "/demo/x", "cdr": "/x", "onec": "/x", "control": "/x"}


class ServerProcess:
    """A suite in a process of its own, whose processor time and memory can be told."""

    def __init__(self, pid: int, ready: dict[str, Any]) -> None:
        self.pid, self.ready = pid, ready

    def cpu_seconds(self) -> float:
        """Seconds of processor time."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2]
        return sum(map(int, fields.split()[11:13])) / 100

    def peak_memory(self) -> float:
        """MiB of memory at its worst."""
        lines = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))

    def head(self, name: str, length: int, *more: str, path: str = "") -> bytes:
        user = {"arm": "101", "onec": "demo"}.get(name)
        login = [f"{k}: {v}" for k, v in basic(user).items()] if user else []
        lines = [f"POST {path or PATHS[name]} HTTP/1.1", "Host: localhost"]
        lines += [f"Content-Length: {length}", *login, *more]
        return "\r\n".join([*lines, "", ""]).encode()

    def request(self, name: str, body: bytes, *more: str, path: str = "") -> tuple[int, bytes]:
        """Send all of it, and read until the server closes: a second later unless we do."""
        port = int(self.ready[name].split(":")[2].partition("/")[0])
        with socket.create_connection(("127.0.0.1", port), timeout=20) as raw:
            raw.sendall(self.head(name, len(body), *more, path=path) + body)
            got = rest = b""
            while piece := raw.recv(65536):
                got += piece
                head, _, rest = got.partition(b"\r\n\r\n")
                length = re.search(rb"(?i)^content-length: (\d+)\r?$", head, re.M)
                if length is not None and len(rest) == int(length[1]):
                    raw.shutdown(socket.SHUT_WR)
        return int(got.split()[1]), rest


@pytest.fixture(scope="module")
def served() -> Iterator[ServerProcess]:
    if not Path("/proc/self/stat").exists():
        pytest.skip("time and memory of another process are read from /proc")
    with serving("--now", "2026-03-02T12:00:00", "--limits", "off") as (process, ready):
        yield ServerProcess(process.pid, ready)
        process.terminate()
        assert process.stderr.read() == b""


# compressed


@pytest.fixture(scope="module")
def bomb() -> bytes:
    """Half a gigabyte of spaces."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(b" " * MIB) for _ in range(512)) + packer.flush()


@pytest.fixture(scope="module")
def unpacking(bomb: bytes) -> float:
    """Seconds of processor time that unpacking all of it takes, in pieces as aiohttp does."""
    begun = time.process_time()
    unpacker = zlib.decompressobj(31)
    while bomb:
        unpacker.decompress(bomb, MIB // 4)
        bomb = unpacker.unconsumed_tail
    return time.process_time() - begun


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("where", [PATHS, ELSEWHERE], ids=["its address", "elsewhere"])
def test_what_is_refused_is_not_unpacked(
    served: ServerProcess, bomb: bytes, unpacking: float, name: str, where: dict[str, str]
) -> None:
    before, most = served.cpu_seconds(), served.peak_memory()
    status, body = served.request(name, bomb, "Content-Encoding: gzip", path=where[name])
    if where is PATHS:
        assert status == {"arm": 413, "cdr": 200, "onec": 500, "control": 413}[name]
        assert error_text(name, body)
    else:
        assert status == 404
    assert served.cpu_seconds() - before < max(unpacking / 2, 0.2)
    assert served.peak_memory() - most < 100


async def test_a_compressed_body_that_is_refused_closes_the_connection_behind_its_answer() -> None:
    packed = zlib.compress(b" " * 64 * MIB)
    async with limited_server(max_body=4096, max_message=4096) as there, there.raw("cdr") as raw:
        status, _ = await raw.request("cdr", packed, "Content-Encoding: deflate")
        assert status == 200
        raw.writer.write(b"more of it" * 1000)
        assert await raw.closed()
        async with there.raw("cdr") as other:  # what is good is served on
            small = zlib.compress(b"{}")
            for _ in range(2):
                assert (await other.request("cdr", small, "Content-Encoding: deflate"))[0] == 200


async def test_bodies_that_come_in_are_bounded_together() -> None:
    """Four of the longest may come in at once; one more is refused until they are done."""
    most = 100_000
    async with limited_server(max_body=most) as there, contextlib.AsyncExitStack() as stack:
        slow = [await stack.enter_async_context(there.raw("onec")) for _ in range(5)]
        for raw in slow[:4]:
            raw.writer.write(raw.head("onec", most) + b" " * (most - 1))
        await asyncio.sleep(0.3)
        raw = slow[4]
        raw.writer.write(raw.head("onec", most) + b" " * 10)
        status, body = await raw.answer()
        assert status == 503
        assert f"more than {4 * most} bytes together" in error_text("onec", body)
        for raw in slow[:4]:
            raw.writer.write(b" ")
            assert (await raw.answer())[0] == 500  # it is no XML
        async with there.raw("onec") as raw:
            assert (await raw.request("onec", SOAP.encode() + b" " * 50_000))[0] == 200


# XML


def _longest_wait(served: ServerProcess, name: str, body: bytes) -> tuple[int, bytes, float]:
    before = served.cpu_seconds()
    status, answer = served.request(name, body, "Connection: close")
    return status, answer, served.cpu_seconds() - before


def test_a_document_of_thousands_of_elements_is_explained_quickly(served: ServerProcess) -> None:
    served.request("arm", b"<in><a/></in>", "Connection: close")  # what explains is imported
    body = b"<in>" + b"<a/>" * 60_000 + b"</in>"
    status, answer, took = _longest_wait(served, "arm", body)
    assert status == 200
    assert "/in" in error_text("arm", answer)
    assert took < 5


def _envelope(inside: str, outside: str = "") -> bytes:
    return (
        f'<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"{outside}><e:Body>'
        '<x:ClientRead xmlns:x="http://buhphone.com/PartnerWebAPI2">'
        f"<x:Params>{inside}</x:Params></x:ClientRead></e:Body></e:Envelope>"
    ).encode()


PREFIXES = "".join(f' xmlns:n{n}="{n}"' for n in range(18_000))
PREFIXED = "<a" + "".join(f' n{n}:a=""' for n in range(18_000)) + "/>"
MANY = {
    "namespaces": (_envelope(PREFIXED * 100, PREFIXES), "more than 5000 namespaces"),
    "namespaces in UTF-16": (
        ("\ufeff" + _envelope(PREFIXED * 50, PREFIXES).decode()).encode("utf-16-le"),
        "more than 5000 namespaces",
    ),
    "attributes": (
        _envelope(("<a" + "".join(f' a{n}=""' for n in range(30_000)) + "/>") * 100),
        "more than 250000 attributes",
    ),
    "UTF-7": (
        b'<?xml version="1.0" encoding="utf-7"?>'
        + _envelope("@").replace(b"@", (b"+ADw-a/+AD4-" * 40_000 + b"<b/>") * 100),
        "Unsupported encoding",
    ),
    "declaration": (
        b'<?xml version="1.0"' + b" " * 2000 + b'encoding="utf-7"?>' + _envelope(""),
        "declaration without an end",
    ),
}


@pytest.mark.parametrize("name", MANY)
def test_1c_refuses_what_multiplies(served: ServerProcess, name: str) -> None:
    body, reason = MANY[name]
    most = served.peak_memory()
    status, answer, took = _longest_wait(served, "onec", body)
    assert status in (400, 500)
    assert reason in error_text("onec", answer)
    assert took < 5
    assert served.peak_memory() - most < 150


def test_a_request_of_many_declarations_is_served() -> None:
    with serving("--now", "2026-03-02T12:00:00", "--limits", "off") as (_, ready):
        more = "".join(f' xmlns:n{n}="{n}"' for n in range(1000))
        body = SOAP.replace("<e:Body>", f"<e:Body{more}>").encode()
        kind = {"Content-Type": "text/xml"}
        assert b">SUCCESS<" in post(ready["onec"], body, **kind, **basic("demo"))


ATTRIBUTES = "".join(f' a{n}=""' for n in range(101))
NAMESPACES = "".join(f' xmlns:n{n}="{n}"' for n in range(101))
TOO_MANY_ATTRIBUTES = "an element has more than 100 attributes"
ARM_EXCESS = {
    "on filters": (f"<in><request><filters{ATTRIBUTES}/></request></in>", TOO_MANY_ATTRIBUTES),
    "on the root": (f"<in{ATTRIBUTES}><request><filters/></request></in>", TOO_MANY_ATTRIBUTES),
    "namespaces": (
        f"<in{NAMESPACES}><request><filters/></request></in>",
        "an element is in the scope of more than 100 namespaces",
    ),
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("name", ARM_EXCESS)
async def test_arm_refuses_an_element_of_many_attributes(name: str, encoding: str) -> None:
    text, reason = ARM_EXCESS[name]
    head = f'<?xml version="1.0" encoding="{encoding}"?>'
    async with limited_server() as there, there.raw("arm") as raw:
        status, body = await raw.request("arm", (head + text).encode(encoding))
    assert (status, error_text("arm", body)) == (400, reason)


async def test_arm_refuses_an_element_of_many_attributes_in_a_frame() -> None:
    attributes = dict.fromkeys(map("a{}".format, range(101)), "")
    filters = {"_name": "filters", "_attributes": attributes}
    tree = [{"_name": "in", "_content": [{"_name": "request", "_content": [filters]}]}]
    async with limited_server() as there:
        url = there.suite.urls["arm"].replace("http", "ws") + "/demo/service/cc/arm"
        async with connect(url, additional_headers=basic("101")) as socket:
            body = json.dumps(tree, separators=(",", ":")).encode()
            await socket.send(frames.encode_request("0001", "operator_call_history", body))
            answer = await socket.recv(decode=False)
    assert frames.decode_response(answer).status == 400
    assert TOO_MANY_ATTRIBUTES.encode() in answer


async def test_arm_keeps_no_long_name_of_a_frame() -> None:
    async with limited_server() as there:
        url = there.suite.urls["arm"].replace("http", "ws") + "/demo/service/cc/arm"
        async with connect(url, additional_headers=basic("101")) as socket:
            for name in ("a" * 101, "a:" + "b" * 101):
                body = json.dumps([{"_name": "in", "_attributes": {name: ""}}]).encode()
                await socket.send(frames.encode_request("0001", "operator_call_history", body))
                answer = await socket.recv(decode=False)
                assert frames.decode_response(answer).status == 400
                assert b"expected the name of an element or attribute, got" in answer


@pytest.mark.parametrize("place", ["<x:ClientRead", "<x:Params", "<Property"])
def test_1c_refuses_an_element_of_many_attributes(served: ServerProcess, place: str) -> None:
    body = _envelope("<Property/>").replace(place.encode(), f"{place}{ATTRIBUTES}".encode(), 1)
    status, answer = served.request("onec", body, "Connection: close")
    assert status in (400, 500)
    assert TOO_MANY_ATTRIBUTES in error_text("onec", answer)


@pytest.mark.parametrize(
    ("count", "elements", "reason"),
    [
        (1025, 0, "an element is in the scope of more than 1024 namespaces"),
        (1000, 5000, "the scopes of all elements have more than 5000000 namespaces"),
    ],
)
def test_1c_refuses_scopes_of_many_namespaces(
    served: ServerProcess, count: int, elements: int, reason: str
) -> None:
    more = "".join(f' xmlns:n{n}="{n}"' for n in range(count))
    body = _envelope("<Property/>" * elements, more)
    status, answer = served.request("onec", body, "Connection: close")
    assert status in (400, 500)
    assert reason in error_text("onec", answer)


# JSON


@pytest.mark.parametrize("piece", ["[]", "{}", "[[]]", "1e5", '"a"'])
def test_a_list_of_a_million_is_refused_or_read_quickly(served: ServerProcess, piece: str) -> None:
    call = {"jsonrpc": "2.0", "id": 1, "method": "get.account"}
    text = json.dumps({**call, "params": {"access_token": "demo-token", "x": "@"}})
    most = served.peak_memory()
    for size in (300_000, 1_900_000, 15_000_000):
        many = ",".join([piece] * (size // (len(piece) + 1)))
        body = text.replace('"@"', f"[{many}]").encode()
        status, answer, took = _longest_wait(served, "cdr", body)
        assert status == 200
        refused = "invalid_parameter_value" if size > MIB else "unexpected_parameters"
        assert error_text("cdr", answer) == refused
        assert took < 5
    assert served.peak_memory() - most < 250


def test_a_thousand_calls_are_pinned_at_once_and_no_more(served: ServerProcess) -> None:
    url = "/api/tenants/demo/calls"
    kind = ("Connection: close", "Content-Type: application/x-ndjson")
    lines = [
        json.dumps({"start": f"2020-01-{1 + n % 28:02}T08:00:00", "client_phone": f"7999{n:07}"})
        for n in range(1001)
    ]
    status, answer = served.request("control", "\n".join(lines).encode(), *kind, path=url)
    assert (status, json.loads(answer)["line"]) == (422, 1001)
    assert json.loads(get(served.ready["control"] + url)) == {"calls": []}
    lines = [line.replace("}", ', "talk_seconds": 0}') for line in lines[:1000]]
    before = served.cpu_seconds()
    status, answer = served.request("control", "\n".join(lines).encode(), *kind, path=url)
    shown = json.loads(answer)["calls"]
    assert status == 201
    assert [call["client_phone"] for call in shown] == [f"7999{n:07}" for n in range(1000)]
    assert served.cpu_seconds() - before < 5
    assert json.loads(get(served.ready["control"] + url))["calls"] == shown
    status, answer = served.request("control", b"\n" * 7_000_000, *kind, path=url)
    assert (status, json.loads(answer)) == (201, {"calls": []})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[traffic]\n" + ".".join("a" * 20_000) + " = 1", "line 2: more than 100 dots"),
        ("a = " + "[" * 100_000, "nested too deep"),
        ("a = " + "9" * 2000, "line 1: a number of more than 1000 digits"),
    ],
)
def test_a_file_that_takes_long_to_read_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text, encoding="utf-8")
    begun = time.process_time()
    with pytest.raises(SettingsError, match=reason):
        load_world(str(file))
    with pytest.raises(SettingsError, match=reason):
        resolve_settings({"config": str(file)})
    assert time.process_time() - begun < 5


@pytest.mark.parametrize("offered", ["a", "a, b", ","])
async def test_a_client_that_offers_protocols_gets_none_and_no_line_in_the_log(
    offered: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with limited_server() as there, there.raw("arm") as raw:
        head = raw.head("arm", 0, "Upgrade: websocket", "Connection: Upgrade")
        head = head.replace(b"POST", b"GET").replace(b"/operator_call_history", b"")
        more = f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {'A' * 22}==\r\n"
        raw.writer.write(head[:-2] + f"{more}Sec-WebSocket-Protocol: {offered}\r\n\r\n".encode())
        answer = await raw.reader.readuntil(b"\r\n\r\n")
    assert b" 101 " in answer
    assert b"protocol:" not in answer.lower()
    assert not caplog.records


LONG_NAME = "rpc_errorx" * 500_000
FAULT_NAME = LONG_NAME[:100]  # longer ones are refused by their length
TENANT = "/api/tenants/demo"
LONG_NAMES = {
    "fault": (f"{TENANT}/faults", {"provider": "cdr", "fault": FAULT_NAME}),
    "operation": (
        f"{TENANT}/faults",
        {"provider": "cdr", "fault": "reset", "operation": LONG_NAME[:256]},
    ),
    "parameter": (
        f"{TENANT}/faults",
        {"provider": "cdr", "fault": "rpc_error", "params": {LONG_NAME: 1}},
    ),
    "mnemonic": (
        f"{TENANT}/faults",
        {"provider": "cdr", "fault": "rpc_error", "params": {"mnemonic": FAULT_NAME}},
    ),
    "assumption": ("/api/tenants", {"name": "n", "assumptions": {LONG_NAME: "a"}}),
    "choice": ("/api/tenants", {"name": "n", "assumptions": {"cdr.sort-nulls": LONG_NAME}}),
    "key": ("/api/tenants", {"name": "n", LONG_NAME: 1}),
    "reason": (f"{TENANT}/calls", {"start": "2026-03-02T10:00:00", "finish_reason": LONG_NAME}),
    "provider": (f"{TENANT}/journal/verify", {"expect": [{"provider": LONG_NAME}]}),
    "field": (
        f"{TENANT}/journal/verify",
        {"expect": [{"provider": "cdr", "operation": "get.account", "fields": {LONG_NAME: 1}}]},
    ),
}


@pytest.mark.parametrize("name", LONG_NAMES)
def test_a_problem_quotes_a_little_of_a_long_name_and_tells_known_ones(
    served: ServerProcess, name: str
) -> None:
    url, sent = LONG_NAMES[name]
    body = json.dumps(sent).encode()
    kind = ("Connection: close", "Content-Type: application/json")
    status, answer = served.request("control", body, *kind, path=url)
    assert status == 422
    assert len(answer) < 3000
    detail = error_text("control", answer)
    assert "rpc_errorxrpc_errorx" in detail
    assert "there are" in detail or "is none of" in detail or "_error" in detail.partition("…")[2]


@pytest.mark.parametrize("params", [{LONG_NAME[:900_000]: 1}, {"fields": [LONG_NAME[:900_000]]}])
def test_a_cdr_error_quotes_a_little_of_a_long_name(
    served: ServerProcess, params: dict[str, Any]
) -> None:
    params = {"access_token": "demo-token", **params}
    call = {"jsonrpc": "2.0", "id": 1, "method": "get.employees", "params": params}
    status, answer = served.request("cdr", json.dumps(call).encode(), "Connection: close")
    assert (status, error_text("cdr", answer)) == (200, "unexpected_parameters")
    assert len(answer) < 3000


def test_the_suite_is_as_good_as_before(served: ServerProcess) -> None:
    health = json.loads(get(served.ready["control"] + "/health"))
    assert health["status"] == "ok"
