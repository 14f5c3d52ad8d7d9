"""A client written from the contract alone, with the ``websockets`` library and nothing of ours."""

from __future__ import annotations

import json
from typing import Any

import pytest
import websockets

from tests.arm.conftest import RunningArm


class Client:
    """Speaks frames; knows of the server what the contract page says."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self.socket = socket
        self.number = 41

    async def call(self, command: str, request: dict[str, Any]) -> tuple[int, Any]:
        self.number += 1
        tree = [{"_name": "in", "_content": [{"_name": "request", **request}]}]
        body = json.dumps(tree, ensure_ascii=False, separators=(",", ":")).encode()
        header = f"01{48 + len(body):010d}{self.number:04d}{command:<32}".encode()
        await self.socket.send(header + body)
        answer = await self.socket.recv()
        assert isinstance(answer, bytes)
        assert answer[:2] == b"01"
        assert int(answer[2:12]) == len(answer)
        assert int(answer[12:16]) == self.number
        (out,) = json.loads(answer[19:])
        assert out["_name"] == "out"
        return int(answer[16:19]), out["_content"][0]

    async def page(self, **filters: str) -> tuple[list[dict[str, str]], str]:
        request = {"_content": [{"_name": "filters", "_attributes": {"limit": "50", **filters}}]}
        status, response = await self.call("operator_call_history", request)
        assert (status, response["_name"]) == (200, "response")
        (history,) = response["_content"]
        rows = [row["_attributes"] for row in history["_content"]]
        return rows, history["_attributes"]["tag"]


@pytest.mark.proves(
    "arm.websocket-path",
    "arm.frame-header",
    "arm.session",
    "arm.tag-paging",
    "arm.login",
    "arm.tree-text",
    "arm.error-reason",
)
async def test_login_three_pages_by_tag_logout(demo: RunningArm) -> None:
    async with websockets.connect(demo.websocket) as socket:
        client = Client(socket)
        login = {"login": "101", "password": "demo", "websocket_control": "true"}
        status, response = await client.call("login", {"_attributes": login})
        assert (status, response) == (200, {"_name": "response", "_content": [{"_name": "ok"}]})

        seen: list[dict[str, str]] = []
        tag = ""
        for _ in range(3):
            rows, tag = await client.page(**({"tag": tag} if tag else {}))
            assert len(rows) == 50
            seen += rows
        assert len({row["call_ref"] for row in seen}) == 150
        starts = [row["start_time"] for row in seen]
        assert starts == sorted(starts, reverse=True)
        assert {row["digits"] for row in seen} == {"101"}

        status, response = await client.call("logout", {})
        assert (status, response["_name"]) == (200, "response")
        status, response = await client.call("operator_call_history", {})
        assert (status, response["_name"]) == (401, "error")
        assert response["_attributes"]["reason"] == "cannot_perform_cmd"
        assert response["_content"] == ["not logged in"]
