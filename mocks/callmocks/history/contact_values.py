"""Names and phone numbers of people, none of them given out twice in a directory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from callmocks.history.name_pools import AwkwardPerson, PersonNames, load_pools
from callmocks.history.random_stream import RandomStream, UniquePool
from callmocks.history.world import OperatorEntry, UserEntry, World

T = TypeVar("T")


class ContactValues:
    def __init__(self, world: World) -> None:
        self.pools = load_pools(world.locale)
        self._phones = UniquePool(
            [
                *(line.virtual_phone_number for line in world.lines),
                *(user.phone for entry in world.organisations for user in entry.users),
                *(operator.mobile for operator in world.operators),
            ]
        )

    def take_mobile(self, stream: RandomStream) -> str:
        return self._phones.take_from(
            stream, self.pools.mobiles, lambda: f"79{stream.integer_below(10**9):09d}"
        )

    def take_city_phone(self, stream: RandomStream) -> str:
        return self._phones.take_from(
            stream, self.pools.city_phones, lambda: f"7495{stream.integer_below(10**7):07d}"
        )

    def choose_names(
        self, stream: RandomStream, entry: OperatorEntry | UserEntry, awkward: AwkwardPerson | None
    ) -> dict[str, str]:
        """``last_name``, ``first_name``, ``patronymic``, ``full_name``; the entry's where given."""
        given = (entry.last_name, entry.first_name, entry.patronymic)
        names = self._names_of_sex(given, stream.integer_below(2))
        drawn = (
            stream.choose_from(names.last),
            stream.choose_from(names.first),
            stream.choose_from(names.patronymics or ("",)),
        )
        if awkward is not None and given == (None, None, None):
            drawn = (awkward.last, awkward.first, awkward.patronymic)
        parts = tuple(map(given_or_drawn, given, drawn))
        full_name = " ".join(part for part in parts if part)
        return dict(
            zip(
                ("last_name", "first_name", "patronymic", "full_name"),
                (*parts, full_name),
                strict=True,
            )
        )

    def _names_of_sex(self, given: tuple[str | None, ...], drawn_sex: int) -> PersonNames:
        """Names of the sex that the given parts show, otherwise of the drawn one."""
        male, female = self.pools.male, self.pools.female
        for names, other in ((male, female), (female, male)):
            pools = zip(_pools_by_part(names), _pools_by_part(other), strict=True)
            if any(
                part in own and part not in others
                for part, (own, others) in zip(given, pools, strict=True)
            ):
                return names
        return (male, female)[drawn_sex]


def _pools_by_part(names: PersonNames) -> tuple[tuple[str, ...], ...]:
    return names.last, names.first, names.patronymics


def given_or_drawn(given: T | None, drawn: T) -> T:
    return drawn if given is None else given


def lower_uuid(given: str | None, drawn: str) -> str:
    return drawn if given is None else given.lower()


def item_or_none(items: Sequence[T], index: int) -> T | None:
    return items[index] if 0 <= index < len(items) else None
