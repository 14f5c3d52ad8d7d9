"""Pools of names and addresses that directories are drawn from.

Those of ``ru_RU`` were drawn once by ``scripts/draw-cast`` into ``fixtures/cast``, so that a seed
gives the same people whatever version of Faker is installed. Those of any other locale come from
Faker at run time, and depend on its version.
"""

from collections.abc import Callable
from functools import cache

import msgspec

from callmocks.contract.resources import fixture_path
from callmocks.errors import SettingsError

STORED_LOCALE = "ru_RU"
# Of names, posts and clients' short names in 1C-Connect (SpecialistRead).
MAX_NAME_LENGTH = 20
MAX_POST_LENGTH = 50
MAX_CLIENT_LENGTH = 50

_FAKER_SEED = 20150101


class PersonNames(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    first: tuple[str, ...]
    last: tuple[str, ...]
    patronymics: tuple[str, ...]


class NamePools(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything a locale gives. The addresses of ``ru_RU`` are within a city, without its name."""

    male: PersonNames
    female: PersonNames
    companies: tuple[str, ...]
    addresses: tuple[str, ...]


class AwkwardPerson(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    last: str
    first: str
    patronymic: str = ""


class AwkwardCompany(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    full_name: str


class CentreNames(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    groups: tuple[str, ...]
    departments: tuple[str, ...]
    lines: tuple[str, ...]
    scenarios: tuple[str, ...]
    actions: tuple[str, ...]
    operator_posts: tuple[str, ...]
    client_posts: tuple[str, ...]
    awkward_operators: tuple[AwkwardPerson, ...]
    awkward_users: tuple[AwkwardPerson, ...]
    awkward_companies: tuple[AwkwardCompany, ...]


@cache
def load_centre_names() -> CentreNames:
    return msgspec.json.decode(fixture_path("cast/centre.json").read_bytes(), type=CentreNames)


@cache
def load_pools(locale: str) -> NamePools:
    """``SettingsError`` when Faker does not know the locale."""
    if locale == STORED_LOCALE:
        return msgspec.json.decode(fixture_path(f"cast/{locale}.json").read_bytes(), type=NamePools)
    return draw_pools(locale)


def draw_pools(locale: str, size: int = 300) -> NamePools:
    """``size`` entries of each, always from the same Faker seed."""
    from faker import Faker

    try:
        fake = Faker(locale)
    except AttributeError:
        raise SettingsError(f"Faker has no locale {locale!r}") from None
    fake.seed_instance(_FAKER_SEED)

    def find_method(*names: str) -> Callable[[], str] | None:
        methods = (getattr(fake, name, None) for name in names)
        return next((method for method in methods if method is not None), None)

    def draw_texts(
        make: Callable[[], str] | None, limit: int, count: int = size
    ) -> tuple[str, ...]:
        texts = (" ".join(make().split()) for _ in range(count * 4)) if make else ()
        unique = dict.fromkeys(text for text in texts if 0 < len(text) <= limit)
        return tuple(sorted(list(unique)[:count]))

    def draw_names(sex: str) -> PersonNames:
        return PersonNames(
            first=draw_texts(find_method(f"first_name_{sex}", "first_name"), MAX_NAME_LENGTH),
            last=draw_texts(find_method(f"last_name_{sex}", "last_name"), MAX_NAME_LENGTH),
            patronymics=draw_texts(find_method(f"middle_name_{sex}"), MAX_NAME_LENGTH),
        )

    existing = _existing_companies(fake)

    def draw_company() -> str:
        company = str(fake.company())
        return company if not any(name in company for name in existing) else ""

    return NamePools(
        male=draw_names("male"),
        female=draw_names("female"),
        companies=draw_texts(draw_company, MAX_CLIENT_LENGTH),
        addresses=draw_texts(
            find_method("street_address" if locale == STORED_LOCALE else "address"), 200
        ),
    )


def _existing_companies(fake: object) -> tuple[str, ...]:
    """Names of companies that exist: Faker mixes some in, a mock's clients should not be real."""
    for provider in getattr(fake, "providers", ()):
        listed = getattr(provider, "large_companies", None)
        if listed:
            return tuple(listed)
    return ()
