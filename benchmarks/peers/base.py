"""What a peer is."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cases import Case
from benchmarks.processes import BenchError

STUB, SAME_JOB, PROTOCOL = "constant stub", "same job", "protocol server"
"""How a peer serves. A protocol server parses the protocol, and is given the twelve as well."""


@dataclass(frozen=True)
class PeerSetup:
    """Where a peer finds its program and the stubs, and where it may write."""

    modules: Path
    """``node_modules`` with the peers' packages."""
    work: Path
    port: int
    stubs: Sequence[Case]
    """The cases to be served, or the expectations of one."""
    kind: str

    def path_of(self, stub: Case) -> str:
        return f"/{stub.name}" if self.kind == STUB else stub.path

    def find_jar(self, pattern: str) -> Path:
        """A jar among the packages; ``BenchError`` when the package came without it."""
        found = sorted(self.modules.glob(pattern))
        if not found:
            raise BenchError(f"no {pattern} among the packages")
        if shutil.which("java") is None:
            raise BenchError("java is not installed")
        return found[0].resolve()

    def script_command(self, path: str) -> list[str]:
        """A command that runs a package's script."""
        file = self.modules / path
        if not file.exists():
            raise BenchError(f"no {path} among the packages")
        return ["node", str(file.resolve())]


def is_recorded(case: Case, body: bytes) -> bool:
    """Whether a body is the recorded answer, byte by byte."""
    return body == case.answer


@dataclass(frozen=True)
class Peer:
    """A mock to compare with.

    ``command`` writes what the peer reads and says how it is started; ``BenchError`` tells why it
    cannot be.
    """

    name: str
    package: str
    kinds: tuple[str, ...]
    command: Callable[[PeerSetup], list[str]]
    serves: Callable[[Case], bool] = lambda case: case.transport == "http"
    is_answer: Callable[[Case, bytes], bool] = is_recorded
    own_path: str = ""
    """Where it serves, when it can choose no path."""
    no_same_job: str = ""
    """Why it cannot do the same job."""
    java: bool = False
    """A Java machine compiles while it serves, and is warmed up longer."""
    empty_journal: tuple[str, str] | None = None
    """Method and path that empty a journal without limits, which a warm-up would fill memory by."""
