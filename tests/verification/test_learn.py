"""``callmocks learn`` finds what tenants with random choices hide, and says nothing wrong."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import callmocks
from callmocks.config.assumption_file import read_assumptions
from callmocks.contract.assumptions import load_ledger
from callmocks.errors import CheckError, SettingsError
from callmocks.onec.contract import HISTORY_OPERATION
from callmocks.testing import Mocks
from callmocks.verification.decisions import Decision
from callmocks.verification.http_client import HttpClient
from callmocks.verification.learning import LEARNERS
from callmocks.verification.report import CheckReport
from callmocks.verification.runner import CheckTarget
from tests.verification.conftest import NOW, CommandRunner, check_arguments, write_file
from tests.verification.processes import run_proxy

ROOT = Path(__file__).parents[2]
DRAWS, OFTEN_DRAWN = 20, 6
NUMBERS = [
    pytest.param(number, marks=() if number < OFTEN_DRAWN else pytest.mark.slow)
    for number in range(DRAWS)
]
MAX_BODY_BYTES = 1024 * 1024
# The entries of the ledger of version 0.1.
FIRST_CDR = """leg-direction check-order error-limits error-path component-code ended-session
foreign-user null-parameter paging-bounds date-format dates-reversed window-ends default-order
sort-nulls null-comparison like-underscore unknown-enum-value missing-condition filter-depth"""
FIRST_ARM = """content-type error-status transport-status error-reason frame-length frame-pad
message opcode websocket-path anonymous-upgrade basic session session-minutes limit-most to-date
date-without-time party-filters display-name empty-filter unfinished tag-filters tag-properties
empty-page-tag url-list included-schemas"""
FIRST_ONEC = """day-hours day-clock quota-hour quota-counts read-limits period-from
missing-period-from missing-period-to period-bounds reversed-period failed-call-time row-order
unknown-uuid unknown-parameter parameter-case empty-parameter value-typing offset-dates
changed-times must-understand wsdl-access body-limit code-missing-parameter code-unknown-parameter
code-duplicate-parameter code-wrong-type code-bad-uuid code-wrong-value code-period-too-long
code-too-many-rows"""


def draw_columns(default: str, chance: random.Random) -> str:
    """Some of the columns, in another order and of other lengths."""
    columns = default.split(", ")
    kept = chance.sample(columns, chance.randint(1, len(columns)))
    longer = f"string({chance.randint(40, 400)})"
    return ", ".join(re.sub(r"string\(\d+\)", longer, each) for each in kept)


def draw_choices(provider: str, number: int) -> dict[str, str]:
    """A random choice of each assumption; any text is another one in each draw."""
    chance = random.Random(f"{provider} {number}")
    drawn: dict[str, str] = {}
    for entry in load_ledger().values():
        if entry.provider != provider:
            continue
        if entry.fields:
            drawn[entry.id] = draw_columns(entry.default, chance)
            continue
        named = [entry.default, *(choice for choice in entry.alternatives if choice != "*")]
        if "*" in entry.alternatives:
            named.append(f"DRAWN_{number}_{len(drawn)}_{chance.randrange(1000)}")
        drawn[entry.id] = chance.choice(named)
    return drawn


def learn_from(tenant: Any, provider: str, **more: Any) -> tuple[list[Decision], CheckReport]:
    from callmocks.cli.check import make_target

    arguments = check_arguments(tenant, provider)
    fields: dict[str, Any] = {"login": "", "password": "", "token": "", "cookie": ""}
    options = dict(zip(arguments[2::2], arguments[3::2], strict=True))
    day = options.pop("--day", None)
    fields |= {name.strip("-"): value for name, value in options.items()} | more
    fields |= {"user_id": None, "timeout": 10.0} | more
    target = make_target(provider, arguments[1], "both", day, None, None, fields)
    return asyncio.run(learn_within_bounds(provider, target))


async def learn_within_bounds(
    provider: str, target: CheckTarget
) -> tuple[list[Decision], CheckReport]:
    async with HttpClient(target.timeout) as http_client:
        learner = LEARNERS[provider](target, http_client)
        report = await learner.run_probes()
    bodies = [body for each in learner.exchanges for body in (each.request, each.response)]
    assert bodies and max(map(len, bodies)) <= MAX_BODY_BYTES
    assert sum(each.operation == HISTORY_OPERATION for each in learner.exchanges) <= 9
    return learner.decide(), report


def assert_right(decisions: list[Decision], hidden: dict[str, str]) -> set[str]:
    """No decision is wrong; returns what was decided."""
    decided = {each.id: each.choice for each in decisions if each.decided}
    wrong = {id: (choice, hidden[id]) for id, choice in decided.items() if choice != hidden.get(id)}
    assert not {id: both for id, both in wrong.items() if id in hidden}
    assert all(each.why for each in decisions if not each.decided)
    return set(decided)


@pytest.mark.parametrize("number", NUMBERS)
def test_cdr(suite: Mocks, number: int) -> None:
    hidden = draw_choices("cdr", number)
    with suite.tenant(assumptions=hidden) as tenant:
        login = {"token": "", "login": tenant.name, "password": tenant.name}
        decisions, report = learn_from(tenant, "cdr", **login)
    decided = assert_right(decisions, hidden)
    first = {f"cdr.{name}" for name in FIRST_CDR.split()}
    assert len(decided & first) >= 14, sorted(first - decided)
    assert {"cdr.empty-arrays", "cdr.left-employees", "cdr.status-ids"} <= decided
    assert len(report.sent) <= 40


@pytest.mark.parametrize("number", NUMBERS)
def test_arm(suite: Mocks, number: int) -> None:
    """Where the websocket is cannot be guessed: it is told in every other draw."""
    hidden = draw_choices("arm", number)
    path = hidden["arm.websocket-path"] if number % 2 else ""
    with suite.tenant(assumptions=hidden) as tenant:
        decisions, report = learn_from(tenant, "arm", websocket_path=path)
    decided = assert_right(decisions, hidden)
    first = {f"arm.{name}" for name in FIRST_ARM.split()}
    assert len(decided & first) >= 10, sorted(first - decided)
    frames = {"arm.opcode", "arm.wrong-length", "arm.compression", "arm.anonymous-upgrade"}
    assert frames <= decided or not path
    assert len(report.sent) <= 40


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mocks]:
    """No other tenant serves the WSDL openly."""
    file = tmp_path_factory.mktemp("guarded") / "choices.toml"
    write_file(file, '[assumptions]\n"onec.wsdl-access" = "basic"\n')
    with callmocks.running(now=NOW, assumptions=file, only=("onec",)) as mocks:
        yield mocks


@pytest.mark.parametrize(
    ("hours", "wanted", "number"),
    [pytest.param("always", 18, *number.values, marks=number.marks) for number in NUMBERS]
    # By night a history from its beginning is asked for.
    + [
        pytest.param("never", 16, number, marks=pytest.mark.slow if number else ())
        for number in range(DRAWS)
    ],
)
def test_onec(guarded: Mocks, number: int, hours: str, wanted: int) -> None:
    hidden = draw_choices("onec", number) | {"onec.day-hours": hours}
    with guarded.tenant(assumptions=hidden, limits="documented") as tenant:
        decisions, report = learn_from(tenant, "onec")
    decided = assert_right(decisions, hidden)
    columns = {entry.id for entry in load_ledger().values() if entry.fields}
    assert columns | {"onec.failed-callee", "onec.failed-duration"} <= decided
    first = {f"onec.{name}" for name in FIRST_ONEC.split()}
    assert len(decided & first) >= wanted, sorted(first - decided)
    assert len(report.sent) <= 30


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("provider", ["arm", "cdr", "onec"])
def test_a_check_by_what_was_learnt_is_clean(
    suite: Mocks, cli: CommandRunner, tmp_path: Path, provider: str, number: int
) -> None:
    file = tmp_path / "choices.toml"
    hidden = draw_choices(provider, number)
    path = hidden.get("arm.websocket-path", "")
    more = ("--websocket-path", path, "--format", "json")
    with suite.tenant(assumptions=hidden) as tenant:
        arguments = (*check_arguments(tenant, provider), *more)
        learnt = cli("learn", *arguments, "--output", file)
        judged = cli("check", *arguments, "--assumptions", file)
    assert learnt.code == 0
    entries = learnt.json["assumptions"]
    assert set(entries[0]) == {"id", "decided", "choice", "evidence", "why"}
    decided = {each["id"]: each["choice"] for each in entries if each["decided"]}
    found = [each for probe in judged.json["probes"] for each in probe["findings"]]
    assert decided and found == []
    with suite.tenant(assumptions=read_assumptions(file)) as copy:
        again = cli("learn", *check_arguments(copy, provider), *more)
    same = {each["id"]: each["choice"] for each in again.json["assumptions"] if each["decided"]}
    assert same.items() >= decided.items()


def test_what_is_undecided_keeps_its_choice(
    suite: Mocks, cli: CommandRunner, tmp_path: Path
) -> None:
    file = write_file(
        tmp_path / "choices.toml", '[assumptions]\n"cdr.check-order" = "parameters-first"\n'
    )
    with suite.tenant() as tenant:
        result = cli("learn", *check_arguments(tenant, "cdr"), "--output", file)
    assert "decided" in result.out
    choices = read_assumptions(file)
    assert choices["cdr.check-order"] == "parameters-first"
    assert choices["cdr.error-path"] == "names"


def test_nothing_to_ask_is_an_error(suite: Mocks, cli: CommandRunner) -> None:
    with suite.tenant() as tenant:
        arguments = ["cdr", tenant.cdr.url, "--token", "wrong"]
        with pytest.raises(CheckError, match="refuses the credentials: access_token_invalid"):
            cli("learn", *arguments)
    with pytest.raises(SettingsError, match="give PROVIDER and URL, or --recording"):
        cli("learn", "cdr")


@pytest.mark.parametrize(("provider", "count"), [("arm", 11), ("cdr", 20), ("onec", 20)])
def test_a_recording_shows_what_its_traffic_contains(
    suite: Mocks, cli: CommandRunner, tmp_path: Path, provider: str, count: int
) -> None:
    """Of the exchanges of `learn` itself, as a journal and as the proxy writes them."""
    hidden = draw_choices(provider, 1) | {"arm.websocket-path": "service/cc/arm"}
    hidden = {id: choice for id, choice in hidden.items() if id.startswith(provider)}
    with suite.tenant(assumptions=hidden) as tenant:
        arguments = check_arguments(tenant, provider)
        url = arguments[1]
        with run_proxy(provider, url, "--record", tmp_path / "proxied") as proxy:
            address = proxy.ready["proxy"].split("/")[2]
            proxied = url.replace(url.split("/")[2], address)
            cli("learn", provider, proxied, *arguments[2:])
        entries = tenant.request("GET", "journal")["entries"]
    write_file(tmp_path / "journal", "".join(f"{json.dumps(each)}\n" for each in entries))
    for name in ("proxied", "journal"):
        result = cli("learn", "--recording", tmp_path / name, "--format", "json")
        found = [msgspec.convert(each, Decision) for each in result.json["assumptions"]]
        decided = assert_right(found, hidden)
        # A journal keeps long answers in part.
        assert name == "journal" or len(decided) >= count


def test_a_recording_without_exchanges_is_an_error(cli: CommandRunner, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="leave PROVIDER and URL out"):
        cli("learn", "cdr", "http://127.0.0.1:1", "--recording", tmp_path / "none")


def test_the_page_lists_what_no_request_can_show() -> None:
    text = (ROOT / "docs" / "learn.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `([a-z.0-9-]+)` \| (.+) \|$", text, re.M))
    reasons = {
        id: reason for learner in LEARNERS.values() for id, reason in learner.reasons.items()
    }
    assert listed == reasons
    assert reasons.keys() <= load_ledger().keys()
