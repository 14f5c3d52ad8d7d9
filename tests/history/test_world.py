"""World files: what they may say, and and how errors in them are reported."""

import re
from pathlib import Path

import pytest

from callmocks.errors import SettingsError
from callmocks.history import world
from callmocks.history.directory_builder import build_directory
from callmocks.history.world_file import load_world, parse_world, world_names

DOCS = Path(__file__).parents[2] / "docs" / "worlds.md"
ENTRIES = (
    world.OperatorEntry,
    world.GroupEntry,
    world.DepartmentEntry,
    world.ScenarioEntry,
    world.LineEntry,
    world.OrganisationEntry,
    world.UserEntry,
)


def test_the_worlds_of_the_design_come_along() -> None:
    assert {"default", "empty", "finish-reasons", "edge-cases", "quiet", "busy"} == set(
        world_names()
    )
    assert load_world("default").calls_per_day == 400
    assert load_world("empty").calls_per_day == 0
    assert load_world("finish-reasons").traffic.plan == "finish-reasons"


def test_an_empty_file_is_the_default_world() -> None:
    assert parse_world("", "mine.toml").fingerprint == load_world("default").fingerprint


def test_a_world_is_found_by_its_file_too(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('title = "Ours"\ncalls_per_day = 7', encoding="utf-8")
    assert load_world(str(file)).calls_per_day == 7


def test_the_fingerprint_is_of_the_content_and_not_of_its_name(tmp_path: Path) -> None:
    first, second = tmp_path / "a.toml", tmp_path / "b.toml"
    first.write_text('title = "A"\ncalls_per_day = 7\n[sizes]\nlines = 2', encoding="utf-8")
    second.write_text('calls_per_day = 7 # B\ntitle = "B"\n[sizes]\nlines = 2', encoding="utf-8")
    same = load_world(str(first)).fingerprint
    assert load_world(str(second)).fingerprint == same
    assert len(same) == 16
    second.write_text("calls_per_day = 7\n[sizes]\nlines = 3", encoding="utf-8")
    assert load_world(str(second)).fingerprint != same


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("calls_per_day = 'many'", "calls_per_day: Expected `int`, got `str`"),
        ("calls_per_day = 200001", "calls_per_day: Expected `int` <= 200000"),
        ('title = "a\\u0001b"', r"title: it holds '\x01', which XML cannot hold"),
        ("[[lines]]\nname = 'a\ufffe'", r"lines[0].name: it holds '\ufffe', which XML cannot"),
        (
            "[[organisations]]\nusers = [{post = 'a'}, {post = \"\\u0000\"}]",
            r"organisations[0].users[1].post: it holds '\x00'",
        ),
        ("calls = 5", "unknown field `calls`; there are title, "),
        ("[traffic]\nmised = 5", "traffic: Object contains unknown field `mised`"),
        ("[[lines]]\nnam = 'x'", "lines[0]: Object contains unknown field `nam`; there are ser"),
        ("[traffic]\nmissed = 1001", "traffic.missed: Expected `int` <= 1000"),
        ("[traffic]\nmissed = 0.5", "traffic.missed: Expected `int`, got `float`"),
        ("[traffic]\ninternal = 600\noutgoing = 600", "traffic: internal, outgoing, auto_outgoing"),
        ("[traffic]\nvendor = 900\nanonymous = 200", "traffic: anonymous, unknown_caller, vendor"),
        ("[traffic]\nplan = 'chaos'", "traffic.plan: Invalid enum value 'chaos'; there are "),
        ("[traffic]\nweekday_hours = [1, 2]", "traffic.weekday_hours: 2 weights instead of 24"),
        (f"[traffic]\nweekday_hours = {[1] * 24}", "traffic.weekday_hours[0]: calls start from 5"),
        (f"[traffic]\nweekend_hours = {[0] * 24}", "traffic.weekend_hours: no hour"),
        ("[traffic]\ntalk_ms = [5, 4]", "traffic.talk_ms: two or more quantiles, ascending"),
        ("[traffic]\ntalk_ms = [5]", "traffic.talk_ms: two or more quantiles, ascending"),
        ("[traffic]\nweekdays = [1000]", "traffic.weekdays: 1 days instead of 7"),
        ("[waiting]\nqueue_ms = [5]", "waiting.queue_ms: two or more quantiles, ascending"),
        ("[waiting]\nmenu_ms = [1, 180001]", "waiting.menu_ms[1]: Expected `int` <= 180000"),
        (
            "[waiting]\nattempts_missed = [0, 0, 0, 0]",
            "waiting.attempts_missed: all weights are 0",
        ),
        ("[reasons.menu]\nno_money = 1", "reasons.menu: Object contains unknown field `no_money`"),
        (
            "[reasons.outgoing]\nsubscriber_not_responsible = 0\nsubscriber_busy = 0\n"
            "subscriber_number_problems = 0",
            "reasons.outgoing: all weights are 0",
        ),
        ("[sizes]\nusers = [3, 2]", "sizes.users: least 3 is more than most 2"),
        ("[sizes]\noperators = 1", "sizes.operators: Expected `int` >= 2"),
        ("[[operators]]\nnumber = '101'", "operators: one operator alone"),
        ("[[operators]]\nnumber = 101", "operators[0].number: Expected `str`, got `int`"),
        (
            "[[operators]]\nnumber = '101'\n[[operators]]\nnumber = '101'",
            "operators[1].number: '101' is operators[0].number already",
        ),
        (
            "[[operators]]\nnumber = '101'\n[[operators]]\nsip = '101'",
            "operators[1].sip: '101' is operators[0].number already",
        ),
        (
            "[[operators]]\ngroup = 'Nobody'\n[[operators]]",
            "operators[0].group: no [[groups]] is called 'Nobody'",
        ),
        ("[[operators]]\nphone = 'x'\n[[operators]]", "operators[0].phone: Invalid enum value 'x'"),
        (
            "[[lines]]\nvirtual_phone_number = '74950000000'\n"
            "[[organisations]]\n[[organisations.users]]\nphone = '74950000000'",
            "organisations[0].users[0].phone: '74950000000' is lines[0].virtual_phone_number",
        ),
        (
            "[[organisations]]\n[[organisations.users]]\ncontact_id = 5\n"
            "[[organisations]]\n[[organisations.users]]\ncontact_id = 5",
            "organisations[1].users[0].contact_id: 5 is organisations[0].users[0].contact_id",
        ),
        ("[[organisations]]\nclient_id = 'x'", "organisations[0].client_id: Expected `str` match"),
        (
            "[[organisations]]\n[[organisations.users]]\nphone = '+7 495'",
            "organisations[0].users[0].phone: Expected `str` match",
        ),
        ("[calendar]\ncountry = 'mars'", "calendar.country: Invalid enum value 'mars'; there are "),
        ("[calendar]\nseasons = [1000]", "calendar.seasons: 1 months instead of 12"),
        ("[calendar]\nseasons = [-1]", "calendar.seasons[0]: Expected `int` >= 0"),
        ("[calendar]\nholidays = ['x']", "calendar.holidays[0]: Invalid RFC3339"),
        ("[calendar]\nholidays = [2035-01-01]", "calendar.holidays[0]: 2035-01-01 is not in 2015"),
        (
            "[calendar]\nholidays = [2026-12-25]\nworkdays = [2026-12-25]",
            "calendar.workdays[0]: '2026-12-25' is calendar.holidays[0] already",
        ),
        ("[[lines]]\nhours = [20, 8]", "lines[0].hours: 20 is after 8"),
        ("[[lines]]\nhours = [8, 25]", "lines[0].hours[1]: Expected `int` <= 24"),
        (
            "[[lines]]\nnight_scenario = 'Night'",
            "lines[0].night_scenario: no [[scenarios]] is called 'Night'",
        ),
        (
            "[[organisations]]\ninn = '781105190520'\nkpp = '781101001'",
            "organisations[0].kpp: a sole trader (INN of 12 digits) has none",
        ),
        ("[[operators]]\n" * 801, "operators: Expected `array` of length <= 800"),
        ("[[groups]]\nname = 'a'\n" * 101, "groups: Expected `array` of length <= 100"),
        ("[[departments]]\nname = 'a'\n" * 101, "departments: Expected `array` of length <= 100"),
        ("[[scenarios]]\nname = 'a'\n" * 101, "scenarios: Expected `array` of length <= 100"),
        ("[[lines]]\n" * 101, "lines: Expected `array` of length <= 100"),
        ("[[organisations]]\n" * 5001, "organisations: Expected `array` of length <= 5000"),
        (
            "[[organisations]]\n" + "[[organisations.users]]\n" * 51,
            "organisations[0].users: Expected `array` of length <= 50",
        ),
        ("locale = 'zz_ZZ'", "locale: Faker has no locale 'zz_ZZ'"),
        ("title = ", "Invalid value (at"),
    ],
)
def test_an_error_names_file_and_key(text: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_world(text, "mine.toml")
    assert str(caught.value).startswith("world mine.toml: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_world_is_refused_with_those_there_are() -> None:
    with pytest.raises(SettingsError, match=r"'defualt'.*busy, default, edge-cases"):
        load_world("defualt")


def test_a_missing_or_foreign_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        load_world(str(tmp_path / "none.toml"))
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="not UTF-8"):
        load_world(str(binary))
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(SettingsError, match="directory"):
        load_world(str(tmp_path / "folder.toml"))


def test_the_plan_finish_reasons_has_room_for_so_many_calls_only() -> None:
    with pytest.raises(SettingsError, match="at most 50000"):
        parse_world("calls_per_day = 50001\n[traffic]\nplan = 'finish-reasons'", "mine.toml")
    with pytest.raises(SettingsError, match="at most 50000"):
        load_world("finish-reasons").with_calls_per_day(60_000)
    assert load_world("finish-reasons").with_calls_per_day(50_000).calls_per_day == 50_000
    with pytest.raises(SettingsError, match="200000"):
        load_world("default").with_calls_per_day(200_001)


def test_the_reference_has_every_key_and_the_page_no_other() -> None:
    known: set[str] = set()
    tables_of_values = (world.Sizes, world.Traffic, world.RosterRules, world.Calendar)
    weights = (world.AttemptReasons, world.OutgoingReasons, world.MenuReasons)
    outcomes = (world.Waiting, world.ReasonRules, *weights)
    for table in (world.World, *tables_of_values, *outcomes, *ENTRIES):
        known |= set(table.__struct_fields__)
    reference = (DOCS.parent / "reference" / "worlds.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `(\w+)` \|", reference, re.MULTILINE))
    tables = {"groups", "departments", "scenarios", "lines", "operators", "organisations", "users"}
    assert known - tables == listed - tables
    traffic = DOCS.read_text(encoding="utf-8").partition("### `[traffic]`")[2]
    traffic = traffic.partition("### `[waiting]`")[0]
    explained = set(re.findall(r"^\| `(\w+)` \|", traffic, re.MULTILINE))
    assert explained == set(world.Traffic.__struct_fields__)


