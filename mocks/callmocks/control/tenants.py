"""Tenants over the admin API: make one, look at it, reset it, take it away."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, UnsetType

from callmocks.control.problems import RefusedError
from callmocks.control.routing import Call, Operation
from callmocks.history.world import world_names
from callmocks.tenants.registry import Taken
from callmocks.tenants.settings import NAME, ArmSettings, CdrSettings, OnecSettings, TenantSettings
from callmocks.tenants.tenant import Tenant


class NewTenant(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A tenant to make. What is left out is as ``callmocks serve`` was told for ``demo``.

    Credentials that are left out are the tenant's name, the CDR token ``NAME-token``.
    """

    name: Annotated[str, Meta(pattern=f"^{NAME.pattern}$")]
    """Its ARM domain too."""
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | UnsetType = UNSET
    """Tenants of equal seed, world and size hold equal calls."""
    world: str | UnsetType = UNSET
    """The name of a world, or a world file on the server's machine."""
    calls_per_day: Annotated[int, Meta(ge=0)] | UnsetType | None = UNSET
    """Mean of a weekday; null: as the world says."""
    now: str | UnsetType = UNSET
    """``real``, or a wall time such as ``2026-03-02T12:00:00`` at which the clock is frozen."""
    timezone: str | UnsetType = UNSET
    history_from: str | UnsetType = UNSET
    limits: Literal["documented", "off"] | UnsetType = UNSET
    assumptions: dict[str, str] | UnsetType = UNSET
    """Choices by id of the ledger."""
    arm: ArmSettings | UnsetType = UNSET
    cdr: CdrSettings | UnsetType = UNSET
    onec: OnecSettings | UnsetType = UNSET

    def settings(self, defaults: TenantSettings) -> TenantSettings:
        """Whole settings."""
        said = {
            name: value
            for name, value in msgspec.structs.asdict(self).items()
            if value is not UNSET
        }
        return msgspec.structs.replace(defaults, **said)


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


WORLD_FILES = web.AppKey("world_files", bool)
"""Whether a new tenant's world may be a file: only this machine can reach the suite."""
_WORLD_BYTES = 1024 * 1024


async def create(call: Call) -> TenantView:
    """Make a tenant."""
    wish: NewTenant = call.body
    if wish.world is not UNSET:
        _check_world(call, wish.world)
    try:
        settings = wish.settings(call.desk.defaults)
        return view(call, await call.desk.changes.create(settings))
    except Taken as taken:
        raise RefusedError(409, str(taken), where="$.name") from None


def _check_world(call: Call, world: str) -> None:
    """A name is always good; a file only where whoever asks can read it himself."""
    if world in world_names() or world == call.desk.defaults.world:
        return
    if not call.request.app.get(WORLD_FILES, True):
        known = ", ".join(world_names())
        text = f"world {world!r}: none of {known}; files are opened for nobody but this machine"
        raise RefusedError(422, text, where="$.world")
    path = Path(world)
    if path.suffix != ".toml" or not path.is_file() or path.stat().st_size > _WORLD_BYTES:
        known = ", ".join(world_names())
        text = f"world {world!r}: neither a .toml file nor one of {known}"
        raise RefusedError(422, text, where="$.world")


async def show(call: Call) -> TenantView:
    """One tenant."""
    return view(call, call.tenant)


async def reset(call: Call) -> TenantView:
    """Back to its first state."""
    await call.desk.changes.reset(call.tenant)
    return view(call, call.tenant)


async def delete(call: Call) -> None:
    """Take a tenant away with everything it has."""
    await call.desk.changes.delete(call.tenant)


async def listing(call: Call) -> TenantList:
    """All tenants."""
    return TenantList([view(call, tenant) for tenant in call.registry])


def view(call: Call, tenant: Tenant) -> TenantView:
    """A tenant as the admin API shows it."""
    addresses, settings = call.addresses, tenant.settings
    operators = [
        OperatorLogin(operator.number, settings.arm.password)
        for operator in tenant.history.cast.operators
        if not operator.deleted
    ]
    return TenantView(
        name=tenant.name,
        seed=settings.seed,
        world=settings.world,
        limits=settings.limits,
        arm=ArmAccess(addresses.arm, tenant.name, operators),
        cdr=CdrAccess(addresses.cdr, settings.cdr.login, settings.cdr.password, settings.cdr.token),
        onec=OnecAccess(addresses.onec, settings.onec.user, settings.onec.password),
    )


OPERATIONS = [
    Operation("GET", "/api/tenants", "All tenants", listing, answer=TenantList),
    Operation(
        "POST",
        "/api/tenants",
        "Make a tenant",
        create,
        body=NewTenant,
        answer=TenantView,
        status=201,
        refusals={409: "The name or one of the credentials belongs to another tenant"},
    ),
    Operation("GET", "/api/tenants/{tenant}", "One tenant", show, answer=TenantView),
    Operation("DELETE", "/api/tenants/{tenant}", "Take a tenant away", delete, status=204),
    Operation(
        "POST",
        "/api/tenants/{tenant}/reset",
        "Back to its first state: clock, choices, faults, sessions, limits, journal, pinned calls",
        reset,
        answer=TenantView,
    ),
]
