"""The fault ``idle_close``: no exchange meets it, so open websockets are looked over for it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from aiohttp import WSCloseCode, web

from callmocks.arm.faults.idle_close import IdleClose
from callmocks.arm.provider import ARM
from callmocks.arm.service import IDLE
from callmocks.errors import StateError
from callmocks.history.clock import read_stopwatch
from callmocks.tenants import pipeline
from callmocks.tenants.exchange import Exchange, Reply
from callmocks.tenants.open_connections import OpenConnection

if TYPE_CHECKING:
    from callmocks.faults.active import ActiveFault
    from callmocks.tenants.registry import Registry
    from callmocks.tenants.tenant import Tenant

WATCH_SECONDS = 0.1


class IdleConnection(OpenConnection, Protocol):
    @property
    def idle_since(self) -> float | None:
        """By the stopwatch; None while an answer is awaited."""

    # Faults that have counted this silence already.
    faults_met: set[ActiveFault]


class IdleWatch:
    """Of the websockets of one server. It runs while there are any."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._connections: dict[IdleConnection, Tenant] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, connection: IdleConnection, tenant: Tenant) -> None:
        self._connections[connection] = tenant
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._watch_connections())

    def remove(self, connection: IdleConnection) -> None:
        del self._connections[connection]

    async def stop(self, _: web.Application) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _watch_connections(self) -> None:
        while self._connections:
            await asyncio.sleep(WATCH_SECONDS)
            for tenant in set(self._connections.values()):
                watched = tenant.faults.by_provider[ARM.name]
                watched = [each for each in watched if isinstance(each.fault, IdleClose)]
                if watched:
                    with suppress(StateError):  # the next time, when the store can be reached
                        await self._close_idle_connections(tenant, watched)

    async def _close_idle_connections(self, tenant: Tenant, watched: list[ActiveFault]) -> None:
        for connection, owner in tuple(self._connections.items()):
            if owner is not tenant or connection.idle_since is None:
                continue
            idle_seconds = read_stopwatch() - connection.idle_since
            for active in watched:
                assert isinstance(active.fault, IdleClose)
                is_due = 0 < active.fault.seconds <= idle_seconds
                if is_due and active not in connection.faults_met:
                    await _apply_fault(tenant, active, connection)
                    connection.faults_met.add(active)


async def _apply_fault(tenant: Tenant, active: ActiveFault, connection: IdleConnection) -> None:
    exchange = Exchange.start(
        tenant, ARM, b"", operation=IDLE, transport="connection", state=tenant.state
    )
    if await active.match(exchange, IDLE) is None:
        return
    tenant.connections.end_connections("close", "idle", connection.id)
    exchange.transmission.ended = "closed"
    exchange.faults.append(active.fault.fault_name)
    operator = connection.describe_connection().operator or "nobody"
    exchange.notes.append(f"the websocket {connection.id} of {operator} was idle")
    pipeline.record_exchange(exchange, Reply(b"", WSCloseCode.GOING_AWAY))
