from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

from callmocks.history import taxpayers
from callmocks.history.contact_values import ContactValues, fill_entry, item_or_none
from callmocks.history.directory import Organisation, User
from callmocks.history.name_pools import MAX_CLIENT_LENGTH, STORED_LOCALE, load_centre_names
from callmocks.history.phone_numbers import Region, choose_region, load_regions
from callmocks.history.random_stream import RandomStream, UniquePool
from callmocks.history.walltime import FIRST_DATE
from callmocks.history.world import OrganisationEntry, UserEntry, World

_SOLE_TRADER = "ИП"
# Every eighth drawn user has been a stranger until a day of 2015 to 2025.
_BECOMES_KNOWN, _KNOWN_WITHIN = 8, date(2026, 1, 1) - FIRST_DATE
_LEGAL_FORMS = {
    "АО": "Акционерное общество",
    "ЗАО": "Закрытое акционерное общество",
    "ОАО": "Открытое акционерное общество",
    "ПАО": "Публичное акционерное общество",
    "ООО": "Общество с ограниченной ответственностью",
    "НПО": "Научно-производственное объединение",
}


class ClientBuilder:
    def __init__(self, world: World, values: ContactValues) -> None:
        self._world = world
        self._values = values
        self._centre = load_centre_names()
        listed = [user for entry in world.organisations for user in entry.users]
        self._contact_ids = UniquePool(user.contact_id for user in listed)
        self._inns = UniquePool(entry.inn for entry in world.organisations)
        self._names = UniquePool(entry.name for entry in world.organisations)
        self._region_of_client: list[int] = []

    def build(
        self,
        organisation_streams: Callable[[int], Iterator[RandomStream]],
        user_streams: Callable[[int], Iterator[RandomStream]],
    ) -> tuple[tuple[Organisation, ...], tuple[User, ...]]:
        sizes = self._world.sizes
        entries = self._world.organisations or (OrganisationEntry(),) * sizes.organisations
        least, most = sizes.users
        organisations: list[Organisation] = []
        user_entries: list[tuple[int, UserEntry]] = []
        streams = organisation_streams(len(entries))
        for index, (entry, stream) in enumerate(zip(entries, streams, strict=True)):
            count = least + stream.integer_below(most - least + 1)
            users = entry.users or (UserEntry(),) * count
            first = len(user_entries)
            organisations.append(self._build_organisation(index, entry, stream, first, len(users)))
            user_entries += [(index, user) for user in users]
        streams = user_streams(len(user_entries))
        return tuple(organisations), tuple(
            self._build_user(index, organisation, entry, stream)
            for index, ((organisation, entry), stream) in enumerate(
                zip(user_entries, streams, strict=True)
            )
        )

    def _build_organisation(
        self, index: int, entry: OrganisationEntry, stream: RandomStream, first: int, users: int
    ) -> Organisation:
        region_index = _region_of_office(entry.inn or entry.kpp, choose_region(stream))
        self._region_of_client.append(region_index)
        region = load_regions()[region_index]
        client_id = stream.make_uuid()
        name, full_name = self.choose_names(index, stream)
        return Organisation(
            **fill_entry(
                entry,
                client_id=client_id,
                name=name,
                full_name=entry.name or full_name,
                phone=self._values.take_phone(stream, "city", region_index),
                address=self._draw_address(stream, region),
            ),
            **self._fill_tax_numbers(entry, entry.name or name, stream, region),
            first_user=first,
            users=users,
        )

    def _fill_tax_numbers(
        self, entry: OrganisationEntry, name: str, stream: RandomStream, region: Region
    ) -> dict[str, str]:
        """INN and KPP of one tax office; a sole trader has 12 digits and no KPP."""
        office = (entry.inn or entry.kpp or stream.choose_from(region.tax_offices))[:4]
        sole_trader = len(entry.inn) == 12 if entry.inn else name.split()[0] == _SOLE_TRADER
        make_inn = taxpayers.make_trader_inn if sole_trader else taxpayers.make_company_inn
        inn = entry.inn or self._inns.take_first(
            make_inn(office, stream.integer_below(10**6)) for _ in range(8)
        )
        kpp = "" if sole_trader else f"{office}01001"
        return {"inn": inn, "kpp": kpp if entry.kpp is None else entry.kpp}

    def _draw_address(self, stream: RandomStream, region: Region) -> str:
        address = stream.choose_from(self._values.pools.addresses)
        if self._world.locale != STORED_LOCALE:
            return address
        post_code = f"{region.post_code}{stream.integer_below(150):03d}"
        return f"{post_code}, г. {region.city}, {address}"

    def choose_names(self, index: int, stream: RandomStream) -> tuple[str, str]:
        """The short and the full name."""
        short = self._names.take_from(
            stream,
            self._values.pools.companies,
            lambda: f"ООО «Клиент № {index}-{stream.integer_below(1000)}»",
        )
        awkward = item_or_none(self._centre.awkward_companies, index)
        if awkward is not None and self._names.try_take(awkward.name):
            return awkward.name, awkward.full_name
        form, _, rest = short.partition(" ")
        if form == _SOLE_TRADER:
            person = self._values.choose_names(stream, UserEntry(), None)
            initials = "".join(f" {person[part][0]}." for part in ("first_name", "patronymic"))
            named_after = f"{_SOLE_TRADER} {person['last_name']}{initials}"
            if self._names.try_take(named_after):
                return named_after, f"Индивидуальный предприниматель {person['full_name']}"
            form, short = "ООО", short.replace(_SOLE_TRADER, "ООО", 1)
        return short[:MAX_CLIENT_LENGTH], f"{_LEGAL_FORMS.get(form, form)} {rest}".strip()

    def _build_user(self, index: int, client: int, entry: UserEntry, stream: RandomStream) -> User:
        awkward = item_or_none(self._centre.awkward_users, index)
        names = self._values.choose_names(stream, entry, awkward)
        contact_id = self._contact_ids.take_number(stream, 10_000_000, 100_000_000)
        email = f"{entry.contact_id or contact_id}@client{client + 1}.example"
        moved = stream.integer_below(8) == 0
        region = choose_region(stream) if moved else self._region_of_client[client]
        drawn: dict[str, Any] = {
            "contact_id": contact_id,
            "user_id": stream.make_uuid(),
            "phone": self._values.take_phone(stream, "mobile", region),
            "email": email,
            "post": stream.choose_from(self._centre.client_posts),
        }
        becomes_known = stream.integer_below(_BECOMES_KNOWN) == 0 and entry == UserEntry()
        day = timedelta(stream.integer_below(_KNOWN_WITHIN.days))
        known_from = FIRST_DATE + day if becomes_known else date.min
        return User(
            **names, **fill_entry(entry, **drawn), organisation=client, known_from=known_from
        )


def _region_of_office(tax_number: str | None, otherwise: int) -> int:
    """The region that a given INN or KPP names, when people live there."""
    for index, region in enumerate(load_regions()):
        if tax_number and region.city and int(tax_number[:2]) == region.id:
            return index
    return otherwise
