"""What a replica does when the store has lost changes that the replica has seen.

::

    the store's last change is one that memory has ──▶ restore it from memory, under a new id
    others restored it from less, and wrote nothing ─▶ the same
    others went on without what memory has ──────────▶ follow, and put back the tenants they lack
    keys are missing, nobody who had them is left ───▶ rebuild it from the documents that it has

Memory and store know which changes they are made of (``version_vector.py``).
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from callmocks.errors import CallmocksError
from callmocks.replication.document_cache import DocumentCache
from callmocks.replication.documents import SPEC_KEY, read_spec
from callmocks.replication.store import DocumentChanges, Documents, StoreVersion
from callmocks.replication.version_vector import VersionVector
from callmocks.tenants.registry import Registry


class _CreatedTenant(msgspec.Struct):
    created_at_version: int


class Divergence(NamedTuple):
    own: StoreVersion
    first: int  # number that the store began with which memory follows
    vector: VersionVector  # of memory
    store: DocumentChanges | None

    @property
    def fork(self) -> int:
        """Number of the last change that memory and store have in common."""
        return 0 if self.store is None else self.vector.find_last_common(self.store.vector)

    @property
    def can_restore(self) -> bool:
        """Whether nothing was written to the store that memory does not have."""
        if self.store is None:
            return True
        _, number, stamp = self.store.version
        if self.vector.includes(number, stamp):
            return True
        is_new = number == self.store.first  # or its version was lost: both are 0
        return is_new and self.vector.includes_all(self.store.vector, but=stamp)

    @property
    def loses_nothing(self) -> bool:
        """Whether all that the store lacks is that this replica restored it, from less."""
        if self.store is None or self.own.number != self.first:
            return False
        return self.store.vector.includes_all(self.vector, but=self.own.stamp)

    @property
    def last_number(self) -> int:
        """Of all changes that are known, whoever has them: numbers never repeat."""
        if self.store is None:
            return self.own.number
        return max(self.own.number, self.store.vector.last_number)

    def describe(self) -> str:
        if self.store is None or not self.store.vector.writers:
            return "Redis had lost everything"
        if self.fork == self.own.number:
            return "Redis had lost some of its keys"
        return f"Redis had lost {_format_changes(self.fork + 1, self.own.number)}"

    def describe_rest(self) -> str:
        """What is lost when memory, which nobody is ahead of, restores the store."""
        if self.store is None or self.can_restore:
            return ""
        lost = _format_changes(self.fork + 1, self.store.vector.last_number)
        return f"; {lost} of others went with them"


def _format_changes(first: int, last: int) -> str:
    return f"change {last}" if first == last else f"changes {first} to {last}"


def find_lost_tenants(
    cache: DocumentCache, divergence: Divergence, present: Documents
) -> dict[str, Documents]:
    """Documents of tenants that were created since the fork and that the store lacks."""
    found: dict[str, Documents] = {}
    fork = divergence.fork
    for name in cache.tenant_names():
        spec = cache.get_spec(name)
        if spec and spec.created_at_version > fork and f"{name}/{SPEC_KEY}" not in present:
            found[name] = cache.documents_of(name)
    return found


async def prepare_lost_tenant(registry: Registry, parts: Documents, number: int) -> Documents | str:
    """Its documents as change ``number`` writes them, or why it cannot be put back."""
    try:
        spec = await read_spec(parts[SPEC_KEY])
        registry.check_available(spec.settings)
    except CallmocksError as error:
        return str(error)
    spec = msgspec.structs.replace(spec, created_at_version=number)
    return parts | {SPEC_KEY: msgspec.json.encode(spec)}


def has_tenants(found: Documents) -> bool:
    return any(key.partition("/")[2] == SPEC_KEY for key in found)


def drop_incomplete_tenants(found: Documents) -> tuple[Documents, list[str]]:
    """Documents of tenants whose settings are there, and the names of the others."""
    names = {key.partition("/")[0] for key in found}
    incomplete = {name for name in names if f"{name}/{SPEC_KEY}" not in found}
    kept = {key: each for key, each in found.items() if key.partition("/")[0] not in incomplete}
    return kept, sorted(incomplete)


def find_last_creation(found: Documents) -> int:
    """Number of the last change that created one of these tenants."""
    specs = (each for key, each in found.items() if key.partition("/")[2] == SPEC_KEY)
    created = (msgspec.json.decode(spec, type=_CreatedTenant) for spec in specs)
    return max((each.created_at_version for each in created), default=0)
