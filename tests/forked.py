"""Commands of callmocks in processes of their own, forked from one that has imported the package.

They run, end and take signals as ``python -m callmocks`` does and spare its second of imports.
Tests of the start itself (speed, memory, descriptors, limits) start an interpreter instead.
"""

from __future__ import annotations

import multiprocessing
import os
import pkgutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for_sentinels
from pathlib import Path
from tempfile import TemporaryFile
from typing import Self

import callmocks

if sys.platform != "win32":
    FORK_SERVER = multiprocessing.get_context("forkserver")
    FORK_SERVER.set_forkserver_preload(
        [
            module.name
            for module in pkgutil.walk_packages(callmocks.__path__, "callmocks.")
            if not module.name.startswith(("callmocks.__main__", "callmocks.testing"))
        ]
    )
CLEAN_ENVIRONMENT = {
    name: value for name, value in os.environ.items() if not name.startswith("CALLMOCKS_")
}


class ForkedCommand:
    """What tests use of ``subprocess.Popen``; stdout and stderr are pipes."""

    def __init__(
        self,
        *arguments: object,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: bytes = b"",
        stdout: int | None = None,
    ) -> None:
        """``env`` adds to an environment without settings of callmocks; ``stdout`` is a descriptor
        to write to instead of the pipe.
        """
        out, err = os.pipe(), os.pipe()
        self.stdout, self.stderr = os.fdopen(out[0], "rb"), os.fdopen(err[0], "rb")
        with TemporaryFile() as given:
            given.write(stdin)
            given.seek(0)
            streams = [Connection(os.dup(given.fileno())), Connection(out[1]), Connection(err[1])]
        if stdout is not None:
            streams[1] = Connection(os.dup(stdout))
        environment = CLEAN_ENVIRONMENT | dict(env or {})
        self._process = FORK_SERVER.Process(
            target=run_forked,
            args=([*map(str, arguments)], environment, str(cwd or Path.cwd()), streams),
            daemon=True,
        )
        self._process.start()
        for each in streams:
            each.close()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Waits for its end."""
        self.wait()
        self.stdout.close()
        self.stderr.close()

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        wait_for_sentinels([self._process.sentinel], timeout)
        code = self.returncode
        if code is None:
            raise subprocess.TimeoutExpired("callmocks", timeout or 0)
        return code

    def communicate(self, timeout: float | None = None) -> tuple[bytes, bytes]:
        with ThreadPoolExecutor(2) as threads:
            read = [threads.submit(each.read) for each in (self.stdout, self.stderr)]
            try:
                self.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()  # else the threads read for ever
                raise
            return read[0].result(), read[1].result()

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


if sys.platform == "win32":  # it cannot fork

    class ForkedCommand(subprocess.Popen[bytes]):
        def __init__(
            self,
            *arguments: object,
            env: Mapping[str, str] | None = None,
            cwd: Path | None = None,
            stdin: bytes = b"",
            stdout: int | None = None,
        ) -> None:
            with TemporaryFile() as given:
                given.write(stdin)
                given.seek(0)
                super().__init__(
                    [sys.executable, "-m", "callmocks", *map(str, arguments)],
                    env=CLEAN_ENVIRONMENT | {"PYTHONIOENCODING": "utf-8"} | dict(env or {}),
                    cwd=cwd,
                    stdin=given,
                    stdout=subprocess.PIPE if stdout is None else stdout,
                    stderr=subprocess.PIPE,
                )


def run_command(
    *arguments: object,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: bytes = b"",
    stdout: int | None = None,
    seconds: float = 60,
) -> subprocess.CompletedProcess[bytes]:
    with ForkedCommand(*arguments, env=env, cwd=cwd, stdin=stdin, stdout=stdout) as process:
        out, err = process.communicate(seconds)
        return subprocess.CompletedProcess([*map(str, arguments)], process.wait(), out, err)


def run_forked(
    arguments: list[str], environment: dict[str, str], folder: str, streams: list[Connection]
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for descriptor, stream in enumerate(streams):
        os.dup2(stream.fileno(), descriptor)
        stream.close()
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
    sys.argv = ["callmocks", *arguments]
    from callmocks.cli import main

    main()
