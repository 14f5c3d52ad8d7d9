"""Names and phone numbers of people, none of them given out twice in a directory."""

from collections.abc import Sequence
from typing import Any, TypeVar

from callmocks.history.name_pools import AwkwardPerson, PersonNames, load_pools
from callmocks.history.phone_numbers import NumberKind, choose_range
from callmocks.history.random_stream import RandomStream, UniquePool
from callmocks.history.world import OperatorEntry, UserEntry, World

T = TypeVar("T")

_UUIDS = {"client_id", "service_id", "specialist_id", "user_id"}


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

    def take_phone(self, stream: RandomStream, kind: NumberKind, region: int | None) -> str:
        """A number of one of the region's assigned ranges."""
        numbers = choose_range(stream, kind, region)
        return str(self._phones.take_number(stream, numbers.first, numbers.last + 1))

    def choose_names(
        self, stream: RandomStream, entry: OperatorEntry | UserEntry, awkward: AwkwardPerson | None
    ) -> dict[str, Any]:
        """``last_name``, ``first_name``, ``patronymic``, ``full_name``."""
        given = (entry.last_name, entry.first_name, entry.patronymic)
        names = self._names_of_sex(given, stream.integer_below(2))
        last, first = stream.choose_from(names.last), stream.choose_from(names.first)
        patronymic = stream.choose_from(names.patronymics or ("",))
        if awkward is not None and given == (None, None, None):
            last, first, patronymic = awkward.last, awkward.first, awkward.patronymic
        parts = fill_entry(entry, last_name=last, first_name=first, patronymic=patronymic)
        return {**parts, "full_name": " ".join(filter(None, parts.values()))}

    def _names_of_sex(self, given: tuple[str | None, ...], drawn_sex: int) -> PersonNames:
        """Names of the sex that the given parts show, otherwise of the drawn one."""
        sexes = (self.pools.male, self.pools.female)
        for own, other in (sexes, sexes[::-1]):
            pools = zip(given, _pools_by_part(own), _pools_by_part(other), strict=True)
            if any(part and part in first and part not in second for part, first, second in pools):
                return own
        return sexes[drawn_sex]


def _pools_by_part(names: PersonNames) -> tuple[tuple[str, ...], ...]:
    return names.last, names.first, names.patronymics


def fill_entry(entry: Any, **drawn: Any) -> dict[str, Any]:
    """The entry's values, and what is drawn where it gives none; UUIDs in lower case."""
    given = {name: getattr(entry, name) for name in drawn}
    for name in _UUIDS & given.keys():
        given[name] = given[name] and given[name].lower()
    return {name: drawn[name] if value is None else value for name, value in given.items()}


def item_or_none(items: Sequence[T], index: int) -> T | None:
    return items[index] if 0 <= index < len(items) else None
