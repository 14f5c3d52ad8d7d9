"""Scenario files: served, checked, exported; every mistake is told with its place."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator

from callmocks import running
from callmocks.cli.commands import group
from callmocks.contract.resources import schema_path
from callmocks.errors import SettingsError
from callmocks.testing import Mocks
from tests.conftest import ROOT
from tests.examples import snippets
from tests.test_serve import get, serving

NOW = "2026-03-02T12:00:00"
WHOLE: dict[str, Any] = {
    "name": "orders",
    "seed": 7,
    "world": {"title": "t", "lines": [{"name": "Main", "hours": [8, 20]}], "sizes": {"lines": 2}},
    "calls_per_day": 30,
    "now": NOW,
    "timezone": "Asia/Tokyo",
    "history_from": "2025-01-01",
    "limits": "documented",
    "self_check": False,
    "assumptions": {"cdr.sort-nulls": "first"},
    "lags": {"arm_lag": 1, "cdr_lag": {"min": 1, "max": 2}, "onec_lag": 3.5, "records_lag": 4},
    "arm": {"password": "p", "contract": "strict", "cors_origins": ["*"]},
    "cdr": {
        "login": "boss",
        "token": "t0ken",
        "partner": True,
        "customer_users": [{"id": 1, "login": "a", "name": "b", "customer_id": 2}],
        "allowed_ips": ["10.0.0.0/8"],
        "day_limit": 5,
    },
    "onec": {"user": "u", "password": "q"},
    "clock": {"now": "2026-03-02T13:00:00", "mode": "offset", "speed": 2.0},
    "calls": [
        {"start": "2026-03-02T09:00:00", "talk_seconds": 5.5, "anonymous": False, "number": 2},
        {"start": "2026-03-02T10:00:00", "direction": "out", "rating": 5},
    ],
    "faults": [
        {
            "provider": "cdr",
            "fault": "token_expired",
            "params": {"tokens": 2},
            "operation": "get.account",
            "skip": 1,
            "times": 3,
            "probability": 0.5,
            "unlisted": True,
            "number": 4,
            "met": 2,
            "applied": 1,
            "members": ["0" * 32],
        },
    ],
    "quotas": {"cdr:points:day:739677": 3, "onec/SpecialistRead/first": NOW},
    "last_call_numbers": {"2026-03-01": 5},
    "last_fault_number": 6,
}


def write(folder: Path, *tenants: dict[str, Any], name: str = "scenario.toml") -> Path:
    path, document = folder / name, {"tenants": list(tenants)}
    text = tomli_w.dumps(document) if path.suffix == ".toml" else json.dumps(document)
    path.write_text(text, encoding="utf-8")
    return path


def check(*paths: Path) -> Result:
    return CliRunner().invoke(group, ["scenario", "check", *map(str, paths)])


def places(value: Any, path: str = "tenants[0]") -> Iterator[tuple[str, list[str | int]]]:
    """Paths, as they are told, and steps of all that stands in a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for step, inner in items:
        if isinstance(step, int):
            told = f"{path}[{step}]"
        else:
            told = f"{path}.{step}" if step.isidentifier() else f'{path}."{step}"'
        yield told, [step]
        if isinstance(inner, dict | list):
            yield from ((each, [step, *steps]) for each, steps in places(inner, told))


def spoil(document: dict[str, Any], steps: list[str | int], value: Any) -> dict[str, Any]:
    changed: Any = deepcopy(document)
    holder = changed
    for step in steps[:-1]:
        holder = holder[step]
    holder[steps[-1]] = value
    return dict(changed)


def test_a_whole_scenario_is_without_mistakes(tmp_path: Path) -> None:
    for name in ("a.toml", "a.json"):
        checked = check(write(tmp_path, WHOLE, name=name))
        assert (checked.exit_code, checked.stderr) == (0, "")
        assert "tenant orders: 2 calls, 1 faults" in checked.stdout


