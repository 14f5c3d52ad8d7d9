"""World files: TOML, checked beyond what the types of ``world`` say."""

from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import msgspec

from callmocks.config import toml, validation
from callmocks.contract.resources import fixture_path
from callmocks.contract.xml import FORBIDDEN
from callmocks.errors import SettingsError
from callmocks.history.clock import restore_builtin_dates
from callmocks.history.name_pools import STORED_LOCALE, load_pools
from callmocks.history.walltime import FIRST_DATE, LAST_DATE
from callmocks.history.world import (
    FIRST_HOUR,
    LAST_HOUR,
    Calendar,
    HourWeights,
    LineEntry,
    OrganisationEntry,
    Traffic,
    Waiting,
    World,
)

# Path of a key, such as `lines[0].name`, and what is wrong with its value.
Problem = tuple[str, str]


@cache
def world_names() -> list[str]:
    return sorted(path.stem for path in fixture_path("worlds").glob("*.toml"))


def load_world(name: str | World) -> World:
    """The world of that name or in that file; ``SettingsError`` names the file and the key."""
    if isinstance(name, World):
        return name
    if name in world_names():
        return _load_own_world(name)
    path = Path(name)
    if path.suffix != ".toml" and not is_file(path):
        known = ", ".join(world_names())
        raise SettingsError(f"world {name!r}: neither a file nor one of {known}")
    return parse_world(_read_world_file(path), name)


@cache
def _load_own_world(name: str) -> World:
    return parse_world(_read_world_file(fixture_path(f"worlds/{name}.toml")), name)


@lru_cache(maxsize=32)
def parse_world(text: str, source: str) -> World:
    try:
        world = validation.convert_document(restore_builtin_dates(toml.parse(text)), World)
    except validation.Misfit as misfit:
        raise SettingsError(f"world {source}: {_describe_misfit(misfit)}") from None
    except ValueError as error:  # numbers of thousands of digits too
        raise SettingsError(f"world {source}: {error}") from None
    for path, problem in find_world_problems(world):
        raise SettingsError(f"world {source}: {path}: {problem}")
    return world


def is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _read_world_file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise SettingsError(f"world {path}: not UTF-8") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SettingsError(f"world {path}: {reason}") from None


def _describe_misfit(misfit: validation.Misfit) -> str:
    path = misfit.path.removeprefix("$").lstrip(".")
    reason = misfit.reason.replace(" | null", "")  # TOML has none
    return f"{path}: {reason}" if path else reason


def find_world_problems(world: World) -> Iterator[Problem]:
    yield from _find_forbidden_characters(msgspec.to_builtins(world), "")
    for problem in world.find_plan_problems():
        yield "calls_per_day", problem
    yield from _check_traffic(world.traffic)
    yield from _check_waiting(world.waiting)
    for name in ("attempts", "outgoing", "menu"):
        if not any(msgspec.structs.astuple(getattr(world.reasons, name))):
            yield f"reasons.{name}", "all weights are 0"
    try:
        if world.locale != STORED_LOCALE:
            load_pools(world.locale)
    except SettingsError as error:
        yield "locale", str(error)
    least, most = world.sizes.users
    if least > most:
        yield "sizes.users", f"least {least} is more than most {most}"
    if len(world.operators) == 1:
        yield "operators", "one operator alone cannot transfer or call inside; list two or none"
    yield from _check_calendar(world.calendar)
    yield from _check_taxpayers(world.organisations)
    yield from _check_hours(world.lines)
    for index, entry in enumerate(world.operators):
        if entry.first_day and entry.last_day and entry.last_day < entry.first_day:
            yield f"operators[{index}].last_day", f"{entry.last_day} is before his first day"
    yield from _check_duplicates(world)
    yield from _check_references(world)


