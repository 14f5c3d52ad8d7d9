"""What a peer is."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cases import Case
from benchmarks.processes import BenchError


@dataclass(frozen=True)
class PeerSetup:
    """Where a peer finds its program and the stubs, and where it may write."""

    modules: Path
    """``node_modules`` with the peers' packages."""
    work: Path
    port: int
    stubs: Sequence[Case]

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


@dataclass(frozen=True)
class Peer:
    """A mock to compare with.

    ``command`` writes what the peer reads and says how it is started; ``BenchError`` tells why it
    cannot be. ``general``: a mock for any HTTP API, as opposed to one for a protocol.
    """

    name: str
    package: str
    general: bool
    command: Callable[[PeerSetup], list[str]]
    serves: Callable[[Case], bool] = lambda case: case.transport == "http"
    own_path: str = ""
    """Where it serves, when it cannot serve at ``/CASE``."""

    def path_of(self, case: Case) -> str:
        """Where it serves a case."""
        return self.own_path or f"/{case.name}"