def test_a_wrong_value_at_any_place_is_told_with_its_place(tmp_path: Path) -> None:
    """``[[]]`` fits nowhere, and there is no key ``nonsense``."""
    unnamed = []
    for place, steps in places(WHOLE):
        checked = check(write(tmp_path, spoil(WHOLE, steps, [[]]), name="x.json"))
        told = checked.stderr.splitlines()
        if checked.exit_code != 2 or not any(f"x.json: {place}" in each for each in told):
            unnamed.append((place, checked.exit_code, told, checked.exception))
    assert unnamed == []


def test_an_unknown_key_in_any_table_is_told_with_its_place(tmp_path: Path) -> None:
    tables = [("tenants[0]", []), *places(WHOLE)]
    unnamed = []
    for place, steps in tables:
        table: Any = WHOLE
        for step in steps:
            table = table[step]
        if not isinstance(table, dict):
            continue
        path = write(tmp_path, spoil(WHOLE, [*steps, "nonsense"], 1), name="x.json")
        checked = check(path)
        if checked.exit_code != 2 or f"x.json: {place}.nonsense: " not in checked.stderr:
            unnamed.append((place, checked.exit_code, checked.stderr))
    assert unnamed == []


@pytest.mark.parametrize(
    ("steps", "value", "told"),
    [
        (["name"], "Orders", "name: Expected `str` matching regex"),
        (["world"], "mars", "world: "),
        (["world", "lines", 0, "hours"], [20, 8], "world.lines[0].hours: 20 is after 8"),
        (["now"], "noon", "now: 'noon' is not an ISO time such as"),
        (["timezone"], "Moon/Crater", "timezone: unknown time zone 'Moon/Crater': use an IANA"),
        (["history_from"], "1999-01-01", "history_from: '1999-01-01' is not in"),
        (["calls_per_day"], 10**6, "calls_per_day: Expected `int` <= 200000"),
        (["assumptions", "cdr.sort-nulls"], "up", 'assumptions."cdr.sort-nulls": '),
        (["assumptions", "cdr.sort-null"], "first", "did you mean cdr.sort-nulls?"),
        (["lags", "cdr_lag"], {"min": 3, "max": 2}, "lags.cdr_lag: min, 3, is more than max"),
        (["arm", "contract"], "loose", "arm.contract: 'loose' is neither documented nor strict"),
        (["cdr", "allowed_ips"], ["x"], "cdr.allowed_ips: 'x' is no address"),
        (["onec", "user"], "a:b", "onec.user: 'a:b' has a colon"),
        (["clock", "mode"], "frozen", "clock.speed: a frozen clock has no speed"),
        (["clock", "now"], "2300-01-01", "clock.now: 2300-01-01"),
        (["calls", 1, "operator"], "999", "calls[1].operator: the world has no operator '999'"),
        (["calls", 1, "number"], 2, "calls[1].number: the pinned call"),
        (["faults", 0, "provider"], "onec", "faults[0].fault: "),
        (["faults", 0, "fault"], "dellay", "faults[0].fault: cdr has no fault 'dellay'; did you"),
        (["faults", 0, "params", "tokens"], -1, "faults[0].params.tokens: Expected `int` >= 0"),
        (["faults", 0, "unlisted"], False, ""),
        (["quotas", "cdr:points:day:739677"], "x", 'quotas."cdr:points:day:739677": expected a nu'),
        (["quotas", "points"], 1, "quotas.points: no provider counts anything"),
        (["last_call_numbers", "soon"], 1, "last_call_numbers.soon: 'soon' is not a date"),
        (["last_call_numbers", "2026-03-02"], 1, 'last_call_numbers."2026-03-02": a call of'),
        (["last_fault_number"], 3, "last_fault_number: a fault has the number 4"),
    ],
)
def test_what_cannot_be_is_told_with_its_place_and_what_would_fit(
    tmp_path: Path, steps: list[str | int], value: Any, told: str
) -> None:
    checked = check(write(tmp_path, spoil(WHOLE, steps, value), name="x.json"))
    assert checked.exit_code == (2 if told else 0), checked.stderr
    assert told in checked.stderr
    assert not told or "x.json: tenants[0]" in checked.stderr