def _find_forbidden_characters(value: Any, path: str) -> Iterator[Problem]:
    """Two of the providers write XML, which cannot hold all characters."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _find_forbidden_characters(item, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _find_forbidden_characters(item, f"{path}[{index}]")
    elif isinstance(value, str) and (found := FORBIDDEN.search(value)):
        yield path, f"it holds {found[0]!r}, which XML cannot hold"


def _check_traffic(traffic: Traffic) -> Iterator[Problem]:
    for shares in (
        ("internal", "outgoing", "auto_outgoing"),
        ("anonymous", "unknown_caller", "vendor"),
    ):
        total = sum(getattr(traffic, share) for share in shares)
        if total > 1000:
            yield "traffic", f"{', '.join(shares)} make {total} of 1000"
    for name in ("weekday_hours", "weekend_hours"):
        weights: HourWeights = getattr(traffic, name)
        if len(weights) != 24:
            yield f"traffic.{name}", f"{len(weights)} weights instead of 24"
        for hour, weight in enumerate(weights):
            if weight and not FIRST_HOUR <= hour <= LAST_HOUR:
                text = f"calls start from {FIRST_HOUR} to {LAST_HOUR} o'clock only"
                yield f"traffic.{name}[{hour}]", text
        if not any(weights[FIRST_HOUR:21]):
            yield f"traffic.{name}", "no hour from 5 to 20 has calls"
    if len(traffic.weekdays) != 7:
        yield "traffic.weekdays", f"{len(traffic.weekdays)} days instead of 7"
    yield from _check_quantiles("traffic.talk_ms", traffic.talk_ms)


def _check_waiting(waiting: Waiting) -> Iterator[Problem]:
    for name in ("menu_ms", "answer_ms", "no_answer_ms", "queue_ms"):
        yield from _check_quantiles(f"waiting.{name}", getattr(waiting, name))
    for name in ("attempts_answered", "attempts_missed"):
        if not any(getattr(waiting, name)):
            yield f"waiting.{name}", "all weights are 0"


def _check_quantiles(path: str, quantiles: tuple[int, ...]) -> Iterator[Problem]:
    if len(quantiles) < 2 or list(quantiles) != sorted(quantiles):
        yield path, "two or more quantiles, ascending"


def _check_calendar(calendar: Calendar) -> Iterator[Problem]:
    if len(calendar.seasons) != 12:
        yield "calendar.seasons", f"{len(calendar.seasons)} months instead of 12"
    kinds = ("holidays", "workdays", "short_days")
    paths = [
        (f"calendar.{kind}[{index}]", day)
        for kind in kinds
        for index, day in enumerate(getattr(calendar, kind))
    ]
    for path, day in paths:
        if not FIRST_DATE <= day <= LAST_DATE:
            yield path, f"{day} is not in {FIRST_DATE} … {LAST_DATE}"
    yield from _find_duplicates((path, day.isoformat()) for path, day in paths)


def _check_hours(lines: Iterable[LineEntry]) -> Iterator[Problem]:
    for index, line in enumerate(lines):
        first, last = line.hours
        if first > last:
            yield f"lines[{index}].hours", f"{first} is after {last}"


def _check_taxpayers(organisations: Iterable[OrganisationEntry]) -> Iterator[Problem]:
    for index, entry in enumerate(organisations):
        if entry.inn and entry.kpp and len(entry.inn) == 12:
            yield f"organisations[{index}].kpp", "a sole trader (INN of 12 digits) has none"


def _check_duplicates(world: World) -> Iterator[Problem]:
    kinds = ("operators", "groups", "departments", "scenarios", "lines", "organisations")
    entries: dict[str, list[tuple[str, Any]]] = {
        kind: [(f"{kind}[{i}]", entry) for i, entry in enumerate(getattr(world, kind))]
        for kind in kinds
    }
    entries["users"] = [
        (f"{path}.users[{i}]", user)
        for path, organisation in entries["organisations"]
        for i, user in enumerate(organisation.users)
    ]
    for unique in (
        ("operators.number", "operators.sip"),
        ("operators.agent_id",),
        ("operators.employee_id",),
        ("operators.specialist_id",),
        *((f"{kind}.{field}",) for kind in kinds[1:4] for field in ("id", "name")),
        ("groups.agent_group",),
        ("scenarios.action_id",),
        ("lines.service_id",),
        ("lines.queue_id",),
        ("lines.virtual_phone_number", "users.phone"),
        ("organisations.client_id",),
        ("users.user_id",),
        ("users.contact_id",),
    ):
        columns = (column.split(".") for column in unique)
        yield from _find_duplicates(
            (f"{path}.{field}", getattr(entry, field))
            for kind, field in columns
            for path, entry in entries[kind]
        )


def _find_duplicates(values: Iterable[tuple[str, Any]]) -> Iterator[Problem]:
    paths: dict[Any, str] = {}
    for path, value in values:
        key = value.lower() if isinstance(value, str) else value
        if value is not None and paths.setdefault(key, path) != path:
            yield path, f"{value!r} is {paths[key]} already"


def _check_references(world: World) -> Iterator[Problem]:
    for kind, field, target in (
        ("operators", "group", "groups"),
        ("operators", "department", "departments"),
        ("lines", "scenario", "scenarios"),
        ("lines", "night_scenario", "scenarios"),
    ):
        names = {entry.name for entry in getattr(world, target)}
        for index, entry in enumerate(getattr(world, kind)):
            name = getattr(entry, field)
            if name is not None and name not in names:
                yield f"{kind}[{index}].{field}", f"no [[{target}]] is called {name!r}"
