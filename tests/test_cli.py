"""The command line as a user meets it: processes, their bytes and their exit codes."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from tests.forked import run_command

CALLMOCKS = [sys.executable, "-m", "callmocks"]
NOON = ("--now", "2026-03-02T12:00:00")
MORNING = (*NOON, "--from", "2026-03-02T09:00:00", "--till", "2026-03-02T11:00:00")
VIEWS = [
    ("--view", "cdr-legs"),
    ("--view", "cdr-sessions"),
    ("--view", "arm", "--operator", "101"),
    ("--view", "onec"),
    ("--view", "truth"),
]
# Each export is a process or two: `make test` has one view, `make test-slow` the others.
EXPORTS = [
    pytest.param(view, id=view[1], marks=pytest.mark.slow if number else ())
    for number, view in enumerate(VIEWS)
]
STARTS = {
    "cdr-legs": "start_time",
    "cdr-sessions": "start_time",
    "arm": "start_time",
    "truth": "start",
}


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[bytes]:
    return run_command(*arguments, env=environ)


def output(*arguments: str, **environ: str) -> bytes:
    done = run(*arguments, **environ)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr == b""
    return done.stdout


def rows(*arguments: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in output("history", "export", *arguments).splitlines()]


def error_line(*arguments: str, **environ: str) -> str:
    """The one line on stderr of a command that a user got wrong."""
    done = run(*arguments, **environ)
    assert done.returncode == 2, done
    assert done.stdout == b""
    text = done.stderr.decode()
    assert text.count("\n") == 1
    assert text.startswith("callmocks: ")
    return text


def _whole_seconds(texts: list[str | None]) -> list[str | None]:
    return [text and text.removesuffix(".000") for text in texts]


# the history


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view[1])
def test_show_prints_the_first_rows_of_each_view(view: tuple[str, ...]) -> None:
    text = output("history", "show", *view, *MORNING, "--limit", "3").decode()
    head, rule, *body = text.splitlines()
    assert "━" in rule
    shown = rows(*view, *MORNING)
    assert len(body) == 4
    assert body[-1] == "… and more: these are the first 3"
    name = STARTS.get(view[1], "CallTime")
    assert name in head
    assert [line.split(" │ ")[0] for line in body[:3]] == [str(r[name]) for r in shown[:3]]


def test_show_without_times_is_of_the_last_24_hours() -> None:
    text = output("history", "show", *NOON, "--limit", "100000").decode()
    starts = [line[:19] for line in text.splitlines()[2:]]
    assert starts == sorted(starts)
    assert "2026-03-01 12:00:00" <= starts[0] < "2026-03-01 14:00:00"
    assert "2026-03-02 11:30:00" < starts[-1] <= "2026-03-02 12:00:00"


def test_show_of_a_quiet_night_says_so() -> None:
    text = output("history", "show", *NOON, "--from", "2026-03-02", "--till", "2026-03-02T04:00:00")
    assert text == b"no calls\n"


@pytest.mark.parametrize("view", EXPORTS)
def test_two_processes_export_the_same_bytes_and_another_seed_others(
    view: tuple[str, ...],
) -> None:
    command = ("history", "export", *view, *MORNING, "--seed")
    started = subprocess.run([*CALLMOCKS, *command, "7"], capture_output=True, check=True)
    assert output(*command, "7") == started.stdout  # its hashes have another seed
    assert output(*command, "7") != output(*command, "8")


@pytest.mark.parametrize("view", EXPORTS)
def test_all_formats_hold_the_same_rows(view: tuple[str, ...], tmp_path: Path) -> None:
    command = ("history", "export", *view, *MORNING, "--from", "2026-02-27")
    lines = [json.loads(line) for line in output(*command).splitlines()]
    assert len(lines) > 30
    table = pl.read_csv(io.BytesIO(output(*command, "--format", "csv")), infer_schema=False)
    whole = tmp_path / "calls.parquet"
    assert output(*command, "--output", str(whole)) == b""
    parquet = pl.read_parquet(whole)
    assert table.columns == parquet.columns == list(lines[0])
    for name in table.columns:
        values = [line[name] for line in lines]
        if any(isinstance(value, list | dict) for value in values):
            assert [json.loads(text) for text in table[name]] == values
            assert parquet[name].to_list() == values
            continue
        expected = [
            None if v is None else str(v).lower() if isinstance(v, bool) else str(v) for v in values
        ]
        assert [text or None for text in table[name]] == [text or None for text in expected]
        kept = parquet[name].cast(pl.String).to_list()
        assert _whole_seconds(kept) == _whole_seconds(expected)
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("view", EXPORTS)
def test_windows_beside_one_another_hold_each_call_once(view: tuple[str, ...]) -> None:
    def window(start: str, end: str) -> list[dict[str, object]]:
        return rows(*view, *NOON, "--from", f"2026-02-27T{start}", "--till", f"2026-02-28T{end}")

    left = rows(*view, *NOON, "--from", "2026-02-27T10:00:00", "--till", "2026-02-27T15:30:00")
    right = window("15:30:00", "10:00:00")
    assert left
    assert right
    assert left + right == window("10:00:00", "10:00:00")


def test_an_export_shows_what_was_over_at_now_and_no_later_call() -> None:
    shown = rows("--view", "cdr-sessions", *NOON, "--from", "2026-03-02", "--till", "2026-03-03")
    ends = [str(row["finish_time"]) for row in shown]
    assert max(ends) <= "2026-03-02 12:00:00"
    later = rows("--view", "cdr-sessions", "--now", "2026-03-02T13:00:00", "--from", "2026-03-02")
    assert [row for row in later if str(row["finish_time"]) <= "2026-03-02 12:00:00"] == shown
    assert len(later) > len(shown)


def test_without_calls_csv_has_its_heading_still() -> None:
    night = (*NOON, "--from", "2026-03-02", "--till", "2026-03-02T04:00:00")
    assert output("history", "export", *night) == b""
    text = output("history", "export", *night, "--format", "csv").decode()
    assert text.startswith("id,call_session_id,start_time,")
    assert text.count("\n") == 1


def test_the_fingerprint_is_of_seed_and_world_alone() -> None:
    mark = output("history", "fingerprint", "--seed", "7")
    assert len(mark.strip()) == 64
    assert output("history", "fingerprint", *NOON, CALLMOCKS_SEED="7") == mark
    assert output("history", "fingerprint", "--seed", "8") != mark
    assert output("history", "fingerprint", "--seed", "7", "--world", "quiet") != mark


def test_a_reader_that_closes_the_pipe_is_no_error() -> None:
    export = [*CALLMOCKS, "history", "export", *NOON, "--from", "2025-01-01"]
    with subprocess.Popen(export, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["id"]
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) != 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("command", ["show", "export --format csv", "export --format parquet"])
def test_a_full_disk_is_one_line_and_exit_code_2(command: str) -> None:
    with Path("/dev/full").open("wb") as full:
        done = run_command("history", *command.split(), *NOON, stdout=full.fileno())
    assert done.returncode == 2
    assert b"No space left on device" in done.stderr
    assert done.stderr.count(b"\n") == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_an_export_into_a_pipe_leaves_it_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    command = [*CALLMOCKS, "history", "export", *MORNING, "--output", str(pipe)]
    with subprocess.Popen(command) as process:
        assert pipe.read_bytes().startswith(b"id,call_session_id,")
        assert process.wait(30) == 0
    assert pipe.is_fifo()


def test_an_interrupted_command_ends_without_a_traceback(tmp_path: Path) -> None:
    file = tmp_path / "calls.csv"
    export = [*CALLMOCKS, "history", "export", *NOON, "--from", "2015-01-01", "-o", str(file)]
    with subprocess.Popen(export, stderr=subprocess.PIPE) as process:
        while not list(tmp_path.iterdir()):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert list(tmp_path.iterdir()) == []


DROPPED_EXIT = """
import time
from callmocks import cli
from callmocks.cli import commands
def main(**_):
    print("ready", flush=True)
    try:
        time.sleep(30)
    except SystemExit:
        pass
    time.sleep(30)
