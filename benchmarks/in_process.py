"""Exchanges without sockets: what the journal costs by itself."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from benchmarks.cases import NOW, Case
from callmocks.arm import service as arm
from callmocks.arm import sessions
from callmocks.cdr import service as cdr
from callmocks.config.settings import ServeSettings
from callmocks.onec import service as onec
from callmocks.server.mock_server import open_registry
from callmocks.server.providers import PROVIDERS
from callmocks.tenants import pipeline
from callmocks.tenants.exchange import Exchange, Reply
from callmocks.tenants.tenant import Tenant

_TIMES = 1000
_ROUNDS = 7

Answer = Callable[[bytes], Awaitable[Reply]]


async def measure_journal_costs(cases: list[Case]) -> dict[str, list[tuple[float, float]]]:
    """CPU microseconds of each case's exchange, journal on and off; x is the case's place."""
    registry = open_registry(ServeSettings(limits="off", now=NOW))
    tenant = registry.get("demo")
    assert tenant is not None
    record: Any = tenant.journal.add
    costs: dict[str, list[tuple[float, float]]] = {}
    for place, case in enumerate(cases):
        answer = await _make_answer(tenant, case)
        for name, keep in (("on", record), ("off", lambda *_: 0.0)):
            tenant.journal.add = keep  # type: ignore[method-assign]
            costs.setdefault(f"journal {name}", []).append(
                (place, await _measure_cost(answer, case))
            )
    return costs


async def _measure_cost(answer: Answer, case: Case) -> float:
    for _ in range(50):
        await answer(case.bodies[0])
    best = float("inf")
    for _ in range(_ROUNDS):
        begun = time.process_time()
        for _ in range(_TIMES):
            await answer(case.bodies[0])
        best = min(best, (time.process_time() - begun) / _TIMES)
    return best * 1e6


async def _make_answer(tenant: Tenant, case: Case) -> Answer:
    """What answers a case, without its server."""
    exchange = partial(
        Exchange.start,
        tenant,
        PROVIDERS[case.provider],
    )
    if case.provider == "arm":
        token = await sessions.open_session(exchange(b""), "101")
        session = arm.ArmSession("101", token)

        async def by_frame(body: bytes) -> Reply:
            handle = partial(arm.handle_frame, session=session)
            return await pipeline.run(exchange(body, transport="frame"), handle)

        return by_frame
    handle = cdr.handle_request if case.provider == "cdr" else onec.handle_request

    async def by_post(body: bytes) -> Reply:
        return await pipeline.run(exchange(body), handle)

    return by_post
