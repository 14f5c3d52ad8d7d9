"""The directory: identities, and names that break careless clients."""

import re
import subprocess
import sys
from datetime import date, timedelta

import msgspec
import pytest

from callmocks.history.directory import Directory
from callmocks.history.directory_builder import build_directory
from callmocks.history.phone_numbers import load_ranges, load_regions
from callmocks.history.world_file import load_world, parse_world, world_names

KEY = bytes(range(16))
UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
PRINT_DIRECTORY = """
import sys
from callmocks.history.directory import Directory
from callmocks.history.directory_builder import build_directory
from callmocks.history.world_file import load_world
print(build_directory(load_world(sys.argv[1]), bytes.fromhex(sys.argv[2])))
"""


@pytest.fixture(scope="module")
def directory() -> Directory:
    return build_directory(load_world("default"), KEY)


def to_json(directory: Directory) -> str:
    return msgspec.json.encode(directory).decode()


def test_the_default_centre_has_the_sizes_the_design_names(directory: Directory) -> None:
    assert [operator.number for operator in directory.operators] == [
        str(n) for n in range(101, 113)
    ]
    assert len(directory.groups) == 3
    assert len(directory.lines) == 4
    assert len(directory.scenarios) == 3
    assert len(directory.organisations) == 40
    assert {o.users for o in directory.organisations} == {1, 2, 3, 4, 5, 6}


def test_another_process_builds_the_same_people() -> None:
    command = [sys.executable, "-c", PRINT_DIRECTORY, "default", KEY.hex()]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert printed == f"{build_directory(load_world('default'), KEY)}\n"


def test_another_key_builds_other_people(directory: Directory) -> None:
    other = build_directory(load_world("default"), bytes(16))
    mine = {operator.employee_id for operator in directory.operators}
    assert mine.isdisjoint(operator.employee_id for operator in other.operators)
    assert not {u.user_id for u in directory.users} & {u.user_id for u in other.users}


@pytest.mark.parametrize("name", world_names())
def test_every_index_is_valid_and_every_id_unique(name: str) -> None:
    directory = build_directory(load_world(name), KEY)
    for operator in directory.operators:
        assert operator.group < len(directory.groups)
        assert operator.department < len(directory.departments)
    assert all(line.scenario < len(directory.scenarios) for line in directory.lines)
    end = 0
    for index, organisation in enumerate(directory.organisations):
        assert organisation.first_user == end
        end += organisation.users
        assert {u.organisation for u in directory.users[organisation.first_user : end]} == {index}
    assert end == len(directory.users)
    for identities in (
        [operator.employee_id for operator in directory.operators],
        [operator.number for operator in directory.operators]
        + [o.sip for o in directory.operators],
        [group.id for group in directory.groups],
        [scenario.id for scenario in directory.scenarios],
        [scenario.action_id for scenario in directory.scenarios],
        [user.contact_id for user in directory.users],
        [line.queue_id for line in directory.lines],
        [organisation.name for organisation in directory.organisations],
        [u.phone for u in directory.users]
        + [line.virtual_phone_number for line in directory.lines]
        + [o.phone for o in directory.organisations]
        + [o.mobile for o in directory.operators],
        [o.specialist_id for o in directory.operators]
        + [line.service_id for line in directory.lines]
        + [o.client_id for o in directory.organisations]
        + [u.user_id for u in directory.users]
        + [d.id for d in directory.departments]
        + [*directory.vendor_clients, *directory.vendor_users, *directory.vendor_specialists],
    ):
        assert len(set(identities)) == len(identities)


