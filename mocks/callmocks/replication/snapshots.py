"""Snapshots as documents: replicas have them as they have tenants, and restore a lost store."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from callmocks.history.clock import Clock, load_time_zone
from callmocks.replication import documents
from callmocks.replication.document_cache import DocumentCache, get_state
from callmocks.replication.documents import (
    SNAPSHOT_CONTENTS,
    SNAPSHOT_INFO,
    SPEC_KEY,
    ClockDocument,
    TenantDocuments,
    TenantSpec,
    is_snapshot,
)
from callmocks.replication.store import make_stamp
from callmocks.replication.transaction import Transaction
from callmocks.tenants.snapshots import SnapshotInfo, check_limits, continue_numbers
from callmocks.tenants.state import StateDump

if TYPE_CHECKING:
    from callmocks.tenants.registry import Registry
    from callmocks.tenants.tenant import Tenant


class SnapshotDocument(msgspec.Struct):
    info: SnapshotInfo
    kept_at_version: int


class SnapshotContents(msgspec.Struct):
    documents: dict[str, bytes]
    state: StateDump


def list_snapshots(cache: DocumentCache, tenant: Tenant) -> list[SnapshotInfo]:
    """In the order they were kept."""
    kept = [
        msgspec.json.decode(document, type=SnapshotDocument)
        for part, document in cache.documents_of(tenant.name).items()
        if part.startswith(SNAPSHOT_INFO)
    ]
    return [each.info for each in sorted(kept, key=lambda each: each.kept_at_version)]


async def read_contents(cache: DocumentCache, tenant: Tenant) -> tuple[str, bytes]:
    """Its time, and all that it holds; ``StaleTenantsError`` when memory is not up to date."""
    state, parts = get_state(tenant).for_request(), cache.documents_of(tenant.name)
    held = {part: document for part, document in parts.items() if not is_snapshot(part)}
    now, clock = tenant.clock.now().isoformat(), tenant.clock.copy()
    if "clock" in held:
        clock.mark_moment()
        held["clock"] = documents.encode_clock(clock, tenant.session_time_offset)
    return now, msgspec.msgpack.encode(SnapshotContents(held, await state.read_all()))


def load_contents(cache: DocumentCache, tenant: Tenant, name: str) -> SnapshotContents:
    """``KeyError`` when there is no snapshot of that name."""
    document = cache.documents_of(tenant.name)[SNAPSHOT_CONTENTS + name]
    return msgspec.msgpack.decode(document, type=SnapshotContents)


def keep_transaction(
    cache: DocumentCache, tenant: Tenant, name: str, now: str, contents: bytes, version: int
) -> Transaction[SnapshotInfo]:
    """``SnapshotLimitError`` when there is no room."""
    info = SnapshotInfo(name, now, len(contents))
    check_limits(list_snapshots(cache, tenant), info)
    document = msgspec.json.encode(SnapshotDocument(info, version))
    written: TenantDocuments = {SNAPSHOT_INFO + name: document, SNAPSHOT_CONTENTS + name: contents}
    return Transaction(info, tenant.name, written, _apply_later(cache, tenant, written))


def remove_transaction(cache: DocumentCache, tenant: Tenant, name: str) -> Transaction[None]:
    """``KeyError`` when there is no snapshot of that name."""
    if SNAPSHOT_INFO + name not in cache.documents_of(tenant.name):
        raise KeyError(name)
    removed: TenantDocuments = {SNAPSHOT_INFO + name: None, SNAPSHOT_CONTENTS + name: None}
    return Transaction(None, tenant.name, removed, _apply_later(cache, tenant, removed))


def _apply_later(
    cache: DocumentCache, tenant: Tenant, changed: TenantDocuments
) -> Callable[[], None]:
    spec = cache.get_spec(tenant.name)
    assert spec is not None
    return partial(cache.update_tenant, tenant.name, spec, changed)


def restore_transaction(
    registry: Registry,
    cache: DocumentCache,
    tenant: Tenant,
    kept: TenantSpec,
    contents: SnapshotContents,
    present_state: StateDump,
) -> Transaction[None]:
    """``TenantConflict`` when a credential of then is another tenant's now."""
    world = kept.parse_world_file()
    registry.prepare_tenant(kept.settings, world, replaced=tenant).journal.close()
    present = cache.get_spec(tenant.name)
    assert present is not None
    same = {"settings": kept.settings, "world": kept.world, "calls": kept.calls}
    spec = msgspec.structs.replace(present, **same, state_mark=make_stamp())
    restored: TenantDocuments = {**contents.documents, SPEC_KEY: msgspec.json.encode(spec)}
    if "clock" in contents.documents:
        zone = kept.settings.timezone
        restored["clock"] = _rewind_clock(contents.documents["clock"], zone)
    number, serial = documents.decode_fault_numbers(contents.documents.get("faults"))
    serials = number, max(serial, tenant.faults.last_numbers[1])
    if serials != (0, 0):
        restored["faults"] = msgspec.json.encode(serials)
    found = cache.documents_of(tenant.name)
    gone = (part for part in found if part not in restored and not is_snapshot(part))
    changed: TenantDocuments = dict.fromkeys(gone)
    changed |= {part: each for part, each in restored.items() if each != found.get(part)}
    state = copy(get_state(tenant))
    state.incarnation = spec.incarnation
    dump = continue_numbers(contents.state, present_state, tenant)
    keys = [get_state(tenant).hash_key]
    apply = partial(cache.update_tenant, tenant.name, spec, changed)
    return Transaction(None, tenant.name, changed, apply, lambda: None, keys, (state, dump))


def _rewind_clock(document: bytes, timezone: str) -> bytes:
    kept = msgspec.json.decode(document, type=ClockDocument)
    clock = Clock.load_state(load_time_zone(timezone), kept.clock)
    clock.rewind()
    return documents.encode_clock(clock, timedelta(seconds=kept.sessions_kept))
