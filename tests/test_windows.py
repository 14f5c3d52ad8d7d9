"""Nothing in the package assumes POSIX, a UTF-8 machine or a machine with time zones."""

from __future__ import annotations

import ast
import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import websockets.sync.client

from tests.conftest import ROOT
from tests.simulated_windows import POSIX_MODULES, POSIX_OS, POSIX_SIGNALS
from tests.test_serve import FREE, get, legs

PACKAGE = ROOT / "mocks" / "callmocks"
SOURCES = sorted(PACKAGE.rglob("*.py"))
POSIX_NAMES = {*POSIX_OS.split(), *POSIX_SIGNALS.split(), "add_signal_handler", "AF_UNIX"}
FROZEN = ("--now", "2026-03-02T12:00:00")
FOREIGN = {
    "LC_ALL": "C",
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
    "PYTHONIOENCODING": "cp1252",  # a console of Western Europe: it has no Cyrillic
    "PYTHONTZPATH": "",
}


def windows(*arguments: str) -> tuple[list[str], dict[str, str]]:
    """A command line and its environment."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("CALLMOCKS_")}
    return [sys.executable, str(ROOT / "tests/simulated_windows.py"), *arguments], clean | FOREIGN


def run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    command, environ = windows(*arguments)
    return subprocess.run(command, env=environ, capture_output=True, timeout=60)


def test_posix_is_hidden() -> None:
    """Text is ASCII, there is no uvloop and there are no time zones of the machine's."""
    code = """
import locale, os, sys, zoneinfo
sys.path.insert(0, os.getcwd())
from tests.simulated_windows import simulate_windows
simulate_windows()
try:
    import uvloop
except ImportError:
    print(sys.platform, locale.getpreferredencoding(False), zoneinfo.TZPATH, hasattr(os, "fork"))
"""
    environ = {**os.environ, **FOREIGN}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout == "win32 ANSI_X3.4-1968 () False\n", done.stderr


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[subprocess.Popen[bytes], dict[str, str]]]:
    command, environ = windows("serve", *FREE, *FROZEN, "--json", "--log", "json")
    with subprocess.Popen(
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert process.stderr is not None
            yield process, json.loads(line or process.stderr.read())
        finally:
            process.kill()


def test_all_providers_serve(served: tuple[subprocess.Popen[bytes], dict[str, str]]) -> None:
    _, ready = served
    rows = legs(ready["cdr"], fields=["id", "employee_full_name"])["data"]
    assert any(re.search("[а-я]", row["employee_full_name"] or "") for row in rows)
    assert b"PartnerWebAPI2" in get(ready["onec"] + "?wsdl")
    url = ready["arm"].replace("http", "ws") + "/demo/service/cc/arm"
    with websockets.sync.client.connect(url, close_timeout=1) as frames:
        assert frames.protocol.state.name == "OPEN"
    assert json.loads(get(ready["control"] + "/api/tenants/demo"))["name"] == "demo"


def test_ctrl_c_stops_it(served: tuple[subprocess.Popen[bytes], dict[str, str]]) -> None:
    process, _ = served
    process.send_signal(signal.SIGINT)
    assert process.wait(5) == 0
    assert process.stderr is not None
    assert b"Traceback" not in process.stderr.read()


def test_tls_of_its_own_ca(tmp_path: Path) -> None:
    out = tmp_path / "ca.pem"
    command, environ = windows(
        "serve", *FREE, "--json", "--only", "cdr", "--tls", "auto", "--tls-ca-out", str(out)
    )
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["cdr"].startswith("https://")
        process.kill()
    assert out.read_bytes().startswith(b"-----BEGIN CERTIFICATE-----")


def test_a_console_that_has_no_cyrillic_shows_something_else() -> None:
    shown = run("history", "show", *FROZEN, "--limit", "5")
    assert (shown.returncode, shown.stderr) == (0, b"")
    text = shown.stdout.decode("cp1252")
    assert text.count("\n") > 6
    assert "??" in text
    wrong = run("history", "show", "--world", "нет")
    assert wrong.returncode == 2
    assert wrong.stderr.startswith(b"callmocks: --world: ")
    assert wrong.stderr.count(b"\n") == 1


@pytest.mark.slow
def test_files_and_fingerprints_are_the_same_bytes(tmp_path: Path) -> None:
    files = []
    for name, launch in (("here", run_here), ("windows", run)):
        files.append(tmp_path / f"{name}.jsonl")
        done = launch("history", "export", *FROZEN, "--output", str(files[-1]))
        assert (done.returncode, done.stderr) == (0, b"")
    assert files[0].stat().st_size > 10_000
    assert files[0].read_bytes() == files[1].read_bytes()
    assert run("history", "fingerprint").stdout == run_here("history", "fingerprint").stdout


def run_here(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "callmocks", *arguments]
    return subprocess.run(command, capture_output=True, timeout=60)


def test_a_config_file_in_russian_is_read(tmp_path: Path) -> None:
    config = tmp_path / "callmocks.toml"
    config.write_text("# Настройки\nseed = 7\ncalls-per-day = 10\n", encoding="utf-8")
    done = run("history", "fingerprint", "--config", str(config))
    assert (done.returncode, done.stderr) == (0, b"")


def test_no_module_needs_what_only_posix_has() -> None:
    # Asked for only where it is sure to be, or with another way at hand.
    allowed = {
        "history/clock.py memfd_create",
        "server/tls.py memfd_create",
        "cli/__init__.py SIGALRM",
        "cli/serve.py uvloop",
        "cli/serve.py add_signal_handler",
        "cli/worker.py add_signal_handler",  # Windows has no workers
        "server/descriptors.py resource",
    }
    allowed.add("replication/recovery.py fork")  # a field
    allowed.add("testing/container.py /tmp/callmocks-ca.pem")  # a path in the container
    found = {
        f"{path.relative_to(PACKAGE).as_posix()} {name}"
        for path in SOURCES
        for name in _posix_names(ast.parse(path.read_bytes()))
    }
    assert found == allowed


def _posix_names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from POSIX_MODULES.intersection(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from POSIX_MODULES.intersection([node.module or ""])
            yield from POSIX_NAMES.intersection(alias.name for alias in node.names)
        elif isinstance(node, ast.Attribute):
            yield from POSIX_NAMES.intersection([node.attr])
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from re.findall(r"^/(?:tmp|dev|var|etc|usr)/.*", node.value)
            yield from re.findall(r"%-[dmHMS]", node.value)  # strftime of glibc alone


def test_the_search_for_posix_finds_it() -> None:
    code = "import fcntl\nfrom signal import SIGHUP\nos.fork()\nopen('/tmp/x')\nf'{a:%-d}'"
    assert len(list(_posix_names(ast.parse(code)))) == 5


def test_every_text_file_is_opened_with_its_encoding() -> None:
    found = {path.name: list(_bare_opens(ast.parse(path.read_bytes()))) for path in SOURCES}
    assert {name: lines for name, lines in found.items() if lines} == {}
    wrong = "open(p)\np.open()\np.open('w')\np.read_text()\np.write_text(t)\nopen(p, mode='a')"
    right = "open(p, 'rb')\np.open('wb')\np.read_text('utf-8')\nopen(p, 'w', encoding='utf-8')"
    assert list(_bare_opens(ast.parse(wrong))) == [1, 2, 3, 4, 5, 6]
    assert list(_bare_opens(ast.parse(right + "\nos.open(p, flags)"))) == []


def _bare_opens(tree: ast.AST) -> Iterator[int]:
    """Lines where a text file is opened in the encoding that the machine happens to have."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or any(k.arg == "encoding" for k in node.keywords):
            continue
        match node.func:
            case ast.Attribute(attr="read_text") if not node.args:
                yield node.lineno
            case ast.Attribute(attr="write_text") if len(node.args) < 2:
                yield node.lineno
            case ast.Attribute(value=ast.Name(id="os"), attr="open"):
                pass
            case ast.Attribute(attr="open"):
                yield from _unless_bytes(node, node.args[:1])
            case ast.Name(id="open"):
                yield from _unless_bytes(node, node.args[1:2])


def _unless_bytes(node: ast.Call, mode: list[ast.expr]) -> Iterator[int]:
    mode += [keyword.value for keyword in node.keywords if keyword.arg == "mode"]
    if not any(isinstance(each, ast.Constant) and "b" in str(each.value) for each in mode):
        yield node.lineno


def test_dependencies_are_there_on_windows() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert re.search(r"\"tzdata[^\"]*; sys_platform == 'win32'\"", text)
    assert re.search(r"\"uvloop[^\"]*; sys_platform != 'win32'\"", text)


def test_the_repository_can_be_checked_out() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    names = listed.stdout.decode().split("\0")[:-1]
    if not names:
        pytest.skip("not a checkout")
    folded = Counter(name.casefold() for name in names)
    assert [name for name, times in folded.items() if times > 1] == []
    device = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
    for name in names:
        for part in name.split("/"):
            assert not re.search(r'[<>:"|?*\\\x00-\x1f]|[. ]$', part), name
            assert not device.fullmatch(part), name
