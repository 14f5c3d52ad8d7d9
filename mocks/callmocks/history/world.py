"""A world: the size and habits of a contact centre, and what a user fixes of it himself.

Worlds are TOML files, ``fixtures/worlds/*.toml`` or a user's own; ``docs/worlds.md`` describes the
schema. Every field below is a key of such a file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from callmocks.config import toml, validation
from callmocks.contract.resources import fixture_path
from callmocks.errors import SettingsError
from callmocks.history.name_pools import load_pools

CALLS_PER_DAY_MAX = 200_000
FINISH_REASONS_CALLS_MAX = 50_000
"""The plan ``finish-reasons`` lays its legs out block by block and holds no more calls a day."""
FIRST_HOUR, LAST_HOUR = 5, 22
"""Calls start in these hours only, on Saturday until 20:59: none meets a change of clocks."""

Uuid = Annotated[str, Meta(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]
PositiveId = Annotated[int, Meta(ge=1, le=2**53 - 1)]
Phone = Annotated[str, Meta(pattern=r"^[1-9][0-9]{4,14}$")]
ExtensionNumber = Annotated[str, Meta(pattern=r"^[0-9]{2,10}$")]
Text255 = Annotated[str, Meta(min_length=1, max_length=255)]
Text20 = Annotated[str, Meta(min_length=1, max_length=20)]
Text50 = Annotated[str, Meta(min_length=1, max_length=50)]
Email = Annotated[str, Meta(pattern=r"^[^@\s]+@[^@\s]+$", max_length=320)]
PerMille = Annotated[int, Meta(ge=0, le=1000)]
Weight = Annotated[int, Meta(ge=0, le=1_000_000)]
TalkLength = Annotated[int, Meta(ge=0, le=6 * 3_600_000)]
HourWeights = tuple[Weight, ...]


class _WorldTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of a world file: a key that is not listed is a mistake, not a wish."""


class Sizes(_WorldTable, frozen=True):
    """How many of each thing to pick from the pools where none is listed by name."""

    operators: Annotated[int, Meta(ge=2, le=800)] = 12
    """Numbered 101, 102, …; internal calls and transfers need two."""
    groups: Annotated[int, Meta(ge=1, le=100)] = 3
    departments: Annotated[int, Meta(ge=1, le=100)] = 3
    lines: Annotated[int, Meta(ge=1, le=100)] = 4
    """Lines of 1C-Connect; each has a virtual number of its own."""
    scenarios: Annotated[int, Meta(ge=1, le=100)] = 3
    organisations: Annotated[int, Meta(ge=1, le=5000)] = 40
    users: tuple[Annotated[int, Meta(ge=1, le=50)], Annotated[int, Meta(ge=1, le=50)]] = (1, 6)
    """Least and most users of one organisation."""


class OperatorEntry(_WorldTable, frozen=True):
    """An operator: agent (ARM), employee (CDR) and specialist (1C) at once."""

    number: ExtensionNumber | None = None
    """Internal number and ARM login."""
    employee_id: PositiveId | None = None
    specialist_id: Uuid | None = None
    last_name: Text20 | None = None
    first_name: Text20 | None = None
    patronymic: Annotated[str, Meta(max_length=20)] | None = None
    sip: ExtensionNumber | None = None
    """SIP number, such as 0288122."""
    phone: str | None = None
    """``number`` or ``sip``: which of the two CDR shows as ``employee_phone_number``."""
    group: Text255 | None = None
    """Name of the operator's group."""
    department: Text255 | None = None
    """Name of the operator's department."""
    post: Text50 | None = None
    email: Email | None = None
    mobile: Phone | None = None
    birthday: date | None = None
    created_at: datetime | None = None
    deleted: bool = False
    """1C-Connect shows this specialist as deleted; his calls stay in the history."""


class GroupEntry(_WorldTable, frozen=True):
    """A group of operators."""

    name: Text255
    id: PositiveId | None = None


