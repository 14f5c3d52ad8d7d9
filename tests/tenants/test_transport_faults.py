"""Faults of the connection and of HTTP, seen by a client on a socket."""

import asyncio
import json
import time

import pytest

from callmocks.errors import SettingsError
from callmocks.faults.active import FaultScope
from callmocks.server.providers import PROVIDERS
from callmocks.tenants import pipeline
from callmocks.tenants.exchange import Exchange, Reply
from callmocks.tenants.registry import Registry
from callmocks.tenants.settings import TenantSettings
from callmocks.tenants.tenant import Tenant
from tests.tenants.conftest import ANSWER, EchoServer, handle_echo, serve_echo


async def timed(provider: EchoServer) -> float:
    begin = time.perf_counter()
    assert (await provider.post())[2] == ANSWER
    return time.perf_counter() - begin


async def test_without_a_fault_the_answer_is_the_providers(provider: EchoServer) -> None:
    assert await provider.post() == (200, "application/json", ANSWER)
    assert provider.last_faults() == []


async def test_a_fixed_delay_delays_by_that_time(provider: EchoServer) -> None:
    await provider.post()
    provider.enable("delay", {"ms": 150})
    assert await timed(provider) >= 0.15
    assert provider.last_faults() == ["delay"]


async def test_delays_add_up(provider: EchoServer) -> None:
    provider.enable("delay", {"ms": 100})
    provider.enable("delay", {"ms": 100})
    assert await timed(provider) >= 0.2


@pytest.mark.parametrize(
    ("params", "bounds"),
    [
        ({"ms": 40, "distribution": "uniform", "spread_ms": 40}, (0, 0.08)),
        ({"ms": 20, "distribution": "lognormal", "sigma": 0.5}, (0.002, 0.2)),
    ],
)
async def test_a_spread_delay_varies_and_is_the_same_in_every_run(
    provider: EchoServer, params: dict[str, object], bounds: tuple[float, float]
) -> None:
    runs = []
    for _ in range(2):
        provider.tenant.faults.disable_all()
        switched = provider.enable("delay", params)
        delays = []
        for _ in range(6):
            reply = await pipeline.run(
                Exchange.start(provider.tenant, PROVIDERS["cdr"], b""), handle_echo
            )
            assert reply.delivery is not None
            delays.append(reply.delivery.delay)
        assert switched.applied_count == 6
        runs.append(delays)
    assert runs[0] == runs[1]
    assert len(set(runs[0])) == 6
    assert all(bounds[0] <= delay <= bounds[1] for delay in runs[0])


