"""Picking a cast: what a world lists stands, the rest comes from the pools by the history's key.

Each kind of entry draws from a stream of its own and each entry from its own place in it, so that
adding an organisation leaves the operators as they are, and naming one operator the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from itertools import count
from typing import TypeVar

from callmocks.history.directory import (
    Department,
    Directory,
    Group,
    Line,
    Operator,
    Organisation,
    Scenario,
    User,
)
from callmocks.history.generator import Generator, derive_key
from callmocks.history.name_pools import (
    MAX_CLIENT_LENGTH,
    AwkwardCompany,
    AwkwardPerson,
    PersonNames,
    load_centre_names,
    load_pools,
)
from callmocks.history.world import (
    LineEntry,
    OperatorEntry,
    OrganisationEntry,
    ScenarioEntry,
    UserEntry,
    World,
)

T = TypeVar("T")

_GROUPS, _DEPARTMENTS, _SCENARIOS, _LINES, _OPERATORS, _ORGANISATIONS, _USERS, _VENDORS = range(8)
_NUMBERS_PER_ENTRY = 32
"""Raw numbers that one entry may use."""
_VENDOR_CLIENTS, _VENDOR_USERS, _VENDOR_SPECIALISTS = 5, 12, 6
_FIRST_EXTENSION = 101
_MIN_OPERATORS_WITH_DELETED = 6
"""A drawn cast of so many operators has one, its last, who has left."""
_LEGAL_FORMS = {
    "АО": "Акционерное общество",
    "ЗАО": "Закрытое акционерное общество",
    "ОАО": "Открытое акционерное общество",
    "ПАО": "Публичное акционерное общество",
    "ООО": "Общество с ограниченной ответственностью",
    "ИП": "Индивидуальный предприниматель",
    "НПО": "Научно-производственное объединение",
}


class RandomStream:
    """Raw numbers of one entry, used up one by one, mapped as ``generator.below`` does."""

    def __init__(self, raw: list[int]) -> None:
        self._raw = iter(raw)

    def integer_below(self, bound: int) -> int:
        """0 … bound-1."""
        return ((next(self._raw) >> 32) * bound) >> 32

    def choose_from(self, choices: Sequence[T]) -> T:
        """One of the choices."""
        return choices[self.integer_below(len(choices))]

    def make_uuid(self) -> str:
        """A UUID that looks like version 4."""
        text = f"{next(self._raw):016x}{next(self._raw):016x}"
        variant = "89ab"[int(text[16], 16) & 3]
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"


class UniquePool:
    """Hands out each number or text once, never one that the world has given away."""

    def __init__(self, reserved: Iterable[object]) -> None:
        self._taken = {str(value) for value in reserved if value is not None}

    def take_number(self, stream: RandomStream, low: int, high: int) -> int:
        """A free number in low … high-1."""
        at = stream.integer_below(high - low)
        while not self.try_take(str(low + at)):
            at = (at + 1) % (high - low)
        return low + at

    def take_from(
        self, stream: RandomStream, pool: Sequence[str], make_other: Callable[[], str]
    ) -> str:
        """A free entry of the pool; when eight in a row are taken, the first free ``otherwise``."""
        at = stream.integer_below(len(pool))
        for step in range(8):
            if self.try_take(found := pool[(at + step) % len(pool)]):
                return found
        while not self.try_take(found := make_other()):
            pass
        return found

    def try_take(self, text: str) -> bool:
        """Take a text; False when it is taken already."""
        free = text not in self._taken
        self._taken.add(text)
        return free


class DirectoryBuilder:
    """One cast in the making."""

    def __init__(self, world: World, key: bytes) -> None:
        self._world = world
        self._pools = load_pools(world.locale)
        self._centre = load_centre_names()
        self._generator = Generator(derive_key("cast", key.hex()))
        listed = [user for entry in world.organisations for user in entry.users]
        self._phones = UniquePool(
            [entry.virtual_phone_number for entry in world.lines]
            + [user.phone for user in listed]
            + [entry.mobile for entry in world.operators]
        )
        self._extensions = UniquePool(
            [entry.number for entry in world.operators] + [entry.sip for entry in world.operators]
        )
        self._contacts = UniquePool(user.contact_id for user in listed)
        self._inns = UniquePool(entry.inn for entry in world.organisations)
        self._companies = UniquePool(entry.name for entry in world.organisations)

    def build(self) -> Directory:
        """The whole cast."""
        groups, departments, scenarios = (
            self._build_groups(),
            self._build_departments(),
            self._build_scenarios(),
        )
        organisations, users = self._build_clients()
        outsiders = [die.make_uuid() for die in self._open_streams(_VENDORS, 23)]
        others = outsiders[_VENDOR_CLIENTS:]
        return Directory(
            operators=self._build_operators(groups, departments),
            groups=groups,
            departments=departments,
            lines=self._build_lines(scenarios),
            scenarios=scenarios,
            organisations=organisations,
            users=users,
            vendor_users=tuple(others[:_VENDOR_USERS]),
            vendor_specialists=tuple(others[_VENDOR_USERS:]),
            vendor_clients=tuple(outsiders[:_VENDOR_CLIENTS]),
        )

    def _open_streams(self, kind: int, entry_count: int) -> list[RandomStream]:
        raw = self._generator.draw_raw(kind, 0, entry_count * _NUMBERS_PER_ENTRY).reshape(
            entry_count, _NUMBERS_PER_ENTRY
        )
        return [RandomStream(row) for row in raw.tolist()]

    # what the centre calls its own things

    def _build_groups(self) -> tuple[Group, ...]:
        listed, free = self._world.groups, UniquePool(entry.id for entry in self._world.groups)
        names = [entry.name for entry in listed] or _cycle_names(
            self._centre.groups, self._world.sizes.groups
        )
        drawn = [
            free.take_number(die, 10_000, 1_000_000)
            for die in self._open_streams(_GROUPS, len(names))
        ]
        ids = [entry.id for entry in listed] or drawn
        return tuple(
            Group(_given_or_drawn(i, d), name) for i, d, name in zip(ids, drawn, names, strict=True)
        )

    def _build_departments(self) -> tuple[Department, ...]:
        listed = self._world.departments
        names = [entry.name for entry in listed] or _cycle_names(
            self._centre.departments, self._world.sizes.departments
        )
        drawn = [die.make_uuid() for die in self._open_streams(_DEPARTMENTS, len(names))]
        ids = [entry.id for entry in listed] or drawn
        return tuple(
            Department(_lower_uuid(i, d), name)
            for i, d, name in zip(ids, drawn, names, strict=True)
        )

    def _build_scenarios(self) -> tuple[Scenario, ...]:
        listed = self._world.scenarios
        names = [entry.name for entry in listed] or _cycle_names(
            self._centre.scenarios, self._world.sizes.scenarios
        )
        ids = UniquePool(entry.id for entry in listed)
        actions = UniquePool(entry.action_id for entry in listed)
        scenarios = []
        for index, (die, name) in enumerate(
            zip(self._open_streams(_SCENARIOS, len(names)), names, strict=True)
        ):
            given = listed[index] if listed else ScenarioEntry(name=name)
            number = ids.take_number(die, 100_000, 1_000_000)
            action = actions.take_number(die, 1_000_000, 10_000_000)
            action_name = _cycle_names(self._centre.actions, index + 1)[-1]
            scenarios.append(
                Scenario(
                    id=_given_or_drawn(given.id, number),
                    name=name,
                    action_id=_given_or_drawn(given.action_id, action),
                    action_name=_given_or_drawn(given.action_name, action_name),
                )
            )
        return tuple(scenarios)

    def _build_lines(self, scenarios: tuple[Scenario, ...]) -> tuple[Line, ...]:
        entries = self._world.lines or (LineEntry(),) * self._world.sizes.lines
        names = _cycle_names(self._centre.lines, len(entries))
        free = UniquePool(entry.queue_id for entry in entries)
        by_name = {scenario.name: index for index, scenario in enumerate(scenarios)}
        lines = []
        for index, (entry, die) in enumerate(
            zip(entries, self._open_streams(_LINES, len(entries)), strict=True)
        ):
            queue = entry.queue_id or next(q for q in map(str, count(701)) if free.try_take(q))
            lines.append(
                Line(
                    service_id=_lower_uuid(entry.service_id, die.make_uuid()),
                    name=_given_or_drawn(entry.name, names[index]),
                    virtual_phone_number=_given_or_drawn(
                        entry.virtual_phone_number, self._take_city_phone(die)
                    ),
                    scenario=by_name[entry.scenario] if entry.scenario else index % len(scenarios),
                    queue_id=queue,
                )
            )
        return tuple(lines)

    def _build_operators(
        self, groups: tuple[Group, ...], departments: tuple[Department, ...]
    ) -> tuple[Operator, ...]:
        listed, size = self._world.operators, self._world.sizes.operators
        entries = listed or (OperatorEntry(),) * size
        employees = UniquePool(entry.employee_id for entry in entries)
        group_index = {group.name: index for index, group in enumerate(groups)}
        department_index = {each.name: index for index, each in enumerate(departments)}
        operators = []
        for index, (entry, die) in enumerate(
            zip(entries, self._open_streams(_OPERATORS, len(entries)), strict=True)
        ):
            # The first name on the list stays a plain one: it is the one that examples log in as.
            awkward = _item_or_none(self._centre.awkward_operators, index - 1)
            last, first, patronymic = self._choose_person_names(die, entry, awkward)
            number = entry.number or self._take_extension()
            sip = _given_or_drawn(entry.sip, f"02{self._take_sip_digits(die):05d}")
            group = group_index[entry.group] if entry.group else index % len(groups)
            operators.append(
                Operator(
                    number=number,
                    employee_id=_given_or_drawn(
                        entry.employee_id, employees.take_number(die, 100_000, 1_000_000)
                    ),
                    first_name=first,
                    last_name=last,
                    patronymic=patronymic,
                    full_name=_full_name(last, first, patronymic),
                    phone=sip if (entry.phone or _default_phone_kind(index)) == "sip" else number,
                    sip=sip,
                    group=group,
                    specialist_id=_lower_uuid(entry.specialist_id, die.make_uuid()),
                    department=(
                        department_index[entry.department]
                        if entry.department
                        else group % len(departments)
                    ),
                    post=_given_or_drawn(entry.post, die.choose_from(self._centre.operator_posts)),
                    email=_given_or_drawn(entry.email, f"operator{number}@centre.example"),
                    mobile=_given_or_drawn(entry.mobile, self._take_mobile(die)),
                    birthday=_given_or_drawn(
                        entry.birthday, date(1960, 1, 1) + timedelta(die.integer_below(14_600))
                    ),
                    created_at=_given_or_drawn(entry.created_at, _draw_hire_time(die)),
                    deleted=entry.deleted
                    or (not listed and _MIN_OPERATORS_WITH_DELETED <= size == index + 1),
                )
            )
        return tuple(operators)

    def _take_extension(self) -> str:
        return next(n for n in map(str, count(_FIRST_EXTENSION)) if self._extensions.try_take(n))

    def _take_sip_digits(self, stream: RandomStream) -> int:
        """The last five digits of a free SIP number."""
        at = stream.integer_below(100_000)
        while not self._extensions.try_take(f"02{at:05d}"):
            at = (at + 1) % 100_000
        return at

    # clients and their people

    def _build_clients(self) -> tuple[tuple[Organisation, ...], tuple[User, ...]]:
        sizes = self._world.sizes
        entries = self._world.organisations or (OrganisationEntry(),) * sizes.organisations
        least, most = sizes.users
        organisations: list[Organisation] = []
        people: list[tuple[int, UserEntry]] = []
        for index, (entry, die) in enumerate(
            zip(entries, self._open_streams(_ORGANISATIONS, len(entries)), strict=True)
        ):
            extra = die.integer_below(most - least + 1)
            users = entry.users or (UserEntry(),) * (least + extra)
            organisations.append(
                self._build_organisation(index, entry, die, len(people), len(users))
            )
            people += [(index, user) for user in users]
        dice = self._open_streams(_USERS, len(people))
        return tuple(organisations), tuple(
            self._build_user(place, organisation, entry, die)
            for place, ((organisation, entry), die) in enumerate(zip(people, dice, strict=True))
        )

    def _build_organisation(
        self,
        index: int,
        entry: OrganisationEntry,
        stream: RandomStream,
        first_user: int,
        users: int,
    ) -> Organisation:
        awkward = _item_or_none(self._centre.awkward_companies, index)
        name, full_name = self._choose_company_names(index, stream, awkward)
        return Organisation(
            client_id=_lower_uuid(entry.client_id, stream.make_uuid()),
            name=_given_or_drawn(entry.name, name),
            full_name=entry.full_name or entry.name or full_name,
            inn=_given_or_drawn(
                entry.inn, self._inns.take_from(stream, self._pools.inn, lambda: _draw_inn(stream))
            ),
            kpp=_given_or_drawn(entry.kpp, stream.choose_from(self._pools.kpp)),
            phone=_given_or_drawn(entry.phone, self._take_city_phone(stream)),
            address=_given_or_drawn(entry.address, stream.choose_from(self._pools.addresses)),
            first_user=first_user,
            users=users,
        )

    def _choose_company_names(
        self, index: int, stream: RandomStream, awkward: AwkwardCompany | None
    ) -> tuple[str, str]:
        """Short and full name."""
        short = self._companies.take_from(
            stream,
            self._pools.companies,
            lambda: f"ООО «Клиент № {index}-{stream.integer_below(1000)}»",
        )
        if awkward is not None and self._companies.try_take(awkward.name):
            return awkward.name, awkward.full_name
        form, _, rest = short.partition(" ")
        return short[:MAX_CLIENT_LENGTH], f"{_LEGAL_FORMS.get(form, form)} {rest}".strip()

    def _build_user(
        self, index: int, organisation: int, entry: UserEntry, stream: RandomStream
    ) -> User:
        last, first, patronymic = self._choose_person_names(
            stream, entry, _item_or_none(self._centre.awkward_users, index)
        )
        contact = _given_or_drawn(
            entry.contact_id, self._contacts.take_number(stream, 10_000_000, 100_000_000)
        )
        return User(
            user_id=_lower_uuid(entry.user_id, stream.make_uuid()),
            organisation=organisation,
            contact_id=contact,
            first_name=first,
            last_name=last,
            patronymic=patronymic,
            full_name=_full_name(last, first, patronymic),
            phone=_given_or_drawn(entry.phone, self._take_mobile(stream)),
            email=_given_or_drawn(entry.email, f"{contact}@client{organisation + 1}.example"),
            post=_given_or_drawn(entry.post, stream.choose_from(self._pools.posts)),
        )

    def _choose_person_names(
        self, stream: RandomStream, entry: OperatorEntry | UserEntry, awkward: AwkwardPerson | None
    ) -> tuple[str, str, str]:
        """Last name, first name and patronymic; what the world gives of them stands."""
        given = (entry.last_name, entry.first_name, entry.patronymic)
        names = self._names_of_sex(given, stream.integer_below(2))
        drawn = (
            stream.choose_from(names.last),
            stream.choose_from(names.first),
            stream.choose_from(names.patronymics or ("",)),
        )
        if awkward is not None and given == (None, None, None):
            return awkward.last, awkward.first, awkward.patronymic
        last, first, patronymic = (
            _given_or_drawn(mine, other) for mine, other in zip(given, drawn, strict=True)
        )
        return last, first, patronymic

    def _names_of_sex(
        self, given: tuple[str | None, str | None, str | None], drawn_sex: int
    ) -> PersonNames:
        """Names of the sex that the given parts show, otherwise of the drawn one."""
        male, female = self._pools.male, self._pools.female
        for names, other in ((male, female), (female, male)):
            pairs = zip(
                given,
                (names.last, names.first, names.patronymics),
                (other.last, other.first, other.patronymics),
                strict=True,
            )
            if any(part in mine and part not in theirs for part, mine, theirs in pairs):
                return names
        return (male, female)[drawn_sex]

    def _take_mobile(self, stream: RandomStream) -> str:
        return self._phones.take_from(
            stream, self._pools.mobiles, lambda: f"79{stream.integer_below(10**9):09d}"
        )

    def _take_city_phone(self, stream: RandomStream) -> str:
        return self._phones.take_from(
            stream, self._pools.city_phones, lambda: f"7495{stream.integer_below(10**7):07d}"
        )


def _given_or_drawn(given: T | None, drawn: T) -> T:
    return drawn if given is None else given


def _lower_uuid(given: str | None, drawn: str) -> str:
    return drawn if given is None else given.lower()


def _item_or_none(items: Sequence[T], index: int) -> T | None:
    return items[index] if 0 <= index < len(items) else None


def _default_phone_kind(index: int) -> str:
    return "sip" if index % 3 == 2 else "number"


def _full_name(last: str, first: str, patronymic: str) -> str:
    return " ".join(part for part in (last, first, patronymic) if part)


def _draw_hire_time(stream: RandomStream) -> datetime:
    """Working time of some day before the first day of any history."""
    return datetime(2012, 1, 10, 9) + timedelta(
        days=stream.integer_below(1000), seconds=stream.integer_below(30_000)
    )


def _draw_inn(stream: RandomStream) -> str:
    """An INN of ten digits with its check digit."""
    digits = [
        1 + stream.integer_below(9),
        *(int(digit) for digit in f"{stream.integer_below(10**8):08d}"),
    ]
    check = sum(a * b for a, b in zip((2, 4, 10, 3, 5, 9, 4, 6, 8), digits, strict=True)) % 11 % 10
    return "".join(map(str, [*digits, check]))


def _cycle_names(names: Sequence[str], size: int) -> list[str]:
    """``size`` names; a second round is numbered."""
    whole, rounds = len(names), range(size)
    return [names[i % whole] + (f" {i // whole + 1}" if i >= whole else "") for i in rounds]
