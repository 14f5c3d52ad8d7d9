"""A replay reads no long request on its event loop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import requests

from callmocks.server.providers import PROVIDERS
from callmocks.testing import Mocks
from tests.verification.conftest import DAY
from tests.verification.messages import property_xml, soap_envelope
from tests.verification.replay.calls import hours

BLANKS = " " * 70_000
READERS = (
    *("find_content_excess", "find_operation", "request_key"),
    *("replay_reply", "no_match_reply", "unreadable_reply"),
)


def send_long_arm(url: str, filters: str, command: str = "operator_call_history") -> str:
    body = f"<in><request>{BLANKS}<filters {filters}/></request></in>"
    return requests.post(f"{url}/demo/service/cc/arm/{command}", body, timeout=20).text


def send_long_legs(url: str, first: str, last: str, end: str = "}") -> str:
    window = "".join(f'"{name}": "{value}", ' for name, value in hours(first, last).items())
    params = f'{{"access_token": "any", {window}"limit": 30, "offset": 0}}'
    body = f'{{"jsonrpc": "2.0", "id": 1, {BLANKS}"method": "get.call_legs_report", "params": '
    return requests.post(url, f"{body}{params}{end}", timeout=20).text


def send_long_calls(url: str, first: str, till: str, end: str = "") -> str:
    period = {"PeriodFrom": first, "PeriodTo": till}
    params = [property_xml(name, f"{DAY}T{text}", "dateTime") for name, text in period.items()]
    body = soap_envelope(f"<p:Params>{BLANKS}{''.join(params)}</p:Params>") + end
    return requests.post(url, body, timeout=20).text


def test_long_requests_are_read_beside_the_event_loop(
    replay: Mocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: dict[str, set[str]] = {}

    def record_thread(owner: Any, name: str) -> Callable[..., Any]:
        called = getattr(owner, name)

        def call(*args: Any) -> Any:
            threads.setdefault(name, set()).add(threading.current_thread().name)
            return called(*args)

        return call

    for name in READERS:
        for provider in PROVIDERS.values():
            monkeypatch.setattr(type(provider), name, record_thread(type(provider), name))

    assert "call_history " in send_long_arm(replay.arm.url, 'offset="0" limit="6"')
    assert "replay: " in send_long_arm(replay.arm.url, 'offset="0" limit="6" direction="out"')
    assert "not well-formed" in send_long_arm(replay.arm.url, "<")
    assert "cannot be read" in send_long_arm(replay.arm.url, "<", "unknown_command")
    assert '"data"' in send_long_legs(replay.cdr.url, "09", "11")
    assert "replay: " in send_long_legs(replay.cdr.url, "01", "02")
    assert "error" in send_long_legs(replay.cdr.url, "09", "11", end="")
    assert "<row>" in send_long_calls(replay.onec.url, "09:00:00", "11:00:00")
    assert "replay: " in send_long_calls(replay.onec.url, "03:00:00", "04:00:00")
    assert "Fault" in send_long_calls(replay.onec.url, "09:00:00", "11:00:00", end="<")
    assert threads == {name: {"callmocks worker"} for name in READERS}