class DepartmentEntry(_WorldTable, frozen=True):
    """A department of specialists in 1C-Connect."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    id: Uuid | None = None


class LineEntry(_WorldTable, frozen=True):
    """A line of 1C-Connect and the virtual number it is called by."""

    service_id: Uuid | None = None
    name: Text255 | None = None
    virtual_phone_number: Phone | None = None
    scenario: Text255 | None = None
    """Name of the scenario that takes the line's calls."""
    queue_id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,40}$")] | None = None
    """The queue that ARM shows."""


class ScenarioEntry(_WorldTable, frozen=True):
    """A scenario of the virtual exchange and its one operation."""

    name: Text255
    id: PositiveId | None = None
    action_id: PositiveId | None = None
    action_name: Text255 | None = None


class UserEntry(_WorldTable, frozen=True):
    """A person of a client organisation: contact (CDR) and service user (1C) at once."""

    user_id: Uuid | None = None
    contact_id: PositiveId | None = None
    last_name: Text255 | None = None
    first_name: Text255 | None = None
    patronymic: Annotated[str, Meta(max_length=255)] | None = None
    phone: Phone | None = None
    email: Email | None = None
    post: Text50 | None = None


class OrganisationEntry(_WorldTable, frozen=True):
    """A client organisation and its users."""

    client_id: Uuid | None = None
    name: Text50 | None = None
    full_name: Text255 | None = None
    inn: Annotated[str, Meta(pattern=r"^([0-9]{10}|[0-9]{12})$")] | None = None
    kpp: Annotated[str, Meta(pattern=r"^[0-9]{9}$")] | None = None
    phone: Phone | None = None
    address: Text255 | None = None
    users: tuple[UserEntry, ...] = ()
    """When none is listed, as many as ``sizes.users`` says."""


_WEEKDAY_HOURS = (
    0,
    0,
    0,
    0,
    0,
    1,
    3,
    10,
    35,
    80,
    105,
    110,
    90,
    80,
    95,
    95,
    85,
    65,
    40,
    25,
    12,
    6,
    3,
    0,
)
_WEEKEND_HOURS = (0, 0, 0, 0, 0, 1, 2, 5, 12, 25, 38, 42, 40, 34, 30, 28, 22, 16, 12, 8, 5, 2, 1, 0)
_TALK_MS = (
    *(1_000, 8_000, 19_000, 35_000, 55_000, 80_000, 115_000, 170_000, 260_000, 480_000),
    2_400_000,
)


class Traffic(_WorldTable, frozen=True):
    """What kinds of calls there are. Shares are per mille, whole numbers 0 … 1000."""

    plan: str = "natural"
    """``natural``, or ``finish-reasons``: every aligned block of 64 legs holds all 64 reasons."""
    internal: PerMille = 60
    """Of all calls: between two operators."""
    outgoing: PerMille = 250
    """Of all calls: an operator calls a client."""
    auto_outgoing: PerMille = 30
    """Of all calls: the exchange calls a client and then an operator. The rest are incoming."""
    anonymous: PerMille = 20
    """Of incoming calls: the caller's number is hidden."""
    unknown_caller: PerMille = 120
    """Of external calls: the other party is nobody's known user."""
    vendor: PerMille = 10
    """Of external calls: another company's client and specialist on the partner's line."""
    missed: PerMille = 130
    """Of incoming calls: nobody answers."""
    transfer: PerMille = 90
    """Of answered incoming and automatic calls: handed over to another operator."""
    coach: PerMille = 30
    """Of answered incoming and automatic calls: a supervisor listens in."""
    fax: PerMille = 8
    """Of answered incoming calls: a fax comes, at once or after the talk."""
    recorded: PerMille = 900
    """Of calls: their talks, if any, are recorded."""
    rated: PerMille = 250
    """Of calls: their operator, if any talked, is rated."""
    weekend: PerMille = 350
    """Calls on a Saturday or Sunday, per mille of a weekday's."""
    weekday_hours: HourWeights = _WEEKDAY_HOURS
    """24 weights, one for each hour; calls start from 5 to 22 only."""
    weekend_hours: HourWeights = _WEEKEND_HOURS
    """The same for Saturday (until 20) and Sunday."""
    talk_ms: tuple[TalkLength, ...] = _TALK_MS
    """How long people talk, milliseconds: evenly spaced quantiles, ascending."""


