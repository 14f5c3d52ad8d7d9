"""Where tenants are created, changed and deleted.

A process without replicas changes them in memory; one of several replicas
(``replication.replica``) writes to the shared store first, and every replica follows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from callmocks.errors import SettingsError

if TYPE_CHECKING:
    from callmocks.contract.assumptions import Assumptions
    from callmocks.faults import ActiveFaults
    from callmocks.history.clock import Clock
    from callmocks.history.pins import Pins
    from callmocks.tenants.registry import Registry
    from callmocks.tenants.settings import TenantSettings
    from callmocks.tenants.tenant import Tenant

T = TypeVar("T")


class TenantDeleted(SettingsError):
    """Another request deleted the tenant that was to be changed."""


class MutableTenant(Protocol):
    """A tenant or a draft of it."""

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
    # Of the store, without a password.
    address: str
    # Replicas that are alive, this one included.
    replicas: int
    # Why it cannot share them now; empty when it can.
    problem: str


class TenantStore(Protocol):
    """Empty name and no status mean that there are no replicas."""

    @property
    def replica_name(self) -> str: ...

    @property
    def replication_status(self) -> ReplicationStatus | None: ...

    async def sync(self) -> None:
        """Bring memory up to date with other replicas; ``StateError`` when that fails."""

    async def create(self, settings: TenantSettings) -> Tenant:
        """``TenantConflict`` when its name or a credential is in use."""

    async def update(self, tenant: Tenant, edit: Callable[[MutableTenant], T]) -> T:
        """Change a tenant; what ``edit`` raises leaves it unchanged.

        ``edit`` must change nothing else: it is called again when another replica was faster.
        """

    async def reset(self, tenant: Tenant) -> None: ...

    async def delete(self, tenant: Tenant) -> None: ...


class LocalTenantStore:
    replica_name = ""
    replication_status = None

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def sync(self) -> None:
        pass

    async def create(self, settings: TenantSettings) -> Tenant:
        return self._registry.create(settings)

    async def update(self, tenant: Tenant, edit: Callable[[MutableTenant], T]) -> T:
        return edit(tenant)

    async def reset(self, tenant: Tenant) -> None:
        await tenant.reset()

    async def delete(self, tenant: Tenant) -> None:
        self._registry.delete(tenant.name)
        await tenant.state.delete_all()
