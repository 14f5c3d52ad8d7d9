"""A recording that covers some windows, and the replay that serves them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import callmocks
from callmocks.testing import Mocks, Tenant
from tests.verification.replay.calls import arm_tag, hours
from tests.verification.traffic import TrafficLog


@pytest.fixture(scope="session")
def tenant(suite: Mocks) -> Iterator[Tenant]:
    with suite.tenant() as tenant:
        yield tenant


@pytest.fixture(scope="session")
def recording(tenant: Tenant, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Legs 9 to 12 by the hour and once more from 10; legs of 15, the first two pages; …"""
    log = TrafficLog(tenant, tmp_path_factory.mktemp("windows") / "all.jsonl")
    legs = "get.call_legs_report"
    for hour in ("09", "10", "11"):
        log.cdr(legs, **hours(hour, hour))
    log.cdr(legs, **hours("10", "11"), limit=30)
    for offset in (0, 7):
        log.cdr(legs, **hours("15", "15"), limit=7, offset=offset)
    log.cdr(legs, **hours("09", "11"), sort=[{"field": "duration", "order": "desc"}])
    log.cdr(legs, **hours("09", "09"), filter={"field": "is_coach", "operator": "=", "value": True})
    log.cdr(legs, **hours("09", "09"), sort="duration")  # refused
    for offset in (4, 0, 8):  # in another order than theirs
        log.cdr("get.employees", limit=4, offset=offset)
    log.cdr("get.account")
    page = log.arm(offset=0, limit=6)
    for _ in range(3):
        page = log.arm(offset=0, limit=6, tag=arm_tag(page))
    log.arm(offset=0, limit=5, direction="in")
    log.arm(offset=5, limit=5, direction="in")
    log.arm(offset=0, limit="few")
    for first, till in (("09:00:00", "11:00:00"), ("11:00:00", "13:00:00")):
        log.onec(first, till)
    return log.path


@pytest.fixture(scope="session")
def replay(recording: Path) -> Iterator[Mocks]:
    options = {"replay": recording, "replay_match": "window", "replay_now": "recorded"}
    with callmocks.running(**options) as mocks:  # type: ignore[arg-type]
        yield mocks
