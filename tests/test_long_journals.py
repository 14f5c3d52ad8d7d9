"""Requests of a long journal are read beside the event loop, and no more of them than is shown."""

from __future__ import annotations

import json
import threading
from typing import Any

import aiohttp
import pytest

from callmocks.cdr.provider import CDR, CdrProvider
from callmocks.control.dashboard.overview import _RECENT_ENTRIES
from callmocks.provider.base import Provider
from tests.limited_server import LimitedServer, limited_server

COUNT = 20
MEMBERS = 5600  # in some 70 KB


class SummaryThreads:
    """Stands for ``summarize_request``; ``names`` are those of the threads that called it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []

        def summarize_request(provider: Provider, request: bytes) -> str:
            self.names.append(threading.current_thread().name)
            return Provider.summarize_request(provider, request)

        monkeypatch.setattr(CdrProvider, "summarize_request", summarize_request, raising=False)


def long_request(**params: Any) -> bytes:
    sent = {"access_token": "demo-token", **params, **{f"k{n}": n for n in range(MEMBERS)}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "get.account", "params": sent}
    return json.dumps(body, separators=(",", ":")).encode()


async def fill_journal(server: LimitedServer) -> None:
    async with server.raw("cdr") as raw:
        for _ in range(COUNT):
            await raw.request("cdr", long_request())


async def test_requests_of_a_long_journal_are_not_read_on_the_event_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with limited_server() as server, aiohttp.ClientSession() as client:
        await fill_journal(server)
        control = server.suite.urls["control"]
        page, journal = f"{control}/tenants/demo", f"{control}/api/tenants/demo/journal"
        expected = {
            page: 0,  # of a few entries on the loop, one after another
            f"{page}/journal": COUNT,
            f"{page}/journal?text=k5599": COUNT,
            f"{page}/journal?text=not+there": COUNT,
            f"{page}/journal/rows?after=0": COUNT,
            f"{page}/journal/{COUNT}": 2,  # the entry's own, too
            journal: COUNT,
            f"{journal}?text=not+there": COUNT,
        }
        for url, count in expected.items():
            summaries = SummaryThreads(monkeypatch)
            async with client.get(url) as answer:
                assert answer.status == 200, (url, await answer.text())
                await answer.read()
            if count:
                assert summaries.names == ["callmocks worker"] * count, url
            else:
                assert len(summaries.names) == _RECENT_ENTRIES, url


async def test_entries_of_a_stream_are_not_read_on_the_event_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with limited_server() as server, aiohttp.ClientSession() as client:
        await fill_journal(server)
        summaries = SummaryThreads(monkeypatch)
        url = f"{server.suite.urls['control']}/api/tenants/demo/journal/stream?after=0"
        async with client.get(url, timeout=aiohttp.ClientTimeout(20)) as answer:
            numbers: list[int] = []
            while len(numbers) < COUNT:
                line = await answer.content.readuntil(b"\n")
                if line.startswith(b"id: "):
                    numbers.append(int(line.split()[1]))
        assert numbers == [*range(1, COUNT + 1)]
        assert summaries.names == ["callmocks worker"] * COUNT


def test_a_summary_describes_no_more_values_than_it_shows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    described: list[str] = []

    def describe_value(_: CdrProvider, name: str, value: object) -> str:
        described.append(name)
        return str(value)

    monkeypatch.setattr(CdrProvider, "describe_value", describe_value)
    whole = CDR.summarize_request(long_request(limit=7, date_from="2026-03-02 00:00:00"))
    assert whole.startswith("2026-03-02 00:00:00 …, limit 7, k0 0, k1 1, k2 2")
    assert len(whole) == 301 and whole.endswith("…")
    assert len(described) < 100
