"""Changes of tenants: whoever makes, changes or deletes one goes through here.

A suite that is alone changes its tenants in memory, at once. One of several replicas
(``shared.replica``) writes to the shared store first, and every replica follows.
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
    """The tenant to be changed was deleted meanwhile."""


class MutableTenant(Protocol):
    """What of a tenant can be changed: the tenant itself, or a draft of it."""

    @property
    def clock(self) -> Clock:
        """Its clock."""

    @property
    def assumptions(self) -> Assumptions:
        """Its choices."""

    @property
    def faults(self) -> ActiveFaults:
        """Its faults."""

    @property
    def pins(self) -> Pins:
        """Its pinned calls."""

    def keep_sessions(self, seconds: float) -> None:
        """Take a move of the clock out of the age of sessions."""


class ReplicationStatus(NamedTuple):
    """With whom a replica shares its tenants, and whether it can."""

    address: str
    """Address of the store, without a password."""
    replicas: int
    """Replicas that the store heard of lately, this one among them."""
    problem: str
    """Why it cannot; empty when it can."""


class TenantStore(Protocol):
    """How tenants are changed."""

    @property
    def replica_name(self) -> str:
        """The name of this replica; empty when it is alone."""

    @property
    def replication_status(self) -> ReplicationStatus | None:
        """With whom the tenants are shared; None when it is alone."""

    async def sync(self) -> None:
        """Come back when memory holds what others changed; ``StateError`` when it cannot."""

    async def create(self, settings: TenantSettings) -> Tenant:
        """A new tenant; ``Taken`` when its name or a credential is in use."""

    async def update(self, tenant: Tenant, edit: Callable[[MutableTenant], T]) -> T:
        """Change a tenant; what ``make`` raises leaves it as it was.

        ``make`` must change nothing else: it is called again when another replica was faster.
        """

    async def reset(self, tenant: Tenant) -> None:
        """Bring a tenant's first state back."""

    async def delete(self, tenant: Tenant) -> None:
        """Take a tenant away with everything it has."""


class LocalTenantStore:
    """Changes of the only process there is."""

    replica_name = ""
    replication_status = None

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def sync(self) -> None:
        """It always is."""

    async def create(self, settings: TenantSettings) -> Tenant:
        """A new tenant."""
        return self._registry.create(settings)

    async def update(self, tenant: Tenant, edit: Callable[[MutableTenant], T]) -> T:
        """Change a tenant."""
        return edit(tenant)

    async def reset(self, tenant: Tenant) -> None:
        """Bring a tenant's first state back."""
        await tenant.reset()

    async def delete(self, tenant: Tenant) -> None:
        """Take a tenant away."""
        self._registry.delete(tenant.name)
        await tenant.state.delete_all()
