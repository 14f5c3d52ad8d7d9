"""A replica that takes over many pinned calls of another goes on answering, and counts as alive."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from callmocks.history.pins import Pin, Pins
from tests.replicas.conftest import Client
from tests.replicas.schedules import running_schedule

CALLS = [{"start": f"2026-03-01T10:{n:02}:00", "answered": False} for n in range(40)]


class HeldThread:
    """Pinned calls that are built wait until they are released; which threads built some."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.released = threading.Event()
        self.is_held = threading.Event()
        self.threads: set[threading.Thread] = set()
        build = Pins._build_pin

        def build_pin(pins: Pins, *args: Any) -> Pin:
            self.threads.add(threading.current_thread())
            if threading.current_thread() is not threading.main_thread():
                self.is_held.set()
                assert self.released.wait(20)
            return build(pins, *args)

        monkeypatch.setattr(Pins, "_build_pin", build_pin)


async def test_other_replicas_build_many_pins_beside_the_loop(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_schedule(0, client, 2) as there:
        one, two = there.replicas
        there.cuts[1]()
        body = {"world": "empty", "calls": CALLS}
        kept = await client.control(one, "PUT", "/api/tenants/demo/scenario", body)
        assert kept.status == 200, kept
        held = HeldThread(monkeypatch)
        there.cuts[1](mend=True)
        async with asyncio.timeout(20):
            await asyncio.to_thread(held.is_held.wait, 20)
            store, beats = there.stores[1], 0
            record = store._store.record_heartbeat

            async def count_heartbeats(*args: Any) -> Any:
                nonlocal beats
                beats += 1
                return await record(*args)

            monkeypatch.setattr(store._store, "record_heartbeat", count_heartbeats)
            while beats < 3:
                await asyncio.sleep(0.02)
                assert (await client.control(two, "GET", "/health")).status == 200
            assert not any(len(tenant.pins) for tenant in store.registry)
            held.released.set()
            await there.mend_all()
        assert held.threads and threading.main_thread() not in held.threads
        listed = [
            (await client.control(each, "GET", "/api/tenants/demo/calls")).json
            for each in (one, two)
        ]
        assert len(listed[0]["calls"]) == len(CALLS)
        assert listed[0] == listed[1]
        await there.check()