commands.group.main = main
cli.main()
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the system has no interval timers")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_ends_though_a_library_drops_the_exit(number: signal.Signals) -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", DROPPED_EXIT], stdout=pipe, stderr=pipe
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        assert process.wait(20) == 128 + number
        assert process.stderr.read() == b""


# pinned calls


def test_pinned_calls_of_a_file_are_all_there_is_in_the_empty_world(tmp_path: Path) -> None:
    file = tmp_path / "calls.jsonl"
    file.write_text(
        '{"start": "2026-03-02T10:00:00", "operator": "101", "talk_seconds": 60}\n\n'
        '{"start": "2026-03-02T10:30:00", "finish_reason": "no_money"}\n',
        encoding="utf-8",
    )
    command = ("--world", "empty", "--calls", str(file), *NOON, "--view")
    calls = rows(*command, "truth")
    assert [call["start"] for call in calls] == [
        "2026-03-02T10:00:00.000",
        "2026-03-02T10:30:00.000",
    ]
    assert calls[0]["talk_seconds"] == 60
    assert calls[1]["finish_reason"] == "no_money"
    legs = {row["call_session_id"] for row in rows(*command, "cdr-legs")}
    assert legs == {call["cdr"]["call_session_id"] for call in calls}  # type: ignore[index]
    arm = rows(*command, "arm", "--operator", "101")
    assert [row["talk_duration"] for row in arm] == [60]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"start": "2026-03-02T10:00:00"}\n{"start": ', "line 2: Input data was truncated"),
        ("[1]", "line 1: Expected `object`, got `array`"),
        ("\n1e999", "line 2: Number out of range"),
        ('\n{"start": "soon"}', "line 2: start: "),
        ('{"start": "2026-03-02T10:00:00"}\n\n{"beginning": 1}', "line 3: "),
        ('{"start": "2026-03-02T10:00:00", "operator": "999"}', "line 1: operator: "),
        ('\xff{"start": 1}', "line 1: "),
        ('{"start": "\xff"}', "line 1: byte 12 is no UTF-8"),
    ],
)
def test_a_bad_line_of_pinned_calls_is_named(text: str, expected: str, tmp_path: Path) -> None:
    file = tmp_path / "calls.jsonl"
    file.write_bytes(text.encode("latin-1"))
    assert f"--calls: {file}: {expected}" in error_line("history", "show", "--calls", str(file))


