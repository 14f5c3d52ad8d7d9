"""A proxy, or a mock that replays, in its own process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import callmocks
from tests.forked import ForkedCommand

SECONDS = 20


class BackgroundCommand:
    def __init__(self, *arguments: object) -> None:
        self._process = ForkedCommand(*arguments)
        self.ready: dict[str, Any] = {}
        self.stderr_lines: list[str] = []
        self._reader = Thread(target=self._read_stderr, daemon=True)
        self._reader.start()
        line = self._process.stdout.readline()
        if line:
            self.ready = json.loads(line)

    def _read_stderr(self) -> None:
        for line in self._process.stderr:
            self.stderr_lines.append(line.decode().rstrip("\n"))

    def stop(self) -> int:
        """Returns the exit code; ``stderr_lines`` is complete then."""
        self._process.terminate()
        code = self._process.wait(SECONDS)
        self._reader.join(SECONDS)
        self._process.stdout.close()
        self._process.stderr.close()
        assert not any("Traceback" in line for line in self.stderr_lines), self.stderr_lines
        return code


@contextmanager
def run_proxy(provider: str, upstream: str, *more: object) -> Iterator[BackgroundCommand]:
    """A proxy on a free port; ``ready["proxy"]`` is its address."""
    process = BackgroundCommand("proxy", provider, upstream, "--port", "0", "--json", *more)
    try:
        yield process
    finally:
        if process._process.poll() is None:
            process.stop()


@contextmanager
def run_replay(recording: Path, limits: str = "documented") -> Iterator[dict[str, str]]:
    """The URLs of a mock that serves a recording, by the names of its servers."""
    with callmocks.running(replay=recording, limits=limits) as mocks:
        urls = {each.name: each.url for each in (mocks.arm, mocks.cdr, mocks.onec)}
        yield urls | {"control": mocks.control_url}


@contextmanager
def run_replay_process(recording: Path) -> Iterator[dict[str, Any]]:
    ports = [each for name in ("arm", "cdr", "onec", "control") for each in (f"--{name}-port", "0")]
    process = BackgroundCommand("serve", "--json", "--replay", recording, *ports)
    try:
        yield process.ready
    finally:
        if process._process.poll() is None:
            assert process.stop() == 0


def read_exchanges(recording: Path) -> list[dict[str, Any]]:
    """The exchanges of a recording."""
    lines = recording.read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[0])["callmocks"] == "recording 1"
    return [json.loads(line) for line in lines[1:]]
