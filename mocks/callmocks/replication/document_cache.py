"""The documents as a replica has them, and the tenants they describe."""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec

from callmocks.errors import CallmocksError
from callmocks.replication import documents
from callmocks.replication.documents import SPEC_KEY, TenantDocuments, TenantSpec
from callmocks.replication.state import RedisState

if TYPE_CHECKING:
    from callmocks.replication.store import DocumentChanges, Documents
    from callmocks.tenants.registry import Registry
    from callmocks.tenants.tenant import Tenant

log = logging.getLogger(__name__)


class DocumentCache:
    """Documents by tenant, and the registry that is kept as they say."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._documents: dict[str, Documents] = {}
        self._problems: dict[str, str] = {}

    @property
    def problem(self) -> str:
        """Why a tenant here is not what it is elsewhere; empty when all are."""
        return next(iter(self._problems.values()), "")

    def all_documents(self) -> Documents:
        """All documents by their keys."""
        return {
            f"{name}/{part}": document
            for name, held in self._documents.items()
            for part, document in held.items()
        }

    def get_spec(self, name: str) -> TenantSpec | None:
        """What the tenant of that name was made of."""
        document = self._documents.get(name, {}).get(SPEC_KEY)
        return None if document is None else documents.decode_spec(document)

    def part_names(self, name: str) -> list[str]:
        """Which documents there are of a tenant."""
        return list(self._documents.get(name, ()))

    def store_documents(self, name: str, parts: TenantDocuments) -> None:
        """Hold what was written of a tenant that is so already."""
        held = self._documents.setdefault(name, {})
        for part, document in parts.items():
            if document is None:
                held.pop(part, None)
            else:
                held[part] = document
        if not held:
            del self._documents[name]

    def apply_changes(self, changes: DocumentChanges) -> None:
        """Hold what others wrote, and make the tenants so."""
        written, deleted = changes.written, list(changes.deleted)
        if changes.is_complete:
            held = self.all_documents()
            deleted = [key for key in held if key not in written]
            written = {key: each for key, each in written.items() if held.get(key) != each}
        parts: defaultdict[str, TenantDocuments] = defaultdict(dict)
        for key, document in (*written.items(), *((key, None) for key in deleted)):
            name, _, part = key.partition("/")
            parts[name][part] = document
        births = {}
        for name, changed in parts.items():
            self.store_documents(name, changed)
            birth = self._read_spec(name)
            self._drop_stale_tenant(name, birth)
            if birth is not None:
                births[name] = birth
        for name in sorted(births, key=lambda name: births[name].created_at_version):
            self._update_tenant(name, births[name], parts[name])

    def _read_spec(self, name: str) -> TenantSpec | None:
        """What a tenant was made of; None too when that cannot be read."""
        self._problems.pop(name, None)
        try:
            return self.get_spec(name)
        except msgspec.MsgspecError as error:
            self._record_problem(name, error)
            return None

    def _drop_stale_tenant(self, name: str, spec: TenantSpec | None) -> None:
        """Take away a tenant that was deleted, even if another of its name was made since."""
        tenant = self._registry.get(name)
        if tenant is not None and (
            spec is None or _get_incarnation(tenant).split(".")[0] != str(spec.created_at_version)
        ):
            self._registry.delete(name)

    def _update_tenant(self, name: str, spec: TenantSpec, changed: TenantDocuments) -> None:
        try:
            tenant, anew = self._registry.get(name), False
            if tenant is None:
                tenant = self._registry.prepare_tenant(spec.settings, spec.parse_world_file())
                self._registry.add(tenant)
                anew = True
            elif _get_incarnation(tenant) != spec.incarnation:
                tenant.reset_local()
                anew = True
            set_incarnation(tenant, spec)
            documents.apply(tenant, dict(self._documents[name]) if anew else changed)
        except (CallmocksError, msgspec.MsgspecError, LookupError) as error:
            self._record_problem(name, error)

    def _record_problem(self, name: str, error: Exception) -> None:
        """A tenant that another version of callmocks wrote, or that cannot be made here."""
        self._problems[name] = text = f"tenant {name} cannot be followed: {error}"
        log.warning("callmocks: %s", text)


def _get_incarnation(tenant: Tenant) -> str:
    assert isinstance(tenant.state, RedisState)
    return tenant.state.incarnation


def set_incarnation(tenant: Tenant, spec: TenantSpec) -> None:
    """Let a tenant's sessions and counters be those of its present life."""
    assert isinstance(tenant.state, RedisState)
    tenant.state.incarnation = spec.incarnation


def get_state_key(tenant: Tenant) -> str:
    """The key of a tenant's sessions and counters."""
    assert isinstance(tenant.state, RedisState)
    return tenant.state.hash_key
