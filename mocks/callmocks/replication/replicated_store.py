"""Changes of tenants that all replicas share, each one a transaction."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from callmocks.history.history import History
from callmocks.history.pins import Pins
from callmocks.replication import documents, snapshots
from callmocks.replication.document_cache import DocumentCache, get_state
from callmocks.replication.documents import SPEC_KEY, TenantSpec
from callmocks.replication.remote_connections import RemoteConnections
from callmocks.replication.transaction import (
    Transaction,
    create_transaction,
    delete_transaction,
    replace_transaction,
    update_transaction,
)
from callmocks.tenants.settings import TenantSettings
from callmocks.tenants.snapshots import SnapshotInfo
from callmocks.tenants.state import rerun_when_stale
from callmocks.tenants.tenant import Tenant
from callmocks.tenants.tenant_store import MutableTenant, TenantDeleted, TenantStore
from callmocks.tenants.worker import run_at_once, run_in_worker

if TYPE_CHECKING:
    from callmocks.contract.connections import Connection, EndMethod
    from callmocks.replication.store import StoreVersion
    from callmocks.tenants.contents import FillTenant

T = TypeVar("T")


class ReplicatedStore(TenantStore):
    _cache: DocumentCache
    _remote_connections: RemoteConnections

    @property
    @abstractmethod
    def version(self) -> StoreVersion:
        """What the tenants in memory are at."""

    @abstractmethod
    async def _run_transaction(
        self, prepare: Callable[[], Transaction[T]], *, is_long: bool = False
    ) -> T:
        """``prepare`` is called again when another replica was faster."""

    async def create(self, settings: TenantSettings, fill: FillTenant | None = None) -> Tenant:
        spec, history = await self._prepare_spec(settings)
        tenant = await self._run_transaction(
            lambda: create_transaction(self.registry, spec, self.version.number + 1, fill),
            is_long=fill is not None,
        )
        del history
        return tenant

    async def _prepare_spec(self, settings: TenantSettings) -> tuple[TenantSpec, History]:
        spec = await run_in_worker(lambda: documents.make_spec(settings))
        return spec, await self.registry.load_history(spec.settings, spec.parse_world_file())

    async def replace(
        self, tenant: Tenant, settings: TenantSettings, fill: FillTenant | None = None
    ) -> None:
        spec, history = await self._prepare_spec(settings)
        await self._run_transaction(
            lambda: replace_transaction(
                self.registry, self._check(tenant), self._cache, spec, fill
            ),
            is_long=fill is not None,
        )
        del history

    async def update(self, tenant: Tenant, edit: Callable[[MutableTenant], T]) -> T:
        return await self._run_transaction(lambda: update_transaction(self._check(tenant), edit))

    async def update_pins(
        self, tenant: Tenant, edit: Callable[[Pins], Coroutine[Any, Any, T]]
    ) -> T:
        def prepare() -> Transaction[T]:
            return update_transaction(
                self._check(tenant), lambda draft: run_at_once(edit(draft.pins))
            )

        return await self._run_transaction(prepare, is_long=True)

    async def reset(self, tenant: Tenant) -> None:
        await self._run_transaction(
            lambda: replace_transaction(self.registry, self._check(tenant), self._cache)
        )

    async def delete(self, tenant: Tenant) -> None:
        await self._run_transaction(
            lambda: delete_transaction(self.registry, self._check(tenant), self._cache)
        )

    async def list_connections(self, tenant: Tenant) -> list[Connection]:
        return await self._remote_connections.send_request(tenant.name)

    async def end_connections(
        self, tenant: Tenant, how: EndMethod, id: str | None = None
    ) -> list[Connection]:
        return await self._remote_connections.send_request(tenant.name, how, id)

    def _check(self, tenant: Tenant) -> Tenant:
        if self.registry.get(tenant.name) is not tenant:
            raise TenantDeleted(f"tenant {tenant.name!r} was deleted")
        return tenant

    def list_snapshots(self, tenant: Tenant) -> list[SnapshotInfo]:
        return snapshots.list_snapshots(self._cache, tenant)

    async def keep_snapshot(self, tenant: Tenant, name: str) -> SnapshotInfo:
        now, contents = await rerun_when_stale(
            lambda: snapshots.read_contents(self._cache, self._check(tenant))
        )

        def prepare() -> Transaction[SnapshotInfo]:
            number = self.version.number + 1
            return snapshots.keep_transaction(
                self._cache, self._check(tenant), name, now, contents, number
            )

        return await self._run_transaction(prepare)

    async def restore_snapshot(self, tenant: Tenant, name: str) -> None:
        kept = snapshots.load_contents(self._cache, tenant, name)
        spec = await documents.read_spec(kept.documents[SPEC_KEY])
        history = await self.registry.load_history(spec.settings, spec.parse_world_file())
        present = await get_state(tenant).read_all()

        def prepare() -> Transaction[None]:
            return snapshots.restore_transaction(
                self.registry, self._cache, self._check(tenant), spec, kept, present
            )

        await self._run_transaction(prepare)
        del history

    async def remove_snapshot(self, tenant: Tenant, name: str) -> None:
        await self._run_transaction(
            lambda: snapshots.remove_transaction(self._cache, self._check(tenant), name)
        )
