"""A replay answers requests beyond a server's bounds in the provider's shape, and keeps little."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import requests

from callmocks.arm import frames
from callmocks.server.providers import PROVIDERS
from callmocks.testing import Mocks
from tests.verification.messages import exchange_frames
from tests.verification.test_message_limits import EXCESS, FRAME


@pytest.mark.parametrize("case", ["values", "bytes", "levels", "tags", "text"])
def test_a_request_beyond_the_bounds_gets_the_providers_error(
    replay: Mocks, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, body, excess = EXCESS[case]
    for reads in ("find_operation", "request_key"):
        monkeypatch.setattr(type(PROVIDERS[name]), reads, None)
    url = {"cdr": replay.cdr.url, "onec": replay.onec.url}[name]
    answer = requests.post(url, body, timeout=20)
    assert f"replay: the request {excess}" in answer.text
    assert "<faultstring>" in answer.text if name == "onec" else answer.json()["error"]["code"]


def test_a_body_over_16_mib_gets_the_providers_error(replay: Mocks) -> None:
    answer = requests.post(replay.cdr.url, b" " * (16 * 1024 * 1024 + 1), timeout=20)
    assert "replay: the request has more than 16777216 bytes" in answer.json()["error"]["message"]


def test_a_little_of_a_long_name_is_told_and_journaled(replay: Mocks) -> None:
    call: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "m" * 1_000_000}
    answer = requests.post(replay.cdr.url, json=call, timeout=20)
    assert "replay: no mmm" in answer.json()["error"]["message"] and len(answer.content) < 3000
    journal = requests.get(f"{replay.control_url}/api/tenants/demo/journal?limit=1", timeout=20)
    (entry,) = journal.json()["entries"]
    assert entry["operation"].startswith("mmm") and len(entry["notes"][-1]) < 1500


def test_a_long_frame_is_answered_by_a_frame(replay: Mocks) -> None:
    url = replay.arm.url.replace("http", "ws") + "/any/service/cc/arm"
    (answer,) = asyncio.run(exchange_frames(url, {}, FRAME))
    decoded = frames.decode_response(answer)
    assert decoded.id == "0007" and b"has more than 262144 bytes" in decoded.body
