"""Every snippet of the README does what it says, against a suite on free ports.

Snippets that say ``test`` are run by test_snippets.py. The Russian README has the same snippets.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.examples import snippets
from tests.forked import ForkedCommand, run_command

README = Path(__file__).parents[2] / "README.md"
RUSSIAN = README.with_name("README.ru.md")
BLOCKS = snippets.read(README)
FIRST, *LATER = [each.text for each in BLOCKS if each.language == "sh" and each.kind != "shown"]
"""What is pasted into the first terminal, and then into the second."""
DEFAULT = {"8086": "arm", "8087": "cdr", "8088": "onec", "8080": "control"}
FREE = [argument for name in DEFAULT.values() for argument in (f"--{name}-port", "0")]
ENVIRONMENT = {
    name: value for name, value in os.environ.items() if not name.startswith("CALLMOCKS_")
}

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@pytest.fixture(scope="module")
def ports() -> Iterator[dict[str, str]]:
    """Ports of a running suite, by the default port they stand for."""
    with ForkedCommand("serve", *FREE, "--json") as process:
        ready = json.loads(process.stdout.readline())
        yield {port: ready[name].split("/")[2].split(":")[1] for port, name in DEFAULT.items()}
        process.terminate()


def replace_ports(text: str, ports: dict[str, str]) -> str:
    for default, port in ports.items():
        text = text.replace(f":{default}", f":{port}")
    return text


def paste(blocks: list[str], folder: Path, path: str) -> list[str]:
    """What each of the blocks prints in one shell; it ends at the first command that fails."""
    script = "".join(f"{text}\nprintf '\\0'\n" for text in blocks)
    environment = {**ENVIRONMENT, "PATH": path}
    environment.pop("VIRTUAL_ENV", None)
    done = subprocess.run(
        ["/bin/sh", "-e", "-c", script],
        cwd=folder,
        capture_output=True,
        env=environment,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, b""), done.stdout.decode()[-2000:]
    return done.stdout.decode().split("\0")[:-1]


def path_without_callmocks() -> str:
    folders = os.environ["PATH"].split(os.pathsep)
    return os.pathsep.join(each for each in folders if not Path(each, "callmocks").exists())


def check_outputs(outputs: list[str], folder: Path) -> None:
    """The blocks of the README did what its text says."""
    version, cdr, onec, arm, ready, admin, checks, history = outputs
    assert version.startswith("callmocks, version ")
    answer = json.loads(cdr)["result"]
    assert len(answer["data"]) == 2
    assert answer["metadata"]["total_items"] > 50
    core = "{http://v8.1c.ru/8.1/data/core}"
    first, second = ElementTree.fromstring(onec).iter(core + "Property")
    assert first.findtext(core + "Value") == "SUCCESS"
    assert 0 < len(list(second.iter(core + "row"))) < 40
    assert len(ElementTree.fromstring(arm).findall(".//call_history")) == 5
    assert json.loads(ready)["seed"] == 7
    _check_admin_answers(admin)
    assert "no findings" in checks
    assert len(re.findall(r"^[0-9a-f]{16,}$", history, re.M)) == 1
    assert (folder / "january.parquet").stat().st_size > 10_000


def _check_admin_answers(text: str) -> None:
    tenant, call, fault, refused, legs, journal, clock, truth = _json_values(text)
    assert tenant["name"] == tenant["arm"]["domain"] == tenant["cdr"]["login"] == "orders"
    assert refused["error"]["data"]["mnemonic"] == "limit_exceeded"
    assert [leg["id"] for leg in legs["result"]["data"]] == call["cdr"]["leg_ids"]
    first, second = sorted(journal["entries"], key=lambda entry: int(entry["seq"]))
    assert (first["faults"], second["faults"]) == ([fault["fault"]], [])
    assert clock["now"] == "2026-03-02T13:00:00"
    assert [each["cdr"] for each in truth["calls"]] == [call["cdr"]]
    assert call["arm"][0]["operator"] == "101"
    assert call["talk_seconds"] == 75


def _json_values(text: str) -> list[dict[str, Any]]:
    decoder, values = json.JSONDecoder(), []
    while text:
        value, end = decoder.raw_decode(text)
        values.append(value)
        text = text[end:].lstrip()
    return values


@needs_curl
def test_the_blocks_run_pasted_from_top_to_bottom(ports: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / ".venv").symlink_to(sys.prefix)
    blocks = [replace_ports(text, ports) for text in LATER]
    check_outputs(paste(blocks, tmp_path, path_without_callmocks()), tmp_path)


CLONE = """
set -e
git clone --quiet "$1" callmocks
"$2" -m venv --without-pip callmocks/.venv
"$2" -m pip --python callmocks/.venv install --quiet --no-deps --editable callmocks
echo "$3" > callmocks/.venv/lib/python"$4"/site-packages/dependencies.pth
touch callmocks/.venv/.installed
"""
# The loopback interface of a new network is down.
IN_NEW_NETWORK = """
import fcntl, os, socket, struct, sys
with socket.socket() as any_socket:
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh22x", b"lo", 0x41))
os.execv(sys.executable, [sys.executable, "-m", "pytest", *sys.argv[1:]])
"""


@needs_curl
@pytest.mark.slow
@pytest.mark.skipif(
    not shutil.which("unshare") or os.geteuid() != 0, reason="needs root: the ports"
)
def test_the_blocks_run_as_written_in_a_fresh_clone(tmp_path: Path) -> None:
    """Its environment has the dependencies of this one instead of those of an index."""
    dependencies = str(Path(pytest.__file__).parents[1])
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    arguments = [str(README.parent), sys.executable, dependencies, version]
    subprocess.run(["sh", "-c", CLONE, "sh", *arguments], cwd=tmp_path, check=True, timeout=120)
    shutil.copy(README, tmp_path / "callmocks")
    inner = "test_the_blocks_run_in_this_network"
    where = {"README_CLONE": str(tmp_path / "callmocks"), "PYTHONPATH": ""}
    command = ["unshare", "--net", sys.executable, "-c", IN_NEW_NETWORK, "-q", "-n", "0"]
    done = subprocess.run(
        [*command, f"{__file__}::{inner}", "-p", "no:cacheprovider"],
        env={**os.environ, **where},
        cwd=README.parent,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert "1 passed" in done.stdout, done.stdout[-3000:] + done.stderr[-1000:]


if "README_CLONE" in os.environ:

    def test_the_blocks_run_in_this_network() -> None:
        clone, path = Path(os.environ["README_CLONE"]), path_without_callmocks()
        environment = {**ENVIRONMENT, "PATH": path}
        environment.pop("VIRTUAL_ENV", None)
        with subprocess.Popen(
            ["/bin/sh", "-e", "-c", f"exec {FIRST}"],
            cwd=clone,
            stdout=subprocess.PIPE,
            env=environment,
        ) as terminal:
            assert terminal.stdout is not None
            lines = iter(terminal.stdout.readline, b"")
            assert any(b"operators 101" in line for line in lines)
            try:
                check_outputs(paste(LATER, clone, path), clone)
            finally:
                terminal.terminate()


def test_the_arm_client_prints_a_frame_with_five_calls(ports: dict[str, str]) -> None:
    (text,) = [each.text for each in BLOCKS if each.language == "python" and not each.kind]
    assert len(text.strip().splitlines()) <= 11
    command = [sys.executable, "-c", replace_ports(text, ports)]
    done = subprocess.run(command, capture_output=True, timeout=60, check=True)
    frame = done.stdout.decode().rstrip("\n")
    assert int(frame[2:12]) == len(frame.encode())
    assert frame[12:19] == "0001200"
    assert frame.count('"call_history"') == 5


def test_the_proxy_records_what_replay_serves_again(ports: dict[str, str], tmp_path: Path) -> None:
    (text,) = [each.text for each in BLOCKS if "callmocks proxy" in each.text]
    proxy, replay, imported, compared = text.splitlines()
    upstream = f"http://127.0.0.1:{ports['8087']}/v2.0"
    proxied = proxy.replace("https://dataapi.example/v2.0", upstream)
    whole = [proxied + " --port 0", replay + " " + " ".join(FREE)]
    answers = [_legs_by(command + " --json", tmp_path) for command in whole]
    assert len(answers[0]["result"]["data"]) == 2
    assert [set(leg) for leg in answers[1]["result"]["data"]] == [
        set(leg) for leg in answers[0]["result"]["data"]
    ]
    command = imported.replace("callmocks", f"{sys.executable} -m callmocks", 1)
    subprocess.run(["sh", "-c", command], cwd=tmp_path, env=ENVIRONMENT, check=True, timeout=60)
    assert (tmp_path / "calls.jsonl").read_text().count("\n") in (1, 2)
    command = replace_ports(compared, ports)
    command = command.replace("callmocks", f"{sys.executable} -m callmocks", 1)
    done = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, b""), done.stdout.decode()


def _legs_by(command: str, folder: Path) -> dict[str, Any]:
    """What the Data API that this command starts answers to a request for two legs."""
    params = {
        "access_token": "demo-token",
        "limit": 2,
        "date_from": "2026-03-02 00:00:00",
        "date_till": "2026-03-02 23:59:59",
    }
    request = {"jsonrpc": "2.0", "id": 1, "method": "get.call_legs_report", "params": params}
    command = command.replace("callmocks", f"exec {sys.executable} -m callmocks", 1)
    with subprocess.Popen(
        ["sh", "-c", command], cwd=folder, stdout=subprocess.PIPE, env=ENVIRONMENT
    ) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        url = ready.get("cdr") or ready["proxy"]
        with urllib.request.urlopen(url, json.dumps(request).encode(), timeout=30) as answer:
            told: dict[str, Any] = json.load(answer)
        process.terminate()
        assert process.wait(20) == 0
    return told


def test_what_serve_prints_is_printed_as_it_is() -> None:
    (text,) = [each.text for each in BLOCKS if each.text.startswith("callmocks is ready")]
    with ForkedCommand("serve", *FREE) as process:
        lines = [process.stdout.readline().decode() for _ in text.splitlines()]
        process.terminate()
    anywhere = re.compile(r":\d+")
    assert anywhere.sub("", "".join(lines)) == anywhere.sub("", text)


@pytest.mark.parametrize("page", [README, RUSSIAN], ids=lambda page: page.name)
def test_the_settings_named_are_the_commands_own(page: Path) -> None:
    told = run_command("serve", "--help").stdout.decode()
    flags = set(re.findall(r"`(--[a-z-]+)", page.read_text(encoding="utf-8")))
    assert len(flags) > 10
    assert {flag for flag in flags if flag not in told} == set()