def test_several_mistakes_are_told_at_once_and_nothing_is_served(tmp_path: Path) -> None:
    calls = [{"operator": "101"}, {"start": NOW, "operator": 1}, {"start": 5}]
    bad = {"name": "a", "sede": 1, "calls": calls, "assumptions": {"x": 1, "y": "z"}}
    path = write(tmp_path, bad, {"name": "b", "now": 3}, name="x.json")
    wanted = ["[0].sede", "[0].calls[0]", "[0].calls[1].operator", "[0].calls[2].start"]
    wanted += ["[0].assumptions.x", "[1].now"]
    told = check(path).stderr.splitlines()
    assert len(told) == len(wanted)
    assert all(any(f": tenants{each}: " in line for line in told) for each in wanted), told
    with pytest.raises(SettingsError) as refused, running(scenario=path):
        pass
    assert all(f": tenants{each}: " in str(refused.value) for each in wanted)


@pytest.mark.parametrize(
    ("key", "values", "last"),
    [
        ("assumptions", {f"x{number}": "z" for number in range(1000)}, "[0].assumptions.x49"),
        ("calls", [{"start": NOW, "operator": "999"}] * 1000, "[0].calls[49].operator"),
        ("faults", [{"provider": "x", "fault": "y"}] * 1000, "[0].faults[49].provider"),
        ("quotas", {f"x{number}": 1 for number in range(1000)}, "[0].quotas.x49"),
        ("world", {"lines": [{"scenario": "x"}] * 100}, "[0].world.lines[49].scenario"),
    ],
)
def test_fifty_mistakes_of_a_tenant_are_told(
    tmp_path: Path, key: str, values: Any, last: str
) -> None:
    told = check(write(tmp_path, {"name": "a", key: values}, name="x.json")).stderr.splitlines()
    assert len(told) == 50
    assert f": tenants{last}: " in told[-1]


def test_mistakes_of_several_tenants_are_told_at_once(tmp_path: Path) -> None:
    wrong = {
        "calls": [{"start": NOW, "operator": "999"}],
        "faults": [{"provider": "x", "fault": "y"}],
    }
    path = write(tmp_path, {"name": "a", **wrong}, {"name": "b", "now": "noon"})
    told = check(path).stderr
    assert all(f": tenants{each}" in told for each in ("[0].calls[0]", "[0].faults[0]", "[1].now"))


def test_a_name_or_credential_that_comes_twice_is_told(tmp_path: Path) -> None:
    one = write(tmp_path, {"name": "a"}, {"name": "b", "cdr": {"token": "demo-token"}})
    two = write(tmp_path, {"name": "a"}, name="two.json")
    assert f"{two}: tenants[0].name: 'a' is tenants[0] of {one} already" in check(one, two).stderr
    assert f"{one}: tenants[1].cdr.token: CDR token exists already" in check(one).stderr
    assert check(two).exit_code == 0
    with pytest.raises(SettingsError) as refused, running(scenario=[two, two]):
        pass
    told = f"scenario: {two}: tenants[0].name: 'a' is tenants[0] of {two} already"
    assert str(refused.value) == told


