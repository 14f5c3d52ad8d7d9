"""Faults over the admin API: what kinds there are, which are on, switch on, switch off."""

from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from callmocks.config.types import ProviderName
from callmocks.control.openapi import put_descriptions_last
from callmocks.control.problems import ProblemError
from callmocks.control.routing import RequestContext, Route
from callmocks.errors import StateError
from callmocks.faults import ActiveFault, FaultScope, FaultType
from callmocks.server.providers import FAULT_TYPES

FaultName = Annotated[str, Meta(extra_json_schema={"enum": sorted(FAULT_TYPES)})]


class FaultKind(msgspec.Struct):
    """A kind of fault."""

    fault: Annotated[str, Meta(description="The name it is switched on by.")]
    summary: str
    providers: list[str]
    transports: Annotated[
        list[str], Meta(description="``http``, ``frame`` (the workplace's websocket), or both.")
    ]
    breaks_contract: Annotated[
        bool, Meta(description="An answer with it is one the contract does not allow.")
    ]
    params: Annotated[dict[str, Any], Meta(description="JSON schema of its parameters.")]


class FaultKinds(msgspec.Struct):
    """All kinds of faults."""

    faults: list[FaultKind]


class NewFault(msgspec.Struct, forbid_unknown_fields=True):
    """A fault to switch on, and for which exchanges."""

    provider: ProviderName
    fault: Annotated[FaultName, Meta(description="One of ``GET /api/faults``.")]
    params: Annotated[dict[str, Any], Meta(description="As the kind's schema says.")] = {}
    operation: Annotated[
        str | None,
        Meta(
            description="Only requests for this operation, by the name the journal shows; "
            "without it, all."
        ),
    ] = None
    skip: Annotated[int, Meta(ge=0, description="So many matching requests pass first.")] = 0
    times: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(
            description="It applies so many times and then rests; without it, until it is removed."
        ),
    ] = None
    probability: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="Chance of each matching request after those skipped; seeded, the same "
            "in every run.",
        ),
    ] = 1.0


class FaultView(msgspec.Struct):
    """A fault that is on."""

    id: str
    provider: ProviderName
    fault: str
    params: Annotated[
        dict[str, Any], Meta(description="All parameters, those left out with their defaults.")
    ]
    operation: str | None
    skip: int
    times: int | None
    probability: float
    breaks_contract: bool
    met: Annotated[int, Meta(description="Matching requests so far.")]
    applied: Annotated[int, Meta(description="Answers it changed.")]


class FaultList(msgspec.Struct):
    """The faults that are on, in the order they were switched on."""

    faults: list[FaultView]


async def list_fault_types(context: RequestContext) -> FaultKinds:
    return FaultKinds([describe_fault_type(kind) for _, kind in sorted(FAULT_TYPES.items())])


@cache
def describe_params(fault_type: FaultType) -> dict[str, Any]:
    _, components = msgspec.json.schema_components([fault_type.model])
    name = fault_type.model.__name__
    return put_descriptions_last(components[name] | {"title": name.removesuffix("Fault")})


def describe_fault_type(fault_type: FaultType) -> FaultKind:
    return FaultKind(
        fault_type.model.fault_name,
        fault_type.model.summary(),
        list(fault_type.providers),
        list(fault_type.model.transports),
        fault_type.model.breaks_contract,
        describe_params(fault_type),
    )


async def list_faults(context: RequestContext) -> FaultList:
    faults = context.tenant.faults.list_active()
    for fault in faults:
        await fault.refresh()
    return FaultList([describe_fault(fault) for fault in faults])


async def enable_fault(context: RequestContext) -> FaultView:
    new: NewFault = context.body
    scope = FaultScope(new.operation, new.skip, new.times, new.probability)
    active = await context.change_tenant(
        lambda tenant: tenant.faults.enable(new.provider, new.fault, new.params, scope)
    )
    return describe_fault(active)


async def disable_fault(context: RequestContext) -> None:
    name = context.path_part("fault")
    try:
        disabled = await context.change_tenant(lambda tenant: tenant.faults.disable(name))
    except KeyError:
        raise ProblemError(404, f"no fault {name!r}", where="fault") from None
    await _forget_counters([disabled])


async def disable_all_faults(context: RequestContext) -> None:
    await _forget_counters(await context.change_tenant(lambda tenant: tenant.faults.disable_all()))


async def _forget_counters(disabled: Sequence[ActiveFault]) -> None:
    with suppress(StateError):  # what cannot be reached is deleted with the tenant
        for fault in disabled:
            await fault.delete_counters()


def describe_fault(active: ActiveFault) -> FaultView:
    scope = active.scope
    return FaultView(
        id=active.id,
        provider=active.provider,  # type: ignore[arg-type]
        fault=active.fault.fault_name,
        params=msgspec.to_builtins(active.fault),
        operation=scope.operation,
        skip=scope.skip,
        times=scope.times,
        probability=scope.probability,
        breaks_contract=active.fault.breaks_contract,
        met=active.matched_count,
        applied=active.applied_count,
    )


_FAULTS = "/api/tenants/{tenant}/faults"

ROUTES = [
    Route(
        "GET",
        "/api/faults",
        "All kinds of faults",
        list_fault_types,
        "faults_kinds",
        response=FaultKinds,
    ),
    Route(
        "GET", _FAULTS, "The faults that are on", list_faults, "faults_listing", response=FaultList
    ),
    Route(
        "POST",
        _FAULTS,
        "Switch a fault on",
        enable_fault,
        "faults_switch_on",
        body=NewFault,
        response=FaultView,
        status=201,
    ),
    Route(
        "DELETE",
        _FAULTS,
        "Switch all faults off",
        disable_all_faults,
        "faults_switch_all_off",
        status=204,
    ),
    Route(
        "DELETE",
        f"{_FAULTS}/{{fault}}",
        "Switch one fault off",
        disable_fault,
        "faults_switch_off",
        status=204,
    ),
]
