"""The people and things of one contact centre, the same for every day of its history.

What a world lists by name is taken as it stands; everything else is picked from the pools by the
history's key. Strings are free of control characters but hold whatever real names hold: quotes,
ampersands, angle brackets, ``ё``, an emoji.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from callmocks.history.world import World


@dataclass(frozen=True, slots=True)
class Operator:
    """Agent (ARM), employee (CDR) and specialist (1C) in one person."""

    number: str
    """Internal number: ARM login, ``digits`` and agent id."""
    employee_id: int
    first_name: str
    last_name: str
    patronymic: str
    """Empty when he has none."""
    full_name: str
    """Last name, first name, patronymic."""
    phone: str
    """``employee_phone_number`` in CDR: his internal number or his SIP number."""
    sip: str
    group: int
    """Index in ``Cast.groups``."""
    specialist_id: str
    department: int
    """Index in ``Cast.departments``."""
    post: str
    email: str
    mobile: str
    birthday: date
    created_at: datetime
    """Naive wall time, before the first day of any history."""
    deleted: bool


@dataclass(frozen=True, slots=True)
class Group:
    """A group of operators."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Department:
    """A department of 1C-Connect specialists; ``id`` is a UUID."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario of the virtual exchange with its one operation."""

    id: int
    name: str
    action_id: int
    action_name: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line of 1C-Connect and the virtual number that leads to it."""

    service_id: str
    name: str
    virtual_phone_number: str
    scenario: int
    """Index in ``Cast.scenarios``."""
    queue_id: str


@dataclass(frozen=True, slots=True)
class Organisation:
    """A client; its users are ``Cast.users[first_user : first_user + users]``."""

    client_id: str
    name: str
    full_name: str
    inn: str
    kpp: str
    phone: str
    address: str
    first_user: int
    users: int


@dataclass(frozen=True, slots=True)
class User:
    """A person of a client: contact (CDR) and service user (1C)."""

    user_id: str
    organisation: int
    """Index in ``Cast.organisations``."""
    contact_id: int
    first_name: str
    last_name: str
    patronymic: str
    full_name: str
    phone: str
    """Digits alone; no two users and no line have the same."""
    email: str
    post: str


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Directory:
    """Everybody and everything that calls refer to, by index."""

    operators: tuple[Operator, ...]
    groups: tuple[Group, ...]
    departments: tuple[Department, ...]
    lines: tuple[Line, ...]
    scenarios: tuple[Scenario, ...]
    organisations: tuple[Organisation, ...]
    users: tuple[User, ...]
    vendor_users: tuple[str, ...]
    """Users of other companies' clients: user ``i`` belongs to ``vendor_clients[i % len]``."""
    vendor_specialists: tuple[str, ...]
    vendor_clients: tuple[str, ...]

    @staticmethod
    def build(world: World, key: bytes) -> Directory:
        """The cast of a world, picked by a history's key (16 bytes)."""
        from callmocks.history.directory_builder import DirectoryBuilder

        return DirectoryBuilder(world, key).build()
