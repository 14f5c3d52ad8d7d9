from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from callmocks.replication import documents
from callmocks.replication.document_cache import DocumentCache, get_state
from callmocks.replication.documents import SPEC_KEY, TenantDocuments, TenantSpec
from callmocks.replication.draft import TenantDraft
from callmocks.replication.store import make_stamp
from callmocks.tenants.registry import Registry
from callmocks.tenants.tenant import Tenant
from callmocks.tenants.tenant_store import MutableTenant

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

    @property
    def written(self) -> dict[str, bytes]:
        written = ((part, document) for part, document in self.documents.items() if document)
        return {f"{self.tenant}/{part}": document for part, document in written}

    @property
    def deleted(self) -> list[str]:
        deleted = (part for part, document in self.documents.items() if document is None)
        return [f"{self.tenant}/{part}" for part in deleted]


def create_transaction(
    registry: Registry, spec: TenantSpec, version: int, calls: Path | None = None
) -> Transaction[Tenant]:
    """A new tenant, with the calls of a file pinned; ``TenantConflict`` when it cannot be."""
    tenant = registry.prepare_tenant(spec.settings, spec.parse_world_file())
    if calls is not None:
        from callmocks.config.pin_file import pin_calls_from_file

        pin_calls_from_file(tenant.pins, calls)
    spec = msgspec.structs.replace(spec, created_at_version=version, mark=make_stamp())
    get_state(tenant).incarnation = spec.incarnation
    created = {SPEC_KEY: msgspec.json.encode(spec), **documents.encode_changed_pins(tenant.pins)}
    add, discard = partial(registry.add, tenant), tenant.journal.close
    return Transaction(tenant, tenant.name, created, add, discard)


def update_transaction(tenant: Tenant, edit: Callable[[MutableTenant], T]) -> Transaction[T]:
    draft = TenantDraft(tenant)
    result = edit(draft)
    return Transaction(result, tenant.name, draft.changed_documents(), draft.apply)


def reset_transaction(tenant: Tenant, cache: DocumentCache) -> Transaction[None]:
    spec = cache.get_spec(tenant.name)
    assert spec is not None
    new_spec = msgspec.structs.replace(spec, reset_count=spec.reset_count + 1)

    def apply_reset() -> None:
        tenant.reset_local()
        get_state(tenant).incarnation = new_spec.incarnation

    changed: TenantDocuments = dict.fromkeys(cache.part_names(tenant.name))
    changed[SPEC_KEY] = msgspec.json.encode(new_spec)
    keys = [get_state(tenant).hash_key]
    return Transaction(None, tenant.name, changed, apply_reset, state_keys_to_delete=keys)


def delete_transaction(
    registry: Registry, tenant: Tenant, cache: DocumentCache
) -> Transaction[None]:
    changed: TenantDocuments = dict.fromkeys(cache.part_names(tenant.name))
    keys = [get_state(tenant).hash_key]
    delete = partial(registry.delete, tenant.name)
    return Transaction(None, tenant.name, changed, delete, state_keys_to_delete=keys)
