"""Tenants over the admin API."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import asdict, replace

from callmocks.control.json_struct import Natural, doc
from callmocks.control.problems import ProblemError
from callmocks.control.routing import TENANT, RequestContext, RouteTable
from callmocks.history.arrival import Lag
from callmocks.history.world_file import is_file, world_names
from callmocks.tenants.registry import TenantConflict
from callmocks.tenants.settings import TENANT_NAME, ArmSettings, CdrSettings, OnecSettings
from callmocks.tenants.tenant import Tenant


class NewTenant(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A tenant to make. What is left out is as ``callmocks serve`` was told for ``demo``.

    Credentials that are left out are the tenant's name, the CDR token ``NAME-token``.
    """

    name: Annotated[str, doc("Its ARM domain too.", pattern=f"^{TENANT_NAME.pattern}$")]
    seed: Annotated[
        Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | UnsetType,
        doc("Tenants of equal seed, world and size hold equal calls."),
    ] = UNSET
    world: Annotated[
        str | UnsetType, doc("The name of a world, or a world file on the server's machine.")
    ] = UNSET
    calls_per_day: Annotated[
        Natural | UnsetType | None, doc("Mean of a weekday; null: as the world says.")
    ] = UNSET
    now: Annotated[
        str | UnsetType,
        doc(
            "``real``, or a wall time such as ``2026-03-02T12:00:00`` at which the clock is frozen."
        ),
    ] = UNSET
    timezone: str | UnsetType = UNSET
    history_from: str | UnsetType = UNSET
    limits: Literal["documented", "off"] | UnsetType = UNSET
    arm_lag: Annotated[
        Lag | UnsetType, doc("Seconds from the end of a call to its row in the ARM.")
    ] = UNSET
    cdr_lag: Annotated[Lag | UnsetType, doc("The same for the Data API.")] = UNSET
    onec_lag: Annotated[Lag | UnsetType, doc("The same for 1C-Connect.")] = UNSET
    records_lag: Annotated[
        Lag | UnsetType, doc("Seconds from the row of a call to its record and the audio.")
    ] = UNSET
    assumptions: Annotated[dict[str, str] | UnsetType, doc("Choices by id of the ledger.")] = UNSET
    arm: ArmSettings | UnsetType = UNSET
    cdr: CdrSettings | UnsetType = UNSET
    onec: OnecSettings | UnsetType = UNSET


class OperatorLogin(msgspec.Struct):
    """An operator's way into the workplace."""

    number: str
    password: str


class ArmAccess(msgspec.Struct):
    """How to reach the workplace of a tenant."""

    url: str | None
    domain: str
    operators: list[OperatorLogin]


class CdrAccess(msgspec.Struct):
    """How to reach the Data API of a tenant."""

    url: str | None
    login: str
    password: str
    token: str


class OnecAccess(msgspec.Struct):
    """How to reach the 1C-Connect service of a tenant."""

    url: str | None
    user: str
    password: str


class TenantView(msgspec.Struct):
    """A tenant and everything a client needs to talk to it as its customer."""

    name: str
    seed: int
    world: str
    limits: str
    arm: ArmAccess
    cdr: CdrAccess
    onec: OnecAccess


class TenantList(msgspec.Struct):
    """All tenants, oldest first."""

    tenants: list[TenantView]


WORLD_FILES_ALLOWED = web.AppKey("world_files", bool)
"""Whether a new tenant's world may be a file: only this machine can reach the server."""
_MAX_WORLD_BYTES = 1024 * 1024

ROUTES = RouteTable()


@ROUTES.add("GET", "/api/tenants", "All tenants", "tenants_listing")
async def list_tenants(context: RequestContext) -> TenantList:
    return TenantList([describe_tenant(context, tenant) for tenant in context.registry])


@ROUTES.add(
    "POST",
    "/api/tenants",
    "Make a tenant",
    "tenants_create",
    body=NewTenant,
    status=201,
    problems={409: "The name or one of the credentials belongs to another tenant"},
)
async def create_tenant(context: RequestContext) -> TenantView:
    new: NewTenant = context.body
    if new.world is not UNSET:
        _check_world(context, new.world)
    try:
        given = {name: value for name, value in asdict(new).items() if value is not UNSET}
        defaults = context.app_context.defaults
        if "assumptions" in given:
            given["assumptions"] = defaults.assumptions | given["assumptions"]
        settings = replace(defaults, **given)
        return describe_tenant(context, await context.app_context.store.create(settings))
    except TenantConflict as error:
        raise ProblemError(409, str(error), where="$.name") from None


def _check_world(context: RequestContext, world: str) -> None:
    """A name is always allowed, a file only where its author can read it anyway."""
    if world in world_names() or world == context.app_context.defaults.world:
        return
    names, path = ", ".join(world_names()), Path(world)
    if not context.request.app.get(WORLD_FILES_ALLOWED, True):
        text = f"none of {names}; files are opened only for clients on this machine"
    elif path.suffix != ".toml" or not is_file(path) or path.stat().st_size > _MAX_WORLD_BYTES:
        text = f"neither a .toml file nor one of {names}"
    else:
        return
    raise ProblemError(422, f"world {world!r}: {text}", where="$.world")


@ROUTES.add("GET", TENANT, "One tenant", "tenants_show")
async def show_tenant(context: RequestContext) -> TenantView:
    return describe_tenant(context, context.tenant)


@ROUTES.add("DELETE", TENANT, "Take a tenant away", "tenants_delete")
async def delete_tenant(context: RequestContext) -> None:
    await context.app_context.store.delete(context.tenant)


@ROUTES.add(
    "POST",
    f"{TENANT}/reset",
    "Back to its first state: clock, choices, faults, sessions, limits, journal, pinned calls",
    "tenants_reset",
)
async def reset_tenant(context: RequestContext) -> TenantView:
    await context.app_context.store.reset(context.tenant)
    return describe_tenant(context, context.tenant)


def describe_tenant(context: RequestContext, tenant: Tenant) -> TenantView:
    addresses, settings = context.addresses, tenant.settings
    staff, password = tenant.history.directory.operators, settings.arm.password
    today = tenant.clock.now().date()
    operators = [OperatorLogin(each.number, password) for each in staff if not each.has_left(today)]
    return TenantView(
        name=tenant.name,
        seed=settings.seed,
        world=settings.world,
        limits=settings.limits,
        arm=ArmAccess(addresses.arm, tenant.name, operators),
        cdr=CdrAccess(addresses.cdr, settings.cdr.login, settings.cdr.password, settings.cdr.token),
        onec=OnecAccess(addresses.onec, settings.onec.user, settings.onec.password),
    )
