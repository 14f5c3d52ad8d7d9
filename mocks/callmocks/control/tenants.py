"""Tenants over the admin API: make one, look at it, reset it, take it away."""

import msgspec

from callmocks.control.problems import RefusedError
from callmocks.control.route import Call, Operation
from callmocks.tenancy.registry import Taken
from callmocks.tenancy.settings import TenantSettings
from callmocks.tenancy.tenant import Tenant


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


async def create(call: Call) -> TenantView:
    """Make a tenant."""
    try:
        return view(call, call.registry.create(call.body))
    except Taken as taken:
        raise RefusedError(409, str(taken)) from None


async def listing(call: Call) -> TenantList:
    """All tenants."""
    return TenantList([view(call, tenant) for tenant in call.registry])


def view(call: Call, tenant: Tenant) -> TenantView:
    """A tenant as the admin API shows it."""
    addresses, settings = call.desk.addresses, tenant.settings
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
        body=TenantSettings,
        answer=TenantView,
        status=201,
        refusals={409: "The name or one of the credentials belongs to another tenant"},
    ),
]
