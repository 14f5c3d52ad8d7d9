"""The cast: who answers to which number, and names that break careless clients."""

import json
import re
import subprocess
import sys
from dataclasses import asdict

import pytest

from callmocks.history.directory import Directory
from callmocks.history.directory_builder import build_directory
from callmocks.history.world_file import load_world, parse_world, world_names

KEY = bytes(range(16))
UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
PRINT_CAST = """
import sys
from callmocks.history.directory import Directory
from callmocks.history.directory_builder import build_directory
from callmocks.history.world_file import load_world
print(build_directory(load_world(sys.argv[1]), bytes.fromhex(sys.argv[2])))
"""


@pytest.fixture(scope="module")
def cast() -> Directory:
    return build_directory(load_world("default"), KEY)


def to_json(cast: Directory) -> str:
    return json.dumps(asdict(cast), ensure_ascii=False, default=str)


def test_the_default_centre_has_the_sizes_the_design_names(cast: Directory) -> None:
    assert [operator.number for operator in cast.operators] == [str(n) for n in range(101, 113)]
    assert len(cast.groups) == 3
    assert len(cast.lines) == 4
    assert len(cast.scenarios) == 3
    assert len(cast.organisations) == 40
    assert {o.users for o in cast.organisations} == {1, 2, 3, 4, 5, 6}


def test_another_process_casts_the_same_people() -> None:
    command = [sys.executable, "-c", PRINT_CAST, "default", KEY.hex()]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert printed == f"{build_directory(load_world('default'), KEY)}\n"


def test_another_key_casts_other_people(cast: Directory) -> None:
    other = build_directory(load_world("default"), bytes(16))
    mine = {operator.employee_id for operator in cast.operators}
    assert mine.isdisjoint(operator.employee_id for operator in other.operators)
    assert not {u.user_id for u in cast.users} & {u.user_id for u in other.users}


@pytest.mark.parametrize("name", world_names())
def test_every_index_leads_somewhere_and_every_identity_is_one_persons(name: str) -> None:
    cast = build_directory(load_world(name), KEY)
    for operator in cast.operators:
        assert operator.group < len(cast.groups)
        assert operator.department < len(cast.departments)
    assert all(line.scenario < len(cast.scenarios) for line in cast.lines)
    at = 0
    for index, organisation in enumerate(cast.organisations):
        assert organisation.first_user == at
        at += organisation.users
        assert {u.organisation for u in cast.users[organisation.first_user : at]} == {index}
    assert at == len(cast.users)
    for identities in (
        [operator.employee_id for operator in cast.operators],
        [operator.number for operator in cast.operators] + [o.sip for o in cast.operators],
        [group.id for group in cast.groups],
        [scenario.id for scenario in cast.scenarios],
        [scenario.action_id for scenario in cast.scenarios],
        [user.contact_id for user in cast.users],
        [line.queue_id for line in cast.lines],
        [organisation.name for organisation in cast.organisations],
        [u.phone for u in cast.users]
        + [line.virtual_phone_number for line in cast.lines]
        + [o.phone for o in cast.organisations]
        + [o.mobile for o in cast.operators],
        [o.specialist_id for o in cast.operators]
        + [line.service_id for line in cast.lines]
        + [o.client_id for o in cast.organisations]
        + [u.user_id for u in cast.users]
        + [d.id for d in cast.departments]
        + [*cast.vendor_clients, *cast.vendor_users, *cast.vendor_specialists],
    ):
        assert len(set(identities)) == len(identities)


def test_ids_have_five_to_eight_digits_and_uuids_look_like_version_4(cast: Directory) -> None:
    numbers = [
        *(operator.employee_id for operator in cast.operators),
        *(group.id for group in cast.groups),
        *(scenario.id for scenario in cast.scenarios),
        *(scenario.action_id for scenario in cast.scenarios),
        *(user.contact_id for user in cast.users),
    ]
    assert all(10_000 <= number < 100_000_000 for number in numbers)
    uuids = [
        *(operator.specialist_id for operator in cast.operators),
        *(user.user_id for user in cast.users),
        *cast.vendor_specialists,
    ]
    assert all(UUID4.fullmatch(uuid) for uuid in uuids)


def test_phones_are_eleven_digits_and_employees_have_internal_or_sip_numbers(
    cast: Directory,
) -> None:
    outside = [user.phone for user in cast.users]
    outside += [line.virtual_phone_number for line in cast.lines]
    assert all(re.fullmatch("7[0-9]{10}", phone) for phone in outside)
    assert all(re.fullmatch("79[0-9]{9}", user.phone) for user in cast.users)
    kinds = {operator.phone == operator.number for operator in cast.operators}
    assert kinds == {True, False}
    assert all(operator.phone in (operator.number, operator.sip) for operator in cast.operators)
    assert all(re.fullmatch("02[0-9]{5}", operator.sip) for operator in cast.operators)


