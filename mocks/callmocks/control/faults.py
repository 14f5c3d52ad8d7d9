"""Faults over the admin API: what kinds there are, which are on, switch on, switch off."""

from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta

from callmocks.config.types import ProviderName
from callmocks.control.json_struct import ServerMade, doc, schema_components
from callmocks.control.openapi import put_descriptions_last
from callmocks.control.problems import ProblemError
from callmocks.control.routing import TENANT, RequestContext, RouteTable
from callmocks.errors import StateError
from callmocks.faults.active import ActiveFault
from callmocks.faults.base import FaultError, FaultType
from callmocks.server.providers import FAULT_TYPES
from callmocks.tenants.scenario import FaultSetting
from callmocks.tenants.worker import PieceTimer

FaultName = Annotated[str, Meta(max_length=100, extra_json_schema={"enum": sorted(FAULT_TYPES)})]


class FaultKind(msgspec.Struct):
    """A kind of fault."""

    fault: Annotated[str, doc("The name it is switched on by.")]
    summary: str
    providers: list[str]
    transports: Annotated[
        list[str],
        doc(
            "``http``, ``frame`` (of the workplace's websocket), ``upgrade`` (the request that "
            "opens it), ``connection`` (the open websocket itself)."
        ),
    ]
    breaks_contract: Annotated[bool, doc("An answer with it is one the contract does not allow.")]
    params: Annotated[dict[str, Any], doc("JSON schema of its parameters.")]


class FaultKinds(msgspec.Struct):
    """All kinds of faults."""

    faults: list[FaultKind]


class NewFault(FaultSetting, kw_only=True):
    """A fault to switch on, and for which exchanges."""

    provider: ProviderName
    fault: Annotated[FaultName, doc("One of ``GET /api/faults``.")]
    id: ServerMade = UNSET
    breaks_contract: ServerMade = UNSET
    met: ServerMade = UNSET
    applied: ServerMade = UNSET


class FaultView(msgspec.Struct):
    """A fault that is on."""

    id: str
    provider: ProviderName
    fault: str
    params: Annotated[dict[str, Any], doc("All parameters, those left out with their defaults.")]
    operation: str | None
    skip: int
    times: int | None
    probability: float
    unlisted: bool
    breaks_contract: bool
    met: Annotated[int, doc("Matching requests so far.")]
    applied: Annotated[int, doc("Answers it changed.")]


class FaultList(msgspec.Struct):
    """The faults that are on, in the order they were switched on."""

    faults: list[FaultView]


class FaultPieces(msgspec.Struct):
    """A ``FaultList`` whose faults are encoded."""

    faults: list[msgspec.Raw]


_FAULTS = f"{TENANT}/faults"
ROUTES = RouteTable()


@ROUTES.add("GET", "/api/faults", "All kinds of faults", "faults_kinds")
async def list_fault_types(context: RequestContext) -> FaultKinds:
    return FaultKinds([describe_fault_type(kind) for _, kind in sorted(FAULT_TYPES.items())])


@cache
def describe_params(fault_type: FaultType) -> dict[str, Any]:
    _, components = schema_components([fault_type.model])
    name = fault_type.model.__name__
    return put_descriptions_last(components[name] | {"title": name.removesuffix("Fault")})


def describe_fault_type(fault_type: FaultType) -> FaultKind:
    model = fault_type.model
    return FaultKind(
        fault=model.fault_name,
        summary=model.summary(),
        providers=list(fault_type.providers),
        transports=list(model.transports),
        breaks_contract=model.breaks_contract,
        params=describe_params(fault_type),
    )


@ROUTES.add("GET", _FAULTS, "The faults that are on", "faults_listing", response=FaultList)
async def list_faults(context: RequestContext) -> FaultPieces:
    described, timer = [], PieceTimer()
    for fault in context.tenant.faults.list_active():
        await fault.refresh()
        described.append(context.answer.encode(describe_fault(fault)))
        await timer.yield_when_due()
    return FaultPieces(described)


@ROUTES.add("POST", _FAULTS, "Switch a fault on", "faults_switch_on", body=NewFault, status=201)
async def enable_fault(context: RequestContext) -> FaultView:
    new: NewFault = context.body
    try:
        active = await context.change_tenant(
            lambda tenant: tenant.faults.enable(new.provider, new.fault, new.params, new.scope)
        )
    except FaultError as error:
        raise ProblemError(422, str(error), where=f"$.{error.where}") from None
    return describe_fault(active)


@ROUTES.add("DELETE", _FAULTS, "Switch all faults off", "faults_switch_all_off")
async def disable_all_faults(context: RequestContext) -> None:
    await _forget_counters(await context.change_tenant(lambda tenant: tenant.faults.disable_all()))


@ROUTES.add("DELETE", f"{_FAULTS}/{{fault}}", "Switch one fault off", "faults_switch_off")
async def disable_fault(context: RequestContext) -> None:
    name = context.path_part("fault")
    try:
        disabled = await context.change_tenant(lambda tenant: tenant.faults.disable(name))
    except KeyError:
        raise ProblemError(404, f"no fault {name!r}", where="fault") from None
    await _forget_counters([disabled])


async def _forget_counters(disabled: Sequence[ActiveFault]) -> None:
    with suppress(StateError):  # what cannot be reached is deleted with the tenant
        for fault in disabled:
            await fault.delete_counters()


def describe_fault(active: ActiveFault) -> FaultView:
    return FaultView(
        id=active.id,
        provider=active.provider,  # type: ignore[arg-type]
        fault=active.fault.fault_name,
        params=msgspec.to_builtins(active.fault),
        **msgspec.structs.asdict(active.scope),
        breaks_contract=active.fault.breaks_contract,
        met=active.matched_count,
        applied=active.applied_count,
    )
