"""``callmocks world fit``: a recording of a known world gives one whose calls resemble it."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

import callmocks
from callmocks.cdr import tables
from callmocks.cdr.provider import CDR
from callmocks.cli.commands import group
from callmocks.errors import SettingsError
from callmocks.history.world_file import load_world
from callmocks.testing import Mocks
from callmocks.verification.mask_message import MessageMasker
from tests.verification.conftest import NOW, CommandRunner, run_command, write_file
from tests.verification.test_history_import import LEG, LEGS, SESSIONS, write_rows
from tests.verification.traffic import TrafficLog

LAST = "2026-02-25"  # a public holiday is among the days
FIRST = {"known": "2026-02-09", "default": "2026-02-16"}
AFTER = "2026-02-26"
KNOWN = """
calls_per_day = 260
[sizes]
operators = 7
lines = 2
organisations = 25
[traffic]
internal = 20
outgoing = 400
missed = 220
transfer = 30
coach = 5
weekend = 600
repeat = 700
weekday_hours = [0,0,0,0,0,0,0,0,0,20,40,60,70,80,90,100,110,120,130,90,60,0,0,0]
weekend_hours = [0,0,0,0,0,0,0,0,0,0,40,60,70,40,40,30,0,0,0,0,0,0,0,0]
weekdays = [1300,1000,900,800,1000,1200,800]
talk_ms = [500, 8000, 15000, 25000, 40000, 60000, 120000, 400000]
[waiting]
menu_ms = [5000, 9000, 20000, 60000]
answer_ms = [600, 1500, 2500, 4000, 9000]
queue_ms = [10000, 40000, 90000, 300000]
attempts_answered = [50, 30, 15, 5]
[reasons]
ended_by_client = 300
unreached_outgoing = 500
outgoing.subscriber_busy = 80
menu.incorrect_input = 40
[roster]
shift_hours = 11
breaks = 1
"""
WORLDS = {"known": KNOWN, "default": ""}
LENGTHS = {
    "cdr-legs": ("duration", "total_duration"),
    "cdr-sessions": (
        *("wait_duration", "total_wait_duration", "total_duration"),
        *("talk_duration", "clean_talk_duration"),
    ),
}
Rows = list[dict[str, Any]]


def record_calls(mocks: Mocks, first: str, recording: Path) -> None:
    window = {"date_from": f"{first} 00:00:00", "date_till": f"{LAST} 23:59:59"}
    log = TrafficLog(mocks.demo, recording)
    for method in (LEGS, SESSIONS):
        log.cdr(method, **window, fields=[*tables.load_fields(method).fields], limit=10_000)


@dataclass
class Fitted:
    name: str  # of the known world
    recording: Path
    world: Path
    report: str


@pytest.fixture(scope="module", params=[*WORLDS])
def fitted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    folder = tmp_path_factory.mktemp("fit")
    known = write_file(folder / "known.toml", WORLDS[request.param])
    recording, world = folder / "calls.jsonl", folder / "fitted.toml"
    with callmocks.running(now=NOW, world=str(known), seed=7) as mocks:
        record_calls(mocks, FIRST[request.param], recording)
    with redirect_stdout(StringIO()) as report:
        arguments = ["world", "fit", str(recording), "--output", str(world)]
        group.main(arguments, standalone_mode=False)
    return Fitted(request.param, recording, world, report.getvalue())


def read_recorded(recording: Path) -> dict[str, Rows]:
    lines = map(json.loads, recording.read_text(encoding="utf-8").splitlines())
    answers = [json.loads(line["response"])["result"]["data"] for line in lines]
    return dict(zip(LENGTHS, answers, strict=True))


def export_rows(cli: CommandRunner, world: Path, first: str, view: str) -> Rows:
    """By another seed."""
    window = ["--from", first, "--till", AFTER, "--now", NOW, "--view", view]
    text = cli("history", "export", "--world", world, "--seed", 5, *window).out
    return [json.loads(line) for line in text.splitlines()]


def measure_gap(one: list[int], other: list[int]) -> float:
    """The largest distance of two distribution functions."""
    one, other = sorted(one), sorted(other)
    parts = [
        abs(bisect_right(one, value) / len(one) - bisect_right(other, value) / len(other))
        for value in {*one, *other}
    ]
    return max(parts)


def measure_variation(one: Rows, other: Rows) -> float:
    counts = [Counter(row["finish_reason"] for row in rows) for rows in (one, other)]
    total = [counter.total() for counter in counts]
    names = counts[0] | counts[1]
    return sum(abs(counts[0][x] / total[0] - counts[1][x] / total[1]) for x in names) / 2


def second_of_day(row: dict[str, Any]) -> int:
    hour, minute, second = map(int, row["start_time"][11:19].split(":"))
    return 3600 * hour + 60 * minute + second


def count_repeats(legs: Rows) -> float:
    """Of lost calls, those whose number is in another call within half an hour."""
    sessions: dict[int, Rows] = {}
    for leg in legs:
        sessions.setdefault(leg["call_session_id"], []).append(leg)
    begins: dict[str, list[datetime]] = {}
    lost = []
    for session in sessions.values():
        first = min(session, key=lambda leg: leg["id"])
        start, phone = datetime.fromisoformat(first["start_time"]), first["contact_phone_number"]
        begins.setdefault(phone, []).append(start)
        incoming = not first["is_operator"] and first["direction"] == "in"
        if phone and incoming and all(leg["connect_time"] is None for leg in session):
            lost.append((phone, start + timedelta(seconds=first["total_duration"])))
    soon = timedelta(minutes=30)
    again = [any(end < x <= end + soon for x in begins[phone]) for phone, end in lost]
    return sum(again) / len(again)


def test_calls_of_the_fitted_world_are_as_those_recorded(
    fitted: Fitted, cli: CommandRunner
) -> None:
    rows, world = read_recorded(fitted.recording), load_world(str(fitted.world))
    sessions, legs = len(rows["cdr-sessions"]), len(rows["cdr-legs"])
    assert sessions >= 2000
    first, days = FIRST[fitted.name], 17 if fitted.name == "known" else 10
    assert f"{sessions} sessions, {legs} legs, {days} days of {first} … {LAST}" in fitted.report
    drawn = {view: export_rows(cli, fitted.world, first, view) for view in LENGTHS}
    for view, columns in LENGTHS.items():
        for column in columns:
            pair = [[row[column] for row in each[view]] for each in (rows, drawn)]
            assert measure_gap(*pair) <= 0.08, (view, column)
        assert measure_variation(rows[view], drawn[view]) <= 0.05, view
    starts = [[second_of_day(row) for row in each["cdr-sessions"]] for each in (rows, drawn)]
    assert measure_gap(*starts) <= 0.08
    one, other = (
        Counter(row["start_time"][:10] for row in each["cdr-sessions"]) for each in (rows, drawn)
    )
    assert sum(abs(one[day] - other[day]) for day in one | other) < 0.15 * sessions
    repeats = [count_repeats(each["cdr-legs"]) for each in (rows, drawn)]
    assert abs(repeats[0] - repeats[1]) < 0.1
    team = [len({row["employee_id"] for row in each["cdr-legs"]}) for each in (rows, drawn)]
    assert abs(team[0] - team[1]) <= 1
    if fitted.name == "known":
        assert (world.sizes.lines, world.sizes.operators) == (2, 7)
        assert 10 <= world.roster.shift_hours <= 12
        assert world.traffic.weekday_hours[8] == world.traffic.weekday_hours[21] == 0
        # What the default world has is far from it.
        plain = write_file(fitted.world.with_name("plain.toml"), "")
        default = export_rows(cli, plain, first, "cdr-legs")
        assert measure_variation(rows["cdr-legs"], default) > 0.05


@pytest.mark.parametrize("fitted", ["known"], indirect=True)
def test_a_masked_recording_gives_the_same_world(
    fitted: Fitted, tmp_path: Path, cli: CommandRunner
) -> None:
    """Masked as the proxy does it: equal numbers have equal masks."""
    line = json.loads(fitted.recording.read_text(encoding="utf-8").partition("\n")[0])
    masker = MessageMasker(bytes(16), CDR)
    masked = masker.mask_message(line["response"].encode(), LEGS, in_answer=True).text
    rows = json.loads(line["response"])["result"]["data"]
    assert not {row["contact_phone_number"] for row in rows} & {*re.findall(r"\d{11}", masked)}
    recording = write_file(tmp_path / "masked.jsonl", json.dumps({**line, "response": masked}))
    cli("world", "fit", recording, "--output", tmp_path / "masked.toml")
    world = (tmp_path / "masked.toml").read_text(encoding="utf-8")
    assert world == fitted.world.read_text(encoding="utf-8")
    assert "repeat = " in world and "unknown_caller = " in world


def make_sessions(count: int, **changes: Any) -> Rows:
    return [LEG | {"id": n, "call_session_id": n} | changes for n in range(1, count + 1)]


def test_too_few_sessions_are_counted(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "few.jsonl", (LEGS, make_sessions(1999)), (LEGS, [{"id": 1}]))
    result = run_command("world", "fit", path, "--output", tmp_path / "world.toml")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"callmocks: {path}: 1999 sessions with their first legs were")
    assert "2000 are needed" in result.err and "line 2: rows without" in result.err
    assert not (tmp_path / "world.toml").exists()


def test_the_recording_is_not_written_over(tmp_path: Path, cli: CommandRunner) -> None:
    for name, text in (("few.toml", "it is the recording"), ("few.jsonl", "has to end in .toml")):
        path = write_rows(tmp_path / name, (LEGS, make_sessions(1)))
        with pytest.raises(SettingsError, match=text):
            cli("world", "fit", path, "--output", path)


def test_calls_that_nobody_answers_are_a_world_too(tmp_path: Path, cli: CommandRunner) -> None:
    path = write_rows(tmp_path / "same.jsonl", (LEGS, make_sessions(2000)))
    text = cli("world", "fit", path, "--output", tmp_path / "world.toml").out
    assert "2000 sessions, 2000 legs, 1 day of" in text
    assert "too few recorded, as in the world default: operators" in text
    traffic = load_world(str(tmp_path / "world.toml")).traffic
    assert traffic.missed == 1000 and sum(traffic.weekday_hours) == traffic.weekday_hours[10]


@pytest.mark.parametrize(
    ("write", "text"),
    [
        (lambda path: path.write_text("{}\n"), "line 1: no exchange: "),
        (
            lambda path: write_rows(path, (LEGS, make_sessions(3, start_time="now"))),
            "leg 1: start_time: 'now' is no time",
        ),
        (
            lambda path: write_rows(
                path, (LEGS, make_sessions(3, connect_time=f"{LAST} 10:60:00"))
            ),
            "leg 1: connect_time: '2026-02-25 10:60:00' is no time",
        ),
        (
            lambda path: write_rows(
                path, (LEGS, make_sessions(3, start_time="1999-01-01 10:00:00"))
            ),
            "leg 1: its start is not in 2015-01-01 … 2034-12-31",
        ),
        (
            lambda path: write_rows(
                path, (LEGS, make_sessions(2000, start_time=f"{LAST} 03:00:00"))
            ),
            "no session starts between 5 and 21 o'clock",
        ),
    ],
)
def test_a_recording_that_cannot_be_fitted_is_one_error(
    tmp_path: Path, cli: CommandRunner, write: Callable[[Path], object], text: str
) -> None:
    write(path := tmp_path / "bad.jsonl")
    with pytest.raises(SettingsError) as error:
        cli("world", "fit", path, "--output", tmp_path / "world.toml")
    assert str(error.value).startswith(str(path)) and text in str(error.value)
    assert [*tmp_path.iterdir()] == [path]
