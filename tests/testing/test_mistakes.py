"""Natural mistakes of users: each is told where it is, and what was probably meant."""

from __future__ import annotations

import json
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests

from callmocks.cli import main
from callmocks.testing import Mocks


class Mistake(NamedTuple):
    """What a user writes, the place that the error has to name, and what it has to suggest."""

    given: Any
    place: str
    hint: str


START = "2026-03-02T11:00:00"
SHOW = "history show --now 2026-03-02T12:00:00"
CHECK = "check cdr http://127.0.0.1:1 --token x"

COMMANDS = (
    Mistake("serv", "'serv'", "Did you mean 'serve'?"),
    Mistake("history exprot", "'exprot'", "Did you mean 'export'?"),
    Mistake("serve --port 8080", "'--port'", "'--cdr-port'"),
    Mistake("serve --host 127.0.0.1:8080", "--host", "ports have flags of their own"),
    Mistake("serve --host [::1]", "--host", "such as 127.0.0.1, ::1 or"),
    Mistake("serve --now now", "--now", "neither real nor an ISO time"),
    Mistake(f"{SHOW} --operator 101", "--operator", "is not one operator's"),
    Mistake("history show --from 2040-01-01 --now 2026-03-02T12:00:00", "--from", "nothing has"),
    Mistake("history export --output calls.xlsx", "--output", ".csv, .parquet; --format"),
    Mistake("serve --sed 7", "'--sed'", "'--seed'"),
    Mistake("serve --seed seven", "--seed", "a whole number in"),
    Mistake("serve --now 2026-3-2", "--now", "an ISO time such as 2026-03-02T12:00:00"),
    Mistake("serve --now 2026-03-02T12:00:00Z", "--now", "the tenant's wall clock has none"),
    Mistake("serve --world defualt", "--world", "one of busy, default, "),
    Mistake("serve --only arm,cdrr", "--only", "none of arm, cdr, onec"),
    Mistake("serve --limits of", "--limits", "'documented', 'off'"),
    Mistake("serve --timezone Europe/Moskow", "--timezone", "Europe/Moscow"),
    Mistake("serve --cdr-port 8087x", "--cdr-port", "a whole number in 0 … 65535"),
    Mistake("serve --state redis:6379", "--state", "redis://127.0.0.1:6379/0"),
    Mistake(f"{SHOW} --view legs", "--view", "'cdr-legs'"),
    Mistake(f"{SHOW} --view arm --operator 999", "--operator", "none of 101 …"),
    Mistake("check cdr htp://127.0.0.1", "URL", "https://HOST"),
    Mistake(f"{CHECK} --require leg", "--require", "account, legs"),
    Mistake("proxy cdr http://127.0.0.1:1 --fail-on assume", "--fail-on", "'assumed'"),
    Mistake("docs skil", "'skil'", "'skill'"),
)

FIXTURES = (
    Mistake('cdr.assert_called("get.call_leg_report")', "operation", "get.call_legs_report?"),
    Mistake("cdr.assert_not_called(limt=3)", "'params.limt'", "params.limit?"),
    Mistake('cdr.assert_called(request={"limit": 3})', "'limit'", "params.limit?"),
    Mistake('cdr.assert_called(request={"params": {"limit": 3}})', "'params'", "name its members"),
    Mistake('cdr.unpin("5605600000")', "'5605600000'", "takes what pin returned"),
    Mistake('arm.assert_called("login", user="101")', "'request.user'", "there are request.login"),
    Mistake("onec.assert_not_called(periodfrom=None)", "'Params.periodfrom'", "Params.PeriodFrom?"),
    Mistake('onec.expect("GetHistoryOfServiceCall")', "operation", "GetHistoryOfServiceCalls?"),
    Mistake('cdr.fail_next("limit_exceded")', "'limit_exceded'", "limit_exceeded?"),
    Mistake('cdr.fail_next("dealy")', "'dealy'", "did you mean delay?"),
    Mistake('cdr.fail_next("limit_exceeded", limit_type="hour")', "limit_type", "day and minute"),
    Mistake('cdr.fail_next("503")', "'503'", "did you mean 503 without quotes?"),
    Mistake('onec.fail_next("internal_error")', "'internal_error'", "did you mean INTERNAL_ERROR?"),
    Mistake('cdr.fault("limit_exceeded")', "'limit_exceeded'", "use fail_next('limit_exceeded')"),
    Mistake("arm.fault(503)", "503", "use fail_next(503)"),
    Mistake("cdr.fail_next(None)", "None", "takes an error, a fault or a status"),
    Mistake(
        'assert not cdr.exchanges("get.call_leg_report")', "operation", "get.call_legs_report?"
    ),
    Mistake('cdr.tenant.verify("get.account")', "'get.account'", "cdr.expect(…)"),
    Mistake("cdr.tenant.verify()", "verify", "cdr.expect(…)"),
    Mistake('cdr.tenant.restore("filled")', "'filled'", "none has been kept"),
    Mistake('cdr.truth("2026-03-03", "2026-03-02")', "till", "is before from"),
    Mistake("cdr.fail_next(5030)", "params.status", "<= 599"),
    Mistake('cdr.fault("delay", milliseconds=5)', "`milliseconds`", "there are ms, "),
    Mistake('arm.fault("close", operation="call_history")', "operation", "operator_call_history?"),
    Mistake('cdr.pin("2026-03-02T11:00:00", operator=101)', "$.operator", "a string is wanted"),
    Mistake('arm.pin("2026-03-02", operater="101")', "`operater`", "did you mean operator?"),
    Mistake('cdr.tenant.assume("cdr.error-limit", "absent")', "'cdr.error-limit'", "-limits?"),
    Mistake('cdr.advance("1h")', "$.seconds", "a number is wanted"),
    Mistake('cdr.freeze("noon")', "now: 'noon'", "an ISO time such as 2026-03-02T12:00:00"),
)

