from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar

import msgspec

from callmocks.replication import documents
from callmocks.replication.document_cache import DocumentCache, get_state
from callmocks.replication.documents import SPEC_KEY, TenantDocuments, TenantSpec
from callmocks.replication.draft import TenantDraft
from callmocks.replication.state import RedisState
from callmocks.replication.store import make_stamp
from callmocks.tenants.contents import FillTenant
from callmocks.tenants.registry import Registry
from callmocks.tenants.state import StateDump
from callmocks.tenants.tenant import Tenant
from callmocks.tenants.tenant_store import MutableTenant
from callmocks.tenants.worker import run_at_once

T = TypeVar("T")


@dataclass(slots=True)
class Transaction(Generic[T]):
    """Documents to write or (None) delete, and what to do when that is done or is refused."""

    result: T
    tenant: str
    documents: TenantDocuments
    apply: Callable[[], object]
    rollback: Callable[[], object] = lambda: None
    state_keys_to_delete: list[str] = field(default_factory=list)
    # What a new incarnation begins with; nobody reads it before the documents are written.
    new_state: tuple[RedisState, StateDump] | None = None

    async def write_new_state(self) -> None:
        if self.new_state is not None:
            state, dump = self.new_state
            await state.replace_all(dump)

    async def cancel(self) -> None:
        """Others were faster."""
        self.rollback()
        if self.new_state is not None:
            await self.new_state[0].delete_all()

    @property
    def written(self) -> dict[str, bytes]:
        written = ((part, document) for part, document in self.documents.items() if document)
        return {f"{self.tenant}/{part}": document for part, document in written}

    @property
    def deleted(self) -> list[str]:
        deleted = (part for part, document in self.documents.items() if document is None)
        return [f"{self.tenant}/{part}" for part in deleted]


def create_transaction(
    registry: Registry, spec: TenantSpec, version: int, fill: FillTenant | None = None
) -> Transaction[Tenant]:
    """A new tenant, with what ``fill`` puts in; ``TenantConflict`` when it cannot be."""
    tenant = registry.prepare_tenant(spec.settings, spec.parse_world_file())
    spec = msgspec.structs.replace(spec, created_at_version=version, mark=make_stamp())
    new_state = _fill_prepared(tenant, spec, fill)
    created = {SPEC_KEY: msgspec.json.encode(spec), **documents.encode_contents(tenant)}
    add, discard = partial(registry.add, tenant), tenant.journal.close
    return Transaction(tenant, tenant.name, created, add, discard, new_state=new_state)


def replace_transaction(
    registry: Registry,
    tenant: Tenant,
    cache: DocumentCache,
    spec: TenantSpec | None = None,
    fill: FillTenant | None = None,
) -> Transaction[None]:
    """The tenant reset, or of another ``spec``, with what ``fill`` puts in and nothing else."""
    present = cache.get_spec(tenant.name)
    assert present is not None
    spec = spec or present
    prepared = registry.prepare_tenant(spec.settings, spec.parse_world_file(), replaced=tenant)
    same = {"created_at_version": present.created_at_version, "mark": present.mark}
    spec = msgspec.structs.replace(spec, **same, reset_mark=make_stamp())
    new_state = _fill_prepared(prepared, spec, fill)
    changed: TenantDocuments = dict.fromkeys(cache.part_names(tenant.name, with_snapshots=False))
    changed |= {SPEC_KEY: msgspec.json.encode(spec), **documents.encode_contents(prepared)}
    replace, discard = partial(registry.replace, tenant, prepared), prepared.journal.close
    keys = [get_state(tenant).hash_key]
    return Transaction(None, tenant.name, changed, replace, discard, keys, new_state)


def _fill_prepared(
    tenant: Tenant, spec: TenantSpec, fill: FillTenant | None
) -> tuple[RedisState, StateDump] | None:
    state = get_state(tenant)
    state.incarnation = spec.incarnation
    if fill is None:
        return None
    try:
        return state, run_at_once(fill(tenant))
    except BaseException:
        tenant.journal.close()
        raise


def update_transaction(tenant: Tenant, edit: Callable[[MutableTenant], T]) -> Transaction[T]:
    draft = TenantDraft(tenant)
    result = edit(draft)
    return Transaction(result, tenant.name, draft.changed_documents(), draft.apply)


def delete_transaction(
    registry: Registry, tenant: Tenant, cache: DocumentCache
) -> Transaction[None]:
    changed: TenantDocuments = dict.fromkeys(cache.part_names(tenant.name))
    keys = [get_state(tenant).hash_key]
    delete = partial(registry.delete, tenant.name)
    return Transaction(None, tenant.name, changed, delete, state_keys_to_delete=keys)
