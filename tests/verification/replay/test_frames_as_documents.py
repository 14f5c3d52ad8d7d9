"""An ARM document that a replay makes of a recorded frame, which may have what XML cannot."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
import requests
from lxml import etree

import callmocks
from callmocks.arm import frames, tree
from callmocks.config.settings import ReplayMatch
from tests.verification.messages import exchange_frames, history_frame
from tests.verification.processes import run_replay

PAGE = '<in><request><filters offset="0" limit="4" direction="in"/></request></in>'
COMMAND = "any/service/cc/arm/operator_call_history"


def record(folder: Path, attributes: dict[str, str]) -> Path:
    """A recording of one frame, whose answer is a call with these attributes."""
    call = tree.Node("call_history", attributes)
    answer = tree.Node("out", {}, [tree.Node("response", {}, [tree.Node("history", {}, [call])])])
    exchange = {
        "seq": 1,
        "at": "2026-03-02T12:00:00",
        "provider": "arm",
        "operation": "operator_call_history",
        "status": 200,
        "transport": "frame",
        "request": history_frame(limit=4, direction="in").decode(),
        "response": frames.encode_response("0001", 200, tree.encode(answer)).decode(),
    }
    file = folder / "hostile.jsonl"
    file.write_text(json.dumps(exchange) + "\n", encoding="utf-8")
    return file


@pytest.mark.parametrize("match", ["exact", "operation", "window"])
@pytest.mark.parametrize("char", ["\0", "\x01", "\ufffe"])
def test_characters_that_xml_cannot_hold_are_replaced(
    tmp_path: Path, match: ReplayMatch, char: str
) -> None:
    times = dict.fromkeys(("start_time", "release_time"), "2026/03/02 10:00:00")
    file = record(tmp_path, {"call_ref": "7", "display_name": f"a{char}b", **times})
    with callmocks.running(replay=file, replay_match=match) as mocks:
        url = mocks.arm.url
        answer = requests.post(f"{url}/{COMMAND}", data=PAGE, timeout=10)
        socket = f"{url}/any/service/cc/arm".replace("http", "ws")
        (sent,) = asyncio.run(exchange_frames(socket, {}, history_frame(limit=4, direction="in")))
    (call,) = etree.fromstring(answer.content).iter("call_history")
    assert call.get("display_name") == "a\N{REPLACEMENT CHARACTER}b"
    if match != "window":  # which makes its answers of rows
        (shown,) = [n for n in tree.iter_nodes(tree.decode(frames.get_body(sent))) if n.attributes]
        assert shown.attributes["display_name"] == f"a{char}b"


def test_a_frame_that_no_document_can_be_gets_an_error(tmp_path: Path) -> None:
    with run_replay(record(tmp_path, {"undeclared:call_ref": "7"})) as urls:
        answer = requests.post(f"{urls['arm']}/{COMMAND}", data=PAGE, timeout=10)
    error = etree.fromstring(answer.content).findtext("error") or ""
    assert "was recorded, but its answer has no form for this request" in error
