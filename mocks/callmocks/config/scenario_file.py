"""Scenario files: tenants with all that they hold, as TOML or JSON."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import msgspec

from callmocks.config import toml
from callmocks.config.validation import (
    Misfit,
    Step,
    convert_document,
    find_unknown_key,
    format_key,
)
from callmocks.errors import SettingsError
from callmocks.history.clock import restore_builtin_dates
from callmocks.history.world_file import load_world, world_names
from callmocks.tenants.scenario import (
    MAX_MISTAKES,
    Mistake,
    NamedTenantScenario,
    ScenarioError,
    ScenarioFile,
)

_MISSING = re.compile("Object missing required field `(.*?)`")


class FoundTenant(NamedTuple):
    source: str  # the file
    path: str  # where in the file
    scenario: NamedTenantScenario


def read_scenarios(paths: Iterable[Path], setting: str = "") -> list[FoundTenant]:
    """Of all files; no name comes twice. ``setting``: by which the files were given.

    ``ScenarioError`` has all that the types forbid, ``SettingsError`` says what cannot be read.
    """
    found: dict[str, FoundTenant] = {}
    mistakes: list[Mistake] = []
    for file in paths:
        source = f"{setting}{file}"
        try:
            tenants = _read_scenario(file, source)
        except ScenarioError as error:
            mistakes += error.put_within("", source).mistakes
            continue
        for tenant in tenants:
            first = found.setdefault(tenant.scenario.name, tenant)
            if first is not tenant:
                other = f"{first.path or 'the tenant'} of {first.source.removeprefix(setting)}"
                text = f"{tenant.scenario.name!r} is {other}"
                path = f"{tenant.path}.name".lstrip(".")
                mistakes.append(Mistake(path, f"{text} already", source))
    if mistakes:
        raise ScenarioError(mistakes)
    return [*found.values()]


def _read_scenario(file: Path, source: str) -> list[FoundTenant]:
    raw = _parse_file(file, source)
    single = isinstance(raw, dict) and "tenants" not in raw and "name" in raw
    document = {"tenants": [raw]} if single else raw
    mistakes = find_type_mistakes(document, ScenarioFile)
    if not mistakes:
        mistakes += _resolve_worlds(document["tenants"], file.parent)
    if mistakes and single:
        raise ScenarioError(
            [
                Mistake(each.path.removeprefix("tenants[0]").lstrip("."), each.reason)
                for each in mistakes
            ]
        )
    if mistakes:
        raise ScenarioError(mistakes)
    tenants = msgspec.convert(document, ScenarioFile).tenants
    paths = [""] if single else [f"tenants[{index}]" for index in range(len(tenants))]
    return [FoundTenant(source, *each) for each in zip(paths, tenants, strict=True)]


def _parse_file(path: Path, source: str) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise SettingsError(f"{source}: not UTF-8") from None
    except OSError as error:
        raise SettingsError(f"{source}: {error.strerror}") from None
    if path.suffix not in (".toml", ".json"):
        raise SettingsError(f"{source}: the name of a scenario file ends with .toml or .json")
    try:
        if path.suffix == ".toml":
            return restore_builtin_dates(toml.parse(text))
        return _parse_json(text)
    except RecursionError:
        raise SettingsError(f"{source}: arrays or tables are nested too deep") from None
    except ValueError as error:
        raise SettingsError(f"{source}: {error}") from None


def _parse_json(text: str) -> Any:
    document = json.loads(
        text.removeprefix(toml.BYTE_ORDER_MARK),
        parse_int=_parse_integer,
        parse_constant=_refuse_constant,
        object_pairs_hook=_make_table,
    )
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        near = error.object[max(error.start - 40, 0) : error.end]
        raise ValueError(f"half of a pair of \\u escapes, at the end of {near!r}") from None
    return document


def _make_table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for key, value in pairs:
        if key in table:
            raise ValueError(f"the key {key!r} comes twice in a table")
        table[key] = value
    return table


def _parse_integer(digits: str) -> int:
    if len(digits) > toml.MAX_DIGITS:
        raise ValueError(f"a number of more than {toml.MAX_DIGITS} digits: {digits[:20]}…")
    return int(digits)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _resolve_worlds(tenants: list[dict[str, Any]], folder: Path) -> list[Mistake]:
    """A world file is named relative to the scenario file."""
    mistakes = []
    for index, tenant in enumerate(tenants):
        world = tenant.get("world")
        if isinstance(world, str) and world not in world_names():
            file = str(folder / world)
            try:
                load_world(file)
            except SettingsError as error:
                mistakes.append(Mistake(f"tenants[{index}].world", str(error)))
            tenant["world"] = file
    return mistakes


def find_type_mistakes(document: Any, model: Any) -> list[Mistake]:
    """All values that do not fit the types of a model, each with its place."""
    rest, mistakes = deepcopy(document), dict[str, Mistake]()
    removed: defaultdict[str, list[int]] = defaultdict(list)  # indexes by path of their list
    while len(mistakes) < MAX_MISTAKES:
        try:
            convert_document(rest, model)
            break
        except Misfit as misfit:
            steps, reason = misfit.steps, misfit.reason
        unknown, reason = find_unknown_key(reason)
        steps += [unknown] if unknown else []
        place = _format_path(steps, removed)
        missing = _MISSING.match(reason)
        if missing is None or f"{place}{format_key(missing[1])}" not in mistakes:
            mistakes[place] = Mistake(place, reason.replace(" | null", ""))
        if not steps:
            break
        if isinstance(steps[-1], int):
            array, _, index = place.rpartition("[")
            removed[array].append(int(index[:-1]))
        _remove_value(rest, steps)
    return [*mistakes.values()]


def _format_path(steps: list[Step], removed: Mapping[str, list[int]]) -> str:
    """As the document was before values were removed."""
    text = ""
    for step in steps:
        if isinstance(step, int):
            for index in sorted(removed.get(text, ())):
                step += index <= step
            text += f"[{step}]"
        else:
            text += format_key(step)
        text = text.lstrip(".")
    return text


def _remove_value(document: Any, steps: list[Step]) -> None:
    holder = document
    for step in steps[:-1]:
        holder = holder[step]
    del holder[steps[-1]]