class World(_WorldTable, frozen=True):
    """A contact centre as a world file describes it."""

    title: str = ""
    calls_per_day: Annotated[int, Meta(ge=0, le=CALLS_PER_DAY_MAX)] = 400
    """Mean of a weekday."""
    locale: str = "ru_RU"
    """Whose names people have: ``ru_RU`` from the stored pools, any other from Faker."""
    sizes: Sizes = Sizes()
    groups: tuple[GroupEntry, ...] = ()
    departments: tuple[DepartmentEntry, ...] = ()
    scenarios: tuple[ScenarioEntry, ...] = ()
    lines: tuple[LineEntry, ...] = ()
    operators: tuple[OperatorEntry, ...] = ()
    organisations: tuple[OrganisationEntry, ...] = ()
    traffic: Traffic = Traffic()

    @property
    def fingerprint(self) -> bytes:
        """Sixteen bytes of everything that shapes the data: the title and file name do not."""
        content = msgspec.json.encode(msgspec.structs.replace(self, title=""), order="sorted")
        return hashlib.blake2b(content, digest_size=16).digest()

    def with_calls_per_day(self, calls_per_day: int) -> World:
        """The same world with another number of calls; ``SettingsError`` when it is too many."""
        changed = msgspec.structs.replace(self, calls_per_day=calls_per_day)
        if not 0 <= calls_per_day <= CALLS_PER_DAY_MAX:
            raise SettingsError(f"{calls_per_day} calls a day are not in 0 … {CALLS_PER_DAY_MAX}")
        for _, mistake in _check_plan(changed):
            raise SettingsError(mistake)
        return changed


def world_names() -> list[str]:
    """Names of the worlds that come with callmocks."""
    return sorted(path.stem for path in fixture_path("worlds").glob("*.toml"))


def load_world(name: str) -> World:
    """The world of that name or in that file.

    ``SettingsError`` names the file and the key at fault.
    """
    path = Path(name)
    if name in world_names():
        path = fixture_path(f"worlds/{name}.toml")
    elif path.suffix != ".toml" and not _is_file(path):
        known = ", ".join(world_names())
        raise SettingsError(f"world {name!r}: neither a file nor one of {known}")
    return parse_world(_read_world_file(path), str(path) if str(path) == name else name)


def parse_world(text: str, source: str) -> World:
    """A world from the text of its file; ``where`` is what messages call the file."""
    try:
        world = msgspec.convert(toml.parse(text), World)
    except msgspec.ValidationError as error:
        raise SettingsError(f"world {source}: {_describe_error(error)}") from None
    except ValueError as error:  # numbers of thousands of digits too
        raise SettingsError(f"world {source}: {error}") from None
    for place, mistake in _find_errors(world):
        raise SettingsError(f"world {source}: {place}: {mistake}")
    return world


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _read_world_file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        if isinstance(error, UnicodeDecodeError):
            raise SettingsError(f"world {path}: not UTF-8") from None
        reason = getattr(error, "strerror", None) or error
        raise SettingsError(f"world {path}: {reason}") from None


def _describe_error(error: msgspec.ValidationError) -> str:
    """``traffic.internal: Expected `int` <= 1000`` from msgspec's "… - at `$.traffic.internal`"."""
    place, reason = validation.describe_error(error, World)
    place = place.removeprefix("$").lstrip(".")
    reason = reason.replace(" | null", "")  # TOML has none
    return f"{place}: {reason}" if place else reason


def _find_errors(world: World) -> Iterator[tuple[str, str]]:
    yield from _check_plan(world)
    yield from _check_traffic(world.traffic)
    try:
        load_pools(world.locale)
    except SettingsError as error:
        yield "locale", str(error)
    least, most = world.sizes.users
    if least > most:
        yield "sizes.users", f"least {least} is more than most {most}"
    if len(world.operators) == 1:
        yield "operators", "one operator alone cannot transfer or call inside; list two or none"
    yield from _check_duplicates(world)
    yield from _check_references(world)


