"""Faults over the admin API: what kinds there are, which are on, switch on, switch off."""

from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from callmocks.control.field_descriptions import add_field_texts
from callmocks.control.problems import RefusedError
from callmocks.control.routing import Call, Operation
from callmocks.errors import StateError
from callmocks.faults import KINDS, Kind, Scope, Switched

ProviderName = Literal["arm", "cdr", "onec"]
FaultName = Annotated[str, Meta(extra_json_schema={"enum": sorted(KINDS)})]


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


async def kinds(call: Call) -> FaultKinds:
    """All kinds of faults."""
    return FaultKinds([describe(kind) for _, kind in sorted(KINDS.items())])


@cache
def describe_params(kind: Kind) -> dict[str, Any]:
    """JSON schema of a kind's parameters."""
    _, components = msgspec.json.schema_components([kind.shape])
    schema: dict[str, Any] = components[kind.shape.__name__]
    add_field_texts(schema, kind.shape)
    return schema


def describe(kind: Kind) -> FaultKind:
    """A kind as the admin API shows it."""
    return FaultKind(
        kind.name,
        kind.summary,
        list(kind.providers),
        list(kind.transports),
        kind.breaks_contract,
        describe_params(kind),
    )


async def listing(call: Call) -> FaultList:
    """The faults that are on."""
    on = call.tenant.faults.listing()
    for switched in on:
        await switched.refresh()
    return FaultList([view(switched) for switched in on])


async def switch_on(call: Call) -> FaultView:
    """Switch a fault on."""
    wish: NewFault = call.body
    scope = Scope(wish.operation, wish.skip, wish.times, wish.probability)
    return view(
        await call.change(
            lambda tenant: tenant.faults.switch_on(wish.provider, wish.fault, wish.params, scope)
        )
    )


async def switch_off(call: Call) -> None:
    """Switch one fault off."""
    name = call.part("fault")
    try:
        switched = await call.change(lambda tenant: tenant.faults.switch_off(name))
    except KeyError:
        raise RefusedError(404, f"no fault {name!r}", where="fault") from None
    await _forget([switched])


async def switch_all_off(call: Call) -> None:
    """Switch all faults off."""
    await _forget(await call.change(lambda tenant: tenant.faults.clear()))


async def _forget(were_on: Sequence[Switched]) -> None:
    """Let go of what was counted; what cannot be reached goes with the tenant."""
    with suppress(StateError):
        for switched in were_on:
            await switched.forget()


def view(switched: Switched) -> FaultView:
    """A fault as the admin API shows it."""
    scope = switched.scope
    return FaultView(
        id=switched.id,
        provider=switched.provider,  # type: ignore[arg-type]
        fault=switched.kind.name,
        params=msgspec.to_builtins(switched.fault),
        operation=scope.operation,
        skip=scope.skip,
        times=scope.times,
        probability=scope.probability,
        breaks_contract=switched.kind.breaks_contract,
        met=switched.met,
        applied=switched.applied,
    )


_FAULTS = "/api/tenants/{tenant}/faults"

OPERATIONS = [
    Operation("GET", "/api/faults", "All kinds of faults", kinds, answer=FaultKinds),
    Operation("GET", _FAULTS, "The faults that are on", listing, answer=FaultList),
    Operation(
        "POST", _FAULTS, "Switch a fault on", switch_on, body=NewFault, answer=FaultView, status=201
    ),
    Operation("DELETE", _FAULTS, "Switch all faults off", switch_all_off, status=204),
    Operation("DELETE", f"{_FAULTS}/{{fault}}", "Switch one fault off", switch_off, status=204),
]
