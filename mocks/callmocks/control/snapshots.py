"""Snapshots of a tenant over the admin API."""

import msgspec

from callmocks.contract.quoting import quote_text
from callmocks.contract.similar_names import suggest_name
from callmocks.control.problems import ProblemError, format_bytes
from callmocks.control.routing import TENANT, RequestContext, RouteTable
from callmocks.control.tenants import TenantView, describe_tenant
from callmocks.errors import CallmocksError
from callmocks.tenants.registry import TenantConflict
from callmocks.tenants.snapshots import (
    MAX_SNAPSHOT_BYTES,
    MAX_SNAPSHOTS,
    SNAPSHOT_NAME,
    SnapshotInfo,
    SnapshotLimitError,
)


class SnapshotList(msgspec.Struct):
    """The snapshots of a tenant, in the order they were kept."""

    snapshots: list[SnapshotInfo]


_SNAPSHOTS = f"{TENANT}/snapshots"
_SNAPSHOT = f"{_SNAPSHOTS}/{{snapshot}}"
ROUTES = RouteTable()


@ROUTES.add("GET", _SNAPSHOTS, "Snapshots of a tenant", "snapshots_listing")
async def list_snapshots(context: RequestContext) -> SnapshotList:
    return SnapshotList(context.app_context.store.list_snapshots(context.tenant))


@ROUTES.add(
    "PUT",
    _SNAPSHOT,
    "Keep what a tenant holds: pinned calls, faults and what is left of them, choices, clock, "
    "sessions, quotas",
    "snapshots_keep",
    problems={
        409: f"There are {MAX_SNAPSHOTS} others, or all together would have more than "
        f"{format_bytes(MAX_SNAPSHOT_BYTES)}"
    },
)
async def keep_snapshot(context: RequestContext) -> SnapshotInfo:
    name = context.path_part("snapshot")
    if not SNAPSHOT_NAME.fullmatch(name):
        text = f"snapshot {name!r}: use 1 to 64 of a-z, A-Z, 0-9, '.', '_' and '-'"
        raise ProblemError(422, text, where="snapshot")
    try:
        return await context.app_context.store.keep_snapshot(context.tenant, name)
    except SnapshotLimitError as error:
        raise ProblemError(409, str(error)) from None


@ROUTES.add(
    "POST",
    _SNAPSHOT,
    "Restore a snapshot; the journal stays, and nothing is numbered again",
    "snapshots_restore",
    problems={409: "One of the credentials belongs to another tenant now"},
)
async def restore_snapshot(context: RequestContext) -> TenantView:
    tenant = context.tenant
    try:
        await context.app_context.store.restore_snapshot(tenant, context.path_part("snapshot"))
    except KeyError:
        raise _unknown_snapshot(context) from None
    except TenantConflict as error:
        raise ProblemError(409, str(error)) from None
    return await describe_tenant(context, tenant)


@ROUTES.add("DELETE", _SNAPSHOT, "Remove a snapshot", "snapshots_remove")
async def remove_snapshot(context: RequestContext) -> None:
    try:
        await context.app_context.store.remove_snapshot(
            context.tenant, context.path_part("snapshot")
        )
    except KeyError:
        raise _unknown_snapshot(context) from None


def _unknown_snapshot(context: RequestContext) -> CallmocksError:
    name = context.path_part("snapshot")
    kept = [each.name for each in context.app_context.store.list_snapshots(context.tenant)]
    hint = suggest_name(name, kept) if kept else "none has been kept"
    return ProblemError(404, f"no snapshot {quote_text(name)}; {hint}", where="snapshot")
