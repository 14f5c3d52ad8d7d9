"""Faults of the workplace, switched on over the admin API and met on a websocket and by POST."""

import asyncio
import json
from typing import Any
from xml.etree import ElementTree

import pytest
from websockets.exceptions import ConnectionClosedError

from callmocks.arm import frames
from tests.control.server_client import Client, post_arm

ARM_REQUEST = b'[{"_name":"in","_content":[{"_name":"request","_content":[{"_name":"filters",' \
    b'"_attributes":{"limit":"%d"}}]}]}]'  # fmt: skip


def make_request(number: int = 1, limit: int = 3) -> bytes:
    return frames.encode_request(f"{number:04d}", "operator_call_history", ARM_REQUEST % limit)


async def exchange_frame(socket: Any, number: int = 1, limit: int = 3) -> bytes:
    await socket.send(make_request(number, limit))
    got: bytes = await asyncio.wait_for(socket.recv(), 2)
    return got


def rows(message: bytes) -> list[dict[str, str]]:
    (root,) = json.loads(frames.decode_response(message).body)
    return [row["_attributes"] for row in root["_content"][0]["_content"][0]["_content"]]


async def test_a_frame_has_a_wrong_length(client: Client) -> None:
    async with client.workplace() as socket:
        whole = await exchange_frame(socket)
        for by in (7, -7):
            await client.fault("arm", "wrong_length", {"by": by}, times=1)
            wrong = await exchange_frame(socket)
            assert int(wrong[2:12]) == len(wrong) + by
            assert wrong[12:] == whole[12:]
        assert await exchange_frame(socket) == whole


async def test_a_frame_answers_another_request(client: Client) -> None:
    async with client.workplace() as socket:
        await client.fault("arm", "wrong_id")
        assert frames.decode_response(await exchange_frame(socket, 41)).id == "0042"
        assert frames.decode_response(await exchange_frame(socket, 9999)).id == "0000"


async def test_a_frame_has_another_status(client: Client) -> None:
    async with client.workplace() as socket:
        await client.fault("arm", "status", {"status": 503})
        assert frames.decode_response(await exchange_frame(socket)).status == 503


async def test_a_frame_comes_twice(client: Client) -> None:
    async with client.workplace() as socket:
        await client.fault("arm", "duplicated", times=1)
        first = await exchange_frame(socket, 1)
        assert await asyncio.wait_for(socket.recv(), 2) == first
        assert frames.decode_response(await exchange_frame(socket, 2)).id == "0002"


async def test_a_frame_comes_in_pieces(client: Client) -> None:
    async with client.workplace() as socket:
        whole = await exchange_frame(socket)
        await client.fault("arm", "split", {"pieces": 3}, times=1)
        pieces = [await exchange_frame(socket), await socket.recv(), await socket.recv()]
        assert b"".join(pieces) == whole
        assert await exchange_frame(socket) == whole


async def test_frames_come_out_of_order(client: Client) -> None:
    async with client.workplace() as socket:
        await client.fault("arm", "out_of_order", times=1)
        for number in (1, 2, 3):
            await socket.send(make_request(number))
            await asyncio.sleep(0.02)
        got = [frames.decode_response(await socket.recv()).id for _ in range(3)]
        assert got == ["0002", "0001", "0003"]


async def test_a_client_of_one_request_at_a_time_gets_the_delayed_frame(
    client: Client,
) -> None:
    async with client.workplace() as socket:
        await client.fault("arm", "out_of_order", {"wait_ms": 200}, times=1)
        begin = asyncio.get_running_loop().time()
        await exchange_frame(socket)
        assert asyncio.get_running_loop().time() - begin > 0.18


