from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import to_builtins

from callmocks.config.types import PROVIDER_NAMES
from callmocks.contract.assumptions import Assumptions
from callmocks.contract.garbage import paused_collection
from callmocks.errors import SettingsError
from callmocks.faults.active import ActiveFaults, FaultScope
from callmocks.history.clock import Clock, load_time_zone
from callmocks.history.keys import DATA_VERSION
from callmocks.history.pins import PinCounters, Pins
from callmocks.history.world import World
from callmocks.history.world_file import load_world, parse_world, world_names
from callmocks.tenants.settings import TenantSettings
from callmocks.tenants.tenant import Tenant
from callmocks.tenants.worker import LONG_REQUEST_BYTES, run_if_long

T = TypeVar("T")

# Keys of the documents of a tenant "orders":
#
#     orders/tenant       its settings and incarnation
#     orders/clock        its clock, when it is not the first one
#     orders/choices      its choices among assumptions
#     orders/faults       numbers of faults given so far
#     orders/fault/3      an active fault
#     orders/pins         numbers of pinned calls given so far
#     orders/pin/5605…    a pinned call: the request, with its number
#     orders/snapshot/…   a snapshot (snapshots.py)
#
# By the part of the key after the tenant's name; None deletes.
TenantDocuments = dict[str, bytes | None]
SPEC_KEY = "tenant"
# Two documents of each snapshot: a short one for lists, and what it holds.
SNAPSHOT_INFO, SNAPSHOT_CONTENTS = "snapshot/", "snapshot-contents/"
PIN = "pin/"


class TenantSpec(msgspec.Struct, frozen=True):
    settings: TenantSettings
    world: str = ""  # text of the world file; empty for a built-in world
    calls: str = ""  # hash of the file of calls that were pinned at its creation
    data_version: int = DATA_VERSION
    created_at_version: int = 0  # number of that change
    mark: str = ""  # random: tells tenants of one name apart
    reset_mark: str = ""  # random: of its last reset
    state_mark: str = ""  # random: of the snapshot's restoring that its state came by

    @property
    def incarnation(self) -> str:
        return f"{self.mark}.{self.reset_mark}.{self.state_mark}"

    def is_reset_of(self, incarnation: str) -> bool:
        return self.incarnation.rpartition(".")[0] != incarnation.rpartition(".")[0]

    def is_of(self, incarnation: str) -> bool:
        """Whether that incarnation differs by resets and restored snapshots alone."""
        return incarnation.partition(".")[0] == self.mark

    def describe_differences(self, other: TenantSpec) -> list[str]:
        own, others = (_flatten_settings(to_builtins(each.settings)) for each in (self, other))
        changed = (name for name, value in own.items() if value != others[name])
        found = [f"{name} {own[name]}, not {others[name]}" for name in changed]
        if self.world != other.world:
            found.append("another world file")
        if self.calls != other.calls:
            found.append("another file of calls")
        if self.data_version != other.data_version:
            found.append(f"data version {self.data_version}, not {other.data_version}")
        return found

    def parse_world_file(self) -> World | None:
        """None when the settings have it. The file itself may be on another machine."""
        return parse_world(self.world, str(self.settings.world)) if self.world else None


class ClockDocument(msgspec.Struct):
    clock: dict[str, Any]
    sessions_kept: float


class FaultDocument(msgspec.Struct, omit_defaults=True):
    serial: int
    provider: str
    fault: str
    params: dict[str, Any]
    scope: FaultScope


class PinDocument(msgspec.Struct):
    requested: dict[str, Any]
    at: int


def is_snapshot(part: str) -> bool:
    return part.startswith((SNAPSHOT_INFO, SNAPSHOT_CONTENTS))


def make_spec(settings: TenantSettings, calls: Path | None = None) -> TenantSpec:
    world = ""
    if isinstance(settings.world, str) and settings.world not in world_names():
        load_world(settings.world)  # validates it
        world = _read_file(Path(settings.world)).decode()
    digest = "" if calls is None else hashlib.sha256(_read_file(calls)).hexdigest()
    return TenantSpec(settings.with_defaults(), world, digest)


async def read_spec(document: bytes) -> TenantSpec:
    """Beside the loop when it is long; its world file is parsed then, too."""
    return await run_if_long(
        partial(_parse_spec, document), len(document) > LONG_REQUEST_BYTES, is_shared=True
    )


def _parse_spec(document: bytes) -> TenantSpec:
    with paused_collection():
        spec = msgspec.json.decode(document, type=TenantSpec)
        spec.parse_world_file()
    return spec


def encode_clock(clock: Clock, session_offset: timedelta) -> bytes:
    document = ClockDocument(clock.dump_state(), session_offset.total_seconds())
    return msgspec.json.encode(document)


