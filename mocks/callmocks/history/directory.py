"""The people and things of one contact centre, the same for every day of its history.

Strings are free of control characters but hold whatever real names hold: quotes, ampersands, angle
brackets, ``ё``, an emoji. Fields that are named after another entry are its index in the directory.
"""

from datetime import date, datetime

import msgspec
import numpy as np

from callmocks.contract.cached_property import cached_property
from callmocks.history.columns import BoolColumn, IntColumn
from callmocks.history.walltime import day_of_date


class Operator(msgspec.Struct, frozen=True):
    """Agent (ARM), employee (CDR) and specialist (1C) in one person."""

    number: str  # internal number: ARM login and ``digits``
    agent_id: str  # of ARM, usually the number
    employee_id: int
    first_name: str
    last_name: str
    patronymic: str
    full_name: str
    phone: str  # ``employee_phone_number`` in CDR: his internal number or his SIP number
    sip: str
    group: int
    specialist_id: str
    department: int
    post: str
    email: str
    mobile: str
    birthday: date
    created_at: datetime
    first_day: date
    last_day: date | None  # of who has left, or will
    workload: int  # per mille of the others' calls

    def has_left(self, day: date) -> bool:
        return self.last_day is not None and day > self.last_day


class Group(msgspec.Struct, frozen=True):
    id: int
    name: str
    agent_group: str  # its name in ARM, usually the id


class Department(msgspec.Struct, frozen=True):
    id: str
    name: str


class Scenario(msgspec.Struct, frozen=True):
    id: int
    name: str
    action_id: int
    action_name: str


class Line(msgspec.Struct, frozen=True):
    service_id: str
    name: str
    virtual_phone_number: str
    scenario: int
    night_scenario: int  # of calls that start outside the hours
    hours: tuple[int, int]
    queue_id: str


class Organisation(msgspec.Struct, frozen=True, gc=False):
    """A client; its users are ``Directory.users[first_user : first_user + users]``."""

    client_id: str
    name: str
    full_name: str
    inn: str  # 10 digits, 12 of a sole trader
    kpp: str  # empty for a sole trader
    phone: str
    address: str
    first_user: int
    users: int


class User(msgspec.Struct, frozen=True, gc=False):
    """A person of a client: contact (CDR) and service user (1C)."""

    user_id: str
    organisation: int
    contact_id: int
    first_name: str
    last_name: str
    patronymic: str
    full_name: str
    phone: str  # digits alone; no two users and no line have the same
    email: str
    post: str
    known_from: date  # before that day he calls as a stranger


class Directory(msgspec.Struct, frozen=True, dict=True, weakref=True):
    operators: tuple[Operator, ...]
    groups: tuple[Group, ...]
    departments: tuple[Department, ...]
    lines: tuple[Line, ...]
    scenarios: tuple[Scenario, ...]
    organisations: tuple[Organisation, ...]
    users: tuple[User, ...]
    vendor_users: tuple[str, ...]  # user ``i`` belongs to ``vendor_clients[i % len]``
    vendor_specialists: tuple[str, ...]
    vendor_clients: tuple[str, ...]
    vendor_client_names: tuple[tuple[str, str], ...]  # short and full

    @cached_property
    def operator_groups(self) -> IntColumn:
        return np.array([operator.group for operator in self.operators])

    def order_by_group(self, employed: BoolColumn) -> IntColumn:
        """Indexes of the operators who are employed, those of a group together."""
        present = np.flatnonzero(employed)
        order: IntColumn = present[np.argsort(self.operator_groups[present], kind="stable")]
        return order

    @cached_property
    def user_numbers(self) -> IntColumn:
        return np.array([int(user.phone) for user in self.users], np.int64)

    @cached_property
    def known_days(self) -> IntColumn:
        """Of each user, the day from which his number is known."""
        return np.array([day_of_date(user.known_from) for user in self.users], np.int64)

    @cached_property
    def operators_by_number(self) -> dict[str, int]:
        return {operator.number: index for index, operator in enumerate(self.operators)}

    @cached_property
    def lines_by_name(self) -> dict[str, int]:
        """By virtual number, and after these by 1C ServiceID."""
        numbers = {line.virtual_phone_number: index for index, line in enumerate(self.lines)}
        return numbers | {line.service_id: index for index, line in enumerate(self.lines)}

    @cached_property
    def users_by_phone(self) -> dict[str, int]:
        return {user.phone: index for index, user in enumerate(self.users)}

    @cached_property
    def users_by_id(self) -> dict[str, int]:
        return {user.user_id: index for index, user in enumerate(self.users)}
