"""Hostile requests: a Fault in no time, and memory stays where it was."""

from __future__ import annotations

import gzip
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from callmocks.onec import SoapFault, read_answer
from tests.onec.conftest import (
    CORE,
    PATH,
    SERVICE,
    SOAP11,
    Client,
    make_call,
    make_envelope,
    make_parameter,
)

MIB = 1024 * 1024
HANG_S = 5
"""Far more than any refusal takes, far less than a parser that was led astray would."""


def read_fault_text(response: requests.Response) -> str:
    """Text of a Sender fault."""
    assert response.status_code == 400, response.text[:200]
    with pytest.raises(SoapFault) as caught:
        read_answer(response.content)
    assert caught.value.code == "Sender"
    return caught.value.text


def make_dtd_document(dtd: str, entity: str) -> bytes:
    """The request with a DTD before it and an entity in a value."""
    return (dtd + make_call("ClientRead", make_parameter("ChangedFrom", entity)).decode()).encode()


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
BOMB = make_dtd_document(f'<!DOCTYPE x [<!ENTITY l0 "lol">{LAUGHS}]>', "&l11;")
QUADRATIC = make_dtd_document(f'<!DOCTYPE x [<!ENTITY a "{"a" * 50_000}">]>', "&a;" * 50_000)


@pytest.mark.parametrize(
    "body",
    [
        BOMB,
        QUADRATIC,
        make_dtd_document('<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>', "&e;"),
        make_dtd_document('<!DOCTYPE x SYSTEM "file:///etc/passwd">', "2019-01-01T00:00:00"),
        make_dtd_document('<!DOCTYPE x [<!ATTLIST x a CDATA "b">]>', "2019-01-01T00:00:00"),
        BOMB.decode().encode("utf-16"),
    ],
    ids=["billion laughs", "quadratic", "external entity", "external DTD", "harmless", "utf-16"],
)
def test_a_dtd_is_refused(client: Client, body: bytes) -> None:
    begun = time.process_time()
    text = read_fault_text(client.post(body, headers={"Content-Type": "application/soap+xml"}))
    assert time.process_time() - begun < HANG_S
    assert text == "the request has a DTD, which SOAP forbids"


def test_nothing_is_fetched_for_a_request(client: Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0.3)
        address = f"http://127.0.0.1:{trap.getsockname()[1]}/x.dtd"
        include = f'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="{address}"/>'
        for body in (
            make_dtd_document(f'<!DOCTYPE x SYSTEM "{address}">', "x"),
            make_dtd_document(f'<!DOCTYPE x [<!ENTITY % p SYSTEM "{address}">%p;]>', "x"),
            make_envelope(f"<par:ClientRead>{include}</par:ClientRead>"),
            f'<?xml-stylesheet href="{address}"?>'.encode() + make_call("ClientRead"),
            make_call("ClientRead").replace(
                b"<par:Params>",
                f'<par:Params xsi:schemaLocation="{SERVICE} {address}">'.encode(),
            ),
        ):
            client.post(body)
        with pytest.raises(TimeoutError):
            trap.accept()


@pytest.mark.parametrize("depth", [300, 40_000])
def test_deep_nesting_is_refused(client: Client, depth: int) -> None:
    body = make_call("ClientRead", "<a>" * depth + "</a>" * depth)
    begun = time.process_time()
    assert "Excessive depth" in read_fault_text(client.post(body))
    assert time.process_time() - begun < HANG_S


def test_nested_structures_within_the_limit_are_no_values_of_ours(client: Client) -> None:
    inside = f'<Property xmlns="{CORE}" name="a"><Value xsi:type="Structure">' * 100
    body = make_call("ClientRead", inside + "</Value></Property>" * 100)
    assert client.code(body) == "PARAM_UNKNOWN"
    named = body.replace(b'name="a"', b'name="ChangedFrom"', 1)
    assert client.code(named) == "PARAM_WRONG_TYPE"


@pytest.mark.parametrize(
    ("body", "charset", "reason"),
    [
        (b'<?xml version="1.0" encoding="no-such"?><a/>', "", "Unsupported encoding"),
        (b"<a>\xcf\xf0</a>", "utf-8", "Invalid bytes"),
        (b"<a>\xff\xfe</a>", "", "Invalid bytes"),
        ("<a/>".encode("utf-16-le"), "", "not well-formed"),
        (b"<a/>", "no-such-charset", "charset 'no-such-charset' is not known"),
        (b"<a>\0</a>", "", "Char 0x0"),
        (b'<?xml version="1.0" encoding="utf-16"?><a/>', "", "well-formed|not SOAP"),
        (b"\x1f\x8b\x08\x00garbage", "", "not well-formed"),
    ],
)
def test_wrong_encodings_are_faults(client: Client, body: bytes, charset: str, reason: str) -> None:
    kind = "application/soap+xml" + (f"; charset={charset}" if charset else "")
    text = read_fault_text(client.post(body, headers={"Content-Type": kind}))
    assert any(part in text for part in reason.split("|")), text


SCRIPT = """
import asyncio
from callmocks.config.settings import ServeSettings
from callmocks.server.mock_server import MockServer

async def serve():
    settings = ServeSettings(
        onec_port=0, control_port=0, only=("onec",), now="2026-03-03T02:30:00", limits="off"
    )
    async with MockServer(settings) as suite:
        print(suite.get_port("onec"), flush=True)
        await asyncio.Event().wait()

try:
    asyncio.run(serve())
except KeyboardInterrupt:
    pass
"""


