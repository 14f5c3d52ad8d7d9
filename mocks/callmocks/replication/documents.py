"""What there is to know of a tenant, as documents of JSON.

::

    orders/tenant       settings it was made of, which life it is in     deleted with the tenant
    orders/clock        its clock, when it is not the first one
    orders/choices      its choices among assumptions
    orders/faults       numbers of faults given so far
    orders/fault/3      a fault that is on
    orders/pins         rows of pinned calls given so far
    orders/pin/5605…    a pinned call: what was asked for, and its rows
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from callmocks.contract.assumptions import Assumptions
from callmocks.errors import SettingsError
from callmocks.faults import ActiveFaults, FaultScope
from callmocks.history.clock import Clock, load_time_zone
from callmocks.history.day_generator import DATA_VERSION
from callmocks.history.pins import PinCounters, Pins
from callmocks.history.world import World
from callmocks.history.world_file import load_world, parse_world, world_names
from callmocks.tenants.settings import TenantSettings

if TYPE_CHECKING:
    from callmocks.tenants.tenant import Tenant

TenantDocuments = dict[str, "bytes | None"]
"""Documents of one tenant by the part of their keys after its name; None: there is none now."""

SPEC_KEY = "tenant"


class TenantSpec(msgspec.Struct, frozen=True):
    """What a tenant was made of."""

    settings: TenantSettings
    world: str = ""
    """Text of the world file, when it is not a world that comes along."""
    calls: str = ""
    """Hash of the file of calls that were pinned when it was made."""
    data_version: int = DATA_VERSION
    """Which calls its seed gives."""
    created_at_version: int = 0
    """Number of the change that made it, by which tenants of one name are told apart."""
    reset_count: int = 0

    @property
    def incarnation(self) -> str:
        """Which life it is in."""
        return f"{self.created_at_version}.{self.reset_count}"

    def describe_differences(self, other: TenantSpec) -> list[str]:
        """``seed 7, not 42`` for everything that was made otherwise than in the other."""
        found = []
        mine, others = (
            _flatten_settings(msgspec.to_builtins(each.settings)) for each in (self, other)
        )
        for name, value in mine.items():
            if value != others[name]:
                found.append(f"{name} {value}, not {others[name]}")
        if self.world != other.world:
            found.append("another world file")
        if self.calls != other.calls:
            found.append("another file of calls")
        if self.data_version != other.data_version:
            found.append(f"data version {self.data_version}, not {other.data_version}")
        return found

    def parse_world_file(self) -> World | None:
        """The world of a file, wherever that is."""
        return parse_world(self.world, self.settings.world) if self.world else None


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
    row: int
    leg_row: int


def make_spec(settings: TenantSettings, calls: Path | None = None) -> TenantSpec:
    """What a tenant with those settings is made of; reads its files."""
    world = ""
    if settings.world not in world_names():
        load_world(settings.world)  # says what is wrong with it, if anything
        world = _read_file(Path(settings.world)).decode()
    digest = "" if calls is None else hashlib.sha256(_read_file(calls)).hexdigest()
    return TenantSpec(settings.with_defaults(), world, digest)


def decode_spec(document: bytes) -> TenantSpec:
    """What was written of a tenant."""
    return msgspec.json.decode(document, type=TenantSpec)


def encode_clock(clock: Clock, kept: timedelta) -> TenantDocuments:
    """The document of a clock."""
    return {"clock": msgspec.json.encode(ClockDocument(clock.dump_state(), kept.total_seconds()))}


def encode_choices(chosen: Assumptions) -> TenantDocuments:
    """The document of a tenant's choices."""
    return {"choices": msgspec.json.encode(chosen.explicit_choices())}


