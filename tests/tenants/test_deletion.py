"""A deleted tenant's people and days are free at once: no request leaves a cycle with them."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from itertools import count

import pytest
import pytest_asyncio
from aiohttp import ClientSession, ClientTimeout

from callmocks.config.settings import ServeSettings
from callmocks.server.mock_server import MockServer
from tests.tenants.deletion import TenantClient
from tests.tenants.deletion_cases_control import ABANDONED, CONTROL, DASHBOARD
from tests.tenants.deletion_cases_providers import ARM, CDR, ONEC, list_faults


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def suite() -> AsyncIterator[tuple[MockServer, ClientSession]]:
    ports = {"arm_port": 0, "cdr_port": 0, "onec_port": 0, "control_port": 0}
    settings = ServeSettings(now="2026-03-02T15:00:00", limits="off", **ports)  # type: ignore[arg-type]
    async with MockServer(settings) as server, ClientSession(timeout=ClientTimeout(20)) as http:
        yield server, http


@pytest.fixture
def no_collection() -> Iterator[None]:
    gc.collect()
    gc.freeze()
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


GROUPS = {"dashboard": DASHBOARD, "control": CONTROL, "cdr": CDR, "onec": ONEC, "arm": ARM}
GROUPS |= {"faults": tuple(list_faults()), "abandoned": ABANDONED}
SEEDS = count(1)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("group", GROUPS)
async def test_a_deleted_tenant_is_free_without_a_collection_of_garbage(
    suite: tuple[MockServer, ClientSession], group: str, no_collection: None
) -> None:
    server, http = suite
    clients: list[tuple[str, TenantClient]] = []
    for case in GROUPS[group]:
        seed = next(SEEDS)  # tenants of equal ones share their people
        name = f"t{seed}"
        body = {"name": name, "seed": seed, "world": "quiet", **case.settings}
        async with http.post(f"{server.urls['control']}/api/tenants", json=body) as answer:
            assert answer.status == 201, await answer.text()
        client = TenantClient(server, http, name)
        clients.append((case.name, client))
        await case.run(client)
        await client.delete()
    for _ in range(2000):
        if all(client.is_gone for _, client in clients):
            break
        await asyncio.sleep(0.01)  # the last requests' tasks end, and those of clients who left
    assert [name for name, client in clients if not client.is_gone] == []
