"""``callmocks history import``: what was recorded of one history is shown by another."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from lxml import etree

import callmocks
from callmocks.cdr import tables
from callmocks.errors import AdminError, SettingsError
from callmocks.testing import Mocks
from tests.verification.conftest import DAY, NOW, CommandRunner, run_command
from tests.verification.messages import property_xml, soap_envelope
from tests.verification.processes import run_proxy
from tests.verification.traffic import TrafficLog

LEGS, SESSIONS = "get.call_legs_report", "get.calls_report"
WINDOW: dict[str, Any] = {"date_from": f"{DAY} 00:00:00", "date_till": f"{DAY} 23:59:59"}
# Of another history they are others.
NOT_KEPT = {"id", "call_session_id", "communication_id", "full_record_file_link"}
Rows = dict[int, dict[str, Any]]


def read_rows(url: str, token: str, method: str, **params: Any) -> Rows:
    given = {"access_token": token, "fields": [*tables.load_fields(method).fields], **WINDOW}
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**given, **params}}
    answer = requests.post(url, data=json.dumps(body), timeout=30).json()
    return {row["id"]: row for row in answer["result"]["data"]}


@pytest.fixture(scope="module", params=["default", "finish-reasons", "edge-cases"])
def recorded(
    request: pytest.FixtureRequest, suite: Mocks, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, Rows, Rows]]:
    """A day of another seed, its legs and its sessions by their ids."""
    with suite.tenant(seed=7, world=request.param, calls_per_day=150) as tenant:
        log = TrafficLog(tenant, tmp_path_factory.mktemp("import") / "day.jsonl")
        half = {"date_till": f"{DAY} 12:29:59"}, {"date_from": f"{DAY} 12:30:00"}
        for method in (LEGS, SESSIONS):
            for part in half:
                fields = [*tables.load_fields(method).fields]
                log.cdr(method, **{**WINDOW, **part}, fields=fields, limit=10_000)
        token = f"{tenant.name}-token"
        rows = [read_rows(tenant.cdr.url, token, method) for method in (LEGS, SESSIONS)]
        yield log.path, rows[0], rows[1]


@pytest.fixture(scope="module")
def imported(recorded: tuple[Path, Rows, Rows]) -> Iterator[tuple[Mocks, dict[str, Any]]]:
    """A suite that serves it, and the map of the ids."""
    from callmocks.cli.commands import group

    recording, folder = recorded[0], recorded[0].parent
    calls, world = folder / "calls.jsonl", folder / "world.toml"
    arguments = ["--output", str(calls), "--world-output", str(world)]
    group.main(["history", "import", str(recording), *arguments], standalone_mode=False)
    with callmocks.running(now=NOW, world=str(world), calls=calls) as mocks:
        yield mocks, json.loads((folder / "calls.map.json").read_text(encoding="utf-8"))


def comparable(row: dict[str, Any]) -> dict[str, Any]:
    records = {name: len(value) for name, value in row.items() if name.endswith("_records")}
    return {name: value for name, value in row.items() if name not in NOT_KEPT} | records


def test_every_row_is_shown_as_it_was_recorded(
    recorded: tuple[Path, Rows, Rows], imported: tuple[Mocks, dict[str, Any]]
) -> None:
    mocks, ids = imported
    assert ids["not_imported"] == {}
    for method, wanted, kind in zip(
        (LEGS, SESSIONS), recorded[1:], ("legs", "sessions"), strict=True
    ):
        got = read_rows(mocks.cdr.url, "demo-token", method, limit=10_000)
        assert len(got) == len(wanted) > 100
        for id, row in wanted.items():
            assert comparable(got[ids[kind][str(id)]]) == comparable(row)
    legs, _ = recorded[1:]
    employee, count = Counter(row["employee_id"] for row in legs.values()).most_common(2)[1]
    chosen = {"field": "employee_id", "operator": "=", "value": employee}
    assert len(read_rows(mocks.cdr.url, "demo-token", LEGS, filter=chosen)) == count


def test_arm_shows_the_talks_of_each_operator(
    recorded: tuple[Path, Rows, Rows], imported: tuple[Mocks, dict[str, Any]]
) -> None:
    (mocks, _), legs = imported, recorded[1]
    wanted: dict[str, list[tuple[str, int]]] = {}
    for row in legs.values():
        if row["is_operator"] and row["connect_time"] and not row["is_coach"]:
            talk = row["start_time"].replace("-", "/"), row["duration"]
            wanted.setdefault(row["employee_phone_number"], []).append(talk)
    assert len(wanted) > 4
    for number, talks in wanted.items():
        url = f"{mocks.arm.url}/demo/service/cc/arm/operator_call_history"
        body = "<in><request><filters limit='10000'/></request></in>"
        answer = requests.post(url, body, auth=(number, "demo"), timeout=20)
        rows = list(etree.fromstring(answer.content).iter("call_history"))
        got = [(row.get("start_time"), int(row.get("duration", 0))) for row in rows]
        answered = [row for row, each in zip(got, rows, strict=True) if each.get("answer_time")]
        assert sorted(map(str, answered)) == sorted(map(str, talks))


def test_onec_shows_the_calls_of_known_contacts(
    recorded: tuple[Path, Rows, Rows], imported: tuple[Mocks, dict[str, Any]]
) -> None:
    mocks, ids = imported
    period = property_xml("PeriodFrom", f"{DAY}T00:00:00", "dateTime")
    result = property_xml("CallResult", "1", "decimal")
    body = soap_envelope(f"<p:Params>{period}{result}</p:Params>")
    answer = requests.post(mocks.onec.url, body, auth=("demo", "demo"), timeout=20)
    rows = [[cell.text for cell in row] for row in etree.fromstring(answer.content).iter("{*}row")]
    got = sorted(int(str(row[-1])) for row in rows if row[2])
    answered = {
        row["call_session_id"]
        for row in recorded[1].values()
        if row["is_operator"] and row["connect_time"] and not row["is_coach"]
    }
    sessions = recorded[2].values()
    known = [row for row in sessions if row["id"] in answered and row["contact_id"]]
    assert got == sorted(row["clean_talk_duration"] for row in known)
    assert 0 < len(got) < len(answered)
    strangers = Counter(row["contact_phone_number"] for row in sessions if not row["contact_id"])
    strangers.pop(None, None)
    assert ids["strangers"] == dict(strangers)


def import_file(cli: CommandRunner, path: Path) -> tuple[str, dict[str, Any]]:
    output, world = path.with_name("out.jsonl"), path.with_name("out.toml")
    result = cli("history", "import", path, "--output", output, "--world-output", world)
    return result.out, json.loads(path.with_name("out.map.json").read_text(encoding="utf-8"))


def test_a_masked_recording_keeps_times_and_who_is_the_same(
    suite: Mocks, tmp_path: Path, cli: CommandRunner
) -> None:
    with suite.tenant(seed=7, calls_per_day=60) as tenant:
        token = f"{tenant.name}-token"
        with run_proxy("cdr", tenant.cdr.url, "--record", tmp_path / "day.jsonl") as proxy:
            legs = read_rows(proxy.ready["proxy"], token, LEGS)
            proxy.stop()
    text, ids = import_file(cli, tmp_path / "day.jsonl")
    sessions = {row["call_session_id"] for row in legs.values()}
    assert f"{len(sessions)} calls of {DAY} … {DAY}, {len(legs)} legs" in text
    strangers = Counter(
        row["contact_phone_number"] for row in legs.values() if not row["contact_id"]
    )
    strangers.pop(None, None)
    assert len(ids["strangers"]) == len(strangers)
    assert not ids["strangers"].keys() & strangers.keys()
    files = [tmp_path / name for name in ("out.jsonl", "out.toml")]
    with callmocks.running(now=NOW, calls=files[0], world=str(files[1])) as mocks:
        got = read_rows(mocks.cdr.url, "demo-token", LEGS)
    times = ("start_time", "connect_time", "duration", "total_duration", "employee_id")
    for id, row in legs.items():
        shown = got[ids["legs"][str(id)]]
        assert [shown[name] for name in times] == [row[name] for name in times]


LEG: dict[str, Any] = {
    "id": 7,
    "call_session_id": 5,
    "start_time": f"{DAY} 10:00:00",
    "connect_time": None,
    "duration": 0,
    "total_duration": 4,
    "finish_reason": "subscriber_disconnects",
    "direction": "in",
    "is_operator": False,
    "virtual_phone_number": "74956364846",
    "calling_phone_number": "79161234567",
    "called_phone_number": "74956364846",
    "employee_id": None,
}


def write_rows(path: Path, *answers: tuple[str, list[dict[str, Any]]], **params: Any) -> Path:
    lines = [
        {
            "seq": number,
            "at": NOW,
            "provider": "cdr",
            "operation": method,
            "status": 200,
            "request": json.dumps({"method": method, "params": WINDOW | params}),
            "response": json.dumps(
                {"result": {"metadata": {"total_items": len(rows)}, "data": rows}}
            ),
        }
        for number, (method, rows) in enumerate(answers, 1)
    ]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return path


def test_what_cannot_be_imported_is_listed(tmp_path: Path, cli: CommandRunner) -> None:
    late = LEG | {"id": 8, "call_session_id": 6, "is_operator": True, "direction": "out"}
    rows = [
        LEG,
        late | {"start_time": f"{DAY} 10:00:19", "employee_id": 1},
        LEG | {"id": 9, "call_session_id": 6, "start_time": f"{DAY} 10:00:10"},
        LEG | {"id": 10, "call_session_id": 11, "finish_reason": "lost_in_space"},
        LEG | {"id": 12, "call_session_id": 13, "connect_time": f"{DAY} 10:00:01"},
        LEG | {"id": 14, "call_session_id": 15, "virtual_phone_number": None},
        LEG | {"id": 16, "call_session_id": 17, "direction": "sideways"},
        LEG | {"id": 18, "call_session_id": 19, "start_time": ""},
        LEG | {"id": 20, "call_session_id": 21, "duration": 3},
        LEG | {"id": 22, "call_session_id": 23, "start_time": f"{DAY} 23:59:58"},
        LEG | {"id": 24, "call_session_id": 25, "calling_phone_number": ""},
    ]
    answers = [(LEGS, rows), (SESSIONS, [{"id": 99}]), (LEGS, [{"id": 1, "call_session_id": 5}])]
    text, ids = import_file(cli, write_rows(tmp_path / "some.jsonl", *answers))
    assert list(ids["sessions"]) == ["5", "25"]
    assert ids["not_imported"] == {
        "99": "its legs were not recorded",
        "6": "its first leg was not recorded",
        "11": "legs[0].finish_reason: 'lost_in_space' is none of the 64 reasons",
        "13": "its times and durations contradict one another",
        "15": "it has no virtual number",
        "17": "its direction 'sideways' is unknown",
        "19": "'' is no time",
        "21": "its times and durations contradict one another",
        "23": "legs may be missing: it lasts beyond the recorded period or page",
    }
    assert "2 calls of" in text and "not imported: 9 calls: session 99: its legs" in text
    assert "line 3: rows without start_time" in text


@pytest.mark.parametrize("last", ["10:29:59", "23:59:59"], ids=["period", "page"])
def test_no_call_is_imported_without_some_of_its_legs(
    suite: Mocks, tmp_path: Path, cli: CommandRunner, last: str
) -> None:
    with suite.tenant(seed=7) as tenant:
        log = TrafficLog(tenant, tmp_path / "part.jsonl")
        begin = f"{DAY} 10:10:00"
        log.cdr(LEGS, date_from=begin, date_till=f"{DAY} {last}", limit=80)
        legs = read_rows(tenant.cdr.url, f"{tenant.name}-token", LEGS, limit=10_000)
    _, ids = import_file(cli, log.path)
    sessions = {row["call_session_id"] for row in legs.values()}
    cut = {
        each for each in sessions if any(
            row["start_time"] < begin for row in legs.values() if row["call_session_id"] == each
        )
    }  # fmt: skip
    imported = {int(each) for each in ids["sessions"]}
    assert len(imported) > 5 and not imported & cut and ids["not_imported"]
    wanted = {id for id, row in legs.items() if row["call_session_id"] in imported}
    assert {int(each) for each in ids["legs"]} == wanted


@pytest.mark.parametrize(
    ("write", "text"),
    [
        (
            lambda path: write_rows(path, (LEGS, [LEG, LEG | {"contact_id": 0}])),
            "line 1: result.data[1].contact_id: Expected `int` >= 1",
        ),
        (lambda path: path.write_text("{}\n"), "line 1: no exchange: "),
        (
            lambda path: write_rows(path, (LEGS, [LEG, LEG | {"duration": "long"}])),
            "line 1: result.data[1].duration: Expected `int`, got `str`",
        ),
        (
            lambda path: write_rows(path, (LEGS, [LEG]), filter={"field": "id"}),
            "no rows of get.call_legs_report that can be used were recorded: ",
        ),
        (lambda path: write_rows(path, (SESSIONS, [{"id": 1}])), "no rows of get.call_legs_report"),
        (
            lambda path: write_rows(path, (LEGS, [LEG | {"finish_reason": "odd"}])),
            "no call can be imported; session 5: legs[0].finish_reason",
        ),
    ],
)
def test_a_useless_recording_is_one_error(
    tmp_path: Path, cli: CommandRunner, write: Callable[[Path], object], text: str
) -> None:
    write(path := tmp_path / "bad.jsonl")
    with pytest.raises(SettingsError) as error:
        import_file(cli, path)
    assert str(error.value).startswith(str(path)) and text in str(error.value)
    assert [*tmp_path.iterdir()] == [path]


def test_files_are_told_apart(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "a.jsonl", (LEGS, [LEG]))
    result = run_command("history", "import", path, "--output", path, "--world-output", "w.toml")
    assert (result.code, len(result.err.splitlines())) == (2, 1)
    assert "give a file of its own for each" in result.err


FIRST = {"role": "subscriber", "start": 0, "end": 9, "finish_reason": "subscriber_disconnects"}
GIVEN: dict[str, Any] = {"direction": "in", "line": "", "legs": [FIRST]}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"direction": None}, "direction: with legs it has to be given"),
        ({"line": None}, "line: with legs it has to be given"),
        ({"operator": "101"}, "operator: with legs it stands in them"),
        ({"legs": []}, "legs: 0 are not 1 to 64"),
        ({"direction": "out"}, "an outgoing or internal call"),
        ({"legs": [FIRST | {"start": 1}]}, "the first leg begins with the call, at 0"),
        ({"legs": [FIRST | {"connect": 10}]}, "legs[0].end: 9.0 is before"),
        ({"legs": [FIRST | {"role": "guest"}]}, "'guest' is none of subscriber, operator"),
        ({"legs": [FIRST | {"operator": "101"}]}, "a subscriber's leg has none"),
        ({"legs": [FIRST, FIRST | {"role": "initiator"}]}, "the initiator is an operator"),
        ({"legs": [FIRST, FIRST | {"role": "operator", "operator": "9"}]}, "no operator '9'"),
        ({"session_finish_reason": "odd"}, "'odd' is no reason of sessions"),
        ({"legs": None, "session_finish_reason": "no_operation"}, "only a call with legs"),
    ],
    ids=str,
)
def test_given_legs_that_contradict_one_another(
    suite: Mocks, change: dict[str, Any], text: str
) -> None:
    with suite.tenant(world="empty") as tenant:
        line = tenant.pin(f"{DAY}T09:00:00", direction="in").line
        given = {**GIVEN, "line": line, **change}
        given = {name: value for name, value in given.items() if value is not None}
        with pytest.raises(AdminError) as refused:
            tenant.pin(f"{DAY}T10:00:00", **given)
        assert text in str(refused.value)


def test_a_call_of_many_legs_takes_several_numbers(suite: Mocks) -> None:
    with suite.tenant(world="empty") as tenant:
        line = tenant.pin(f"{DAY}T09:00:00", direction="in").line
        tenant.unpin()
        attempts = [FIRST | {"role": "operator", "operator": "101", "finish_reason": "timeout"}] * 6
        many: dict[str, Any] = {"direction": "in", "line": line, "legs": [FIRST, *attempts]}
        first = tenant.pin(f"{DAY}T10:00:00", **many)
        second = tenant.pin(f"{DAY}T10:00:00", **many)  # nobody's talks are compared
        legs = [*first.cdr.leg_ids, *second.cdr.leg_ids]
        assert len({*legs}) == 14
        body = {"start": f"{DAY}T11:00:00", "number": 2}
        with pytest.raises(AdminError, match=f"the pinned call {first.session_id + 1} has it"):
            tenant.request("POST", "calls", body)
        tenant.unpin(first)
        tenant.request("POST", "calls", body)
        with pytest.raises(AdminError, match="has it already"):
            tenant.request("POST", "calls", {**many, "start": f"{DAY}T10:00:00", "number": 1})