def test_ids_have_five_to_eight_digits_and_uuids_look_like_version_4(directory: Directory) -> None:
    numbers = [
        *(operator.employee_id for operator in directory.operators),
        *(group.id for group in directory.groups),
        *(scenario.id for scenario in directory.scenarios),
        *(scenario.action_id for scenario in directory.scenarios),
        *(user.contact_id for user in directory.users),
    ]
    assert all(10_000 <= number < 100_000_000 for number in numbers)
    uuids = [
        *(operator.specialist_id for operator in directory.operators),
        *(user.user_id for user in directory.users),
        *directory.vendor_specialists,
    ]
    assert all(UUID4.fullmatch(uuid) for uuid in uuids)


def test_phones_are_eleven_digits_and_employees_have_internal_or_sip_numbers(
    directory: Directory,
) -> None:
    outside = [user.phone for user in directory.users]
    outside += [line.virtual_phone_number for line in directory.lines]
    assert all(re.fullmatch("7[0-9]{10}", phone) for phone in outside)
    assert all(re.fullmatch("79[0-9]{9}", user.phone) for user in directory.users)
    kinds = {operator.phone == operator.number for operator in directory.operators}
    assert kinds == {True, False}
    assert all(
        operator.phone in (operator.number, operator.sip) for operator in directory.operators
    )
    assert all(re.fullmatch("02[0-9]{5}", operator.sip) for operator in directory.operators)


@pytest.mark.parametrize("key", [KEY, bytes(16), b"\xff" * 16])
def test_what_breaks_clients_always_occurs(key: bytes) -> None:
    directory = build_directory(load_world("default"), key)
    shown = [operator.full_name for operator in directory.operators]
    shown += [user.full_name for user in directory.users]
    shown += [group.name for group in directory.groups] + [line.name for line in directory.lines]
    shown += [scenario.name for scenario in directory.scenarios]
    shown += [organisation.name for organisation in directory.organisations]
    for character in "ёЁ«»&'\"<>🌻☕":
        assert any(character in name for name in shown), character
    assert max(len(organisation.full_name) for organisation in directory.organisations) == 255
    assert any(not operator.patronymic for operator in directory.operators)


@pytest.mark.parametrize("name", world_names())
def test_texts_fit_the_fields_of_1c_connect(name: str) -> None:
    directory = build_directory(load_world(name), KEY)
    for operator in directory.operators:
        names = (operator.first_name, operator.last_name, operator.patronymic)
        assert max(map(len, names)) <= 20
        assert 0 < len(operator.post) <= 50
    assert max(len(organisation.name) for organisation in directory.organisations) <= 50
    assert max(len(department.name) for department in directory.departments) <= 100
    assert min(len(user.full_name) for user in directory.users) > 0


def test_names_agree_in_sex(directory: Directory) -> None:
    """Russian last names and patronymics show it: a Фадеева is never an Иванович."""
    drawn = directory.users[5:]
    assert len(drawn) > 50
    for user in drawn:
        female = user.patronymic.endswith("на")
        assert user.patronymic.endswith(("на", "ич"))
        assert user.last_name.endswith("а") == female, user.full_name


# What everyone knows of a region: its two digits, its capital, its area codes.
REGIONS = {
    "77": ("Москва", "495"), "78": ("Санкт-Петербург", "812"), "66": ("Екатеринбург", "343"),
    "23": ("Краснодар", "861"), "54": ("Новосибирск", "383"), "16": ("Казань", "843"),
    "52": ("Нижний Новгород", "831"), "61": ("Ростов-на-Дону", "863"), "63": ("Самара", "846"),
    "74": ("Челябинск", "351"), "02": ("Уфа", "347"), "59": ("Пермь", "342"),
    "24": ("Красноярск", "391"), "34": ("Волгоград", "844"), "64": ("Саратов", "845"),
    "38": ("Иркутск", "395"), "72": ("Тюмень", "345"), "55": ("Омск", "381"),
    "22": ("Барнаул", "385"), "26": ("Ставрополь", "865"), "18": ("Ижевск", "341"),
}  # fmt: skip


