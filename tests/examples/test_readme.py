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

README = Path(__file__).parents[2] / "README.md"
RUSSIAN = README.with_name("README.ru.md")
BLOCKS = snippets.read(README)
SHELL = [each.text for each in BLOCKS if each.language == "sh"]
DEFAULT = {"8086": "arm", "8087": "cdr", "8088": "onec", "8080": "control"}
FREE = [argument for name in DEFAULT.values() for argument in (f"--{name}-port", "0")]
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("CALLMOCKS_")},
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
}

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


def block(*marks: str) -> str:
    """The one shell snippet that holds all these words."""
    (found,) = [text for text in SHELL if all(mark in text for mark in marks)]
    return found


@pytest.fixture(scope="module")
def ports() -> Iterator[dict[str, str]]:
    """Ports of a running suite, by the default port they stand for."""
    command = [sys.executable, "-m", "callmocks", "serve", *FREE, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=ENVIRONMENT) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        yield {port: ready[name].split("/")[2].split(":")[1] for port, name in DEFAULT.items()}
        process.terminate()


def run(command: list[str], text: str, ports: dict[str, str]) -> str:
    """Run a snippet with the suite's ports in place of the default ones."""
    for default, port in ports.items():
        text = text.replace(f":{default}", f":{port}")
    done = subprocess.run(
        [*command, text], capture_output=True, env=ENVIRONMENT, timeout=60, check=True
    )
    assert done.stderr == b""
    return done.stdout.decode()


@needs_curl
def test_the_cdr_request_answers_with_legs_of_the_last_days(ports: dict[str, str]) -> None:
    answer = json.loads(run(["sh", "-c"], block("get.call_legs_report"), ports))
    assert len(answer["result"]["data"]) == 2
    assert answer["result"]["metadata"]["total_items"] > 50


@needs_curl
def test_the_1c_request_answers_with_rows_of_the_last_days(ports: dict[str, str]) -> None:
    envelope = ElementTree.fromstring(run(["sh", "-c"], block("GetHistoryOfServiceCalls"), ports))
    core = "{http://v8.1c.ru/8.1/data/core}"
    first, second = envelope.iter(core + "Property")
    assert first.findtext(core + "Value") == "SUCCESS"
    assert len(list(second.iter(core + "row"))) > 20


def test_the_arm_client_prints_a_frame_with_five_calls(ports: dict[str, str]) -> None:
    (text,) = [each.text for each in BLOCKS if each.language == "python" and not each.kind]
    assert len(text.strip().splitlines()) <= 11
    frame = run([sys.executable, "-c"], text, ports).rstrip("\n")
    assert int(frame[2:12]) == len(frame.encode())
    assert frame[12:19] == "0001200"
    assert frame.count('"call_history"') == 5


@needs_curl
def test_the_admin_api_does_what_the_comments_say(ports: dict[str, str]) -> None:
    *_, journal, truth = answers = _json_values(run(["sh", "-c"], block("$API/orders"), ports))
    tenant, call, fault, clock = answers[:4]
    assert tenant["name"] == tenant["arm"]["domain"] == tenant["cdr"]["login"] == "orders"
    assert fault["id"]
    assert clock["now"] == "2026-03-02T13:00:00"
    assert journal["entries"] == []
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


@pytest.mark.parametrize("command", block("history fingerprint").splitlines())
def test_the_history_commands_run(command: str, tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, capture_output=True, env=ENVIRONMENT, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout or (tmp_path / "january.parquet").stat().st_size > 10_000


def test_the_commands_that_hold_others_against_the_contract(
    ports: dict[str, str], tmp_path: Path
) -> None:
    lines = [line for line in block("callmocks check").splitlines() if line.startswith("callmocks")]
    check, proxy, replay, validate = lines
    assert b"no findings" in run(["sh", "-c"], check, ports).encode()
    upstream = f"http://127.0.0.1:{ports['8087']}/v2.0"
    proxied = proxy.replace("https://dataapi.example/v2.0", upstream)
    whole = [proxied + " --port 0", replay + " " + " ".join(FREE)]
    answers = [_legs_by(command + " --json", tmp_path) for command in whole]
    assert len(answers[0]["result"]["data"]) == 2
    assert [set(leg) for leg in answers[1]["result"]["data"]] == [
        set(leg) for leg in answers[0]["result"]["data"]
    ]
    (tmp_path / "request.xml").write_text(
        '<in><request><filters limit="5" offset="0"/></request></in>'
    )
    (tmp_path / "answer.json").write_text(json.dumps(answers[0]))
    done = subprocess.run(
        ["sh", "-c", validate], cwd=tmp_path, capture_output=True, env=ENVIRONMENT, timeout=60
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
    with subprocess.Popen(
        ["sh", "-c", f"exec {command}"], cwd=folder, stdout=subprocess.PIPE, env=ENVIRONMENT
    ) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        url = ready.get("cdr") or ready["proxy"]
        with urllib.request.urlopen(url, json.dumps(request).encode(), timeout=30) as answer:
            told: dict[str, Any] = json.load(answer)
        process.terminate()
        assert process.wait(20) == 0
    return told


def test_the_suite_for_test_runs_says_where_it_is() -> None:
    command = block("--limits off").replace("callmocks serve", "exec callmocks serve")
    with subprocess.Popen(
        ["sh", "-c", command], stdout=subprocess.PIPE, env=ENVIRONMENT
    ) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["seed"] == 7
        process.terminate()
        assert process.wait(30) == 0


def test_what_serve_prints_is_printed_as_it_is() -> None:
    (text,) = [each.text for each in BLOCKS if each.text.startswith("callmocks is ready")]
    command = [sys.executable, "-m", "callmocks", "serve", *FREE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=ENVIRONMENT) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().decode() for _ in text.splitlines()]
        process.terminate()
    anywhere = re.compile(r":\d+")
    assert anywhere.sub("", "".join(lines)) == anywhere.sub("", text)


@pytest.mark.parametrize("page", [README, RUSSIAN], ids=lambda page: page.name)
def test_the_settings_named_are_the_commands_own(page: Path) -> None:
    command = [sys.executable, "-m", "callmocks", "serve", "--help"]
    told = subprocess.run(command, capture_output=True, env=ENVIRONMENT, check=True).stdout.decode()
    flags = set(re.findall(r"`(--[a-z-]+)", page.read_text(encoding="utf-8")))
    assert len(flags) > 10
    assert {flag for flag in flags if flag not in told} == set()


def shape(page: Path) -> list[str]:
    """What must be the same in every language: levels of headings, links, code spans, tables."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    marks = re.findall(r"^#+ |^\||^- |\]\([^)]*\)", text, re.M)
    return [mark for mark in marks if "README" not in mark]


def test_the_russian_readme_has_the_same_snippets_and_the_same_shape() -> None:
    told, said = snippets.read(RUSSIAN), BLOCKS
    assert [(each.language, each.words, each.text) for each in told] == [
        (each.language, each.words, each.text) for each in said
    ]
    assert shape(RUSSIAN) == shape(README)


def test_the_russian_readme_names_the_same_things() -> None:
    def spans(page: Path) -> list[str]:
        text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
        return sorted(set(re.findall(r"`([^`\n]+)`", text)))

    assert spans(RUSSIAN) == spans(README)
