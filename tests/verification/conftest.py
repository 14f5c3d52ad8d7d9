"""One mock server for all tests of verification, and the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import callmocks
from callmocks.testing import Mocks
from callmocks.verification import check_arm_frames
from tests import forked

NOW = "2026-03-03T12:00:00"
DAY = "2026-03-02"


@pytest.fixture(scope="session")
def suite() -> Iterator[Mocks]:
    """The clock stands on a Tuesday at noon."""
    with callmocks.running(now=NOW) as mocks:
        yield mocks


@pytest.fixture(autouse=True)
def _short_silence(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A check of ARM waits five times for a message too many; only one fault sends it."""
    if "duplicated" not in request.node.name:
        monkeypatch.setattr(check_arm_frames, "GRACE_SECONDS", 0.01)


@dataclass
class CommandResult:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


CommandRunner = Callable[..., CommandResult]


def run_command(
    *arguments: object, env: dict[str, str] | None = None, seconds: float = 60, stdin: str = ""
) -> CommandResult:
    """Run ``callmocks`` in its own process."""
    done = forked.run_command(*arguments, env=env, stdin=stdin.encode(), seconds=seconds)
    out, err = done.stdout.decode(), done.stderr.decode()
    assert "Traceback" not in err, err
    return CommandResult(done.returncode, out, err)


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> CommandRunner:
    """Run ``callmocks`` in this process, which is faster; errors raise ``CallmocksError``."""
    from callmocks.cli.commands import group

    def run(*arguments: object) -> CommandResult:
        capfd.readouterr()
        code = 0
        try:
            group.main([str(each) for each in arguments], "callmocks", standalone_mode=False)
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capfd.readouterr()
        return CommandResult(code, out, err)

    return run


def check_arguments(tenant: Any, provider: str) -> list[str]:
    """The arguments of ``check`` for a tenant of the mock."""
    name = tenant.name
    if provider == "arm":
        return ["arm", tenant.arm.url + f"/{name}", "--login", "101", "--password", name]
    if provider == "cdr":
        return ["cdr", tenant.cdr.url, "--token", f"{name}-token", "--day", DAY]
    return ["onec", tenant.onec.url, "--login", name, "--password", name, "--day", DAY]


def write_file(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path
