"""A change of one tenant, ready to be written to the store and then made in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from callmocks.replication import documents
from callmocks.replication.document_cache import set_era, state_key
from callmocks.replication.documents import BIRTH, Birth, Parts
from callmocks.replication.draft import Draft

if TYPE_CHECKING:
    from pathlib import Path

    from callmocks.tenants.registry import Registry
    from callmocks.tenants.tenant import Tenant
    from callmocks.tenants.tenant_store import Changing

T = TypeVar("T")


def _nothing() -> None:
    pass


@dataclass(slots=True)
class Plan(Generic[T]):
    """What to write of which tenant, and what to do when it is written or is not."""

    result: T
    name: str
    parts: Parts
    make_real: Callable[[], None] = _nothing
    give_up: Callable[[], None] = _nothing
    forgotten: list[str] = field(default_factory=list)
    """Keys of state that go with it."""

    @property
    def written(self) -> dict[str, bytes]:
        """Documents by key."""
        return {
            f"{self.name}/{part}": document
            for part, document in self.parts.items()
            if document is not None
        }

    @property
    def deleted(self) -> list[str]:
        """Keys of documents that shall be no more."""
        return [f"{self.name}/{part}" for part, document in self.parts.items() if document is None]


def making(registry: Registry, birth: Birth, born: int, calls: Path | None = None) -> Plan[Tenant]:
    """A new tenant, with the calls of a file pinned; ``Taken`` when it cannot be."""
    tenant = registry.prepare(birth.settings, birth.parsed_world())
    if calls is not None:
        from callmocks.config.pin_file import pin_file

        pin_file(tenant.pins, calls)
    whole = msgspec.structs.replace(birth, born=born)
    set_era(tenant, whole)
    parts: Parts = {BIRTH: msgspec.json.encode(whole), **documents.of_tenant(tenant)}
    return Plan(tenant, tenant.name, parts, lambda: registry.add(tenant), tenant.journal.close)


def changing(tenant: Tenant, make: Callable[[Changing], T]) -> Plan[T]:
    """A change of some parts of a tenant; one that writes nothing is none."""
    draft = Draft(tenant)
    result = make(draft)
    return Plan(result, tenant.name, draft.changed(), draft.make_real)


def resetting(tenant: Tenant, birth: Birth, parts: list[str]) -> Plan[None]:
    """A tenant's next life, in its first state."""
    anew = msgspec.structs.replace(birth, resets=birth.resets + 1)

    def make_real() -> None:
        tenant.begin_anew()
        set_era(tenant, anew)

    written: Parts = dict.fromkeys(parts) | {BIRTH: msgspec.json.encode(anew)}
    return Plan(None, tenant.name, written, make_real, forgotten=[state_key(tenant)])


def deleting(registry: Registry, tenant: Tenant, parts: list[str]) -> Plan[None]:
    """A tenant's end."""

    def make_real() -> None:
        registry.delete(tenant.name)

    return Plan(None, tenant.name, dict.fromkeys(parts), make_real, forgotten=[state_key(tenant)])