async def test_a_frame_is_truncated_or_malformed(client: Client) -> None:
    async with client.workplace() as socket:
        whole = await exchange_frame(socket)
        await client.fault("arm", "truncated", {"keep": 0.5}, times=1)
        half = await exchange_frame(socket)
        assert half == whole[: len(whole) // 2]
        await client.fault("arm", "malformed", times=1)
        broken = frames.decode_response(await exchange_frame(socket))
        assert broken.deviations == ()
        with pytest.raises(json.JSONDecodeError):
            json.loads(broken.body)


async def test_a_frame_is_delayed_and_others_overtake_it(client: Client) -> None:
    async with client.workplace() as socket:
        await client.fault("arm", "delay", {"ms": 150}, times=1)
        await socket.send(make_request(1))
        await socket.send(make_request(2))
        got = [frames.decode_response(await socket.recv()).id for _ in range(2)]
        assert got == ["0002", "0001"]


async def test_no_response_comes_but_the_socket_stays_open(client: Client) -> None:
    async with client.workplace() as socket:
        await client.fault("arm", "never_answer", times=1)
        await socket.send(make_request(1))
        await socket.send(make_request(2))
        assert frames.decode_response(await asyncio.wait_for(socket.recv(), 2)).id == "0002"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(socket.recv(), 0.2)


@pytest.mark.parametrize("fault", ["close", "reset"])
async def test_the_socket_ends_without_a_close_frame(client: Client, fault: str) -> None:
    async with client.workplace() as socket:
        await client.fault("arm", fault, times=1)
        await socket.send(make_request())
        with pytest.raises(ConnectionClosedError) as closed:
            await asyncio.wait_for(socket.recv(), 2)
        assert closed.value.rcvd is None  # no close frame came
    async with client.workplace() as socket:
        assert rows(await exchange_frame(socket))


async def test_an_undeclared_attribute_and_a_broken_schema_in_frames(client: Client) -> None:
    async with client.workplace() as socket:
        expected_rows = rows(await exchange_frame(socket))
        await client.fault("arm", "undeclared_attribute", {"name": "mos", "value": "4 & 5"})
        message = await exchange_frame(socket)
        assert frames.decode_response(message).deviations == ()  # the length is right again
        assert rows(message) == [{**row, "mos": "4 & 5"} for row in expected_rows]
        await client.no_faults()
        for how, change in (
            ("direction", {"direction": "sideways"}),
            ("duration", {"duration": "-1"}),
            ("missing", {"call_ref": None}),
        ):
            await client.fault("arm", "breaks_xsd", {"how": how}, times=1)
            expected = [
                {k: v for k, v in {**row, **change}.items() if v is not None}
                for row in expected_rows
            ]
            assert rows(await exchange_frame(socket)) == expected


async def test_an_answer_breaks_the_vendors_schema_over_http_too(client: Client) -> None:
    _, expected_rows = await post_arm(client)
    assert not violations(expected_rows)
    for fault, params in (
        ("breaks_xsd", {"how": "direction"}),
        ("breaks_xsd", {"how": "duration"}),
        ("breaks_xsd", {"how": "missing"}),
        ("undeclared_attribute", {}),
    ):
        await client.fault("arm", fault, params, times=1)
        status, body = await post_arm(client)
        assert status == 200
        found = violations(body)
        assert found, fault


def violations(body: bytes) -> list[str]:
    """Violations by xmlschema, which the server does not validate with."""
    import xmlschema

    from callmocks.contract.resources import schema_path

    xsd = xmlschema.XMLSchema(str(schema_path("arm/operator_call_history.documented.xsd")))
    return [str(error.reason) for error in xsd.iter_errors(body.decode())]


async def test_errors_of_the_workplace_in_both_transports(client: Client) -> None:
    await client.fault("arm", "command_error", {"text": "нет связи"})
    status, body = await post_arm(client)
    error = ElementTree.fromstring(body).find("error")
    assert status == 200 and error is not None
    assert (error.get("reason"), error.text) == ("cannot_perform_cmd", "нет связи")
    async with client.workplace() as socket:
        answer = frames.decode_response(await exchange_frame(socket, 5))
        assert (answer.id, answer.status) == ("0005", 200)
        assert "нет связи" in answer.body.decode()
    await client.no_faults()
    await client.fault("arm", "unauthorized")
    assert (await post_arm(client))[0] == 401
    async with client.workplace() as socket:
        assert frames.decode_response(await exchange_frame(socket)).status == 401