TENANT = {"name": "orders"}
ADMIN = (
    Mistake(("POST", "", TENANT | {"sed": 7}), "`sed`", "did you mean seed?"),
    Mistake(("POST", "", TENANT | {"seed": "7"}), "$.seed", "a number is wanted"),
    Mistake(("POST", "", TENANT | {"world": "emty"}), "$.world", "one of busy, default, "),
    Mistake(("POST", "", TENANT | {"limits": False}), "$.limits", "there are documented, off"),
    Mistake(("POST", "", TENANT | {"limits": "of"}), "$.limits", "did you mean off?"),
    Mistake(("POST", "", TENANT | {"cdr": {"day_limits": 3}}), "$.cdr", "did you mean day_limit?"),
    Mistake(
        ("POST", "", TENANT | {"assumptions": {"cdr.error-limit": "absent"}}),
        '$.assumptions."cdr.error-limit"',
        "did you mean cdr.error-limits?",
    ),
    Mistake(("GET", "/dmeo", None), "tenant", "did you mean demo?"),
    Mistake(("GET", "/demo/jurnal", None), "/demo/jurnal", "/openapi.json lists"),
    Mistake(("GET", "/demo/journal?provider=crd", None), "$.provider", "did you mean cdr?"),
    Mistake(("GET", "/demo/truth?from=2026-03-02", None), "`till`", "missing required field"),
    Mistake(("PUT", "/demo/clock", {"mode": "froze"}), "$.mode", "did you mean frozen?"),
    Mistake(("PUT", "/demo/clock", {"now": f"{START}+03:00"}), "$.now", "wall clock has none"),
    Mistake(("POST", "/demo/clock/advance", {"minutes": 1}), "`minutes`", "there are seconds"),
    Mistake(
        ("PUT", "/demo/assumptions/cdr.error-limit", {"choice": "absent"}),
        "assumption",
        "did you mean cdr.error-limits?",
    ),
    Mistake(
        ("PUT", "/demo/assumptions/cdr.error-limits", {"choice": "none"}),
        "$.choice",
        "none of present, get-methods, absent",
    ),
    Mistake(
        ("POST", "/demo/faults", {"provider": "cdr", "fault": "dely"}), "$.fault", "mean delay?"
    ),
    Mistake(
        ("POST", "/demo/faults", {"provider": "cdr", "fault": "close", "operation": "get.acount"}),
        "$.operation",
        "did you mean get.account? (unlisted=true allows it)",
    ),
    Mistake(
        ("POST", "/demo/journal/verify", {"expect": [{"operation": "get.acount"}]}),
        "$.expect[0].operation",
        "did you mean get.account?",
    ),
    Mistake(("POST", "/demo/journal/verify", {"expect": []}), "$.expect", "length >= 1"),
    Mistake(
        ("PUT", "/demo/scenario", {"faults": [{"provider": "cdr", "fault": "dely"}]}),
        "$.faults[0].fault",
        "did you mean delay?",
    ),
    Mistake(("PUT", "/demo/scenario", {"clocks": {}}), "`clocks`", "did you mean clock?"),
)

