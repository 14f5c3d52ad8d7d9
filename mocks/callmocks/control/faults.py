"""Faults over the admin API: what kinds there are, which are on, switch on, switch off."""

from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from callmocks.control.field_descriptions import add_field_descriptions
from callmocks.control.problems import ProblemError
from callmocks.control.routing import ApiOperation, RequestContext
from callmocks.errors import StateError
from callmocks.faults import FAULT_TYPES, ActiveFault, FaultScope, FaultType

ProviderName = Literal["arm", "cdr", "onec"]
FaultName = Annotated[str, Meta(extra_json_schema={"enum": sorted(FAULT_TYPES)})]


class FaultKind(msgspec.Struct):
    """A kind of fault."""

    fault: str
    """The name it is switched on by."""
    summary: str
    providers: list[str]
    transports: list[str]
    """``http``, ``frame`` (the workplace's websocket), or both."""
    breaks_contract: bool
    """An answer with it is one the contract does not allow."""
    params: dict[str, Any]
    """JSON schema of its parameters."""


class FaultKinds(msgspec.Struct):
    """All kinds of faults."""

    faults: list[FaultKind]


class NewFault(msgspec.Struct, forbid_unknown_fields=True):
    """A fault to switch on, and for which exchanges."""

    provider: ProviderName
    fault: FaultName
    """One of ``GET /api/faults``."""
    params: dict[str, Any] = {}
    """As the kind's schema says."""
    operation: str | None = None
    """Only requests for this operation, by the name the journal shows; without it, all."""
    skip: Annotated[int, Meta(ge=0)] = 0
    """So many matching requests pass first."""
    times: Annotated[int, Meta(ge=0)] | None = None
    """It applies so many times and then rests; without it, until it is removed."""
    probability: Annotated[float, Meta(ge=0, le=1)] = 1.0
    """Chance of each matching request after those skipped; seeded, the same in every run."""


class FaultView(msgspec.Struct):
    """A fault that is on."""

    id: str
    provider: ProviderName
    fault: str
    params: dict[str, Any]
    """All parameters, those left out with their defaults."""
    operation: str | None
    skip: int
    times: int | None
    probability: float
    breaks_contract: bool
    met: int
    """Matching requests so far."""
    applied: int
    """Answers it changed."""


class FaultList(msgspec.Struct):
    """The faults that are on, in the order they were switched on."""

    faults: list[FaultView]


async def list_fault_types(context: RequestContext) -> FaultKinds:
    """All kinds of faults."""
    return FaultKinds([describe_fault_type(kind) for _, kind in sorted(FAULT_TYPES.items())])


@cache
def describe_params(fault_type: FaultType) -> dict[str, Any]:
    """JSON schema of a kind's parameters."""
    _, components = msgspec.json.schema_components([fault_type.model])
    schema: dict[str, Any] = components[fault_type.model.__name__]
    add_field_descriptions(schema, fault_type.model)
    return schema


def describe_fault_type(fault_type: FaultType) -> FaultKind:
    """A kind as the admin API shows it."""
    return FaultKind(
        fault_type.name,
        fault_type.summary,
        list(fault_type.providers),
        list(fault_type.transports),
        fault_type.breaks_contract,
        describe_params(fault_type),
    )


async def list_faults(context: RequestContext) -> FaultList:
    """The faults that are on."""
    on = context.tenant.faults.list_active()
    for switched in on:
        await switched.refresh()
    return FaultList([describe_fault(switched) for switched in on])


async def enable_fault(context: RequestContext) -> FaultView:
    """Switch a fault on."""
    wish: NewFault = context.body
    scope = FaultScope(wish.operation, wish.skip, wish.times, wish.probability)
    return describe_fault(
        await context.change_tenant(
            lambda tenant: tenant.faults.enable(wish.provider, wish.fault, wish.params, scope)
        )
    )


async def disable_fault(context: RequestContext) -> None:
    """Switch one fault off."""
    name = context.path_part("fault")
    try:
        switched = await context.change_tenant(lambda tenant: tenant.faults.disable(name))
    except KeyError:
        raise ProblemError(404, f"no fault {name!r}", where="fault") from None
    await _forget_counters([switched])


async def disable_all_faults(context: RequestContext) -> None:
    """Switch all faults off."""
    await _forget_counters(await context.change_tenant(lambda tenant: tenant.faults.disable_all()))


async def _forget_counters(disabled: Sequence[ActiveFault]) -> None:
    """Let go of what was counted; what cannot be reached goes with the tenant."""
    with suppress(StateError):
        for switched in disabled:
            await switched.delete_counters()


def describe_fault(active: ActiveFault) -> FaultView:
    """A fault as the admin API shows it."""
    scope = active.scope
    return FaultView(
        id=active.id,
        provider=active.provider,  # type: ignore[arg-type]
        fault=active.fault_type.name,
        params=msgspec.to_builtins(active.fault),
        operation=scope.operation,
        skip=scope.skip,
        times=scope.times,
        probability=scope.probability,
        breaks_contract=active.fault_type.breaks_contract,
        met=active.matched_count,
        applied=active.applied_count,
    )


_FAULTS = "/api/tenants/{tenant}/faults"

OPERATIONS = [
    ApiOperation(
        "GET", "/api/faults", "All kinds of faults", list_fault_types, response=FaultKinds
    ),
    ApiOperation("GET", _FAULTS, "The faults that are on", list_faults, response=FaultList),
    ApiOperation(
        "POST",
        _FAULTS,
        "Switch a fault on",
        enable_fault,
        body=NewFault,
        response=FaultView,
        status=201,
    ),
    ApiOperation("DELETE", _FAULTS, "Switch all faults off", disable_all_faults, status=204),
    ApiOperation(
        "DELETE", f"{_FAULTS}/{{fault}}", "Switch one fault off", disable_fault, status=204
    ),
]
