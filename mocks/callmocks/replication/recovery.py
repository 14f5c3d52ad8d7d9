"""What a replica does when the store has lost changes that the replica has seen.

::

    the store's last change is one that memory had ──▶ restore it from memory, under a new id
    others restored it from less, and wrote nothing ─▶ the same
    others went on without what memory has ──────────▶ follow, and put back the tenants they lack

Memory knows the stamps of the changes it has been at; where they and the store's agree last, their
ways part.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from callmocks.errors import CallmocksError
from callmocks.replication.document_cache import DocumentCache
from callmocks.replication.documents import SPEC_KEY, TenantSpec
from callmocks.replication.store import DocumentChanges, Documents, StoreVersion
from callmocks.tenants.registry import Registry

MAX_STAMPS = 1000  # that a replica remembers


class Divergence(NamedTuple):
    """``fork``: number of the last change that memory and store have in common."""

    own: StoreVersion
    store: DocumentChanges | None
    fork: int

    @classmethod
    def find(
        cls, own: StoreVersion, remembered: Mapping[int, str], store: DocumentChanges | None
    ) -> Divergence:
        """``remembered``: stamps of the changes that memory has been at."""
        if store is None or store.includes_since:
            return cls(own, store, 0 if store is None else own.number)
        common = (n for n, stamp in remembered.items() if store.stamps.get(n) == stamp)
        return cls(own, store, max(common, default=0))

    @property
    def can_restore(self) -> bool:
        """Whether nothing was written to the store that memory does not have."""
        if self.store is None:
            return True
        number, first = self.store.version.number, self.store.first
        return self.fork == number or (number == first and self.fork == first - 1)

    @property
    def next_number(self) -> int:
        """Of a new store's first version: numbers never repeat, whatever was lost."""
        return max(self.own.number, 0 if self.store is None else self.store.version.number) + 1

    def describe(self) -> str:
        if self.store is None:
            return "Redis had lost everything"
        if self.fork == self.own.number:
            return "Redis had lost some of its keys"
        if self.fork + 1 == self.own.number:
            return f"Redis had lost change {self.own.number}"
        return f"Redis had lost changes {self.fork + 1} to {self.own.number}"


def find_lost_tenants(
    cache: DocumentCache, divergence: Divergence, present: Documents
) -> dict[str, Documents]:
    """Documents of tenants that were created since the fork and that the store lacks."""
    found: dict[str, Documents] = {}
    for name in cache.tenant_names():
        spec = cache.get_spec(name)
        if (
            spec
            and spec.created_at_version > divergence.fork
            and f"{name}/{SPEC_KEY}" not in present
        ):
            found[name] = cache.documents_of(name)
    return found


def prepare_lost_tenant(registry: Registry, parts: Documents, number: int) -> Documents | str:
    """Its documents as change ``number`` writes them, or why it cannot be put back."""
    spec = msgspec.json.decode(parts[SPEC_KEY], type=TenantSpec)
    try:
        registry.prepare_tenant(spec.settings, spec.parse_world_file()).journal.close()
    except CallmocksError as error:
        return str(error)
    spec = msgspec.structs.replace(spec, created_at_version=number)
    return parts | {SPEC_KEY: msgspec.json.encode(spec)}