PINS = (
    Mistake({"operator": 101}, "$.operator", "a string is wanted, write it in quotes"),
    Mistake({"operator": "999"}, "$.operator", "there are 101, 102, "),
    Mistake({"operater": "101"}, "`operater`", "did you mean operator?"),
    Mistake({"finish_reason": "operator_disconnect"}, "$.finish_reason", "operator_disconnects?"),
    Mistake({"direction": "incoming"}, "$.direction", "in, out, auto or internal"),
    Mistake({"talk_seconds": "75"}, "$.talk_seconds", "a number is wanted"),
    Mistake({"talk_seconds": -5}, "$.talk_seconds", "0 to 21600 seconds"),
    Mistake({"client_phone": "+7 916 123-45-67"}, "$.client_phone", "digits alone"),
    Mistake({"answered": False, "talk_seconds": 5}, "$.talk_seconds", "the call is not answered"),
    Mistake({"start": "2026-03-02 11h"}, "$.start", "an ISO time such as 2026-03-02T12:00:00"),
    Mistake({"start": f"{START}+03:00"}, "$.start", "the tenant's wall clock has none"),
    Mistake({"rating": 6}, "$.rating", "1 to 5"),
    Mistake({"transfer_talk_seconds": 5}, "$.transfer_talk_seconds", "transfer_to"),
    Mistake({"line": "+7"}, "$.line", "there are 7"),
)


class FileMistake(NamedTuple):
    name: str
    text: str
    option: str  # the command and the option that takes the file
    place: str
    hint: str


WORLD, ASSUMED, CALLS = "serve --world", "serve --assumptions", f"{SHOW} --view truth --calls"
BASELINE, CONFIG = f"{CHECK} --baseline", "serve --config"
SCENARIO, CASE = "serve --scenario", '[[tenants]]\nname = "a"\n'
FAULT = '[[tenants.faults]]\nprovider = "cdr"\nfault = '
LIMITS = '"cdr.error-limits"'
FILES = (
    FileMistake("c.toml", "sedd = 7", CONFIG, "sedd", "did you mean seed?"),
    FileMistake("c.toml", "[serve]\nseed = 7", CONFIG, "serve", "settings stand at the top"),
    FileMistake("w.toml", "call_per_day = 4", WORLD, "`call_per_day`", "mean calls_per_day?"),
    FileMistake("w.toml", 'calls_per_day = "4"', WORLD, "calls_per_day", "a number is wanted"),
    FileMistake("w.toml", "[[line]]", WORLD, "`line`", "did you mean lines?"),
    FileMistake("w.toml", "calls_per_day = four", WORLD, "at line 1, column 17", "Invalid value"),
    FileMistake(
        "w.toml", "[[operators]]\nnumber = 101", WORLD, "operators[0].number", "write it in quotes"
    ),
    FileMistake(
        "a.toml", '[assumptions]\n"cdr.error-limit" = "absent"', ASSUMED, "error-limit", "limits?"
    ),
    FileMistake("a.toml", f'[assumptions]\n{LIMITS} = "no"', ASSUMED, LIMITS, "none of present"),
    FileMistake("a.toml", f'{LIMITS} = "absent"', ASSUMED, "'cdr.error-limits'", "[assumptions]"),
    FileMistake("a.toml", f"[assumptions]\n{LIMITS} = 1", ASSUMED, LIMITS, "a text in quotes"),
    FileMistake(
        "p.jsonl", f'{{"start": "{START}"}}\n{{"start": 11}}', CALLS, "line 2: start", "in quotes"
    ),
    FileMistake(
        "p.jsonl", f'{{"start": "{START}", "talk_second": 5}}', CALLS, "line 1", "talk_seconds?"
    ),
    FileMistake(
        "p.jsonl", f'{{"start": "{START}", "coach": "1"}}', CALLS, "line 1: coach", "there are 101"
    ),
    FileMistake("b.toml", '[[finding]]\nid = "legs"', BASELINE, "finding 1: id", "like cdr/legs/"),
    FileMistake("b.toml", '[[findings]]\nid = "a/b/c"', BASELINE, "`findings`", "mean finding?"),
    FileMistake(
        "b.toml",
        '[[finding]]\nid = "a/b/c"\nreson = ""',
        BASELINE,
        "finding 1",
        "there are id, why",
    ),
    FileMistake("s.toml", '[[tenant]]\nname = "a"', SCENARIO, "tenant", "did you mean tenants?"),
    FileMistake("s.toml", f"{CASE}sed = 7", SCENARIO, "tenants[0].sed", "did you mean seed?"),
    FileMistake(
        "s.toml",
        f'{CASE}[[tenants.calls]]\nstart = "{START}"\noperator = 101',
        SCENARIO,
        "tenants[0].calls[0].operator",
        "a string is wanted",
    ),
    FileMistake("s.toml", f'{CASE}{FAULT}"dely"', SCENARIO, "faults[0].fault", "mean delay?"),
    FileMistake(
        "s.toml",
        f'{CASE}{FAULT}"close"\noperation = "get.acount"',
        SCENARIO,
        "tenants[0].faults[0].operation",
        "did you mean get.account?",
    ),
    FileMistake(
        "s.json",
        '{"tenants": [{"name": "a", "assumptions": {"cdr.error-limit": "absent"}}]}',
        SCENARIO,
        'tenants[0].assumptions."cdr.error-limit"',
        "did you mean cdr.error-limits?",
    ),
)


