"""Servers as processes pinned to one core: start time, CPU time, memory, standing still."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

SERVER_CORE = 0
LOAD_CORE = 1
START_SECONDS = 60
"""A server that has not answered by then has failed."""
_STOP_SECONDS = 5
_PAGE = os.sysconf("SC_PAGE_SIZE")


class BenchError(Exception):
    """Something the benchmark needs is missing or does not work; the text says what."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def pin_to_core(command: Sequence[str], core: int) -> list[str]:
    """The command bound to one core (the only one, when there is no other)."""
    cores = sorted(os.sched_getaffinity(0))
    return ["taskset", "-c", str(cores[min(core, len(cores) - 1)]), *command]


class ServerProcess:
    """A running server. ``ready`` is a request that it answers with 200 when it is up."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        port: int,
        ready: bytes,
        log: Path,
        cwd: Path | None = None,
    ) -> None:
        self.name = name
        self.port = port
        self._log = log.open("wb")
        begun = time.perf_counter()
        self._process = subprocess.Popen(
            pin_to_core(command, SERVER_CORE),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            cwd=cwd,
            start_new_session=True,
        )
        try:
            self._wait_until_ready(ready, begun + START_SECONDS)
        except BaseException:
            self.stop()
            raise
        self.start_seconds = time.perf_counter() - begun
        """From the start of the process to the first answer with status 200."""

    def _wait_until_ready(self, ready: bytes, until: float) -> None:
        while time.perf_counter() < until:
            if self._process.poll() is not None:
                raise BenchError(f"{self.name} ended with code {self._process.returncode}")
            if _answers_ok(self.port, ready):
                return
            time.sleep(0.005)
        raise BenchError(f"{self.name} did not answer within {START_SECONDS} s")

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def cpu_seconds(self) -> float:
        """CPU time used so far by all its processes and threads."""
        used = 0
        for pid in self._process_tree():
            for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                used += int(task.read_text().split()[0])
        return used / 1e9

    @property
    def rss(self) -> int:
        """Bytes of memory that its processes occupy now."""
        pages = (Path(f"/proc/{pid}/statm").read_text().split()[1] for pid in self._process_tree())
        return sum(map(int, pages)) * _PAGE

    @property
    def peak_rss(self) -> int:
        """The most memory its first process ever occupied, in bytes."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024

    def pause(self) -> None:
        """Stand still, so that others have the core for themselves."""
        os.killpg(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.killpg(self._process.pid, signal.SIGCONT)

    def stop(self) -> None:
        """End it and whatever it started."""
        for number in (signal.SIGCONT, signal.SIGTERM):
            _signal_group(self._process.pid, number)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            _signal_group(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._log.close()

    def _process_tree(self) -> list[int]:
        """The process and its descendants."""
        found = [self._process.pid]
        for pid in found:
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                found += map(int, task.read_text().split())
        return found


def _signal_group(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)


def _answers_ok(port: int, request: bytes) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(request)
            return connection.recv(64).split(b" ")[1:2] == [b"200"]
    except OSError:
        return False