@dataclass
class Process:
    """The service in a process of its own, whose memory can be watched."""

    url: str
    pid: int

    def resident(self, what: str = "VmRSS") -> float:
        """Memory in MiB; ``VmHWM`` is the peak."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(what):
                return int(line.split()[1]) / 1024
        raise AssertionError(what)

    def post(self, body: bytes | Iterator[bytes]) -> requests.Response:
        headers = {"Content-Type": "application/soap+xml"}
        return requests.post(
            self.url, data=body, auth=("demo", "demo"), headers=headers, timeout=60
        )


@pytest.fixture(scope="module")
def process() -> Iterator[Process]:
    if not Path("/proc/self/status").exists():
        pytest.skip("memory of another process is read from /proc, which this system lacks")
    command = [sys.executable, "-c", SCRIPT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        port = int(running.stdout.readline())
        made = Process(f"http://127.0.0.1:{port}{PATH}", running.pid)
        assert (
            read_answer(made.post(make_call("DepartmentRead")).content)["ResultCode"] == "SUCCESS"
        )
        yield made
        os.kill(running.pid, signal.SIGINT)


HEAVY: dict[str, Callable[[], bytes]] = {
    "one text": lambda: make_call("ClientRead", make_parameter("ChangedFrom", "1" * 50 * MIB)),
    "one attribute": lambda: make_call("ClientRead", f'<a b="{"1" * 50 * MIB}"/>'),
    "one name": lambda: make_call("ClientRead", f"<{'a' * 50 * MIB}/>"),
    "many elements": lambda: make_call("ClientRead", make_parameter("X", "1") * (50 * MIB // 110)),
    "many attributes": lambda: make_call(
        "ClientRead", "<a " + " ".join(f'a{n}="{n}"' for n in range(3_000_000)) + "/>"
    ),
    "a DTD": lambda: make_dtd_document(
        "<!DOCTYPE x [" + "".join(f'<!ENTITY e{n} "x">' for n in range(2_400_000)) + "]>", "1"
    ),
    "no XML": lambda: b"x" * 50 * MIB,
}


@pytest.mark.parametrize("name", HEAVY)
def test_50_megabytes_get_a_fault_at_once_and_take_no_memory(process: Process, name: str) -> None:
    body = HEAVY[name]()
    assert len(body) > 45 * MIB
    process.post(body)  # pools that the first big request fills are not counted
    before = process.resident("VmHWM")
    begun = time.perf_counter()
    read_fault_text(process.post(body))
    assert time.perf_counter() - begun < HANG_S
    assert process.resident("VmHWM") - before < 8


def test_a_request_at_the_limit_is_served_and_one_beyond_is_not_read(process: Process) -> None:
    small = make_call("DepartmentRead")
    line = b"<!--" + b"-".ljust(100_000) + b"-->"
    comments = line * ((64 * MIB - len(small)) // len(line))
    whole = small + comments + b" " * (64 * MIB - len(small) - len(comments))
    assert len(whole) == 64 * MIB
    assert read_answer(process.post(whole).content)["ResultCode"] == "SUCCESS"
    assert "longer than 64 MiB" in read_fault_text(process.post(whole + b" "))


def test_a_stream_without_end_is_cut_off(process: Process) -> None:
    before = process.resident("VmHWM")
    line = b"<!--" + b"-".ljust(MIB // 4) + b"-->"

    def chunks() -> Iterator[bytes]:
        yield make_call("DepartmentRead")
        for _ in range(4 * 400):
            yield line

    try:
        text = read_fault_text(process.post(chunks()))
    except requests.ConnectionError:  # cut off while it was still sending
        text = "longer than 64 MiB"
    assert "longer than 64 MiB" in text
    assert process.resident("VmHWM") < before + 100
    assert read_answer(process.post(make_call("DepartmentRead")).content)["ResultCode"] == "SUCCESS"


def test_a_compressed_bomb_is_not_unpacked_whole(process: Process) -> None:
    small = make_call("DepartmentRead")
    headers = {"Content-Type": "application/soap+xml", "Content-Encoding": "gzip"}
    auth = ("demo", "demo")
    fair = requests.post(
        process.url, data=gzip.compress(small), auth=auth, headers=headers, timeout=60
    )
    assert read_answer(fair.content)["ResultCode"] == "SUCCESS"
    before = process.resident("VmHWM")
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = packer.compress(small)
    bomb += b"".join(packer.compress(b" " * MIB) for _ in range(256)) + packer.flush()
    assert len(bomb) < 2 * MIB
    begun = time.perf_counter()
    try:
        response = requests.post(process.url, data=bomb, auth=auth, headers=headers, timeout=60)
        assert response.status_code == 400
    except requests.ConnectionError:  # closed before all of it was sent
        pass
    assert process.post(small).status_code == 200
    assert time.perf_counter() - begun < HANG_S
    assert process.resident("VmHWM") < before + 100


def test_other_requests_are_answered_while_a_heavy_one_is_parsed(process: Process) -> None:
    bodies = [HEAVY["many elements"](), HEAVY["one text"]()]
    answered = 0
    threads = [threading.Thread(target=process.post, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert process.post(make_call("DepartmentRead")).status_code == 200
        answered += 1
    assert answered >= 4  # one that waited for the heavy ones would be the only one


def test_the_version_of_a_fault_is_guessed_from_the_first_bytes(client: Client) -> None:
    head = make_call("ClientRead", version=SOAP11)[:200]
    assert client.post(head).status_code == 500
    assert client.post(b"<a", headers={"Content-Type": "text/xml"}).status_code == 500
    assert client.post(b"<a").status_code == 400
    assert (
        client.post(make_call("ClientRead")[:200], headers={"Content-Type": "text/xml"}).status_code
        == 400
    )