@pytest.fixture
def run_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], str]:
    """The one line that a wrong command ends with, in this process."""

    def run_command(text: str) -> str:
        monkeypatch.setattr(sys, "argv", ["callmocks", *shlex.split(text)])
        monkeypatch.setattr(signal, "signal", lambda *_: None)
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
        shown = capsys.readouterr()
        assert shown.out == "" and shown.err.count("\n") == 1
        assert shown.err.startswith("callmocks: ")
        return shown.err

    return run_command


@pytest.mark.parametrize("mistake", COMMANDS, ids=lambda mistake: mistake.given)
def test_a_mistake_on_the_command_line(run_command: Callable[[str], str], mistake: Mistake) -> None:
    text = run_command(mistake.given)
    assert mistake.place in text and mistake.hint in text


@pytest.mark.parametrize("mistake", FILES, ids=lambda each: f"{each.name} {each.place}")
def test_a_mistake_in_a_file(
    run_command: Callable[[str], str], mistake: FileMistake, tmp_path: Path
) -> None:
    path = tmp_path / mistake.name
    path.write_text(mistake.text, encoding="utf-8")
    shown, _, text = run_command(f"{mistake.option} {path}").partition(f"{path}: ")
    assert mistake.option.rpartition(" --")[2] in shown
    assert mistake.place in text and mistake.hint in text


@pytest.mark.parametrize("mistake", ADMIN, ids=lambda each: f"{each.given[1]} {each.place}")
def test_a_mistake_in_a_request_to_the_admin_api(mocks: Mocks, mistake: Mistake) -> None:
    method, path, body = mistake.given
    check_problem(mocks, method, path, body, mistake)


@pytest.mark.parametrize("mistake", PINS, ids=lambda each: json.dumps(each.given))
def test_a_mistake_in_a_pin(mocks: Mocks, mistake: Mistake) -> None:
    check_problem(mocks, "POST", "/demo/calls", {"start": START, **mistake.given}, mistake)


def check_problem(mocks: Mocks, method: str, path: str, body: Any, mistake: Mistake) -> None:
    """The place is the problem's ``where``; of a member or a path that there is not, its name."""
    url = f"{mocks.control_url}/api/tenants{path}"
    answer = requests.request(method, url, json=body, timeout=10)
    problem = answer.json()
    assert answer.status_code in (404, 422), problem
    assert mistake.place == problem.get("where") or mistake.place in problem["detail"]
    assert mistake.hint in problem["detail"]


def test_a_mistake_in_a_test_is_shown_at_its_line(run: Callable[..., pytest.RunResult]) -> None:
    text = "\n".join(
        f"def test_{number}(arm, cdr, onec):\n    {each.given}"
        for number, each in enumerate(FIXTURES)
    )
    result = run(text)
    result.assert_outcomes(failed=len(FIXTURES))
    _, *reports = result.stdout.str().partition("short test summary")[0].split("___ test_")
    for mistake, report in zip(FIXTURES, reports, strict=True):
        error = "\n".join(line for line in report.splitlines() if line.startswith("E  "))
        assert mistake.place in error and mistake.hint in error
        sources = [line[1:].strip() for line in report.splitlines() if line.startswith(">  ")]
        assert sources == [mistake.given]
    assert "callmocks/testing" not in result.stdout.str()


def test_each_kind_of_mistake_has_ten_examples() -> None:
    for table in (COMMANDS, FIXTURES, ADMIN, PINS, FILES):
        assert len(table) >= 10 and len(set(map(str, table))) == len(table)
