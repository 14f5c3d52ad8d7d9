"""Tenants over the admin API."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import UNSET, UnsetType
from msgspec.structs import asdict

from callmocks.contract.quoting import quote_text
from callmocks.control.json_struct import ServerMade, doc
from callmocks.control.problems import ProblemError
from callmocks.control.routing import TENANT, RequestContext, RouteTable
from callmocks.history.world import World
from callmocks.history.world_file import is_file, world_names
from callmocks.tenants.contents import check_settings
from callmocks.tenants.registry import TenantConflict
from callmocks.tenants.scenario import (
    ArmLag,
    CdrLag,
    OnecLag,
    RecordsLag,
    TenantName,
    TenantOptions,
)
from callmocks.tenants.settings import ArmSettings, CdrSettings, OnecSettings, TenantSettings
from callmocks.tenants.tenant import Tenant
from callmocks.tenants.worker import run_if_long, yield_turn


class PostedArm(ArmSettings, forbid_unknown_fields=True):
    url: ServerMade = UNSET
    domain: ServerMade = UNSET
    operators: ServerMade = UNSET


class PostedCdr(CdrSettings, forbid_unknown_fields=True):
    url: ServerMade = UNSET


class PostedOnec(OnecSettings, forbid_unknown_fields=True):
    url: ServerMade = UNSET


class NewTenant(TenantOptions, kw_only=True):
    """A tenant to make. What is left out is as ``callmocks serve`` was told for ``demo``.

    Credentials that are left out are the tenant's name, the CDR token ``NAME-token``.
    """

    name: TenantName
    arm_lag: ArmLag | UnsetType = UNSET
    cdr_lag: CdrLag | UnsetType = UNSET
    onec_lag: OnecLag | UnsetType = UNSET
    records_lag: RecordsLag | UnsetType = UNSET
    arm: PostedArm | UnsetType = UNSET
    cdr: PostedCdr | UnsetType = UNSET
    onec: PostedOnec | UnsetType = UNSET
    nobody_seq: ServerMade = UNSET

    def replace_given(self, base: TenantSettings) -> TenantSettings:
        settings = super().replace_given(base)
        chosen = base.assumptions | settings.assumptions
        return msgspec.convert(
            asdict(settings) | {"assumptions": chosen}, TenantSettings, from_attributes=True
        )


class OperatorLogin(msgspec.Struct):
    """An operator's way into the workplace."""

    number: str
    password: str


class ArmAccess(ArmSettings):
    """The workplace of a tenant, and how to reach it."""

    url: str | None = None
    domain: str = ""
    operators: tuple[OperatorLogin, ...] = ()


class CdrAccess(CdrSettings):
    """The Data API of a tenant, and how to reach it."""

    url: str | None = None


class OnecAccess(OnecSettings):
    """The 1C-Connect service of a tenant, and how to reach it."""

    url: str | None = None


class TenantView(msgspec.Struct):
    """A tenant with its settings, and all that a client needs to talk to it as its customer."""

    name: str
    seed: int
    world: Annotated[str | dict[str, Any], doc("Its name or file, or all that it says.")]
    calls_per_day: int | None
    now: str
    timezone: str
    history_from: str
    limits: str
    self_check: bool
    arm_lag: ArmLag
    cdr_lag: CdrLag
    onec_lag: OnecLag
    records_lag: RecordsLag
    assumptions: Annotated[dict[str, str], doc("Choices that it was made with.")]
    arm: ArmAccess
    cdr: CdrAccess
    onec: OnecAccess
    nobody_seq: Annotated[
        int | UnsetType,
        doc("When it is made: number of the newest request without a known tenant, or 0."),
    ] = UNSET


class TenantList(msgspec.Struct):
    """All tenants, oldest first."""

    tenants: list[TenantView]


WORLD_FILES_ALLOWED = web.AppKey("world_files", bool)
"""Whether a new tenant's world may be a file: only this machine can reach the server."""
_MAX_WORLD_BYTES = 1024 * 1024

ROUTES = RouteTable()


@ROUTES.add("GET", "/api/tenants", "All tenants", "tenants_listing", response=TenantList)
async def list_tenants(context: RequestContext) -> dict[str, Any]:
    tenants = []
    for tenant in list(context.registry):
        tenants.append(context.answer.encode(await describe_tenant(context, tenant)))
        await yield_turn()
    return {"tenants": tenants}


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
    if isinstance(new.world, str):
        check_world_file(context, new.world)
    try:
        settings = new.replace_given(context.app_context.defaults).with_defaults()
        is_long = context.is_long or settings.world not in world_names()
        await run_if_long(partial(check_settings, settings), is_long)
        view = await describe_tenant(context, await context.app_context.store.create(settings))
    except TenantConflict as error:
        raise ProblemError(409, str(error), where=f"$.{error.where}") from None
    view.nobody_seq = context.registry.unmatched.journal.last_seq
    return view


def check_world_file(context: RequestContext, world: str) -> None:
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
    raise ProblemError(422, f"world {quote_text(world)}: {text}", where="$.world")


@ROUTES.add("GET", TENANT, "One tenant", "tenants_show")
async def show_tenant(context: RequestContext) -> TenantView:
    return await describe_tenant(context, context.tenant)


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
    return await describe_tenant(context, context.tenant)


async def describe_tenant(context: RequestContext, tenant: Tenant) -> TenantView:
    addresses, settings = context.addresses, tenant.settings
    staff, password = tenant.history.directory.operators, settings.arm.password
    today = tenant.clock.now().date()
    present = [each for each in staff if not each.has_left(today)]
    operators = tuple(OperatorLogin(each.number, password) for each in present)
    return TenantView(
        **asdict(settings)
        | {
            "world": await _describe_world(settings.world),
            "arm": ArmAccess(
                **asdict(settings.arm), url=addresses.arm, domain=tenant.name, operators=operators
            ),
            "cdr": CdrAccess(**asdict(settings.cdr), url=addresses.cdr),
            "onec": OnecAccess(**asdict(settings.onec), url=addresses.onec),
        }
    )


async def _describe_world(world: str | World) -> str | msgspec.Raw:
    if isinstance(world, str):
        return world
    is_long = world.lists_many and not world.has_compact_json
    return await run_if_long(lambda: world.compact_json, is_long)
