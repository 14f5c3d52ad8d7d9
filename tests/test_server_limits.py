"""What a suite takes from its clients at most, each bound seen on a socket."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import AsyncExitStack
from xml.etree import ElementTree

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from callmocks.config.options import ENV_PREFIX, resolve_settings
from callmocks.onec.namespaces import SOAP11, SOAP12
from tests.control.server_client import SOAP, basic
from tests.limited_server import (
    CDR,
    GOOD,
    NAMES,
    error_text,
    limited_server,
)


def test_every_limit_is_a_setting_with_a_flag_a_variable_and_a_safe_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = resolve_settings({}).server_limits
    assert plain.body == 64 * 1024 * 1024
    assert (plain.message, plain.header, plain.nesting) == (262144, 8190, 250)
    assert (plain.connections, plain.in_flight, plain.sending) == (800, 500, 1024**3)
    assert (plain.header_timeout, plain.body_timeout) == (20, 60)
    monkeypatch.setenv("CALLMOCKS_MAX_CONNECTIONS", "9")
    monkeypatch.setenv("CALLMOCKS_HEADER_TIMEOUT", "3")
    flags = {"max_body": "5000", "body_timeout": "0"}
    changed = resolve_settings(flags, env_prefix=ENV_PREFIX).server_limits
    assert (changed.body, changed.body_timeout) == (5000, 0)
    assert (changed.connections, changed.header_timeout) == (9, 3)


@pytest.mark.parametrize("name", NAMES)
async def test_a_body_that_is_too_long_is_refused_before_it_is_sent(name: str) -> None:
    async with limited_server(max_body=4096, max_message=4096) as there, there.raw(name) as raw:
        raw.writer.write(raw.head(name, 4097))  # and not one byte of it
        status, body = await raw.answer()
        assert status == {"arm": 413, "cdr": 200, "onec": 500, "control": 413}[name]
        assert error_text(name, body) == {
            "arm": "a body of at most 4096 bytes is taken",
            "cdr": "invalid_parameter_value",
            "onec": "soap:Clientthe request is longer than 4096 bytes",
            "control": "a body of at most 4096 bytes is taken",
        }.get(name)
    async with limited_server(max_body=4096) as there, there.raw(name) as raw:
        assert (await raw.request(name))[0] in (200, 201)


@pytest.mark.parametrize("name", NAMES)
async def test_a_body_without_a_declared_length_is_cut_off_at_the_bound(name: str) -> None:
    async with limited_server(max_body=4096, max_message=4096) as there, there.raw(name) as raw:
        head = raw.head(name, 0, "Transfer-Encoding: chunked")
        raw.writer.write(head.replace(b"Content-Length: 0\r\n", b""))
        for _ in range(5):
            raw.writer.write(b"400\r\n" + b" " * 1024 + b"\r\n")
        status, body = await raw.answer()
        assert status in (200, 413, 500)
        assert error_text(name, body)


async def test_bytes_that_are_no_http_get_a_400_and_no_line_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with limited_server() as there:
        for garbage in (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"GARBAGE\r\n\r\n", b"\0" * 100):
            async with there.raw("cdr") as raw:
                raw.writer.write(garbage + b"\r\n\r\n")
                assert (await raw.answer())[0] == 400
    assert not caplog.records


@pytest.mark.parametrize("name", NAMES)
async def test_a_client_that_goes_away_half_way_leaves_no_line_in_the_log(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with limited_server() as there:
        async with there.raw(name) as raw:
            raw.writer.write(raw.head(name, 1000) + b"{")
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.1)
        async with there.raw(name) as raw:
            assert (await raw.request(name))[0] in (200, 201)
    assert not caplog.records


async def test_a_compressed_body_counts_as_what_it_is() -> None:
    import zlib

    bomb = zlib.compress(b" " * 1_000_000)
    assert len(bomb) < 4096
    async with limited_server(max_body=4096) as there, there.raw("cdr") as raw:
        status, body = await raw.request("cdr", bomb, "Content-Encoding: deflate")
        assert (status, error_text("cdr", body)) == (200, "invalid_parameter_value")


@pytest.mark.parametrize("name", NAMES)
async def test_a_header_that_is_too_long_is_refused(name: str) -> None:
    async with limited_server(max_header=1024) as there:
        async with there.raw(name) as raw:
            assert (await raw.request(name, None, "X-Long: " + "x" * 900))[0] in (200, 201)
        async with there.raw(name) as raw:
            assert (await raw.request(name, None, "X-Long: " + "x" * 1100))[0] == 400
        async with there.raw(name) as raw:
            many = [f"X-{number}: 1" for number in range(200)]
            assert (await raw.request(name, None, *many))[0] == 400
        async with there.raw(name) as raw:
            raw.writer.write(b"GET /" + b"a" * 2000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await raw.answer())[0] == 400


def nested(name: str, depth: int) -> bytes:
    """A request with a document of that many levels, otherwise harmless."""
    if name == "cdr":
        inside = "[" * (depth - 2) + "]" * (depth - 2)
        return CDR[:-2] + f', "x": {inside}'.encode() + b"}}"
    return b"<in>" + b"<a>" * (depth - 1) + b"</a>" * (depth - 1) + b"</in>"


@pytest.mark.parametrize("name", ["arm", "cdr", "onec"])
async def test_a_document_that_is_nested_too_deep_is_refused(name: str) -> None:
    wanted = {"arm": "nested deeper than 40", "cdr": "invalid_parameter_value", "onec": "depth"}
    async with limited_server(max_nesting=40) as there:
        for depth, refused in ((40, False), (41, True), (20_000, True)):
            async with there.raw(name) as raw:
                _, body = await raw.request(name, nested(name, depth))
                assert (wanted[name] in error_text(name, body)) is refused, depth


async def test_frames_are_bounded_in_length_and_depth() -> None:
    async with limited_server(max_nesting=40, max_message=8192) as there:
        url = there.suite.urls["arm"].replace("http", "ws") + "/demo/service/cc/arm"
        async with connect(url, additional_headers=basic("101")) as arm:
            deep = "[" * 41 + "]" * 41
            await arm.send(f"01{48 + len(deep):010}0001{'login':32}{deep}")
            answer = await arm.recv()
            assert answer[12:19] in ("0001400", b"0001400")
            await arm.send("x" * 8193)
            with pytest.raises(ConnectionClosed) as closed:
                await arm.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1009
            assert closed.value.rcvd.reason == "a message has at most 8192 bytes"


@pytest.mark.parametrize("headers", [(), ("Upgrade: websocket", "Connection: Upgrade")])
@pytest.mark.parametrize("name", NAMES)
async def test_so_many_requests_at_once_and_no_more(name: str, headers: tuple[str, ...]) -> None:
    async with limited_server(max_in_flight=2) as there, AsyncExitStack() as stack:
        slow = [await stack.enter_async_context(there.raw(name)) for _ in range(2)]
        for raw in slow:
            # Their bodies are still to come.
            raw.writer.write(raw.head(name, len(GOOD[name]), *headers))
        await asyncio.sleep(0.1)
        async with there.raw(name) as raw:
            status, body = await raw.request(name)
            assert status == 503
            assert error_text(name, body) == {
                "cdr": "internal_error",
                "onec": "soap:Servermore than 2 requests are being answered",
            }.get(name, "more than 2 requests are being answered")
        for number, raw in enumerate(slow):
            raw.writer.write(GOOD[name].replace(b"other", b"othe%d" % number))
            assert (await raw.answer())[0] in (200, 201)
        async with there.raw(name) as raw:
            assert (await raw.request(name))[0] in (200, 201)


async def test_websockets_are_not_requests_in_flight() -> None:
    async with limited_server(max_in_flight=1) as there, AsyncExitStack() as stack:
        url = there.suite.urls["arm"].replace("http", "ws") + "/demo/service/cc/arm"
        for _ in range(3):
            await stack.enter_async_context(connect(url, additional_headers=basic("101")))
        async with there.raw("arm") as raw:
            assert (await raw.request("arm"))[0] == 200


@pytest.mark.parametrize("encoding", ["br", "zstd"])
async def test_an_encoding_that_cannot_be_decoded_is_named_in_the_providers_own_shape(
    encoding: str,
) -> None:
    text = f"the request has a Content-Encoding {encoding}, which is not supported"
    async with limited_server() as there:
        for name in NAMES:
            async with there.raw(name) as raw:
                status, body = await raw.request(name, None, f"Content-Encoding: {encoding}")
                assert await raw.closed()
            assert status == 400
            told = {"cdr": "parse_error", "onec": f"soap:Client{text}"}.get(name, text)
            assert error_text(name, body) == told
        nobody = there.suite.registry.unmatched.journal.read_entries()
        assert text in {note for entry in nobody for note in entry.notes}


@pytest.mark.proves("onec.undecodable-body")
async def test_such_an_encoding_gets_a_fault_of_soap_11_for_soap_12_too() -> None:
    body = SOAP.replace(SOAP11, SOAP12).encode()
    assert SOAP12.encode() in body
    async with limited_server() as there, there.raw("onec") as raw:
        head = raw.head("onec", len(body), "Content-Encoding: br")
        raw.writer.write(head.replace(b"text/xml", b"application/soap+xml") + body)
        status, fault = await raw.answer()
        root = ElementTree.fromstring(fault)
        assert (status, root.tag) == (400, f"{{{SOAP11}}}Envelope")
        assert root.find(f"{{{SOAP11}}}Body/{{{SOAP11}}}Fault/faultcode") is not None


async def test_a_body_that_never_ends_gets_a_408_of_the_providers() -> None:
    text = "the body did not come to its end within 1 seconds"

    async def send_beginning(name: str) -> None:
        async with there.raw(name) as raw:
            raw.writer.write(raw.head(name, 1000) + b"{")
            begun = time.perf_counter()
            status, body = await raw.answer()
        assert status == 408
        assert time.perf_counter() - begun > 0.9
        told = {"cdr": "internal_error", "onec": f"soap:Server{text}"}.get(name, text)
        assert error_text(name, body) == told

    async with limited_server(body_timeout=1) as there:
        await asyncio.gather(*map(send_beginning, NAMES))


async def test_a_slow_answer_is_no_slow_sender() -> None:
    async with (
        limited_server(header_timeout=0.5, body_timeout=0.5) as there,
        there.raw("control") as control,
    ):
        fault = {"provider": "cdr", "fault": "delay", "params": {"ms": 1000}, "times": 1}
        body = json.dumps(fault).encode()
        head = control.head("control", len(body)).replace(b"tenants", b"tenants/demo/faults")
        control.writer.write(head + body)
        assert (await control.answer())[0] == 201
        async with there.raw("cdr") as raw:
            assert (await raw.request("cdr"))[0] == 200


# how deep
