"""Where tenants are created, changed and deleted; ``replication.replica`` overrides it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from callmocks.errors import SettingsError
from callmocks.tenants.open_connections import END_REASON
from callmocks.tenants.snapshots import Snapshot, SnapshotInfo, check_limits, continue_numbers
from callmocks.tenants.worker import run_computation

if TYPE_CHECKING:
    from callmocks.contract.assumptions import Assumptions
    from callmocks.contract.connections import Connection, EndMethod
    from callmocks.faults.active import ActiveFaults
    from callmocks.history.clock import Clock
    from callmocks.history.pins import Pins
    from callmocks.tenants.contents import FillTenant
    from callmocks.tenants.registry import Registry
    from callmocks.tenants.settings import TenantSettings
    from callmocks.tenants.state import StateDump
    from callmocks.tenants.tenant import Tenant

T = TypeVar("T")


class TenantDeleted(SettingsError):
    """Another request deleted the tenant that was to be changed."""


class MutableTenant(Protocol):
    @property
    def clock(self) -> Clock: ...

    @property
    def assumptions(self) -> Assumptions: ...

    @property
    def faults(self) -> ActiveFaults: ...

    @property
    def pins(self) -> Pins: ...

    def keep_sessions(self, seconds: float) -> None: ...


class ReplicationStatus(NamedTuple):
    address: str  # of the store, without a password
    replicas: int  # that are alive, this one included
    problem: str  # why it cannot share them now; empty when it can
    last_loss: str  # what the store lost last, and how that ended; empty when it lost nothing


class TenantStore:
    replica_name = ""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    @property
    def replication_status(self) -> ReplicationStatus | None:
        """None when there are no replicas."""
        return None

    async def sync(self) -> None:
        """Bring memory up to date with other replicas; ``StateError`` when that fails."""

    async def create(self, settings: TenantSettings, fill: FillTenant | None = None) -> Tenant:
        """``fill`` puts things into the tenant before anybody can find it."""
        history = await self.registry.load_history(settings)
        tenant = self.registry.prepare_tenant(settings)
        await self._fill_prepared(tenant, fill)
        self.registry.add(tenant)
        del history
        return tenant

    async def replace(
        self, tenant: Tenant, settings: TenantSettings, fill: FillTenant | None = None
    ) -> None:
        """Reset a tenant to other settings and contents, in one step and all or nothing."""
        history = await self.registry.load_history(settings)
        self._check_present(tenant)
        prepared = self.registry.prepare_tenant(settings, replaced=tenant)
        await self._fill_prepared(prepared, fill, tenant)
        present = await tenant.state.read_all()
        self.registry.replace(tenant, prepared)
        await self._continue_numbers(tenant, present)
        del history

    async def _fill_prepared(
        self, tenant: Tenant, fill: FillTenant | None, replaced: Tenant | None = None
    ) -> None:
        try:
            if fill is not None:
                filled = await run_computation(fill(tenant), is_long=True)
                await tenant.state.replace_all(filled)
                # Other requests were served meanwhile.
                if replaced is not None:
                    self._check_present(replaced)
                self.registry.check_available(tenant.settings, replaced)
        except BaseException:
            tenant.journal.close()
            raise

    def _check_present(self, tenant: Tenant) -> None:
        if self.registry.get(tenant.name) is not tenant:
            raise TenantDeleted(f"tenant {tenant.name!r} was deleted")

    async def update(self, tenant: Tenant, edit: Callable[[MutableTenant], T]) -> T:
        """``edit`` must change nothing else: it is called again when another replica was faster."""
        return edit(tenant)

    async def update_pins(
        self, tenant: Tenant, edit: Callable[[Pins], Coroutine[Any, Any, T]]
    ) -> T:
        """A long ``edit`` of a copy, in a thread; it is repeated when it was overtaken.

        It waits for nothing but its turn.
        """
        while True:
            before, revision = tenant.pins, tenant.pins.revision
            pins = before.copy()
            result = await run_computation(edit(pins), is_long=True)
            if tenant.pins is before and before.revision == revision:
                tenant.history.pins = pins
                return result

    async def reset(self, tenant: Tenant) -> None:
        present = await tenant.state.read_all()
        await tenant.reset()
        await self._continue_numbers(tenant, present)

    async def _continue_numbers(self, tenant: Tenant, present: StateDump) -> None:
        # A token of today must not be one that a snapshot knows, nor come again after it.
        if tenant.snapshots:
            dump = continue_numbers(await tenant.state.read_all(), present, tenant)
            await tenant.state.replace_all(dump)

    async def list_connections(self, tenant: Tenant) -> list[Connection]:
        """Those of all replicas; ``StateError`` when one does not answer."""
        return tenant.connections.list_connections()

    async def end_connections(
        self, tenant: Tenant, how: EndMethod, id: str | None = None
    ) -> list[Connection]:
        """End all, or that of one id, and return them; ``StateError`` as for a list."""
        return tenant.connections.end_connections(how, END_REASON, id)

    def list_snapshots(self, tenant: Tenant) -> list[SnapshotInfo]:
        """In the order they were kept."""
        return [snapshot.info for snapshot in tenant.snapshots.values()]

    async def keep_snapshot(self, tenant: Tenant, name: str) -> SnapshotInfo:
        """``SnapshotLimitError`` when there is no room."""
        snapshot = await Snapshot.take(tenant, name)
        check_limits(self.list_snapshots(tenant), snapshot.info)
        tenant.snapshots.pop(name, None)
        tenant.snapshots[name] = snapshot
        return snapshot.info

    async def restore_snapshot(self, tenant: Tenant, name: str) -> None:
        """``KeyError`` when there is none; ``TenantConflict`` when a credential was taken."""
        snapshot = tenant.snapshots[name]
        settings, world = snapshot.settings, snapshot.history.world
        prepared = self.registry.prepare_tenant(settings, world, replaced=tenant)
        dump = continue_numbers(snapshot.dump, await tenant.state.read_all(), tenant)
        snapshot.fill_tenant(prepared, tenant)
        await snapshot.state.replace_all(dump)
        self.registry.replace(tenant, prepared, keep_journal=True)

    async def remove_snapshot(self, tenant: Tenant, name: str) -> None:
        """``KeyError`` when there is none."""
        del tenant.snapshots[name]

    async def delete(self, tenant: Tenant) -> None:
        self.registry.delete(tenant.name)
        await tenant.state.delete_all()