def _check_plan(world: World) -> Iterator[tuple[str, str]]:
    plan, calls = world.traffic.plan, world.calls_per_day
    if plan not in ("natural", "finish-reasons"):
        yield "traffic.plan", f"{plan!r} is neither natural nor finish-reasons"
    if plan == "finish-reasons" and calls > FINISH_REASONS_CALLS_MAX:
        yield (
            "calls_per_day",
            f"the plan finish-reasons holds at most {FINISH_REASONS_CALLS_MAX} a day, not {calls}",
        )


def _check_traffic(traffic: Traffic) -> Iterator[tuple[str, str]]:
    for shares in (
        ("internal", "outgoing", "auto_outgoing"),
        ("anonymous", "unknown_caller", "vendor"),
    ):
        total = sum(getattr(traffic, share) for share in shares)
        if total > 1000:
            yield "traffic", f"{', '.join(shares)} make {total} of 1000"
    for name in ("weekday_hours", "weekend_hours"):
        hours: HourWeights = getattr(traffic, name)
        if len(hours) != 24:
            yield f"traffic.{name}", f"{len(hours)} weights instead of 24"
        for hour, weight in enumerate(hours):
            if weight and not FIRST_HOUR <= hour <= LAST_HOUR:
                yield (
                    f"traffic.{name}[{hour}]",
                    f"calls start from {FIRST_HOUR} to {LAST_HOUR} o'clock only",
                )
        if not any(hours[FIRST_HOUR:21]):
            yield f"traffic.{name}", "no hour from 5 to 20 has calls"
    if len(traffic.talk_ms) < 2 or list(traffic.talk_ms) != sorted(traffic.talk_ms):
        yield "traffic.talk_ms", "two or more quantiles, ascending"


_NAMED = ("groups", "departments", "scenarios")


def _check_duplicates(world: World) -> Iterator[tuple[str, str]]:
    """Numbers and ids that two entries claim."""
    users = [
        (f"organisations[{i}].users[{j}]", user)
        for i, organisation in enumerate(world.organisations)
        for j, user in enumerate(organisation.users)
    ]
    entries: dict[str, list[tuple[str, Any]]] = {"users": users}
    for kind in ("operators", "groups", "departments", "scenarios", "lines", "organisations"):
        entries[kind] = [(f"{kind}[{i}]", entry) for i, entry in enumerate(getattr(world, kind))]
    for kinds, fields in (
        (("operators",), ("number", "sip")),
        (("operators",), ("employee_id",)),
        (("operators",), ("specialist_id",)),
        *(((kind,), (field,)) for kind in _NAMED for field in ("id", "name")),
        (("scenarios",), ("action_id",)),
        (("lines",), ("service_id",)),
        (("lines",), ("queue_id",)),
        (("lines", "users"), ("virtual_phone_number", "phone")),
        (("organisations",), ("client_id",)),
        (("users",), ("user_id",)),
        (("users",), ("contact_id",)),
    ):
        yield from _find_duplicates((pair for kind in kinds for pair in entries[kind]), fields)


def _find_duplicates(
    entries: Iterable[tuple[str, Any]], fields: tuple[str, ...]
) -> Iterator[tuple[str, str]]:
    seen: dict[Any, str] = {}
    for place, entry in entries:
        for field in fields:
            value = getattr(entry, field, None)
            if value is None:
                continue
            key = value.lower() if isinstance(value, str) else value
            if key in seen:
                yield f"{place}.{field}", f"{value!r} is {seen[key]} already"
            seen.setdefault(key, f"{place}.{field}")


def _check_references(world: World) -> Iterator[tuple[str, str]]:
    """Names that lead to no group, department or scenario of this file."""
    for kind, field, target in (
        ("operators", "group", "groups"),
        ("operators", "department", "departments"),
        ("lines", "scenario", "scenarios"),
    ):
        names = [entry.name for entry in getattr(world, target)]
        for index, entry in enumerate(getattr(world, kind)):
            wanted = getattr(entry, field)
            if wanted is not None and wanted not in names:
                yield f"{kind}[{index}].{field}", f"no [[{target}]] is called {wanted!r}"
    for index, entry in enumerate(world.operators):
        if entry.phone not in (None, "number", "sip"):
            yield f"operators[{index}].phone", f"{entry.phone!r} is neither number nor sip"
