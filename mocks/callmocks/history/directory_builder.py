"""Builds a directory: what a world lists is kept, the rest is drawn by the history's key.

Each kind of entry has a stream of its own and each entry its own part of it, so that adding an
organisation leaves the operators as they are, and naming one operator the others.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from itertools import count
from typing import Any, TypeVar

from callmocks.history.client_builder import ClientBuilder
from callmocks.history.contact_values import ContactValues, fill_entry, item_or_none
from callmocks.history.directory import Department, Directory, Group, Line, Operator, Scenario
from callmocks.history.generator import Generator, derive_key
from callmocks.history.name_pools import load_centre_names
from callmocks.history.phone_numbers import choose_region
from callmocks.history.random_stream import RandomStream, UniquePool
from callmocks.history.world import (
    DepartmentEntry,
    GroupEntry,
    LineEntry,
    OperatorEntry,
    ScenarioEntry,
    World,
)

T = TypeVar("T")

_GROUPS, _DEPARTMENTS, _SCENARIOS, _LINES, _OPERATORS, _ORGANISATIONS, _USERS, _VENDORS = range(8)
_CENTRE = 8
_RAW_NUMBERS_PER_ENTRY = 32
_ENTRIES_AT_ONCE = 1000
_VENDOR_CLIENTS, _VENDOR_USERS, _VENDOR_SPECIALISTS = 5, 12, 6
_FIRST_EXTENSION, _FIRST_QUEUE = 101, 701
# Every fourth drawn line is toll-free.
_TOLL_FREE_EVERY = 4
_NIGHT_SCENARIO = "Ночной приём"
# From this size on, the last of the drawn operators leaves.
_MIN_OPERATORS_WITH_LEAVER = 6
_LEAVING_YEAR = date(2025, 2, 1)
_WORKLOADS = (800, 900, 950, 1000, 1000, 1050, 1150, 1250)


def build_directory(world: World, key: bytes) -> Directory:
    return DirectoryBuilder(world, key).build()


class DirectoryBuilder:
    def __init__(self, world: World, key: bytes) -> None:
        self._world = world
        self._centre = load_centre_names()
        self._generator = Generator(derive_key("cast", key.hex()))
        self._values = ContactValues(world)
        self._region = choose_region(next(self._open_streams(_CENTRE, 1)))
        self._extensions = UniquePool(
            number for entry in world.operators for number in (entry.number, entry.sip)
        )

    def build(self) -> Directory:
        groups, departments = self._build_groups(), self._build_departments()
        scenarios = self._build_scenarios()
        clients = ClientBuilder(self._world, self._values)
        organisations, users = clients.build(
            partial(self._open_streams, _ORGANISATIONS), partial(self._open_streams, _USERS)
        )
        size = _VENDOR_CLIENTS + _VENDOR_USERS + _VENDOR_SPECIALISTS
        vendor_streams = list(self._open_streams(_VENDORS, size))
        vendor_ids = tuple(stream.make_uuid() for stream in vendor_streams)
        return Directory(
            operators=self._build_operators(groups, departments),
            groups=groups,
            departments=departments,
            lines=self._build_lines(scenarios),
            scenarios=scenarios,
            organisations=organisations,
            users=users,
            vendor_users=vendor_ids[_VENDOR_CLIENTS : _VENDOR_CLIENTS + _VENDOR_USERS],
            vendor_specialists=vendor_ids[_VENDOR_CLIENTS + _VENDOR_USERS :],
            vendor_clients=vendor_ids[:_VENDOR_CLIENTS],
            vendor_client_names=tuple(
                clients.choose_names(len(organisations) + number, stream)
                for number, stream in enumerate(vendor_streams[:_VENDOR_CLIENTS])
            ),
        )

    def _open_streams(self, kind: int, entry_count: int) -> Iterator[RandomStream]:
        raw = self._generator.draw_raw(kind, 0, entry_count * _RAW_NUMBERS_PER_ENTRY)
        rows = raw.reshape(entry_count, _RAW_NUMBERS_PER_ENTRY)
        # Making and freeing one list of all numbers would hold up other threads, too.
        for first in range(0, entry_count, _ENTRIES_AT_ONCE):
            yield from map(RandomStream, rows[first : first + _ENTRIES_AT_ONCE].tolist())

    def _with_streams(self, kind: int, items: Sequence[T]) -> Iterator[tuple[int, T, RandomStream]]:
        streams = self._open_streams(kind, len(items))
        return zip(range(len(items)), items, streams, strict=True)

    def _build_groups(self) -> tuple[Group, ...]:
        names = _cycle_names(self._centre.groups, self._world.sizes.groups)
        entries = self._world.groups or [GroupEntry(name=name) for name in names]
        ids = UniquePool(entry.id for entry in entries)
        groups = []
        for _, entry, stream in self._with_streams(_GROUPS, entries):
            drawn = ids.take_number(stream, 10_000, 1_000_000)
            id = entry.id or drawn
            groups.append(Group(id, entry.name, entry.agent_group or str(id)))
        return tuple(groups)

    def _build_departments(self) -> tuple[Department, ...]:
        names = _cycle_names(self._centre.departments, self._world.sizes.departments)
        entries = self._world.departments or [DepartmentEntry(name=name) for name in names]
        return tuple(
            Department((entry.id or stream.make_uuid()).lower(), entry.name)
            for _, entry, stream in self._with_streams(_DEPARTMENTS, entries)
        )

    def _build_scenarios(self) -> tuple[Scenario, ...]:
        names = _cycle_names(self._centre.scenarios, self._world.sizes.scenarios)
        entries = self._world.scenarios or [ScenarioEntry(name=name) for name in names]
        actions = _cycle_names(self._centre.actions, len(entries))
        ids = UniquePool(entry.id for entry in entries)
        action_ids = UniquePool(entry.action_id for entry in entries)
        return tuple(
            Scenario(
                **fill_entry(
                    entry,
                    id=ids.take_number(stream, 100_000, 1_000_000),
                    name=entry.name,
                    action_id=action_ids.take_number(stream, 1_000_000, 10_000_000),
                    action_name=actions[index],
                )
            )
            for index, entry, stream in self._with_streams(_SCENARIOS, entries)
        )

    def _build_lines(self, scenarios: tuple[Scenario, ...]) -> tuple[Line, ...]:
        entries = self._world.lines or (LineEntry(),) * self._world.sizes.lines
        names = _cycle_names(self._centre.lines, len(entries))
        queues = UniquePool(entry.queue_id for entry in entries)
        queue_ids = map(str, count(_FIRST_QUEUE))
        indexes = _indexes_by_name(scenarios)
        return tuple(
            Line(
                **fill_entry(
                    entry,
                    service_id=stream.make_uuid(),
                    name=names[index],
                    virtual_phone_number=self._take_line_number(stream, index),
                ),
                **self._choose_scenarios(entry, indexes, index),
                hours=entry.hours,
                queue_id=entry.queue_id or queues.take_first(queue_ids),
            )
            for index, entry, stream in self._with_streams(_LINES, entries)
        )

    def _take_line_number(self, stream: RandomStream, index: int) -> str:
        if index % _TOLL_FREE_EVERY == 0:
            return self._values.take_phone(stream, "toll-free", None)
        return self._values.take_phone(stream, "city", self._region)

    def _choose_scenarios(
        self, entry: LineEntry, by_name: dict[str, int], index: int
    ) -> dict[str, Any]:
        """Drawn scenarios have one for the night, which no line has by day."""
        size = len(by_name)
        night = None if self._world.scenarios else by_name.get(_NIGHT_SCENARIO)
        if night is None or size == 1:
            day = index % size
        else:
            day = index % (size - 1)
            day += day >= night
        if entry.scenario:
            day = by_name[entry.scenario]
        if entry.night_scenario:
            night = by_name[entry.night_scenario]
        return {"scenario": day, "night_scenario": day if night is None else night}

    def _build_operators(
        self, groups: tuple[Group, ...], departments: tuple[Department, ...]
    ) -> tuple[Operator, ...]:
        listed, size = self._world.operators, self._world.sizes.operators
        entries = listed or (OperatorEntry(),) * size
        employee_ids = UniquePool(entry.employee_id for entry in entries)
        extensions = map(str, count(_FIRST_EXTENSION))
        groups_by_name = _indexes_by_name(groups)
        departments_by_name = _indexes_by_name(departments)
        operators = []
        for index, entry, stream in self._with_streams(_OPERATORS, entries):
            # The first operator has a plain name: examples log in as him.
            awkward = item_or_none(self._centre.awkward_operators, index - 1)
            names = self._values.choose_names(stream, entry, awkward)
            number = entry.number or self._extensions.take_first(extensions)
            first_sip = stream.integer_below(100_000)
            sips = (f"02{n % 100_000:05d}" for n in count(first_sip))
            drawn_sip = self._extensions.take_first(sips)
            sip = entry.sip or drawn_sip
            phone_kind = entry.phone or ("sip" if index % 3 == 2 else "number")
            group = _index_of(entry.group, groups_by_name, index)
            left = not listed and _MIN_OPERATORS_WITH_LEAVER <= size == index + 1
            values = fill_entry(
                entry,
                employee_id=employee_ids.take_number(stream, 100_000, 1_000_000),
                specialist_id=stream.make_uuid(),
                post=stream.choose_from(self._centre.operator_posts),
                email=f"operator{number}@centre.example",
                mobile=self._values.take_phone(stream, "mobile", self._region),
                birthday=date(1960, 1, 1) + timedelta(stream.integer_below(14_600)),
                created_at=_draw_hire_time(stream, may_be_late=index > 2 and not left),
                workload=_WORKLOADS[stream.integer_below(len(_WORKLOADS))],
            )
            hired = values["created_at"].date()
            drawn_last_day = _LEAVING_YEAR + timedelta(stream.integer_below(300))
            leaves = entry.deleted or left
            last_day = entry.last_day or (max(drawn_last_day, hired) if leaves else None)
            operators.append(
                Operator(
                    **names,
                    **values,
                    number=number,
                    agent_id=entry.agent_id or number,
                    sip=sip,
                    phone=sip if phone_kind == "sip" else number,
                    group=group,
                    department=_index_of(entry.department, departments_by_name, group),
                    first_day=entry.first_day or hired,
                    last_day=last_day,
                )
            )
        return tuple(operators)


def _index_of(name: str | None, indexes: dict[str, int], turn: int) -> int:
    return indexes[name] if name else turn % len(indexes)


def _indexes_by_name(entries: Sequence[Group | Department | Scenario]) -> dict[str, int]:
    return {entry.name: index for index, entry in enumerate(entries)}


def _draw_hire_time(stream: RandomStream, may_be_late: bool) -> datetime:
    """Most came before the first day of a history, one of six in its first eight years."""
    days, seconds = stream.integer_below(1000), stream.integer_below(30_000)
    late = stream.integer_below(6) == 0 and may_be_late
    first = datetime(2015, 6, 1, 9) + 2 * timedelta(days) if late else datetime(2012, 1, 10, 9)
    return first + timedelta(days=days, seconds=seconds)


def _cycle_names(names: Sequence[str], size: int) -> list[str]:
    """``size`` names; a second round is numbered."""
    rounds = (divmod(i, len(names)) for i in range(size))
    return [names[i] + (f" {number + 1}" if number else "") for number, i in rounds]
