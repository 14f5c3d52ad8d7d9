"""Everything a tenant holds, as a document: what scenario files say and exports write."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Meta, UnsetType

from callmocks.contract.quoting import shorten_text
from callmocks.errors import SettingsError
from callmocks.faults.active import MAX_ACTIVE_FAULTS, FaultScope, OperationName
from callmocks.faults.base import MAX_COUNT, MAX_MEMBERS, Count
from callmocks.history.ids import PINS_PER_DAY
from callmocks.history.lags import Lag
from callmocks.history.pin_resolution import PinnedCall
from callmocks.history.world import CALLS_PER_DAY_MAX, World
from callmocks.tenants.settings import (
    TENANT_NAME,
    ArmSettings,
    CdrSettings,
    Choices,
    OnecSettings,
    TenantSettings,
)

TenantName = Annotated[
    str, Meta(description="Its ARM domain too.", pattern=f"^{TENANT_NAME.pattern}$")
]
ClockMode = Literal["real", "frozen", "offset"]
WallTime = Annotated[str, Meta(extra_json_schema={"examples": ["2026-03-02T12:00:00"]})]
"""A tenant's wall time, without a zone."""


MAX_MISTAKES = 50  # that one error lists; others are found when those are gone


class Mistake(NamedTuple):
    path: str  # such as `calls[0].operator`; empty for the whole
    reason: str
    source: str = ""  # the file

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.source, shorten_text(self.path), self.reason)))


