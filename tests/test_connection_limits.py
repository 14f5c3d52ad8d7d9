"""How many connections there are at most, and how long the head of a request may take."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from contextlib import AsyncExitStack, suppress

import pytest

from callmocks.config.server_limits import DEFAULT_LIMITS
from tests.limited_server import (
    CDR,
    GOOD,
    NAMES,
    PROVIDERS,
    LimitedServer,
    RawConnection,
    limited_server,
)


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


async def test_a_place_that_is_free_after_a_handshake_is_taken_like_any_other() -> None:
    limits = {"max_connections": 17, "tls": "auto"}
    async with limited_server(**limits) as there, AsyncExitStack() as stack:
        inside = [await stack.enter_async_context(there.raw("cdr")) for _ in range(17)]
        port, ca = there.suite.get_port("cdr"), there.suite.ca_pem
        assert ca is not None
        trusting = ssl.create_default_context(cadata=ca.decode())

        async def connect() -> RawConnection:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            stack.callback(writer.close)
            return RawConnection(reader, writer)

        async def be_answered(late: RawConnection) -> int:
            await late.writer.start_tls(trusting, server_hostname="127.0.0.1")
            return (await late.request("cdr"))[0]

        waiting = [await connect() for _ in range(16)]  # as many as may wait for a 503
        await asyncio.sleep(0.05)
        for each in inside:
            each.writer.close()
        await asyncio.sleep(0.05)
        assert await asyncio.gather(*map(be_answered, waiting)) == [200] * 16
        assert await be_answered(await connect()) == 200
        assert await be_answered(await connect()) == 503


@pytest.mark.parametrize("tls", ["off", "auto"])
async def test_a_server_that_ends_takes_no_connections_while_it_still_answers(tls: str) -> None:
    async with limited_server(tls=tls) as there, there.raw("cdr") as raw:
        async with there.raw("control") as control:
            fault = {"provider": "cdr", "fault": "delay", "params": {"ms": 500}}
            body = json.dumps(fault).encode()
            head = control.head("control", len(body)).replace(b"tenants", b"tenants/demo/faults")
            control.writer.write(head + body)
            assert (await control.answer())[0] == 201
        port = there.suite.get_port("cdr")
        answer = asyncio.create_task(raw.request("cdr"))
        await asyncio.sleep(0.1)
        stopping = asyncio.create_task(there.suite.stop())
        await asyncio.sleep(0.1)
        assert not answer.done()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        assert (await answer)[0] == 200
        await stopping


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
            assert time.perf_counter() - begun > 0.45

    async with limited_server(header_timeout=0.5) as there:
        await asyncio.gather(*map(send_slowly, NAMES))


async def test_a_connection_without_data_is_closed_without_an_answer() -> None:
    async with limited_server(header_timeout=0.5) as there, there.raw("cdr") as raw:
        assert await raw.closed()


async def test_a_second_head_has_its_own_time_and_a_pause_between_requests_is_no_fault() -> None:
    async with limited_server(header_timeout=0.5) as there, there.raw("cdr") as raw:
        assert (await raw.request("cdr"))[0] == 200
        await asyncio.sleep(0.9)
        assert (await raw.request("cdr"))[0] == 200
        raw.writer.write(b"POST /v2.0 HTT")
        begun = time.perf_counter()
        assert (await raw.answer())[0] == 408
        assert time.perf_counter() - begun > 0.45


@pytest.mark.parametrize("tls", ["off", "auto"])
async def test_a_head_that_begins_before_the_last_answer_has_its_time(tls: str) -> None:
    next_head = b"POST /v2.0 HTTP/1.1\r\nHost: localhost\r\n"

    async def send_with_request(name: str, beginning: bytes) -> None:
        async with there.raw(name) as raw:
            raw.writer.write(raw.head(name, len(GOOD[name])) + GOOD[name] + beginning)
            assert (await raw.answer())[0] in (200, 201)
            begun = time.perf_counter()
            assert (await raw.answer())[0] == 408, beginning
            assert time.perf_counter() - begun > 0.45
            assert await raw.closed()

    async def send_during_answer() -> None:
        async with there.raw("control") as control:
            fault = {"provider": "cdr", "fault": "delay", "params": {"ms": 200}, "times": 1}
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
                await asyncio.sleep(0.9)
            assert (await raw.request("cdr"))[0] == 200

    async with limited_server(header_timeout=0.5, tls=tls) as there:
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
    async with limited_server(header_timeout=0.5) as there, there.raw("cdr") as raw:
        raw.writer.write(raw.head("cdr", len(body)) + body)
        await asyncio.sleep(0.3)
        raw.writer.write(b"P")
        await asyncio.sleep(1)
        status, answer = await raw.answer()
        assert (status, len(json.loads(answer)["result"]["data"])) == (200, 10_000)
        assert (await raw.answer())[0] == 408
