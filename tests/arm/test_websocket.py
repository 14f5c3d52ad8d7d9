"""The websocket: damage of every kind, many requests in flight, clients that do not read."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Callable
from typing import Any

import pytest
import websockets
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callmocks.arm import frames
from callmocks.arm.server import ArmServer
from callmocks.faults.active import FaultScope
from tests.arm.conftest import ArmSocket, RunningArm, Start, basic_auth, parse_frame, request_json

HISTORY = "operator_call_history"


def framed(body: bytes, command: str = HISTORY, id: str = "0077") -> bytes:
    return frames.encode_request(id, command, body)


@pytest.mark.proves("arm.unreadable-header", "arm.transport-status")
@pytest.mark.parametrize(
    ("message", "id", "says"),
    [
        (b"", "0000", "version"),
        (b"\x00", "0000", "version"),
        (b"02" + framed(b"[]")[2:], "0077", "version"),
        (framed(b"[]")[:30], "0077", "header"),
        (b"01xxxxxxxxxx0077" + b" " * 40, "0077", "length"),
        (b"010000000050zz77" + b" " * 40, "0000", "id"),
        (framed(b"{}"), "0077", "array"),
        (framed(b"[]"), "0077", "exactly one root"),
        (framed(b'[{"_name":"in"},{"_name":"in"}]'), "0077", "exactly one root"),
        (framed(b'[{"_name":"in"'), "0077", "JSON"),
        (framed(b'[{"_name":"in","_attributes":{"a":5}}]'), "0077", "/in/@a: expected a string"),
        (framed(b'[{"_name":"in","_content":"x"}]'), "0077", "_content"),
        (framed(b'[{"_name":"a b"}]'), "0077", "name"),
        (framed(b'[{"_name":"in","_attributes":{"xs:a":"1"}}]'), "0077", "prefix"),
        (framed(b'[{"_name":"in\xff"}]'), "0077", "JSON"),
        (framed(b"[" + b'{"_name":"a","_content":[' * 5000), "0077", "JSON"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_damage_gets_a_framed_400_with_a_reason_and_the_socket_lives_on(
    demo: RunningArm, message: bytes, id: str, says: str
) -> None:
    async with demo.connect("101") as raw:
        await raw.send(message)
        answer = parse_frame(await raw.recv())
        assert (answer.status, answer.id) == (400, id)
        assert says in answer.error
        assert demo.journal()[-1].violations
        assert (await ArmSocket(raw).history(limit=1)).status == 200


async def test_an_unknown_command_is_404_and_names_the_known_ones(demo: RunningArm) -> None:
    async with demo.connect("101") as raw:
        answer = await ArmSocket(raw).request("make_call", request_json(limit=1))
    assert answer.status == 404
    assert HISTORY in answer.error
    (error,) = answer.root.iter("error")
    assert error.get("cmd") == "make_call"


async def test_a_tree_that_breaks_the_schema_is_an_error_answer(demo: RunningArm) -> None:
    async with demo.connect("101") as raw:
        socket = ArmSocket(raw)
        answer = await socket.request(HISTORY, b'[{"_name":"in","_content":[{"_name":"request"}]}]')
    assert answer.status == 200
    assert answer.error == "/in/request: expected filters, got nothing"


@pytest.mark.proves("arm.message-limit")
@pytest.mark.parametrize("size", [256 * 1024 + 1, 16 << 20])
async def test_a_huge_message_closes_the_connection_with_1009(demo: RunningArm, size: int) -> None:
    async with demo.connect("101") as raw:
        await raw.send(b"01" + b"[" * (256 * 1024 - 2))
        assert parse_frame(await raw.recv()).status == 400
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await raw.send(b"01" + b"[" * (size - 2))
            await raw.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009
    assert closed.value.rcvd.reason == "a message has at most 262144 bytes"
    async with demo.connect("101") as again:
        assert (await ArmSocket(again).history(limit=1)).status == 200


@pytest.mark.proves("arm.message")
async def test_any_message_is_answered_with_a_frame(demo: RunningArm) -> None:
    messages: list[bytes | str] = []

    @settings(max_examples=120, database=None, suppress_health_check=list(HealthCheck))
    @given(
        st.binary(max_size=80)
        | st.text(max_size=80)
        | st.binary(max_size=60).map(lambda body: framed(body))
        | st.binary(max_size=60).map(lambda body: framed(body, "login"))
        | st.text(max_size=40).map(lambda name: "0100000000990012" + name + "[]")
    )
    def collect(message: bytes | str) -> None:
        messages.append(message)

    collect()
    async with demo.connect("101") as raw:
        for message in messages:
            await raw.send(message)
            answer = await raw.recv()
            assert type(answer) is type(message)
            assert parse_frame(answer).status in (200, 400, 401, 404)
        assert (await ArmSocket(raw).history(limit=1)).status == 200


@pytest.mark.proves("arm.opcode")
@pytest.mark.parametrize(
    ("choice", "text", "binary"),
    [("request", str, bytes), ("text", str, str), ("binary", bytes, bytes)],
)
async def test_the_answer_has_the_requests_opcode_unless_chosen_otherwise(
    demo: RunningArm, choice: str, text: type, binary: type
) -> None:
    demo.tenant.assumptions.set_choice("arm.opcode", choice)
    frame = framed(request_json(limit=1))
    async with demo.connect("101") as raw:
        await raw.send(frame.decode())
        assert type(await raw.recv()) is text
        await raw.send(frame)
        assert type(await raw.recv()) is binary


async def test_a_length_may_be_chosen_to_count_characters(demo: RunningArm) -> None:
    demo.tenant.assumptions.set_choice("arm.frame-length", "characters")
    body = request_json(limit=50, display_name="о")
    async with demo.connect("101") as raw:
        await raw.send(frames.encode_request("0001", HISTORY, body, unit="characters"))
        message = await raw.recv()
    assert int(message[2:12]) == len(message.decode()) < len(message)
    assert demo.journal()[-1].violations == ()


@pytest.mark.proves("arm.websocket-path")
async def test_the_websocket_has_another_path_when_chosen(demo: RunningArm) -> None:
    demo.tenant.assumptions.set_choice("arm.websocket-path", "cc/ws")
    with pytest.raises(websockets.InvalidStatus):
        async with demo.connect("101"):
            pass
    url = f"ws://127.0.0.1:{demo.port}/demo/cc/ws"
    async with websockets.connect(url) as raw:
        assert (await ArmSocket(raw).login("101")).status == 200


@pytest.mark.proves("arm.pings", "arm.websocket-path")
async def test_pings_are_answered_and_a_subprotocol_is_not_agreed_on(demo: RunningArm) -> None:
    async with demo.connect("101", subprotocols=["xml", "json"]) as raw:
        await asyncio.wait_for(await raw.ping(), 2)
        assert raw.subprotocol is None
        assert (await ArmSocket(raw).history(limit=1)).status == 200


@pytest.mark.proves("arm.compression")
async def test_messages_are_compressed_only_when_chosen(demo: RunningArm) -> None:
    for choice, extensions in (("none", 0), ("permessage-deflate", 1)):
        demo.tenant.assumptions.set_choice("arm.compression", choice)
        async with websockets.connect(
            demo.websocket, additional_headers=basic_auth("101"), compression="deflate"
        ) as raw:
            assert len(raw.protocol.extensions) == extensions
            assert len((await ArmSocket(raw).history(limit=300)).rows) == 300
    async with websockets.connect(demo.websocket, compression="deflate") as raw:
        await raw.send(b"01" + b"0" * (16 << 20))
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await raw.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009  # the message as it is unpacked


async def test_an_unknown_domain_has_no_websocket(demo: RunningArm) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with websockets.connect(demo.websocket.replace("/demo/", "/nobody/")):
            pass
    assert refused.value.response.status_code == 404


@pytest.mark.proves("arm.message", "arm.frame-header")
async def test_a_hundred_requests_in_flight_are_all_answered_by_id(demo: RunningArm) -> None:
    async with demo.connect("101") as raw:
        for number in range(100):
            await raw.send(framed(request_json(limit=1, offset=number), id=f"{number:04d}"))
        answers = [parse_frame(await raw.recv()) for _ in range(100)]
    whole = (await demo.history(limit=100)).refs
    assert {int(answer.id): answer.refs for answer in answers} == {
        number: [ref] for number, ref in enumerate(whole)
    }


def switch_on(workplace: RunningArm, name: str, times: int = 1, **params: Any) -> None:
    workplace.tenant.faults.enable("arm", name, params, FaultScope(times=times))


async def test_a_late_answer_does_not_hold_up_the_others(demo: RunningArm) -> None:
    switch_on(demo, "delay", ms=400)
    async with demo.connect("101") as raw:
        socket = ArmSocket(raw)
        for _ in range(3):
            await socket.send(HISTORY, request_json(limit=1))
        assert [(await socket.receive()).id for _ in range(3)] == ["0002", "0003", "0001"]


async def test_an_answer_can_be_overtaken(demo: RunningArm) -> None:
    switch_on(demo, "out_of_order")
    async with demo.connect("101") as raw:
        socket = ArmSocket(raw)
        for _ in range(2):
            await socket.send(HISTORY, request_json(limit=1))
        assert [(await socket.receive()).id for _ in range(2)] == ["0002", "0001"]


@pytest.mark.parametrize(
    ("fault", "params", "check"),
    [
        ("duplicated", {}, lambda first, second: first == second),
        ("split", {"pieces": 2}, lambda first, second: int(first[2:12]) == len(first + second)),
    ],
)
async def test_faults_may_turn_one_message_into_two(
    demo: RunningArm, fault: str, params: dict[str, Any], check: Callable[[bytes, bytes], bool]
) -> None:
    switch_on(demo, fault, **params)
    async with demo.connect("101") as raw:
        await raw.send(framed(request_json(limit=5)))
        first, second = await raw.recv(), await raw.recv()
        assert check(first, second)
        assert (await ArmSocket(raw).history(limit=1)).status == 200


async def test_faults_on_a_single_message(demo: RunningArm) -> None:
    async with demo.connect("101") as raw:
        for fault, params in (("wrong_length", {"by": 3}), ("wrong_id", {}), ("truncated", {})):
            switch_on(demo, fault, **params)
            await raw.send(framed(request_json(limit=5)))
            message = await raw.recv()
            assert (int(message[2:12]) - len(message), message[12:16]) != (0, b"0077")
        switch_on(demo, "unauthorized")
        assert (await ArmSocket(raw).history(limit=1)).status == 401
        switch_on(demo, "command_error", text="timeout")
        answer = await ArmSocket(raw).history(limit=1)
        assert (answer.status, answer.error) == (200, "timeout")


@pytest.mark.parametrize("fault", ["close", "reset"])
async def test_a_fault_may_end_the_connection(demo: RunningArm, fault: str) -> None:
    switch_on(demo, fault)
    async with demo.connect("101") as raw:
        await raw.send(framed(request_json(limit=5)))
        with pytest.raises(websockets.ConnectionClosedError):
            await raw.recv()


async def test_silence_is_for_one_request_alone(demo: RunningArm) -> None:
    switch_on(demo, "never_answer")
    async with demo.connect("101") as raw:
        socket = ArmSocket(raw)
        await socket.send(HISTORY, request_json(limit=1))
        assert (await socket.history(limit=1)).id == "0002"


async def test_a_client_that_does_not_read_cannot_grow_the_servers_memory(start: Start) -> None:
    """Requests for 100 answers of 4 MB each, none of them read: not even a few are made."""
    demo = await start()
    await demo.history(limit=10_000)  # the history itself is at hand
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with demo.connect("101", max_queue=1, close_timeout=0.1) as raw:
        frame = framed(request_json(limit=10_000))
        for _ in range(100):
            await raw.send(frame)
        await asyncio.sleep(1.5)
        made = sum(entry.operation == HISTORY for entry in demo.journal()) - 1
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
        assert 1 <= made <= 6  # what the client's own buffers and the kernel's take
        assert grown < 100
        # Once it reads, everything comes.
        sizes = [len(await raw.recv()) for _ in range(5)]
    assert min(sizes) > 3_000_000


async def test_a_slow_reader_holds_up_nobody_else(demo: RunningArm) -> None:
    async with demo.connect("101", max_queue=1, close_timeout=0.1) as slow:
        for _ in range(200):
            await slow.send(framed(request_json(limit=1000)))
        async with demo.connect("102") as quick:
            socket = ArmSocket(quick)
            for _ in range(20):
                answer = await asyncio.wait_for(socket.history(limit=10), 2)
                assert answer.status == 200


async def test_a_client_that_vanishes_leaves_nothing_behind(demo: RunningArm) -> None:
    switch_on(demo, "delay", times=20, ms=60_000)
    before = len(asyncio.all_tasks())
    for _ in range(3):
        raw = await demo.connect("101")
        for number in range(10):
            await raw.send(framed(request_json(limit=1), id=f"{number:04d}"))
        await asyncio.sleep(0.1)
        raw.transport.abort()
    for _ in range(50):
        await asyncio.sleep(0.02)
        if len(asyncio.all_tasks()) <= before:
            return
    raise AssertionError(list(asyncio.all_tasks()))


async def test_a_stopping_server_says_so_and_stops_quickly(start: Start) -> None:
    demo = await start()
    runner = web.AppRunner(ArmServer(demo.registry).create_app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    async with websockets.connect(f"ws://127.0.0.1:{port}/demo/service/cc/arm") as raw:
        reading = asyncio.create_task(raw.recv())
        await asyncio.sleep(0.05)
        await asyncio.wait_for(runner.cleanup(), 2)
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await reading
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1001, "callmocks stops")