def encode_changed_faults(faults: ActiveFaults, before: ActiveFaults) -> TenantDocuments:
    """Documents of faults that were not on before, and of those that no more are."""
    now, then = ({each.number: each for each in f.list_active()} for f in (faults, before))
    found: TenantDocuments = {f"fault/{number}": None for number in then.keys() - now.keys()}
    for number, switched in now.items():
        if switched is not then.get(number):
            params = msgspec.to_builtins(switched.fault)
            fault = FaultDocument(
                switched.serial,
                switched.provider,
                switched.fault.fault_name,
                params,
                switched.scope,
            )
            found[f"fault/{number}"] = msgspec.json.encode(fault)
    if faults.last_numbers != before.last_numbers:
        found["faults"] = msgspec.json.encode(faults.last_numbers)
    return found


def encode_changed_pins(pins: Pins, before: Pins | None = None) -> TenantDocuments:
    """Documents of calls that were not pinned before, and of those that no more are."""
    now = {pin.id: pin for pin in pins.list_all()}
    then = {} if before is None else {pin.id: pin for pin in before.list_all()}
    found: TenantDocuments = {f"pin/{id}": None for id in then.keys() - now.keys()}
    for id, pin in now.items():
        if pin is not then.get(id):
            rows = int(pin.day.calls.row[0]), int(pin.day.legs.row[0])
            found[f"pin/{id}"] = msgspec.json.encode(PinDocument(pin.request, pin.sequence, *rows))
    if pins.counters != (PinCounters() if before is None else before.counters):
        found["pins"] = msgspec.json.encode(pins.counters)
    return found


def apply(tenant: Tenant, parts: TenantDocuments) -> None:
    """Make a tenant what documents that were written elsewhere say."""
    if "clock" in parts:
        _apply_clock(tenant, parts["clock"])
    if "choices" in parts:
        chosen = parts["choices"]
        known = tenant.settings.assumptions
        choices = known if chosen is None else msgspec.json.decode(chosen, type=dict[str, str])
        tenant.assumptions = Assumptions(choices)
    _apply_faults(tenant.faults, parts)
    _apply_pins(tenant.pins, parts)


def _apply_clock(tenant: Tenant, document: bytes | None) -> None:
    if document is None:
        tenant.clock, tenant.session_time_offset = tenant.create_initial_clock(), timedelta()
        return
    written = msgspec.json.decode(document, type=ClockDocument)
    tenant.clock = Clock.load_state(load_time_zone(tenant.settings.timezone), written.clock)
    tenant.session_time_offset = timedelta(seconds=written.sessions_kept)


def _apply_faults(faults: ActiveFaults, parts: TenantDocuments) -> None:
    for number, document in sorted(_iter_numbered(parts, "fault/")):
        on = faults.get(f"f{number}")
        if on is not None:
            faults.disable(on.id)
        if document is not None:
            made = msgspec.json.decode(document, type=FaultDocument)
            faults.put(number, made.serial, made.provider, made.fault, made.params, made.scope)
    if "faults" in parts:
        counted = parts["faults"]
        faults.last_numbers = (
            (0, 0) if counted is None else msgspec.json.decode(counted, type=tuple[int, int])
        )


def _apply_pins(pins: Pins, parts: TenantDocuments) -> None:
    written = []
    for id, document in _iter_numbered(parts, "pin/"):
        pins.remove(id)
        if document is not None:
            written.append(msgspec.json.decode(document, type=PinDocument))
    for pin in sorted(written, key=lambda pin: pin.at):
        pins.restore(pin.requested, pin.at, pin.row, pin.leg_row)
    if "pins" in parts:
        places = parts["pins"]
        pins.counters = (
            PinCounters() if places is None else msgspec.json.decode(places, type=PinCounters)
        )


def _iter_numbered(parts: TenantDocuments, prefix: str) -> Iterable[tuple[int, bytes | None]]:
    return (
        (int(part.removeprefix(prefix)), document)
        for part, document in parts.items()
        if part.startswith(prefix)
    )


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from None


def _flatten_settings(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings of settings with a dot, ``cdr.day_limit``."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, dict) and name in ("arm", "cdr", "onec"):
            found |= _flatten_settings(value, f"{name}.")
        else:
            found[prefix + name] = value
    return found
