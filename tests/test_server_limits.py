"""What a suite takes from its clients at most, each bound seen on a socket."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any
from xml.etree import ElementTree

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from callmocks.config.options import ENV_PREFIX, resolve_settings
from callmocks.config.server_limits import DEFAULT_LIMITS
from callmocks.config.settings import ServeSettings
from callmocks.contract.nesting import is_json_too_deep, is_xml_too_deep
from callmocks.onec.namespaces import SOAP11, SOAP12
from callmocks.server.mock_server import MockServer
from tests.control.server_client import SOAP, basic

FREE = {f"{name}_port": 0 for name in ("arm", "cdr", "onec", "control")}
PATHS = {
    "arm": "/demo/service/cc/arm/operator_call_history",
    "cdr": "/v2.0",
    "onec": "/cus/ws/PartnerWebAPI2",
    "control": "/api/tenants",
}
ARM = b'<in><request><filters limit="1"/></request></in>'
CDR = json.dumps(
    {"jsonrpc": "2.0", "id": 7, "method": "get.account", "params": {"access_token": "demo-token"}}
).encode()
GOOD = {"arm": ARM, "cdr": CDR, "onec": SOAP.encode(), "control": b'{"name": "other"}'}
NAMES = tuple(PATHS)
PROVIDERS = NAMES[:3]


class RawConnection:
    """A connection whose bytes the test writes itself."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def head(self, name: str, length: int, *more: str) -> bytes:
        lines = [f"POST {PATHS[name]} HTTP/1.1", "Host: localhost", f"Content-Length: {length}"]
        user = {"arm": "101", "onec": "demo"}.get(name)
        if user:
            lines += [f"{key}: {value}" for key, value in basic(user).items()]
        lines += ["Content-Type: text/xml" if user else "Content-Type: application/json"]
        return "\r\n".join([*lines, *more, "", ""]).encode()

    async def answer(self, seconds: float = 30) -> tuple[int, bytes]:
        """Status and body of the next answer; status 0 when the server closes without one."""
        async with asyncio.timeout(seconds):
            status = (await self.reader.readline()).split()
            if not status:
                return 0, b""
            length = 0
            while line := (await self.reader.readline()).strip():
                key, _, value = line.partition(b":")
                if key.lower() == b"content-length":
                    length = int(value)
            return int(status[1]), await self.reader.readexactly(length)

    async def request(self, name: str, body: bytes | None = None, *more: str) -> tuple[int, bytes]:
        sent = GOOD[name] if body is None else body
        self.writer.write(self.head(name, len(sent), *more) + sent)
        return await self.answer()

    async def closed(self, seconds: float = 30) -> bool:
        async with asyncio.timeout(seconds):
            try:
                return await self.reader.read() == b""
            except ConnectionError:
                return True


class LimitedServer:
    """A running suite with bounds."""

    def __init__(self, suite: MockServer) -> None:
        self.suite = suite

    @asynccontextmanager
    async def raw(self, name: str) -> AsyncIterator[RawConnection]:
        ca = self.suite.ca_pem
        trusting = ssl.create_default_context(cadata=ca.decode()) if ca else None
        port = self.suite.get_port(name)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
        try:
            yield RawConnection(reader, writer)
        finally:
            writer.close()


@asynccontextmanager
async def limited_server(**bounds: Any) -> AsyncIterator[LimitedServer]:
    chosen: dict[str, Any] = {**FREE, "now": "2026-03-02T12:00:00", "limits": "off", **bounds}
    settings = ServeSettings(**chosen)
    async with MockServer(settings) as suite:
        yield LimitedServer(suite)


def error_text(name: str, body: bytes) -> str:
    """What an answer complains of, read in the shape of its provider."""
    if name == "cdr":
        return str(json.loads(body)["error"]["data"]["mnemonic"])
    if name == "control":
        return str(json.loads(body)["detail"])
    root = ElementTree.fromstring(body)
    if name == "onec":
        return "".join(text.strip() for text in root.itertext())
    error = root.find(".//error")
    assert error is not None
    return error.text or ""


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