class ScenarioError(SettingsError):
    """Everything that is wrong with a scenario, each with its place."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__("; ".join(map(str, mistakes)))
        self.mistakes = mistakes

    def put_within(self, path: str, source: str = "") -> ScenarioError:
        """The same, of a document in which this one stands at ``path``."""
        return ScenarioError(
            [
                Mistake(".".join(filter(None, (path, each.path))), each.reason, source)
                for each in self.mistakes
            ]
        )


class ScenarioTable(msgspec.Struct, forbid_unknown_fields=True):
    pass


class ClockState(ScenarioTable, kw_only=True):
    """How a clock goes on: ``now`` alone freezes it, ``mode = "real"`` releases it."""

    now: Annotated[
        WallTime | None,
        Meta(description="A wall time such as ``2026-03-02T12:00:00``; else what it shows."),
    ] = None
    mode: Annotated[
        ClockMode | None,
        Meta(description="When left out: ``offset`` if a speed is given, otherwise ``frozen``."),
    ] = None
    speed: Annotated[
        Annotated[float, Meta(gt=0, le=86_400)] | None,
        Meta(description="Wall seconds a second, for ``offset``; 1 when left out."),
    ] = None


class FaultSetting(ScenarioTable, kw_only=True):
    """A fault to switch on, and for which exchanges."""

    provider: Annotated[str, Meta(max_length=100)]
    fault: Annotated[str, Meta(max_length=100, description="One of ``GET /api/faults``.")]
    params: Annotated[dict[str, Any], Meta(description="As the kind's schema says.")] = {}
    operation: Annotated[
        OperationName | None,
        Meta(
            description="Only requests for this operation, by the name the journal shows; without "
            "it, all."
        ),
    ] = None
    skip: Annotated[Count, Meta(description="So many matching requests pass first.")] = 0
    times: Annotated[
        Count | None,
        Meta(
            description="It applies so many times and then rests; without it, until it is removed."
        ),
    ] = None
    probability: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="Chance of each matching request after those skipped; seeded, the same in "
            "every run.",
        ),
    ] = 1.0

    unlisted: Annotated[
        bool, Meta(description="The operation may be one that the contract does not have.")
    ] = False

    @property
    def scope(self) -> FaultScope:
        return msgspec.convert(self, FaultScope, from_attributes=True)


class FaultState(FaultSetting, kw_only=True):
    """A fault that is on, with what has happened so far."""

    number: Annotated[
        Annotated[int, Meta(ge=1, le=MAX_COUNT)] | None,
        Meta(description="Its id without the f; the next one when it is left out."),
    ] = None
    met: Annotated[Count, Meta(description="Matching requests so far.")] = 0
    applied: Annotated[Count, Meta(description="Answers it changed so far.")] = 0
    members: Annotated[
        list[Annotated[str, Meta(pattern="^[0-9a-f]{32}$", max_length=32)]],
        Meta(
            max_length=MAX_MEMBERS,
            description="Hashes of what it has been applied to for good, such as tokens.",
        ),
    ] = []


ArmLag = Annotated[Lag, Meta(description="Seconds from the end of a call to its row in the ARM.")]
CdrLag = Annotated[Lag, Meta(description="The same for the Data API.")]
OnecLag = Annotated[Lag, Meta(description="The same for 1C-Connect.")]
RecordsLag = Annotated[
    Lag, Meta(description="Seconds from the row of a call to its record and the audio.")
]


class TenantLags(ScenarioTable, kw_only=True):
    """When rows and records appear."""

    arm_lag: ArmLag = 0
    cdr_lag: CdrLag = 0
    onec_lag: OnecLag = 0
    records_lag: RecordsLag = 0


class TenantOptions(ScenarioTable, kw_only=True):
    """What a tenant can be made from; what is left out is as ``callmocks serve`` was told."""

    name: TenantName | UnsetType = UNSET
    seed: Annotated[
        Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | UnsetType,
        Meta(description="Tenants of equal seed, world and size hold equal calls."),
    ] = UNSET
    world: Annotated[
        str | World | UnsetType,
        Meta(
            description="The name of a world, a world file on the server's machine, or all that "
            "such a file says."
        ),
    ] = UNSET
    calls_per_day: Annotated[
        Annotated[int, Meta(ge=0, le=CALLS_PER_DAY_MAX)] | UnsetType | None,
        Meta(description="Mean of a weekday; null: as the world says."),
    ] = UNSET
    now: Annotated[
        str | UnsetType,
        Meta(
            description="``real``, or a wall time such as ``2026-03-02T12:00:00`` at which the "
            "clock is frozen."
        ),
    ] = UNSET
    timezone: str | UnsetType = UNSET
    history_from: str | UnsetType = UNSET
    limits: Literal["documented", "off"] | UnsetType = UNSET
    self_check: Annotated[
        bool | UnsetType, Meta(description="Our own answers are held against the contract.")
    ] = UNSET
    assumptions: Annotated[
        Choices | UnsetType, Meta(description="Choices by id of the ledger.")
    ] = UNSET
    arm: ArmSettings | UnsetType = UNSET
    cdr: CdrSettings | UnsetType = UNSET
    onec: OnecSettings | UnsetType = UNSET

    def replace_given(self, base: TenantSettings) -> TenantSettings:
        given = {
            name: value
            for name in set(self.__struct_fields__) & set(TenantSettings.__struct_fields__)
            if (value := getattr(self, name)) is not UNSET
        }
        return msgspec.structs.replace(base, **given)


class TenantScenario(TenantOptions, kw_only=True):
    """A tenant with all it holds. ``assumptions``, where given, are all its choices."""

    lags: TenantLags | UnsetType = UNSET
    clock: Annotated[
        ClockState | None, Meta(description="As ``now`` says when it is left out.")
    ] = None
    calls: Annotated[list[PinnedCall], Meta(description="Pinned calls.")] = []
    faults: Annotated[list[FaultState], Meta(max_length=MAX_ACTIVE_FAULTS)] = []
    quotas: Annotated[
        dict[str, Count | str], Meta(description="Points and calls that were used, as exported.")
    ] = {}
    last_call_numbers: Annotated[
        dict[str, Annotated[int, Meta(ge=1, le=PINS_PER_DAY)]],
        Meta(description="By day: the last number of a pinned call, when that call is gone."),
    ] = {}
    last_fault_number: Annotated[
        Count, Meta(description="The last number of a fault, when that fault is gone.")
    ] = 0

    def replace_given(self, base: TenantSettings) -> TenantSettings:
        lags = {} if isinstance(self.lags, UnsetType) else msgspec.structs.asdict(self.lags)
        return msgspec.structs.replace(super().replace_given(base), **lags)


class NamedTenantScenario(TenantScenario, kw_only=True):
    name: TenantName


class ScenarioFile(ScenarioTable, kw_only=True):
    """A scenario file: tenants and all that they hold."""

    tenants: list[NamedTenantScenario]
