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
    Cast,
    Department,
    Group,
    Line,
    Operator,
    Organisation,
    Scenario,
    User,
)
from callmocks.history.generator import Generator, derive_key
from callmocks.history.name_pools import (
    CLIENT_CHARACTERS,
    AwkwardCompany,
    AwkwardPerson,
    Names,
    centre,
    pools,
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
_NUMBERS = 32
"""Raw numbers that one entry may use."""
_VENDOR_CLIENTS, _VENDOR_USERS, _VENDOR_SPECIALISTS = 5, 12, 6
_FIRST_NUMBER = 101
_DELETED_FROM = 6
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


class Die:
    """Raw numbers of one entry, used up one by one, mapped as ``generator.below`` does."""

    def __init__(self, raw: list[int]) -> None:
        self._raw = iter(raw)

    def below(self, bound: int) -> int:
        """0 … bound-1."""
        return ((next(self._raw) >> 32) * bound) >> 32

    def of(self, choices: Sequence[T]) -> T:
        """One of the choices."""
        return choices[self.below(len(choices))]

    def uuid(self) -> str:
        """A UUID that looks like version 4."""
        text = f"{next(self._raw):016x}{next(self._raw):016x}"
        variant = "89ab"[int(text[16], 16) & 3]
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"


class Free:
    """Hands out each number or text once, never one that the world has given away."""

    def __init__(self, given: Iterable[object]) -> None:
        self._taken = {str(value) for value in given if value is not None}

    def number(self, die: Die, low: int, high: int) -> int:
        """A free number in low … high-1."""
        at = die.below(high - low)
        while not self.take(str(low + at)):
            at = (at + 1) % (high - low)
        return low + at

    def of(self, die: Die, pool: Sequence[str], otherwise: Callable[[], str]) -> str:
        """A free entry of the pool; when eight in a row are taken, the first free ``otherwise``."""
        at = die.below(len(pool))
        for step in range(8):
            if self.take(found := pool[(at + step) % len(pool)]):
                return found
        while not self.take(found := otherwise()):
            pass
        return found

    def take(self, text: str) -> bool:
        """Take a text; False when it is taken already."""
        free = text not in self._taken
        self._taken.add(text)
        return free


class Casting:
    """One cast in the making."""

    def __init__(self, world: World, key: bytes) -> None:
        self._world = world
        self._pools = pools(world.locale)
        self._centre = centre()
        self._generator = Generator(derive_key("cast", key.hex()))
        listed = [user for entry in world.organisations for user in entry.users]
        self._phones = Free(
            [entry.virtual_phone_number for entry in world.lines]
            + [user.phone for user in listed]
            + [entry.mobile for entry in world.operators]
        )
        self._extensions = Free(
            [entry.number for entry in world.operators] + [entry.sip for entry in world.operators]
        )
        self._contacts = Free(user.contact_id for user in listed)
        self._inns = Free(entry.inn for entry in world.organisations)
        self._companies = Free(entry.name for entry in world.organisations)

    def cast(self) -> Cast:
        """The whole cast."""
        groups, departments, scenarios = self._groups(), self._departments(), self._scenarios()
        organisations, users = self._clients()
        outsiders = [die.uuid() for die in self._dice(_VENDORS, 23)]
        others = outsiders[_VENDOR_CLIENTS:]
        return Cast(
            operators=self._operators(groups, departments),
            groups=groups,
            departments=departments,
            lines=self._lines(scenarios),
            scenarios=scenarios,
            organisations=organisations,
            users=users,
            vendor_users=tuple(others[:_VENDOR_USERS]),
            vendor_specialists=tuple(others[_VENDOR_USERS:]),
            vendor_clients=tuple(outsiders[:_VENDOR_CLIENTS]),
        )

    def _dice(self, stream: int, entries: int) -> list[Die]:
        raw = self._generator.raw(stream, 0, entries * _NUMBERS).reshape(entries, _NUMBERS)
        return [Die(row) for row in raw.tolist()]

    # what the centre calls its own things

    def _groups(self) -> tuple[Group, ...]:
        listed, free = self._world.groups, Free(entry.id for entry in self._world.groups)
        names = [entry.name for entry in listed] or _cycle(
            self._centre.groups, self._world.sizes.groups
        )
        drawn = [free.number(die, 10_000, 1_000_000) for die in self._dice(_GROUPS, len(names))]
        ids = [entry.id for entry in listed] or drawn
        return tuple(Group(_or(i, d), name) for i, d, name in zip(ids, drawn, names, strict=True))

    def _departments(self) -> tuple[Department, ...]:
        listed = self._world.departments
        names = [entry.name for entry in listed] or _cycle(
            self._centre.departments, self._world.sizes.departments
        )
        drawn = [die.uuid() for die in self._dice(_DEPARTMENTS, len(names))]
        ids = [entry.id for entry in listed] or drawn
        return tuple(
            Department(_uuid(i, d), name) for i, d, name in zip(ids, drawn, names, strict=True)
        )

    def _scenarios(self) -> tuple[Scenario, ...]:
        listed = self._world.scenarios
        names = [entry.name for entry in listed] or _cycle(
            self._centre.scenarios, self._world.sizes.scenarios
        )
        ids = Free(entry.id for entry in listed)
        actions = Free(entry.action_id for entry in listed)
        scenarios = []
        for index, (die, name) in enumerate(
            zip(self._dice(_SCENARIOS, len(names)), names, strict=True)
        ):
            given = listed[index] if listed else ScenarioEntry(name=name)
            number = ids.number(die, 100_000, 1_000_000)
            action = actions.number(die, 1_000_000, 10_000_000)
            action_name = _cycle(self._centre.actions, index + 1)[-1]
            scenarios.append(
                Scenario(
                    id=_or(given.id, number),
                    name=name,
                    action_id=_or(given.action_id, action),
                    action_name=_or(given.action_name, action_name),
                )
            )
        return tuple(scenarios)

    def _lines(self, scenarios: tuple[Scenario, ...]) -> tuple[Line, ...]:
        entries = self._world.lines or (LineEntry(),) * self._world.sizes.lines
        names = _cycle(self._centre.lines, len(entries))
        free = Free(entry.queue_id for entry in entries)
        by_name = {scenario.name: index for index, scenario in enumerate(scenarios)}
        lines = []
        for index, (entry, die) in enumerate(
            zip(entries, self._dice(_LINES, len(entries)), strict=True)
        ):
            queue = entry.queue_id or next(q for q in map(str, count(701)) if free.take(q))
            lines.append(
                Line(
                    service_id=_uuid(entry.service_id, die.uuid()),
                    name=_or(entry.name, names[index]),
                    virtual_phone_number=_or(entry.virtual_phone_number, self._city_phone(die)),
                    scenario=by_name[entry.scenario] if entry.scenario else index % len(scenarios),
                    queue_id=queue,
                )
            )
        return tuple(lines)

    def _operators(
        self, groups: tuple[Group, ...], departments: tuple[Department, ...]
    ) -> tuple[Operator, ...]:
        listed, size = self._world.operators, self._world.sizes.operators
        entries = listed or (OperatorEntry(),) * size
        employees = Free(entry.employee_id for entry in entries)
        group_index = {group.name: index for index, group in enumerate(groups)}
        department_index = {each.name: index for index, each in enumerate(departments)}
        operators = []
        for index, (entry, die) in enumerate(
            zip(entries, self._dice(_OPERATORS, len(entries)), strict=True)
        ):
            # The first name on the list stays a plain one: it is the one that examples log in as.
            awkward = _at(self._centre.awkward_operators, index - 1)
            last, first, patronymic = self._person(die, entry, awkward)
            number = entry.number or self._next_number()
            sip = _or(entry.sip, f"02{self._sip(die):05d}")
            group = group_index[entry.group] if entry.group else index % len(groups)
            operators.append(
                Operator(
                    number=number,
                    employee_id=_or(entry.employee_id, employees.number(die, 100_000, 1_000_000)),
                    first_name=first,
                    last_name=last,
                    patronymic=patronymic,
                    full_name=_full_name(last, first, patronymic),
                    phone=sip if (entry.phone or _phone_kind(index)) == "sip" else number,
                    sip=sip,
                    group=group,
                    specialist_id=_uuid(entry.specialist_id, die.uuid()),
                    department=(
                        department_index[entry.department]
                        if entry.department
                        else group % len(departments)
                    ),
                    post=_or(entry.post, die.of(self._centre.operator_posts)),
                    email=_or(entry.email, f"operator{number}@centre.example"),
                    mobile=_or(entry.mobile, self._mobile(die)),
                    birthday=_or(entry.birthday, date(1960, 1, 1) + timedelta(die.below(14_600))),
                    created_at=_or(entry.created_at, _hired(die)),
                    deleted=entry.deleted or (not listed and _DELETED_FROM <= size == index + 1),
                )
            )
        return tuple(operators)

    def _next_number(self) -> str:
        return next(n for n in map(str, count(_FIRST_NUMBER)) if self._extensions.take(n))

    def _sip(self, die: Die) -> int:
        """The last five digits of a free SIP number."""
        at = die.below(100_000)
        while not self._extensions.take(f"02{at:05d}"):
            at = (at + 1) % 100_000
        return at

    # clients and their people

    def _clients(self) -> tuple[tuple[Organisation, ...], tuple[User, ...]]:
        sizes = self._world.sizes
        entries = self._world.organisations or (OrganisationEntry(),) * sizes.organisations
        least, most = sizes.users
        organisations: list[Organisation] = []
        people: list[tuple[int, UserEntry]] = []
        for index, (entry, die) in enumerate(
            zip(entries, self._dice(_ORGANISATIONS, len(entries)), strict=True)
        ):
            extra = die.below(most - least + 1)
            users = entry.users or (UserEntry(),) * (least + extra)
            organisations.append(self._organisation(index, entry, die, len(people), len(users)))
            people += [(index, user) for user in users]
        dice = self._dice(_USERS, len(people))
        return tuple(organisations), tuple(
            self._user(place, organisation, entry, die)
            for place, ((organisation, entry), die) in enumerate(zip(people, dice, strict=True))
        )

    def _organisation(
        self, index: int, entry: OrganisationEntry, die: Die, first_user: int, users: int
    ) -> Organisation:
        awkward = _at(self._centre.awkward_companies, index)
        name, full_name = self._company(index, die, awkward)
        return Organisation(
            client_id=_uuid(entry.client_id, die.uuid()),
            name=_or(entry.name, name),
            full_name=entry.full_name or entry.name or full_name,
            inn=_or(entry.inn, self._inns.of(die, self._pools.inn, lambda: _inn(die))),
            kpp=_or(entry.kpp, die.of(self._pools.kpp)),
            phone=_or(entry.phone, self._city_phone(die)),
            address=_or(entry.address, die.of(self._pools.addresses)),
            first_user=first_user,
            users=users,
        )

    def _company(self, index: int, die: Die, awkward: AwkwardCompany | None) -> tuple[str, str]:
        """Short and full name."""
        short = self._companies.of(
            die, self._pools.companies, lambda: f"ООО «Клиент № {index}-{die.below(1000)}»"
        )
        if awkward is not None and self._companies.take(awkward.name):
            return awkward.name, awkward.full_name
        form, _, rest = short.partition(" ")
        return short[:CLIENT_CHARACTERS], f"{_LEGAL_FORMS.get(form, form)} {rest}".strip()

    def _user(self, place: int, organisation: int, entry: UserEntry, die: Die) -> User:
        last, first, patronymic = self._person(die, entry, _at(self._centre.awkward_users, place))
        contact = _or(entry.contact_id, self._contacts.number(die, 10_000_000, 100_000_000))
        return User(
            user_id=_uuid(entry.user_id, die.uuid()),
            organisation=organisation,
            contact_id=contact,
            first_name=first,
            last_name=last,
            patronymic=patronymic,
            full_name=_full_name(last, first, patronymic),
            phone=_or(entry.phone, self._mobile(die)),
            email=_or(entry.email, f"{contact}@client{organisation + 1}.example"),
            post=_or(entry.post, die.of(self._pools.posts)),
        )

    def _person(
        self, die: Die, entry: OperatorEntry | UserEntry, awkward: AwkwardPerson | None
    ) -> tuple[str, str, str]:
        """Last name, first name and patronymic; what the world gives of them stands."""
        given = (entry.last_name, entry.first_name, entry.patronymic)
        names = self._names(given, die.below(2))
        drawn = (die.of(names.last), die.of(names.first), die.of(names.patronymics or ("",)))
        if awkward is not None and given == (None, None, None):
            return awkward.last, awkward.first, awkward.patronymic
        last, first, patronymic = (
            _or(mine, other) for mine, other in zip(given, drawn, strict=True)
        )
        return last, first, patronymic

    def _names(self, given: tuple[str | None, str | None, str | None], side: int) -> Names:
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
        return (male, female)[side]

    def _mobile(self, die: Die) -> str:
        return self._phones.of(die, self._pools.mobiles, lambda: f"79{die.below(10**9):09d}")

    def _city_phone(self, die: Die) -> str:
        return self._phones.of(die, self._pools.city_phones, lambda: f"7495{die.below(10**7):07d}")


def _or(given: T | None, drawn: T) -> T:
    return drawn if given is None else given


def _uuid(given: str | None, drawn: str) -> str:
    return drawn if given is None else given.lower()


def _at(awkward: Sequence[T], index: int) -> T | None:
    return awkward[index] if 0 <= index < len(awkward) else None


def _phone_kind(index: int) -> str:
    return "sip" if index % 3 == 2 else "number"


def _full_name(last: str, first: str, patronymic: str) -> str:
    return " ".join(part for part in (last, first, patronymic) if part)


def _hired(die: Die) -> datetime:
    """Working time of some day before the first day of any history."""
    return datetime(2012, 1, 10, 9) + timedelta(days=die.below(1000), seconds=die.below(30_000))


def _inn(die: Die) -> str:
    """An INN of ten digits with its check digit."""
    digits = [1 + die.below(9), *(int(digit) for digit in f"{die.below(10**8):08d}")]
    check = sum(a * b for a, b in zip((2, 4, 10, 3, 5, 9, 4, 6, 8), digits, strict=True)) % 11 % 10
    return "".join(map(str, [*digits, check]))


def _cycle(names: Sequence[str], size: int) -> list[str]:
    """``size`` names; a second round is numbered."""
    whole, rounds = len(names), range(size)
    return [names[i % whole] + (f" {i // whole + 1}" if i >= whole else "") for i in rounds]
