import logging
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import NamedTuple

import msgspec

from callmocks.errors import CallmocksError
from callmocks.history.history import History
from callmocks.history.pins import Pins
from callmocks.replication import documents
from callmocks.replication.documents import SPEC_KEY, TenantDocuments, TenantSpec
from callmocks.replication.state import RedisState
from callmocks.replication.store import DocumentChanges, Documents
from callmocks.tenants.registry import Registry
from callmocks.tenants.tenant import Tenant
from callmocks.tenants.worker import run_in_worker

log = logging.getLogger(__name__)


# Pinned calls that are built on the loop at once, each in about a millisecond.
_PINS_AT_ONCE = 20


class PreparedChanges(NamedTuple):
    documents: dict[str, TenantDocuments]  # by tenant: written and deleted
    histories: list[History]  # what new and reset tenants need while they are created
    pins: dict[str, Pins]  # of tenants with many that are new


class DocumentCache:
    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._documents: dict[str, Documents] = {}
        self._problems: dict[str, str] = {}
        # By tenant, with the document: a world that lists many people takes long to decode.
        self._specs: dict[str, tuple[bytes, TenantSpec]] = {}
        # By tenant and snapshot.
        self._kept_pins: defaultdict[str, dict[str, Pins]] = defaultdict(dict)

    @property
    def problem(self) -> str:
        if self._problems:
            return next(iter(self._problems.values()))
        lacking = [name for name in self._documents if self._registry.get(name) is None]
        return f"tenant {lacking[0]} is missing here" if lacking else ""

    def tenant_names(self) -> list[str]:
        return list(self._documents)

    def documents_of(self, name: str) -> Documents:
        return dict(self._documents[name])

    def all_documents(self) -> Documents:
        return {
            f"{name}/{part}": document
            for name, parts in self._documents.items()
            for part, document in parts.items()
        }

    def get_spec(self, name: str) -> TenantSpec | None:
        document = self._documents.get(name, {}).get(SPEC_KEY)
        if document is None:
            return None
        known = self._specs.get(name)
        if known is None or known[0] != document:
            known = document, msgspec.json.decode(document, type=TenantSpec)
            self._specs[name] = known
        return known[1]

    def part_names(self, name: str, *, with_snapshots: bool = True) -> list[str]:
        parts = self._documents.get(name, ())
        return [part for part in parts if with_snapshots or not documents.is_snapshot(part)]

    def store_documents(self, name: str, changed: TenantDocuments) -> None:
        """Keep what was written of a tenant that is in this state already."""
        present = self._documents.setdefault(name, {})
        for part, document in changed.items():
            if document is None:
                present.pop(part, None)
            else:
                present[part] = document
        if not present:
            del self._documents[name]
            self._specs.pop(name, None)
            self._kept_pins.pop(name, None)

    async def prepare_changes(self, changes: DocumentChanges) -> PreparedChanges:
        written, deleted = changes.written, list(changes.deleted)
        if changes.is_complete:
            present = self.all_documents()
            deleted = [key for key in present if key not in written]
            written = {key: each for key, each in written.items() if present.get(key) != each}
        return await self.prepare_written(written, deleted)

    async def prepare_written(
        self, written: Documents, deleted: Iterable[str] = ()
    ) -> PreparedChanges:
        """What takes long of these changes; memory must not change before they are applied."""
        prepared = PreparedChanges(defaultdict(dict), [], {})
        for key, document in (*written.items(), *((key, None) for key in deleted)):
            name, _, part = key.partition("/")
            prepared.documents[name][part] = document
        for name, changed in prepared.documents.items():
            with suppress(CallmocksError, msgspec.MsgspecError, LookupError):  # said when applied
                await self._prepare_tenant(name, changed, prepared)
        return prepared

    async def _prepare_tenant(
        self, name: str, changed: TenantDocuments, prepared: PreparedChanges
    ) -> None:
        present = self._documents.get(name, {})
        document = changed.get(SPEC_KEY, present.get(SPEC_KEY))
        pin_count = sum(part.startswith(documents.PIN) for part in changed)
        if document is None or not (SPEC_KEY in changed or pin_count > _PINS_AT_ONCE):
            return
        spec = await documents.read_spec(document)
        self._specs[name] = document, spec
        history = await self._registry.load_history(spec.settings, spec.parse_world_file())
        prepared.histories.append(history)
        if pin_count > _PINS_AT_ONCE:
            tenant = self._registry.get(name)
            known = [*self._kept_pins[name].values(), *([tenant.pins] if tenant else [])]
            after = {**present, **changed}
            apply = partial(documents.apply_pins, history.pins, after, known)
            await run_in_worker(apply, is_shared=True)
            prepared.pins[name] = history.pins

    def apply_changes(self, prepared: PreparedChanges) -> None:
        specs = {}
        for name, parts in prepared.documents.items():
            self.store_documents(name, parts)
            spec, tenant = self._read_spec(name), self._registry.get(name)
            # Another tenant of its name may have been created since.
            if tenant and not (spec and spec.is_of(get_state(tenant).incarnation)):
                self._registry.delete(name)
            if spec is not None:
                specs[name] = spec
        for name in sorted(specs, key=lambda name: specs[name].created_at_version):
            changed = prepared.documents[name]
            self.update_tenant(name, specs[name], changed, prepared.pins.get(name))

    def _read_spec(self, name: str) -> TenantSpec | None:
        self._problems.pop(name, None)
        try:
            return self.get_spec(name)
        except msgspec.MsgspecError as error:
            self._record_problem(name, error)
            return None

    def update_tenant(
        self, name: str, spec: TenantSpec, changed: TenantDocuments, pins: Pins | None = None
    ) -> None:
        """``pins``: those that it has then, when they were built before."""
        try:
            tenant, is_new = self._registry.get(name), True
            if tenant is None:
                tenant = self._registry.prepare_tenant(spec.settings, spec.parse_world_file())
                self._registry.add(tenant)
            elif (
                is_reset := spec.is_reset_of(get_state(tenant).incarnation)
            ) or spec.settings != tenant.settings:
                world = spec.parse_world_file()
                prepared = self._registry.prepare_tenant(spec.settings, world, replaced=tenant)
                self._registry.replace(tenant, prepared, keep_journal=not is_reset)
            else:
                is_new = False
            get_state(tenant).incarnation = spec.incarnation
            changed = dict(self._documents[name]) if is_new else changed
            kept_pins = self._kept_pins[name]
            documents.apply(tenant, changed)
            if pins is None:
                documents.apply_pins(tenant.pins, changed, kept_pins.values())
            else:
                tenant.history.pins = pins
            for part, document in changed.items():
                if part.startswith(documents.SNAPSHOT_CONTENTS):
                    kept_pins.pop(part, None)
                    if document is not None:
                        kept_pins[part] = tenant.pins.copy()
        except (CallmocksError, msgspec.MsgspecError, LookupError) as error:
            self._record_problem(name, error)

    def _record_problem(self, name: str, error: Exception) -> None:
        self._problems[name] = text = f"tenant {name} cannot be followed: {error}"
        log.warning("callmocks: %s", text)


def get_state(tenant: Tenant) -> RedisState:
    assert isinstance(tenant.state, RedisState)
    return tenant.state