def test_texts_of_many_dots_and_byte_order_marks_are_no_mistakes(tmp_path: Path) -> None:
    """As editors of Windows write files, and as pages of many dots stand in a fault."""
    fault = {"provider": "cdr", "fault": "status", "params": {"body": "a.b" * 99 + '\'""" #'}}
    for name in ("x.toml", "x.json"):
        path = write(tmp_path, {"name": "a", "faults": [fault]}, name=name)
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
        assert check(path).stdout == f"{path}: tenant a: 0 calls, 1 faults\n"


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("x.yaml", "", "the name of a scenario file ends with .toml or .json"),
        ("x.toml", "tenants = [", "Invalid value (at end of document)"),
        ("x.json", '{"tenants": [NaN]}', "NaN is not JSON"),
        ("x.json", "{", "line 1 column 2"),
        ("x.json", f'{{"seed": {"1" * 5000}}}', "a number of more than 1000 digits: 111"),
        ("x.json", "[" * 100_000, "nested too deep"),
        ("x.json", "[]", "Expected `object`, got `array`"),
        ("x.toml", "", "missing required field `tenants`"),
        ("x.json", '{"name": "a", "seed": 1, "seed": 2}', "the key 'seed' comes twice"),
        (
            "x.json",
            '{"name": "a", "cdr": {"token": "x\\ud800"}}',
            r"pair of \u escapes, at the end of",
        ),
        ("x.toml", "name = 'a'\nnow = 2026-03-02T12:00:00", "wanted, write it in quotes"),
    ],
)
def test_a_file_that_is_none_is_told(tmp_path: Path, name: str, text: str, told: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    checked = check(path)
    assert checked.exit_code != 0 and checked.exception is not None
    assert told in f"{checked.stderr}{checked.exception}"


def test_demo_takes_the_values_of_its_table_over_the_flags(tmp_path: Path) -> None:
    demo = {"name": "demo", "seed": 7, "calls": [{"start": NOW}], "cdr": {"token": "t0ken"}}
    path = write(tmp_path, demo, {"name": "orders"})
    with serving("--seed", "5", "--world", "quiet", "--scenario", str(path)) as (_, ready):
        assert (ready["seed"], ready["token"]) == (7, "t0ken")
        control = ready["control"]
        shown = {
            name: json.loads(get(f"{control}/api/tenants/{name}")) for name in ("demo", "orders")
        }
        assert shown["demo"]["world"] == "quiet"
        assert (shown["orders"]["seed"], shown["orders"]["world"]) == (5, "quiet")
        assert len(json.loads(get(f"{control}/api/tenants/demo/calls"))["calls"]) == 1


def test_files_come_by_flag_variable_config_and_python(tmp_path: Path) -> None:
    one = write(tmp_path, {"name": "a"})
    two = write(tmp_path, {"name": "b"}, name="two.json")
    single = tmp_path / "single.json"  # as GET …/scenario answers
    single.write_text('{"name": "c", "world": "empty"}')
    config = tmp_path / "callmocks.toml"
    config.write_text('scenario = ["scenario.toml", "two.json"]')
    joined = os.pathsep.join(map(str, (one, two, single)))
    with serving(CALLMOCKS_SCENARIO=joined) as (_, ready):
        listed = json.loads(get(f"{ready['control']}/api/tenants"))["tenants"]
        assert [each["name"] for each in listed] == ["demo", "a", "b", "c"]
    with serving("--config", str(config)) as (_, ready):
        listed = json.loads(get(f"{ready['control']}/api/tenants"))["tenants"]
        assert [each["name"] for each in listed] == ["demo", "a", "b"]
    with running(scenario=[one, two]) as mocks:
        assert mocks.control.get("/api/tenants/b")["name"] == "b"


def test_an_empty_variable_names_no_file() -> None:
    """As a compose file passes it on."""
    with serving(CALLMOCKS_SCENARIO="") as (_, ready):
        assert ready["tenant"] == "demo"


def test_a_world_file_is_named_relative_to_the_scenario(tmp_path: Path) -> None:
    (tmp_path / "worlds").mkdir()
    (tmp_path / "worlds" / "small.toml").write_text(
        'title = "small"\n[[operators]]\nnumber = "777"\n[[operators]]\n'
    )
    path = write(tmp_path, {"name": "a", "world": "worlds/small.toml"})
    with running(scenario=path) as mocks:
        exported = mocks.control.get("/api/tenants/a/scenario")
        assert exported["world"]["operators"] == [{"number": "777"}, {}]
    bad = write(tmp_path, {"name": "a", "world": "worlds/none.toml"}, name="bad.toml")
    assert "bad.toml: tenants[0].world: world " in check(bad).stderr


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mocks]:
    path = write(tmp_path_factory.mktemp("whole"), WHOLE, name="whole.json")
    with running(scenario=path) as mocks:
        mocks.control.request("PUT", "/api/tenants/orders/clock", {"now": NOW})
        yield mocks


