"""Messages that no server would read: forwarded, and passed over with a note."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import threading
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from callmocks.arm import frames
from callmocks.cdr.provider import CdrProvider
from callmocks.contract import message_size
from callmocks.contract.message_size import find_answer_excess, find_json_excess
from callmocks.errors import SettingsError
from callmocks.server.providers import PROVIDERS
from callmocks.verification import captured as captured_module
from callmocks.verification import exchange_processor, proxy
from callmocks.verification.recording import read_recording
from tests.verification.conftest import CommandRunner, write_file
from tests.verification.messages import soap_envelope
from tests.verification.test_proxy_clients import run_local_proxy, run_raw_upstream

CALL = b'{"jsonrpc":"2.0","id":1,"method":"get.account","params":'
VALUES = CALL + b'{"a":[' + b"1," * 250_000 + b"1]}}"
TAGS = soap_envelope("<p:Params>" + "<a/>" * 100_000 + "</p:Params>").encode()
FRAME = frames.encode_request("0007", "operator_call_history", b"[" + b" " * 300_000 + b"]")
DEEP = CALL + b"[" * 300 + b"]" * 300 + b"}"
ACCOUNT = CALL + b'{"access_token":"any"}}'
ANSWER = b'{"jsonrpc":"2.0","id":1,"result":{"metadata":{},"data":[]}}'
EXCESS = {
    "values": ("cdr", VALUES, "has more than 250000 values"),
    "bytes": ("cdr", b" " * (2 * 1024 * 1024 + 1), "has more than 2097152 bytes"),
    "levels": ("cdr", DEEP, "is nested deeper than 250 levels"),
    "tags": ("onec", TAGS, "has more than 100000 tags"),
    "text": ("onec", soap_envelope("x" * 1_000_000).encode(), "has a text or tag of more than"),
    "frame": ("arm", FRAME, "has more than 262144 bytes"),
}


class Upstream:
    """Answers every request the same, with as long a body as is expected."""

    def __init__(self, body: bytes, answer: bytes = ANSWER, headers: str = "") -> None:
        self.received: list[bytes] = []
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(answer)}\r\n{headers}\r\n"
        self._answer = head.encode() + answer
        self._body_bytes = len(body)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.received.append(await reader.readexactly(self._body_bytes))
        writer.write(self._answer)
        await writer.drain()


async def post(url: str, body: bytes, encoding: str = "") -> bytes:
    headers = {"Content-Encoding": encoding} if encoding else {}
    async with (
        aiohttp.ClientSession(auto_decompress=False) as client,
        client.post(url, data=body, headers=headers) as response,
    ):
        return await response.read()


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
@pytest.mark.parametrize("case", ["values", "bytes", "levels", "tags", "text"])
async def test_a_request_beyond_its_servers_bounds_is_forwarded_and_not_read(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, body, excess = EXCESS[case]
    for reads in ("find_operation", "validate_request"):
        monkeypatch.setattr(type(PROVIDERS[name]), reads, None)
    upstream = Upstream(body)
    async with (
        run_raw_upstream(upstream.handle) as url,
        run_local_proxy(url, name) as (server, log),
    ):
        assert await post(server.url, body) == ANSWER
    assert upstream.received == [body]
    assert any(f"not validated: the request {excess}" in line for line in log), log
    assert not any("defect" in line for line in log)


@pytest.mark.parametrize("side", ["request", "answer"])
async def test_a_long_decompressed_message_is_not_read(
    side: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(captured_module, "MAX_BODY_BYTES", 2 * 1024 * 1024)
    packed, held, threads = gzip.compress(b" " * 3 * 1024 * 1024), [], []
    read = exchange_processor.ExchangeProcessor._read_messages

    def read_messages(self: Any, captured: Any) -> Any:
        threads.append(threading.current_thread())
        held.append(self._held_bytes)
        plain = read(self, captured)
        held.append(len(plain.request) + len(plain.response))
        return plain

    monkeypatch.setattr(exchange_processor.ExchangeProcessor, "_read_messages", read_messages)
    is_answer = side == "answer"
    sent = (ACCOUNT, "") if is_answer else (packed, "gzip")
    answered = (packed, "Content-Encoding: gzip\r\n") if is_answer else (ANSWER,)
    upstream = Upstream(sent[0], *answered)
    async with run_raw_upstream(upstream.handle) as url, run_local_proxy(url) as (server, log):
        assert await post(server.url, *sent) == (packed if is_answer else ANSWER)
    assert any(f"not validated: the {side} has more than 2097152 bytes" in line for line in log)
    assert [thread.name for thread in threads] == ["callmocks worker"]
    assert held[0] > 2 * 1024 * 1024 > held[1]
    assert server.processor._held_bytes == 0


async def test_the_proxy_ends_although_an_exchange_is_still_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, goes_on = threading.Event(), threading.Event()
    threads: list[threading.Thread] = []

    def wait(*_: object) -> str:
        threads.append(threading.current_thread())
        begun.set()
        goes_on.wait(30)
        return "was read too long"

    monkeypatch.setattr(CdrProvider, "find_content_excess", wait)
    monkeypatch.setattr(exchange_processor, "DRAIN_SECONDS", 0.05)
    body = b" " * 70_000 + ACCOUNT
    upstream = Upstream(body)
    async with run_raw_upstream(upstream.handle) as url, run_local_proxy(url) as (server, log):
        for _ in range(2):
            await post(server.url, body)
        assert await asyncio.to_thread(begun.wait, 10)
    goes_on.set()
    assert "ended before 2 exchanges could be validated" in log
    assert all(thread.daemon for thread in threads)


async def test_uploads_have_a_limit_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "MAX_HELD_BYTES", 1000)
    upstream = Upstream(ACCOUNT)
    async with run_raw_upstream(upstream.handle) as url, run_local_proxy(url) as (server, _):
        assert b"the proxy is busy" in await post(server.url, b" " * 2000)
        assert await post(server.url, ACCOUNT) == ANSWER
        assert await post(server.url, ACCOUNT) == ANSWER
    assert upstream.received == [ACCOUNT, ACCOUNT]


async def test_copies_are_dropped_once_they_are_processed() -> None:
    upstream = Upstream(ACCOUNT)
    async with run_raw_upstream(upstream.handle) as url, run_local_proxy(url) as (server, _):
        kept = []
        add = server.processor.add

        async def keep(captured: Any) -> None:
            kept.append(captured)
            await add(captured)

        server.processor.add = keep  # type: ignore[method-assign]
        await post(server.url, ACCOUNT)
    assert [(each.request, each.response) for each in kept] == [(b"", b"")]


def test_bounds_of_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message_size, "MAX_TEXT_BYTES", 70_000)
    blanks = b" " * 70_000
    assert find_answer_excess(b"[" + blanks + b"]") == ""
    assert find_json_excess(blanks + b"[1,2,3]", 3) == ""
    assert find_json_excess(blanks + b"[1,2,3,4]", 3) == "has more than 3 values"
    assert find_json_excess(blanks + b'["{[,",2,3]', 3) == ""
    text = "has a text of more than 70000 bytes"
    for before in (0, 2**20 - 80_000, 2**20 - 10, 2**20):  # of a chunk
        start = b" " * before + b'["'
        assert find_answer_excess(start + b"x" * 70_000 + b'"]') == ""
        assert find_answer_excess(start + b"x" * 70_001 + b'"]') == text
        assert find_answer_excess(start + rb"\"" * 35_001 + b'"]') == text
    members = b"{" + b",".join(b'"%d":1' % each for each in range(100_001)) + b"}"
    assert find_answer_excess(b"[" + members + b"]") == "has an object of more than 100000 members"
    tags = b"<a>" + b"<b/>" * 30_000 + b"</a>"
    assert find_answer_excess(tags) == ""
    assert message_size.find_xml_excess(tags, 30_001) == "has more than 30001 tags and attributes"
    assert message_size.find_xml_excess(b"<a " + b"b='' " * 20_000, 9_999).endswith("attributes")
    stretch = "has a text or tag of more than 70000 bytes"
    assert find_answer_excess(tags + blanks[4:] + b"<!---->") == ""
    assert find_answer_excess(tags + blanks[3:] + b"<!---->") == stretch
    declared = b"<?xml version='1.0' encoding='%b'?>" + tags
    assert find_answer_excess(declared % b"windows-1251") == ""
    assert "encoding" in find_answer_excess(declared % b"utf-7")


def make_line(case: str) -> str:
    name, body, _ = EXCESS[case]
    exchange = {"seq": 1, "at": "2026-03-02T12:00:00", "provider": name, "status": 200}
    transport = "frame" if case == "frame" else "http"
    more = {"operation": "x", "request": body.decode(), "response": "", "transport": transport}
    return json.dumps(exchange | more)


@pytest.mark.parametrize("case", EXCESS)
def test_recordings_of_such_requests_are_refused_and_not_validated(
    case: str, cli: CommandRunner, tmp_path: Path
) -> None:
    file = write_file(tmp_path / "r.jsonl", make_line(case))
    excess = f"the request {EXCESS[case][2]}"
    with pytest.raises(SettingsError, match=re.escape(f"FILE: {file}: line 1: {excess}")):
        read_recording(file, "FILE")
    assert f"not validated: {excess}" in cli("validate", file).out