def has_valid_check_digits(inn: str) -> bool:
    """As the tax service defines them: of company (10 digits) and person (12)."""
    digits = [int(digit) for digit in inn]

    def check(*weights: int) -> int:
        return sum(w * d for w, d in zip(weights, digits, strict=False)) % 11 % 10

    if len(digits) == 10:
        return check(2, 4, 10, 3, 5, 9, 4, 6, 8) == digits[9]
    eleventh = check(7, 2, 4, 10, 3, 5, 9, 4, 6, 8)
    twelfth = check(3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)
    return len(digits) == 12 and digits[10:] == [eleventh, twelfth]


@pytest.mark.parametrize("key", [KEY, bytes(16), b"\xff" * 16])
def test_tax_numbers_phone_and_address_of_an_organisation_agree(key: bytes) -> None:
    offices = {office for region in load_regions() for office in region.tax_offices}
    directory = build_directory(load_world("default"), key)
    traders = 0
    for organisation in directory.organisations:
        city, code = REGIONS[organisation.inn[:2]]
        assert has_valid_check_digits(organisation.inn)
        assert organisation.inn[:4] in offices
        assert organisation.phone[:4] == f"7{code}"
        assert f", г. {city}, " in organisation.address
        sole_trader = organisation.name.startswith("ИП ")
        traders += sole_trader
        assert len(organisation.inn) == (12 if sole_trader else 10), organisation.name
        assert organisation.kpp == ("" if sole_trader else f"{organisation.inn[:4]}01001")
        assert sole_trader == organisation.full_name.startswith("Индивидуальный предприниматель")
    assert 1 <= traders <= 12
    assert len({organisation.inn[:2] for organisation in directory.organisations}) > 5


def test_a_given_tax_number_decides_the_region() -> None:
    world = parse_world(
        """
        [[organisations]]
        name = "ООО «Ромашка»"
        inn = "6670081969"
        [[organisations]]
        kpp = "540601001"
        [[organisations]]
        name = "ИП Иванов И. И."
        """,
        "mine.toml",
    )
    first, second, third = build_directory(world, KEY).organisations
    assert (first.kpp, first.phone[:4]) == ("667001001", "7343")
    assert (second.inn[:4], second.kpp, second.phone[:4]) == ("5406", "540601001", "7383")
    assert "Новосибирск" in second.address
    assert (len(third.inn), third.kpp) == (12, "")
    assert has_valid_check_digits(third.inn)


def test_people_of_offices_have_posts_of_offices(directory: Directory) -> None:
    posts = {user.post for user in directory.users}
    assert len(posts) > 15
    assert posts & {"Бухгалтер", "Главный бухгалтер", "Директор", "Системный администратор"}
    assert not posts & {"Ракетчик", "Военный судья", "Авиатехник", "Автогонщик"}


def test_all_numbers_of_a_directory_are_assigned(directory: Directory) -> None:
    ranges = [(each.first, each.last) for each in load_ranges()]
    for phone in (
        *(user.phone for user in directory.users),
        *(line.virtual_phone_number for line in directory.lines),
        *(organisation.phone for organisation in directory.organisations),
        *(operator.mobile for operator in directory.operators),
    ):
        assert any(first <= int(phone) <= last for first, last in ranges), phone
    assert [line.virtual_phone_number[:4] == "7800" for line in directory.lines] == [
        True, False, False, False,
    ]  # fmt: skip


def test_a_drawn_line_has_a_scenario_for_the_night_and_others_by_day(directory: Directory) -> None:
    names = [scenario.name for scenario in directory.scenarios]
    for line in directory.lines:
        assert names[line.night_scenario] == "Ночной приём"
        assert names[line.scenario] != "Ночной приём"
        assert line.hours == (8, 20)