# mistakes


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("nonsense", "nonsense"),
        ("serve --prot 5", "--prot"),
        ("serve extra", "extra"),
        ("serve --arm-port", "--arm-port"),
        ("serve --arm-port x", "--arm-port: 'x'"),
        ("serve --now soon", "--now: 'soon'"),
        ("serve --world nowhere.toml", "nowhere.toml: No such file"),
        ("serve --config nowhere.toml", "config nowhere.toml: No such file"),
        ("serve --host 256.0.0.1 --cdr-port 0", "--host: 256.0.0.1"),
        ("serve --state redis://localhost/first", "--state: not an address like redis://"),
        ("serve --only smtp", "--only: 'smtp'"),
        ("history show --view x", "--view: 'x' is not one of 'arm', 'cdr-legs'"),
        ("history show --view arm", "--operator: the view arm needs one, 101"),
        (
            "history show --view arm --operator 99 --now 2026-03-02T12:00:00",
            "--operator: '99' is none of 101 … 112 (112 left on 2025-",
        ),
        ("history show --operator 101", "--operator: the view cdr-legs is not one operator's"),
        ("history show --limit none", "--limit: 'none'"),
        ("history show --from soon", "--from: 'soon' is not an ISO time"),
        (
            "history show --from 2040-01-01 --till 2040-02-01 --now 2026-03-02T12:00:00",
            "--from: nothing has happened yet at 2040-01-01 00:00:00; it is 2026-03-02 12:00:00",
        ),
        ("history show --from 2026-03-03 --till 2026-03-02", "--from: the window ends before"),
        ("history export --format xml", "--format: 'xml' is not one of 'jsonl', 'csv', 'parquet'"),
        ("history export -o /nowhere/calls.csv", "--output: /nowhere/calls.csv: No such file"),
        ("history fingerprint --seed x", "--seed: 'x'"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(command: str, expected: str) -> None:
    assert expected in error_line(*command.split())


def test_nobody_is_marked_before_he_has_left() -> None:
    command = ("history", "show", "--view", "arm", "--operator", "99")
    assert error_line(*command, "--now", "2024-03-02T12:00:00").endswith("101 … 112\n")


def test_a_mistake_in_a_variable_names_the_variable() -> None:
    assert "CALLMOCKS_SEED: 'x'" in error_line("history", "fingerprint", CALLMOCKS_SEED="x")


def test_without_a_command_the_help_is_shown() -> None:
    done = run("history")
    assert done.returncode == 2
    assert b"show" in done.stderr
    assert b"export" in done.stderr


def test_help_and_version_are_no_mistakes() -> None:
    assert output("--version").startswith(b"callmocks, version ")
    listed = re.findall(r"^  (\w+)  +([A-Z].*)$", output("--help").decode(), re.M)
    assert len(listed) >= 8
    for command, summary in listed:
        assert summary in output(command, "--help").decode()
    text = output("serve", "--help").decode()
    for flag in ("--arm-port", "--calls-per-day", "--public-url", "--config", "CALLMOCKS_SEED"):
        assert flag in text


def test_an_ending_that_says_no_format_is_refused(tmp_path: Path) -> None:
    for arguments, message in (
        (("--output", str(tmp_path / "calls.xlsx")), "is none of .jsonl, .ndjson, .csv, .parquet"),
        (("--output", str(tmp_path / "calls.jsonl"), "--bom"), "--bom: is for csv, not for jsonl"),
    ):
        done = run("history", "export", *MORNING, *arguments)
        assert done.returncode == 2
        assert message in done.stderr.decode() and done.stderr.count(b"\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_csv_for_excel_has_a_byte_order_mark() -> None:
    plain = output("history", "export", *MORNING, "--format", "csv")
    assert (
        output("history", "export", *MORNING, "--format", "csv", "--bom") == b"\xef\xbb\xbf" + plain
    )