def encode_choices(assumptions: Assumptions) -> TenantDocuments:
    return {"choices": msgspec.json.encode(assumptions.explicit_choices())}


def encode_contents(tenant: Tenant) -> TenantDocuments:
    """Of a tenant that has no documents yet, all but its settings."""
    found: TenantDocuments = {}
    if not tenant.clock.shows_as(tenant.create_initial_clock()):
        found["clock"] = encode_clock(tenant.clock, tenant.session_time_offset)
    return found | encode_changed_faults(tenant.faults) | encode_changed_pins(tenant.pins)


def encode_changed_faults(
    faults: ActiveFaults, before: ActiveFaults | None = None
) -> TenantDocuments:
    after = {each.number: each for each in faults.list_active()}
    then = {} if before is None else {each.number: each for each in before.list_active()}
    found: TenantDocuments = {f"fault/{number}": None for number in then.keys() - after.keys()}
    for number, active in after.items():
        if active is not then.get(number):
            params, name = to_builtins(active.fault), active.fault.fault_name
            document = FaultDocument(active.serial, active.provider, name, params, active.scope)
            found[f"fault/{number}"] = msgspec.json.encode(document)
    if faults.last_numbers != ((0, 0) if before is None else before.last_numbers):
        found["faults"] = msgspec.json.encode(faults.last_numbers)
    return found


def encode_changed_pins(pins: Pins, before: Pins | None = None) -> TenantDocuments:
    after = {pin.id: pin for pin in pins.list_all()}
    then = {} if before is None else {pin.id: pin for pin in before.list_all()}
    found: TenantDocuments = {f"{PIN}{id}": None for id in then.keys() - after.keys()}
    for id, pin in after.items():
        if pin is not then.get(id):
            found[f"{PIN}{id}"] = msgspec.json.encode(PinDocument(pin.request, pin.sequence))
    if pins.counters != (PinCounters() if before is None else before.counters):
        found["pins"] = msgspec.json.encode(pins.counters)
    return found


def apply(tenant: Tenant, changed: TenantDocuments) -> None:
    """All but its pinned calls."""
    if "clock" in changed:
        _apply_clock(tenant, changed["clock"])
    if "choices" in changed:
        initial = tenant.settings.assumptions
        tenant.assumptions = Assumptions(_decode(changed["choices"], dict[str, str], initial))
    _apply_faults(tenant.faults, changed)


def _apply_clock(tenant: Tenant, document: bytes | None) -> None:
    if document is None:
        tenant.clock, tenant.session_time_offset = tenant.create_initial_clock(), timedelta()
        return
    state = msgspec.json.decode(document, type=ClockDocument)
    tenant.clock = Clock.load_state(load_time_zone(tenant.settings.timezone), state.clock)
    tenant.session_time_offset = timedelta(seconds=state.sessions_kept)


def _apply_faults(faults: ActiveFaults, changed: TenantDocuments) -> None:
    for number, document in sorted(_iter_numbered(changed, "fault/")):
        active = faults.get(f"f{number}")
        if active is not None:
            faults.disable(active.id)
        if document is not None:
            new = msgspec.json.decode(document, type=FaultDocument)
            faults.put(number, new.serial, new.provider, new.fault, new.params, new.scope)
    faults.sort_by_serial()
    if "faults" in changed:
        faults.last_numbers = decode_fault_numbers(changed["faults"])


def decode_fault_numbers(document: bytes | None) -> tuple[int, int]:
    return _decode(document, tuple[int, int], (0, 0))


def apply_pins(pins: Pins, changed: TenantDocuments, kept_pins: Collection[Pins]) -> None:
    """``kept_pins``: those of its snapshots and the like, which need not be built again."""
    numbered = dict(_iter_numbered(changed, PIN))
    known = pins.find_common(kept_pins) if numbered else {}
    for id in numbered:
        pins.remove(id)
    written = (msgspec.json.decode(each, type=PinDocument) for each in numbered.values() if each)
    for pin in sorted(written, key=lambda pin: pin.at):
        pins.restore(pin.requested, pin.at, known)
    pins.sort_by_sequence()
    if "pins" in changed:
        pins.counters = _decode(changed["pins"], PinCounters, PinCounters())


def _decode(document: bytes | None, model: type[T], default: T) -> T:
    return default if document is None else msgspec.json.decode(document, type=model)


def _iter_numbered(changed: TenantDocuments, prefix: str) -> Iterator[tuple[int, bytes | None]]:
    for part, document in changed.items():
        if part.startswith(prefix):
            yield int(part.removeprefix(prefix)), document


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from None


def _flatten_settings(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, dict) and name in PROVIDER_NAMES:
            found |= _flatten_settings(value, f"{name}.")
        else:
            found[prefix + name] = value
    return found
