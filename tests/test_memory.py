"""The memory of large answers goes back to the system."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from contextlib import ExitStack

import pytest

from callmocks.server.memory import return_large_blocks
from tests.control.server_client import basic
from tests.test_large_answers import ARM_PAGE, MEBIBYTE, read_rss, sent_request
from tests.test_serve import post, serving

HISTORY = "/demo/service/cc/arm/operator_call_history"
CLIENTS = 100


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_the_memory_of_unread_pages_goes_when_their_clients_leave() -> None:
    with serving("--now", "2026-03-03T23:00:00", "--limits", "off") as (process, urls):
        page_url = urls["arm"] + HISTORY
        for _ in range(2):
            assert len(post(page_url, ARM_PAGE, **basic("101"))) > 4 * MEBIBYTE
        before = read_rss(process.pid)
        with ExitStack() as clients:
            for _ in range(CLIENTS):
                clients.enter_context(sent_request(page_url, ARM_PAGE, "101"))
            deadline = time.monotonic() + 30
            while read_rss(process.pid) - before < 4 * CLIENTS * MEBIBYTE:
                assert time.monotonic() < deadline
                time.sleep(0.1)
            time.sleep(1)
        deadline = time.monotonic() + 10
        while read_rss(process.pid) - before >= 64 * MEBIBYTE and time.monotonic() < deadline:
            time.sleep(0.1)
        assert read_rss(process.pid) - before < 64 * MEBIBYTE


def test_a_c_library_without_these_settings_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[str | None]()

    def load_library(name: str | None) -> object:
        asked.append(name)
        if os.name == "nt":
            raise TypeError
        return object()

    monkeypatch.setattr(ctypes, "CDLL", load_library)
    return_large_blocks()
    assert asked == [None]