def test_the_reference_gives_the_defaults_that_hold() -> None:
    reference = (DOCS.parent / "reference" / "worlds.md").read_text(encoding="utf-8")
    documented = dict(re.findall(r"^\| `(\w+)` \| \w+ \| `(\d+)` \|", reference, re.MULTILINE))
    tables = (world.Sizes(), world.Traffic(), world.Waiting(), world.ReasonRules())
    for table in (*tables, world.RosterRules()):
        for name in table.__struct_fields__:
            value = getattr(table, name)
            if type(value) is int:
                assert documented[name] == str(value), name


def test_the_documentations_examples_are_worlds() -> None:
    examples = re.findall(r"```toml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) == 2
    sizes = parse_world(examples[0], "docs").sizes
    assert (sizes.operators, sizes.users) == (5, (1, 3))
    directory = build_directory(parse_world(examples[1], "docs"), bytes(16))
    assert [operator.number for operator in directory.operators] == ["201", "202"]
    assert directory.users[0].full_name.startswith("Иванов Пётр ")
    assert directory.lines[0].virtual_phone_number == "78005553535"


@pytest.mark.parametrize("name", world_names())
def test_the_documentation_lists_every_world(name: str) -> None:
    assert f"| `{name}` |" in DOCS.read_text(encoding="utf-8")
