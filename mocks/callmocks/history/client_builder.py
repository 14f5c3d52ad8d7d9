from collections.abc import Callable

from callmocks.history.contact_values import ContactValues, fill_entry, item_or_none
from callmocks.history.directory import Organisation, User
from callmocks.history.name_pools import MAX_CLIENT_LENGTH, load_centre_names
from callmocks.history.random_stream import RandomStream, UniquePool
from callmocks.history.world import OrganisationEntry, UserEntry, World

_LEGAL_FORMS = {
    "АО": "Акционерное общество",
    "ЗАО": "Закрытое акционерное общество",
    "ОАО": "Открытое акционерное общество",
    "ПАО": "Публичное акционерное общество",
    "ООО": "Общество с ограниченной ответственностью",
    "ИП": "Индивидуальный предприниматель",
    "НПО": "Научно-производственное объединение",
}


class ClientBuilder:
    def __init__(self, world: World, values: ContactValues) -> None:
        self._world = world
        self._values = values
        self._awkward = load_centre_names()
        listed = [user for entry in world.organisations for user in entry.users]
        self._contact_ids = UniquePool(user.contact_id for user in listed)
        self._inns = UniquePool(entry.inn for entry in world.organisations)
        self._names = UniquePool(entry.name for entry in world.organisations)

    def build(
        self,
        organisation_streams: Callable[[int], list[RandomStream]],
        user_streams: Callable[[int], list[RandomStream]],
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
        pools = self._values.pools
        name, full_name = self._choose_names(index, stream)
        return Organisation(
            **fill_entry(
                entry,
                client_id=stream.make_uuid(),
                name=name,
                full_name=entry.name or full_name,
                inn=self._inns.take_from(stream, pools.inn, lambda: _draw_inn(stream)),
                kpp=stream.choose_from(pools.kpp),
                phone=self._values.take_city_phone(stream),
                address=stream.choose_from(pools.addresses),
            ),
            first_user=first,
            users=users,
        )

    def _choose_names(self, index: int, stream: RandomStream) -> tuple[str, str]:
        short = self._names.take_from(
            stream,
            self._values.pools.companies,
            lambda: f"ООО «Клиент № {index}-{stream.integer_below(1000)}»",
        )
        awkward = item_or_none(self._awkward.awkward_companies, index)
        if awkward is not None and self._names.try_take(awkward.name):
            return awkward.name, awkward.full_name
        form, _, rest = short.partition(" ")
        return short[:MAX_CLIENT_LENGTH], f"{_LEGAL_FORMS.get(form, form)} {rest}".strip()

    def _build_user(self, index: int, client: int, entry: UserEntry, stream: RandomStream) -> User:
        awkward = item_or_none(self._awkward.awkward_users, index)
        names = self._values.choose_names(stream, entry, awkward)
        contact_id = self._contact_ids.take_number(stream, 10_000_000, 100_000_000)
        email = f"{entry.contact_id or contact_id}@client{client + 1}.example"
        return User(
            **names,
            **fill_entry(
                entry,
                contact_id=contact_id,
                user_id=stream.make_uuid(),
                phone=self._values.take_mobile(stream),
                email=email,
                post=stream.choose_from(self._values.pools.posts),
            ),
            organisation=client,
        )


def _draw_inn(stream: RandomStream) -> str:
    first = 1 + stream.integer_below(9)
    digits = [first, *(int(digit) for digit in f"{stream.integer_below(10**8):08d}")]
    check = sum(a * b for a, b in zip((2, 4, 10, 3, 5, 9, 4, 6, 8), digits, strict=True)) % 11 % 10
    return "".join(map(str, [*digits, check]))
