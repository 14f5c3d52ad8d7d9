"""What the machine may do to a suite: kill it, fill its disk, set its clock."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
import time
import urllib.error
from pathlib import Path
from typing import Any

import pytest

from callmocks.arm import schema as arm_schema
from callmocks.config.settings import ServeSettings
from callmocks.history import clock
from callmocks.onec import read_answer
from callmocks.server.mock_server import MockServer
from tests.control.server_client import SOAP, basic
from tests.forked import run_command
from tests.test_serve import FREE, LEGS, get, legs, post, serving

resource = pytest.importorskip("resource", reason="limits of a process are set by resource")
ARM = b'<in><request><filters limit="20"/></request></in>'


def read_ids(ready: dict[str, Any]) -> list[bytes]:
    """What all three providers say of a day, and the whole truth with all ids."""
    arm = ready["arm"] + "/demo/service/cc/arm/operator_call_history"
    truth = "/api/tenants/demo/truth?from=2026-03-01&till=2026-03-02"
    return [
        json.dumps(legs(ready["cdr"])["data"]).encode(),
        post(arm, ARM, **{"Content-Type": "text/xml"}, **basic("101")),
        post(ready["onec"], SOAP.encode(), **{"Content-Type": "text/xml"}, **basic("demo")),
        get(ready["control"] + truth),
    ]


class Load(threading.Thread):
    """A client that asks without pause until it cannot any more."""

    def __init__(self, ready: dict[str, Any]) -> None:
        super().__init__(daemon=True)
        self.ready, self.answers, self.half = ready, 0, 0

    def run(self) -> None:
        body = json.dumps(LEGS).encode()
        while True:
            try:
                answer = post(self.ready["cdr"], body)
            except (OSError, urllib.error.URLError):
                return
            except Exception:  # cut off in the middle of an answer
                self.half += 1
                return
            json.loads(answer)
            self.answers += 1


# killed


def test_killed_under_load_and_started_again_it_has_the_same_data_and_ids(tmp_path: Path) -> None:
    pins = tmp_path / "calls.jsonl"
    pins.write_text(
        '{"start": "2026-03-01T10:00:00", "client_phone": "79990000001", "operator": "101"}\n'
        '{"start": "2026-03-01T11:00:00", "client_phone": "79990000002", "operator": "102"}\n',
        encoding="utf-8",
    )
    same = ("--now", "2026-03-02T12:00:00", "--seed", "7", "--calls", str(pins), "--limits", "off")
    with serving(*same) as (process, ready):
        before = read_ids(ready)
        assert b"79990000001" in before[3]
        clients = [Load(ready) for _ in range(4)]
        for client in clients:
            client.start()
        deadline = time.monotonic() + 10
        while min(client.answers for client in clients) < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        process.kill()
        for client in clients:
            client.join(10)
        assert process.wait() == -signal.SIGKILL
        assert all(client.answers >= 3 for client in clients)
        ports = [
            argument
            for name in ("arm", "cdr", "onec", "control")
            for argument in (f"--{name}-port", ready[name].split(":")[2].partition("/")[0])
        ]
    with serving(*same, *ports) as (_, again):  # at once, on the very same ports
        assert again == ready
        assert read_ids(again) == before


# a full disk


def _run_with_full_disk(command: list[str], most: int) -> subprocess.CompletedProcess[str]:
    """Run a command whose files cannot grow beyond so many bytes."""
    return subprocess.run(
        [sys.executable, "-m", "callmocks", *command],
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
    )


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_an_export_that_does_not_fit_says_so_and_leaves_nothing(tmp_path: Path, form: str) -> None:
    target = tmp_path / f"january.{form}"
    window = ["--from", "2026-01-01", "--till", "2026-02-01", "--output", str(target)]
    done = _run_with_full_disk(["history", "export", *window], 50_000)
    assert done.returncode == 2
    assert done.stderr.startswith("callmocks: --output: ")
    assert "File too large" in done.stderr and done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize(
    "command",
    [["history", "show", "--view", "cdr-legs"], ["history", "fingerprint"], ["serve", *FREE]],
)
def test_output_that_does_not_fit_is_one_line_and_exit_code_2(command: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = run_command(*command, stdout=full.fileno())
    assert done.returncode == 2
    assert done.stderr.decode() == "callmocks: [Errno 28] No space left on device\n"


def test_a_recording_that_meets_a_full_disk_ends_whole_and_the_proxy_goes_on(
    tmp_path: Path,
) -> None:
    record = tmp_path / "calls.jsonl"
    with serving("--now", "2026-03-02T12:00:00", "--only", "cdr") as (_, ready):
        proxy = subprocess.Popen(
            [
                *(sys.executable, "-m", "callmocks", "proxy", "cdr", ready["cdr"]),
                *("--port", "0", "--record", str(record), "--json"),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)),
        )
        try:
            assert proxy.stdout is not None and proxy.stderr is not None
            ready = json.loads(proxy.stdout.readline())
            through = next(v for v in ready.values() if str(v).startswith("http"))
            for _ in range(8):
                assert len(legs(through)["data"]) > 100
            proxy.terminate()
            _, told = proxy.communicate(timeout=60)
        finally:
            proxy.kill()
    assert told.count("recording ended after") == 1
    assert "File too large" in told
    lines = record.read_text(encoding="utf-8").splitlines(keepends=True)
    assert len(lines) >= 1
    assert all(line.endswith("\n") and json.loads(line) for line in lines)


# a clock that jumps


JUMPS = {
    "an hour back": -3600.0,
    "a day on": 86_400.0,
    "to the history's last days": 2.788e8,
    "beyond the history": 3.2e9,
    "to 1970": -1.79e9,
}


@pytest.mark.parametrize("jump", JUMPS)
async def test_the_machines_clock_may_jump(jump: str, monkeypatch: pytest.MonkeyPatch) -> None:

    now = [1_772_442_000.0]
    monkeypatch.setattr(clock, "unix_time", lambda: now[0])
    free = {f"{name}_port": 0 for name in ("arm", "cdr", "onec", "control")}
    async with MockServer(ServeSettings(**free)) as suite:  # type: ignore[arg-type]
        urls: dict[str, Any] = dict(suite.urls)

        def ask() -> tuple[Any, Any, Any]:
            arm = urls["arm"] + "/demo/service/cc/arm/operator_call_history"
            kind = {"Content-Type": "text/xml"}
            return (
                json.loads(post(urls["cdr"], json.dumps(LEGS).encode())),
                arm_schema.parse(post(arm, ARM, **kind, **basic("101"))),
                read_answer(post(urls["onec"], SOAP.encode(), **kind, **basic("demo"))),
            )

        login = {"jsonrpc": "2.0", "id": 1, "method": "login.user"}
        params = {"login": "demo", "password": "demo"}
        body = json.dumps({**login, "params": params}).encode()
        token = json.loads(await asyncio.to_thread(post, urls["cdr"], body))
        session = token["result"]["data"]["access_token"]
        before, _, _ = await asyncio.to_thread(ask)
        now[0] += JUMPS[jump]
        after, arm, onec = await asyncio.to_thread(ask)
        assert ("result" in after) or after["error"]["data"]["mnemonic"] != "internal_error"
        assert arm.tag == "out"
        assert onec["ResultCode"]
        if jump in ("an hour back", "a day on"):
            assert after["result"]["data"] == before["result"]["data"]
        body = json.dumps(
            {**login, "method": "get.account", "params": {"access_token": session}}
        ).encode()
        kept = json.loads(await asyncio.to_thread(post, urls["cdr"], body))
        assert ("result" in kept) is (JUMPS[jump] < 0)  # its hour is over, or is not
        now[0] -= JUMPS[jump]
        again, _, _ = await asyncio.to_thread(ask)
        assert again["result"]["data"] == before["result"]["data"]
        entries = json.loads(
            await asyncio.to_thread(get, urls["control"] + "/api/tenants/demo/journal")
        )["entries"]
        assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
        assert all(entry["duration_ms"] >= 0 for entry in entries)
        assert not [v for entry in entries for v in entry["violations"] if v["side"] == "answer"]


# no files left