@pytest.mark.parametrize("tls", ["off", "auto"])
async def test_so_many_connections_and_no_more(tls: str, caplog: pytest.LogCaptureFixture) -> None:
    async with limited_server(max_connections=5, tls=tls) as there, AsyncExitStack() as stack:
        inside = [await stack.enter_async_context(there.raw("cdr")) for _ in range(5)]
        for raw in inside:
            assert (await raw.request("cdr"))[0] == 200

        async def be_rejected(name: str) -> None:
            async with there.raw(name) as raw:
                status, body = await raw.request(name)
                assert (status, body) == (503, b"too many connections are open\n")
                assert await raw.closed()

        # The bound is that of all providers, not a server's.
        await asyncio.gather(*map(be_rejected, PROVIDERS))
        assert (await inside[0].request("cdr"))[0] == 200  # those inside are served on
        ours = [r.levelname for r in caplog.records if r.name.startswith("callmocks")]
        assert ours == ["WARNING"]  # logged once, not three times
        assert "--max-connections" in caplog.text
        async with there.raw("control") as raw:  # has places of its own
            assert (await raw.request("control"))[0] == 201
        inside[0].writer.close()
        with suppress(ConnectionError):  # the server does not wait for the end of TLS
            await inside[0].writer.wait_closed()
        await asyncio.sleep(0.05)
        async with there.raw("onec") as raw:
            assert (await raw.request("onec"))[0] == 200


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_tls_handshakes_are_connections_with_a_time_limit(loop: str) -> None:
    run = pytest.importorskip(loop, reason=f"{loop} is not installed").run

    async def connect_silently(there: LimitedServer, stack: AsyncExitStack) -> RawConnection:
        port = there.suite.get_port("arm")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        stack.callback(writer.close)
        return RawConnection(reader, writer)

    async def be_answered(there: LimitedServer) -> int:
        async with there.raw("cdr") as raw:
            return (await raw.request("cdr"))[0]

    async def hold_places() -> None:
        async with (
            limited_server(max_connections=5, header_timeout=1, tls="auto") as there,
            AsyncExitStack() as stack,
        ):
            silent = [await connect_silently(there, stack) for _ in range(40)]
            # All but those that have a place, or wait for a 503, are closed at once.
            await asyncio.gather(*(each.closed() for each in silent[21:]))
            assert not any(each.reader.at_eof() for each in silent[:5])
            for each in silent[:5]:
                await each.closed()  # in time
            assert await be_answered(there) == 200

    async def leave_early() -> None:
        async with limited_server(max_connections=5, header_timeout=0, tls="auto") as there:
            async with AsyncExitStack() as stack:
                for beginning in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\0\x01\0"):
                    left = [await connect_silently(there, stack) for _ in range(5)]
                    for each in left:
                        each.writer.write(beginning)
                        each.writer.write_eof()
                        await each.closed()
                    assert await be_answered(there) == 200
                silent = [await connect_silently(there, stack) for _ in range(5)]
                assert await be_answered(there) == 503
                assert not any(each.reader.at_eof() for each in silent)
            await asyncio.sleep(0.05)
            assert await be_answered(there) == 200

    run(hold_places())
    run(leave_early())


async def test_control_has_an_end_of_places_too(caplog: pytest.LogCaptureFixture) -> None:
    limit = DEFAULT_LIMITS.control_connections
    async with limited_server(max_connections=1) as there, AsyncExitStack() as stack:
        inside = [await stack.enter_async_context(there.raw("control")) for _ in range(limit)]
        assert (await inside[0].request("control"))[0] == 201
        async with there.raw("control") as raw:
            assert await raw.request("control") == (503, b"too many connections are open\n")
        async with there.raw("cdr") as raw:
            assert (await raw.request("cdr"))[0] == 200
    assert f"{limit} connections to control are open" in caplog.text


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


async def test_a_head_sent_byte_by_byte_ends_in_a_408() -> None:
    async def send_slowly(name: str) -> None:
        async with there.raw(name) as raw:
            begun = time.perf_counter()
            answer = asyncio.create_task(raw.answer())
            for byte in raw.head(name, 0):
                raw.writer.write(bytes([byte]))
                if (await asyncio.wait((answer,), timeout=0.1))[0]:
                    break
            assert (await answer)[0] == 408, name
            assert time.perf_counter() - begun > 0.9

    async with limited_server(header_timeout=1) as there:
        await asyncio.gather(*map(send_slowly, NAMES))


async def test_a_connection_without_data_is_closed_without_an_answer() -> None:
    async with limited_server(header_timeout=1) as there, there.raw("cdr") as raw:
        assert await raw.closed()


async def test_a_second_head_has_its_own_time_and_a_pause_between_requests_is_no_fault() -> None:
    async with limited_server(header_timeout=1) as there, there.raw("cdr") as raw:
        assert (await raw.request("cdr"))[0] == 200
        await asyncio.sleep(1.8)
        assert (await raw.request("cdr"))[0] == 200
        raw.writer.write(b"POST /v2.0 HTT")
        begun = time.perf_counter()
        assert (await raw.answer())[0] == 408
        assert time.perf_counter() - begun > 0.9


