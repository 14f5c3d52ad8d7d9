"""The vendor's own example, over both transports and in both contract profiles."""

from __future__ import annotations

import json
from typing import Any

import pytest
import xmlschema

from callmocks.arm import frames, tree
from callmocks.contract.resources import fixture_path
from callmocks.contract.resources import schema_path as schema_file
from tests.arm.conftest import ArmSocket, RunningArm, Start, basic_auth, parse_frame, request_xml

REQUEST = fixture_path("documented/arm/request.frame").read_bytes()
RESPONSE = frames.decode_response(fixture_path("documented/arm/response.frame").read_bytes())
AS_PRINTED = json.loads(RESPONSE.body)


def shape(item: Any) -> Any:
    """Names and attributes in order; of a list's children only the kinds that occur."""
    if isinstance(item, list):
        return [shape(item[0])]
    keys = list(item)
    attributes = list(item.get("_attributes", {}))
    if item["_name"] == "url_list":
        return keys[:1]
    return item["_name"], keys, attributes, shape(item["_content"]) if "_content" in item else []


@pytest.mark.proves(
    "arm.websocket",
    "arm.tree",
    "arm.tree-root",
    "arm.attributes",
    "arm.absent-values",
    "arm.frame-as-printed",
)
async def test_the_request_as_printed_is_answered_in_the_shape_as_printed(demo: RunningArm) -> None:
    async with demo.connect("102") as socket:
        await socket.send(REQUEST)
        message = await socket.recv()
    assert isinstance(message, bytes)
    assert int(message[2:12]) == len(message)
    assert message[12:19] == b"0012200"
    got = json.loads(message[19:])
    assert message[19:] == json.dumps(got, ensure_ascii=False, separators=(",", ":")).encode()
    first = got[0]["_content"][0]["_content"][0]["_content"]
    plain = [
        row for row in first if "queue_id" not in row["_attributes"] and len(row["_content"]) == 1
    ]
    assert len(first) == 50
    assert plain
    got[0]["_content"][0]["_content"][0]["_content"] = plain
    assert shape(got) == shape(AS_PRINTED)


@pytest.mark.proves("arm.profile-documented", "arm.tree-text", "arm.included-schemas")
async def test_the_answers_text_is_compared_with_the_schema_by_a_second_validator(
    demo: RunningArm,
) -> None:
    validator = xmlschema.XMLSchema(str(schema_file("arm/operator_call_history.documented.xsd")))
    async with demo.connect("102") as raw:
        socket = ArmSocket(raw)
        for limit, incomplete in ((500, "true"), (300, "false"), (1, "true")):
            frame = await socket.history(limit=limit, skip_incomplete=incomplete)
            validator.validate(tree.to_xml(tree.decode(frame.body)).decode())
            posted = await demo.history("102", limit=limit, skip_incomplete=incomplete)
            validator.validate(posted.body.decode().partition("\n")[2])
        error = await socket.history(limit=0)
        validator.validate(tree.to_xml(tree.decode(error.body)).decode())


@pytest.mark.proves("arm.frame-length")
async def test_a_length_beyond_ascii_counts_bytes(demo: RunningArm) -> None:
    async with demo.connect("101") as socket:
        await socket.send(REQUEST)
        message = await socket.recv()
    assert len(message.decode()) < len(message) == int(message[2:12])


@pytest.mark.proves("arm.frame-as-printed")
async def test_both_deviations_of_the_printed_frame_are_journaled(demo: RunningArm) -> None:
    async with demo.connect("102") as socket:
        await socket.send(REQUEST)
        await socket.recv()
    entry = demo.journal()[-1]
    assert (entry.operation, entry.status) == ("operator_call_history", 200)
    assert [(v.where, v.got, v.side) for v in entry.violations] == [
        ("bytes 3-12 (length)", "159", "request"),
        ("bytes 17-48 (command)", "JSON from byte 39 on", "request"),
    ]
    assert "arm.frame-length" in entry.assumptions


@pytest.mark.proves("arm.post", "arm.websocket")
async def test_the_same_over_http(demo: RunningArm) -> None:
    posted = await demo.post("operator_call_history", request_xml(limit=50), basic_auth("102"))
    assert (posted.status, len(posted.rows)) == (200, 50)
    assert posted.headers["Content-Type"] == "text/xml; charset=utf-8"
    async with demo.connect("102") as socket:
        await socket.send(REQUEST)
        framed = parse_frame(await socket.recv())
    assert framed.rows == posted.rows
    assert framed.tag == posted.tag


@pytest.mark.proves("arm.profile-strict")
async def test_strict_refuses_the_printed_frame_and_the_missing_offset(start: Start) -> None:
    strict = await start(contract="strict")
    async with strict.connect("102") as raw:
        await raw.send(REQUEST)
        printed = parse_frame(await raw.recv())
        assert (printed.status, printed.id) == (400, "0012")
        assert "length" in printed.error
        assert "command" in printed.error
        socket = ArmSocket(raw)
        missing = await socket.history(limit=50)
        assert missing.error == (
            "/in/request/filters/@offset: expected this attribute, it is required, got none"
        )
        whole = await socket.history(limit=50, offset=0)
    assert len(whole.rows) == 50
    assert not any("release_reason" in row for row in whole.rows)
    xmlschema.XMLSchema(str(schema_file("arm/operator_call_history.xsd"))).validate(
        tree.to_xml(tree.decode(whole.body)).decode()
    )


@pytest.mark.proves("arm.wrong-length")
async def test_strict_refuses_a_wrong_length_and_documented_tolerates_it(start: Start) -> None:
    for contract, status in (("documented", 200), ("strict", 400)):
        workplace = await start(contract=contract)
        frame = frames.encode_request(
            "0005", "operator_call_history", tree.encode(_filters(limit="1", offset="0"))
        )
        wrong = frame[:2] + b"0000000007" + frame[12:]
        async with workplace.connect("102") as socket:
            await socket.send(wrong)
            assert parse_frame(await socket.recv()).status == status
        assert [v.got for v in workplace.journal()[-1].violations] == ["7"]


def _filters(**attributes: str) -> tree.Node:
    filters = tree.Node("filters", attributes)
    return tree.Node("in", content=[tree.Node("request", content=[filters])])
