"""The world that recorded calls need: who took part in them, by the ids that were recorded."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from callmocks.config import toml
from callmocks.contract.xml import replace_forbidden
from callmocks.history import world
from callmocks.history.walltime import FIRST_DATE
from callmocks.verification.recorded_calls import LegRow, RecordedCalls, SessionRow

_DAY_HOURS = {f"{hour:02}" for hour in range(8, 20)}
_NAME_LENGTH = 20  # of each part of an operator's name


@dataclass(slots=True)
class RecordedWorld:
    """Numbers of operators by ``employee_id``, and by group; 1C ids of users by ``contact_id``."""

    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    numbers: dict[int, str] = field(default_factory=dict)
    number_of_group: dict[int, str] = field(default_factory=dict)
    number_of_phone: dict[str, str] = field(default_factory=dict)
    users: dict[int, str] = field(default_factory=dict)
    lines: set[str] = field(default_factory=set)

    def render(self) -> str:
        parts = [_HEADER]
        if not self.users:
            parts.append("\n[sizes]\norganisations = 1\nusers = [1, 1]\n")
        for name, entries in self.tables.items():
            for entry in entries:
                users = entry.pop("users", [])
                parts.append(_render_table(name, entry))
                parts += [_render_table(f"{name}.users", user) for user in users]
        return "".join(parts)


_HEADER = """\
# Written by `callmocks history import`: the people and lines of the imported calls.
title = "Imported"
calls_per_day = 0
"""


def build_world(calls: RecordedCalls) -> RecordedWorld:
    found = RecordedWorld()
    legs = list(calls.legs.values())
    group_names = _name_entries(legs, "group")
    _add_operators(found, calls, group_names)
    _add_scenarios(found, calls)
    _add_users(found, calls)
    order = ("groups", "scenarios", "lines", "operators", "organisations")
    found.tables = {name: found.tables[name] for name in order if found.tables.get(name)}
    return found


def _render_table(name: str, entry: Mapping[str, Any]) -> str:
    lines = [f"\n[[{name}]]"]
    for key, value in entry.items():
        lines.append(f"{key} = {toml.quote(value) if isinstance(value, str) else value}")
    return "\n".join(lines) + "\n"


def _fits(model: Any, field_name: str, value: object) -> bool:
    """Whether a world may have it."""
    try:
        msgspec.convert({field_name: value, **_REQUIRED.get(model, {})}, model)
    except msgspec.ValidationError:
        return False
    return True


_REQUIRED: dict[Any, dict[str, str]] = {
    world.GroupEntry: {"name": "x"},
    world.ScenarioEntry: {"name": "x"},
}


def _name_entries(rows: Iterable[Any], kind: str) -> dict[int, str]:
    """Names by id; each is there once."""
    counts: dict[int, Counter[str]] = {}
    for row in rows:
        id, name = getattr(row, f"{kind}_id"), getattr(row, f"{kind}_name")
        if id is not None:
            counts.setdefault(id, Counter())[_clean(name or "")] += 1
    names: dict[int, str] = {}
    used: set[str] = set()
    for id, counter in sorted(counts.items()):
        known = [name for name, _ in counter.most_common() if name]
        name = (known[0] if known else f"{kind} {id}")[:240]
        names[id] = name if name.lower() not in used else f"{name} {id}"
        used.add(names[id].lower())
    return names


def _clean(text: str) -> str:
    return "".join(char for char in replace_forbidden(text) if char.isprintable()).strip()


def _add_operators(found: RecordedWorld, calls: RecordedCalls, group_names: dict[int, str]) -> None:
    legs = list(calls.legs.values())
    first_legs = {legs[0].id for legs in calls.group_legs().values()}
    groups: dict[int, Counter[int]] = {}
    phones: dict[int, str] = {}
    names: dict[int, str] = {}
    for leg in legs:
        if leg.employee_id is None:
            continue
        counter = groups.setdefault(leg.employee_id, Counter())
        if leg.group_id is not None:
            counter[leg.group_id] += 1
        phones[leg.employee_id] = _find_own_number(leg, leg.id in first_legs) or phones.get(
            leg.employee_id, ""
        )
        names[leg.employee_id] = leg.employee_full_name or names.get(leg.employee_id, "")
    used: set[str] = set()
    entries: list[dict[str, Any]] = []
    for number in sorted(_list_called_numbers(legs) - set(phones.values())):
        used.add(number)
        entries.append({"number": number})
        found.number_of_phone[number] = number
    free = (str(number) for number in range(101, 10**9))
    taken = {*used, *phones.values()}
    for id in sorted(groups):
        phone = phones[id]
        if phone in used or not _fits(world.OperatorEntry, "number", phone):
            phone = next(number for number in free if number not in taken)
        used.add(phone)
        entry: dict[str, Any] = {"number": phone, "employee_id": id, "phone": "number"}
        entry |= _split_name(_clean(names[id]), _NAME_LENGTH)
        entry["first_day"] = FIRST_DATE
        if groups[id]:
            entry["group"] = group_names[groups[id].most_common(1)[0][0]]
        entries.append(entry)
        found.numbers[id] = found.number_of_phone[phones[id] or phone] = phone
    _cover_groups(found, entries, group_names)
    found.tables["operators"] = entries
    found.tables["groups"] = [{"name": name, "id": id} for id, name in group_names.items()]


def _find_own_number(leg: LegRow, dials: bool) -> str:
    """``employee_phone_number`` is not among the default fields."""
    own = leg.calling_phone_number if dials else leg.called_phone_number
    return leg.employee_phone_number or own or ""


def _list_called_numbers(legs: list[LegRow]) -> set[str]:
    """Whom operators called inside."""
    numbers = (
        leg.called_phone_number
        for leg in legs
        if leg.is_operator and leg.virtual_phone_number is None and leg.called_phone_number
    )
    return {number for number in numbers if _fits(world.OperatorEntry, "number", number)}


def _cover_groups(
    found: RecordedWorld, entries: list[dict[str, Any]], group_names: dict[int, str]
) -> None:
    """Each group gets somebody, for the calls that reached nobody in it; two at least there are."""
    by_name = {entry.get("group"): entry["number"] for entry in entries}
    free = (str(number) for number in range(9901, 10**9))
    missing = [name for name in group_names.values() if name not in by_name]
    missing += [""] * max(0, 2 - len(entries) - len(missing))
    for name in missing:
        number = next(n for n in free if n not in {entry["number"] for entry in entries})
        entries.append({"number": number, **({"group": name} if name else {})})
        by_name[name] = number
    found.number_of_group = {id: by_name[name] for id, name in group_names.items()}


def _split_name(full_name: str, length: int) -> dict[str, str]:
    last, _, others = full_name.partition(" ")
    first, _, patronymic = others.strip().partition(" ")
    if not last:
        return {}
    parts = {"last_name": last, "first_name": first or "-", "patronymic": patronymic.strip()}
    return {name: text[:length] for name, text in parts.items()}


def _add_scenarios(found: RecordedWorld, calls: RecordedCalls) -> None:
    legs = list(calls.legs.values())
    names = _name_entries([*legs, *calls.sessions.values()], "scenario")
    actions = {leg.scenario_id: leg for leg in legs if leg.scenario_id and leg.action_id}
    used: set[int] = set()
    scenarios: list[dict[str, Any]] = []
    for id, name in names.items():
        entry: dict[str, Any] = {"name": name, "id": id}
        leg = actions.get(id)
        if leg is not None and leg.action_id and leg.action_id not in used:
            used.add(leg.action_id)
            entry["action_id"] = leg.action_id
            if action_name := _clean(leg.action_name or "")[:255]:
                entry["action_name"] = action_name
        scenarios.append(entry)
    found.tables["scenarios"] = scenarios
    by_line: dict[str, tuple[Counter[int], Counter[int]]] = {}
    for leg in legs:
        number = leg.virtual_phone_number
        if number is None or not _fits(world.LineEntry, "virtual_phone_number", number):
            continue
        counters = by_line.setdefault(number, (Counter(), Counter()))
        if leg.scenario_id is not None:
            counters[leg.start_time[11:13] not in _DAY_HOURS][leg.scenario_id] += 1
    found.lines = set(by_line)
    found.tables["lines"] = [
        {
            "virtual_phone_number": number,
            **{
                key: names[counter.most_common(1)[0][0]]
                for key, counter in zip(("scenario", "night_scenario"), counters, strict=True)
                if counter
            },
        }
        for number, counters in sorted(by_line.items())
    ]


def _add_users(found: RecordedWorld, calls: RecordedCalls) -> None:
    rows: list[LegRow | SessionRow] = [*calls.legs.values(), *calls.sessions.values()]
    contacts: dict[int, tuple[str, Counter[str]]] = {}
    for row in rows:
        if row.contact_id is None:
            continue
        name, phones = contacts.get(row.contact_id, ("", Counter[str]()))
        if row.contact_phone_number:
            phones[row.contact_phone_number] += 1
        contacts[row.contact_id] = _clean(row.contact_full_name or "") or name, phones
    used = set(found.lines)
    organisations = []
    for id, (name, phones) in sorted(contacts.items()):
        digits = f"{id:016x}"
        uuid = f"00000000-0000-4000-{digits[:4]}-{digits[4:]}"
        user: dict[str, Any] = {"user_id": uuid, "contact_id": id, **_split_name(name, 255)}
        for phone, _ in phones.most_common():
            if phone not in used and _fits(world.UserEntry, "phone", phone):
                user["phone"] = phone
                used.add(phone)
                break
        found.users[id] = uuid
        organisations.append({"users": [user]})
    found.tables["organisations"] = organisations
