"""Pools of names and numbers from which a cast is picked.

For ``ru_RU`` the pools were drawn once by ``scripts/draw-cast`` and are read from
``fixtures/cast``, so that a seed gives the same people whatever version of Faker is installed. For
any other locale Faker is asked at run time: there the people depend on its version.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import msgspec

from callmocks.contract.resources import fixture_path
from callmocks.errors import SettingsError

STORED_LOCALE = "ru_RU"
MAX_NAME_LENGTH = 20
"""A 1C-Connect name, surname or patronymic has at most so many characters (SpecialistRead)."""
MAX_POST_LENGTH = 50
MAX_CLIENT_LENGTH = 50
"""Length of a post and of a client's short name in 1C-Connect."""

_FAKER_SEED = 20150101
_CITY_CODES = ("495", "499", "812", "343", "383", "846", "831", "863", "3452", "4012")


class PersonNames(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of one sex; ``patronymics`` is empty where there are none."""

    first: tuple[str, ...]
    last: tuple[str, ...]
    patronymics: tuple[str, ...]


class NamePools(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything a locale gives. Phones are 11 digits from 7, INN 10 digits, KPP 9 digits."""

    male: PersonNames
    female: PersonNames
    companies: tuple[str, ...]
    posts: tuple[str, ...]
    mobiles: tuple[str, ...]
    city_phones: tuple[str, ...]
    addresses: tuple[str, ...]
    inn: tuple[str, ...]
    kpp: tuple[str, ...]


class AwkwardPerson(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    last: str
    first: str
    patronymic: str = ""


class AwkwardCompany(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    full_name: str


class CentreNames(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Names of a contact centre's own things, and the awkward ones that every directory has."""

    groups: tuple[str, ...]
    departments: tuple[str, ...]
    lines: tuple[str, ...]
    scenarios: tuple[str, ...]
    actions: tuple[str, ...]
    operator_posts: tuple[str, ...]
    awkward_operators: tuple[AwkwardPerson, ...]
    awkward_users: tuple[AwkwardPerson, ...]
    awkward_companies: tuple[AwkwardCompany, ...]


@cache
def load_centre_names() -> CentreNames:
    return msgspec.json.decode(fixture_path("cast/centre.json").read_bytes(), type=CentreNames)


@cache
def load_pools(locale: str) -> NamePools:
    """The pools of a locale; ``SettingsError`` when Faker does not know it."""
    if locale == STORED_LOCALE:
        return msgspec.json.decode(
            fixture_path(f"cast/{STORED_LOCALE}.json").read_bytes(), type=NamePools
        )
    return draw_pools(locale)


def draw_pools(locale: str, size: int = 300) -> NamePools:
    """Ask Faker for the pools of a locale, ``size`` entries each, always from one Faker seed."""
    from faker import Faker

    try:
        fake = Faker(locale)
    except AttributeError:
        raise SettingsError(f"Faker has no locale {locale!r}") from None
    fake.seed_instance(_FAKER_SEED)

    def method(*names: str) -> Callable[[], str] | None:
        found = (getattr(fake, name, None) for name in names)
        return next((call for call in found if call is not None), None)

    def several(
        call: Callable[[], str] | None, longest: int, wanted: int = size
    ) -> tuple[str, ...]:
        """Different texts of at most ``longest`` characters, sorted; none when there is no call."""
        drawn = (" ".join(call().split()) for _ in range(wanted * 4)) if call else ()
        unique = dict.fromkeys(text for text in drawn if 0 < len(text) <= longest)
        return tuple(sorted(list(unique)[:wanted]))

    def names(sex: str) -> PersonNames:
        return PersonNames(
            first=several(method(f"first_name_{sex}", "first_name"), MAX_NAME_LENGTH),
            last=several(method(f"last_name_{sex}", "last_name"), MAX_NAME_LENGTH),
            patronymics=several(method(f"middle_name_{sex}"), MAX_NAME_LENGTH),
        )

    real = _existing_companies(fake)

    def company() -> str:
        drawn = str(fake.company())
        return drawn if not any(name in drawn for name in real) else ""

    def city_phone() -> str:
        code = str(fake.random_element(_CITY_CODES))
        return str(fake.numerify("7" + code + "%" + "#" * (9 - len(code))))

    return NamePools(
        male=names("male"),
        female=names("female"),
        companies=several(company, MAX_CLIENT_LENGTH),
        posts=several(method("job"), MAX_POST_LENGTH),
        mobiles=several(lambda: str(fake.numerify("79#########")), 11, size * 2),
        city_phones=several(city_phone, 11),
        addresses=several(method("address"), 200),
        inn=several(method("businesses_inn") or (lambda: str(fake.numerify("%#########"))), 10),
        kpp=several(method("kpp") or (lambda: str(fake.numerify("%########"))), 9),
    )


def _existing_companies(fake: object) -> tuple[str, ...]:
    """Names of companies that exist: Faker mixes some in, a mock's clients should not be real."""
    for provider in getattr(fake, "providers", ()):
        listed = getattr(provider, "large_companies", None)
        if listed:
            return tuple(listed)
    return ()
