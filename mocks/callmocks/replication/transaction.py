"""A change of one tenant, ready to be written to the store and then made in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from callmocks.replication import documents
from callmocks.replication.document_cache import get_state_key, set_incarnation
from callmocks.replication.documents import SPEC_KEY, TenantDocuments, TenantSpec
from callmocks.replication.draft import TenantDraft

if TYPE_CHECKING:
    from pathlib import Path

    from callmocks.tenants.registry import Registry
    from callmocks.tenants.tenant import Tenant
    from callmocks.tenants.tenant_store import MutableTenant

T = TypeVar("T")


def _do_nothing() -> None:
    pass


@dataclass(slots=True)
class Transaction(Generic[T]):
    """What to write of which tenant, and what to do when it is written or is not."""

    result: T
    tenant: str
    documents: TenantDocuments
    apply: Callable[[], None] = _do_nothing
    rollback: Callable[[], None] = _do_nothing
    state_keys_to_delete: list[str] = field(default_factory=list)
    """Keys of state that go with it."""

    @property
    def written(self) -> dict[str, bytes]:
        """Documents by key."""
        return {
            f"{self.tenant}/{part}": document
            for part, document in self.documents.items()
            if document is not None
        }

    @property
    def deleted(self) -> list[str]:
        """Keys of documents that shall be no more."""
        return [
            f"{self.tenant}/{part}" for part, document in self.documents.items() if document is None
        ]


def create_transaction(
    registry: Registry, spec: TenantSpec, version: int, calls: Path | None = None
) -> Transaction[Tenant]:
    """A new tenant, with the calls of a file pinned; ``Taken`` when it cannot be."""
    tenant = registry.prepare_tenant(spec.settings, spec.parse_world_file())
    if calls is not None:
        from callmocks.config.pin_file import pin_calls_from_file

        pin_calls_from_file(tenant.pins, calls)
    whole = msgspec.structs.replace(spec, created_at_version=version)
    set_incarnation(tenant, whole)
    parts: TenantDocuments = {
        SPEC_KEY: msgspec.json.encode(whole),
        **documents.encode_new_tenant(tenant),
    }
    return Transaction(
        tenant, tenant.name, parts, lambda: registry.add(tenant), tenant.journal.close
    )


def update_transaction(tenant: Tenant, edit: Callable[[MutableTenant], T]) -> Transaction[T]:
    """A change of some parts of a tenant; one that writes nothing is none."""
    draft = TenantDraft(tenant)
    result = edit(draft)
    return Transaction(result, tenant.name, draft.changed_documents(), draft.apply)


def reset_transaction(tenant: Tenant, spec: TenantSpec, parts: list[str]) -> Transaction[None]:
    """A tenant's next life, in its first state."""
    anew = msgspec.structs.replace(spec, reset_count=spec.reset_count + 1)

    def apply_reset() -> None:
        tenant.reset_local()
        set_incarnation(tenant, anew)

    written: TenantDocuments = dict.fromkeys(parts) | {SPEC_KEY: msgspec.json.encode(anew)}
    return Transaction(
        None, tenant.name, written, apply_reset, state_keys_to_delete=[get_state_key(tenant)]
    )


def delete_transaction(registry: Registry, tenant: Tenant, parts: list[str]) -> Transaction[None]:
    """A tenant's end."""

    def apply_deletion() -> None:
        registry.delete(tenant.name)

    return Transaction(
        None,
        tenant.name,
        dict.fromkeys(parts),
        apply_deletion,
        state_keys_to_delete=[get_state_key(tenant)],
    )