async def test_a_dribble_sends_drops_with_pauses(provider: EchoServer) -> None:
    provider.enable("dribble", {"bytes": 100, "pause_ms": 60})
    reader, writer = await asyncio.open_connection("127.0.0.1", provider.port)
    writer.write(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\n\r\n{}")
    begun = time.perf_counter()
    await reader.readuntil(b"\r\n\r\n")
    got = await reader.read(65536)
    assert len(got) == 100  # the next drop comes after its pause
    while len(got) < len(ANSWER):
        got += await reader.read(65536)
    writer.close()
    assert got == ANSWER
    assert time.perf_counter() - begun >= 3 * 0.06  # 314 bytes are four drops


async def test_a_reset_is_a_tcp_reset_without_a_byte(provider: EchoServer) -> None:
    provider.enable("reset")
    got, error = await provider.read_raw()
    assert got == b""
    assert isinstance(error, ConnectionResetError)


async def test_a_late_reset_lets_some_of_the_body_through(provider: EchoServer) -> None:
    provider.enable("reset", {"after_bytes": 50})
    got, error = await provider.read_raw()
    head, _, body = got.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert f"Content-Length: {len(ANSWER)}".encode() in head
    assert body == ANSWER[:50]
    assert isinstance(error, ConnectionResetError)


async def test_a_close_ends_the_connection_without_an_answer(provider: EchoServer) -> None:
    provider.enable("close")
    assert await provider.read_raw() == (b"", None)


async def test_never_answer_keeps_the_connection_open(provider: EchoServer) -> None:
    provider.enable("never_answer")
    reader, writer = await asyncio.open_connection("127.0.0.1", provider.port)
    writer.write(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\n\r\n{}")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.4)
    assert provider.last_faults() == ["never_answer"]  # it is in the journal already
    writer.close()


async def test_another_status_keeps_the_providers_body(provider: EchoServer) -> None:
    provider.enable("status", {"status": 502})
    assert await provider.post() == (502, "application/json", ANSWER)


async def test_another_status_with_a_body_of_its_own(provider: EchoServer) -> None:
    provider.enable("status", {"status": 504, "body": "Gateway Time-out"})
    assert await provider.post() == (504, "text/plain; charset=utf-8", b"Gateway Time-out")


@pytest.mark.parametrize("whole", [ANSWER, b'<?xml version="1.0"?><a><b>1</b></a>', b"[1,2]"])
async def test_a_malformed_body_is_refused_by_every_parser(
    provider: EchoServer, whole: bytes
) -> None:
    async def answer(exchange: Exchange) -> Reply:
        return Reply(whole)

    provider.handle[0] = answer
    provider.enable("malformed")
    _, _, body = await provider.post()
    if whole.startswith(b"<"):
        from xml.etree import ElementTree

        with pytest.raises(ElementTree.ParseError):
            ElementTree.fromstring(body)
    else:
        with pytest.raises(json.JSONDecodeError):
            json.loads(body)


async def test_a_body_of_neither_kind_is_not_malformed_and_not_counted(
    provider: EchoServer,
) -> None:
    async def sound(exchange: Exchange) -> Reply:
        return Reply(b"RIFF1234", content_type="audio/wav")

    provider.handle[0] = sound
    switched = provider.enable("malformed", times=1)
    assert (await provider.post())[2] == b"RIFF1234"
    assert (provider.last_faults(), switched.matched_count, switched.applied_count) == ([], 1, 0)
    provider.handle[0] = handle_echo
    assert (await provider.post())[2] != ANSWER


async def test_a_truncated_body_announces_the_whole(provider: EchoServer) -> None:
    provider.enable("truncated", {"keep": 0.25})
    got, error = await provider.read_raw()
    head, _, body = got.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(ANSWER)}".encode() in head
    assert body == ANSWER[: len(ANSWER) // 4]
    assert error is None


async def test_another_content_type(provider: EchoServer) -> None:
    provider.enable("content_type", {"value": "text/html"})
    assert await provider.post() == (200, "text/html", ANSWER)


async def test_faults_compose(provider: EchoServer) -> None:
    provider.enable("status", {"status": 500})
    provider.enable("content_type")
    provider.enable("delay", {"ms": 100})
    provider.enable("truncated", {"keep": 0.5})
    begin = time.perf_counter()
    got, _ = await provider.read_raw()
    assert time.perf_counter() - begin >= 0.1
    assert got.startswith(b"HTTP/1.1 500") and b"Content-Type: text/html" in got
    assert got.endswith(ANSWER[: len(ANSWER) // 2])
    assert provider.last_faults() == ["status", "content_type", "delay", "truncated"]


async def test_the_server_goes_on_after_each_kind_of_broken_connection(
    provider: EchoServer,
) -> None:
    for name in ("reset", "close", "truncated"):
        provider.enable(name, times=1)
        await provider.read_raw()
        assert await provider.post() == (200, "application/json", ANSWER)


@pytest.mark.parametrize(
    ("fault", "params"),
    [("delay", {"ms": 100}), ("dribble", {"bytes": 1, "pause_ms": 20}), ("never_answer", {})],
)
async def test_a_client_that_goes_away_meanwhile_is_no_error(
    provider: EchoServer, caplog: pytest.LogCaptureFixture, fault: str, params: dict[str, object]
) -> None:
    provider.enable(fault, params, times=1)
    _, writer = await asyncio.open_connection("127.0.0.1", provider.port)
    writer.write(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\n\r\n{}")
    await asyncio.sleep(0.05)
    writer.transport.abort()
    await asyncio.sleep(0.2)
    assert (await provider.post())[2] == ANSWER
    assert [record for record in caplog.records if record.levelname != "DEBUG"] == []


@pytest.mark.parametrize(("fault", "params"), [("delay", {"ms": 0}), ("dribble", {"pause_ms": 0})])
async def test_a_zero_setting_is_really_off(
    provider: EchoServer, fault: str, params: dict[str, object]
) -> None:
    switched = provider.enable(fault, params)
    assert (await provider.post())[2] == ANSWER
    assert (provider.last_faults(), switched.applied_count) == ([], 0)


def test_an_unknown_setting_is_refused(tenant: Tenant) -> None:
    with pytest.raises(SettingsError, match="unknown field `at`"):
        tenant.faults.enable("cdr", "delay", {"ms": 9, "at": 1}, FaultScope())


def test_broken_connections_are_the_same_on_the_loop_that_serves(registry: Registry) -> None:
    uvloop = pytest.importorskip("uvloop", reason="uvloop is not installed")

    async def scenario() -> None:
        tenant = registry.create(TenantSettings("loop", world="empty"))
        async with serve_echo(tenant) as provider:
            for fault, params, error in (
                ("reset", {}, ConnectionResetError),
                ("reset", {"after_bytes": 50}, ConnectionResetError),
                ("close", {}, type(None)),
            ):
                provider.enable(fault, params, times=1)
                got, ended = await provider.read_raw()
                assert got.endswith(ANSWER[: params.get("after_bytes", 0)])
                assert isinstance(ended, error), fault
            assert (await provider.post())[2] == ANSWER

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario())


async def test_an_answer_has_a_bounded_number_of_headers(provider: EchoServer) -> None:
    for number in range(6):
        headers = {f"X-{number}-{each}": "1" for each in range(20)}
        provider.enable("status", {"status": 504, "headers": headers})
    assert (await provider.post())[0] == 503
    (entry,) = provider.tenant.journal.read_entries()
    assert entry.notes == ("fault status: an answer has at most 100 headers",)
    assert provider.last_faults() == ["status"] * 5