@pytest.mark.parametrize("tls", ["off", "auto"])
async def test_a_head_that_begins_before_the_last_answer_has_its_time(tls: str) -> None:
    next_head = b"POST /v2.0 HTTP/1.1\r\nHost: localhost\r\n"

    async def send_with_request(name: str, beginning: bytes) -> None:
        async with there.raw(name) as raw:
            raw.writer.write(raw.head(name, len(GOOD[name])) + GOOD[name] + beginning)
            assert (await raw.answer())[0] in (200, 201)
            begun = time.perf_counter()
            assert (await raw.answer())[0] == 408, beginning
            assert time.perf_counter() - begun > 0.9
            assert await raw.closed()

    async def send_during_answer() -> None:
        async with there.raw("control") as control:
            fault = {"provider": "cdr", "fault": "delay", "params": {"ms": 300}, "times": 1}
            body = json.dumps(fault).encode()
            head = control.head("control", len(body)).replace(b"tenants", b"tenants/demo/faults")
            control.writer.write(head + body)
            assert (await control.answer())[0] == 201
        async with there.raw("cdr") as raw:
            raw.writer.write(raw.head("cdr", len(CDR)) + CDR)
            await asyncio.sleep(0.1)
            raw.writer.write(b"P")
            assert (await raw.answer())[0] == 200
            assert (await raw.answer())[0] == 408

    async def send_byte_by_byte() -> None:
        async with there.raw("cdr") as raw:
            raw.writer.write(raw.head("cdr", len(CDR)) + CDR + b"P")
            assert (await raw.answer())[0] == 200
            answer = asyncio.create_task(raw.answer())
            for byte in next_head[1:]:
                raw.writer.write(bytes([byte]))
                if (await asyncio.wait((answer,), timeout=0.1))[0]:
                    break
            assert (await answer)[0] == 408

    async def send_whole_requests() -> None:
        async with there.raw("cdr") as raw:
            for after in (b"", b"\r\n"):
                raw.writer.write((raw.head("cdr", len(CDR)) + CDR) * 40 + after)
                for _ in range(40):
                    assert (await raw.answer())[0] == 200
                await asyncio.sleep(1.8)
            assert (await raw.request("cdr"))[0] == 200

    async with limited_server(header_timeout=1, tls=tls) as there:
        await send_during_answer()
        ends = (1, 12, -12, -2, -1, None)
        beginnings = (*(next_head[:end] for end in ends), next_head + b"\r")
        await asyncio.gather(
            *(send_with_request(name, b"P") for name in NAMES if name != "cdr"),
            *(send_with_request("cdr", beginning) for beginning in beginnings),
            send_byte_by_byte(),
            send_whole_requests(),
        )


async def test_an_answer_that_is_read_slowly_is_whole_though_the_next_head_has_begun() -> None:
    params = {"access_token": "demo-token", "limit": 10_000}
    window = {"date_from": "2026-02-01 00:00:00", "date_till": "2026-03-01 00:00:00"}
    message = {"jsonrpc": "2.0", "id": 1, "method": "get.call_legs_report"}
    body = json.dumps(message | {"params": params | window}).encode()
    async with limited_server(header_timeout=1) as there, there.raw("cdr") as raw:
        raw.writer.write(raw.head("cdr", len(body)) + body)
        await asyncio.sleep(0.5)
        raw.writer.write(b"P")
        await asyncio.sleep(2)
        status, answer = await raw.answer()
        assert (status, len(json.loads(answer)["result"]["data"])) == (200, 10_000)
        assert (await raw.answer())[0] == 408


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
        limited_server(header_timeout=1, body_timeout=1) as there,
        there.raw("control") as control,
    ):
        fault = {"provider": "cdr", "fault": "delay", "params": {"ms": 2000}, "times": 1}
        body = json.dumps(fault).encode()
        head = control.head("control", len(body)).replace(b"tenants", b"tenants/demo/faults")
        control.writer.write(head + body)
        assert (await control.answer())[0] == 201
        async with there.raw("cdr") as raw:
            assert (await raw.request("cdr"))[0] == 200


# how deep


def test_brackets_in_strings_are_text() -> None:
    assert not is_json_too_deep(b'["' + b"[" * 500 + b'"]', 5)
    assert not is_json_too_deep(b'["\\"' + b"[" * 500 + b'"]', 5)
    assert is_json_too_deep(b'["\\\\"' + b",[" * 500 + b'"]', 5)
    assert is_json_too_deep(b"[" * 6, 5)
    assert not is_json_too_deep(b"[]" * 500 + b"[[[[[", 5)


@pytest.mark.parametrize("before", [2**20 - 3, 2**20 - 2, 2**20 - 1, 2**20])
@pytest.mark.parametrize("slashes", [1, 2, 3, 4])
def test_pieces_are_put_together_where_a_string_is_cut(before: int, slashes: int) -> None:
    """Compared with the decoder: a string that ends or does not end at the border of a piece."""
    filler = b" " * (before - slashes - 2)
    body = b'["' + filler + b"\\" * slashes + b'"' + b"[" * 9
    ends = slashes % 2 == 0
    assert is_json_too_deep(body, 5) is ends


def test_a_hostile_body_is_scanned_quickly() -> None:
    for body in (b"\\" * 2**24 + b"[" * 300, b'"[' * 2**23, b"[]" * 2**23, b"[" * 2**24):
        begun = time.process_time()
        is_json_too_deep(body, 200)
        assert time.process_time() - begun < 1


def test_elements_side_by_side_are_not_deep() -> None:
    assert not is_xml_too_deep(b"<a>" + b"<b/>" * 500 + b"</a>", 2)
    assert is_xml_too_deep(b"<a>" + b"<b><c/></b>" * 500 + b"</a>", 2)
    assert not is_xml_too_deep(b"<a>" + b"<b>" * 500, 600)
    assert not is_xml_too_deep(b"<!DOCTYPE a>" + b"<a>" * 500, 5)  # refused by what reads it next