def test_listed_lines_name_their_hours_and_scenarios() -> None:
    world = parse_world(
        """
        [[scenarios]]
        name = "Day"
        [[scenarios]]
        name = "Night"
        [[lines]]
        scenario = "Day"
        night_scenario = "Night"
        hours = [9, 18]
        [[lines]]
        scenario = "Night"
        """,
        "mine.toml",
    )
    first, second = build_directory(world, KEY).lines
    assert (first.scenario, first.night_scenario, first.hours) == (0, 1, (9, 18))
    assert (second.scenario, second.night_scenario) == (1, 1)


def test_one_operator_of_the_default_centre_has_left(directory: Directory) -> None:
    left = [each for each in directory.operators if each.has_left(date(2026, 1, 1))]
    assert [operator.number for operator in left] == ["112"]
    last_day = left[0].last_day
    assert last_day and not left[0].has_left(last_day)
    assert left[0].has_left(last_day + timedelta(1))


def test_one_more_organisation_changes_nothing_else(directory: Directory) -> None:
    more = build_directory(parse_world("[sizes]\norganisations = 41", "more.toml"), KEY)
    assert more.operators == directory.operators
    assert more.lines == directory.lines
    assert len(more.organisations) == 41
    assert more.organisations[:40] == directory.organisations
    assert more.users[: len(directory.users)] == directory.users


def test_listed_values_are_kept_and_the_rest_is_drawn() -> None:
    world = parse_world(
        """
        [[groups]]
        name = "Night shift"
        id = 77
        [[operators]]
        number = "201"
        employee_id = 9
        first_name = "Анна"
        group = "Night shift"
        phone = "sip"
        [[operators]]
        [[scenarios]]
        name = "Main"
        [[lines]]
        virtual_phone_number = "78005553535"
        scenario = "Main"
        [[organisations]]
        name = "Acme"
        client_id = "AAAAAAAA-2003-11E7-80E6-0025904F970F"
        [[organisations.users]]
        phone = "79990000001"
        contact_id = 5
        """,
        "mine.toml",
    )
    directory = build_directory(world, KEY)
    first, second = directory.operators
    assert (first.number, first.employee_id, first.first_name) == ("201", 9, "Анна")
    assert first.last_name.endswith("а")
    assert first.patronymic.endswith("на")
    assert first.phone == first.sip
    assert directory.groups[first.group].name == "Night shift"
    assert directory.groups[0].id == 77
    assert second.number == "101"
    assert second.full_name
    assert directory.lines[0].virtual_phone_number == "78005553535"
    assert directory.organisations[0].client_id == "aaaaaaaa-2003-11e7-80e6-0025904f970f"
    assert (directory.users[0].phone, directory.users[0].contact_id) == ("79990000001", 5)
    assert len(directory.users) == 1
    assert directory.users[0].full_name


def test_drawn_numbers_keep_away_from_listed_ones(directory: Directory) -> None:
    taken = directory.operators[1].employee_id
    world = parse_world(
        f"""
        [[operators]]
        number = "101"
        employee_id = {taken}
        [[operators]]
        [[operators]]
        """,
        "mine.toml",
    )
    operators = build_directory(world, KEY).operators
    assert [operator.number for operator in operators] == ["101", "102", "103"]
    assert len({operator.employee_id for operator in operators}) == 3


def test_another_locale_has_other_names_and_the_same_shapes() -> None:
    directory = build_directory(parse_world('locale = "de_DE"', "mine.toml"), KEY)
    assert not re.search("[а-я]", directory.operators[5].full_name + directory.users[20].full_name)
    assert all(re.fullmatch("79[0-9]{9}", user.phone) for user in directory.users)
    assert "&" in to_json(directory)


def test_a_big_world_never_runs_out_of_names_and_numbers() -> None:
    directory = build_directory(
        parse_world("[sizes]\norganisations = 2000\nusers = [1, 2]", "x"), KEY
    )
    assert len({organisation.inn for organisation in directory.organisations}) == 2000
    assert len({organisation.name for organisation in directory.organisations}) == 2000
    assert len({user.phone for user in directory.users}) == len(directory.users)