def export(suite: Mocks, path: Path, tenant: str = "orders") -> Result:
    arguments = ["--tenant", tenant, "--url", suite.control.url, "--output", str(path)]
    return CliRunner().invoke(group, ["scenario", "export", *arguments])


def test_what_is_served_is_exported_to_the_same_bytes(suite: Mocks, tmp_path: Path) -> None:
    for name in ("a.toml", "a.json"):
        path, again = tmp_path / name, tmp_path / f"again-{name}"
        assert export(suite, path).exit_code == 0
        with running(scenario=path, seed=3, world="quiet") as other:
            assert export(other, again).exit_code == 0
        assert again.read_bytes() == path.read_bytes()
        assert export(suite, again).exit_code == 0
        assert again.read_bytes() == path.read_bytes()
    loaded = [
        tomllib.loads((tmp_path / "a.toml").read_text()),
        json.loads((tmp_path / "a.json").read_text()),
    ]
    assert loaded[0] == loaded[1]
    exported = loaded[0]["tenants"][0]
    assert [call["number"] for call in exported["calls"]] == [2, 3]
    assert exported["faults"] == WHOLE["faults"]
    assert exported["world"]["lines"] == [{"name": "Main"}]  # the hours are the usual ones
    for key in ("quotas", "lags", "arm", "cdr", "onec", "last_call_numbers", "last_fault_number"):
        assert exported[key] == WHOLE[key], key


def test_an_export_that_cannot_be_made_is_told(suite: Mocks, tmp_path: Path) -> None:
    assert "write a .toml or .json file" in str(export(suite, tmp_path / "a.yaml").exception)
    assert "no tenant 'nope'" in str(export(suite, tmp_path / "a.toml", "nope").exception)
    assert not list(tmp_path.iterdir())


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SCENARIOS = [
    each
    for page in PAGES
    for each in snippets.read(page)
    if each.language in ("toml", "json") and "tenants" in each.text.partition("\n")[0]
]


@pytest.mark.parametrize("snippet", SCENARIOS, ids=[each.where for each in SCENARIOS])
def test_a_documented_scenario_is_loaded(snippet: snippets.Snippet, tmp_path: Path) -> None:
    path = tmp_path / f"scenario.{snippet.language}"
    path.write_text(snippet.text, encoding="utf-8")
    checked = check(path)
    assert (checked.exit_code, checked.stderr) == (0, "")


def test_there_is_a_documented_scenario() -> None:
    assert SCENARIOS


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = json.loads(schema_path("scenario.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_the_schema_for_editors_takes_what_is_served(validator: Draft202012Validator) -> None:
    for document in (WHOLE, {"tenants": [WHOLE, {"name": "b"}]}):
        assert validator.is_valid(document)
    for snippet in SCENARIOS:
        assert validator.is_valid(tomllib.loads(snippet.text))


def test_the_schema_for_editors_refuses_a_wrong_value_at_any_place(
    validator: Draft202012Validator,
) -> None:
    wrong = [(place, spoil(WHOLE, steps, [[]])) for place, steps in places(WHOLE)]
    wrong += [
        (place, spoil(WHOLE, ["assumptions", place], "x")) for place in ("cdr.sort-nulls", "x")
    ]
    wrong.append(("fault", spoil(WHOLE, ["faults", 0, "fault"], "dellay")))
    wrong.append(("params", spoil(WHOLE, ["faults", 0, "params", "nonsense"], 1)))
    assert [place for place, document in wrong if validator.is_valid(document)] == []