@pytest.mark.parametrize("key", [KEY, bytes(16), b"\xff" * 16])
def test_what_breaks_clients_always_occurs(key: bytes) -> None:
    cast = build_directory(load_world("default"), key)
    shown = [operator.full_name for operator in cast.operators]
    shown += [user.full_name for user in cast.users]
    shown += [group.name for group in cast.groups] + [line.name for line in cast.lines]
    shown += [scenario.name for scenario in cast.scenarios]
    shown += [organisation.name for organisation in cast.organisations]
    for character in "ёЁ«»&'\"<>🌻☕":
        assert any(character in name for name in shown), character
    assert max(len(organisation.full_name) for organisation in cast.organisations) == 255
    assert any(not operator.patronymic for operator in cast.operators)


@pytest.mark.parametrize("name", world_names())
def test_texts_fit_the_fields_of_1c_connect(name: str) -> None:
    cast = build_directory(load_world(name), KEY)
    for operator in cast.operators:
        names = (operator.first_name, operator.last_name, operator.patronymic)
        assert max(map(len, names)) <= 20
        assert 0 < len(operator.post) <= 50
    assert max(len(organisation.name) for organisation in cast.organisations) <= 50
    assert max(len(department.name) for department in cast.departments) <= 100
    assert min(len(user.full_name) for user in cast.users) > 0


def test_names_agree_in_sex(cast: Directory) -> None:
    """Russian last names and patronymics show it: a Фадеева is never an Иванович."""
    drawn = cast.users[5:]
    assert len(drawn) > 50
    for user in drawn:
        female = user.patronymic.endswith("на")
        assert user.patronymic.endswith(("на", "ич"))
        assert user.last_name.endswith("а") == female, user.full_name


def test_inn_have_their_check_digit(cast: Directory) -> None:
    weights = (2, 4, 10, 3, 5, 9, 4, 6, 8)
    for organisation in cast.organisations:
        digits = [int(digit) for digit in organisation.inn]
        assert len(digits) == 10
        assert sum(w * d for w, d in zip(weights, digits, strict=False)) % 11 % 10 == digits[9]


def test_one_operator_of_the_default_centre_has_left(cast: Directory) -> None:
    assert [operator.number for operator in cast.operators if operator.deleted] == ["112"]


def test_an_organisation_more_leaves_everybody_else_as_they_were(cast: Directory) -> None:
    more = build_directory(parse_world("[sizes]\norganisations = 41", "more.toml"), KEY)
    assert more.operators == cast.operators
    assert more.lines == cast.lines
    assert len(more.organisations) == 41
    assert more.organisations[:40] == cast.organisations
    assert more.users[: len(cast.users)] == cast.users


def test_what_a_world_lists_stands_and_the_rest_is_filled_in() -> None:
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
    cast = build_directory(world, KEY)
    first, second = cast.operators
    assert (first.number, first.employee_id, first.first_name) == ("201", 9, "Анна")
    assert first.last_name.endswith("а")
    assert first.patronymic.endswith("на")
    assert first.phone == first.sip
    assert cast.groups[first.group].name == "Night shift"
    assert cast.groups[0].id == 77
    assert second.number == "101"
    assert second.full_name
    assert cast.lines[0].virtual_phone_number == "78005553535"
    assert cast.organisations[0].client_id == "aaaaaaaa-2003-11e7-80e6-0025904f970f"
    assert (cast.users[0].phone, cast.users[0].contact_id) == ("79990000001", 5)
    assert len(cast.users) == 1
    assert cast.users[0].full_name


def test_drawn_numbers_keep_away_from_listed_ones(cast: Directory) -> None:
    taken = cast.operators[1].employee_id
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
    cast = build_directory(parse_world('locale = "de_DE"', "mine.toml"), KEY)
    assert not re.search("[а-я]", cast.operators[5].full_name + cast.users[20].full_name)
    assert all(re.fullmatch("79[0-9]{9}", user.phone) for user in cast.users)
    assert "&" in to_json(cast)


def test_a_big_world_never_runs_out_of_names_and_numbers() -> None:
    cast = build_directory(parse_world("[sizes]\norganisations = 2000\nusers = [1, 2]", "x"), KEY)
    assert len({organisation.inn for organisation in cast.organisations}) == 2000
    assert len({organisation.name for organisation in cast.organisations}) == 2000
    assert len({user.phone for user in cast.users}) == len(cast.users)
