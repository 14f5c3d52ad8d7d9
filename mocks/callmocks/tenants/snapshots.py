"""What a tenant holds, kept under a name: all but its journal and its websockets."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from callmocks.errors import CallmocksError
from callmocks.tenants.state import StateDump

if TYPE_CHECKING:
    from callmocks.contract.assumptions import Assumptions
    from callmocks.faults.active import ActiveFaults
    from callmocks.history.clock import Clock
    from callmocks.history.history import History
    from callmocks.history.pins import Pins
    from callmocks.tenants.settings import TenantSettings
    from callmocks.tenants.state import State
    from callmocks.tenants.tenant import Tenant

MAX_SNAPSHOTS = 16
MAX_SNAPSHOT_BYTES = 64 * 1024 * 1024  # of one tenant's snapshots together
# Clients leave . and .. out of a path.
SNAPSHOT_NAME = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,64}", re.ASCII)


class SnapshotLimitError(CallmocksError):
    pass


class SnapshotInfo(msgspec.Struct, frozen=True):
    """A snapshot of a tenant."""

    name: str
    now: Annotated[str, Meta(description="The tenant's wall time when it was kept.")]
    bytes: Annotated[int, Meta(description="Of all that it holds.")]


def check_limits(present: Iterable[SnapshotInfo], new: SnapshotInfo) -> None:
    """``SnapshotLimitError`` when there is no room for a new one, which may replace another."""
    others = [each for each in present if each.name != new.name]
    if len(others) >= MAX_SNAPSHOTS:
        raise SnapshotLimitError(f"there are {MAX_SNAPSHOTS} snapshots already; remove some")
    total = new.bytes + sum(each.bytes for each in others)
    if total > MAX_SNAPSHOT_BYTES:
        text = f"all snapshots together would have {total} bytes, of {MAX_SNAPSHOT_BYTES}"
        raise SnapshotLimitError(f"{text}; remove some, or unpin calls")


def continue_numbers(kept: StateDump, present: StateDump, tenant: Tenant) -> StateDump:
    """The kept state, but that numbers of tokens go on from the present ones."""
    numbers = dict(kept.counters)
    for provider in tenant.providers.values():
        for key in provider.token_counters:
            numbers[key] = max(numbers.get(key, 0), present.counters.get(key, 0))
    return StateDump(kept.values, numbers, kept.sets)


class Snapshot(msgspec.Struct, frozen=True):
    """In the memory of the process that keeps it."""

    info: SnapshotInfo
    settings: TenantSettings
    history: History
    pins: Pins
    clock: Clock
    session_time_offset: timedelta
    assumptions: Assumptions
    faults: ActiveFaults
    state: State
    dump: StateDump

    @classmethod
    async def take(cls, tenant: Tenant, name: str) -> Snapshot:
        dump = await tenant.state.read_all()
        size = _measure_contents(tenant, dump)
        clock = tenant.clock.copy()
        clock.mark_moment()
        return cls(
            SnapshotInfo(name, tenant.clock.now().isoformat(), size),
            tenant.settings,
            tenant.history,
            tenant.pins.copy(),
            clock,
            tenant.session_time_offset,
            tenant.assumptions.copy(),
            tenant.faults.copy(),
            tenant.state,
            dump,
        )

    def fill_tenant(self, tenant: Tenant, present: Tenant) -> None:
        """Put what was kept into a tenant that is to replace the present one."""
        tenant.history, tenant.history.pins = self.history, self.pins.copy()
        tenant.clock, tenant.session_time_offset = self.clock.copy(), self.session_time_offset
        tenant.clock.rewind()
        tenant.assumptions, tenant.state = self.assumptions.copy(), self.state
        tenant.faults = self.faults.copy()
        tenant.faults.continue_serials(present.faults)


def _measure_contents(tenant: Tenant, dump: StateDump) -> int:
    pins = [pin.request for pin in tenant.pins.list_all()]
    faults = [(each.fault, each.scope) for each in tenant.faults.list_active()]
    kept = pins, faults, tenant.assumptions.explicit_choices(), dump
    return len(msgspec.msgpack.encode(kept))
